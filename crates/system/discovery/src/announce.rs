//! Here I am.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use mdns_sd::{
    DaemonEvent, DaemonStatus, MDNS_PORT, Receiver, ServiceDaemon, ServiceInfo, UnregisterStatus,
};
use socket2::{Domain, Socket, Type};

use crate::{DiscoveryError, SERVICE_TYPE};

/// When `mdns-sd` has said a second time that a service goes.
const REPEAT: Duration = Duration::from_millis(150);

/// A DNS label's most bytes.
const MOST_LABEL_BYTES: usize = 63;

/// What to announce of a server.
#[derive(Clone, Debug)]
pub struct Service {
    /// The name of this machine.
    pub host_name: String,
    /// The port it listens on.
    pub port: u16,
    /// The address it listens on; `None`: all of this machine.
    pub address: Option<IpAddr>,
    /// The TXT record.
    pub txt: Vec<(&'static str, String)>,
    /// The version and the machine of its gcc: clients of 3.4 ask for servers that have theirs.
    pub gcc: Option<(String, String)>,
}

/// A server that is being announced, by threads of its own. Dropped without
/// [`Announcement::withdraw`] it is forgotten by others only when its time is over.
pub struct Announcement {
    daemon: ServiceDaemon,
    events: Receiver<DaemonEvent>,
    full_name: String,
}

impl fmt::Debug for Announcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcement").field("full_name", &self.full_name).finish_non_exhaustive()
    }
}

/// What happened to an announcement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It was sent, on this interface.
    Sent {
        /// The address of the interface.
        interface: String,
    },
    /// The network has somebody of that name; it goes on under this one.
    Renamed {
        /// The new name.
        name: String,
    },
    /// Something failed, and it is tried again.
    Trouble(String),
}

impl Announcement {
    /// Begins to announce.
    ///
    /// # Errors
    /// When this machine has no multicast DNS, or the name cannot be announced.
    pub fn start(service: &Service) -> Result<Announcement, DiscoveryError> {
        check_port()?;
        let daemon = ServiceDaemon::new()?;
        let events = daemon.monitor()?;
        let label = shortened(&service.host_name);
        // Not the machine's own name, which belongs to the Avahi of this machine if there is one.
        let first = label.split('.').next().unwrap_or_default();
        let host = format!("{}-distcc.local.", &first[..first.len().min(MOST_LABEL_BYTES - 7)]);
        let txt: Vec<_> = service.txt.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let address = service.address.map(|address| address.to_string()).unwrap_or_default();
        let mut info = ServiceInfo::new(
            &type_of(service.gcc.as_ref()),
            &format!("distcc@{label}"),
            &host,
            address.as_str(),
            service.port,
            &txt[..],
        )?;
        if service.address.is_none() {
            info = info.enable_addr_auto();
        }
        let full_name = info.get_fullname().to_owned();
        daemon.register(info)?;
        Ok(Announcement { daemon, events, full_name })
    }

    /// What happens within `patience`, if anything.
    #[must_use]
    pub fn wait(&self, patience: Duration) -> Option<News> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left).ok()? {
                // Of our only service, whatever its name has become.
                DaemonEvent::Announce(_, interface) => return Some(News::Sent { interface }),
                DaemonEvent::NameChange(change) => {
                    return Some(News::Renamed { name: change.new_name });
                }
                DaemonEvent::Error(error) => return Some(News::Trouble(error.to_string())),
                _ => {}
            }
        }
    }

    /// Tells the network that the server goes, within `patience`.
    pub fn withdraw(self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let left = || deadline.saturating_duration_since(Instant::now());
        if let Ok(answers) = self.daemon.unregister(&self.full_name) {
            let _ = answers.recv_timeout(left()).map(|_: UnregisterStatus| ());
            // It is said once more, for those who missed it.
            std::thread::sleep(REPEAT.min(left()));
        }
        if let Ok(answers) = self.daemon.shutdown() {
            let _ = answers.recv_timeout(left()).map(|_: DaemonStatus| ());
        }
    }
}

/// The type of the service, with the subtype for those who ask for one compiler. Source: observed
/// on servers of distcc 3.4.
fn type_of(gcc: Option<&(String, String)>) -> String {
    let Some((version, machine)) = gcc else { return SERVICE_TYPE.to_owned() };
    let clean = |text: &str| text.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let label = format!("_{}--{}", clean(machine), clean(version));
    if label.len() > MOST_LABEL_BYTES {
        return SERVICE_TYPE.to_owned();
    }
    format!("{label}._sub.{SERVICE_TYPE}")
}

/// The name of a machine without what no label has, short enough to stand in one.
fn shortened(host_name: &str) -> String {
    let is_fine = |c: &char| c.is_ascii_alphanumeric() || "-_.".contains(*c);
    let name: String = host_name.chars().filter(is_fine).take(MOST_LABEL_BYTES - 15).collect();
    let name = name.trim_matches('.');
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}

/// Whether the port of multicast DNS can be had, beside those who have it already. `mdns-sd` keeps
/// silent about that.
pub(crate) fn check_port() -> Result<(), DiscoveryError> {
    let bind = |domain: Domain, address: IpAddr| {
        let socket = Socket::new(domain, Type::DGRAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.bind(&SocketAddr::new(address, MDNS_PORT).into())
    };
    let Err(error) = bind(Domain::IPV4, Ipv4Addr::UNSPECIFIED.into()) else { return Ok(()) };
    match bind(Domain::IPV6, Ipv6Addr::UNSPECIFIED.into()) {
        Ok(()) => Ok(()),
        Err(_) => Err(DiscoveryError(format!("UDP port {MDNS_PORT}: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subtype_is_the_one_that_clients_of_the_original_ask_for() {
        let gcc = |version: &str, machine: &str| Some((version.to_owned(), machine.to_owned()));
        assert_eq!(
            type_of(gcc("12", "x86_64-linux-gnu").as_ref()),
            "_x86-64-linux-gnu--12._sub._distcc._tcp.local."
        );
        assert_eq!(type_of(None), "_distcc._tcp.local.");
        assert_eq!(type_of(gcc("12", &"x".repeat(70)).as_ref()), "_distcc._tcp.local.");
    }

    #[test]
    fn names_are_made_fit_for_a_label() {
        assert_eq!(shortened("box"), "box");
        assert_eq!(shortened("box.example.org"), "box.example.org");
        assert_eq!(shortened("b\u{1b}o x."), "box");
        assert_eq!(shortened("\u{e9}"), "localhost");
        assert_eq!(shortened(&"x".repeat(99)).len(), 48);
    }
}
