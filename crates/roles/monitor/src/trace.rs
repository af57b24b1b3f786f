//! A build in the trace event format of Chrome, which Perfetto and Chrome's developer tools read.
//!
//! Each job is one complete event (`X`) on the track of where it was done: a host is a process of
//! the trace, a slot of it a thread; jobs done here, and those done nowhere, have a process each.
//! Events of a track must not overlap, or viewers drop them: what would overlap, since the end of a
//! job is noted after its slot is given back, goes to a further track of the same slot.
//!
//! Source of the format: "Trace Event Format", Google.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use statedir::{Place, Record};

use crate::clean;

/// A job as an interval on a track; the page's timeline is made of the same.
pub(crate) struct Span<'a> {
    pub(crate) record: &'a Record,
    /// From the build's begin to where the job came to its place, and how long it was there.
    pub(crate) began: Duration,
    pub(crate) took: Duration,
    /// Its track, by its place among [`Tracks::names`].
    pub(crate) track: usize,
}

/// Where the jobs of a build were done, and when.
pub(crate) struct Tracks<'a> {
    /// The process and the thread that each track is named after.
    pub(crate) names: Vec<(String, String)>,
    /// The jobs.
    pub(crate) spans: Vec<Span<'a>>,
    /// When the build began, since 1970.
    pub(crate) began: Duration,
}

/// What a track is of, in the order in which tracks are shown.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Host(String, Option<u32>),
    Here,
    Nowhere,
}

impl Of {
    fn names(&self, number: usize) -> (String, String) {
        let (process, thread) = match self {
            Of::Host(host, Some(slot)) => (host.clone(), format!("slot {slot}")),
            Of::Host(host, None) => (host.clone(), "no slot noted".to_owned()),
            Of::Here => ("this machine".to_owned(), "here".to_owned()),
            Of::Nowhere => ("nowhere".to_owned(), "nowhere".to_owned()),
        };
        (process, if number == 0 { thread } else { format!("{thread} ({})", number + 1) })
    }
}

