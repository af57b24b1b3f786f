//! A command with several sources is several jobs, and leaves what the compiler alone leaves.

mod common;

use std::collections::BTreeMap;

use common::{Ran, World, finish};
use support::{Kind, Recorder, ServerOptions, program};

const SOURCES: [(&str, &str); 4] = [
    ("a.c", "int a(void)\n{\n    int unused_in_a;\n    return 1;\n}\n"),
    ("b.c", "#include \"in.h\"\nint b(void) { return IN; }\n"),
    ("sub/c.c", "int c(void)\n{\n    int unused_in_c;\n    return 3;\n}\n"),
    ("in.h", "#define IN 2\n"),
];

/// The files of a fresh folder after a command, and what it said.
fn in_clean_folder(world: &World, run: impl FnOnce() -> Ran) -> (BTreeMap<String, Vec<u8>>, Ran) {
    let work = world.folder("work");
    std::fs::remove_dir_all(&work).unwrap();
    std::fs::create_dir_all(work.join("sub")).unwrap();
    for (name, text) in SOURCES {
        world.write(name, text);
    }
    world.write("bad.c", "int bad = ;\n");
    let ran = run();
    let mut made = BTreeMap::new();
    for entry in std::fs::read_dir(work).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_file() {
            let name = entry.file_name().unwrap().to_string_lossy().into_owned();
            made.insert(name, std::fs::read(&entry).unwrap());
        }
    }
    (made, ran)
}

/// Compiles with a server and alone. `n_jobs`: how many of the sources the server is to compile.
#[track_caller]
fn check(kind: Kind, command: &str, n_jobs: usize) {
    let world = World::new();
    let recorder =
        Recorder::new(&world.folder("compilers"), &["gcc", "x86_64-linux-gnu-gcc", "clang"]);
    let mut options = ServerOptions::new(kind);
    options.path = Some(recorder.search_path());
    options.compilers.push("clang".to_owned());
    let server = world.server("server", &options);
    let words: Vec<&str> = command.split(' ').collect();
    let (ours, ran) = in_clean_folder(&world, || world.distcc(&server.host("/4"), &words));
    let (theirs, alone) =
        in_clean_folder(&world, || finish(world.command(words[0]).args(&words[1..])));
    assert_eq!((ran.code, ran.stdout, ran.stderr), (alone.code, alone.stdout, alone.stderr));
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    for (name, bytes) in &theirs {
        assert!(ours[name] == *bytes, "{name} differs");
    }
    assert_eq!(recorder.compiles().len(), n_jobs, "{:?}", recorder.compiles());
}

#[test]
fn each_source_is_a_job() {
    let (gcc, clang) = ("-Wall -fno-diagnostics-show-caret", "-Wall -fno-caret-diagnostics");
    for kind in [Kind::Ours, Kind::Original] {
        check(kind, &format!("gcc {gcc} -MD -O2 -c a.c b.c sub/c.c"), 3);
        check(kind, &format!("clang {clang} -O2 -c a.c b.c sub/c.c"), 3);
    }
    check(Kind::Ours, "gcc -march=native -O3 -c a.c b.c", 2);
    check(Kind::Ours, "gcc -c a.c -x c++ b.c", 2);
}

#[test]
fn an_error_in_one_source_does_not_keep_the_others_from_being_compiled() {
    let options = "-Wall -fno-diagnostics-show-caret -fno-show-column";
    check(Kind::Ours, &format!("gcc {options} -c a.c bad.c sub/c.c"), 3);
}

#[test]
fn what_is_one_thing_for_all_sources_stays() {
    for command in [
        "gcc -c a.c b.c -o x.o",
        "gcc -c a.c missing.c b.c",
        "clang -c a.c missing.c b.c",
        "gcc -c -MD -MF deps a.c b.c",
        "gcc -c a.c b.c x.o",
        "gcc -c a.c ./a.c",
        "clang -fno-such-option -c a.c b.c",
    ] {
        check(Kind::Ours, command, 0);
    }
}

#[test]
fn each_job_has_its_line_in_the_ledger_and_its_explanation() {
    let world = World::new();
    for name in ["a.c", "b.c"] {
        world.write(name, "int x;\n");
    }
    let server = world.server("server", &ServerOptions::new(Kind::Ours));
    let words = ["gcc", "-c", "a.c", "b.c"];
    let explained = world.distcc(&server.host(""), &[&["--explain"], &words[..]].concat()).stdout;
    assert!(explained.starts_with("it is done as 2 jobs, a source each\n"), "{explained}");
    assert_eq!(world.distcc(&server.host(""), &words).code, 0);
    let report = finish(world.command(program("distcc")).args(["--report", "--json"])).stdout;
    assert!(report.contains("\"jobs\":2,") || report.contains("\"jobs\": 2,"), "{report}");
    server.wait_for_compiled(2);
}

#[test]
fn a_job_that_is_ended_takes_its_parts_with_it() {
    let world = World::new();
    for name in ["a.c", "b.c"] {
        world.write(name, "int x;\n");
    }
    let slow = world.folder("slow");
    support::script(&slow.join("gcc"), "echo here >> pids; exec sleep 1000");
    let mut command = world.command(program("distcc"));
    command
        .env("DISTCC_HOSTS", "127.0.0.1:1")
        .env("PATH", format!("{}:/usr/bin:/bin", slow.display()));
    let mut job = command.args(["gcc", "-c", "a.c", "b.c"]).spawn().unwrap();
    let state = world.state();
    let n_clients = || support::processes_using(&state).len();
    support::wait_until("both parts are at work", || world.has("pids") && n_clients() >= 3);
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&job),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    job.wait().unwrap();
    support::wait_until("no part is left", || n_clients() == 0);
}
