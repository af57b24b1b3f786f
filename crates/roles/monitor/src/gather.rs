//! Gathers a [`Snapshot`] from the state folder, again and again.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hosts::{Host, HostList, HostSpec};
use statedir::{Follower, Kept, Phase, Record, RunningJob, StateDir, Tally, host_list_text};

use crate::snapshot::{HostUse, Job, Rates, Snapshot};
use crate::{Environment, clean};

/// What counts as lately.
pub(crate) const WINDOW: Duration = Duration::from_secs(10);

/// The most hosts of a list, and the most jobs, that are shown.
const MOST_HOSTS: usize = 256;
const MOST_JOBS: usize = 4096;

/// What in the environment, and in folders, tells of builds.
pub(crate) struct Gatherer {
    environment: Environment,
    state: StateDir,
    follower: Follower,
    build: Build,
    /// Files that look like state and are none, of which nobody has been told yet.
    doubts: Vec<String>,
    doubted: BTreeSet<PathBuf>,
}

/// The last build's jobs that have ended.
#[derive(Default)]
struct Build {
    tally: Tally,
    records: Vec<Record>,
}

impl Gatherer {
    pub(crate) fn new(environment: Environment, state: StateDir) -> Gatherer {
        Gatherer {
            follower: Follower::new(state.clone()),
            environment,
            state,
            build: Build::default(),
            doubts: Vec::new(),
            doubted: BTreeSet::new(),
        }
    }

    /// The jobs of the last build that have ended, in that order.
    pub(crate) fn records(&self) -> &[Record] {
        &self.build.records
    }

    /// What to tell of files that look like state and are none; each is told of once.
    pub(crate) fn take_doubts(&mut self) -> Vec<String> {
        std::mem::take(&mut self.doubts)
    }

    /// Looks at everything.
    ///
    /// # Errors
    /// When the state folder or the ledger cannot be read.
    pub(crate) fn look(&mut self) -> io::Result<Snapshot> {
        if self.follower.refresh()? {
            let records = self.follower.ledger().last_build();
            let tally = Tally::of(&records, n_processors());
            let records = records.into_iter().cloned().collect();
            self.build = Build { tally: cleaned(tally), records };
        }
        let running = self.state.running()?;
        for (path, error) in running.doubts {
            if self.doubted.len() < MOST_JOBS && self.doubted.insert(path.clone()) {
                let path = clean::text(&path.to_string_lossy());
                self.doubts.push(format!("passing over `{path}`: {error}"));
            }
        }
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (specs, no_host_list) = match self.host_list() {
            Ok(specs) => (specs, None),
            Err(why) => (Vec::new(), Some(why)),
        };
        let mut snapshot = Snapshot {
            time,
            hosts: specs.iter().map(|spec| self.host_of_list(spec)).collect(),
            build: self.build.tally.clone(),
            quiet_for: self.quiet_for(time),
            n_skipped: self.follower.ledger().n_skipped,
            rates: rates(&self.build.records, &self.build.tally, time),
            no_host_list,
            ..Snapshot::default()
        };
        snapshot.add_hosts_of_build();
        for job in running.jobs.iter().take(MOST_JOBS) {
            snapshot.add_job(job, time);
        }
        for host in &mut snapshot.hosts {
            host.jobs.sort_by_key(|job| job.slot);
        }
        Ok(snapshot)
    }

    fn quiet_for(&self, time: Duration) -> Option<Duration> {
        let last = self.build.records.last()?;
        Some(time.saturating_sub(last.ended()))
    }

    /// The hosts of the list other than this machine, or why there are none.
    fn host_list(&self) -> Result<Vec<HostSpec>, String> {
        let Environment { distcc_dir, home, hosts, .. } = &self.environment;
        let text = host_list_text(hosts.as_deref(), distcc_dir.as_deref(), home.as_deref())
            .ok_or("there is no host list")?;
        let place = clean::text(&text.place());
        let list = String::from_utf8(text.bytes).map_err(|_| format!("{place} is not UTF-8"))?;
        let mut list =
            HostList::parse(&list).map_err(|error| clean::text(&format!("{place}: {error}")))?;
        if let Some(index) = list.zeroconf {
            let found = self.found_by_zeroconf();
            let index = index.min(list.hosts.len());
            list.hosts.splice(index..index, found);
        }
        list.hosts.retain(|spec| spec.host != Host::Local);
        list.hosts.truncate(MOST_HOSTS);
        Ok(list.hosts)
    }

    /// The hosts that some client's zeroconf found.
    fn found_by_zeroconf(&self) -> Vec<HostSpec> {
        let kept = self.state.found_hosts().ok().and_then(|found| found.read());
        let text = kept.filter(Kept::is_usable).map(|kept| kept.text).unwrap_or_default();
        let specs = text.lines().filter_map(|line| HostSpec::parse(line.trim()).ok());
        specs.take(MOST_HOSTS).collect()
    }

    fn host_of_list(&self, spec: &HostSpec) -> HostUse {
        let failed_at = self.state.failed_at(&spec.host);
        let period = self.environment.backoff_period;
        let is_backed_off = failed_at
            .is_some_and(|failed_at| failed_at.elapsed().is_ok_and(|since| since < period));
        HostUse {
            name: clean::text(&spec.host.to_string()),
            n_slots: Some(spec.n_slots),
            is_down: spec.down,
            is_backed_off,
            ..HostUse::default()
        }
    }
}

fn n_processors() -> u64 {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64
}

