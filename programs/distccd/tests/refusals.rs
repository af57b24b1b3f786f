//! What a server does not do, it says: to the client, in the version of the request, and before
//! the source has travelled where that is possible.

mod common;

use common::{Client, World, check_refused, head, request, wait_until};
use wire::Version;

/// A world with a compiler that must not run.
fn world_with_forbidden_compiler() -> World {
    let world = World::new();
    world.compiler("gcc", "touch \"$OUT/ran\"; echo object > \"$out\"");
    world
}

#[test]
fn a_stranger_is_told_that_and_how_to_be_let_in() {
    let world = world_with_forbidden_compiler();
    let daemon = world.daemon(&["--allow", "192.0.2.0/24"]);
    for version in [Version::V1, Version::V2] {
        let reply = daemon.compile_in(version, "gcc -c a.c -o a.o", "int x;\n");
        check_refused(&reply, 113, &["127.0.0.1", "hint: ", "--allow 127.0.0.1"]);
    }
    assert!(!world.out("ran").exists());
    daemon.wait_for_log("127.0.0.1");
}

#[test]
fn a_stranger_that_says_nothing_is_answered_in_version_1() {
    let world = world_with_forbidden_compiler();
    let daemon = world.daemon(&["--allow", "192.0.2.0/24"]);
    check_refused(&daemon.connect().reply(Version::V1), 113, &["127.0.0.1"]);
}

#[test]
fn a_compiler_that_is_not_listed_does_not_run() {
    let world = world_with_forbidden_compiler();
    std::fs::remove_file(world.path().join("list/gcc")).unwrap();
    world.allow("clang");
    let daemon = world.daemon(&[]);
    for version in [Version::V1, Version::V2] {
        let reply = daemon.compile_in(version, "gcc -c a.c -o a.o", "int x;\n");
        check_refused(&reply, 110, &["`gcc`", "hint: ", "ln -s"]);
    }
    assert!(!world.out("ran").exists());
}

#[test]
fn the_answer_comes_before_the_source_has_travelled() {
    let world = World::new();
    world.allow("clang");
    let daemon = world.daemon(&[]);
    let mut client = daemon.connect();
    client.send_head(Version::V2, "gcc -c a.c -o a.o");
    check_refused(&client.reply(Version::V2), 110, &["`gcc`"]);
}

#[test]
fn a_compiler_may_not_be_named_by_folder_or_by_nothing() {
    let world = world_with_forbidden_compiler();
    let daemon = world.daemon(&[]);
    let elsewhere = format!("{}/bin/gcc", world.path().display());
    for name in ["", ".", "..", "./gcc", "/usr/local/bin/gcc", "/USR/BIN/gcc", &elsewhere] {
        let reply = daemon.compile(&format!("{name} -c a.c -o a.o"), "int x;\n");
        check_refused(&reply, 110, &["hint: "]);
    }
    assert!(!world.out("ran").exists());
}

#[test]
fn a_listed_compiler_that_is_not_installed_is_said_to_be_that() {
    let world = World::new();
    world.allow("nosuch-gcc");
    let daemon = world.daemon(&[]);
    let reply = daemon.compile("nosuch-gcc -c a.c -o a.o", "int x;\n");
    check_refused(&reply, 110, &["`nosuch-gcc`", "not installed", "hint: "]);
}

#[test]
fn options_that_run_or_read_or_write_something_else_are_refused() {
    let world = world_with_forbidden_compiler();
    let daemon = world.daemon(&["--make-me-a-botnet"]);
    for option in [
        "-wrapper sh,-c,id",
        "-fplugin=x.so",
        "-specs=x",
        "--specs=x",
        "@file",
        "-Bdir/",
        "-aux-info x",
    ] {
        let command = format!("gcc {option} -c a.c -o a.o");
        let mut client = daemon.connect();
        client.send_head(Version::V1, &command);
        let word = option.split(' ').next().unwrap();
        check_refused(&client.reply(Version::V1), 101, &[word]);
    }
    assert!(!world.out("ran").exists());
}

