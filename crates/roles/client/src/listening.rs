//! How long a server may be silent before it counts as mute.
//!
//! A server that is gone is noticed by the kernel ([`transport::Vigilance`]). One that is there and
//! does nothing, because its process was stopped or its machine ran out of memory, looks like one
//! that compiles something large. So a silence that is long for this host and this source only
//! raises a suspicion: the server is then asked for a sign of life, as often as it takes, and
//! given up when it owes one for as long again.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use hosts::{Host, Pace};
use statedir::StateDir;
use transport::{Patience, Probe};

/// How often to look whether a probe was answered.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The patience with one server during one job.
pub(crate) struct Listening<'a> {
    /// The user's own limit of a silence.
    limit: Duration,
    host: &'a Host,
    state: Option<&'a StateDir>,
    /// Whom to ask for a sign of life; `None` where nobody can be.
    address: Option<SocketAddr>,
    /// How large the source is.
    n_bytes: usize,
    /// After which silence to ask. Looked up when it first matters: for most jobs never.
    suspicion: Option<Duration>,
    /// What was asked, and after which silence.
    probe: Option<(Probe, Duration)>,
    /// After which silence to ask again.
    ask_again: Duration,
    mute_for: Option<Duration>,
}

impl<'a> Listening<'a> {
    pub(crate) fn new(
        limit: Option<Duration>,
        host: &'a Host,
        state: Option<&'a StateDir>,
        address: Option<SocketAddr>,
    ) -> Listening<'a> {
        Listening {
            limit: limit.unwrap_or(Duration::MAX),
            host,
            state,
            address,
            n_bytes: 0,
            suspicion: None,
            probe: None,
            ask_again: Duration::ZERO,
            mute_for: None,
        }
    }

    /// Tells the size of the source that the server gets.
    pub(crate) fn expect_work(&mut self, n_bytes: usize) {
        self.n_bytes = n_bytes;
        self.suspicion = None;
    }

    /// The silence that ended a wait because the server owed a sign of life; `None` if it was the
    /// user's limit, or something else.
    pub(crate) fn mute_for(&self) -> Option<Duration> {
        self.mute_for
    }

    /// Learns how long the server was silent before it answered.
    pub(crate) fn note_answer(&self, silence: Duration) {
        let Some(pace) = Pace::of(silence, self.n_bytes, now()) else { return };
        if let Some(state) = self.state {
            let older = self.recall();
            if pace.is_news(older) {
                let text = pace.after(older).to_text();
                let _ = state.keep(self.key().as_bytes(), text.as_bytes());
            }
        }
    }

    fn recall(&self) -> Option<Pace> {
        let kept = self.state?.recall(self.key().as_bytes())?;
        Pace::from_text(std::str::from_utf8(&kept).ok()?)
    }

    fn key(&self) -> String {
        format!("pace of {}", self.host)
    }

    /// How long to wait before looking for a sign of life.
    fn look(&mut self, silent: Duration) -> io::Result<Duration> {
        let Some(address) = self.address else { return Ok(Duration::MAX) };
        if let Some(left) = Pace::is_early(silent) {
            // A new silence.
            (self.probe, self.ask_again) = (None, Duration::ZERO);
            return Ok(left);
        }
        let suspicion = match self.suspicion {
            Some(suspicion) => suspicion,
            None => Pace::suspicion(self.recall(), self.n_bytes, now()),
        };
        self.suspicion = Some(suspicion);
        match &mut self.probe {
            None => {
                let left = self.ask_again.max(suspicion).saturating_sub(silent);
                if !left.is_zero() {
                    return Ok(left);
                }
                self.probe = Some((Probe::new(address), silent));
                Ok(LOOK_AGAIN)
            }
            Some((probe, asked)) => {
                if probe.is_answered() {
                    self.probe = None;
                    self.ask_again = silent * 2;
                    Ok(silent)
                } else if silent.saturating_sub(*asked) >= suspicion {
                    self.mute_for = Some(silent);
                    Err(io::ErrorKind::TimedOut.into())
                } else {
                    Ok(LOOK_AGAIN)
                }
            }
        }
    }
}

impl Patience for Listening<'_> {
    fn left(&mut self, silent: Duration) -> io::Result<Duration> {
        let left = self.limit.left(silent)?;
        Ok(self.look(silent)?.min(left))
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// Goes through a silence at a server that answers probes as `answers` says, and gives the
    /// moments at which the client did something, and how it ended.
    fn silence(limit: Option<Duration>, answers: bool) -> (Duration, bool) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        if answers {
            // Nobody listens: the kernel refuses, which is a sign of life.
            drop(listener);
        }
        let host = Host::Tcp { name: "red".to_owned(), port: 3632 };
        let mut listening = Listening::new(limit, &host, None, Some(address));
        let mut silent = Duration::ZERO;
        while let Ok(left) = listening.left(silent) {
            // A refusal takes the kernel a moment.
            std::thread::sleep(Duration::from_millis(if listening.probe.is_some() {
                1
            } else {
                0
            }));
            silent += left;
        }
        (silent, listening.mute_for().is_some())
    }

    #[test]
    fn a_server_without_a_sign_of_life_is_mute_after_twenty_seconds() {
        assert_eq!(silence(Some(seconds(300)), false), (seconds(20), true));
        assert_eq!(silence(None, false), (seconds(20), true));
    }

    #[test]
    fn a_server_that_answers_may_be_silent_up_to_the_users_limit() {
        assert_eq!(silence(Some(seconds(300)), true), (seconds(300), false));
        assert_eq!(silence(Some(seconds(5)), false), (seconds(5), false));
    }
}
