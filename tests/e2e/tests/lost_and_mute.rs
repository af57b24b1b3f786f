//! Peers that vanish or fall silent without a word, in a lab of hosts: they cost seconds, and a
//! peer that is only busy is left alone.

mod common;

use std::process::{Child, Stdio};
use std::time::Duration;

use common::{Held, Ran, World, on};
use netns::Lab;
use rustix::process::{Signal, kill_process};
use support::{Kind, Server, ServerOptions, processes_using, program, wait_until};

const SOURCE: &str = "int answer(void) { return 42; }\n";

/// A client's job at a server whose compiler waits to be told to go on.
struct HeldJob {
    world: World,
    lab: Lab,
    red: Server,
    green: Server,
    held: Held,
    client: Child,
}

impl HeldJob {
    /// A job on the client's host, at `red`. `green` has nothing to do.
    fn start(kind: Kind) -> HeldJob {
        let world = World::new();
        world.write("a.c", SOURCE);
        let lab = Lab::new(&["client", "red", "green"]);
        let held = Held::new(&world, "red");
        let options = ServerOptions { path: Some(held.path()), ..on(lab.host("red"), kind) };
        let red = world.server("red", &options);
        let green = world.server("green", &on(lab.host("green"), Kind::Ours));
        let client = world
            .command_on(lab.host("client"), program("distcc"))
            .env("DISTCC_HOSTS", [red.host("/1"), green.host("/1")].join(" "))
            .args(["gcc", "-c", "a.c"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        held.wait();
        HeldJob { world, lab, red, green, held, client }
    }

    /// Waits for the client's end, and checks what it made.
    fn finish(self) -> (HeldJob, Ran) {
        let HeldJob { world, lab, red, green, held, client } = self;
        let output = client.wait_with_output().unwrap();
        let ran = Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
        world.check_object("gcc", &["-c", "a.c"], "a.o");
        let client = std::process::Command::new("true").spawn().unwrap();
        (HeldJob { world, lab, red, green, held, client }, ran)
    }
}

/// Stops everything on a host but its kernel.
fn stop(host: &netns::Host) {
    for process in host.processes() {
        kill_process(process, Signal::STOP).unwrap();
    }
}

#[test]
fn a_job_whose_servers_cable_is_cut_goes_to_the_next_host() {
    let job = HeldJob::start(Kind::Ours);
    job.lab.host("red").cut_cable();
    let (job, ran) = job.finish();
    let expected = "the connection was lost while waiting for the object; leaving it alone for \
                    60 s; trying another host";
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: is 10.77.0.2 still up"), "{}", ran.stderr);
    job.green.wait_for_compiled(1);
    // The server notices as well, and its compiler does not outlive the client's interest.
    let temporary = job.red.folder.join("tmp");
    wait_until("the server ends the compiler", || {
        !processes_using(&temporary).iter().any(|process| process.contains("gcc"))
    });
}

#[track_caller]
fn check_long_compile(kind: Kind) {
    let job = HeldJob::start(kind);
    // Longer than a lost peer is waited for, and than a mute one.
    std::thread::sleep(Duration::from_secs(25));
    job.held.let_go();
    let (job, ran) = job.finish();
    assert_eq!(ran.stderr, "");
    assert_eq!(job.green.n_compiled(), 0);
    // And next time more patience is due.
    let memo = std::fs::read_dir(job.world.state().join("memo")).unwrap().flatten();
    let memo: Vec<_> = memo.map(|entry| std::fs::read(entry.path()).unwrap()).collect();
    assert!(memo.iter().any(|kept| kept.starts_with(b"pace of 10.77.0.2")));
}

#[test]
fn a_compile_that_takes_long_is_left_alone() {
    check_long_compile(Kind::Ours);
}

#[test]
fn a_compile_that_takes_long_at_the_original_server_is_left_alone() {
    check_long_compile(Kind::Original);
}

#[track_caller]
fn check_stopped_server(kind: Kind) {
    let job = HeldJob::start(kind);
    stop(job.lab.host("red"));
    let (job, ran) = job.finish();
    let expected = "it is there, and has given no sign of life for 2";
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    job.green.wait_for_compiled(1);
}

#[test]
fn a_stopped_server_costs_seconds() {
    check_stopped_server(Kind::Ours);
}

#[test]
fn a_stopped_original_server_costs_seconds() {
    check_stopped_server(Kind::Original);
}

#[test]
fn a_cut_in_the_middle_of_a_large_source_is_noticed() {
    let world = World::new();
    let lab = Lab::new(&["client", "red", "green"]);
    let red = world.server("red", &on(lab.host("red"), Kind::Ours));
    let green = world.server("green", &on(lab.host("green"), Kind::Ours));
    // Far more than fits into the buffers on the way.
    world.write("a.i", &format!("{}{SOURCE}", "\n".repeat(32 << 20)));
    stop(lab.host("red"));
    let client = world
        .command_on(lab.host("client"), program("distcc"))
        .env("DISTCC_HOSTS", [red.host("/1"), green.host("/1")].join(" "))
        .args(["gcc", "-c", "a.i"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let state = world.state().join("state").join(format!("binstate_{}", client.id()));
    // The phase, 4 for sending: an `int` before the pointer at the end.
    wait_until("it sends", || {
        std::fs::read(&state).is_ok_and(|bytes| bytes.len() == 296 && bytes[284] == 4)
    });
    lab.host("red").cut_cable();
    let output = client.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // Whichever is noticed first: that nothing was acknowledged, or that nobody gives a sign.
    let expected = ["the connection was lost while sending", "no sign of life for"];
    assert!(expected.iter().any(|text| said.contains(text)), "{said}");
    assert!(said.contains("trying another host"), "{said}");
    green.wait_for_compiled(1);
    world.check_object("gcc", &["-c", "a.i"], "a.o");
}

#[test]
fn a_vanished_client_takes_its_compiler_with_it() {
    let mut job = HeldJob::start(Kind::Ours);
    let temporary = job.red.folder.join("tmp");
    let compilers = || {
        let mut processes = processes_using(&temporary);
        processes.retain(|process| process.contains("gcc"));
        processes
    };
    assert!(!compilers().is_empty());
    job.lab.host("client").cut_cable();
    wait_until("the server ends the compiler", || compilers().is_empty());
    job.client.kill().unwrap();
    job.client.wait().unwrap();
}