#[test]
fn what_is_not_the_protocol_is_answered_with_the_reason() {
    let world = world_with_forbidden_compiler();
    let daemon = world.daemon(&[]);
    for (bytes, part) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "`GET `"),
        (b"DIST00000000", "version 0"),
        (b"DIST00000004", "version 4"),
        (b"DIST00000fa0", "version 4000"),
        (b"DIST0x000001", "0x000001"),
        (b"DIST00000001ARGC00000000", "without a word"),
        (b"DIST00000001ARGC7fffffff", "limit"),
        (b"DIST00000001ARGC00000001ARGV40000000", "limit"),
    ] {
        let mut client = daemon.connect();
        client.send(bytes);
        check_refused(&client.reply(Version::V1), 109, &[part]);
    }
    let reply = daemon.compile("gcc -c a.c -o a.o", "int x;\n");
    assert!(reply.status.is_success(), "the server went on");
}

#[test]
fn a_source_that_unpacks_to_too_much_is_refused() {
    let world = world_with_forbidden_compiler();
    let daemon = world.daemon(&[]);
    let mut bytes = head(Version::V2, "gcc -c a.c -o a.o");
    let packed = wire::lzo::compress(&vec![b' '; 600 << 20]);
    bytes.extend(format!("DOTI{:08x}", packed.len()).bytes());
    bytes.extend(packed);
    let mut client = daemon.connect();
    client.send(&bytes);
    check_refused(&client.reply(Version::V2), 109, &["unpacks to more"]);
    assert!(!world.out("ran").exists());
}

#[test]
fn a_source_that_is_no_lzo_is_refused() {
    let world = world_with_forbidden_compiler();
    let daemon = world.daemon(&[]);
    let mut client = daemon.connect();
    client.send(&head(Version::V2, "gcc -c a.c -o a.o"));
    client.send(b"DOTI00000008garbage!");
    check_refused(&client.reply(Version::V2), 109, &["corrupt"]);
    assert!(!world.out("ran").exists());
}

#[test]
fn a_request_that_ends_too_early_stops_nobody_else() {
    let world = world_with_forbidden_compiler();
    let daemon = world.daemon(&["--jobs", "1"]);
    let bytes = request(Version::V1, "gcc -c a.c -o a.o", "int x;\n");
    for n_bytes in [0, 1, 12, 40, bytes.len() - 1] {
        let mut client = daemon.connect();
        client.send(&bytes[..n_bytes]);
        client.close_sending();
        client.read_to_end();
    }
    assert!(!world.out("ran").exists());
    assert!(daemon.compile("gcc -c a.c -o a.o", "int x;\n").status.is_success());
}

#[test]
fn a_client_that_falls_silent_is_given_up() {
    let world = world_with_forbidden_compiler();
    let daemon = world.daemon_with(&["--jobs", "1"], &[("DISTCC_IO_TIMEOUT", "1")]);
    let mut client = daemon.connect();
    client.send(b"DIST00000002ARGC");
    check_refused(&client.reply(Version::V2), 118, &[]);
}

#[test]
fn silent_clients_do_not_keep_others_from_compiling() {
    let world = world_with_forbidden_compiler();
    let daemon = world.daemon(&["--jobs", "1"]);
    let silent: Vec<Client> = (0..8).map(|_| daemon.connect()).collect();
    assert!(daemon.compile("gcc -c a.c -o a.o", "int x;\n").status.is_success());
    drop(silent);
}

#[test]
fn a_full_queue_is_said_to_be_full() {
    let world = World::new();
    let mut blocking = world.blocking_compiler("gcc", "");
    let daemon = world.daemon(&["--jobs", "1"]);
    let mut running = daemon.connect();
    running.send_job(Version::V1, "gcc -c a.c -o a.o", "int x;\n");
    blocking.wait_for_start();
    let mut waiting = Vec::new();
    let refused = wait_until(|| {
        assert!(waiting.len() < 1000, "the queue has no end");
        let mut client = daemon.connect();
        client.send_job(Version::V1, "gcc -c a.c -o a.o", "int x;\n");
        waiting.push(client);
        waiting.iter().position(|client| {
            client.stream.set_nonblocking(true).unwrap();
            let has_answer = client.stream.peek(&mut [0]).is_ok();
            client.stream.set_nonblocking(false).unwrap();
            has_answer
        })
    });
    let mut refused = waiting.remove(refused);
    check_refused(&refused.reply(Version::V1), 114, &["hint: "]);
    assert!(!blocking.has_started());
    drop(waiting);
    blocking.release_one();
    assert!(running.reply(Version::V1).status.is_success());
}
