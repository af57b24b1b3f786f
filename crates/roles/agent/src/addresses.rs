//! What the system's resolver says of a host's name, for clients that are linked statically and
//! therefore cannot ask it.

use std::net::ToSocketAddrs;

use transport::address_to_text;

/// The addresses of `name` in the resolver's order, one on each line.
///
/// # Errors
/// The resolver's own words, where there is none.
pub(crate) fn of(name: &str) -> Result<String, String> {
    let addresses = (name, 0).to_socket_addrs().map_err(|error| {
        let text = error.to_string();
        text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).to_owned()
    })?;
    Ok(addresses.map(|address| address_to_text(&address) + "\n").collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_its_own_name_and_others_are_asked_for() {
        assert_eq!(of("10.0.0.7").unwrap(), "10.0.0.7\n");
        assert!(of("localhost").unwrap().lines().any(|line| line == "127.0.0.1" || line == "::1"));
    }
}
