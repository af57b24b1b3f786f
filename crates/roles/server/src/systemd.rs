//! What systemd, or another service manager of its kind, hands over and is told.
//!
//! Both protocols are a few lines (sd_listen_fds(3), sd_notify(3)): a crate for them would be another
//! question in each review.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::net::{SocketType, sockopt};
use wire::Exit;

use crate::Failure;
use crate::environment::ServiceManager;

/// The first descriptor that is handed over.
const FIRST: i32 = 3;

/// More than anybody hands over: a number that is no number of descriptors.
const MOST: usize = 64;

/// The name (`FileDescriptorName=`) of the socket for statistics.
const STATS: &str = "stats";

/// What was handed over.
#[derive(Debug)]
pub(crate) enum Handed {
    /// Nothing.
    Nothing,
    /// Sockets that are listened on already.
    Listeners { jobs: TcpListener, stats: Option<TcpListener> },
    /// One client (`Accept=yes`).
    Client(OwnedFd),
}

/// Takes what was handed over to this process.
///
/// # Errors
/// When it is nothing that a server of ours can use.
pub(crate) fn take(manager: &ServiceManager) -> Result<Handed, Failure> {
    // What was meant for a shell that started us is not meant for us.
    if manager.n_listen_fds == 0 || manager.listen_pid != Some(std::process::id()) {
        return Ok(Handed::Nothing);
    }
    let (mut jobs, mut stats) = (None, None);
    for index in 0..manager.n_listen_fds.min(MOST) {
        let number = FIRST + index as i32;
        let name = manager.listen_fd_names.get(index).map_or("", String::as_str);
        let bad = |why: &str| {
            let name = name.escape_debug();
            Failure::new(
                Exit::BIND_FAILED,
                format!("descriptor {number} (`{name}`), which LISTEN_FDS hands over, {why}"),
                "a server takes one ListenStream= for jobs, and with FileDescriptorName=stats \
                 one for statistics",
            )
        };
        let socket =
            sys::descriptors::inherited(number).map_err(|error| bad(&error.to_string()))?;
        match kind(&socket) {
            Ok(Kind::Client) if manager.n_listen_fds == 1 => return Ok(Handed::Client(socket)),
            Ok(Kind::Client) => return Err(bad("is a connection")),
            Ok(Kind::Listener) if name == STATS && stats.is_none() => stats = Some(socket.into()),
            Ok(Kind::Listener) if name != STATS && jobs.is_none() => jobs = Some(socket.into()),
            Ok(Kind::Listener) => return Err(bad("is one too many")),
            Err(error) => return Err(bad(&format!("is no TCP socket: {error}"))),
        }
    }
    match jobs {
        Some(jobs) => Ok(Handed::Listeners { jobs, stats }),
        None => Err(Failure::new(
            Exit::BIND_FAILED,
            "LISTEN_FDS hands over no socket for jobs",
            "a server needs a ListenStream= whose FileDescriptorName= is not stats",
        )),
    }
}

enum Kind {
    Listener,
    Client,
}

fn kind(socket: &OwnedFd) -> io::Result<Kind> {
    if sockopt::socket_type(socket)? != SocketType::STREAM {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let is_listening = sockopt::socket_acceptconn(socket)?;
    // Neither has an address that is none of IP's.
    let copy = socket.try_clone()?;
    if is_listening {
        TcpListener::from(copy).local_addr()?;
        return Ok(Kind::Listener);
    }
    TcpStream::from(copy).local_addr()?;
    Ok(Kind::Client)
}

/// Tells the service manager that all is ready, and what is to be seen of us.
pub(crate) fn ready(manager: &ServiceManager, status: &str) {
    tell(manager, &format!("READY=1\nSTATUS={}\n", status.replace('\n', " ")));
}

/// Tells it that we are about to end.
pub(crate) fn stopping(manager: &ServiceManager) {
    tell(manager, "STOPPING=1\nSTATUS=stopping\n");
}

fn tell(manager: &ServiceManager, text: &str) {
    let Some(name) = &manager.notify_socket else { return };
    // Nobody who listens is no reason not to serve.
    let _ = send(name.as_bytes(), text);
}

fn send(name: &[u8], text: &str) -> io::Result<()> {
    let address = match name.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to_addr(text.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_for_another_process_is_not_taken() {
        let manager =
            ServiceManager { listen_pid: Some(1), n_listen_fds: 1, ..ServiceManager::default() };
        assert!(matches!(take(&manager), Ok(Handed::Nothing)));
    }

    #[test]
    fn a_number_that_is_no_descriptor_is_named() {
        let manager = ServiceManager {
            listen_pid: Some(std::process::id()),
            n_listen_fds: usize::MAX,
            ..ServiceManager::default()
        };
        // Whatever this process has open under these numbers, they are no sockets for jobs.
        assert_eq!(
            take(&manager).map(|_| ()).map_err(|failure| failure.exit),
            Err(Exit::BIND_FAILED)
        );
    }

    #[test]
    fn readiness_is_told_to_sockets_of_both_kinds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let by_path = UnixDatagram::bind(&path).unwrap();
        let name = format!("distcc-rs-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let by_name = UnixDatagram::bind_addr(&address).unwrap();
        let sockets = [(by_path, path.into_os_string()), (by_name, format!("@{name}").into())];
        for (socket, name) in sockets {
            let manager = ServiceManager { notify_socket: Some(name), ..ServiceManager::default() };
            ready(&manager, "a\nREADY=0");
            stopping(&manager);
            let mut text = [0; 100];
            let n_bytes = socket.recv(&mut text).unwrap();
            assert_eq!(&text[..n_bytes], b"READY=1\nSTATUS=a READY=0\n");
            let n_bytes = socket.recv(&mut text).unwrap();
            assert!(text[..n_bytes].starts_with(b"STOPPING=1\n"));
        }
    }
}
