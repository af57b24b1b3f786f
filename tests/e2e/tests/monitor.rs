//! Our text monitor and Debian's say the same, line for line, about the jobs of both clients, and
//! agree about command lines and exit codes. What ours does better is tested on ours alone.

mod common;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use common::held::Held;
use common::{Ran, World, finish};
use support::{Kind, program, wait_until};

const ORIGINAL: &str = "/usr/bin/distccmon-text";
const ORIGINAL_CLIENT: &str = "/usr/bin/distcc";

fn ours() -> PathBuf {
    program("distccmon-text")
}

fn monitor(world: &World, monitor: &Path, words: &[&str]) -> Ran {
    finish(world.command(monitor).args(words))
}

/// What both monitors show at a moment of rest.
#[track_caller]
fn shown(world: &World) -> String {
    let mut shown = None;
    wait_until("the state folder is at rest", || {
        let before = monitor(world, Path::new(ORIGINAL), &[]).stdout;
        let ours = monitor(world, &ours(), &[]).stdout;
        let after = monitor(world, Path::new(ORIGINAL), &[]).stdout;
        let is_at_rest = before == after;
        shown = is_at_rest.then_some((ours, before));
        is_at_rest
    });
    let (ours, original) = shown.unwrap();
    assert_eq!(ours, original);
    original
}

fn start(world: &World, client: &Path, hosts: &str, path: &str, source: &str) -> Child {
    world.write(source, "int answer(void) { return 42; }\n");
    let mut command = world.command(client);
    command.env("DISTCC_HOSTS", hosts).env("PATH", path).env("DISTCC_PAUSE_TIME_MSEC", "20");
    command.args(["gcc", "-c", source]).stdin(Stdio::null());
    command.spawn().unwrap()
}

#[test]
fn the_monitors_agree_about_live_jobs_of_both_clients() {
    let world = World::new();
    let held = Held::new(&world, "held");
    let server = held.server(&world, "server", Kind::Ours);
    let hosts = server.host("/2");
    let path = "/usr/bin:/bin";
    let long = "a_source_with_a_name_longer_than_its_column.c";
    let mut jobs = vec![start(&world, Path::new(ORIGINAL_CLIENT), &hosts, path, long)];
    wait_until("the original's job is at the server", || held.n_running() == 1);
    jobs.push(start(&world, &program("distcc"), &hosts, path, "ours.c"));
    wait_until("our job is at the server", || held.n_running() == 2);
    // 3.4's clients tell nothing while they wait for a slot.
    jobs.push(start(&world, &program("distcc"), &hosts, path, "waits.c"));
    let mut text = String::new();
    wait_until("two jobs compile and one waits", || {
        text = shown(&world);
        text.matches(" Compile ").count() == 2 && text.matches(" Blocked ").count() == 1
    });
    let line = |job: &Child, rest: &str| format!("{:6}  {rest}\n", job.id());
    for expected in [
        line(&jobs[0], "Compile     a_source_with_a_name_longer_th                127.0.0.1[0]"),
        line(&jobs[1], "Compile     ours.c                                        127.0.0.1[1]"),
        line(&jobs[2], &format!("Blocked     {:30} {:24}[0]", "waits.c", "")),
    ] {
        assert!(text.contains(&expected), "no\n{expected}in\n{text}");
    }
    assert!(text.ends_with("\n\n"), "{text}");
    held.release();
    for mut job in jobs {
        assert!(job.wait().unwrap().success());
    }
    assert_eq!(shown(&world), "\n");
    let left = std::fs::read_dir(world.state().join("state")).unwrap().count();
    assert_eq!(left, 0, "clients leave no state behind");
}

#[test]
fn the_monitors_agree_about_preprocessors() {
    for client in [PathBuf::from(ORIGINAL_CLIENT), program("distcc")] {
        let world = World::new();
        let held = Held::new(&world, "held");
        let server = held.server(&world, "server", Kind::Ours);
        let (fifo, compilers) = (world.folder("cpp").join("go"), world.folder("cpp"));
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        for name in ["gcc", "x86_64-linux-gnu-gcc"] {
            let text = format!(
                "case \" $* \" in *' -E '*) read line < {};; esac; exec /usr/bin/{name} \"$@\"",
                fifo.display()
            );
            support::script(&compilers.join(name), &text);
        }
        let path = format!("{}:/usr/bin:/bin", compilers.display());
        let mut job = start(&world, &client, &server.host("/1"), &path, "a.c");
        let mut text = String::new();
        wait_until("the monitor shows the preprocessor", || {
            text = shown(&world);
            text.contains(" Preprocess ")
        });
        std::fs::write(&fifo, "go\n").unwrap();
        wait_until("the monitor shows the compiler", || shown(&world).contains(" Compile "));
        held.release();
        assert!(job.wait().unwrap().success());
    }
}

/// A record as a client writes it.
fn record(pid: u32, source: &[u8], host: &[u8], slot: i32, phase: i32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in [296_u64, 0x4449_4800, pid.into()] {
        bytes.extend(number.to_ne_bytes());
    }
    for name in [source, host] {
        bytes.extend_from_slice(name);
        bytes.resize(bytes.len() + 128 - name.len(), 0);
    }
    bytes.extend(slot.to_ne_bytes());
    bytes.extend(phase.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes
}

fn put(world: &World, name: &str, bytes: &[u8], age_s: u64) -> PathBuf {
    let folder = world.state().join("state");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("binstate_{name}"));
    std::fs::write(&path, bytes).unwrap();
    let then = SystemTime::now() - Duration::from_secs(age_s);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(then).unwrap();
    path
}

/// A process that is gone.
fn dead_pid() -> u32 {
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    child.id()
}

