//! Hosts that are given by name: who looks the name up, what is remembered of it, and what becomes
//! of a name that moves to another address.

mod common;

use std::path::{Path, PathBuf};
use std::time::Instant;

use common::{Ran, World, finish, on};
use netns::{Host, Lab};
use support::{Kind, ServerOptions, program, script};

/// Who looks up names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// The client itself.
    Client,
    /// The agent beside a client that cannot, as one that is linked statically.
    Agent,
    /// `getent`, for such a client without an agent beside it.
    Getent,
}

const ALL: [By; 3] = [By::Client, By::Agent, By::Getent];

/// A client in a folder of its own, with what is beside it.
fn client(world: &World, by: By) -> PathBuf {
    if by == By::Client {
        return program("distcc");
    }
    let folder = world.folder(&format!("bin-{by:?}"));
    let client = folder.join("distcc");
    std::fs::copy(env!("CARGO_BIN_EXE_distcc-without-resolver"), &client).unwrap();
    if by == By::Agent {
        std::os::unix::fs::symlink(program("distcc-agent"), folder.join("distcc-agent")).unwrap();
    }
    client
}

/// Compiles `a.c` at `hosts` alone, on a host of a lab.
fn compile(world: &World, at: &Host, client: &Path, hosts: &str) -> Ran {
    world.write("a.c", "int answer(void) { return 42; }\n");
    let mut command = world.command_on(at, client);
    command
        .env("DISTCC_HOSTS", hosts)
        .env("DISTCC_FALLBACK", "0")
        .env("DISTCC_BACKOFF_PERIOD", "0")
        .env("DISTCC_AGENT", "0");
    finish(command.args(["gcc", "-c", "a.c"]))
}

#[track_caller]
fn is_compiled(world: &World, ran: &Ran) {
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    world.check_object("gcc", &["-c", "a.c"], "a.o");
    world.remove("a.o");
}

#[track_caller]
fn says(ran: &Ran, text: &str) {
    assert!(ran.code != 0 && ran.stderr.contains(text), "`{text}` is not in:\n{}", ran.stderr);
}

/// How to start a server on a host, at the port that a name alone means.
fn on_usual_port(host: &Host) -> ServerOptions {
    ServerOptions { port: Some(3632), ..on(host, Kind::Ours) }
}

/// Has `client` know one name, `farm`, by the address of `host`.
fn farm_is(client: &Host, host: &Host) {
    client.put_etc("hosts", &format!("127.0.0.1 localhost\n{} farm\n", host.ip()));
}

#[test]
fn a_name_is_looked_up_once_and_followed_to_another_address() {
    for by in ALL {
        let (world, lab) = (World::new(), Lab::new(&["client", "red", "blue"]));
        let (here, red, blue) = (lab.host("client"), lab.host("red"), lab.host("blue"));
        here.put_etc("nsswitch.conf", "hosts: files\n");
        let client = client(&world, by);
        let server = world.server("red", &on_usual_port(red));
        farm_is(here, red);
        is_compiled(&world, &compile(&world, here, &client, "farm"));

        // Nobody knows the name any more, and it is remembered.
        here.put_etc("hosts", "127.0.0.1 localhost\n");
        is_compiled(&world, &compile(&world, here, &client, "farm"));

        // Nobody listens at the address that is remembered.
        drop(server);
        farm_is(here, blue);
        let server = world.server("blue", &on_usual_port(blue));
        is_compiled(&world, &compile(&world, here, &client, "farm"));

        // Nobody answers there, and the time has to do for both.
        let _red = world.server("red-again", &on_usual_port(red));
        blue.cut_cable();
        farm_is(here, red);
        is_compiled(&world, &compile(&world, here, &client, "farm"));
        drop(server);
    }
}

#[test]
fn a_remembered_address_that_fails_is_forgotten_with_a_name_that_is_gone() {
    let (world, lab) = (World::new(), Lab::new(&["client", "red"]));
    let (here, red) = (lab.host("client"), lab.host("red"));
    here.put_etc("nsswitch.conf", "hosts: files\n");
    let client = program("distcc");
    let server = world.server("red", &on_usual_port(red));
    farm_is(here, red);
    is_compiled(&world, &compile(&world, here, &client, "farm"));
    drop(server);
    here.put_etc("hosts", "127.0.0.1 localhost\n");
    for _ in 0..2 {
        says(&compile(&world, here, &client, "farm"), "its name could not be resolved: ");
    }
}

#[test]
fn a_name_that_nobody_knows_is_told_in_the_resolvers_words() {
    for (by, why) in [
        (By::Client, "Name or service not known"),
        (By::Agent, "Name or service not known"),
        (By::Getent, "getent finds no address for it"),
    ] {
        let (world, lab) = (World::new(), Lab::new(&["client"]));
        lab.host("client").put_etc("nsswitch.conf", "hosts: files\n");
        let ran = compile(&world, lab.host("client"), &client(&world, by), "farm");
        says(&ran, &format!("to farm:3632: its name could not be resolved: {why}"));
    }
}

#[test]
fn a_name_server_that_is_mute_costs_four_seconds_and_leaves_nobody_waiting() {
    for by in ALL {
        let (world, lab) = (World::new(), Lab::new(&["client", "red"]));
        let (here, red) = (lab.host("client"), lab.host("red"));
        red.drop_port(53);
        here.put_etc("nsswitch.conf", "hosts: files dns\n");
        here.put_etc("resolv.conf", &format!("nameserver {}\n", red.ip()));
        let start = Instant::now();
        let ran = compile(&world, here, &client(&world, by), "farm.example");
        says(&ran, "to farm.example:3632: its name was not resolved within 4 s");
        assert!(start.elapsed().as_secs() >= 4);
        assert!(here.processes().is_empty());
    }
}

#[test]
fn what_the_program_beside_answers_is_checked() {
    let (world, lab) = (World::new(), Lab::new(&["client"]));
    let client = client(&world, By::Getent);
    for (answer, why) in [
        ("echo 127.0.0.1; echo red", "distcc-agent answered nonsense"),
        ("exec yes 127.0.0.1", "the answer of the program that looks up names has no end"),
        ("exit 0", "the name has no address"),
        ("echo 'no such host' >&2; exit 1", "no such host"),
        // It is of no use, so `getent` is asked.
        ("exit 2", "getent finds no address for it"),
        ("kill -9 $$", "getent finds no address for it"),
    ] {
        script(&client.with_file_name("distcc-agent"), answer);
        let ran = compile(&world, lab.host("client"), &client, "farm");
        says(&ran, &format!("to farm:3632: its name could not be resolved: {why}"));
    }
}
