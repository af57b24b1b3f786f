//! Peers that vanish or fall silent without a word, in a lab of hosts: they cost seconds, and a
//! peer that is only busy is left alone.

mod common;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime};

use common::held::Held;
use common::{Ran, World, finish, on};
use netns::Lab;
use rustix::process::{Signal, kill_process};
use support::{Kind, Server, ServerOptions, processes_using, program, script, wait_until};

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
        let held = Held::new(&world, "held");
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
        wait_until("the compiler has started", || held.n_running() == 1);
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

/// Stops everything on a host but its kernel. What a compiler started may have ended meanwhile.
fn stop(host: &netns::Host) {
    for process in host.processes() {
        let _ = kill_process(process, Signal::STOP);
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
    job.held.release();
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
    // That it asks what the server can do is not what this is about.
    world.write("a.c", SOURCE);
    let hosts = [red.host("/1"), green.host("/1")].join(" ");
    let first = finish(
        world
            .command_on(lab.host("client"), program("distcc"))
            .env("DISTCC_HOSTS", &hosts)
            .args(["gcc", "-c", "a.c"]),
    );
    assert_eq!((first.code, first.stderr.as_str()), (0, ""));
    red.wait_for_compiled(1);
    // Far more than fits into the buffers on the way.
    world.write("a.i", &format!("{}{SOURCE}", "\n".repeat(32 << 20)));
    stop(lab.host("red"));
    let client = world
        .command_on(lab.host("client"), program("distcc"))
        .env("DISTCC_HOSTS", hosts)
        .args(["gcc", "-c", "a.i"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let state = world.state().join("state").join(format!("binstate_{}", client.id()));
    // The phase, 4 for sending: an `int` before the pointer at the end.
    wait_until("it sends", || {
        std::fs::read(&state).is_ok_and(|bytes| bytes.len() >= 296 && bytes[284] == 4)
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

/// How many files the build has.
const N_FILES: usize = 60;

/// The most that a lost server may cost.
const MOST_LOST: Duration = Duration::from_secs(5);

/// A makefile and its sources in the folder `work`: `$(CC)` compiles each to an object.
fn lay_out(world: &World) {
    let mut makefile = String::from("all:");
    for number in 0..N_FILES {
        write!(makefile, " {number}.o").unwrap();
        let text = format!("#include <stddef.h>\nsize_t f{number}(void) {{ return {number}; }}\n");
        world.write(&format!("{number}.c"), &text);
    }
    makefile.push_str("\n%.o: %.c\n\t$(CC) -O1 -c $< -o $@\n");
    world.write("Makefile", &makefile);
}

fn n_objects(world: &World) -> usize {
    (0..N_FILES).filter(|number| world.has(&format!("{number}.o"))).count()
}

/// A `PATH` on which gcc takes its time, as on a real project.
fn slow_compilers(folder: &Path) -> String {
    for name in ["gcc", "x86_64-linux-gnu-gcc"] {
        script(&folder.join(name), "sleep 0.4; exec /usr/bin/gcc \"$@\"");
    }
    format!("{}:/usr/bin:/bin", folder.display())
}

#[test]
fn a_server_lost_in_the_middle_of_a_build_costs_under_five_seconds() {
    let world = World::new();
    lay_out(&world);
    let lab = Lab::new(&["client", "red", "green"]);
    let path = slow_compilers(&world.folder("compilers"));
    let start = |name: &str| {
        let mut options = on(lab.host(name), Kind::Ours);
        (options.path, options.n_jobs) = (Some(path.clone()), 4);
        world.server(name, &options)
    };
    let (red, green) = (start("red"), start("green"));
    let log = std::fs::File::create(world.folder("log").join("make")).unwrap();
    let mut build = world
        .command_on(lab.host("client"), "make")
        .env("DISTCC_HOSTS", [red.host("/4"), green.host("/4")].join(" "))
        .args(["--silent", "-j8", &format!("CC={} gcc", program("distcc").display())])
        .stderr(log)
        .spawn()
        .unwrap();
    wait_until("a quarter of the build is done", || n_objects(&world) > N_FILES / 4);
    let cut = SystemTime::now();
    lab.host("red").cut_cable();
    let status = build.wait().unwrap();
    let said = std::fs::read_to_string(world.folder("log").join("make")).unwrap();
    assert!(status.success(), "{status}\n{said}");

    // Every job at red gave it up within seconds: the stamp is the last one's.
    assert!(said.contains("failed to distribute"), "nobody missed red:\n{said}");
    let Server { address, port, .. } = &red;
    let stamp = format!("backoff_tcp_{address}_{port}_0");
    let stamp = std::fs::metadata(world.state().join("lock").join(stamp)).unwrap();
    let waited = stamp.modified().unwrap().duration_since(cut).unwrap();
    assert!(waited < MOST_LOST, "a job waited for {waited:?}:\n{said}");

    // Nothing was lost with it, and nothing is left.
    for number in 0..N_FILES {
        let (object, source) = (format!("{number}.o"), format!("{number}.c"));
        world.check_object("gcc", &["-O1", "-c", &source, "-o", &object], &object);
    }
    let left: Vec<_> = world.files().into_iter().filter(|name| name.contains("distcc")).collect();
    assert_eq!(left, Vec::<String>::new());
    assert_eq!(std::fs::read_dir(world.state().join("state")).unwrap().count(), 0);
    let temporary = red.folder.join("tmp");
    wait_until("red ends its compilers", || {
        !processes_using(&temporary).iter().any(|process| process.contains("gcc"))
    });
    let report = finish(world.command(program("distcc")).args(["--report"]));
    eprintln!("waited {waited:?}\n{said}\n{}", report.stdout);
}
