//! Whatever keeps a job from a server reaches the user, and the job is done.

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;

use common::{Ran, World, finish};
use support::{Kind, Server, ServerOptions, program, script};

const SOURCE: &str = "int answer(void) { return 42; }\n";

fn ours() -> ServerOptions {
    ServerOptions::new(Kind::Ours)
}

/// Compiles `a.c` by `hosts`, and checks that it was done here with `expected` in the messages.
#[track_caller]
fn falls_back(world: &World, hosts: &str, expected: &[&str]) -> Ran {
    world.write("a.c", SOURCE);
    let ran = world.distcc(hosts, &["gcc", "-c", "a.c"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for text in expected {
        assert!(ran.stderr.contains(text), "`{text}` is not in:\n{}", ran.stderr);
    }
    assert_eq!(ran.stdout, "");
    world.check_object("gcc", &["-c", "a.c"], "a.o");
    ran
}

/// A peer that takes connection after connection, reads what comes first, and says `words`.
fn peer_that_says(words: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(words);
        }
    });
    host
}

#[test]
fn a_dead_server_is_named_left_alone_and_the_job_done() {
    let world = World::new();
    let ran = falls_back(
        &world,
        "127.0.0.1:1",
        &[
            "Warning: failed to distribute a.c to 127.0.0.1:1: could not connect: Connection refused",
            "leaving it alone for 60 s; running locally instead",
            "hint: start distccd on 127.0.0.1",
        ],
    );
    assert_eq!(ran.stderr.lines().count(), 2, "{}", ran.stderr);
    assert!(world.state().join("lock/backoff_tcp_127.0.0.1_1_0").exists());
    falls_back(&world, "127.0.0.1:1", &["no host is left to ask (127.0.0.1:1 failed "]);
}

