//! Who is there?

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mdns_sd::{ResolvedService, ScopedIp, ServiceDaemon, ServiceEvent};

use crate::found::{Address, Found, Unfit, judge};
use crate::{DiscoveryError, SERVICE_TYPE};

/// The most servers that are taken note of.
const MOST_SERVERS: usize = 256;

/// The most addresses of one server.
const MOST_ADDRESSES: usize = 32;

/// No answer for so long, after there were some: those who are quick have answered.
const QUIET: Duration = Duration::from_millis(250);

/// Asks the local network for servers, and listens for `time`. Gives those that answered, sorted
/// by address. `early` gets what is known so far whenever answers have paused; `unfit` hears of
/// announcements that are of no use.
///
/// # Errors
/// When this machine has no multicast DNS. No answer is no error.
pub fn browse(
    time: Duration,
    mut early: impl FnMut(&[Found]),
    mut unfit: impl FnMut(&str, Unfit),
) -> Result<Vec<Found>, DiscoveryError> {
    crate::announce::check_port()?;
    let daemon = ServiceDaemon::new()?;
    let events = daemon.browse(SERVICE_TYPE)?;
    let deadline = Instant::now() + time;
    let mut servers: BTreeMap<String, Found> = BTreeMap::new();
    let mut has_news = false;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let pause = if has_news { left.min(QUIET) } else { left };
        match events.recv_timeout(pause) {
            Ok(ServiceEvent::ServiceResolved(service)) => match judge_resolved(&service) {
                Ok(found) if servers.len() < MOST_SERVERS => {
                    has_news |= servers.insert(service.fullname, found.clone()) != Some(found);
                }
                Ok(_) => {}
                Err(why) => unfit(&service.fullname, why),
            },
            Ok(ServiceEvent::ServiceRemoved(_, name)) => {
                has_news |= servers.remove(&name).is_some();
            }
            Ok(_) => {}
            Err(mdns_sd::RecvTimeoutError::Timeout) if has_news && !servers.is_empty() => {
                has_news = false;
                early(&sorted(&servers));
            }
            Err(mdns_sd::RecvTimeoutError::Timeout) => has_news = false,
            Err(mdns_sd::RecvTimeoutError::Disconnected) => break,
        }
    }
    // The process may end at once: nobody has to be told.
    let _ = daemon.shutdown();
    Ok(sorted(&servers))
}

/// By address, each once: a server may be heard under two names.
fn sorted(servers: &BTreeMap<String, Found>) -> Vec<Found> {
    let mut found: Vec<Found> = servers.values().cloned().collect();
    found.sort();
    found.dedup_by(|one, other| (&one.host, one.port) == (&other.host, other.port));
    found
}

fn judge_resolved(service: &ResolvedService) -> Result<Found, Unfit> {
    let addresses: Vec<Address> = service
        .addresses
        .iter()
        .take(MOST_ADDRESSES)
        .map(|address| Address {
            ip: address.to_ip_addr(),
            interface: match address {
                ScopedIp::V6(address) => address.scope_id().name.clone(),
                _ => String::new(),
            },
        })
        .collect();
    let txt: Vec<(&str, &[u8])> = service
        .txt_properties
        .iter()
        .map(|property| (property.key(), property.val().unwrap_or_default()))
        .collect();
    judge(&addresses, service.port, &txt)
}
