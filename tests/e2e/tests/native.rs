//! `-march=native` and the like: a server of another processor would make the same object, because
//! it is told in words what the compiler of this machine takes for its own.

mod common;

use common::World;
use support::{Kind, Recorder, SYSTEM_PATH, ServerOptions, script};

const SOURCE: &str = "float sum(const float *x, int n)\n{\n    float s = 0;\n    for (int i = 0; i < n; \
                      i++)\n        s += x[i] * 3;\n    return s;\n}\n";

/// Compiles on a server of that kind, and looks at what its compiler was told.
#[track_caller]
fn check(kind: Kind, compiler: &str) {
    let world = World::new();
    world.write("a.c", SOURCE);
    let recorder = Recorder::new(&world.folder("compilers"), &[compiler, "x86_64-linux-gnu-gcc"]);
    let mut options = ServerOptions::new(kind);
    options.path = Some(recorder.search_path());
    options.compilers.push("clang".to_owned());
    let server = world.server("server", &options);
    for option in ["-march=native", "-mtune=native"] {
        let words = [compiler, "-O3", "-ffast-math", option, "-c", "a.c"];
        let ran = world.distcc(&server.host(""), &words);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        world.check_object(compiler, &words[1..], "a.o");
    }
    server.wait_for_compiled(2);
    let compiles = recorder.compiles();
    assert_eq!(compiles.len(), 2, "{compiles:?}");
    for compile in compiles {
        assert!(!compile.contains("native"), "{compile}");
        assert!(compile.contains("-mtune=") || compile.contains("-march="), "{compile}");
    }
}

#[test]
fn gcc_for_our_server() {
    check(Kind::Ours, "gcc");
}

#[test]
fn gcc_for_the_original_server() {
    check(Kind::Original, "gcc");
}

#[test]
fn clang_for_our_server() {
    check(Kind::Ours, "clang");
}

#[test]
fn clang_for_the_original_server() {
    check(Kind::Original, "clang");
}

#[test]
fn the_compiler_is_asked_once() {
    let world = World::new();
    world.write("a.c", SOURCE);
    let server = world.server("server", &ServerOptions::new(Kind::Ours));
    let here = Recorder::new(&world.folder("here"), &["gcc"]);
    let questions = || {
        let mut commands = here.commands();
        commands.retain(|command| command.contains(" -### "));
        commands.len()
    };
    let compile = |option: &str| {
        let mut command = world.command(support::program("distcc"));
        command.env("DISTCC_HOSTS", server.host("")).env("PATH", here.search_path());
        let ran = common::finish(command.args(["gcc", option, "-march=native", "-c", "a.c"]));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    };
    compile("-O2");
    assert_eq!(questions(), 3);
    compile("-O3");
    assert_eq!(questions(), 3);
    // Another answer may be due with other options about the machine.
    compile("-mfpmath=sse");
    assert_eq!(questions(), 6);
    server.wait_for_compiled(3);
}

#[test]
fn a_compiler_that_cannot_say_what_it_means_keeps_the_job() {
    for answer in [
        "echo nonsense >&2; echo ' cc1 \"open' >&2",
        "true",
        "kill -9 $$",
        "exec gcc -O2 -c a.c -o answered.o",
        "echo ' /usr/lib/cc1 -march=native -o -' >&2",
        "echo ' /usr/lib/cc1 -march=\"x;id\" -fplugin=x -o -' >&2",
    ] {
        let world = World::new();
        world.write("a.c", SOURCE);
        let text = format!(
            "PATH={SYSTEM_PATH}\ncase \" $* \" in *' -### '*) {answer};; *) exec gcc \"$@\";; esac"
        );
        script(&world.folder("here").join("odd-gcc"), &text);
        let compiler = world.folder("here").join("odd-gcc").display().to_string();
        let mut command = world.command(support::program("distcc"));
        command.env("DISTCC_HOSTS", "127.0.0.1:1").env("DISTCC_VERBOSE", "1");
        let ran = common::finish(command.args([&compiler, "-O2", "-march=native", "-c", "a.c"]));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let text = "running it here: `-march=native` means the processor of whichever machine runs \
                    the compiler, which did not say what that is [native-tuning]";
        assert!(ran.stderr.contains(text), "{answer}: {}", ran.stderr);
        world.check_object("gcc", &["-O2", "-march=native", "-c", "a.c"], "a.o");
    }
}