#[test]
fn the_monitors_agree_about_order_phases_and_other_files() {
    let world = World::new();
    let own = std::process::id();
    for phase in -1..9 {
        put(&world, &format!("p{phase}"), &record(own, b"p.c", b"phases", phase, phase), 0);
    }
    for (name, host, slot) in
        [("1", "red", 1), ("2", "blue", 10), ("3", "red", 0), ("4", "blue", 2), ("5", "", 0)]
    {
        put(&world, name, &record(own, name.as_bytes(), host.as_bytes(), slot, 5), 0);
    }
    let long = [b'x'; 127];
    put(&world, "long", &record(own, &long, &long, 0, 5), 0);
    put(&world, "longer", &[record(own, b"more.c", b"more", 0, 5), vec![0]].concat(), 0);
    put(&world, "short", &record(own, b"short.c", b"short", 0, 5)[..200], 0);
    put(&world, "empty", b"", 0);
    put(&world, "dead", &record(dead_pid(), b"dead.c", b"dead", 0, 5), 0);
    let mut magic = record(own, b"magic.c", b"magic", 0, 5);
    magic[8] ^= 1;
    put(&world, "magic", &magic, 0);
    let mut size = record(own, b"size.c", b"size", 0, 5);
    size[0] ^= 1;
    put(&world, "size", &size, 0);
    let text = shown(&world);
    assert_eq!(text.lines().count(), 9 + 5 + 2 + 1, "{text}");
    for monitor in [Path::new(ORIGINAL), &ours()] {
        let ran = self::monitor(&world, monitor, &[]);
        assert_eq!((ran.code, ran.stderr.lines().count()), (0, 2), "{}", ran.stderr);
        for words in ["wrong magic number", "wrong structure size"] {
            assert!(ran.stderr.contains(words), "{}", ran.stderr);
        }
    }
}

#[test]
fn the_monitors_remove_what_a_dead_client_left_a_minute_ago() {
    for monitor in [Path::new(ORIGINAL), &ours()] {
        let world = World::new();
        let young = put(&world, "young", &record(dead_pid(), b"a.c", b"red", 0, 5), 20);
        let old = put(&world, "old", &record(dead_pid(), b"b.c", b"red", 0, 5), 200);
        assert_eq!(self::monitor(&world, monitor, &[]).stdout, "\n");
        assert!(young.exists() && !old.exists(), "{}", monitor.display());
    }
}

#[test]
fn a_long_compile_stays_visible_in_ours() {
    // The child is as old as this test; its file is written as if a minute and a half ago, which
    // only a process of that age may have: process 1, or whoever started the tests.
    let world = World::new();
    let file = put(&world, "1", &record(1, b"long.c", b"red", 0, 5), 61);
    let ran = monitor(&world, &ours(), &[]);
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    assert!(uptime > 120.0, "this machine has just started");
    assert!(ran.stdout.contains("long.c") && file.exists(), "{}", ran.stdout);
    // Debian's takes it for stale.
    assert_eq!(monitor(&world, Path::new(ORIGINAL), &[]).stdout, "\n");
    assert!(!file.exists());
}

#[test]
fn names_cannot_write_on_the_terminal() {
    let world = World::new();
    let record = record(std::process::id(), b"\x1b]0;x\x07\n\xff.c", b"red\r", 0, 5);
    put(&world, "1", &record, 0);
    let ran = monitor(&world, &ours(), &[]);
    assert!(ran.stdout.contains("  Compile     ?]0;x??\u{fffd}.c "), "{}", ran.stdout);
    assert!(ran.stdout.ends_with(" red?[0]\n\n"), "{}", ran.stdout);
}

#[test]
fn the_monitors_agree_about_command_lines() {
    let words: [&[&str]; 9] =
        [&[], &["0"], &[""], &["soon"], &["1x"], &["1", "2"], &["--help"], &["--version"], &["--"]];
    for words in words {
        let world = World::new();
        let [original, ours] =
            [Path::new(ORIGINAL), &ours()].map(|monitor| self::monitor(&world, monitor, words));
        assert_eq!(ours.code, original.code, "{words:?}");
        assert_eq!(ours.stdout, original.stdout, "{words:?}");
        assert_eq!(ours.stderr, original.stderr, "{words:?}");
    }
}

#[test]
fn both_monitors_repeat_with_a_blank_line_after_each_look() {
    for monitor in [Path::new(ORIGINAL), &ours()] {
        let world = World::new();
        put(&world, "1", &record(std::process::id(), b"a.c", b"red", 0, 5), 0);
        let mut command = world.command(monitor);
        let mut child = command.arg("0.02").stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let lines: Vec<String> = lines.take(6).map(Result::unwrap).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(lines[0].ends_with("red[0]"), "{lines:?}");
        assert_eq!(lines[..2], lines[2..4]);
        assert_eq!(lines[1], "");
    }
}

#[test]
fn the_monitors_agree_about_folders_that_cannot_be_had() {
    let world = World::new();
    let home = world.folder("home");
    world.write("file", "");
    for (variables, code, stdout) in [
        (&[("HOME", home.to_str().unwrap())][..], 0, "\n"),
        (&[("DISTCC_DIR", "/dev/null")], 107, ""),
        (&[("DISTCC_DIR", "/proc/none")], 107, ""),
        (&[], 101, ""),
    ] {
        for monitor in [Path::new(ORIGINAL), &ours()] {
            let mut command = world.command(monitor);
            command.env_remove("DISTCC_DIR").env_remove("HOME").envs(variables.iter().copied());
            let ran = finish(&mut command);
            let seen = (ran.code, ran.stdout.as_str(), ran.stderr.is_empty());
            assert_eq!(seen, (code, stdout, code == 0), "{monitor:?} {variables:?}");
        }
        assert!(home.join(".distcc/state").is_dir());
    }
}
