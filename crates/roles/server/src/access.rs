//! Who may connect.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs};

use wire::Exit;

use crate::Failure;
use crate::options::Options;

/// The networks whose machines are served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AccessList {
    networks: Vec<Network>,
}

/// The addresses that begin with the first `n_bits` of `address`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    n_bits: u8,
}

/// What is wrong with the value of `--allow`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BadNetwork {
    NoAddress,
    BadBits { most: u8 },
    UnknownName(String),
}

impl fmt::Display for BadNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadNetwork::NoAddress => f.write_str("no address, network or name"),
            BadNetwork::BadBits { most } => {
                write!(f, "after the slash comes a number of bits from 0 to {most}")
            }
            BadNetwork::UnknownName(why) => write!(f, "no such host: {why}"),
        }
    }
}

impl AccessList {
    /// Whom the options let in. With no `--allow` at all that is private networks, except over inetd,
    /// where the super-server has judged already.
    ///
    /// # Errors
    /// Which of them makes no sense.
    pub(crate) fn of(options: &Options, is_inetd: bool) -> Result<AccessList, Failure> {
        let mut access = AccessList::default();
        for text in &options.allow {
            access.allow(text).map_err(|error| {
                Failure::new(
                    Exit::BAD_ARGUMENTS,
                    format!("--allow `{}`: {error}", text.escape_debug()),
                    "--allow takes an address, a network or a name: --allow 192.168.0.0/24",
                )
            })?;
        }
        if options.allow_private || (options.allow.is_empty() && !is_inetd) {
            access.allow_private();
        } else if options.allow.is_empty() {
            access.allow_all();
        }
        Ok(access)
    }

    /// Whether anybody but this machine itself is let in.
    pub(crate) fn serves_others(&self) -> bool {
        self.networks.iter().any(|network| {
            let n_least = if network.address.is_ipv4() { 8 } else { 128 };
            !network.address.to_canonical().is_loopback() || network.n_bits < n_least
        })
    }

    /// Lets in what `text` says: an address, a network as `ADDRESS/BITS`, or a host by its name,
    /// which is looked up now.
    pub(crate) fn allow(&mut self, text: &str) -> Result<(), BadNetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address =
            address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
        if let Ok(address) = address.parse::<IpAddr>() {
            let most = width(address);
            let n_bits = match bits {
                None => most,
                Some(bits) => number(bits, most).ok_or(BadNetwork::BadBits { most })?,
            };
            self.networks.push(Network { address, n_bits });
            return Ok(());
        }
        let may_be_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let is_name = !text.is_empty() && text.chars().all(may_be_name);
        if bits.is_some() || text.starts_with(['-', '.']) || !is_name {
            return Err(BadNetwork::NoAddress);
        }
        let found = (text, 0)
            .to_socket_addrs()
            .map_err(|error| BadNetwork::UnknownName(error.to_string()))?;
        for address in found {
            self.networks.push(Network { address: address.ip(), n_bits: width(address.ip()) });
        }
        Ok(())
    }

    /// Lets in this machine and the networks that are not routed on the internet.
    pub(crate) fn allow_private(&mut self) {
        let v4 = |a, b, n_bits| Network { address: Ipv4Addr::new(a, b, 0, 0).into(), n_bits };
        let v6 = |first, last, n_bits| Network {
            address: Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, last).into(),
            n_bits,
        };
        self.networks.extend([
            v4(192, 168, 16),
            v4(10, 0, 8),
            v4(172, 16, 12),
            v4(127, 0, 8),
            v4(169, 254, 16),
            v6(0, 1, 128),
            v6(0xfe80, 0, 10),
            v6(0xfc00, 0, 7),
        ]);
    }

    /// Lets in everybody.
    pub(crate) fn allow_all(&mut self) {
        self.networks.extend([
            Network { address: Ipv4Addr::UNSPECIFIED.into(), n_bits: 0 },
            Network { address: Ipv6Addr::UNSPECIFIED.into(), n_bits: 0 },
        ]);
    }

    /// Whether a peer may connect. An IPv4 peer of a dual-stack socket counts as the IPv4 machine
    /// that it is.
    pub(crate) fn lets_in(&self, peer: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(peer.to_canonical()))
    }
}

