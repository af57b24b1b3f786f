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
use sys::tcp::Answers;

use crate::{Patience, wait};

/// How many questions in a row a peer's kernel may leave unanswered.
const MOST_UNANSWERED: u8 = 3;

/// How long the last answer may take, at least.
const LEAST_GRACE: Duration = Duration::from_millis(200);

/// How soon to look at a connection on which nothing moves, and how often where the kernel has not
/// asked often enough yet.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// How exactly the kernel tells for how long a peer was silent, at worst.
const TICK: Duration = Duration::from_millis(10);

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
    fn look(self, socket: impl AsFd) -> Verdict {
        match sys::tcp::answers(socket.as_fd()) {
            Ok(answers) => self.judge(answers),
            Err(_) => Verdict::LookAgainIn(LOOK_AGAIN),
        }
    }

    /// Whatever the peer's kernel does next, it is not lost before it has been silent for long
    /// enough: until then nobody needs to look.
    fn judge(self, answers: Answers) -> Verdict {
        let grace = LEAST_GRACE.max(answers.round_trip * 2);
        let enough = self.interval() * MOST_UNANSWERED.into() + grace;
        match enough.checked_sub(answers.silent) {
            Some(left) if !left.is_zero() => Verdict::LookAgainIn(left.max(TICK)),
            _ if answers.n_unanswered >= MOST_UNANSWERED => Verdict::Lost,
            _ => Verdict::LookAgainIn(LOOK_AGAIN),
        }
    }
}

/// What a look at a connection gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Lost,
    LookAgainIn(Duration),
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
    let mut pause = vigilance.map_or(Duration::MAX, |_| LOOK_AGAIN);
    loop {
        let left = patience.left(start.elapsed())?;
        match wait(ends, left.min(pause)) {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                match vigilance.map(|vigilance| vigilance.look(&socket)) {
                    Some(Verdict::Lost) => return Err(lost()),
                    Some(Verdict::LookAgainIn(duration)) => pause = duration,
                    None => {}
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

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn answers(silent: f64, n_unanswered: u8) -> Answers {
        Answers { silent: seconds(silent), n_unanswered, round_trip: seconds(0.001) }
    }

    /// Goes through a silence in which the peer's kernel answers a probe a second until it is gone
    /// after `cut` seconds. Gives the moments of the looks; the last one is when the loss is noticed.
    fn looks(cut: f64, until: f64) -> Vec<f64> {
        let mut looks = vec![LOOK_AGAIN.as_secs_f64()];
        loop {
            let now = *looks.last().unwrap();
            let silent = now - now.min(cut).floor();
            match Vigilance::HIGH.judge(answers(silent, silent as u8)) {
                Verdict::LookAgainIn(pause) if now < until => {
                    looks.push(now + pause.as_secs_f64());
                }
                _ => return looks,
            }
        }
    }

    #[test]
    fn a_loss_is_noticed_when_the_third_answer_is_overdue() {
        for tenths in 0..200 {
            let cut = f64::from(tenths) / 10.0 + 0.05;
            let noticed = *looks(cut, f64::MAX).last().unwrap();
            let due = cut.floor() + 3.2;
            assert!((due..due + 0.02).contains(&noticed), "cut at {cut}, noticed at {noticed}");
        }
    }

    #[test]
    fn a_long_silence_of_a_peer_that_answers_is_looked_at_seldom() {
        let n_looks = looks(f64::MAX, 60.0).len();
        assert!(n_looks <= 30, "{n_looks} looks in a minute");
    }

    #[test]
    fn a_peer_that_was_asked_too_seldom_is_not_lost() {
        let again = Verdict::LookAgainIn(LOOK_AGAIN);
        assert_eq!(Vigilance::HIGH.judge(answers(60.0, 2)), again);
        assert_eq!(Vigilance::HIGH.judge(answers(60.0, 3)), Verdict::Lost);
    }

    #[test]
    fn a_slow_way_gives_the_last_answer_more_time() {
        let slow = Answers { round_trip: seconds(0.5), ..answers(3.5, 3) };
        assert_eq!(Vigilance::HIGH.judge(slow), Verdict::LookAgainIn(seconds(0.5)));
    }
}
