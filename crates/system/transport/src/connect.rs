//! From a name to a connection, in bounded time.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};

use crate::{Patience, wait};

/// How often to ask whether to give up.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// Why there is no connection.
#[derive(Debug)]
pub enum ConnectError {
    /// The name has no address, or nobody said in time which.
    Name(io::Error),
    /// No address took a connection: the last one's error.
    Address(io::Error),
    /// The caller wished to stop.
    GivenUp,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::Name(error) | ConnectError::Address(error) => error.fmt(f),
            ConnectError::GivenUp => f.write_str("given up"),
        }
    }
}

impl std::error::Error for ConnectError {}

/// How long a connection may take in all, and whether it is still wished for.
pub(crate) struct Attempt<'a> {
    start: Instant,
    timeout: Duration,
    give_up: &'a mut dyn FnMut() -> bool,
}

impl Attempt<'_> {
    pub(crate) fn new(timeout: Duration, give_up: &mut dyn FnMut() -> bool) -> Attempt<'_> {
        Attempt { start: Instant::now(), timeout, give_up }
    }

    /// Waits by `wait` for at most `limit`, in pieces. `Ok(None)`: it was not enough.
    fn wait<T>(
        &mut self,
        limit: Duration,
        mut wait: impl FnMut(Duration) -> Option<T>,
    ) -> Result<Option<T>, ConnectError> {
        let mut limit = limit;
        let start = Instant::now();
        while let Ok(left) = limit.left(start.elapsed()) {
            if let Some(found) = wait(left.min(ASK_AGAIN)) {
                return Ok(Some(found));
            }
            if (self.give_up)() {
                return Err(ConnectError::GivenUp);
            }
        }
        Ok(None)
    }

    fn left(&self) -> Duration {
        self.timeout.saturating_sub(self.start.elapsed())
    }

    /// The addresses of `host`. The system's resolver has limits of its own, of half a minute and
    /// more, so a name is looked up by a thread that need not be waited for.
    pub(crate) fn resolve(
        &mut self,
        host: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, ConnectError> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let name = host.to_owned();
        let (sender, receiver) = sync_channel(1);
        std::thread::Builder::new()
            .name("resolver".to_owned())
            .spawn(move || {
                let addresses = (name.as_str(), port).to_socket_addrs();
                // Nobody may be waiting any more.
                let _ = sender.send(addresses.map(Iterator::collect::<Vec<_>>));
            })
            .map_err(ConnectError::Name)?;
        let answer = self.wait(self.left(), |pause| match receiver.recv_timeout(pause) {
            Ok(answer) => Some(answer),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(io::ErrorKind::NotFound.into())),
        })?;
        let addresses = answer
            .unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
            .map_err(ConnectError::Name)?;
        if addresses.is_empty() {
            let error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            return Err(ConnectError::Name(error));
        }
        Ok(addresses)
    }

    /// Connects to the first of `addresses` that takes it. Each gets its share of the time, so
    /// that one that says nothing does not use up all of it.
    pub(crate) fn connect_to_one(
        &mut self,
        addresses: &[SocketAddr],
    ) -> Result<OwnedFd, ConnectError> {
        let mut last = io::ErrorKind::TimedOut.into();
        for (address, n_left) in addresses.iter().zip((1..=addresses.len() as u32).rev()) {
            match self.connect_to(*address, self.left() / n_left) {
                Err(ConnectError::Address(error)) => last = error,
                done => return done,
            }
        }
        Err(ConnectError::Address(last))
    }

    fn connect_to(
        &mut self,
        address: SocketAddr,
        limit: Duration,
    ) -> Result<OwnedFd, ConnectError> {
        let socket = begin(address).map_err(|error| ConnectError::Address(error.into()))?;
        let waited = self.wait(limit, |pause| {
            let mut ends = [PollFd::new(&socket, PollFlags::OUT)];
            match wait(&mut ends, pause) {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => None,
                done => Some(done),
            }
        })?;
        waited
            .unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
            .and_then(|()| Ok(sockopt::socket_error(&socket)??))
            .map_err(ConnectError::Address)?;
        Ok(socket)
    }
}

/// Begins to connect, without waiting.
pub(crate) fn begin(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    match connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => Ok(socket),
        Err(error) => Err(error),
    }
}
