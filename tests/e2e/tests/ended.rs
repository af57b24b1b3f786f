//! A client that is ended leaves nothing at work.

mod common;

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use common::World;
use support::program;

/// A compiler that ends the client as its first act where it is given a certain word, and is GCC
/// else. A script starts too slowly: the client has the time then.
const HASTY: &str = r#"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    const char *word = getenv("HASTY_WITH");
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], word)) {
            kill(getppid(), SIGTERM);
            for (;;)
                pause();
        }
    execv("/usr/bin/gcc", argv);
    return 1;
}
"#;

/// Compilers may be at work before the client has heard of that: on one processor it often is so.
#[test]
fn a_compiler_that_has_just_begun_ends_with_its_client() {
    let world = World::new();
    world.write("a.c", "int x;\n");
    world.write("hasty.c", HASTY);
    let hasty = world.folder("hasty");
    let mut build = Command::new("gcc");
    build.args(["-static", "-o"]).arg(hasty.join("gcc")).arg("hasty.c");
    assert!(build.current_dir(world.folder("work")).status().unwrap().success());
    let state = world.state();
    let cpus = rustix::thread::sched_getaffinity(None).unwrap();
    let cpu = (0..rustix::thread::CpuSet::MAX_CPU).find(|cpu| cpus.is_set(*cpu)).unwrap();
    // The probe by which the client learns what the compiler makes, and the compile itself.
    for word in ["/dev/null", "a.c"] {
        for _ in 0..100 {
            let mut command = world.command("/usr/bin/taskset");
            command
                .args(["--cpu-list", &cpu.to_string()])
                .arg(program("distcc"))
                .args(["gcc", "-c", "a.c"])
                .env("DISTCC_HOSTS", "localhost")
                .env("HASTY_WITH", word)
                .env("PATH", format!("{}:/usr/bin:/bin", hasty.display()));
            let status = command.status().unwrap();
            assert_eq!(status.signal(), Some(15), "{word}: {status}");
            support::wait_until("the compiler ends", || {
                support::processes_using(&state).is_empty()
            });
        }
    }
}
