//! `distccmon` while a build runs and after it: what it shows is what there is, and what
//! `distcc --report` says.

mod common;

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use common::build::{ended_build, held_servers, start_build};
use common::held::Held;
use common::{Ran, World, finish};
use serde_json::Value;
use support::{program, wait_until};

fn monitor(world: &World, hosts: &str, words: &[&str]) -> Ran {
    finish(world.command(program("distccmon")).env("DISTCC_HOSTS", hosts).args(words))
}

#[track_caller]
fn look(world: &World, hosts: &str) -> Value {
    let ran = monitor(world, hosts, &["--json", "--once"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(ran.stdout.lines().count(), 1, "{}", ran.stdout);
    serde_json::from_str(&ran.stdout).unwrap()
}

fn report(world: &World) -> Value {
    let ran = finish(world.command(program("distcc")).args(["--report", "--json"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn running_jobs_are_at_their_hosts_and_slots_here_with_a_reason_or_waiting() {
    let world = World::new();
    let held = Held::new(&world, "held");
    let (servers, hosts) = held_servers(&world, &held);
    let mut build = start_build(&world, &hosts, 9, Some(&held));
    let mut shown = Value::Null;
    wait_until("five jobs compile at servers, one here, four wait", || {
        shown = look(&world, &hosts);
        let at_servers = |job: &&Value| !job["slot"].is_null() && job["phase"] == "compile";
        let n_at_servers = shown["running"].as_array().unwrap().iter().filter(at_servers).count();
        n_at_servers == 5 && shown["running_here"] == 1 && shown["waiting"] == 4
    });
    let jobs = shown["running"].as_array().unwrap();
    let mut slots: Vec<(&str, i64)> = jobs
        .iter()
        .filter_map(|job| Some((job["host"].as_str()?, job["slot"].as_i64()?)))
        .collect();
    slots.sort_unstable();
    let [one, two] = &servers.each_ref().map(|server| server.host(""));
    let mut expected: Vec<(&str, i64)> = vec![(one, 0), (one, 1), (two, 0), (two, 1), (two, 2)];
    expected.sort_unstable();
    assert_eq!(slots, expected);
    let here: Vec<&Value> = jobs.iter().filter(|job| job["host"] == "localhost").collect();
    assert_eq!((&here[0]["file"], &here[0]["code"]), (&"stays.c".into(), &"profile".into()));
    for job in jobs {
        assert!(job["file"].as_str().unwrap().ends_with(".c"), "{job}");
        assert!(job["seconds"].as_f64().unwrap() >= 0.0, "{job}");
    }
    let busy: Vec<(&Value, &Value)> = shown["hosts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|host| (&host["slots"], &host["busy"]))
        .collect();
    assert_eq!(busy, [(&2.into(), &2.into()), (&3.into(), &3.into())]);
    held.release();
    assert!(build.wait().unwrap().success());
    let after = look(&world, &hosts);
    assert_eq!((&after["building"], &after["running"]), (&false.into(), &Value::Array(vec![])));
}

#[test]
fn the_build_in_json_is_the_report() {
    let world = World::new();
    let hosts = ended_build(&world);
    let (report, shown) = (report(&world), look(&world, &hosts));
    let build = shown["build"].as_object().unwrap();
    for (name, said) in report.as_object().unwrap() {
        let ours = build.get(name).unwrap_or_else(|| panic!("no `{name}`"));
        match said {
            // Of causes the report says more; it rounds what is no whole number.
            Value::Array(_) => assert_eq!(counts(ours), counts(said), "{name}"),
            Value::Object(said) => {
                assert!(said.iter().all(|(part, time)| is_near(&ours[part], time)), "{name}");
            }
            _ => assert!(is_near(ours, said), "{name}: {ours} {said}"),
        }
    }
    assert!(report["jobs"].as_u64() >= Some(14), "{report}");
}

#[test]
fn a_host_is_shown_as_left_alone_for_as_long_as_clients_leave_it() {
    let world = World::new();
    world.write("a.c", "int x;\n");
    let dead = "127.0.0.1:1";
    assert_eq!(world.distcc(dead, &["gcc", "-c", "a.c"]).code, 0);
    let stamps: Vec<_> = std::fs::read_dir(world.state().join("lock")).unwrap().flatten().collect();
    let is_stamp = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("backoff_");
    let stamp = stamps.iter().find(|entry| is_stamp(&entry.file_name())).unwrap().path();
    // It failed a quarter of an hour ago.
    let failed = std::time::SystemTime::now() - std::time::Duration::from_secs(900);
    std::fs::File::options().write(true).open(&stamp).unwrap().set_modified(failed).unwrap();
    for (period, is_left_alone) in [
        (None, false),
        (Some("3600"), true),
        (Some("60"), false),
        (Some("0"), false),
        (Some("x"), false),
    ] {
        let mut command = world.command(program("distccmon"));
        command.args(["--json", "--once"]).env("DISTCC_HOSTS", dead);
        command.envs(period.map(|period| ("DISTCC_BACKOFF_PERIOD", period)));
        let shown: Value = serde_json::from_str(&finish(&mut command).stdout).unwrap();
        assert_eq!(shown["hosts"][0]["backed_off"], is_left_alone, "{period:?}: {shown}");
    }
}

fn is_near(one: &Value, other: &Value) -> bool {
    (one.as_f64().unwrap() - other.as_f64().unwrap()).abs() < 0.006
}

/// Jobs by host and code.
fn counts(list: &Value) -> BTreeMap<String, u64> {
    let rows = list.as_array().unwrap().iter();
    rows.map(|row| (format!("{} {}", row["host"], row["code"]), row["jobs"].as_u64().unwrap()))
        .collect()
}

#[test]
fn a_trace_has_an_event_for_each_job_of_the_report() {
    let world = World::new();
    let hosts = ended_build(&world);
    let file = world.path().join("trace.json");
    let ran = monitor(&world, &hosts, &["--trace", file.to_str().unwrap()]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));
    let trace: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let jobs: Vec<&Value> = events.iter().filter(|event| event["ph"] == "X").collect();
    let report = report(&world);
    assert_eq!(Some(jobs.len() as u64), report["jobs"].as_u64());
    let mut by_place: BTreeMap<String, u64> = BTreeMap::new();
    let mut n_sent = 0;
    for job in &jobs {
        let arguments = &job["args"];
        let is_here = arguments["host"] == "localhost";
        let place = if is_here { &arguments["code"] } else { &arguments["host"] };
        *by_place.entry(place.as_str().unwrap().to_owned()).or_default() += 1;
        assert_eq!(arguments["slot"].is_u64(), !is_here, "{job}");
        n_sent += arguments["bytes_sent"].as_u64().unwrap();
    }
    let rows = ["hosts", "here"].into_iter().flat_map(|list| report[list].as_array().unwrap());
    let said: BTreeMap<String, u64> = rows
        .map(|row| {
            let place = row.get("host").unwrap_or(&row["code"]).as_str().unwrap().to_owned();
            (place, row["jobs"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(by_place, said);
    assert_eq!(Some(n_sent), report["bytes_sent"].as_u64());
    check_schema(events);
}

/// What the trace event format asks for: names of tracks, times, and no two events of a track at
/// once.
#[track_caller]
fn check_schema(events: &[Value]) {
    let mut ends: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    let number = |event: &Value, name: &str| event[name].as_u64().unwrap();
    for event in events {
        let track = (number(event, "pid"), number(event, "tid"));
        match event["ph"].as_str().unwrap() {
            "M" => assert!(event["args"].is_object() && event["name"].is_string(), "{event}"),
            "X" => {
                let named = |one: &&Value| {
                    one["name"] == "thread_name"
                        && (number(one, "pid"), number(one, "tid")) == track
                };
                assert!(events.iter().any(|one| named(&one)), "{event}");
                let end = ends.entry(track).or_default();
                assert!(number(event, "ts") >= *end, "{event} overlaps");
                *end = number(event, "ts") + number(event, "dur");
            }
            other => panic!("no event of ours: {other}"),
        }
    }
}

#[test]
fn a_command_line_that_means_nothing_is_refused() {
    let world = World::new();
    for words in [&["--gnome"][..], &["--json", "--interval", "0"], &["--json", "1"]] {
        let ran = monitor(&world, "", words);
        assert_eq!((ran.code, ran.stdout.as_str()), (101, ""), "{words:?}");
        assert!(ran.stderr.contains("usage: distccmon"), "{}", ran.stderr);
    }
    assert!(monitor(&world, "", &["--help"]).stdout.starts_with("usage: distccmon"));
}

#[test]
fn json_streams_until_nobody_reads() {
    use std::io::{BufRead, BufReader};
    let world = World::new();
    let mut command: Command = world.command(program("distccmon"));
    let mut child =
        command.args(["--json", "--interval", "0.05"]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let lines: Vec<String> = lines.take(3).map(Result::unwrap).collect();
    for line in &lines {
        assert!(serde_json::from_str::<Value>(line).unwrap()["time"].is_f64(), "{line}");
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
