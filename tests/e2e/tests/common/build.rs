//! Builds by make that a monitor can watch.

use std::process::{Child, Stdio};

use support::{Kind, Server, ServerOptions, program};

use super::World;
use super::held::Held;

/// Starts make with 16 jobs, of a program of `n_files`, on `hosts`. Its compilers are those of
/// `held`, where there is one.
pub(crate) fn start_build(
    world: &World,
    hosts: &str,
    n_files: usize,
    held: Option<&Held>,
) -> Child {
    let names: Vec<String> = (0..n_files).map(|n| format!("unit{n}")).collect();
    for name in &names {
        world.write(&format!("{name}.c"), &format!("int {name}(void) {{ return 1; }}\n"));
    }
    world.write("stays.c", "int main(void) { return 0; }\n");
    let objects = names.iter().map(|name| format!("{name}.o ")).collect::<String>();
    let rules = format!(
        "program: {objects} stays.o\n\t$(CC) -o $@ $^\n\
         stays.o: CFLAGS = -fprofile-use\n"
    );
    world.write("Makefile", &rules);
    let mut command = world.command("setsid");
    command.args(["--wait", "make", "--jobs=16", "--silent"]);
    command.arg(format!("CC={} gcc", program("distcc").display()));
    command.env("DISTCC_HOSTS", hosts).env("DISTCC_PAUSE_TIME_MSEC", "20");
    command.env("DISTCC_BACKOFF_PERIOD", "0");
    if let Some(held) = held {
        command.env("PATH", held.path());
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Two servers whose compilers wait for a word, and a list with them.
pub(crate) fn held_servers(world: &World, held: &Held) -> ([Server; 2], String) {
    let servers = [held.server(world, "one", Kind::Ours), held.server(world, "two", Kind::Ours)];
    let hosts = format!("{} {}", servers[0].host("/2,plain"), servers[1].host("/3,plain"));
    (servers, hosts)
}

/// A build of several outcomes that has ended: at two servers, here, and at a host that is none.
pub(crate) fn ended_build(world: &World) -> String {
    let options = ServerOptions::new(Kind::Ours);
    let servers = [world.server("one", &options), world.server("two", &options)];
    let dead = "127.0.0.1:1";
    let hosts = format!("{dead} {} {}", servers[0].host("/2,plain"), servers[1].host("/2"));
    assert!(start_build(world, &hosts, 12, None).wait().unwrap().success());
    hosts
}
