//! The name by which servers are asked for the compiler.

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use common::{Ran, World, finish};
use support::{Kind, Recorder, SYSTEM_PATH, Server, ServerOptions, program, script};

const SOURCE: &str = "int answer(void) { return 42; }\n";
const PLAIN: &str = "gcc";
const QUALIFIED: &str = "x86_64-linux-gnu-gcc";

/// A server that runs `listed` and no other compiler, and what it ran.
fn server(world: &World, kind: Kind, listed: &[&str]) -> (Server, Recorder) {
    let name = format!("{kind:?}-{}", listed.join("-"));
    let there = Recorder::new(&world.folder(&format!("there-{name}")), &[PLAIN, QUALIFIED]);
    let mut options = ServerOptions::new(kind);
    options.path = Some(there.search_path());
    options.compilers = listed.iter().map(|name| (*name).to_owned()).collect();
    if kind == Kind::Original {
        let folder = world.folder(&format!("there-{name}"));
        let lines: Vec<_> = listed.iter().map(|name| folder.join(name)).collect();
        let list = folder.join("list");
        let text: String = lines.iter().map(|line| format!("{}\n", line.display())).collect();
        std::fs::write(&list, text).unwrap();
        options.launcher =
            ["/usr/bin/env".to_owned(), format!("DISTCC_CMDLIST={}", list.display())].to_vec();
    }
    (world.server(&name, &options), there)
}

fn client(kind: Kind) -> PathBuf {
    match kind {
        Kind::Ours => program("distcc"),
        Kind::Original => PathBuf::from("/usr/bin/distcc"),
    }
}

/// Compiles `a.c` by a client whose compilers are recording ones.
fn compile(world: &World, kind: Kind, hosts: &str, here: &Recorder, words: &[&str]) -> Ran {
    world.write("a.c", SOURCE);
    let mut command = world.command(client(kind));
    command.env("PATH", here.search_path()).env("DISTCC_HOSTS", hosts);
    finish(command.args(words).args(["-O2", "-c", "a.c", "-o", "a.o"]))
}

fn compilers_here(world: &World) -> Recorder {
    Recorder::new(&world.folder("here"), &[PLAIN, QUALIFIED])
}

