//! What the worker counts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::by_compiler::ByCompiler;
use super::histogram::{BYTES, Histogram, SECONDS};
use super::history::{History, Minute};
use super::present::{Floor, Spot};
use super::refused::{Refusals, Refused};
use crate::outcome::Outcome;
use crate::refusal::Refusal;
use crate::whitelist::Known;

/// Ends of jobs are counted by so long a step. Source: observed on distcc 3.4.
const STEP: Duration = Duration::from_secs(3);

/// How many steps are remembered: a quarter of an hour, the minute by which the average is late,
/// and the step that is not over.
const N_STEPS: usize = 300 + LATE_STEPS + 1;

/// The average of jobs at work is that of a minute ago, when all that worked then have ended.
/// Source: observed on distcc 3.4.
const LATE_STEPS: usize = 20;

/// The three periods over which 3.4 counts: 1, 5 and 15 minutes, in steps.
const PERIODS: [usize; 3] = [20, 100, 300];

/// The longest name of a client's that is remembered, in letters.
const MOST_NAME: usize = 1000;

/// What the server has done since its worker started. All threads of it count here.
#[derive(Debug)]
pub(crate) struct Statistics {
    start: Instant,
    /// The same by the clock on the wall.
    started: SystemTime,
    /// There are pages that tell it.
    is_shown: AtomicBool,
    /// The jobs that are here.
    pub(super) floor: Floor,
    counts: Mutex<Counts>,
}

/// A look at the statistics.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Snapshot {
    /// Connections, those included that were turned away.
    pub(crate) n_accepted: u64,
    /// Connections from addresses that may not connect.
    pub(crate) n_denied: u64,
    /// Jobs by their end.
    pub(crate) n_by_outcome: [u64; Outcome::ALL.len()],
    /// The successful job that took longest.
    pub(crate) longest: Option<LongestJob>,
    /// Successful jobs at work at once on average over 1, 5 and 15 minutes, as of a minute ago.
    pub(crate) average_jobs: [u64; 3],
    /// Compiles that ended, well or not, in the last 1, 5 and 15 minutes.
    pub(crate) n_compiles: [u64; 3],
    /// How much of what there was.
    pub(super) measures: Measures,
    /// Jobs, each once, by their compiler.
    pub(super) by_compiler: ByCompiler,
}

/// What is counted by its size.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measures {
    /// From the connection to the last byte of the answer, by the end of the job, in seconds.
    pub(super) job_times: [Histogram; Outcome::ALL.len()],
    /// What compilers took, in seconds.
    pub(super) compile_times: Histogram,
    /// How long jobs waited for a slot and memory, in seconds.
    pub(super) waits: Histogram,
    /// Bytes of whole requests as they came, packed or not, with the command.
    pub(super) n_received_bytes: u64,
    /// Bytes of whole requests: sources, or files of a tree, unpacked.
    pub(super) request_sizes: Histogram,
    /// Bytes of whole replies of compilers.
    pub(super) reply_sizes: Histogram,
}

impl Measures {
    fn new() -> Measures {
        Measures {
            job_times: std::array::from_fn(|_| Histogram::new(SECONDS)),
            compile_times: Histogram::new(SECONDS),
            waits: Histogram::new(SECONDS),
            n_received_bytes: 0,
            request_sizes: Histogram::new(BYTES),
            reply_sizes: Histogram::new(BYTES),
        }
    }
}

/// The successful job that took longest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LongestJob {
    /// From the connection to the last byte of the answer.
    pub(crate) time: Duration,
    /// The compiler, as the client called it.
    pub(crate) compiler: String,
    /// The source, as the client called it.
    pub(crate) input: String,
}

impl Snapshot {
    /// How many jobs ended so.
    pub(crate) fn n_ended(&self, outcome: Outcome) -> u64 {
        self.n_by_outcome[outcome as usize]
    }
}

#[derive(Debug)]
struct Counts {
    n_accepted: u64,
    n_denied: u64,
    n_by_outcome: [u64; Outcome::ALL.len()],
    longest: Option<LongestJob>,
    measures: Measures,
    by_compiler: ByCompiler,
    refusals: Refusals,
    history: History,
    /// The steps of the last quarter of an hour; number `n` stands at `n % N_STEPS`.
    steps: Vec<Step>,
}

/// What happened in one [`STEP`].
#[derive(Clone, Debug, Default)]
struct Step {
    /// Which step since the start this is; an older number: nothing happened in it.
    number: u64,
    n_compiles: u64,
    /// The time that successful jobs were at work in it, all added up.
    busy: Duration,
}

impl Statistics {
    pub(crate) fn new(now: Instant) -> Statistics {
        let counts = Counts {
            n_accepted: 0,
            n_denied: 0,
            n_by_outcome: Default::default(),
            longest: None,
            measures: Measures::new(),
            by_compiler: ByCompiler::default(),
            refusals: Refusals::default(),
            history: History::new(),
            steps: vec![Step::default(); N_STEPS],
        };
        Statistics {
            start: now,
            started: SystemTime::now(),
            is_shown: AtomicBool::new(false),
            floor: Floor::default(),
            counts: Mutex::new(counts),
        }
    }

