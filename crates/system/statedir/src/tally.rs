//! What a ledger tells of a build: which jobs it had, and what became of them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{Ledger, Place, Record};

/// A build ends where its session has had no job for so long.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Who did not do its part, in [`Record::attempts`], where a job was preprocessed here after all.
pub const AGENT: &str = "distcc-agent";

/// The reason code of a job that a server has preprocessed and compiled.
pub const PUMPED: &str = "pumped";

impl Record {
    /// When it ended, since 1970.
    #[must_use]
    pub fn ended(&self) -> Duration {
        self.started + self.took
    }
}

impl Ledger {
    /// The jobs of the last build: those of the session whose job ended last, back to the first
    /// pause of more than [`LONGEST_PAUSE`]. In the order in which they ended.
    #[must_use]
    pub fn last_build(&self) -> Vec<&Record> {
        let mut latest_first: Vec<&Record> = self.records.iter().collect();
        latest_first.sort_by_key(|record| std::cmp::Reverse(record.ended()));
        let Some(last) = latest_first.first() else { return Vec::new() };
        let (session, mut began) = (last.session, last.started);
        let mut build = Vec::new();
        for record in latest_first.into_iter().filter(|record| record.session == session) {
            if record.ended() + LONGEST_PAUSE < began {
                break;
            }
            began = began.min(record.started);
            build.push(record);
        }
        build.reverse();
        build
    }
}

/// What became of some jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many there are.
    pub n_jobs: u64,
    /// Jobs whose exit status is not 0.
    pub n_failed: u64,
    /// When the first of them began, since 1970.
    pub began: Duration,
    /// From there to the end of the last.
    pub wall: Duration,
    /// Jobs by the host that did them.
    pub by_host: BTreeMap<String, u64>,
    /// Jobs by the reason for which they were done here.
    pub here: BTreeMap<String, u64>,
    /// Jobs by the reason for which nobody did them.
    pub nowhere: BTreeMap<String, u64>,
    /// Jobs that servers have preprocessed as well.
    pub n_pumped: u64,
    /// Jobs that were to be preprocessed by servers and were not, by the reason.
    pub detours: BTreeMap<String, u64>,
    /// Attempts that failed, by host and reason.
    pub attempts: BTreeMap<(String, String), u64>,
    /// Bytes sent to servers.
    pub n_sent: u64,
    /// Bytes received from them.
    pub n_received: u64,
    /// Sums of the parts of jobs, in the order of [`crate::Times::all`].
    pub times: [Duration; 7],
    /// Processors of this machine, as the estimate takes them.
    pub n_processors: u64,
    /// An estimate of how long the jobs would have taken here alone: the time that they were
    /// preprocessed, compiled by servers and run here, shared by the processors.
    pub alone: Duration,
}

impl Tally {
    /// Counts some jobs.
    #[must_use]
    pub fn of(records: &[&Record], n_processors: u64) -> Tally {
        let mut tally = Tally { n_processors, ..Tally::default() };
        let began = records.iter().map(|record| record.started).min().unwrap_or_default();
        let ended = records.iter().map(|record| record.ended()).max().unwrap_or_default();
        tally.began = began;
        tally.wall = ended - began;
        let (mut work, mut longest) = (Duration::ZERO, Duration::ZERO);
        for record in records {
            tally.n_jobs += 1;
            tally.n_failed += u64::from(record.exit != 0);
            let count = match &record.place {
                Place::Host(host) => tally.by_host.entry(host.clone()),
                Place::Here => tally.here.entry(record.code.clone()),
                Place::Nowhere => tally.nowhere.entry(record.code.clone()),
            };
            *count.or_default() += 1;
            let is_remote = matches!(record.place, Place::Host(_));
            tally.n_pumped += u64::from(is_remote && record.code == PUMPED);
            for attempt in &record.attempts {
                if attempt.host == AGENT {
                    *tally.detours.entry(attempt.code.clone()).or_default() += 1;
                    continue;
                }
                let key = (attempt.host.clone(), attempt.code.clone());
                *tally.attempts.entry(key).or_default() += 1;
            }
            tally.n_sent = tally.n_sent.saturating_add(record.n_sent);
            tally.n_received = tally.n_received.saturating_add(record.n_received);
            for (sum, time) in tally.times.iter_mut().zip(record.times.all()) {
                *sum = sum.saturating_add(time);
            }
            let own = match &record.place {
                Place::Here => record.times.local,
                Place::Host(_) => record.times.preprocessing + record.times.compiling,
                Place::Nowhere => Duration::ZERO,
            };
            work = work.saturating_add(own);
            longest = longest.max(own);
        }
        let shared = work.as_secs_f64() / n_processors.max(1) as f64;
        tally.alone = longest.max(Duration::try_from_secs_f64(shared).unwrap_or_default());
        tally
    }

    /// How many jobs servers did.
    #[must_use]
    pub fn n_remote(&self) -> u64 {
        self.by_host.values().sum()
    }

    /// How many times as long the jobs would have taken here alone, by the estimate; no number
    /// where they took no time.
    #[must_use]
    pub fn speed_up(&self) -> f64 {
        self.alone.as_secs_f64() / self.wall.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A job of session `session` from second `from` to second `to`.
    fn job(session: u32, from: u64, to: u64) -> Record {
        Record {
            started: Duration::from_secs(from),
            took: Duration::from_secs(to - from),
            session,
            ..Record::default()
        }
    }

    #[test]
    fn a_build_is_the_jobs_of_a_session_up_to_a_pause() {
        let records = vec![
            job(1, 1000, 1010),
            job(1, 1100, 1101),
            // A long link that is still running when the others have ended.
            job(1, 1090, 1200),
            job(2, 1195, 1205),
            job(1, 1255, 1258),
        ];
        let ledger = Ledger { records, n_skipped: 0 };
        let starts: Vec<_> =
            ledger.last_build().iter().map(|record| record.started.as_secs()).collect();
        assert_eq!(starts, [1100, 1090, 1255]);
        assert!(Ledger::default().last_build().is_empty());
    }
}