impl<'a> Tracks<'a> {
    /// Lays the jobs of a build onto tracks.
    pub(crate) fn of(records: &'a [Record]) -> Tracks<'a> {
        let began = records.iter().map(|record| record.started).min().unwrap_or_default();
        let mut sorted: Vec<&Record> = records.iter().collect();
        sorted.sort_by_key(|record| record.started + placed_after(record));
        // For each: when the last event of each of its tracks ends, and the jobs on it.
        let mut lanes: BTreeMap<Of, Vec<(Duration, Vec<Span<'a>>)>> = BTreeMap::new();
        for record in sorted {
            let of = match &record.place {
                Place::Host(host) => Of::Host(clean::text(host), record.slot),
                Place::Here => Of::Here,
                Place::Nowhere => Of::Nowhere,
            };
            let after = placed_after(record);
            let from = (record.started + after).saturating_sub(began);
            let span = Span { record, began: from, took: record.took - after, track: 0 };
            let end = span.began + span.took;
            let lanes = lanes.entry(of).or_default();
            match lanes.iter_mut().find(|(until, _)| *until <= span.began) {
                Some((until, spans)) => {
                    *until = end;
                    spans.push(span);
                }
                None => lanes.push((end, vec![span])),
            }
        }
        let mut tracks = Tracks { names: Vec::new(), spans: Vec::new(), began };
        for (of, lanes) in lanes {
            for (number, (_, spans)) in lanes.into_iter().enumerate() {
                let track = tracks.names.len();
                tracks.names.push(of.names(number));
                tracks.spans.extend(spans.into_iter().map(|span| Span { track, ..span }));
            }
        }
        tracks
    }
}

/// How long after its start a job came to its place; never longer than it took.
fn placed_after(record: &Record) -> Duration {
    record.placed_after.min(record.took)
}

/// The trace of a build.
pub(crate) fn of(records: &[Record]) -> Value {
    let tracks = Tracks::of(records);
    let mut events = Vec::new();
    let mut processes: Vec<&str> = Vec::new();
    let mut ids = Vec::new();
    for (index, (process, thread)) in tracks.names.iter().enumerate() {
        if processes.last() != Some(&process.as_str()) {
            processes.push(process);
            events.push(name("process_name", processes.len(), 0, process));
            let sort = json!({ "sort_index": processes.len() });
            events.push(json!({ "name": "process_sort_index", "ph": "M", "pid": processes.len(),
                "tid": 0, "args": sort }));
        }
        let (pid, tid) = (processes.len(), index + 1);
        events.push(name("thread_name", pid, tid, thread));
        ids.push((pid, tid));
    }
    for span in &tracks.spans {
        let (pid, tid) = ids[span.track];
        events.push(json!({
            "name": clean::name(&span.record.source),
            "cat": "job",
            "ph": "X",
            "ts": micros(span.began),
            "dur": micros(span.took),
            "pid": pid,
            "tid": tid,
            "args": arguments(span.record),
        }));
    }
    json!({
        "traceEvents": events,
        "displayTimeUnit": "ms",
        "otherData": { "program": "distccmon", "began": tracks.began.as_secs_f64() },
    })
}

fn name(kind: &str, pid: usize, tid: usize, text: &str) -> Value {
    json!({ "name": kind, "ph": "M", "pid": pid, "tid": tid, "args": { "name": text } })
}

fn arguments(record: &Record) -> Value {
    let host = match &record.place {
        Place::Host(host) => Some(clean::text(host)),
        Place::Here => Some("localhost".to_owned()),
        Place::Nowhere => None,
    };
    let failures: Value = record
        .attempts
        .iter()
        .map(|one| json!({ "host": clean::text(&one.host), "code": clean::text(&one.code) }))
        .collect();
    let times = record.times;
    json!({
        "code": clean::text(&record.code),
        "host": host,
        "slot": record.slot,
        "compiler": clean::name(&record.compiler),
        "exit": record.exit,
        "bytes_sent": record.n_sent,
        "bytes_received": record.n_received,
        "failures": failures,
        "microseconds_before": micros(placed_after(record)),
        "microseconds": {
            "waiting": micros(times.waiting),
            "connecting": micros(times.connecting),
            "preprocessing": micros(times.preprocessing),
            "sending": micros(times.sending),
            "compiling": micros(times.compiling),
            "receiving": micros(times.receiving),
            "local": micros(times.local),
        },
    })
}

/// Times of the ledger are below 2⁵⁹ µs.
fn micros(time: Duration) -> u64 {
    time.as_micros() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(place: Place, slot: Option<u32>, from_ms: u64, to_ms: u64) -> Record {
        Record {
            started: Duration::from_millis(1_000_000 + from_ms),
            took: Duration::from_millis(to_ms - from_ms),
            place,
            slot,
            code: "code".into(),
            source: b"a.c".to_vec(),
            ..Record::default()
        }
    }

    fn red() -> Place {
        Place::Host("red:3632".into())
    }

    fn records() -> Vec<Record> {
        let mut waited = record(red(), Some(1), 0, 300);
        waited.placed_after = Duration::from_millis(100);
        vec![
            waited,
            record(red(), Some(1), 300, 400),
            // Its slot was given back before its end was noted.
            record(red(), Some(1), 395, 500),
            record(red(), Some(0), 10, 500),
            record(Place::Here, None, 0, 500),
            record(Place::Here, None, 100, 200),
            record(Place::Nowhere, None, 0, 1),
        ]
    }

    #[test]
    fn a_track_is_a_slot_and_no_two_jobs_of_it_overlap() {
        let records = records();
        let tracks = Tracks::of(&records);
        let names: Vec<_> =
            tracks.names.iter().map(|(process, thread)| format!("{process}/{thread}")).collect();
        check_tracks(&records);
        assert_eq!(
            names,
            [
                "red:3632/slot 0",
                "red:3632/slot 1",
                "red:3632/slot 1 (2)",
                "this machine/here",
                "this machine/here (2)",
                "nowhere/nowhere"
            ]
        );
    }

    /// Each job is on a track, and no two of a track overlap.
    #[track_caller]
    fn check_tracks(records: &[Record]) {
        let tracks = Tracks::of(records);
        assert_eq!(tracks.spans.len(), records.len());
        for (track, name) in tracks.names.iter().enumerate() {
            let mut end = Duration::ZERO;
            for span in tracks.spans.iter().filter(|span| span.track == track) {
                assert!(span.began >= end, "{name:?}");
                end = span.began + span.took;
            }
        }
    }

    proptest! {
        #[test]
        fn any_jobs_find_their_tracks(
            jobs in prop::collection::vec((0..3_u8, any::<Option<bool>>(), 0..50_u64, 0..50_u64, 0..60_u64), 0..20)
        ) {
            let record = |&(place, slot, from, took, after): &(u8, Option<bool>, u64, u64, u64)| {
                let place = [red(), Place::Here, Place::Nowhere][usize::from(place)].clone();
                let placed_after = Duration::from_millis(after);
                Record { placed_after, ..record(place, slot.map(u32::from), from, from + took) }
            };
            let records: Vec<Record> = jobs.iter().map(record).collect();
            check_tracks(&records);
            let trace = of(&records);
            let events = trace["traceEvents"].as_array().unwrap();
            let n_jobs = events.iter().filter(|event| event["ph"] == "X").count();
            prop_assert_eq!(n_jobs, records.len());
        }
    }

    #[test]
    fn a_job_is_a_complete_event_from_when_it_had_its_slot() {
        let trace = of(&records());
        let events = trace["traceEvents"].as_array().unwrap();
        let jobs: Vec<&Value> = events.iter().filter(|event| event["ph"] == "X").collect();
        assert_eq!(jobs.len(), 7);
        let job = jobs.iter().find(|job| job["args"]["microseconds_before"] == 100_000).unwrap();
        assert_eq!((&job["ts"], &job["dur"]), (&json!(100_000), &json!(200_000)));
        assert_eq!((&job["name"], &job["args"]["host"]), (&json!("a.c"), &json!("red:3632")));
        let thread = events.iter().find(|event| {
            event["name"] == "thread_name"
                && event["pid"] == job["pid"]
                && event["tid"] == job["tid"]
        });
        assert_eq!(thread.unwrap()["args"]["name"], "slot 1");
        assert_eq!(of(&[])["traceEvents"], json!([]));
    }
}