/// A tally whose names are fit to be seen.
fn cleaned(tally: Tally) -> Tally {
    let names = |counts: std::collections::BTreeMap<String, u64>| {
        let mut cleaned = std::collections::BTreeMap::new();
        for (name, count) in counts {
            *cleaned.entry(clean::text(&name)).or_default() += count;
        }
        cleaned
    };
    let mut attempts = std::collections::BTreeMap::new();
    for ((host, code), count) in tally.attempts {
        *attempts.entry((clean::text(&host), clean::text(&code))).or_default() += count;
    }
    Tally {
        by_host: names(tally.by_host),
        here: names(tally.here),
        nowhere: names(tally.nowhere),
        detours: names(tally.detours),
        attempts,
        ..tally
    }
}

/// How fast it goes at `time`.
fn rates(records: &[Record], tally: &Tally, time: Duration) -> Rates {
    let since = time.saturating_sub(WINDOW);
    let mut rates = Rates::default();
    // The records are in the order of their ends.
    for record in records.iter().rev().take_while(|record| record.ended() >= since) {
        rates.jobs += 1.0;
        rates.sent += record.n_sent as f64;
        rates.received += record.n_received as f64;
    }
    let seconds = WINDOW.as_secs_f64();
    rates.jobs /= seconds;
    rates.sent /= seconds;
    rates.received /= seconds;
    if !tally.wall.is_zero() {
        rates.jobs_of_build = tally.n_jobs as f64 / tally.wall.as_secs_f64();
    }
    rates
}

impl Snapshot {
    /// Notes what hosts have done in the build; those that are not in the list come behind it.
    fn add_hosts_of_build(&mut self) {
        for (name, count) in self.build.by_host.clone() {
            self.host(&name).n_done += count;
        }
        for ((name, _), count) in self.build.attempts.clone() {
            self.host(&name).n_failures += count;
        }
    }

    /// The host of that name, added where it is missing.
    fn host(&mut self, name: &str) -> &mut HostUse {
        let index = self.hosts.iter().position(|host| host.name == name).unwrap_or_else(|| {
            self.hosts.push(HostUse { name: name.to_owned(), ..HostUse::default() });
            self.hosts.len() - 1
        });
        &mut self.hosts[index]
    }

    /// Puts a job where it belongs.
    fn add_job(&mut self, job: &RunningJob, time: Duration) {
        let age = job.age();
        let phase_age = time.saturating_sub(job.phase_began);
        let shown = Job {
            pid: job.pid,
            slot: job.slot,
            phase: job.phase,
            file: clean::name(&job.source),
            age: age.unwrap_or_default(),
            // Two clocks: a phase is not to look older than its job.
            phase_age: age.map_or(phase_age, |age| phase_age.min(age)),
            code: clean::name(&job.reason),
        };
        let has_no_place = matches!(job.phase, Some(Phase::Startup | Phase::Blocked));
        let (short, full) = (clean::name(&job.host), clean::name(&job.full_name));
        if short == "localhost" && full.is_empty() {
            self.here.push(shown);
        } else if has_no_place || short.is_empty() {
            self.waiting.push(shown);
        } else if full.is_empty() {
            let name = self.full_name(&short);
            self.host(&name).jobs.push(shown);
        } else {
            self.host(&full).jobs.push(shown);
        }
    }

    /// The name in the list of the host that clients of distcc 3.4 call `short`: without its port.
    fn full_name(&self, short: &str) -> String {
        let is_meant = |host: &&HostUse| {
            let rest = host.name.strip_prefix(short);
            host.n_slots.is_some() && rest.is_some_and(|rest| rest.starts_with(':'))
        };
        self.hosts.iter().find(is_meant).map_or_else(|| short.to_owned(), |host| host.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::tests::sample;

    fn job(host: &str, full_name: &str, phase: Phase) -> RunningJob {
        RunningJob {
            pid: std::process::id(),
            source: b"a\x1b.c".to_vec(),
            host: host.into(),
            full_name: full_name.into(),
            phase: Some(phase),
            slot: 1,
            ..RunningJob::default()
        }
    }

    #[test]
    fn jobs_come_to_where_they_are() {
        let mut shown = sample();
        for job in [
            job("blue", "", Phase::Compile),
            job("red", "red:3632", Phase::Send),
            job("red", "red:4000", Phase::Send),
            job("localhost", "", Phase::Compile),
            job("", "", Phase::Blocked),
            job("", "", Phase::Startup),
        ] {
            shown.add_job(&job, shown.time);
        }
        let hosts: Vec<_> =
            shown.hosts.iter().map(|host| (host.name.as_str(), host.jobs.len())).collect();
        assert_eq!(hosts, [("red:3632", 3), ("blue:3632", 1), ("red:4000", 1)]);
        assert_eq!((shown.here.len(), shown.waiting.len()), (2, 3));
        assert_eq!(shown.here[1].file, "a?.c");
        assert!(shown.waiting.iter().all(|job| job.phase_age <= job.age), "{:?}", shown.waiting);
    }

    #[test]
    fn rates_are_of_what_ended_lately() {
        let record = |ended: u64| Record {
            started: Duration::from_secs(ended - 1),
            took: Duration::from_secs(1),
            n_sent: 1000,
            ..Record::default()
        };
        let records = [record(80), record(95), record(100)];
        let tally = Tally::of(&records.iter().collect::<Vec<_>>(), 1);
        let rates = rates(&records, &tally, Duration::from_secs(101));
        assert_eq!((rates.jobs, rates.sent), (0.2, 200.0));
        assert!((rates.jobs_of_build - 3.0 / 21.0).abs() < 1e-9);
    }
}