    /// There are pages from now on.
    pub(super) fn note_shown(&self) {
        self.is_shown.store(true, Ordering::Relaxed);
    }

    /// Whether there are pages that tell what is counted.
    pub(crate) fn is_shown(&self) -> bool {
        self.is_shown.load(Ordering::Relaxed)
    }

    /// A client connected.
    pub(crate) fn note_accepted(&self) {
        self.lock().n_accepted += 1;
    }

    /// A client connected that may not.
    pub(crate) fn note_denied(&self) {
        self.lock().n_denied += 1;
    }

    /// A job ended at `now`, after `time`. The names are the client's; `known` is the compiler of this machine.
    pub(crate) fn note_job(
        &self,
        outcome: Outcome,
        time: Duration,
        compiler: &str,
        input: &str,
        known: Option<&Known>,
        now: Instant,
    ) {
        let end = now.saturating_duration_since(self.start);
        let mut counts = self.lock();
        counts.n_by_outcome[outcome as usize] += 1;
        counts.by_compiler.note(known);
        counts.history.note(outcome, end);
        counts.measures.job_times[outcome as usize].note(time.as_secs_f64());
        if matches!(outcome, Outcome::CompileOk | Outcome::CompileError) {
            counts.step(number(end)).n_compiles += 1;
        }
        if outcome != Outcome::CompileOk {
            return;
        }
        counts.note_busy(end.saturating_sub(time), end);
        if counts.longest.as_ref().is_none_or(|longest| time > longest.time) {
            let clipped = |name: &str| name.chars().take(MOST_NAME).collect();
            let (compiler, input) = (clipped(compiler), clipped(input));
            counts.longest = Some(LongestJob { time, compiler, input });
        }
    }

