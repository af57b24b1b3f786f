//! What the ledger keeps of a build, and what `distcc --report` makes of it.

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;

use common::{Ran, World, finish};
use serde_json::Value;
use support::{Kind, ServerOptions, impostor, program};

const SOURCE: &str = "int answer(void) { return 42; }\n";
const DEAD: &str = "127.0.0.1:1";

fn ours() -> ServerOptions {
    ServerOptions::new(Kind::Ours)
}

fn report(world: &World, words: &[&str]) -> Ran {
    let ran = finish(world.command(program("distcc")).arg("--report").args(words));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    ran
}

fn json(world: &World, words: &[&str]) -> Value {
    let ran = report(world, &[words, &["--json"]].concat());
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}:\n{}", ran.stdout))
}

/// How many jobs `list` has under `code`.
fn jobs(list: &Value, code: &str) -> u64 {
    let rows = list.as_array().unwrap();
    let row = rows.iter().find(|row| row["code"] == code || row["host"] == code);
    row.map_or(0, |row| row["jobs"].as_u64().unwrap())
}

#[test]
fn a_builds_report_agrees_with_the_logs_of_its_servers() {
    let world = World::new();
    let servers = [world.server("one", &ours()), world.server("two", &ours())];
    let names: Vec<String> = (0..12).map(|n| format!("s{n}")).collect();
    for name in &names {
        world.write(&format!("{name}.c"), &format!("int {name}(void) {{ return 1; }}\n"));
    }
    world.write("silent.c", "int main(void) { return 0; }\n");
    world.write("bad.c", "int bad(void) { return forty_two; }\n");
    let objects: Vec<String> = names.iter().map(|name| format!("{name}.o")).collect();
    let objects = objects.join(" ");
    world.write(
        "Makefile",
        &format!(
            "program: {objects} silent.o\n\t$(CC) -o $@ $^\n\
             silent.o: CFLAGS = -MD -MF /dev/null\n\
             bad: bad.o\n"
        ),
    );
    let [one, two] = &servers;
    let hosts = [DEAD.to_owned(), one.host("/2,plain"), two.host("/2,lzo")].join(" ");
    let cc = format!("CC={} gcc", program("distcc").display());
    let make = |target: &str| {
        let mut command = world.command("make");
        command.env("DISTCC_HOSTS", &hosts).env("DISTCC_SKIP_LOCAL_RETRY", "1");
        finish(command.args(["-j5", &cc, target]))
    };
    let ran = make("program");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_ne!(make("bad").code, 0);

    let json = json(&world, &[]);
    let n_compiled: Vec<u64> = servers
        .iter()
        .map(|server| {
            let host = server.host("");
            let expected = jobs(&json["hosts"], &host);
            // The client has its answer before the log has its line.
            support::wait_until("the server has logged its compiles", || {
                server.log().matches(" COMPILE_").count() as u64 >= expected
            });
            assert_eq!(server.log().matches(" COMPILE_").count() as u64, expected);
            expected
        })
        .collect();
    assert_eq!(n_compiled.iter().sum::<u64>(), 13);
    assert_eq!(json["jobs"], 15);
    assert_eq!(json["done_by_servers"], 13);
    assert_eq!(json["failed"], 1);
    assert_eq!(json["done_here"], 2);
    assert_eq!(jobs(&json["here"], "dependencies-to-stream"), 1);
    assert_eq!(jobs(&json["here"], "not-a-compile"), 1);
    let failures = json["host_failures"].as_array().unwrap();
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert_eq!(
        (&failures[0]["host"], &failures[0]["code"]),
        (&DEAD.into(), &"connection-refused".into())
    );
    assert!(json["bytes_sent"].as_u64().unwrap() > 13 * 50, "{json}");
    assert!(json["bytes_received"].as_u64().unwrap() > 12 * 500, "{json}");
    assert!(json["seconds"]["local"].as_f64().unwrap() > 0.0, "{json}");
    assert!(json["wall_seconds"].as_f64().unwrap() > 0.0, "{json}");
    assert_eq!(json["skipped_lines"], 0);

    let text = report(&world, &["--since", "1h"]).stdout;
    for (server, count) in servers.iter().zip(n_compiled) {
        let line = format!("  {:<28} {count:>7}", server.host(""));
        assert!(text.lines().any(|found| found == line), "`{line}` is not in:\n{text}");
    }
    assert!(text.contains("hint: name a file with -MF"), "{text}");
}

