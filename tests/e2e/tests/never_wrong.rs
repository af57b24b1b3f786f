//! An object that the compiler of this machine would not have made is not accepted.

mod common;

use common::{World, finish};
use support::{Kind, ServerOptions, impostor};

/// `e_machine` of an ELF object.
fn machine(object: &[u8]) -> u16 {
    u16::from_le_bytes([object[18], object[19]])
}

const AARCH64: u16 = 183;
const X86_64: u16 = 62;

/// A server whose `name` is really `program`, and does not say so.
fn with_impostor(world: &World, name: &str, program: &str) -> support::Server {
    let compilers = world.folder("compilers");
    let like = format!("/usr/bin/{name}");
    impostor(&compilers.join(name), &like, &format!("exec {program} \"$@\""));
    let mut options = ServerOptions::new(Kind::Ours);
    options.path = Some(format!("{}:/usr/bin:/bin", compilers.display()));
    options.compilers = vec![name.to_owned()];
    world.server("impostor", &options)
}

#[test]
fn an_object_for_another_machine_is_refused_and_compiled_here() {
    let world = World::new();
    let server = with_impostor(&world, "aarch64-linux-gnu-gcc", "/usr/bin/gcc");
    world.write("a.c", "int answer(void) { return 42; }\n");
    let ran = world.distcc(&server.host(""), &["aarch64-linux-gnu-gcc", "-c", "a.c"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(machine(&world.read("a.o")), AARCH64);
    assert!(
        ran.stderr.contains("its object is ELF 64-bit little-endian machine 62=x86-64"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("hint: give distccd on 127.0.0.1 a PATH"), "{}", ran.stderr);
    server.wait_for_compiled(1);
}

#[test]
fn the_original_client_accepts_an_object_for_another_machine() {
    // What the test above is worth: the same world, and 3.4 takes the wrong object.
    let world = World::new();
    let server = with_impostor(&world, "aarch64-linux-gnu-gcc", "/usr/bin/gcc");
    world.write("a.c", "int answer(void) { return 42; }\n");
    let words = ["aarch64-linux-gnu-gcc", "-c", "a.c"];
    let ran = world.run("/usr/bin/distcc", &server.host(""), &words);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(machine(&world.read("a.o")), X86_64);
}

#[test]
fn an_object_of_another_compiler_version_is_refused_and_compiled_here() {
    let world = World::new();
    let server = with_impostor(&world, "gcc", "/usr/bin/clang");
    world.write("a.c", "int answer(void) { return 42; }\n");
    let ran = world.distcc(&server.host(""), &["gcc", "-O2", "-c", "a.c"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("its compiler is clang"), "{}", ran.stderr);
    world.check_object("gcc", &["-O2", "-c", "a.c"], "a.o");
}

#[test]
fn an_object_for_the_right_machine_is_accepted() {
    let world = World::new();
    let server = with_impostor(&world, "aarch64-linux-gnu-gcc", "/usr/bin/aarch64-linux-gnu-gcc");
    world.write("a.c", "int answer(void) { return 42; }\n");
    let words = ["aarch64-linux-gnu-gcc", "-O2", "-c", "a.c"];
    let ran = world.distcc(&server.host(",lzo"), &words);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    server.wait_for_compiled(1);
    world.check_object("aarch64-linux-gnu-gcc", &words[1..], "a.o");
}

#[test]
fn warnings_are_those_of_the_source() {
    // Preprocessing takes away the comment and the macro for whose sake the compiler is silent.
    let world = World::new();
    let server = world.server("server", &ServerOptions::new(Kind::Ours));
    let quiet = "int g(int);\n\
        int f(int n) { switch (n) { case 1: g(1); /* fall through */ case 2: g(2); } return n; }\n\
        #define SAME(x) ((x) == (x))\n\
        int h(int a) { return SAME(a); }\n";
    let loud = "int f(int n)\n{\n  int unused;\n  return n;\n}\n";
    for (source, is_loud) in [(quiet, false), (loud, true)] {
        world.write("a.c", source);
        let words = ["gcc", "-Wall", "-Wextra", "-fno-diagnostics-show-caret", "-c", "a.c"];
        let here = finish(world.command("gcc").args(&words[1..]));
        let there = world.distcc(&server.host(""), &words);
        assert_eq!((there.code, there.stderr.as_str()), (here.code, here.stderr.as_str()));
        assert_eq!(here.stderr.contains("unused"), is_loud);
        world.check_object("gcc", &words[1..], "a.o");
    }
    // Both were compiled there; the answer about the first was doubted.
    server.wait_for_compiled(2);
}