    /// A job is here, for as long as the answer is kept.
    pub(crate) fn note_present(&self, client: &str, now: Instant) -> Spot<'_> {
        self.floor.enter(client, now)
    }

    /// A client, by its address, hears why not.
    pub(crate) fn note_refusal(&self, client: &str, refusal: &Refusal, now: Instant) {
        self.lock().refusals.note(client, refusal, now);
    }

    /// The last refusals, the newest first, and the last hour.
    pub(super) fn recent(&self, now: Instant) -> (Vec<Refused>, Vec<Minute>) {
        let age = self.age(now);
        let counts = self.lock();
        (counts.refusals.0.iter().cloned().collect(), counts.history.minutes(age))
    }

    /// How long ago it began.
    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.start)
    }

    /// A request is here with all that it brought, in so many bytes on the way.
    pub(crate) fn note_request(&self, n_bytes: usize, n_received_bytes: u64) {
        let mut counts = self.lock();
        counts.measures.request_sizes.note(n_bytes as f64);
        counts.measures.n_received_bytes += n_received_bytes;
    }

    /// A reply was sent.
    pub(crate) fn note_reply(&self, n_bytes: usize) {
        self.lock().measures.reply_sizes.note(n_bytes as f64);
    }

    /// A job's turn has come after so long.
    pub(crate) fn note_wait(&self, time: Duration) {
        self.lock().measures.waits.note(time.as_secs_f64());
    }

    /// A compiler ended by itself after so long.
    pub(crate) fn note_compile(&self, time: Duration) {
        self.lock().measures.compile_times.note(time.as_secs_f64());
    }

    /// When it began, in seconds since the Unix epoch.
    pub(super) fn started_seconds(&self) -> f64 {
        self.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
    }

    /// How things are at `now`.
    pub(crate) fn snapshot(&self, now: Instant) -> Snapshot {
        let current = number(now.saturating_duration_since(self.start));
        let counts = self.lock();
        let late = current.saturating_sub(LATE_STEPS as u64);
        let average_jobs = PERIODS.map(|n_steps| {
            let busy: Duration = counts.steps_before(late, n_steps).map(|step| step.busy).sum();
            busy.as_millis() as u64 / (STEP.as_millis() as u64 * n_steps as u64)
        });
        let n_compiles = PERIODS
            .map(|n_steps| counts.steps_before(current, n_steps).map(|step| step.n_compiles).sum());
        Snapshot {
            n_accepted: counts.n_accepted,
            n_denied: counts.n_denied,
            n_by_outcome: counts.n_by_outcome,
            longest: counts.longest.clone(),
            average_jobs,
            n_compiles,
            measures: counts.measures.clone(),
            by_compiler: counts.by_compiler.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // The counts are whole at every point where a thread could panic.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// The step of this number, emptied if it was an older one's place.
    fn step(&mut self, number: u64) -> &mut Step {
        let step = &mut self.steps[place(number)];
        if step.number != number {
            *step = Step { number, ..Step::default() };
        }
        step
    }

    /// A successful job was at work between these two times since the start.
    fn note_busy(&mut self, begin: Duration, end: Duration) {
        let last = number(end);
        let first = number(begin).max((last + 1).saturating_sub(N_STEPS as u64));
        for number in first..=last {
            let from = begin.max(STEP * number as u32);
            let to = end.min(STEP * (number as u32 + 1));
            self.step(number).busy += to.saturating_sub(from);
        }
    }

    /// The steps of the `n_steps` numbers before `number` in which something happened.
    fn steps_before(&self, number: u64, n_steps: usize) -> impl Iterator<Item = &Step> {
        let numbers = number.saturating_sub(n_steps as u64)..number;
        numbers
            .map(|number| (number, &self.steps[place(number)]))
            .filter_map(|(number, step)| (step.number == number).then_some(step))
    }
}

/// In which step a time since the start lies.
fn number(since_start: Duration) -> u64 {
    since_start.as_secs() / STEP.as_secs()
}

fn place(number: u64) -> usize {
    (number % N_STEPS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(n_seconds: u64) -> Duration {
        Duration::from_secs(n_seconds)
    }

    fn note(statistics: &Statistics, outcome: Outcome, time: Duration, at: u64) {
        let now = statistics.start + seconds(at);
        statistics.note_job(outcome, time, "gcc", &format!("{at}.c"), None, now);
    }

    fn at(statistics: &Statistics, at: u64) -> Snapshot {
        statistics.snapshot(statistics.start + seconds(at))
    }

    #[test]
    fn compiles_are_counted_for_as_long_as_the_periods_last() {
        let statistics = Statistics::new(Instant::now());
        note(&statistics, Outcome::CompileOk, seconds(1), 10);
        note(&statistics, Outcome::CompileError, seconds(1), 10);
        for outcome in &Outcome::ALL[2..] {
            note(&statistics, *outcome, seconds(1), 10);
        }
        // The step that is not over is not counted.
        assert_eq!(at(&statistics, 11).n_compiles, [0, 0, 0]);
        assert_eq!(at(&statistics, 12).n_compiles, [2, 2, 2]);
        assert_eq!(at(&statistics, 71).n_compiles, [2, 2, 2]);
        assert_eq!(at(&statistics, 72).n_compiles, [0, 2, 2]);
        assert_eq!(at(&statistics, 312).n_compiles, [0, 0, 2]);
        assert_eq!(at(&statistics, 912).n_compiles, [0, 0, 0]);
        for outcome in Outcome::ALL {
            assert_eq!(at(&statistics, 5000).n_ended(outcome), 1, "{outcome:?}");
        }
    }

    #[test]
    fn jobs_at_work_are_averaged_a_minute_late() {
        let statistics = Statistics::new(Instant::now());
        // Three jobs that worked through the whole second minute, and one that failed.
        for outcome in [Outcome::CompileOk, Outcome::CompileOk, Outcome::CompileOk] {
            note(&statistics, outcome, seconds(60), 120);
        }
        note(&statistics, Outcome::CompileError, seconds(60), 120);
        assert_eq!(at(&statistics, 120).average_jobs, [0, 0, 0]);
        assert_eq!(at(&statistics, 180).average_jobs, [3, 0, 0]);
        assert_eq!(at(&statistics, 240).average_jobs, [0, 0, 0]);
    }

    #[test]
    fn the_longest_job_is_a_successful_one() {
        let statistics = Statistics::new(Instant::now());
        assert_eq!(at(&statistics, 0).longest, None);
        note(&statistics, Outcome::CompileOk, seconds(2), 10);
        note(&statistics, Outcome::CompileOk, seconds(4), 11);
        note(&statistics, Outcome::CompileOk, seconds(3), 12);
        note(&statistics, Outcome::CompileError, seconds(9), 13);
        let longest = at(&statistics, 20).longest.unwrap();
        assert_eq!((longest.time, longest.input.as_str()), (seconds(4), "11.c"));
    }

    proptest! {
        #[test]
        fn the_ring_agrees_with_a_plain_list(
            jobs in prop::collection::vec((0..2000_u64, 0..2000_u64), 0..40),
            later in 0..1000_u64,
        ) {
            let mut jobs = jobs;
            jobs.sort();
            let statistics = Statistics::new(Instant::now());
            for (end, time) in &jobs {
                note(&statistics, Outcome::CompileOk, seconds(*time.min(end)), *end);
            }
            let now = jobs.last().map_or(0, |(end, _)| *end) + later;
            let snapshot = at(&statistics, now);
            let edge = now / 3 * 3;
            for (index, period) in [60, 300, 900].into_iter().enumerate() {
                let ended = |(end, _): &&(u64, u64)| (edge.saturating_sub(period)..edge).contains(end);
                prop_assert_eq!(snapshot.n_compiles[index], jobs.iter().filter(ended).count() as u64);
                let (from, to) = (edge.saturating_sub(60 + period), edge.saturating_sub(60));
                let busy = |(end, time): &(u64, u64)| {
                    (*end).min(to).saturating_sub((end - time.min(end)).max(from))
                };
                let busy: u64 = jobs.iter().map(busy).sum();
                prop_assert_eq!(snapshot.average_jobs[index], busy / period);
            }
        }
    }
}
