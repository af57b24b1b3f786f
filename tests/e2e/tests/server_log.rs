//! The log of the server: the line of each job, field by field, and what is told at level info. Each
//! first on the original.

mod common;

use std::io::Write;

use common::World;
use common::daemon::{BOTH, Daemon, close_sending, connect, free_port, listening, request};
use support::{Kind, script};

const SOURCE: &str = "int x;\n";

/// A server whose gcc sleeps with `-O3` and is killed with `-O2`.
fn start(kind: Kind, world: &World, words: &[&str]) -> Daemon {
    let gcc = "case \" $* \" in *' -O3 '*) sleep 1000;; *' -O2 '*) kill -SEGV $$;; esac\n\
               PATH=/usr/bin exec gcc \"$@\"";
    let folder = world.folder("bin");
    script(&folder.join("gcc"), gcc);
    let port = free_port();
    let mut command = listening(kind, world.path(), port);
    command.args(words).env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
    Daemon::start(&mut command, world.path(), port)
}

/// The line about a job, in its fields.
#[derive(Debug, PartialEq, Eq)]
struct Summary {
    client: String,
    result: String,
    /// `exit`, `sig`, `core` and `ret`.
    numbers: [u32; 4],
    milliseconds: u64,
    rest: String,
}

/// Reads a line, every byte of which has its place.
fn summary(line: &str) -> Option<Summary> {
    let line = line.strip_prefix("distccd[")?;
    let (pid, line) = line.split_once("] (dcc_job_summary) client: ")?;
    pid.parse::<u32>().ok()?;
    let mut words = line.splitn(8, ' ');
    let client = words.next()?.to_owned();
    let result = words.next()?.to_owned();
    let mut numbers = [0; 4];
    for (number, name) in numbers.iter_mut().zip(["exit:", "sig:", "core:", "ret:"]) {
        *number = words.next()?.strip_prefix(name)?.parse().ok()?;
    }
    let milliseconds = words.next()?.strip_prefix("time:")?.strip_suffix("ms")?.parse().ok()?;
    Some(Summary { client, result, numbers, milliseconds, rest: words.next()?.to_owned() })
}

/// Waits for the line of the result.
#[track_caller]
fn wait_for(daemon: &Daemon, result: &str) -> Summary {
    let line = daemon.wait_for_line(&format!(" {result} "));
    summary(&line).unwrap_or_else(|| panic!("cannot be read: {line}"))
}

#[test]
fn each_job_is_a_line_with_its_result_and_its_numbers() {
    for kind in BOTH {
        let world = World::new();
        let daemon = start(kind, &world, &["--job-lifetime", "1"]);
        let mut client = connect(daemon.port);
        let address = client.local_addr().unwrap().to_string();
        client.write_all(&request("gcc -c a.c -o a.o", SOURCE)).unwrap();
        let ok = wait_for(&daemon, "COMPILE_OK");
        assert_eq!((ok.client, ok.numbers, ok.rest.as_str()), (address, [0; 4], "gcc a.c"));
        assert!(ok.milliseconds < 100_000);

        daemon.ask(&request("gcc -c b.c -o b.o", "int x\n"));
        let error = wait_for(&daemon, "COMPILE_ERROR");
        assert_eq!((error.numbers, error.rest.as_str()), ([1, 0, 0, 0], "gcc b.c"));

        daemon.ask(&request("gcc -O3 -c c.c -o c.o", SOURCE));
        let timeout = wait_for(&daemon, "COMPILE_TIMEOUT");
        assert_eq!(timeout.numbers, [118, 0, 0, 0]);
        assert!(timeout.milliseconds >= 1000);

        let mut client = connect(daemon.port);
        client.write_all(&request("gcc -O3 -c d.c -o d.o", SOURCE)).unwrap();
        close_sending(&client);
        let numbers = wait_for(&daemon, "CLI_DISCONN").numbers;
        assert_eq!(numbers[..3], [107, 0, 0]);
        // 3.4 has it right most times.
        assert!(numbers[3] == 107 || kind == Kind::Original, "{numbers:?}");

        daemon.ask(b"GARBAGE and more of it");
        let bad = wait_for(&daemon, "REJ_BAD_REQ");
        assert_eq!((bad.numbers, bad.rest.as_str()), ([0, 0, 0, 109], ""));

        daemon.ask(&request("no-such-compiler -c e.c -o e.o", SOURCE));
        let other = wait_for(&daemon, "OTHER");
        match kind {
            Kind::Original => assert_eq!((other.numbers, other.rest.as_str()), ([0; 4], "")),
            // The code that the client got, and what it was refused.
            _ => assert_eq!(
                (other.numbers, other.rest.as_str()),
                ([0, 0, 0, 110], "no-such-compiler")
            ),
        }

        daemon.ask(&request("gcc -O2 -c f.c -o f.o", SOURCE));
        let killed = daemon.wait_for_line("gcc f.c");
        let killed = summary(&killed).unwrap();
        assert_eq!((killed.result.as_str(), killed.numbers), ("COMPILE_ERROR", [0, 11, 0, 0]));
    }
}