impl Network {
    fn contains(&self, peer: IpAddr) -> bool {
        let differ = match (self.address, peer) {
            (IpAddr::V4(own), IpAddr::V4(peer)) => u128::from(own.to_bits() ^ peer.to_bits()) << 96,
            (IpAddr::V6(own), IpAddr::V6(peer)) => own.to_bits() ^ peer.to_bits(),
            // `--allow ::ffff:10.0.0.0/104`, in the words of a dual-stack socket.
            (IpAddr::V6(own), IpAddr::V4(peer)) => own.to_bits() ^ peer.to_ipv6_mapped().to_bits(),
            (IpAddr::V4(_), IpAddr::V6(_)) => return false,
        };
        differ.leading_zeros() >= u32::from(self.n_bits)
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn number(text: &str, most: u8) -> Option<u8> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?.filter(|number| *number <= most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(allow: &str, peer: &str, expected: bool) {
        let mut access = AccessList::default();
        access.allow(allow).unwrap();
        assert_eq!(access.lets_in(peer.parse().unwrap()), expected, "{allow} {peer}");
    }

    #[test]
    fn networks_let_their_machines_in() {
        check("192.168.0.0/24", "192.168.0.77", true);
        check("192.168.0.0/24", "192.168.1.77", false);
        check("10.1.2.3", "10.1.2.3", true);
        check("10.1.2.3", "10.1.2.4", false);
        check("0.0.0.0/0", "8.8.8.8", true);
        check("0.0.0.0/0", "2001:db8::1", false);
        check("2001:db8::/32", "2001:db8:5::1", true);
        check("[2001:db8::]/32", "2001:db9::1", false);
        check("localhost", "127.0.0.1", true);
    }

    #[test]
    fn who_is_alone_is_noticed() {
        for (allow, expected) in [
            ("127.0.0.1", false),
            ("127.0.0.0/8", false),
            ("::1", false),
            ("126.0.0.0/7", true),
            ("::/127", true),
            ("10.0.0.1", true),
        ] {
            let mut access = AccessList::default();
            access.allow(allow).unwrap();
            assert_eq!(access.serves_others(), expected, "{allow}");
        }
    }

    #[test]
    fn mapped_addresses_are_the_ipv4_machines_that_they_are() {
        check("127.0.0.1", "::ffff:127.0.0.1", true);
        check("1.0.0.127", "::ffff:127.0.0.1", false);
        check("::ffff:10.0.0.0/104", "::ffff:10.9.9.9", true);
    }

    #[track_caller]
    fn refuses(allow: &str, expected: BadNetwork) {
        assert_eq!(AccessList::default().allow(allow), Err(expected), "{allow}");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        refuses("--jobs", BadNetwork::NoAddress);
        refuses("", BadNetwork::NoAddress);
        for bits in ["", "x", "33", "-1", "+1"] {
            refuses(&format!("10.0.0.0/{bits}"), BadNetwork::BadBits { most: 32 });
        }
        refuses("::1/129", BadNetwork::BadBits { most: 128 });
        refuses("red/24", BadNetwork::NoAddress);
    }

    #[test]
    fn private_networks_are_those_that_nobody_routes() {
        let mut access = AccessList::default();
        access.allow_private();
        for peer in
            ["127.0.0.1", "::1", "10.9.9.9", "172.31.0.1", "192.168.3.4", "fe80::1", "fd00::1"]
        {
            assert!(access.lets_in(peer.parse().unwrap()), "{peer}");
        }
        for peer in ["198.51.100.7", "172.32.0.1", "2001:db8::1", "::2"] {
            assert!(!access.lets_in(peer.parse().unwrap()), "{peer}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[0-9a-f:./\\[\\]x-]{1,20}") {
            // Names are not looked up here: that would ask the network.
            prop_assume!(text.contains(['/', ':', '[', ']']));
            let _ = AccessList::default().allow(&text);
        }
    }
}
