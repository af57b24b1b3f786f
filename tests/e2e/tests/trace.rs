//! `distccmon --trace`: the file, loaded by what Chromium's own developer tools read traces with, says
//! the same as `distcc --report`.
//!
//! Chromium has its older viewer, `chrome://tracing`, no more. Its performance panel reads the same format,
//! by an engine that takes what it can of a trace and passes over the rest: events without a thread,
//! times that are no numbers. So what it has in the end is compared, and not whether it complains.

mod common;

use common::browser::Browser;
use common::build::ended_build;
use common::{World, finish};
use serde_json::{Value, json};
use support::program;

/// Where Debian's Chromium has its developer tools.
const DEVELOPER_TOOLS: &str = "devtools://devtools/bundled/devtools_app.html";

/// Has the engine load `TEXT`, and tells what it knows then: each job with its process, thread and
/// depth among those that it lies in.
const LOAD: &str = "
(async () => {
  const { TraceModel } = await import('devtools://devtools/bundled/models/trace/trace.js');
  const model = TraceModel.Model.createWithAllHandlers();
  await model.parse(JSON.parse(TEXT).traceEvents, {});
  const { Meta, Renderer } = model.parsedTrace(0).data;
  const jobs = [];
  for (const [pid, { threads }] of Renderer.processes) {
    for (const [tid, { name, entries }] of threads) {
      for (const entry of entries) {
        jobs.push({
          process: Meta.processNames.get(pid).args.name, thread: name, name: entry.name,
          from: entry.ts, took: entry.dur, depth: Renderer.entryToNode.get(entry).depth,
          about: entry.args,
        });
      }
    }
  }
  return { jobs, end: Meta.traceBounds.max };
})()";

/// What distccmon has of the last build, as the engine knows it.
fn loaded(world: &World) -> Value {
    let file = world.folder("trace").join("build.json");
    let ran = finish(world.command(program("distccmon")).arg("--trace").arg(&file));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let text = std::fs::read_to_string(&file).unwrap();
    let mut browser = Browser::start(&world.folder("browser"));
    browser.visit(DEVELOPER_TOOLS, 1000, "light");
    browser.value(&LOAD.replace("TEXT", &json!(text).to_string()))
}

fn report(world: &World) -> Value {
    let ran = finish(world.command(program("distcc")).args(["--report", "--json"]));
    serde_json::from_str(&ran.stdout).unwrap()
}

/// The numbers under a name, of the entries of a list in the report, by what `key` says of each.
fn counts(list: &Value, key: impl Fn(&Value) -> String) -> Vec<(String, u64)> {
    let entries = list.as_array().unwrap().iter();
    let mut counts: Vec<_> = entries.map(|one| (key(one), one["jobs"].as_u64().unwrap())).collect();
    counts.sort();
    counts
}

/// How often each word is there.
fn tally(words: impl Iterator<Item = String>) -> Vec<(String, u64)> {
    let mut counts = std::collections::BTreeMap::new();
    words.for_each(|word| *counts.entry(word).or_default() += 1);
    counts.into_iter().collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn a_viewer_has_the_jobs_times_and_causes_of_the_report() {
    let world = World::new();
    ended_build(&world);
    let (trace, report) = (loaded(&world), report(&world));
    let jobs = trace["jobs"].as_array().unwrap();
    let is_of_host = |job: &&Value| job["process"] != "this machine" && job["process"] != "nowhere";
    let is_here = |job: &&Value| job["process"] == "this machine";

    assert_eq!(report["jobs"], jobs.len(), "{trace}");
    let by_host = tally(jobs.iter().filter(is_of_host).map(|job| text(&job["process"])));
    assert_eq!(by_host, counts(&report["hosts"], |host| text(&host["host"])));
    assert!(by_host.len() == 2, "{by_host:?}");
    let here = tally(jobs.iter().filter(is_here).map(|job| text(&job["about"]["code"])));
    assert_eq!(here, counts(&report["here"], |cause| text(&cause["code"])));
    let of_cause = |one: &Value| format!("{} {}", text(&one["host"]), text(&one["code"]));
    let failures = jobs.iter().flat_map(|job| job["about"]["failures"].as_array().unwrap());
    let failures = tally(failures.map(of_cause));
    assert_eq!(failures, counts(&report["host_failures"], of_cause));
    assert!(!here.is_empty() && !failures.is_empty(), "{report}");

    // Sizes and times, to the last byte and microsecond.
    let sum = |key: &dyn Fn(&Value) -> &Value| -> u64 {
        jobs.iter().map(|job| key(job).as_u64().unwrap()).sum()
    };
    assert_eq!(report["bytes_sent"], sum(&|job| &job["about"]["bytes_sent"]));
    assert_eq!(report["bytes_received"], sum(&|job| &job["about"]["bytes_received"]));
    let micros = |seconds: &Value| (seconds.as_f64().unwrap() * 1e6).round() as u64;
    for (part, seconds) in report["seconds"].as_object().unwrap() {
        assert_eq!(sum(&|job| &job["about"]["microseconds"][part]), micros(seconds), "{part}");
    }
    assert_eq!(trace["end"], micros(&report["wall_seconds"]));

    // A slot's jobs lie one behind the other: a viewer that finds one within another shows it as its part.
    for job in jobs {
        assert_eq!(job["depth"], 0, "{job}");
        let slot = &job["about"]["slot"];
        let thread = text(&job["thread"]);
        assert!(slot.is_null() || thread.starts_with(&format!("slot {slot}")), "{job}");
        let others = jobs.iter().filter(|other| {
            (&other["process"], &other["thread"]) == (&job["process"], &job["thread"])
        });
        let [from, took] = ["from", "took"].map(|name| job[name].as_u64().unwrap());
        let n_then = others.filter(|other| {
            let [other_from, other_took] =
                ["from", "took"].map(|name| other[name].as_u64().unwrap());
            other_from < from + took && from < other_from + other_took
        });
        assert_eq!(n_then.count(), 1, "{job}");
    }
}
