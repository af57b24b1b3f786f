//! Finding compile servers on the local network, and announcing one: multicast DNS with service
//! discovery (RFC 6762, RFC 6763), as Avahi and Bonjour do it.
//!
//! Servers of distcc 3.4 and ours announce the service `_distcc._tcp` with the same records, so
//! that either kind of client finds either kind of server. What comes from the network is judged
//! by [`judge`] before anybody uses it.

mod announce;
mod browse;
mod found;

use std::fmt;

pub use announce::{Announcement, News, Service};
pub use browse::browse;
pub use found::{Address, Found, Unfit, gccs_text, judge};

/// What servers are called. Source: observed on servers of distcc 3.4.
const SERVICE_TYPE: &str = "_distcc._tcp.local.";

/// Why multicast DNS cannot be had on this machine.
#[derive(Debug)]
pub struct DiscoveryError(String);

impl fmt::Display for DiscoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DiscoveryError {}

impl From<mdns_sd::Error> for DiscoveryError {
    fn from(error: mdns_sd::Error) -> DiscoveryError {
        DiscoveryError(error.to_string())
    }
}
