//! Names and addresses of hosts.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};

use crate::connect::{Attempt, ConnectError};

/// The addresses of `name`, in the resolver's order, with port 0. The system's resolver has limits of
/// its own, of half a minute and more, so it is asked by a thread that need not be waited for.
///
/// Not for a program that is linked statically with glibc: its resolver loads parts of itself at run
/// time, of the very glibc that was there when the program was built.
///
/// # Errors
/// [`ConnectError::Name`], or [`ConnectError::GivenUp`].
pub fn look_up(name: &str, attempt: &mut Attempt<'_>) -> Result<Vec<SocketAddr>, ConnectError> {
    let name = name.to_owned();
    let (sender, receiver) = sync_channel(1);
    std::thread::Builder::new()
        .name("resolver".to_owned())
        .spawn(move || {
            let addresses = (name.as_str(), 0).to_socket_addrs();
            // Nobody may be waiting any more.
            let _ = sender.send(addresses.map(Iterator::collect::<Vec<_>>));
        })
        .map_err(ConnectError::Name)?;
    let answer = attempt.wait(attempt.time_left(), |pause| match receiver.recv_timeout(pause) {
        Ok(answer) => Some(answer),
        Err(RecvTimeoutError::Timeout) => None,
        Err(RecvTimeoutError::Disconnected) => Some(Err(io::ErrorKind::NotFound.into())),
    })?;
    answer.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into())).map_err(ConnectError::Name)
}

/// The address without its port, in digits: `10.0.0.7`, `fe80::7%2`.
#[must_use]
pub fn address_to_text(address: &SocketAddr) -> String {
    match address {
        SocketAddr::V6(address) if address.scope_id() != 0 => {
            format!("{}%{}", address.ip(), address.scope_id())
        }
        address => address.ip().to_string(),
    }
}

/// The address, with port 0, that stands in `text` in digits; `None` for anything else.
#[must_use]
pub fn address_from_text(text: &str) -> Option<SocketAddr> {
    let Some((address, scope)) = text.split_once('%') else {
        return Some(SocketAddr::new(text.parse::<IpAddr>().ok()?, 0));
    };
    let is_number = !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_digit());
    let scope = scope.parse().ok().filter(|_| is_number)?;
    Some(SocketAddrV6::new(address.parse::<Ipv6Addr>().ok()?, 0, 0, scope).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_same_after_a_journey_as_text() {
        for text in ["10.0.0.7", "::1", "fe80::7%2", "::ffff:10.0.0.7"] {
            assert_eq!(address_to_text(&address_from_text(text).unwrap()), text);
        }
    }

    #[test]
    fn what_has_more_than_digits_is_no_address() {
        let more = ["", "red", "10.0.0", "10.0.0.7:1", "10.0.0.7%2", "fe80::7%", "fe80::7%eth0"];
        for text in more.into_iter().chain(["fe80::7%+2", "%2", "fe80::7%2%2", " ::1", "::1 "]) {
            assert_eq!(address_from_text(text), None, "{text}");
        }
    }
}
