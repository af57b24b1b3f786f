//! Whom this machine serves, and as which user.

use std::net::IpAddr;

use diagnosis::{Finding, Machine, Status};
use nix::net::if_::InterfaceFlags;
use serde_json::json;

use super::{Anew, shown};
use crate::access::AccessList;
use crate::identity;
use crate::options::Options;

/// An address of this machine in a network.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Own {
    interface: String,
    address: IpAddr,
    n_bits: u32,
}

impl Own {
    /// The network, as `--allow` takes it.
    fn network(&self) -> String {
        match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - self.n_bits).unwrap_or(0);
                let network = std::net::Ipv4Addr::from_bits(address.to_bits() & mask);
                format!("{network}/{}", self.n_bits)
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - self.n_bits).unwrap_or(0);
                let network = std::net::Ipv6Addr::from_bits(address.to_bits() & mask);
                format!("{network}/{}", self.n_bits)
            }
        }
    }
}

/// The addresses by which others on the network reach this machine.
fn own_addresses() -> Vec<Own> {
    let Ok(found) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    let is_of_use = |flags: InterfaceFlags| {
        flags.contains(InterfaceFlags::IFF_UP) && !flags.contains(InterfaceFlags::IFF_LOOPBACK)
    };
    let ip = |storage: Option<nix::sys::socket::SockaddrStorage>| -> Option<IpAddr> {
        let storage = storage?;
        let v4 = storage.as_sockaddr_in().map(|address| IpAddr::from(address.ip()));
        v4.or_else(|| storage.as_sockaddr_in6().map(|address| IpAddr::from(address.ip())))
    };
    found
        .filter(|entry| is_of_use(entry.flags))
        .filter_map(|entry| {
            let address = ip(entry.address)?;
            let n_bits = match ip(entry.netmask)? {
                IpAddr::V4(mask) => mask.to_bits().leading_ones(),
                IpAddr::V6(mask) => mask.to_bits().leading_ones(),
            };
            // Every machine has one of those, and nobody names a server by it.
            let is_link_local =
                matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
            (!is_link_local).then_some(Own { interface: entry.interface_name, address, n_bits })
        })
        .collect()
}

/// The code of a server that nobody else may connect to.
const ALONE: &str = "serves-nobody-else";

/// Whether the machines of the networks around may connect.
pub(super) fn access(options: &Options, anew: &Anew<'_>) -> Finding {
    let list = match AccessList::of(options, false) {
        Ok(list) => list,
        Err(failure) => {
            let text = format!("{}; {}", failure.text, failure.hint);
            return Finding::here("access", Status::Failed, "bad-network", shown(&text));
        }
    };
    let own = own_addresses();
    let finding = judge(options, &list, &own);
    if finding.code != ALONE {
        return finding;
    }
    let network = own.first().map(Own::network).unwrap_or_default();
    let command = anew.command("", &format!("--allow {network}"));
    let note = "distccd is started anew with its options and this one; where a service manager runs it, \
                add the option to its settings instead: /etc/conf.d/distccd, or ALLOWEDNETS in \
                /etc/default/distcc";
    finding.mended_by(Machine::This, &[&command], note)
}

fn judge(options: &Options, list: &AccessList, own: &[Own]) -> Finding {
    let is_private = options.allow_private || options.allow.is_empty();
    let mut allowed: Vec<String> = options.allow.iter().map(|network| shown(network)).collect();
    if is_private {
        allowed.push("private networks".to_owned());
    }
    let allowed = allowed.join(", ");
    let served: Vec<&Own> = own.iter().filter(|own| list.lets_in(own.address)).collect();
    let find = |status, code, text: String| {
        let networks: Vec<_> = own
            .iter()
            .map(|own| {
                json!({
                    "interface": own.interface,
                    "network": own.network(),
                    "served": list.lets_in(own.address),
                })
            })
            .collect();
        let data = json!({ "allowed": options.allow, "private": is_private, "networks": networks });
        Finding::here("access", status, code, text).with_data(data)
    };
    if !served.is_empty() {
        let networks: Vec<String> =
            served.iter().map(|own| format!("{} ({})", own.network(), own.interface)).collect();
        return find(Status::Ok, "served", format!("serves {}", networks.join(", ")));
    }
    if own.is_empty() {
        let text = format!("this machine is on no network; allowed: {allowed}");
        return find(Status::Skipped, "no-network", text);
    }
    if list.serves_others() {
        let text = format!("serves {allowed}, and none of the networks that this machine is on");
        return find(Status::Ok, "served-elsewhere", text);
    }
    let text = format!("serves this machine alone ({allowed})");
    find(Status::Failed, ALONE, text)
}

/// As whom compilers run.
pub(super) fn user(options: &Options) -> Finding {
    let find = |status, code, text: String| Finding::here("user", status, code, text);
    match identity::to_be(options) {
        Ok(None) => find(Status::Ok, "user", "not root: --user has no effect".to_owned()),
        Ok(Some((name, uid))) if uid != 0 => {
            find(Status::Ok, "user", format!("compilers run as {} ({uid})", shown(&name)))
        }
        Ok(Some(_)) => {
            let text =
                "compilers run as root, because --user says so: any client becomes root here";
            let note =
                "start distccd without --user root; it then becomes distccd, distcc or nobody";
            find(Status::Warning, "runs-as-root", text.to_owned()).mended_by(
                Machine::This,
                &["useradd --system distcc"],
                note,
            )
        }
        Err(failure) => {
            let note = failure.hint.clone();
            find(Status::Failed, "no-such-user", shown(&failure.text)).mended_by(
                Machine::This,
                &["useradd --system distcc"],
                &note,
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{self, Request};

    fn own(address: &str, n_bits: u32) -> Own {
        Own { interface: "eth0".to_owned(), address: address.parse().unwrap(), n_bits }
    }

    #[track_caller]
    fn check(words: &str, own: &[Own], expected: &str) {
        let words = ["distccd"].into_iter().chain(words.split_whitespace());
        let Ok(Request::Serve(options)) = options::read(words.map(Into::into)) else {
            panic!("no options")
        };
        let list = AccessList::of(&options, false).ok().unwrap();
        let finding = judge(&options, &list, own);
        assert_eq!(finding.code, expected, "{}", finding.text);
    }

    #[test]
    fn a_network_that_may_not_connect_is_noticed() {
        let public = [own("198.51.100.7", 24), own("2001:db8::7", 64)];
        check("--allow 198.51.100.0/24", &public, "served");
        check("--allow 10.0.0.0/8", &public, "served-elsewhere");
        check("", &[own("192.168.3.4", 16)], "served");
        check("", &[], "no-network");
        check("--allow 127.0.0.1 --allow ::1", &public, "serves-nobody-else");
    }

    #[test]
    fn a_network_is_named_as_it_is_allowed() {
        assert_eq!(own("192.168.3.4", 16).network(), "192.168.0.0/16");
        assert_eq!(own("10.1.2.3", 0).network(), "0.0.0.0/0");
        assert_eq!(own("2001:db8::7", 64).network(), "2001:db8::/64");
    }
}
