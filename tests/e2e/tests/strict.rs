//! `DISTCC_STRICT=1`: a compile that stays fails with its reason; what is no compile runs.

mod common;

use common::{Ran, World, finish};
use support::{Kind, ServerOptions, program};

const SOURCE: &str = "int main(void) { return 0; }\n";
const DEAD: &str = "127.0.0.1:1";

fn strict(world: &World, hosts: &str, words: &[&str]) -> Ran {
    let mut command = world.command(program("distcc"));
    finish(command.env("DISTCC_HOSTS", hosts).env("DISTCC_STRICT", "1").args(words))
}

fn world() -> World {
    let world = World::new();
    world.write("a.c", SOURCE);
    world.write("conftest.c", SOURCE);
    world.write("wrong.c", "#include \"missing.h\"\n");
    world
}

#[track_caller]
fn fails(hosts: &str, words: &[&str], code: i32, texts: &[&str]) {
    let world = world();
    let ran = strict(&world, hosts, words);
    assert_eq!(ran.code, code, "{}", ran.stderr);
    for text in texts {
        assert!(ran.stderr.contains(text), "`{text}` is not in:\n{}", ran.stderr);
    }
    assert!(!world.has("a.o"));
}

#[test]
fn a_compile_that_stays_fails_with_its_reason() {
    fails(
        DEAD,
        &["gcc", "-march=native+x", "-c", "a.c"],
        100,
        &[
            "ERROR: `-march=native+x` means the processor",
            "[native-tuning], and DISTCC_STRICT=1 forbids to run it here",
            "hint: name the processor instead",
        ],
    );
    fails(DEAD, &["gcc", "-S", "a.c"], 100, &["[assembler-output]"]);
}

#[test]
fn a_compile_that_no_host_does_fails() {
    let forbids = "DISTCC_STRICT=1 forbids to run it here";
    fails(DEAD, &["gcc", "-c", "a.c"], 103, &["[connection-refused]", forbids]);
    fails("", &["gcc", "-c", "a.c"], 116, &["the host list is empty", forbids]);
    fails("red/0", &["gcc", "-c", "a.c"], 106, &["`0` is no limit of jobs"]);
}

#[test]
fn a_source_that_has_to_stay_fails() {
    let world = world();
    let server = world.server("server", &ServerOptions::new(Kind::Ours));
    world.write("b.c", "__asm__(\".incbin \\\"/etc/hostname\\\"\");\n");
    let ran = strict(&world, &server.host(""), &["gcc", "-c", "b.c"]);
    assert_eq!(ran.code, 100, "{}", ran.stderr);
    assert!(ran.stderr.contains("[assembler-reads-files]"), "{}", ran.stderr);
    assert!(!world.has("b.o"));
}

#[test]
fn what_the_server_says_is_not_doubted() {
    let world = world();
    let server = world.server("server", &ServerOptions::new(Kind::Ours));
    world.write("b.c", "int b(void) { int unused; return 1; }\n");
    let words = ["gcc", "-Wall", "-Werror", "-c", "b.c"];
    let ran = strict(&world, &server.host(""), &words);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("[-Werror=unused-variable]"), "{}", ran.stderr);
    let ledger = std::fs::read_to_string(world.state().join("ledger")).unwrap();
    assert!(ledger.contains(" source-errors 1 b.c "), "{ledger}");
}

#[test]
fn what_is_no_compile_runs() {
    let world = world();
    for words in [
        &["gcc", "-E", "a.c", "-o", "a.i"][..],
        &["gcc", "-M", "a.c"],
        &["gcc", "-c", "conftest.c"],
        &["gcc", "--version"],
        &["gcc", "conftest.o", "-o", "program"],
    ] {
        let ran = strict(&world, DEAD, words);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{words:?}");
    }
    // `localhost` in the list is a wish.
    let ran = strict(&world, "localhost", &["gcc", "-c", "a.c"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(world.has("a.o") && world.has("program"));
}

#[test]
fn a_source_with_errors_fails_with_its_own_messages() {
    let world = world();
    let server = world.server("server", &ServerOptions::new(Kind::Ours));
    let ran = strict(&world, &server.host(""), &["gcc", "-c", "wrong.c"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("missing.h: No such file"), "{}", ran.stderr);
    let ran = strict(&world, &server.host(""), &["gcc", "-c", "a.c"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    server.wait_for_compiled(1);
}
