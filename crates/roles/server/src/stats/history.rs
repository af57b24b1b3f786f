//! The last hour by minutes.

use std::time::Duration;

use crate::outcome::Outcome;

/// How many minutes are remembered, that which is not over included.
pub(super) const N_MINUTES: usize = 60;

/// What happened in one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Minute {
    /// Which minute since the start this is.
    pub(super) number: u64,
    pub(super) n_by_outcome: [u64; Outcome::ALL.len()],
}

/// The minutes; number `n` stands at `n % N_MINUTES`.
#[derive(Clone, Debug)]
pub(super) struct History([Minute; N_MINUTES]);

impl History {
    pub(super) fn new() -> History {
        History([Minute::default(); N_MINUTES])
    }

    /// A job ended so long after the start.
    pub(super) fn note(&mut self, outcome: Outcome, since_start: Duration) {
        let number = number(since_start);
        let minute = &mut self.0[(number % N_MINUTES as u64) as usize];
        if minute.number != number {
            *minute = Minute { number, ..Minute::default() };
        }
        minute.n_by_outcome[outcome as usize] += 1;
    }

    /// The minutes up to now, the oldest first; fewer before an hour is over.
    pub(super) fn minutes(&self, since_start: Duration) -> Vec<Minute> {
        let last = number(since_start);
        let first = (last + 1).saturating_sub(N_MINUTES as u64);
        (first..=last)
            .map(|number| {
                let minute = self.0[(number % N_MINUTES as u64) as usize];
                if minute.number == number {
                    minute
                } else {
                    Minute { number, ..Minute::default() }
                }
            })
            .collect()
    }
}

fn number(since_start: Duration) -> u64 {
    since_start.as_secs() / 60
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_remembered_and_no_more() {
        let mut history = History::new();
        let at = |minute: u64| Duration::from_secs(minute * 60 + 1);
        for minute in [0, 0, 3, 61] {
            history.note(Outcome::CompileOk, at(minute));
        }
        let counts = |minute| {
            let minutes = history.minutes(at(minute));
            (minutes.len(), minutes.iter().map(|minute| minute.n_by_outcome[0]).sum::<u64>())
        };
        // The first minute's place is the 61st's by now.
        assert_eq!(counts(61), (60, 2));
        assert_eq!(counts(62), (60, 2));
        assert_eq!(counts(63), (60, 1));
        assert_eq!(counts(500), (60, 0));
        assert_eq!(History::new().minutes(at(2)).len(), 3);
    }
}
