//! Compilers in the sandbox, as the daemon runs them: what they reach, and what is left when
//! somebody dies.

mod common;

use std::io::Read;

use common::{Client, Daemon, World, check_refused, kill, wait_until};
use rustix::process::Signal;
use wire::Version;

const COMMAND: &str = "gcc -c hello.c -o hello.o";
const SOURCE: &str = "int x;\n";

/// A compiler that goes on for ever and cannot be asked to stop, with a child and a grandchild.
const STUBBORN: &str = "trap '' TERM INT HUP\n(sleep 1000 & sleep 1000) &\nsleep 1000\nwait\n";

/// A process of the world that runs this program.
fn running(world: &World, name: &str) -> Option<i32> {
    let is_it = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.starts_with(name.as_bytes())
    };
    world.processes().into_iter().find(is_it)
}

/// A daemon with a job that will not end by itself, and its client.
fn busy<'a>(world: &'a World, wish: &str) -> (Daemon<'a>, Client) {
    world.compiler("gcc", STUBBORN);
    let daemon = world.daemon(&["--sandbox", wish]);
    let mut client = daemon.connect();
    client.send_job(Version::V1, COMMAND, SOURCE);
    wait_until(|| running(world, "sleep"));
    (daemon, client)
}

#[test]
fn the_level_is_told_at_the_start() {
    let world = World::new();
    world.compiler("gcc", "echo object > \"$out\"");
    world.daemon(&["--sandbox=auto"]).wait_for_log("sandbox: namespaces");
    world.daemon(&["--sandbox=require"]).wait_for_log("sandbox: namespaces");
    let daemon = world.daemon(&["--sandbox=off"]);
    daemon.wait_for_log("Warning: --sandbox off: compilers run with all rights of this user");
    daemon.wait_for_log("sandbox: off");
}

#[test]
fn a_compiler_in_the_sandbox_reaches_nothing_but_its_folder() {
    let world = World::new();
    let secret = world.out("secret");
    std::fs::write(&secret, "secret").unwrap();
    world.compiler(
        "gcc",
        "cat \"$OUT/secret\" /etc/passwd /etc/hostname; echo x > \"$OUT/marker\"\n\
         ls -A / $OUT/..; kill -9 $PPID; ls /proc | grep '^[0-9]' | wc -l\n\
         echo object > \"$out\"",
    );
    let daemon = world.daemon(&["--sandbox=require"]);
    let reply = daemon.compile(COMMAND, SOURCE);
    assert!(reply.status.is_success(), "{reply:?}");
    let said = String::from_utf8(reply.stdout).unwrap();
    assert!(!said.contains("secret") && !said.contains("root:"), "{said}");
    assert!(!said.lines().any(|line| line == "home" || line == "out"), "{said}");
    assert!(!world.out("marker").exists());
    world.compiler("gcc", "echo object > \"$out\"");
    assert!(daemon.compile(COMMAND, SOURCE).status.is_success());
}

#[test]
fn a_compiler_that_the_sandbox_does_not_show_is_refused_with_the_reason() {
    let world = World::new();
    let hidden = world.out("hidden");
    std::fs::create_dir(&hidden).unwrap();
    std::fs::copy("/bin/true", hidden.join("gcc")).unwrap();
    world.allow("gcc");
    let daemon = world.daemon(&["--sandbox=require"]);
    // What there is to see is found out at the start.
    std::os::unix::fs::symlink(hidden.join("gcc"), world.path().join("bin/gcc")).unwrap();
    check_refused(
        &daemon.compile(COMMAND, SOURCE),
        110,
        &["could not run", "its sandbox to see it"],
    );
}

#[test]
fn a_signal_in_the_middle_of_a_confined_compile_leaves_nothing() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let world = World::new();
        let (mut daemon, mut client) = busy(&world, "require");
        daemon.signal(signal);
        check_refused(&client.reply(Version::V1), 117, &["stopped"]);
        daemon.wait();
        world.wait_until_nothing_is_left();
    }
}

#[test]
fn a_client_that_hangs_up_takes_its_confined_compiler_with_it() {
    let world = World::new();
    let (daemon, client) = busy(&world, "require");
    drop(client);
    wait_until(|| running(&world, "sleep").is_none().then_some(()));
    wait_until(|| world.job_files().is_empty().then_some(()));
    drop(daemon);
}

#[test]
fn whoever_is_killed_leaves_no_confined_compiler() {
    // The supervisor.
    let world = World::new();
    let (mut daemon, _client) = busy(&world, "require");
    daemon.signal(Signal::KILL);
    daemon.wait();
    world.wait_until_nothing_is_left();
    // The worker: another takes its place.
    let world = World::new();
    let (daemon, _client) = busy(&world, "require");
    kill(daemon.worker(), Signal::KILL);
    wait_until(|| running(&world, "sleep").is_none().then_some(()));
    world.compiler("gcc", "echo object > \"$out\"");
    assert!(daemon.compile(COMMAND, SOURCE).status.is_success());
}

#[test]
fn a_daemon_whose_sandbox_is_killed_serves_on() {
    let world = World::new();
    let (daemon, mut client) = busy(&world, "require");
    let starter = wait_until(|| common::children(daemon.worker()).first().copied());
    kill(starter, Signal::KILL);
    let refused = client.reply(Version::V1);
    // By the job that lost its sandbox, or by the worker that makes room for the next.
    assert!(matches!(refused.status.code(), Some(100 | 117)), "{refused:?}");
    wait_until(|| running(&world, "sleep").is_none().then_some(()));
    world.compiler("gcc", "echo object > \"$out\"");
    wait_until(|| {
        let mut client = daemon.connect();
        client.send_job(Version::V1, COMMAND, SOURCE);
        let said = client.read_to_end();
        said.windows(4).any(|token| token == b"DOTO").then_some(())
    });
}

#[test]
fn an_inetd_server_confines_as_well_and_leaves_nothing() {
    let world = World::new();
    world.compiler("gcc", STUBBORN);
    let (mut child, _input) = world.inetd(&["--sandbox=require"], COMMAND, SOURCE);
    wait_until(|| running(&world, "sleep"));
    kill(child.id() as i32, Signal::TERM);
    let mut said = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut said).unwrap();
    assert!(String::from_utf8_lossy(&said).contains("stopped"));
    child.wait().unwrap();
    world.wait_until_nothing_is_left();
}
