//! `distcc --explain` tells what a job would do, and does nothing.

mod common;

use common::{Ran, World, finish};
use serde_json::Value;
use support::{Kind, Recorder, ServerOptions, program};

const SOURCE: &str = "int answer(void) { return 42; }\n";
const DEAD: &str = "127.0.0.1:1";

fn explain(world: &World, hosts: &str, words: &[&str]) -> Ran {
    let mut command = world.command(program("distcc"));
    finish(command.env("DISTCC_HOSTS", hosts).arg("--explain").args(words))
}

fn json(world: &World, hosts: &str, words: &[&str]) -> Value {
    let ran = explain(world, hosts, &[&["--json"], words].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}:\n{}", ran.stdout))
}

#[test]
fn a_command_is_explained_word_by_word() {
    let world = World::new();
    world.write("a.c", SOURCE);
    let words = ["gcc", "-O2", "-DX=\"a b\"", "-c", "a.c", "-o", "out.o"];
    let ran = explain(&world, "red/8 localhost", &words);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    for line in [
        "  gcc                          the compiler",
        "  '-DX=\"a b\"'                  changes preprocessing alone: used here (row `-D`, \
         joined-or-separate)",
        "  a.c                          a file",
        "  -o out.o                     names the output (row `-o`, joined-or-separate)",
        "  run here  gcc -O2 '-DX=\"a b\"' -E a.c",
        "  sent      gcc -O2 -c a.c -o out.o",
        "hosts from DISTCC_HOSTS",
        "  red:3632                     8 of 8 slots free",
        "it would now run on red:3632, slot 0",
    ] {
        assert!(ran.stdout.lines().any(|found| found == line), "`{line}`:\n{}", ran.stdout);
    }
}

#[test]
fn a_command_that_stays_is_explained_with_its_remedy() {
    let world = World::new();
    let ran = explain(&world, DEAD, &["gcc", "-march=native+x", "-c", "a.c"]);
    let end = "\nit would now run here: `-march=native+x` means the processor of whichever \
               machine runs the compiler, which did not say what that is [native-tuning]\n      \
               hint: name the processor instead, as in -march=x86-64-v2\n";
    assert!(ran.stdout.ends_with(end), "{}", ran.stdout);
    let json = json(&world, DEAD, &["gcc", "-march=native+x", "-c", "a.c"]);
    assert_eq!(json["may_leave"], false);
    assert_eq!(json["job"], Value::Null);
    assert_eq!(json["words"][1]["stays_for"], "native-tuning");
    assert_eq!(json["would"]["place"], "here");
    assert_eq!(json["would"]["code"], "native-tuning");
}

#[test]
fn words_that_mean_this_processor_are_told_by_what_they_stand_for() {
    let world = World::new();
    let json = json(&world, DEAD, &["gcc", "-march=native", "-c", "a.c"]);
    assert_eq!(json["may_leave"], true);
    assert_eq!(json["words"][1]["stays_for"], Value::Null);
    let sent = json["job"]["sent"].to_string();
    assert!(sent.contains("\"-march=") && !sent.contains("native"), "{sent}");
}

#[test]
fn what_it_says_is_what_happens() {
    let world = World::new();
    world.write("a.c", SOURCE);
    let server = world.server("server", &ServerOptions::new(Kind::Ours));
    let hosts = [DEAD, &server.host("/1")].join(" ");
    let compile = ["gcc", "-c", "a.c"];
    // What is dead is not known before somebody tried.
    let before = json(&world, &hosts, &compile);
    assert_eq!(before["would"]["host"], DEAD);
    assert!(before["hosts"][0]["left_alone_seconds"].is_null());
    assert_eq!(world.distcc(&hosts, &compile).code, 0);
    let after = json(&world, &hosts, &compile);
    assert_eq!(after["would"]["host"], server.host(""));
    let left = after["hosts"][0]["left_alone_seconds"].as_f64().unwrap();
    assert!(left > 0.0 && left <= 60.0, "{left}");
    let none = json(&world, DEAD, &compile);
    assert_eq!(none["would"]["code"], "hosts-backed-off");
    assert_eq!(json(&world, "red/0", &compile)["would"]["code"], "bad-host-list");
    assert_eq!(json(&world, "localhost", &compile)["would"]["code"], "localhost-in-list");
    let mut command = world.command(program("distcc"));
    command.env("DISTCC_HOSTS", DEAD).env("DISTCC_FALLBACK", "0");
    let ran = finish(command.args(["--explain", "gcc", "-c", "a.c"]));
    assert!(
        ran.stdout.contains("it would now fail: every host of the list failed"),
        "{}",
        ran.stdout
    );
    server.wait_for_compiled(1);
}

#[test]
fn a_taken_slot_is_seen_and_none_is_taken() {
    let world = World::new();
    world.write("a.c", SOURCE);
    let lock = world.state().join("lock/cpu_tcp_red_3632_0");
    std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
    let file = std::fs::File::create(&lock).unwrap();
    let locked =
        rustix::fs::fcntl_lock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive);
    locked.unwrap();
    let two = json(&world, "red/2", &["gcc", "-c", "a.c"]);
    assert_eq!((&two["hosts"][0]["free_slots"], &two["would"]["slot"]), (&1.into(), &1.into()));
    assert!(!world.state().join("lock/cpu_tcp_red_3632_1").exists());
    let one = json(&world, "red/1", &["gcc", "-c", "a.c"]);
    assert_eq!(one["would"]["place"], "queue");
}

#[test]
fn nothing_is_compiled_and_nothing_recorded() {
    let world = World::new();
    world.write("a.c", SOURCE);
    let compilers = Recorder::new(&world.folder("compilers"), &["gcc"]);
    let mut command = world.command(program("distcc"));
    command.env("PATH", compilers.search_path()).env("DISTCC_HOSTS", DEAD);
    let ran = finish(command.args(["--explain", "gcc", "-c", "a.c"]));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(compilers.compiles().is_empty());
    assert!(!world.has("a.o") && !world.state().join("ledger").exists());
}

#[test]
fn nothing_to_explain_is_an_error() {
    let world = World::new();
    let ran = explain(&world, DEAD, &[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (101, ""));
    let implied = json(&world, DEAD, &["-c", "a.c"]);
    assert_eq!(implied["command"], serde_json::json!(["cc", "-c", "a.c"]));
}
