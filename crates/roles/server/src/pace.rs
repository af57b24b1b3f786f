//! How fast a client has to be: not only never silent for long, but done in time.

use std::io;
use std::time::{Duration, Instant};

use transport::Patience;

use crate::bounds::{BODY_PATIENCE, COMMAND_PATIENCE, LEAST_BYTES_A_SECOND};

/// What a client is doing while it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The words of its command come.
    Command,
    /// They are there, and it prepares the source: it may be silent, as long as a silence may be.
    Preparing,
    /// The source comes.
    Source { start: Instant, n_bytes: u64 },
}

/// The time that a client has for its request.
#[derive(Debug)]
pub(crate) struct Pace {
    /// The longest silence.
    silence: Duration,
    start: Instant,
    phase: Phase,
}

impl Pace {
    pub(crate) fn new(silence: Duration, now: Instant) -> Pace {
        Pace { silence, start: now, phase: Phase::Command }
    }

    /// Counts bytes that came at `now`, `is_source` if the command was whole before them.
    pub(crate) fn note(&mut self, n_bytes: usize, is_source: bool, now: Instant) {
        let n_new = n_bytes as u64;
        self.phase = match self.phase {
            Phase::Source { start, n_bytes } => Phase::Source { start, n_bytes: n_bytes + n_new },
            Phase::Command | Phase::Preparing if is_source => {
                Phase::Source { start: now, n_bytes: n_new }
            }
            phase => phase,
        };
    }

    /// Notes that the command is whole.
    pub(crate) fn note_command(&mut self) {
        if self.phase == Phase::Command {
            self.phase = Phase::Preparing;
        }
    }

    /// How long to wait at `now` for the next byte; zero when the time is over.
    pub(crate) fn left(&self, now: Instant) -> Duration {
        let (start, allowed) = match self.phase {
            Phase::Command => (self.start, COMMAND_PATIENCE.min(self.silence)),
            Phase::Preparing => return self.silence,
            Phase::Source { start, n_bytes } => (start, time_for(n_bytes, self.silence)),
        };
        let left = allowed.saturating_sub(now.saturating_duration_since(start));
        left.min(self.silence)
    }

    /// What the client was too slow with.
    pub(crate) fn awaited(&self) -> &'static str {
        match self.phase {
            Phase::Command => "its command",
            Phase::Preparing => "its source",
            Phase::Source { .. } => "all of its source",
        }
    }
}

/// The time in which so many bytes have to have passed, where silences may be this long.
fn time_for(n_bytes: u64, silence: Duration) -> Duration {
    BODY_PATIENCE.min(silence) + Duration::from_secs(n_bytes / LEAST_BYTES_A_SECOND)
}

/// The patience for a reply that goes out piece by piece.
#[derive(Debug)]
pub(crate) struct ReplyPatience {
    silence: Duration,
    start: Instant,
    /// What is gone.
    n_bytes: u64,
}

impl ReplyPatience {
    pub(crate) fn new(silence: Duration) -> ReplyPatience {
        ReplyPatience { silence, start: Instant::now(), n_bytes: 0 }
    }

    /// Counts a piece that is gone.
    pub(crate) fn note(&mut self, n_bytes: usize) {
        self.n_bytes += n_bytes as u64;
    }
}

impl Patience for ReplyPatience {
    fn left(&mut self, silent: Duration) -> io::Result<Duration> {
        let left = time_for(self.n_bytes, self.silence).saturating_sub(self.start.elapsed());
        match left.min(self.silence.saturating_sub(silent)) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(left),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Duration = Duration::from_secs(300);

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_byte_now_and_then_is_no_progress() {
        let start = Instant::now();
        let mut pace = Pace::new(SILENCE, start);
        for second in 0..40 {
            pace.note(1, false, after(start, second));
        }
        assert_eq!(pace.left(after(start, 29)), Duration::from_secs(1));
        assert_eq!(pace.left(after(start, 30)), Duration::ZERO);
        pace.note_command();
        assert_eq!(pace.left(after(start, 100)), SILENCE);
        for second in 100..200 {
            pace.note(1, true, after(start, second));
        }
        assert_eq!(pace.left(after(start, 161)), Duration::ZERO);
    }

    #[test]
    fn a_slow_line_gets_the_time_that_it_needs() {
        let start = Instant::now();
        let mut pace = Pace::new(SILENCE, start);
        pace.note_command();
        // 5 KiB a second, for ten minutes.
        for second in 0..600 {
            pace.note(5 << 10, true, after(start, second));
            assert!(pace.left(after(start, second)) >= Duration::from_secs(59));
        }
    }

    #[test]
    fn who_waits_for_a_second_waits_for_no_more() {
        let start = Instant::now();
        let pace = Pace::new(Duration::from_secs(1), start);
        assert_eq!(pace.left(start), Duration::from_secs(1));
        assert_eq!(pace.left(after(start, 1)), Duration::ZERO);
    }

    #[test]
    fn a_reply_that_nobody_takes_ends() {
        let mut patience = ReplyPatience::new(Duration::from_secs(100));
        assert!(patience.left(Duration::ZERO).unwrap() <= BODY_PATIENCE);
        assert!(patience.left(Duration::from_secs(100)).is_err());
        patience.start -= Duration::from_secs(61);
        assert!(patience.left(Duration::ZERO).is_err());
        patience.note(1 << 20);
        assert!(patience.left(Duration::ZERO).is_ok());
    }
}
