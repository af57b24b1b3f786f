//! The jobs that are here now.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::clipped;

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its request comes in.
    Receiving,
    /// It waits for a slot or memory.
    Waiting,
    /// Its compiler runs.
    Compiling,
    /// Its reply goes out.
    Sending,
}

impl Phase {
    /// Its name for programs and people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Phase::Receiving => "receive",
            Phase::Waiting => "wait",
            Phase::Compiling => "compile",
            Phase::Sending => "send",
        }
    }
}

/// A job that is here. The names are the client's, clipped.
#[derive(Clone, Debug)]
pub(super) struct Present {
    pub(super) client: String,
    pub(super) since: Instant,
    pub(super) phase: Phase,
    pub(super) phase_since: Instant,
    pub(super) compiler: String,
    pub(super) input: String,
}

/// All of them, as many as there are connections.
#[derive(Debug, Default)]
pub(super) struct Floor {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    n_ever: u64,
    jobs: BTreeMap<u64, Present>,
}

/// A job's place among those that are here, until dropped.
#[derive(Debug)]
pub(crate) struct Spot<'a> {
    floor: &'a Floor,
    number: u64,
}

impl Floor {
    pub(super) fn enter(&self, client: &str, now: Instant) -> Spot<'_> {
        let mut state = self.lock();
        let number = state.n_ever;
        state.n_ever += 1;
        let job = Present {
            client: clipped(client),
            since: now,
            phase: Phase::Receiving,
            phase_since: now,
            compiler: String::new(),
            input: String::new(),
        };
        state.jobs.insert(number, job);
        Spot { floor: self, number }
    }

    /// The first `n_most` by their age, and how many there are.
    pub(super) fn oldest(&self, n_most: usize) -> (Vec<Present>, usize) {
        let state = self.lock();
        (state.jobs.values().take(n_most).cloned().collect(), state.jobs.len())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole at every point where a thread could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spot<'_> {
    /// What the job is about, in the client's words.
    pub(crate) fn name(&self, compiler: &str, input: &str) {
        if let Some(job) = self.floor.lock().jobs.get_mut(&self.number) {
            (job.compiler, job.input) = (clipped(compiler), clipped(input));
        }
    }

    /// The job is at this now.
    pub(crate) fn go_on(&self, phase: Phase, now: Instant) {
        if let Some(job) = self.floor.lock().jobs.get_mut(&self.number) {
            (job.phase, job.phase_since) = (phase, now);
        }
    }
}

impl Drop for Spot<'_> {
    fn drop(&mut self) {
        self.floor.lock().jobs.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_here_until_its_spot_is_dropped() {
        let (floor, now) = (Floor::default(), Instant::now());
        let first = floor.enter("a", now);
        let second = floor.enter("b", now);
        first.name(&"x".repeat(5000), "<b>\u{0}");
        first.go_on(Phase::Compiling, now);
        let (jobs, n_jobs) = floor.oldest(1);
        assert_eq!((jobs.len(), n_jobs, jobs[0].phase), (1, 2, Phase::Compiling));
        assert_eq!((jobs[0].compiler.chars().count(), jobs[0].input.as_str()), (200, "<b>\u{0}"));
        drop(first);
        assert_eq!(floor.oldest(9).0[0].client, "b");
        drop(second);
        assert_eq!(floor.oldest(9).1, 0);
    }
}
