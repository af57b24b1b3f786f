//! Getting to a host: its name, a connection, and who answers there.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use transport::Connection;
use wire::{ABILITIES_QUESTION, Abilities, Condition, Limits, Reply, ReplyDecoder, Version};

use crate::told::Told;

/// How long a name may take.
const NAME_PATIENCE: Duration = Duration::from_secs(4);

/// How long a connection to one address may take: as long as a client waits. The kernel says after
/// three seconds that nobody on this network has an address.
const CONNECT_PATIENCE: Duration = Duration::from_secs(4);

/// The most addresses of a name that are tried.
const MOST_ADDRESSES: usize = 4;

/// How long a server may take to say what it can do.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);

/// The origin of an error that came by ICMP, and by ICMPv6. Source: `linux/errqueue.h`.
const ICMP: [u8; 2] = [2, 3];

/// Codes of "destination unreachable" that only a firewall sends in answer to a wish to connect:
/// port unreachable, and the three that say "prohibited". Source: RFC 792, RFC 1812, RFC 4443.
const FIREWALL_CODES: [u8; 4] = [3, 9, 10, 13];

/// The same in ICMPv6: prohibited, port unreachable, policy, rejected route.
const FIREWALL_CODES_V6: [u8; 4] = [1, 4, 5, 6];

/// What came of a wish to connect.
#[derive(Debug)]
pub(crate) enum Reached {
    /// There is a connection, which took so long.
    Open(OwnedFd, Duration),
    /// The machine says that nobody listens there.
    Closed,
    /// Something on the way, or the machine's firewall, says that it may not be.
    Rejected,
    /// No answer at all.
    Silent,
    /// No way leads there.
    NoWay(io::Error),
}

/// The addresses of a name.
///
/// # Errors
/// When it has none, or nobody says so in time.
pub(crate) fn addresses(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let (sender, receiver) = mpsc::channel();
    let owned = name.to_owned();
    // The resolver's own limits are not ours, and nobody can stop it.
    std::thread::spawn(move || {
        let found = (owned.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        sender.send(found)
    });
    let found = receiver.recv_timeout(NAME_PATIENCE).map_err(|_| io::ErrorKind::TimedOut)??;
    if found.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(found) }
}

/// Connects to the first of `addresses` that takes it; else tells what the last of them did.
pub(crate) fn reach(addresses: &[SocketAddr]) -> Reached {
    let mut last = Reached::Silent;
    for address in addresses.iter().take(MOST_ADDRESSES) {
        last = match connect_to(*address, CONNECT_PATIENCE) {
            Ok(reached @ Reached::Open(..)) => return reached,
            Ok(reached) => reached,
            Err(error) => Reached::NoWay(error),
        };
    }
    last
}

fn connect_to(address: SocketAddr, limit: Duration) -> io::Result<Reached> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    // So that the kernel keeps which ICMP message it was. Where it does not, errors tell less.
    let _ = match address {
        SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4RecvErr, &true),
        SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvErr, &true),
    };
    let begun = Instant::now();
    let ended = match connect(&socket, &address) {
        Ok(()) => Ok(()),
        Err(Errno::INPROGRESS | Errno::INTR) => {
            match transport::wait(&mut [PollFd::new(&socket, PollFlags::OUT)], limit) {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    return Ok(Reached::Silent);
                }
                waited => waited?,
            }
            rustix::net::sockopt::socket_error(&socket)?
        }
        Err(error) => Err(error),
    };
    match ended {
        Ok(()) => Ok(Reached::Open(socket, begun.elapsed())),
        Err(_) if is_firewalls(&socket) => Ok(Reached::Rejected),
        Err(Errno::CONNREFUSED) => Ok(Reached::Closed),
        Err(Errno::TIMEDOUT) => Ok(Reached::Silent),
        Err(error) => Err(error.into()),
    }
}

/// Whether the ICMP message that ended a wish to connect is a firewall's.
fn is_firewalls(socket: &OwnedFd) -> bool {
    let mut space = nix::cmsg_space!([u8; 128]);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let mut data = [0; 512];
    let mut pieces = [io::IoSliceMut::new(&mut data)];
    let message =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut pieces, Some(&mut space), flags);
    let Ok(message) = message else { return false };
    let Ok(mut words) = message.cmsgs() else { return false };
    words.any(|word| match word {
        ControlMessageOwned::Ipv4RecvErr(error, _) => {
            error.ee_origin == ICMP[0] && FIREWALL_CODES.contains(&error.ee_code)
        }
        ControlMessageOwned::Ipv6RecvErr(error, _) => {
            error.ee_origin == ICMP[1] && FIREWALL_CODES_V6.contains(&error.ee_code)
        }
        _ => false,
    })
}

/// By which addresses of ours the ways to `peers` begin.
pub(crate) fn own_addresses(peers: &[SocketAddr]) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = peers.iter().filter_map(|peer| own_address(*peer)).collect();
    found.dedup();
    found
}

fn own_address(peer: SocketAddr) -> Option<IpAddr> {
    let any: SocketAddr = if peer.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).ok()?;
    // Nothing is sent by this.
    socket.connect(peer).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Who answers at a connection.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A server of ours, and what it tells.
    Ours(Told),
    /// A server of ours that refuses, and how it says so.
    Refuses(Reply),
    /// Who hangs up at the question, as distcc 3.4 does.
    HungUp,
    /// Somebody who speaks otherwise, or not at all.
    Stranger(String),
}

/// Asks at a connection what the server can do.
pub(crate) fn ask(socket: OwnedFd) -> Answer {
    let (asked, begun) = (SystemTime::now(), Instant::now());
    match answer(socket) {
        Ok(Some(reply)) => match Abilities::of_reply(&reply) {
            Some(abilities) => {
                let (condition, took) = (Condition::of_reply(&reply), begun.elapsed());
                Answer::Ours(Told { abilities, condition, asked, took })
            }
            None => Answer::Refuses(reply),
        },
        Ok(None) => Answer::HungUp,
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Answer::HungUp,
        Err(error) => Answer::Stranger(error.to_string()),
    }
}

fn answer(socket: OwnedFd) -> io::Result<Option<Reply>> {
    let connection = Connection::from_tcp(socket.into())?;
    let deadline = Instant::now() + ANSWER_PATIENCE;
    let left = || deadline.saturating_duration_since(Instant::now());
    let head = wire::encode_request_head(Version::V1, &[ABILITIES_QUESTION]);
    let head = head.map_err(io::Error::other)?;
    let (mark, body) = wire::encode_source(Version::V1, b"").map_err(io::Error::other)?;
    // One that refuses may have hung up already; what it said can be read.
    let _ = connection.send(&[&head, &mark, &body], left());
    ReplyDecoder::new(Version::V1, Limits::default())
        .receive(|buffer| connection.receive(buffer, left()))
}