#[test]
fn a_job_beyond_the_queue_is_an_overload() {
    // 3.4 has the word and never says it: more clients than children just wait.
    let world = World::new();
    let daemon = start(Kind::Ours, &world, &["--jobs", "1"]);
    // One runs and 64 wait.
    let jobs: Vec<_> = (0..66)
        .map(|_| {
            let mut client = connect(daemon.port);
            client.write_all(&request("gcc -O3 -c a.c -o a.o", SOURCE)).unwrap();
            client
        })
        .collect();
    assert_eq!(wait_for(&daemon, "REJ_OVERLOAD").numbers, [0, 0, 0, 114]);
    drop(jobs);
}

#[test]
fn a_job_is_told_step_by_step_at_level_info() {
    for kind in BOTH {
        let world = World::new();
        let daemon = start(kind, &world, &["--log-level", "info"]);
        let mut client = connect(daemon.port);
        let address = client.local_addr().unwrap();
        client.write_all(&request("gcc -c a.c -o b.o", SOURCE)).unwrap();
        daemon.wait_for_line("(dcc_job_summary) client: ");
        let log = daemon.log();
        // What comes behind the process id of the lines that tell of the job, in order.
        let told: Vec<&str> = log
            .lines()
            .skip_while(|line| !line.contains("(dcc_check_client) "))
            .filter_map(|line| line.split_once("] ").map(|(_, rest)| rest))
            .collect();
        let place = |text: &str| {
            let at = told.iter().position(|line| line.starts_with(text));
            at.unwrap_or_else(|| panic!("{kind:?}: no `{text}` in {told:?}"))
        };
        let places = [
            place(&format!("(dcc_check_client) connection from {address}")),
            place("compile from a.c to b.o"),
            place(&format!("(dcc_r_file_timed) {} bytes received in 0.", SOURCE.len())),
            place("(dcc_collect_child) cc times: user "),
            place("gcc a.c on localhost completed ok"),
            place("job complete"),
            place("(dcc_job_summary) client: "),
        ];
        assert!(places.is_sorted(), "{kind:?}: {told:?}");
        assert!(told[places[2]].contains("s, rate ") && told[places[2]].ends_with("kB/s"));
        for text in ["daemon's PATH is ", " CPUs online on this server", "allowing up to "] {
            assert!(log.contains(text), "{kind:?}: no `{text}` in {log}");
        }

        let [user, system, minor, major] = costs(told[places[3]]);
        match kind {
            // Nobody has seen another number there.
            Kind::Original => assert_eq!([user, system, minor, major], [0.0; 4]),
            _ => assert!(user + system > 0.0 && user + system < 60.0 && minor > 100.0, "{told:?}"),
        }

        daemon.ask(&request("gcc -c a.c -o a.o", "int x\n"));
        daemon.wait_for_line("gcc a.c on localhost failed");
    }
}

/// The four numbers of a line about what a compiler has cost.
fn costs(line: &str) -> [f64; 4] {
    let read = || {
        let line = line.strip_prefix("(dcc_collect_child) cc times: user ")?;
        let (user, line) = line.split_once("s, system ")?;
        let (system, line) = line.split_once("s, ")?;
        let (minor, line) = line.split_once(" minflt, ")?;
        let numbers = [user, system, minor, line.strip_suffix(" majflt")?];
        Some(numbers.map(|number| number.parse().unwrap()))
    };
    read().unwrap_or_else(|| panic!("cannot be read: {line}"))
}

#[test]
fn without_a_sandbox_the_costs_are_told_as_well() {
    let world = World::new();
    let daemon = start(Kind::Ours, &world, &["--log-level", "info", "--sandbox", "off"]);
    daemon.ask(&request("gcc -c a.c -o b.o", SOURCE));
    let line = daemon.wait_for_line("cc times: ");
    let [user, system, minor, _] = costs(line.split_once("] ").unwrap().1);
    assert!(user + system > 0.0 && minor > 100.0, "{line}");
}

#[test]
fn a_denied_client_is_an_error_and_no_job() {
    for kind in BOTH {
        let world = World::new();
        let port = free_port();
        let mut command = common::daemon::distccd(kind, world.path());
        command.args(["--daemon", "--no-detach", "--log-stderr", "--allow", "127.0.0.2"]).args([
            "--listen",
            "127.0.0.1",
            "--port",
            &port.to_string(),
        ]);
        let daemon = Daemon::start(&mut command, world.path(), port);
        let mut client = connect(port);
        let address = client.local_addr().unwrap();
        let _ = client.write_all(&request("gcc -c a.c -o a.o", SOURCE));
        let line = daemon.wait_for_line("denied by access list");
        let expected = format!(
            "] (dcc_check_client) ERROR: connection from client '{address}' denied by access list"
        );
        assert!(line.ends_with(&expected), "{line}");
        common::daemon::read_to_end(&mut client);
        assert!(!daemon.log().contains("dcc_job_summary"), "{}", daemon.log());
    }
}