#[test]
fn every_end_of_a_job_has_its_code() {
    let world = World::new();
    world.write("a.c", SOURCE);
    world.write("bad.c", "int bad(void) { return forty_two; }\n");
    world.write("warns.c", "int warns(void) { int unused; return 1; }\n");
    world.write("wrong.c", "#include \"missing.h\"\n");
    let mut options = ours();
    options.compilers = vec!["g++".to_owned()];
    let no_gcc = world.server("no-gcc", &options);
    let mut options = ours();
    options.allow = vec!["192.0.2.1".to_owned()];
    let not_me = world.server("not-me", &options);
    let good = world.server("good", &ours());
    let whole = good.host("");
    let (no_gcc, not_me, good) = (no_gcc.host(""), not_me.host(""), good.host(",plain"));
    let compile = ["gcc", "-c", "a.c"];
    let cases: [(&str, &[&str], &str); 17] = [
        (DEAD, &compile, "connection-refused"),
        (DEAD, &compile, "hosts-backed-off"),
        ("no-such-host.invalid", &compile, "name-not-found"),
        (&no_gcc, &compile, "refused-compiler"),
        (&not_me, &compile, "refused-address"),
        (&good, &compile, "distributed"),
        (&whole, &compile, "pumped"),
        (&whole, &["gcc", "-c", "bad.c"], "says-something"),
        (&good, &["gcc", "-c", "wrong.c"], "preprocessor-failed"),
        (&good, &["gcc", "-E", "a.c"], "preprocess-only"),
        (&good, &["no-such-compiler", "-c", "a.c"], "compiler-missing"),
        ("localhost", &compile, "localhost-in-list"),
        ("red,down", &compile, "hosts-down"),
        ("red/0", &compile, "bad-host-list"),
        ("", &compile, "empty-host-list"),
        (&good, &["gcc", "-c", "bad.c"], "says-something"),
        (&good, &["gcc", "-Wall", "-Werror", "-c", "warns.c"], "artefact-of-preprocessing"),
    ];
    let ledger = world.state().join("ledger");
    for (hosts, words, code) in cases {
        let ran = world.distcc(hosts, words);
        let text = std::fs::read_to_string(&ledger).unwrap();
        let last: Vec<&str> = text.lines().last().unwrap().split(' ').collect();
        assert_eq!(last[5], code, "{hosts} {words:?}\n{}", ran.stderr);
        assert_eq!(last[6], ran.code.to_string(), "{hosts} {words:?}\n{}", ran.stderr);
    }
    let text = std::fs::read_to_string(&ledger).unwrap();
    assert_eq!(text.lines().count(), cases.len());
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
fn every_failure_of_a_host_has_its_code_and_exit_status() {
    let world = World::new();
    world.write("a.c", SOURCE);
    // Servers whose gcc does as the script says.
    let server = |name: &str, text: &str| {
        let folder = world.folder(&format!("{name}-compilers"));
        for name in ["gcc", "x86_64-linux-gnu-gcc"] {
            impostor(&folder.join(name), "/usr/bin/gcc", text);
        }
        let mut options = ours();
        options.path = Some(format!("{}:/usr/bin:/bin", folder.display()));
        world.server(name, &options)
    };
    let full = "echo 'a.s: No space left on device' >&2; exit 1";
    let servers = [
        (server("crash", "kill -SEGV $$"), "compiler-crashed", 104),
        (server("full", full), "server-disk-full", 104),
        (server("memory", "echo 'cc1: out of memory' >&2; exit 1"), "server-out-of-memory", 104),
        (server("ice", "exit 4"), "compiler-fault", 104),
        (server("arm", "exec aarch64-linux-gnu-gcc \"$@\""), "wrong-machine", 100),
    ];
    let mut cases: Vec<(String, &str, i32)> =
        servers.iter().map(|(server, code, exit)| (server.host(""), *code, *exit)).collect();
    let cut = b"DONE00000001STAT00000000SERR00000000SOUT00000000DOTO00000100\x7fELF";
    let empty = b"DONE00000001STAT00000000SERR00000000SOUT00000000DOTO00000000";
    cases.extend([
        (DEAD.to_owned(), "connection-refused", 103),
        (peer_that_says(b""), "hung-up", 108),
        (peer_that_says(b"HTTP/1.0 400 Bad Request\r\n\r\n"), "protocol-garbage", 109),
        (peer_that_says(cut), "answer-truncated", 108),
        (peer_that_says(empty), "no-object", 100),
    ]);
    for (host, code, exit) in cases {
        let state = world.folder(&format!("state-{code}"));
        let run = |fallback: &str| {
            let mut command = world.command(program("distcc"));
            command.env("DISTCC_DIR", &state).env("DISTCC_HOSTS", &host);
            command.env("DISTCC_BACKOFF_PERIOD", "0").env("DISTCC_FALLBACK", fallback);
            let ran = finish(command.args(["gcc", "-c", "a.c"]));
            let text = std::fs::read_to_string(state.join("ledger")).unwrap();
            let fields = text.lines().last().unwrap().split(' ').map(str::to_owned);
            (ran, fields.collect::<Vec<_>>())
        };
        let (ran, fields) = run("1");
        assert_eq!(ran.code, 0, "{code}: {}", ran.stderr);
        assert!(
            ran.stderr.contains(&format!("running locally instead [{code}]")),
            "{}",
            ran.stderr
        );
        assert_eq!(fields[4..7], [".", code, "0"], "{}", ran.stderr);
        assert_eq!(fields[18], format!("{host}={code}"), "{}", ran.stderr);
        let (ran, fields) = run("0");
        assert_eq!(ran.code, exit, "{code}: {}", ran.stderr);
        assert_eq!(fields[4..7], ["-", code, &exit.to_string()], "{}", ran.stderr);
    }
}

#[test]
fn names_of_any_bytes_are_kept_as_one_field() {
    use std::os::unix::ffi::OsStrExt;
    let world = World::new();
    let name = std::ffi::OsStr::from_bytes(b"b\xfe \n,=%.c");
    std::fs::write(world.folder("work").join(name), SOURCE).unwrap();
    let server = world.server("server", &ours());
    let mut command = world.command(program("distcc"));
    command.env("DISTCC_HOSTS", server.host("")).args(["gcc", "-c"]).arg(name);
    let ran = finish(&mut command);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let text = std::fs::read_to_string(world.state().join("ledger")).unwrap();
    assert!(text.contains(" b%fe%20%0a%2c%3d%25.c gcc "), "{text}");
    assert_eq!(json(&world, &[])["done_by_servers"], 1);
}

#[test]
fn a_torn_ledger_is_read_as_far_as_it_goes() {
    let world = World::new();
    world.write("a.c", SOURCE);
    let run = || world.distcc("localhost", &["gcc", "-c", "a.c"]).code;
    assert_eq!((run(), run()), (0, 0));
    let ledger = world.state().join("ledger");
    let mut text = std::fs::read(&ledger).unwrap();
    text.truncate(text.len() - 20);
    text.extend_from_slice(b"\nfrom somebody else\n");
    std::fs::write(&ledger, text).unwrap();
    assert_eq!(run(), 0);
    let json = json(&world, &[]);
    assert_eq!((&json["jobs"], &json["skipped_lines"]), (&2.into(), &2.into()));
}

#[test]
fn a_report_of_nothing_and_a_wrong_question_are_told() {
    let world = World::new();
    assert_eq!(report(&world, &[]).stdout, "no job is in the ledger of that time\n");
    assert_eq!(json(&world, &[])["jobs"], 0);
    let ran = finish(world.command(program("distcc")).args(["--report", "--since", "soon"]));
    assert_eq!((ran.code, ran.stdout.as_str()), (101, ""));
    assert!(ran.stderr.contains("`soon` is no duration"), "{}", ran.stderr);
}
