//! How much faster a build may be expected to be with its servers than without.

use serde_json::{Value, json};

/// What one host does, as far as it was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HostSpeed {
    /// How many jobs from here it does at once.
    pub n_at_once: u32,
    /// How long a job takes there, in seconds, with the way there and back.
    pub job_seconds: f64,
    /// How many jobs a second the way to it lets through; `None`: not measured.
    pub link_jobs: Option<f64>,
}

/// What this machine does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OwnSpeed {
    /// Its processors.
    pub n_processors: u32,
    /// Processor time of a job that is done here, in seconds.
    pub job_seconds: f64,
    /// Processor time that is left to do here for a job of a host, in seconds.
    pub rest_seconds: f64,
}

/// What a build waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The slots and processors of the servers.
    Servers,
    /// The way to them.
    Network,
    /// What this machine has to do for each of their jobs.
    ThisMachine,
}

impl Bound {
    fn name(self) -> &'static str {
        match self {
            Bound::Servers => "servers",
            Bound::Network => "network",
            Bound::ThisMachine => "this machine",
        }
    }
}

/// How many times as fast jobs are done as by this machine alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speedup {
    /// So many times.
    pub times: f64,
    /// What keeps it from being more.
    pub bound: Bound,
    own: OwnSpeed,
}

impl Speedup {
    /// Jobs a second of all hosts together, or as many as this machine can prepare, against those of
    /// this machine without hosts. `None`: there is nothing to compare.
    #[must_use]
    pub fn expected(own: OwnSpeed, hosts: &[HostSpeed]) -> Option<Speedup> {
        let is_fine = |seconds: f64| seconds.is_finite() && seconds > 0.0;
        if !is_fine(own.job_seconds) || own.n_processors == 0 {
            return None;
        }
        let (mut unhindered, mut theirs) = (0.0, 0.0);
        for host in hosts.iter().filter(|host| is_fine(host.job_seconds)) {
            let jobs = f64::from(host.n_at_once) / host.job_seconds;
            unhindered += jobs;
            theirs += host.link_jobs.map_or(jobs, |link| link.max(0.0).min(jobs));
        }
        if unhindered <= 0.0 {
            return None;
        }
        let n_processors = f64::from(own.n_processors);
        // A clock that is too coarse to see it: no bound.
        let prepared =
            if is_fine(own.rest_seconds) { n_processors / own.rest_seconds } else { f64::INFINITY };
        let (jobs, bound) = match () {
            () if prepared < theirs => (prepared, Bound::ThisMachine),
            () if theirs < unhindered => (theirs, Bound::Network),
            () => (theirs, Bound::Servers),
        };
        Some(Speedup { times: jobs * own.job_seconds / n_processors, bound, own })
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let ms = |seconds: f64| (seconds * 1e4).round() / 10.0;
        json!({
            "times": self.rounded(),
            "bound": self.bound.name(),
            "processors": self.own.n_processors,
            "job_ms_here": ms(self.own.job_seconds),
            "rest_ms_here": ms(self.own.rest_seconds),
        })
    }

    /// One sentence.
    pub(crate) fn text(&self) -> String {
        let times = self.rounded();
        let bound = match self.bound {
            Bound::Servers => "the servers have no more slots or processors",
            Bound::Network => "the way to the servers lets no more through",
            Bound::ThisMachine => "this machine can prepare no more jobs",
        };
        if times <= 1.0 {
            return format!("to be expected: compiling is no faster than here alone ({bound})");
        }
        format!(
            "to be expected: compiling is about {times:.1} times as fast as here alone ({bound})"
        )
    }

    /// To a tenth, downwards: it is no promise.
    fn rounded(&self) -> f64 {
        (self.times * 10.0 + 1e-6).floor() / 10.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: OwnSpeed = OwnSpeed { n_processors: 2, job_seconds: 0.5, rest_seconds: 0.05 };
    const HOST: HostSpeed = HostSpeed { n_at_once: 4, job_seconds: 0.5, link_jobs: None };

    #[track_caller]
    fn check(own: OwnSpeed, hosts: &[HostSpeed], times: f64, bound: Bound) {
        let found = Speedup::expected(own, hosts).unwrap();
        assert_eq!((found.rounded(), found.bound), (times, bound), "{found:?}");
    }

    #[test]
    fn processors_of_hosts_count_against_those_of_this_machine() {
        check(OWN, &[HOST], 2.0, Bound::Servers);
        check(OWN, &[HOST, HOST], 4.0, Bound::Servers);
        check(OwnSpeed { n_processors: 1, ..OWN }, &[HOST], 4.0, Bound::Servers);
        // Half as fast.
        check(OWN, &[HostSpeed { job_seconds: 1.0, ..HOST }], 1.0, Bound::Servers);
        // One processor against eight.
        let weak = HostSpeed { n_at_once: 1, ..HOST };
        check(OwnSpeed { n_processors: 8, ..OWN }, &[weak], 0.1, Bound::Servers);
    }

    #[test]
    fn no_more_jobs_are_done_than_this_machine_prepares() {
        check(OWN, &[HOST; 100], 10.0, Bound::ThisMachine);
        let busy = OwnSpeed { rest_seconds: 0.5, ..OWN };
        check(busy, &[HOST; 100], 1.0, Bound::ThisMachine);
        check(OwnSpeed { rest_seconds: 0.0, ..OWN }, &[HOST; 100], 200.0, Bound::Servers);
    }

    #[test]
    fn a_slow_way_lets_few_jobs_through() {
        let far = HostSpeed { link_jobs: Some(1.0), ..HOST };
        check(OWN, &[far], 0.2, Bound::Network);
        check(OWN, &[far, HOST], 2.2, Bound::Network);
        check(OWN, &[HostSpeed { link_jobs: Some(1e6), ..HOST }], 2.0, Bound::Servers);
    }

    #[test]
    fn without_a_host_or_a_job_there_is_nothing_to_expect() {
        assert_eq!(Speedup::expected(OWN, &[]), None);
        assert_eq!(Speedup::expected(OWN, &[HostSpeed { n_at_once: 0, ..HOST }]), None);
        assert_eq!(Speedup::expected(OWN, &[HostSpeed { job_seconds: f64::NAN, ..HOST }]), None);
        assert_eq!(Speedup::expected(OwnSpeed { job_seconds: 0.0, ..OWN }, &[HOST]), None);
        assert_eq!(Speedup::expected(OwnSpeed { n_processors: 0, ..OWN }, &[HOST]), None);
    }

    #[test]
    fn what_is_no_faster_is_not_called_faster() {
        let text = |hosts: &[HostSpeed]| Speedup::expected(OWN, hosts).unwrap().text();
        assert!(text(&[HOST]).contains("about 2.0 times"), "{}", text(&[HOST]));
        let weak = HostSpeed { n_at_once: 1, ..HOST };
        assert!(text(&[weak]).contains("no faster than here alone"), "{}", text(&[weak]));
    }
}
