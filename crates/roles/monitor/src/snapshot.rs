//! All that is shown of one moment, as a value: screen, page and JSON are made of it.

use std::time::Duration;

use statedir::{Phase, Tally};

/// What is going on, and what became of the build so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// The moment, since 1970.
    pub(crate) time: Duration,
    /// The hosts in the order of the list, then those that are not in it.
    pub(crate) hosts: Vec<HostUse>,
    /// Jobs that run on this machine.
    pub(crate) here: Vec<Job>,
    /// Jobs that have no place yet.
    pub(crate) waiting: Vec<Job>,
    /// The jobs of the last build that have ended, counted as `distcc --report` does.
    pub(crate) build: Tally,
    /// How long ago the last of them ended; `None` where none has.
    pub(crate) quiet_for: Option<Duration>,
    /// Lines of the ledger that could not be read.
    pub(crate) n_skipped: u64,
    /// How fast it went lately.
    pub(crate) rates: Rates,
    /// Why no host list tells which hosts there are.
    pub(crate) no_host_list: Option<String>,
}

/// A host and its slots.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostUse {
    /// As the host list and the ledger name it.
    pub(crate) name: String,
    /// How many jobs it gets at once; `None` where it is not in the list.
    pub(crate) n_slots: Option<u32>,
    /// The list says `,down`.
    pub(crate) is_down: bool,
    /// Its jobs, in the order of slots.
    pub(crate) jobs: Vec<Job>,
    /// How many jobs of the build it has done.
    pub(crate) n_done: u64,
    /// How many it was tried for and did not do.
    pub(crate) n_failures: u64,
    /// It failed a short while ago, and clients leave it alone.
    pub(crate) is_backed_off: bool,
}

impl HostUse {
    /// The slots of it that are shown: those of the list, and those that jobs say they have. Each
    /// with its job, if it has one.
    pub(crate) fn lanes(&self, n_most: u32) -> Vec<(i32, Option<&Job>)> {
        let n_slots = self.n_slots.unwrap_or_default().min(n_most);
        let is_taken = |slot: &i32| self.jobs.iter().any(|job| job.slot == *slot);
        let idle = (0..n_slots.cast_signed()).filter(|slot| !is_taken(slot));
        let taken = self.jobs.iter().map(|job| (job.slot, Some(job)));
        let mut lanes: Vec<_> = taken.chain(idle.map(|slot| (slot, None))).collect();
        lanes.sort_by_key(|(slot, _)| *slot);
        lanes
    }
}

/// A job that has not ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Job {
    pub(crate) pid: u32,
    pub(crate) slot: i32,
    pub(crate) phase: Option<Phase>,
    pub(crate) file: String,
    /// How long its client has been there.
    pub(crate) age: Duration,
    /// How long it has been in this phase.
    pub(crate) phase_age: Duration,
    /// The reason code for which it is where it is; empty where it is not known.
    pub(crate) code: String,
}

/// What a second brought.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rates {
    /// Jobs that ended lately.
    pub(crate) jobs: f64,
    /// Jobs that ended, over the whole build.
    pub(crate) jobs_of_build: f64,
    /// Bytes that jobs which ended lately sent.
    pub(crate) sent: f64,
    /// Bytes that they received.
    pub(crate) received: f64,
}

impl Snapshot {
    /// How many jobs are running, here or at hosts.
    pub(crate) fn n_running(&self) -> usize {
        self.here.len() + self.hosts.iter().map(|host| host.jobs.len()).sum::<usize>()
    }

    /// Whether a client is at work.
    pub(crate) fn is_building(&self) -> bool {
        self.n_running() + self.waiting.len() > 0
    }
}

/// What a phase is called.
pub(crate) fn phase_name(phase: Option<Phase>) -> &'static str {
    match phase {
        Some(Phase::Startup) => "startup",
        Some(Phase::Blocked) => "blocked",
        Some(Phase::Connect) => "connect",
        Some(Phase::Preprocess) => "preprocess",
        Some(Phase::Send) => "send",
        Some(Phase::Compile) => "compile",
        Some(Phase::Receive) => "receive",
        None => "done",
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn job(slot: i32, phase: Phase, file: &str) -> Job {
        Job {
            pid: 4711,
            slot,
            phase: Some(phase),
            file: file.to_owned(),
            age: Duration::from_millis(2300),
            phase_age: Duration::from_millis(1200),
            code: String::new(),
        }
    }

    /// A build with two hosts, a job here and one that waits.
    pub(crate) fn sample() -> Snapshot {
        let red = HostUse {
            name: "red:3632".into(),
            n_slots: Some(4),
            jobs: vec![job(0, Phase::Compile, "parser.c"), job(2, Phase::Send, "lexer.c")],
            n_done: 17,
            ..HostUse::default()
        };
        let blue = HostUse {
            name: "blue:3632".into(),
            n_slots: Some(2),
            n_failures: 1,
            is_backed_off: true,
            ..HostUse::default()
        };
        let mut native = job(0, Phase::Compile, "native.c");
        native.code = "native-tuning".into();
        let mut build = Tally { n_jobs: 20, n_failed: 1, n_processors: 2, ..Tally::default() };
        build.began = Duration::from_secs(1000);
        build.wall = Duration::from_secs(10);
        build.alone = Duration::from_secs(35);
        build.by_host.insert("red:3632".into(), 17);
        build.here.insert("native-tuning".into(), 2);
        build.nowhere.insert("compiler-missing".into(), 1);
        build.attempts.insert(("blue:3632".into(), "connection-refused".into()), 1);
        (build.n_sent, build.n_received) = (2_500_000, 900_000);
        Snapshot {
            time: Duration::from_secs(1010),
            hosts: vec![red, blue],
            here: vec![native],
            waiting: vec![job(0, Phase::Blocked, "waits.c")],
            build,
            quiet_for: Some(Duration::from_secs(1)),
            n_skipped: 0,
            rates: Rates { jobs: 1.5, jobs_of_build: 2.0, sent: 250_000.0, received: 90_000.0 },
            no_host_list: None,
        }
    }

    #[test]
    fn a_host_has_a_lane_for_each_slot_and_each_job() {
        let mut red = sample().hosts.swap_remove(0);
        let slots = |host: &HostUse| -> Vec<(i32, bool)> {
            host.lanes(100).iter().map(|(slot, job)| (*slot, job.is_some())).collect()
        };
        assert_eq!(slots(&red), [(0, true), (1, false), (2, true), (3, false)]);
        // Somebody with another list.
        red.jobs.push(job(9, Phase::Compile, "more.c"));
        red.n_slots = Some(1);
        assert_eq!(slots(&red), [(0, true), (2, true), (9, true)]);
        red.n_slots = Some(u32::MAX);
        assert_eq!(red.lanes(5).len(), 6);
    }
}
