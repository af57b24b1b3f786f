//! `distcc --scan-includes`.

mod common;

use common::{World, finish};
use support::program;

/// Lists what is sent for a command, by an agent that soon ends.
fn scan(world: &World, hosts: &str, words: &[&str]) -> common::Ran {
    let mut command = world.command(program("distcc"));
    command.env("DISTCC_HOSTS", hosts).env("DISTCC_AGENT_IDLE", "1");
    finish(command.arg("--scan-includes").args(words))
}

#[test]
fn what_is_sent_is_listed() {
    let world = World::new();
    let work = world.folder("work");
    world.write("a.c", "#include <stdio.h>\n#include <x.h>\n");
    let _ = world.folder("work/inc");
    let _ = world.folder("work/empty");
    world.write("inc/x.h", "int x;\n");
    std::os::unix::fs::symlink("inc", work.join("link")).unwrap();
    let ran = scan(&world, "127.0.0.1:1", &["gcc", "-Ilink", "-Iempty", "-c", "a.c"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let work = work.canonicalize().unwrap();
    for line in ["FILE      @/a.c", "FILE      @/inc/x.h", "SYMLINK   @/link", "DIRECTORY @/empty"]
    {
        let line = line.replace('@', &work.display().to_string());
        assert!(ran.stdout.lines().any(|found| found == line), "{line} is not in {}", ran.stdout);
    }
    // With our client, the compiler's own headers travel as well.
    assert!(ran.stdout.contains("FILE      /usr/include/stdio.h\n"), "{}", ran.stdout);
}

#[test]
fn what_cannot_be_told_is_a_failure() {
    let world = World::new();
    world.write("a.c", "const char *f = __DATE__;\n");
    for (hosts, words, code, part) in [
        ("127.0.0.1:1", &["gcc", "-c", "missing.c"][..], 1, "missing.c"),
        ("127.0.0.1:1", &["gcc", "-c", "a.c"], 1, "tells-time"),
        ("127.0.0.1:1", &["gcc", "-E", "a.c"], 100, "-E"),
        ("127.0.0.1:1,lzo", &["gcc", "-c", "a.c"], 100, "host"),
        ("localhost", &["gcc", "-c", "a.c"], 100, "host"),
    ] {
        let ran = scan(&world, hosts, words);
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{words:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(part), "{part} is not in {}", ran.stderr);
    }
}