/// The names by which a server was asked, of what it ran.
fn names(there: &Recorder) -> Vec<String> {
    there.compiles().iter().map(|run| run.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn servers_are_asked_by_the_name_with_the_machine_in_it() {
    let world = World::new();
    let here = compilers_here(&world);
    for server_kind in [Kind::Original, Kind::Ours] {
        let (server, there) = server(&world, server_kind, &[PLAIN, QUALIFIED]);
        for kind in [Kind::Original, Kind::Ours] {
            let ran = compile(&world, kind, &server.host(""), &here, &["gcc"]);
            assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{kind:?}");
            world.check_object("gcc", &["-O2", "-c", "a.c", "-o", "a.o"], "a.o");
        }
        assert_eq!(names(&there), [QUALIFIED, QUALIFIED], "{server_kind:?}");
    }
    assert_eq!(here.compiles(), Vec::<String>::new());
}

#[test]
fn a_server_that_knows_the_plain_name_alone_gets_no_work_from_the_original_and_does_from_us() {
    let world = World::new();
    let here = compilers_here(&world);
    for server_kind in [Kind::Original, Kind::Ours] {
        let (server, there) = server(&world, server_kind, &[PLAIN]);
        let ran = compile(&world, Kind::Original, &server.host(""), &here, &["gcc"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(names(&there), Vec::<String>::new(), "{}", ran.stderr);

        let _ = std::fs::remove_dir_all(world.state());
        let n_here = here.compiles().len();
        for n_done in 1..=3 {
            let ran = compile(&world, Kind::Ours, &server.host(",lzo"), &here, &["gcc"]);
            assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
            assert_eq!(names(&there), vec![PLAIN; n_done]);
            world.check_object("gcc", &["-O2", "-c", "a.c", "-o", "a.o"], "a.o");
        }
        assert_eq!(here.compiles().len(), n_here);
        if server_kind == Kind::Ours {
            // Ours says what it means, and the original's client has one name.
            assert_eq!(server.log().matches("not allowed here").count(), 1, "{}", server.log());
        }
    }
}

#[test]
fn a_server_that_knows_the_qualified_name_alone_gets_work() {
    let world = World::new();
    let here = compilers_here(&world);
    for server_kind in [Kind::Original, Kind::Ours] {
        let (server, there) = server(&world, server_kind, &[QUALIFIED]);
        for kind in [Kind::Original, Kind::Ours] {
            let ran = compile(&world, kind, &server.host(""), &here, &["gcc"]);
            assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{kind:?}");
        }
        assert_eq!(names(&there), [QUALIFIED, QUALIFIED]);
    }
}

#[test]
fn a_server_that_knows_neither_name_is_named_once() {
    let world = World::new();
    let here = compilers_here(&world);
    let (server, there) = server(&world, Kind::Ours, &["g++"]);
    let ran = compile(&world, Kind::Ours, &server.host(""), &here, &["gcc"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let expected = format!("the compiler `{QUALIFIED}` is not allowed here");
    assert!(ran.stderr.contains(&expected), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("not allowed here").count(), 1, "{}", ran.stderr);
    assert_eq!(names(&there), Vec::<String>::new());
    let (server, _there) = self::server(&world, Kind::Original, &["g++"]);
    let ran = compile(&world, Kind::Ours, &server.host(""), &here, &["gcc"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("it hung up").count(), 1, "{}", ran.stderr);
}

#[test]
fn a_name_that_works_no_more_is_forgotten() {
    let world = World::new();
    let here = compilers_here(&world);
    let (server, there) = server(&world, Kind::Ours, &[PLAIN]);
    let whitelist = server.folder.join("whitelist");
    let compile = || {
        let ran = compile(&world, Kind::Ours, &server.host(""), &here, &["gcc"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    };
    compile();
    std::fs::rename(whitelist.join(PLAIN), whitelist.join(QUALIFIED)).unwrap();
    compile();
    compile();
    std::fs::rename(whitelist.join(QUALIFIED), whitelist.join(PLAIN)).unwrap();
    compile();
    assert_eq!(names(&there), [PLAIN, QUALIFIED, QUALIFIED, PLAIN]);
}

#[test]
fn a_wrong_compiler_under_one_name_leaves_the_other() {
    let world = World::new();
    let here = compilers_here(&world);
    let (server, there) = server(&world, Kind::Ours, &[PLAIN, QUALIFIED]);
    // Under the name with the machine in it the server has a compiler for another machine.
    let folder = world.folder("there-Ours-gcc-x86_64-linux-gnu-gcc");
    script(&folder.join(QUALIFIED), "exec /usr/bin/aarch64-linux-gnu-gcc \"$@\"");
    let ran = compile(&world, Kind::Ours, &server.host(""), &here, &["gcc"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(names(&there), [PLAIN]);
    world.check_object("gcc", &["-O2", "-c", "a.c", "-o", "a.o"], "a.o");
}

#[test]
fn names_are_kept_where_the_user_wants_it_or_there_is_no_other() {
    let world = World::new();
    let here = compilers_here(&world);
    for server_kind in [Kind::Original, Kind::Ours] {
        let (server, there) = server(&world, server_kind, &[PLAIN, QUALIFIED]);
        for kind in [Kind::Original, Kind::Ours] {
            world.write("a.c", SOURCE);
            let mut command = world.command(client(kind));
            command
                .env("PATH", here.search_path())
                .env("DISTCC_HOSTS", server.host(""))
                .env("DISTCC_NO_REWRITE_CROSS", "1");
            let ran = finish(command.args(["gcc", "-c", "a.c"]));
            assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{kind:?}");
        }
        assert_eq!(names(&there), [PLAIN, PLAIN]);
    }
    // A client without a compiler of the other name.
    let alone = world.folder("alone");
    script(&alone.join("gcc"), "exec /usr/bin/gcc \"$@\"");
    for name in ["as", "ld", "sh"] {
        std::os::unix::fs::symlink(format!("/usr/bin/{name}"), alone.join(name)).unwrap();
    }
    let (server, there) = server(&world, Kind::Ours, &[PLAIN, QUALIFIED, "none"]);
    for kind in [Kind::Original, Kind::Ours] {
        let mut command = world.command(client(kind));
        command.env("PATH", &alone).env("DISTCC_HOSTS", server.host(""));
        let ran = finish(command.args(["gcc", "-c", "a.c"]));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{kind:?}");
    }
    assert_eq!(names(&there), [PLAIN, PLAIN]);
}

#[test]
fn the_machine_is_asked_for_once_and_what_runs_here_is_the_users_command() {
    let world = World::new();
    let here = compilers_here(&world);
    let ask = |n_asked: usize| {
        let ran = compile(&world, Kind::Ours, "127.0.0.1:1", &here, &["gcc"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let commands = here.commands();
        let asked = commands.iter().filter(|run| run.contains("-dumpmachine")).count();
        assert_eq!(asked, n_asked, "{commands:?}");
        assert!(commands.iter().all(|run| run.starts_with("gcc ")), "{commands:?}");
    };
    ask(1);
    std::fs::remove_file(world.state().join("lock/backoff_tcp_127.0.0.1_1_0")).unwrap();
    ask(1);
}

#[test]
fn clang_is_told_its_machine_and_makes_the_same_objects_and_messages() {
    let world = World::new();
    let source = "#include <vector>\n#include <string>\n\
                  static int unused;\n\
                  int f(const std::vector<std::string> &v) { int n = 0;\n\
                  for (auto &s : v) n += s.size(); try { throw n; } catch (int m) { n = m; }\n\
                  static thread_local int t; return n + t++; }\n";
    let there = Recorder::new(&world.folder("there"), &["clang", "clang++"]);
    let mut options = ServerOptions::new(Kind::Ours);
    options.path = Some(there.search_path());
    options.compilers = vec!["clang".to_owned(), "clang++".to_owned()];
    let server = world.server("server", &options);
    for options in ["-O0", "-O2 -fPIC", "-O2 -Weverything", "-O3 -march=haswell", "-m32 -O1"] {
        let mut words = vec!["clang++"];
        words.extend(options.split(' '));
        let is_32_bit = words.contains(&"-m32");
        world.write("b.cc", if is_32_bit { "int f(long n) { return n + 1; }\n" } else { source });
        let tail = ["-c", "b.cc", "-o", "b.o"];
        let mut command = world.command(program("distcc"));
        command.env("DISTCC_HOSTS", server.host("")).args(&words).args(tail);
        let n_before = there.compiles().len();
        let ran = finish(&mut command);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let runs = there.compiles();
        assert_eq!(runs.len(), n_before + 1, "{options}: {}", ran.stderr);
        assert!(runs[n_before].contains(" -target x86_64-pc-linux-gnu "), "{runs:?}");
        let object = world.read("b.o");
        // With and without what was added: the same, byte for byte.
        let mut local = world.command("clang++");
        let local = finish(local.args(&words[1..]).args(tail));
        assert_eq!(local.code, 0, "{}", local.stderr);
        assert!(object == world.read("b.o"), "{options}: another object");
        let mut told = world.command("clang++");
        told.args(&words[1..]).args(tail).args(["-target", "x86_64-pc-linux-gnu"]);
        let told = finish(&mut told);
        assert!(object == world.read("b.o"), "{options}: another object");
        assert_eq!(told.stderr, local.stderr, "{options}");
    }
    world.write("b.cc", "int f() { return 1; }\n");
    let mut command = world.command(program("distcc"));
    command.env("DISTCC_HOSTS", server.host("")).args([
        "clang++",
        "--target=x86_64-pc-linux-gnu",
        "-c",
        "b.cc",
    ]);
    assert_eq!(finish(&mut command).code, 0);
    let runs = there.compiles();
    let last = runs.last().unwrap();
    assert_eq!(last.matches("target").count(), 1, "{last}");
}

#[test]
fn a_clang_that_cannot_compile_for_this_machine_is_no_error_in_the_source() {
    let world = World::new();
    // This machine says it is another one; the server's clang does not know that one.
    let here = world.folder("here");
    let text = format!(
        "case \" $* \" in *\" -dumpmachine \"*) echo pdp11-dec-unix; exit;; esac\n\
         PATH={SYSTEM_PATH} exec clang \"$@\""
    );
    script(&here.join("clang"), &text);
    std::fs::set_permissions(&here, PermissionsExt::from_mode(0o755)).unwrap();
    let mut options = ServerOptions::new(Kind::Ours);
    options.compilers = vec!["clang".to_owned()];
    let server = world.server("server", &options);
    world.write("a.c", SOURCE);
    let mut command = world.command(program("distcc"));
    command
        .env("PATH", format!("{}:{SYSTEM_PATH}", here.display()))
        .env("DISTCC_HOSTS", server.host(""));
    let ran = finish(command.args(["clang", "-c", "a.c"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("its compiler could not do its work"), "{}", ran.stderr);
    assert!(ran.stderr.contains("target"), "{}", ran.stderr);
    world.check_object("clang", &["-c", "a.c"], "a.o");
}

#[test]
fn a_board_of_another_kind_is_served_by_the_cross_compilers_of_the_server() {
    let world = World::new();
    // What is called gcc and clang here is for aarch64, as on a board.
    let here = world.folder("here");
    let gcc = format!("PATH={SYSTEM_PATH} exec aarch64-linux-gnu-gcc \"$@\"");
    script(&here.join("gcc"), &gcc);
    script(&here.join("aarch64-linux-gnu-gcc"), &gcc);
    let clang = format!("PATH={SYSTEM_PATH} exec clang --target=aarch64-linux-gnu \"$@\"");
    script(&here.join("clang"), &clang);
    let names = ["gcc", "clang", "aarch64-linux-gnu-gcc"];
    let there = Recorder::new(&world.folder("there"), &names);
    let mut options = ServerOptions::new(Kind::Ours);
    options.path = Some(there.search_path());
    options.compilers = names.map(str::to_owned).to_vec();
    let server = world.server("server", &options);
    world.write("a.c", SOURCE);
    for (n_before, compiler) in ["gcc", "clang"].into_iter().enumerate() {
        let mut command = world.command(program("distcc"));
        command
            .env("PATH", format!("{}:{SYSTEM_PATH}", here.display()))
            .env("DISTCC_HOSTS", server.host(""));
        let ran = finish(command.args([compiler, "-O2", "-c", "a.c"]));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{compiler}");
        let runs = there.compiles();
        assert_eq!(runs.len(), n_before + 1, "{runs:?}");
        assert!(runs[n_before].contains("aarch64"), "{runs:?}");
        let compiler = here.join(compiler).display().to_string();
        world.check_object(&compiler, &["-O2", "-c", "a.c"], "a.o");
    }
}
