//! What a server tells of itself: slots, load, confinement, the time.

use std::time::{Duration, SystemTime};

use diagnosis::{Finding, Machine, Status};
use serde_json::json;
use wire::{Abilities, Condition};

/// How far clocks may be apart. Tools that compare times of files of two machines look at seconds.
const MOST_SKEW: f64 = 2.0;

/// The answer of a server of ours.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) abilities: Abilities,
    pub(crate) condition: Condition,
    /// When it was asked, and how long the answer took.
    pub(crate) asked: SystemTime,
    pub(crate) took: Duration,
}

impl Told {
    /// How many seconds its clock is ahead of ours, give or take so many: the answer was written some
    /// time between the question and its coming.
    fn skew(&self) -> Option<(f64, f64)> {
        let half = self.took.as_secs_f64() / 2.0;
        let ours = self.asked.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs_f64() + half;
        Some((self.condition.time?.as_secs_f64() - ours, half))
    }

    /// The lines of the table for `host`, whose name alone is `name`.
    pub(crate) fn findings(&self, host: &str, name: &str) -> Vec<Finding> {
        [Some(self.capacity(host)), self.confinement(host, name), self.clock(host, name)]
            .into_iter()
            .flatten()
            .collect()
    }

    fn capacity(&self, host: &str) -> Finding {
        let Condition { n_running, n_waiting, n_processors, load, .. } = &self.condition;
        let mut parts = Vec::new();
        parts.extend(self.abilities.n_jobs.map(|n_jobs| format!("{n_jobs} compilers at once")));
        parts.extend(n_running.map(|number| format!("{number} running")));
        parts.extend(n_waiting.map(|number| format!("{number} waiting")));
        parts.extend(load.map(|load| format!("load {load:.2}")));
        parts.extend(
            n_processors
                .map(|number| format!("{number} processor{}", if number == 1 { "" } else { "s" })),
        );
        let data = json!({
            "slots": self.abilities.n_jobs,
            "running": n_running,
            "waiting": n_waiting,
            "load": load,
            "processors": n_processors,
        });
        if parts.is_empty() {
            return not_told(host, "it does not tell its slots and load").with_data(data);
        }
        Finding::of(host, "load", Status::Ok, "told", parts.join(", ")).with_data(data)
    }

    fn confinement(&self, host: &str, name: &str) -> Option<Finding> {
        let level = self.condition.sandbox.as_ref()?;
        let find = |status, code, text: String| {
            Finding::of(host, "sandbox", status, code, text).with_data(json!({ "level": level }))
        };
        let is_weak = level == "off" || level == "filter";
        if !is_weak {
            return Some(find(Status::Ok, "confined", format!("compilers run under {level}")));
        }
        let text = format!("compilers may read what the server's user may: its level is `{level}`");
        let finding = find(Status::Warning, "sandbox-weak", text);
        let command = "distccd --doctor";
        let note = "it says why, and how to mend it: --sandbox off, or neither user namespaces nor \
                    Landlock there";
        Some(finding.mended_by(Machine::Host(name.to_owned()), &[command], note))
    }

    fn clock(&self, host: &str, name: &str) -> Option<Finding> {
        let (skew, doubt) = self.skew()?;
        let find = |status, code, text: String| {
            let data = json!({ "skew_ms": ms(skew), "uncertainty_ms": ms(doubt) });
            Finding::of(host, "clock", status, code, text).with_data(data)
        };
        if skew.abs() <= MOST_SKEW + doubt {
            let text = format!("{:.0} ms from ours, give or take {:.0} ms", ms(skew), ms(doubt));
            return Some(find(Status::Ok, "clock", text));
        }
        let side = if skew > 0.0 { "ahead of" } else { "behind" };
        let text = format!(
            "its clock is {:.0} s {side} ours: objects are the same, but make and others compare \
             times of files that both machines write, as on a shared file system",
            skew.abs()
        );
        let note = "and on this machine, if it is the one whose clock is wrong";
        let commands = ["timedatectl set-ntp true"];
        let on_host = Machine::Host(name.to_owned());
        Some(find(Status::Warning, "clock-skew", text).mended_by(on_host, &commands, note))
    }
}

/// In milliseconds, as numbers for programs are.
fn ms(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e3
}

/// The line of a server that does not tell.
pub(crate) fn not_told(host: &str, text: &str) -> Finding {
    Finding::of(host, "load", Status::Ok, "not-told", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(time_ms: u64, sandbox: &str) -> Told {
        let condition = Condition {
            time: Some(Duration::from_millis(time_ms)),
            sandbox: Some(sandbox.to_owned()),
            ..Condition::default()
        };
        let asked = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let (abilities, took) = (Abilities::default(), Duration::from_millis(200));
        Told { abilities, condition, asked, took }
    }

    #[track_caller]
    fn check(time_ms: u64, expected: &str, skew_ms: f64) {
        let findings = told(time_ms, "namespaces").findings("red:3633", "red");
        let clock = findings.iter().find(|finding| finding.check == "clock").unwrap();
        assert_eq!(clock.code, expected, "{}", clock.text);
        assert_eq!(clock.data.as_ref().unwrap()["skew_ms"], skew_ms);
        assert_eq!(clock.remedy.is_some(), clock.status == Status::Warning);
    }

    #[test]
    fn a_clock_that_is_seconds_wrong_is_a_warning_whichever_way() {
        check(1_000_100, "clock", 0.0);
        check(1_002_100, "clock", 2000.0);
        check(1_003_100, "clock-skew", 3000.0);
        check(997_000, "clock-skew", -3100.0);
    }

    #[test]
    fn a_sandbox_that_hides_no_files_is_a_warning() {
        for (level, expected) in [
            ("namespaces", "confined"),
            ("landlock", "confined"),
            ("filter", "sandbox-weak"),
            ("off", "sandbox-weak"),
        ] {
            let findings = told(1_000_000, level).findings("red", "red");
            assert!(findings.iter().any(|finding| finding.code == expected), "{level}");
        }
    }

    #[test]
    fn a_server_that_tells_nothing_is_not_blamed() {
        let told = Told { condition: Condition::default(), ..told(0, "off") };
        let findings = told.findings("red", "red");
        let codes: Vec<&str> = findings.iter().map(|finding| finding.code.as_str()).collect();
        assert_eq!(codes, ["not-told"]);
    }
}
