//! Telling a peer that is gone from one that is busy.
//!
//! A server that compiles for an hour is silent, and so is one whose cable was cut. The difference
//! is that the kernel of the first still answers: keepalive probes while nothing is under way, and
//! what was sent otherwise. So the kernel asks every [`Vigilance`] interval, and a peer whose
//! kernel leaves three questions unanswered is lost.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::PollFd;
use rustix::io::Errno;
use rustix::net::sockopt;

use crate::{Patience, wait};

/// How many questions in a row a peer's kernel may leave unanswered.
const MOST_UNANSWERED: u8 = 3;

/// How long the last answer may take, at least.
const LEAST_GRACE: Duration = Duration::from_millis(200);

/// How often to look at a connection on which nothing moves.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// How closely to watch whether a peer is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vigilance {
    interval_seconds: u8,
}

impl Vigilance {
    /// A peer is lost 3.2 s after its kernel last answered.
    pub const HIGH: Vigilance = Vigilance { interval_seconds: 1 };

    /// A peer is lost 12 s after its kernel last answered.
    pub const LOW: Vigilance = Vigilance { interval_seconds: 3 };

    fn interval(self) -> Duration {
        Duration::from_secs(self.interval_seconds.into())
    }

    /// Has the kernel ask the peer's kernel while nothing else is sent.
    pub(crate) fn set_up(self, socket: impl AsFd) -> io::Result<()> {
        let socket = socket.as_fd();
        sockopt::set_socket_keepalive(socket, true)?;
        sockopt::set_tcp_keepidle(socket, self.interval())?;
        sockopt::set_tcp_keepintvl(socket, self.interval())?;
        sockopt::set_tcp_keepcnt(socket, MOST_UNANSWERED.into())?;
        Ok(())
    }

    /// Whether the peer is lost by now. The kernel itself would come to the same conclusion later,
    /// and much later while something is under way. `TCP_USER_TIMEOUT` would hurry it, but it also
    /// ends connections to peers that answer and have no room for more, as a busy server's.
    fn has_lost(self, socket: impl AsFd) -> bool {
        let Ok(answers) = sys::tcp::answers(socket.as_fd()) else { return false };
        let grace = LEAST_GRACE.max(answers.round_trip * 2);
        answers.n_unanswered >= MOST_UNANSWERED
            && answers.silent >= self.interval() * MOST_UNANSWERED.into() + grace
    }
}

/// Waits until one of `ends` is ready, as long as `patience` lasts and the peer at the other end of
/// `socket` is not lost.
pub(crate) fn wait_for_peer(
    ends: &mut [PollFd<'_>],
    socket: impl AsFd,
    vigilance: Option<Vigilance>,
    patience: &mut impl Patience,
) -> io::Result<()> {
    let start = Instant::now();
    loop {
        let left = patience.left(start.elapsed())?;
        let pause = vigilance.map_or(left, |_| left.min(LOOK_AGAIN));
        match wait(ends, pause) {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                if vigilance.is_some_and(|vigilance| vigilance.has_lost(&socket)) {
                    return Err(lost());
                }
            }
            done => return done,
        }
    }
}

/// An error of the system, or that the peer is lost, where that is what it means.
pub(crate) fn from_errno(error: Errno) -> io::Error {
    match error {
        Errno::TIMEDOUT | Errno::HOSTUNREACH | Errno::HOSTDOWN | Errno::NETUNREACH => lost(),
        _ => error.into(),
    }
}

fn lost() -> io::Error {
    io::Error::new(io::ErrorKind::HostUnreachable, "the connection was lost")
}
