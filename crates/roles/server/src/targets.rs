//! `--target`: for which machine the plain names of some clients are.

use std::net::IpAddr;

use crate::access::{AccessList, BadNetwork};

/// What `gcc` without a target in front means, by who asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Targets {
    /// For the clients of networks, the first that fits.
    of_networks: Vec<(AccessList, String)>,
    /// For everybody else.
    of_all: Option<String>,
}

/// What is wrong with the value of `--target`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadTarget {
    /// The part before `=`.
    Network(BadNetwork),
    /// The part behind it, or the whole.
    NoTarget,
}

impl Targets {
    /// Takes one value: `TARGET`, or `NETWORK=TARGET`.
    pub(crate) fn add(&mut self, text: &str) -> Result<(), BadTarget> {
        let (network, target) = match text.rsplit_once('=') {
            Some((network, target)) => (Some(network), target),
            None => (None, text),
        };
        let is_target = target.starts_with(|first: char| first.is_ascii_alphanumeric())
            && target.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
            // An address without a target is somebody's slip.
            && target.contains(|c: char| c.is_ascii_alphabetic());
        if !is_target {
            return Err(BadTarget::NoTarget);
        }
        match network {
            Some(network) => {
                let mut clients = AccessList::default();
                clients.allow(network).map_err(BadTarget::Network)?;
                self.of_networks.push((clients, target.to_owned()));
            }
            None => self.of_all = Some(target.to_owned()),
        }
        Ok(())
    }

    /// What plain names of `peer` are for. Who comes over a pipe is no network's.
    pub(crate) fn of(&self, peer: Option<IpAddr>) -> Option<&str> {
        let network = peer
            .and_then(|peer| self.of_networks.iter().find(|(clients, _)| clients.lets_in(peer)));
        network.map(|(_, target)| target.as_str()).or(self.of_all.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_network_that_fits_says_the_target() {
        let mut targets = Targets::default();
        for text in
            ["10.0.0.0/24=aarch64-linux-gnu", "10.0.0.0/8=arm-none-eabi", "x86_64-linux-gnu"]
        {
            targets.add(text).unwrap();
        }
        let of = |peer: &str| targets.of(Some(peer.parse().unwrap())).unwrap();
        assert_eq!(of("10.0.0.7"), "aarch64-linux-gnu");
        assert_eq!(of("::ffff:10.0.0.7"), "aarch64-linux-gnu");
        assert_eq!(of("10.1.0.7"), "arm-none-eabi");
        assert_eq!(of("192.168.0.7"), "x86_64-linux-gnu");
        assert_eq!(targets.of(None), Some("x86_64-linux-gnu"));
        assert_eq!(Targets::default().of(None), None);
    }

    #[test]
    fn what_is_no_target_is_refused() {
        for text in ["", "10.0.0.0/24", "10.0.0.1", "10.0.0.0/24=", "=", "../gcc", "-x"] {
            assert!(Targets::default().add(text).is_err(), "{text}");
        }
        let error = Targets::default().add("10.0.0.0/33=arm-none-eabi").unwrap_err();
        assert_eq!(error, BadTarget::Network(BadNetwork::BadBits { most: 32 }));
    }
}