#[test]
fn the_next_host_does_what_a_dead_one_does_not() {
    let world = World::new();
    let server = world.server("server", &ours());
    world.write("a.c", SOURCE);
    let hosts = ["127.0.0.1:1".to_owned(), server.host("")].join(" ");
    let ran = world.distcc(&hosts, &["gcc", "-c", "a.c"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stderr.contains("trying another host"), "{}", ran.stderr);
    server.wait_for_compiled(1);
    // Left alone from now on: not a word.
    let ran = world.distcc(&hosts, &["gcc", "-c", "a.c"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    server.wait_for_compiled(2);
}

#[test]
fn a_refused_address_reaches_the_user() {
    let world = World::new();
    let mut options = ours();
    options.allow = vec!["192.0.2.1".to_owned()];
    let server = world.server("server", &options);
    falls_back(
        &world,
        &server.host(",lzo"),
        &[
            "it refused: this server does not serve 127.0.0.1",
            "hint: start it with --allow 127.0.0.1",
        ],
    );
    assert_eq!(server.n_compiled(), 0);
}

#[test]
fn a_refused_compiler_reaches_the_user_and_costs_other_jobs_nothing() {
    let world = World::new();
    let mut options = ours();
    options.compilers = vec!["g++".to_owned()];
    let server = world.server("server", &options);
    falls_back(
        &world,
        &server.host(""),
        &["the compiler `x86_64-linux-gnu-gcc` is not allowed here", "hint: on the server: ln -s"],
    );
    world.write("a.cc", SOURCE);
    let ran = world.distcc(&server.host(""), &["g++", "-c", "a.cc"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    server.wait_for_compiled(1);
}

#[test]
fn a_refusal_of_the_original_server_comes_with_the_likely_reasons() {
    let world = World::new();
    let server: Server = world.server("server", &ServerOptions::new(Kind::Original));
    let compilers = world.folder("compilers");
    script(&compilers.join("no-such-gcc"), "exec /usr/bin/gcc \"$@\"");
    world.write("a.c", SOURCE);
    let path = format!("{}:/usr/bin:/bin", compilers.display());
    let ran = finish(
        world
            .command(program("distcc"))
            .env("PATH", path)
            .env("DISTCC_HOSTS", server.host(""))
            .args(["no-such-gcc", "-c", "a.c"]),
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("it hung up without an answer"), "{}", ran.stderr);
    assert!(ran.stderr.contains("`no-such-gcc` (a link in /usr/lib/distcc)"), "{}", ran.stderr);
    world.check_object("gcc", &["-c", "a.c"], "a.o");
}

#[test]
fn a_peer_that_speaks_something_else_is_named() {
    let world = World::new();
    let host = peer_that_says(b"HTTP/1.0 400 Bad Request\r\n\r\n");
    falls_back(&world, &host, &["its answer is not understood: `HTTP` is no distcc token"]);
}

#[test]
fn an_answer_cut_short_is_no_answer() {
    let world = World::new();
    let host =
        peer_that_says(b"DONE00000001STAT00000000SERR00000000SOUT00000000DOTO00000100\x7fELF");
    falls_back(&world, &host, &["its answer ended before DOTO"]);
}

#[test]
fn an_empty_object_is_no_object() {
    let world = World::new();
    let host = peer_that_says(b"DONE00000001STAT00000000SERR00000000SOUT00000000DOTO00000000");
    falls_back(&world, &host, &["it sent something that is no object"]);
}

#[test]
fn without_fallback_a_dead_server_is_an_error() {
    let world = World::new();
    world.write("a.c", SOURCE);
    let mut command = world.command(program("distcc"));
    command.env("DISTCC_HOSTS", "127.0.0.1:1").env("DISTCC_FALLBACK", "0");
    let ran = finish(command.args(["gcc", "-c", "a.c"]));
    assert_eq!(ran.code, 103, "{}", ran.stderr);
    assert!(ran.stderr.contains("DISTCC_FALLBACK=0 forbids to run it here"), "{}", ran.stderr);
    assert!(!world.has("a.o"));
}

#[test]
fn a_bad_host_list_is_named_and_the_job_done() {
    let world = World::new();
    falls_back(&world, "red/0", &["DISTCC_HOSTS: bad host `red/0`: `0` is no limit of jobs"]);
    falls_back(&world, "-x@red", &["bad host `-x@red`: no name that a user can have"]);
    falls_back(&world, "", &["the host list is empty"]);
}

#[test]
fn a_job_that_stays_says_why_to_those_who_ask() {
    let world = World::new();
    world.write("a.c", SOURCE);
    let mut command = world.command(program("distcc"));
    command.env("DISTCC_HOSTS", "127.0.0.1:1").env("DISTCC_VERBOSE", "1");
    let ran = finish(command.args(["gcc", "-B.", "-c", "a.c"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("`-B.` names parts of the compiler"), "{}", ran.stderr);
    assert!(ran.stderr.trim_end().ends_with("[compiler-parts]"), "{}", ran.stderr);
}

#[test]
fn a_missing_compiler_is_named() {
    let world = World::new();
    let ran = world.distcc("127.0.0.1:1", &["no-such-compiler", "a.o"]);
    assert_eq!(ran.code, 110);
    assert!(
        ran.stderr.contains("could not find the compiler `no-such-compiler`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn distcc_inside_distcc_runs_the_compiler_and_ends_when_it_goes_on_for_ever() {
    let world = World::new();
    world.write("a.c", SOURCE);
    let run = |level: &str| {
        let mut command = world.command(program("distcc"));
        command.env("_DISTCC_SAFEGUARD", level).env("DISTCC_HOSTS", "127.0.0.1:1");
        finish(command.args(["gcc", "-c", "a.c"]))
    };
    let ran = run("1");
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let ran = run("9");
    assert_eq!(ran.code, 111);
}

#[test]
fn errors_in_the_source_are_shown_once_and_with_its_lines() {
    let world = World::new();
    let compilers = world.folder("compilers");
    let record = world.open_folder("open").join("record");
    std::fs::write(&record, "").unwrap();
    std::fs::set_permissions(&record, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let text = format!("echo \"$@\" >> {}; exec /usr/bin/gcc \"$@\"", record.display());
    script(&compilers.join("gcc"), &text);
    let mut options = ours();
    let path = format!("{}:/usr/bin:/bin", compilers.display());
    options.path = Some(path.clone());
    let server = world.server("server", &options);
    world.write("bad.c", "int answer(void) { return forty_two; }\n");
    let mut command = world.command(program("distcc"));
    command.env("PATH", path).env("DISTCC_HOSTS", server.host(""));
    let ran = finish(command.args(["gcc", "-c", "bad.c"]));
    assert_eq!(ran.code, 1);
    assert_eq!(ran.stderr.matches("error: ").count(), 1, "{}", ran.stderr);
    let alone = finish(world.command("gcc").args(["-c", "bad.c"]));
    assert_eq!(ran.stderr, alone.stderr);
    let record = std::fs::read_to_string(&record).unwrap();
    let runs: Vec<&str> = record.lines().collect();
    // The preprocessor here, the compiler there, and here for the lines of the source.
    assert_eq!(runs.iter().filter(|run| run.starts_with("-E bad.c")).count(), 1, "{record}");
    assert_eq!(runs.iter().filter(|run| run.contains("-c bad.i")).count(), 1, "{record}");
    assert_eq!(runs.iter().filter(|run| run.contains("-c bad.c")).count(), 1, "{record}");
}
