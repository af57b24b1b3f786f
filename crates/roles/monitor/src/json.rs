//! A [`Snapshot`] as JSON. What `distcc --report --json` says as well has the same name here.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use statedir::Tally;

use crate::gather::WINDOW;
use crate::snapshot::{Job, Snapshot, phase_name};

/// The parts of jobs, as [`statedir::Times::all`] has them.
const PARTS: [&str; 7] =
    ["waiting", "connecting", "preprocessing", "sending", "compiling", "receiving", "local"];

/// The whole snapshot.
pub(crate) fn of(snapshot: &Snapshot) -> Value {
    let at_hosts = snapshot
        .hosts
        .iter()
        .flat_map(|host| host.jobs.iter().map(|one| job(one, Some(&host.name), Some(one.slot))));
    let here = snapshot.here.iter().map(|one| job(one, Some("localhost"), None));
    let waiting = snapshot.waiting.iter().map(|one| job(one, None, None));
    let running: Vec<Value> = at_hosts.chain(here).chain(waiting).collect();
    let hosts = snapshot.hosts.iter().map(|host| {
        json!({
            "host": host.name,
            "slots": host.n_slots,
            "busy": host.jobs.len(),
            "down": host.is_down,
            "backed_off": host.is_backed_off,
            "jobs": host.n_done,
            "failures": host.n_failures,
        })
    });
    json!({
        "time": seconds(snapshot.time),
        "building": snapshot.is_building(),
        "running": running,
        "running_here": snapshot.here.len(),
        "waiting": snapshot.waiting.len(),
        "hosts": hosts.collect::<Vec<_>>(),
        "no_host_list": snapshot.no_host_list,
        "build": build(&snapshot.build, snapshot),
        "rates": {
            "window_seconds": WINDOW.as_secs(),
            "jobs_per_second": snapshot.rates.jobs,
            "jobs_per_second_of_build": snapshot.rates.jobs_of_build,
            "bytes_sent_per_second": snapshot.rates.sent,
            "bytes_received_per_second": snapshot.rates.received,
        },
    })
}

/// A job; `host` is null while it waits, and `slot` where there is none.
fn job(job: &Job, host: Option<&str>, slot: Option<i32>) -> Value {
    json!({
        "pid": job.pid,
        "host": host,
        "slot": slot,
        "phase": phase_name(job.phase),
        "file": job.file,
        "seconds": seconds(job.age),
        "phase_seconds": seconds(job.phase_age),
        "code": Some(&job.code).filter(|code| !code.is_empty()),
    })
}

fn build(tally: &Tally, snapshot: &Snapshot) -> Value {
    let causes = |counts: &BTreeMap<String, u64>| -> Value {
        counts.iter().map(|(code, count)| json!({ "code": code, "jobs": count })).collect()
    };
    let by_host: Value =
        tally.by_host.iter().map(|(host, count)| json!({ "host": host, "jobs": count })).collect();
    let failures: Value = tally
        .attempts
        .iter()
        .map(|((host, code), count)| json!({ "host": host, "code": code, "jobs": count }))
        .collect();
    let parts: serde_json::Map<String, Value> = PARTS
        .iter()
        .zip(tally.times)
        .map(|(name, time)| ((*name).to_owned(), seconds(time).into()))
        .collect();
    json!({
        "jobs": tally.n_jobs,
        "failed": tally.n_failed,
        "began": seconds(tally.began),
        "wall_seconds": seconds(tally.wall),
        "ended_seconds_ago": snapshot.quiet_for.map(seconds),
        "done_by_servers": tally.n_remote(),
        "preprocessed_by_servers": tally.n_pumped,
        "preprocessed_here_instead": causes(&tally.detours),
        "done_here": tally.here.values().sum::<u64>(),
        "done_nowhere": tally.nowhere.values().sum::<u64>(),
        "hosts": by_host,
        "here": causes(&tally.here),
        "nowhere": causes(&tally.nowhere),
        "host_failures": failures,
        "bytes_sent": tally.n_sent,
        "bytes_received": tally.n_received,
        "seconds": parts,
        "processors": tally.n_processors,
        "estimated_seconds_alone": seconds(tally.alone),
        // No number where there was no time; `json!` makes null of that.
        "estimated_speed_up": tally.speed_up(),
        "skipped_lines": snapshot.n_skipped,
    })
}

/// Whole microseconds, as the ledger has them.
fn seconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::tests::sample;

    #[test]
    fn jobs_are_at_a_host_here_or_waiting() {
        let value = of(&sample());
        let place = |index: usize| {
            let job = &value["running"][index];
            (job["host"].clone(), job["slot"].clone(), job["phase"].clone(), job["file"].clone())
        };
        assert_eq!(place(0), (json!("red:3632"), json!(0), json!("compile"), json!("parser.c")));
        assert_eq!(place(1), (json!("red:3632"), json!(2), json!("send"), json!("lexer.c")));
        assert_eq!(
            place(2),
            (json!("localhost"), json!(null), json!("compile"), json!("native.c"))
        );
        assert_eq!(place(3), (json!(null), json!(null), json!("blocked"), json!("waits.c")));
        assert_eq!(value["running"][2]["code"], "native-tuning");
        assert_eq!(value["running"][0]["code"], json!(null));
        assert_eq!(value["running"][0]["seconds"], 2.3);
        assert_eq!((&value["waiting"], &value["running_here"]), (&json!(1), &json!(1)));
    }

    #[test]
    fn the_build_is_what_the_report_says() {
        let value = of(&sample());
        let build = &value["build"];
        assert_eq!((&build["jobs"], &build["done_by_servers"]), (&json!(20), &json!(17)));
        assert_eq!(build["here"], json!([{ "code": "native-tuning", "jobs": 2 }]));
        assert_eq!(build["estimated_speed_up"], 3.5);
        let empty = of(&Snapshot::default());
        assert_eq!(empty["build"]["estimated_speed_up"], json!(null));
        assert_eq!(empty["build"]["ended_seconds_ago"], json!(null));
    }
}
