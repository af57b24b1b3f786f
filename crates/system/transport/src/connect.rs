//! From addresses to a connection, in bounded time.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};

use crate::{Connection, Patience, Vigilance, wait};

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

/// How long a connection may take in all, the look-up of the name included, and whether it is still
/// wished for.
///
/// As [`Patience`] it is what is left of that time; who waits by it and fails has [`Attempt::failed`]
/// say why.
pub struct Attempt<'a> {
    start: Instant,
    timeout: Duration,
    give_up: &'a mut dyn FnMut() -> bool,
    is_given_up: bool,
}

impl Attempt<'_> {
    /// Begins now. `give_up` is asked many times a second whether the connection is not wished for
    /// any more.
    pub fn new(timeout: Duration, give_up: &mut dyn FnMut() -> bool) -> Attempt<'_> {
        Attempt { start: Instant::now(), timeout, give_up, is_given_up: false }
    }

    /// How much of the time is left.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.timeout.saturating_sub(self.start.elapsed())
    }

    /// Why a name has no address, after a wait by this attempt that has ended with `error`.
    #[must_use]
    pub fn failed(&self, error: io::Error) -> ConnectError {
        if self.is_given_up { ConnectError::GivenUp } else { ConnectError::Name(error) }
    }

    /// Connects within `limit`, or what is left of the time, to the first of `addresses` that takes it,
    /// with [`Vigilance::HIGH`]. Each gets its share of the time, so that one that says nothing does
    /// not use up all of it.
    ///
    /// # Errors
    /// [`ConnectError::Address`], or [`ConnectError::GivenUp`].
    pub fn connect(
        &mut self,
        addresses: &[SocketAddr],
        limit: Duration,
    ) -> Result<Connection, ConnectError> {
        let deadline = Instant::now() + limit.min(self.time_left());
        let mut last = io::ErrorKind::TimedOut.into();
        for (address, n_left) in addresses.iter().zip((1..=addresses.len() as u32).rev()) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.connect_to(*address, left / n_left) {
                Err(ConnectError::Address(error)) => last = error,
                Err(error) => return Err(error),
                Ok(socket) => {
                    let connection = Connection::from_tcp(socket.into());
                    let mut connection = connection.map_err(ConnectError::Address)?;
                    connection.watch_over(Vigilance::HIGH);
                    return Ok(connection);
                }
            }
        }
        Err(ConnectError::Address(last))
    }

    /// Waits by `wait` for at most `limit`, in pieces. `Ok(None)`: it was not enough.
    pub(crate) fn wait<T>(
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

impl Patience for Attempt<'_> {
    fn left(&mut self, _: Duration) -> io::Result<Duration> {
        if (self.give_up)() {
            self.is_given_up = true;
            return Err(io::ErrorKind::Interrupted.into());
        }
        match self.time_left() {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(left.min(ASK_AGAIN)),
        }
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
