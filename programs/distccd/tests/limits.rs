//! What the server has too little of, it tells, and it goes on.

mod common;

use common::{Client, World, check_refused, is_root, wait_until};
use wire::Version;

const COMMAND: &str = "gcc -c a.c -o a.o";
const SOURCE: &str = "int x;\n";

#[test]
fn a_compiler_that_would_find_no_memory_waits_and_one_always_runs() {
    let world = World::new();
    let mut blocking = world.blocking_compiler("gcc", "");
    // More than any machine has.
    let daemon = world.daemon(&["--jobs", "4", "--job-memory", "1000000000"]);
    let mut clients: Vec<Client> = (0..3).map(|_| daemon.connect()).collect();
    for client in &mut clients {
        client.send_job(Version::V1, COMMAND, SOURCE);
    }
    for _ in 0..clients.len() {
        blocking.wait_for_start();
        // Several looks for memory long.
        std::thread::sleep(std::time::Duration::from_millis(700));
        assert!(!blocking.has_started(), "two at once");
        blocking.release_one();
    }
    for client in &mut clients {
        assert!(client.reply(Version::V1).status.is_success());
    }
}

#[test]
fn a_client_that_waits_for_memory_may_go() {
    let world = World::new();
    let mut blocking = world.blocking_compiler("gcc", "");
    let daemon = world.daemon(&["--jobs", "4", "--job-memory", "1000000000"]);
    let mut first = daemon.connect();
    first.send_job(Version::V1, COMMAND, SOURCE);
    blocking.wait_for_start();
    let mut second = daemon.connect();
    second.send_job(Version::V1, COMMAND, SOURCE);
    drop(second);
    daemon.wait_for_log("CLI_DISCONN");
    blocking.release_one();
    assert!(first.reply(Version::V1).status.is_success());
}

#[test]
fn memory_that_is_there_stops_nobody() {
    let world = World::new();
    let mut blocking = world.blocking_compiler("gcc", "");
    let daemon = world.daemon(&["--jobs", "2", "--job-memory", "0"]);
    let mut clients: Vec<Client> = (0..2).map(|_| daemon.connect()).collect();
    for client in &mut clients {
        client.send_job(Version::V1, COMMAND, SOURCE);
    }
    blocking.wait_for_start();
    blocking.wait_for_start();
    blocking.release_one();
    blocking.release_one();
    for client in &mut clients {
        assert!(client.reply(Version::V1).status.is_success());
    }
}

#[test]
fn a_disk_that_is_nearly_full_is_told_before_the_source_has_travelled() {
    if !is_root() {
        // Only root can mount a small disk here.
        return;
    }
    let world = World::new();
    world.compiler("gcc", "touch \"$OUT/ran\"; echo object > \"$out\"");
    for options in ["size=8m,mode=1777", "size=64m,nr_inodes=40,mode=1777"] {
        let temporary = world.path().join("tmp");
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "small"])
            .arg(&temporary)
            .status();
        assert!(mount.unwrap().success());
        {
            let daemon = world.daemon(&[]);
            let mut client = daemon.connect();
            client.send_head(Version::V2, COMMAND);
            let reply = client.reply(Version::V2);
            check_refused(&reply, 107, &["No space left on device", "TMPDIR"]);
        }
        world.wait_until_nothing_is_left();
        let gone = || {
            let status = std::process::Command::new("umount").arg(&temporary).status();
            status.is_ok_and(|status| status.success()).then_some(())
        };
        wait_until(gone);
    }
    assert!(!world.out("ran").exists());
}

#[test]
fn an_object_that_nobody_would_take_is_not_read() {
    let world = World::new();
    world.compiler("gcc", "truncate --size 600M \"$out\"");
    let daemon = world.daemon(&[]);
    let reply = daemon.compile(COMMAND, SOURCE);
    check_refused(&reply, 100, &["too large"]);
}
