//! Debug information is the local compiler's, byte for byte, or the job stays.

mod common;

use common::{Ran, World, finish};
use support::{Kind, ServerOptions, program};

/// Lines on which macros are expanded, comments, headers, another folder's file.
const SOURCE: &str = "#include <stdio.h>\n#include \"inc/own.h\"\n\
    int f(int n) { return MAX(n, 3) /* more */ + MAX(n,  4)   + own(n); }\n\
    void g(FILE *out) { fputs(__FILE__, out); putc(BUFSIZ > 3 ? 'a' : 'b', out); }\n";
const HEADER: &str = "#pragma once\n#define MAX(a, b) ((a) > (b) ? (a) : (b))\n\
    static inline int own(int n) { return MAX(n, BASE) + __LINE__; }\n";

fn world() -> World {
    let world = World::new();
    let _ = world.folder("work/inc");
    let _ = world.folder("work/sub");
    world.write("a.c", SOURCE);
    world.write("a.cc", SOURCE);
    world.write("inc/own.h", HEADER);
    world
}

/// Compiles `words` by `hosts`, and checks that what is left and said is the local compiler's.
#[track_caller]
fn compiles_alike(world: &World, hosts: &str, words: &[&str]) -> Ran {
    let mut command = world.command(program("distcc"));
    command.env("DISTCC_HOSTS", hosts).env("DISTCC_VERBOSE", "1");
    let log = world.state().join("log");
    let ran = finish(command.env("DISTCC_LOG", &log).args(words));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{words:?}");
    world.check_object(words[0], &words[1..], "a.o");
    let said = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(&log).unwrap();
    Ran { stderr: said, ..ran }
}

#[test]
fn our_server_makes_the_very_same_debug_information() {
    let world = world();
    let server = world.server("server", &ServerOptions::new(Kind::Ours));
    let absolute = world.folder("work").join("a.c").display().to_string();
    let commands: [&[&str]; 11] = [
        &["gcc", "-g", "-O2", "-DBASE=7", "-c", "a.c"],
        &["gcc", "-g", "-O2", "-DBASE=7", "-c", &absolute, "-o", "a.o"],
        &["gcc", "-ggdb", "-DBASE=7", "-c", "sub/../a.c", "-o", "a.o"],
        &["gcc", "-g1", "-DBASE=7", "-std=c99", "-pedantic", "-c", "../work/a.c", "-o", "a.o"],
        &["gcc", "-gdwarf-4", "-gz", "-DBASE=7", "-U__OPTIMIZE__", "-c", "a.c"],
        &["g++", "-g", "-O1", "-DBASE=7", "-c", "a.cc"],
        &["gcc", "-xc++", "-g", "-DBASE=7", "-c", "a.c"],
        &["gcc", "-g", "-fsanitize=undefined", "-DBASE=7", "-c", "a.c"],
        &["gcc", "-fsanitize=address,undefined", "-DBASE=7", "-c", "a.c"],
        &["gcc", "-g", "-DBASE=7", "-ffile-prefix-map=inc=elsewhere", "-c", "a.c"],
        &[
            "gcc",
            "-g",
            "-DBASE=7",
            "-fdebug-prefix-map=/tmp=/elsewhere",
            "-c",
            &absolute,
            "-o",
            "a.o",
        ],
    ];
    for (index, words) in commands.iter().enumerate() {
        let ran = compiles_alike(&world, &server.host(",lzo"), words);
        assert!(ran.stderr.contains("] compiled "), "{words:?}\n{}", ran.stderr);
        server.wait_for_compiled(index + 1);
    }
    // Asked once.
    assert_eq!(server.log().matches("asks for our abilities").count(), 1, "{}", server.log());
}

#[test]
fn another_server_does_not_get_what_it_would_make_otherwise() {
    let world = world();
    let server = world.server("server", &ServerOptions::new(Kind::Original));
    let words = ["gcc", "-g", "-DBASE=7", "-c", "a.c"];
    let ran = compiles_alike(&world, &server.host(""), &words);
    for text in [
        "it cannot make debug information with this machine's columns; running locally instead \
         [cannot-restore]",
        "hint: run distccd of distcc-rs on 127.0.0.1",
    ] {
        assert!(ran.stderr.contains(text), "{}", ran.stderr);
    }
    assert_eq!(server.n_compiled(), 0);
    // Other jobs are as welcome as before.
    compiles_alike(&world, &server.host(""), &["gcc", "-DBASE=7", "-c", "a.c"]);
    server.wait_for_compiled(1);

    let mut command = world.command(program("distcc"));
    command.env("DISTCC_HOSTS", server.host("")).env("DISTCC_INEXACT_DEBUG", "1");
    let ran = finish(command.args(words));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    server.wait_for_compiled(2);
}

#[test]
fn our_server_is_preferred_to_another_for_debug_information() {
    let world = world();
    let theirs = world.server("theirs", &ServerOptions::new(Kind::Original));
    let ours = world.server("ours", &ServerOptions::new(Kind::Ours));
    let hosts = [theirs.host(""), ours.host("")].join(" ");
    let ran = compiles_alike(&world, &hosts, &["gcc", "-g", "-DBASE=7", "-c", "a.c"]);
    assert!(ran.stderr.contains("trying another host"), "{}", ran.stderr);
    ours.wait_for_compiled(1);
    assert_eq!(theirs.n_compiled(), 0);
}

#[test]
fn what_the_preprocessor_would_lose_stays() {
    let world = world();
    let server = world.server("server", &ServerOptions::new(Kind::Ours));
    world.write(
        "inc/push.h",
        "#define X 1\n#pragma push_macro(\"X\")\n#undef X\n#define X 2\n#pragma pop_macro(\"X\")\n",
    );
    for (source, code) in [
        ("#include \"inc/push.h\"\nint x = X;\n", "asks-this-machine"),
        ("const char *when = __BASE_FILE__;\n", "asks-this-machine"),
    ] {
        world.write("a.c", source);
        let ran = compiles_alike(&world, &server.host(",plain"), &["gcc", "-g", "-c", "a.c"]);
        assert!(ran.stderr.contains(&format!("[{code}]")), "{source}\n{}", ran.stderr);
    }
    let omp = "int f(int *a)\n{\n#pragma omp parallel for\n\
               for (int i = 0; i < 9; i++) a[i] = i;\nreturn 0; }\n";
    world.write("a.c", omp);
    let words = ["gcc", "-g", "-fopenmp", "-c", "a.c"];
    let ran = compiles_alike(&world, &server.host(",plain"), &words);
    assert!(ran.stderr.contains("[debug-columns]"), "{}", ran.stderr);
    assert_eq!(server.n_compiled(), 0);
}

/// Takes the identity that joins an object with its `.dwo` out of both. GCC 12 makes it of addresses
/// in its memory when it optimizes: two runs of it give two identities of the same information.
fn without_identity(dwo: &std::path::Path, files: [Vec<u8>; 2]) -> [Vec<u8>; 2] {
    let shown = std::process::Command::new("readelf").arg("--debug-dump=info").arg(dwo).output();
    let shown = String::from_utf8(shown.unwrap().stdout).unwrap();
    let identity = shown.lines().find_map(|line| {
        let (_, number) = line.split_once("DWO ID:").or(line.split_once("DW_AT_GNU_dwo_id  : "))?;
        u64::from_str_radix(number.trim().trim_start_matches("0x"), 16).ok()
    });
    let identity = identity.unwrap_or_else(|| panic!("no identity in:\n{shown}")).to_le_bytes();
    files.map(|mut file| {
        let n_found = (0..file.len().saturating_sub(7)).filter(|at| {
            let is_it = file[*at..].starts_with(&identity);
            if is_it {
                file[*at..*at + 8].fill(0);
            }
            is_it
        });
        assert!(n_found.count() <= 1);
        file
    })
}

/// Compiles `words` by `hosts` and by the compiler alone, and compares object and `.dwo`.
#[track_caller]
fn splits_alike(world: &World, hosts: &str, words: &[&str], files: [&str; 2]) -> String {
    let paths = files.map(|name| world.folder("work").join(name));
    let take = || {
        let found = paths.each_ref().map(|path| std::fs::read(path).unwrap_or_default());
        let found = match words.contains(&"-O2") {
            true => without_identity(&paths[1], found),
            false => found,
        };
        for path in &paths {
            std::fs::remove_file(path).unwrap();
        }
        found
    };
    let mut command = world.command(program("distcc"));
    let log = world.state().join("log");
    command.env("DISTCC_HOSTS", hosts).env("DISTCC_VERBOSE", "1").env("DISTCC_LOG", &log);
    let ran = finish(command.args(words));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{words:?}");
    let shared = take();
    assert_eq!(finish(world.command(words[0]).args(&words[1..])).code, 0, "{words:?}");
    assert!(take() == shared, "{words:?}");
    let said = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(&log).unwrap();
    said
}

#[test]
fn debug_information_that_is_split_off_comes_along() {
    let world = world();
    let _ = world.folder("work/out");
    let server = world.server("server", &ServerOptions::new(Kind::Ours));
    let cases: [(&[&str], [&str; 2]); 7] = [
        (&["gcc", "-g", "-gsplit-dwarf", "-DBASE=7", "-c", "a.c"], ["a.o", "a.dwo"]),
        (
            &["gcc", "-g", "-gsplit-dwarf", "-O2", "-DBASE=7", "-c", "a.c", "-o", "out/x.o"],
            ["out/x.o", "out/x.dwo"],
        ),
        (
            &["g++", "-gsplit-dwarf", "-ggdb", "-DBASE=7", "-c", "sub/../a.cc", "-o", "out/x.y.o"],
            ["out/x.y.o", "out/x.y.dwo"],
        ),
        (
            &["gcc", "-gdwarf-4", "-gsplit-dwarf", "-gz", "-DBASE=7", "-c", "a.c", "-o", "out/x"],
            ["out/x", "out/x.dwo"],
        ),
        (
            &["gcc", "-g", "-gsplit-dwarf", "-DBASE=7", "-MD", "-c", "a.c", "-o", "out/x.lo"],
            ["out/x.lo", "out/x.dwo"],
        ),
        (
            &["gcc", "-g", "-gsplit-dwarf", "-ffile-prefix-map=/tmp=/x", "-DBASE=7", "-c", "a.c"],
            ["a.o", "a.dwo"],
        ),
        (&["gcc", "-g1", "-gsplit-dwarf", "-DBASE=7", "-c", "a.c"], ["a.o", "a.dwo"]),
    ];
    for (index, (words, files)) in cases.into_iter().enumerate() {
        let said = splits_alike(&world, &server.host(",lzo"), words, files);
        assert!(said.contains("] compiled "), "{words:?}\n{said}");
        server.wait_for_compiled(index + 1);
    }
}

#[test]
fn debug_information_that_cannot_be_split_off_elsewhere_stays() {
    let world = world();
    let theirs = world.server("theirs", &ServerOptions::new(Kind::Original));
    let words = ["gcc", "-g", "-gsplit-dwarf", "-DBASE=7", "-c", "a.c"];
    let said = splits_alike(&world, &theirs.host(""), &words, ["a.o", "a.dwo"]);
    assert!(said.contains("[cannot-restore]"), "{said}");
    assert_eq!(theirs.n_compiled(), 0);
    let ours = world.server("ours", &ServerOptions::new(Kind::Ours));
    let absolute = world.folder("work").join("x.o").display().to_string();
    let cases: [(&[&str], [&str; 2]); 4] = [
        (&["gcc", "-g", "-gsplit-dwarf", "-c", "a.c", "-o", &absolute], ["x.o", "x.dwo"]),
        (&["gcc", "-g", "-gsplit-dwarf", "-c", "a.c", "-o", "sub/../x.o"], ["x.o", "x.dwo"]),
        (&["gcc", "-gsplit-dwarf", "-c", "a.c"], ["a.o", "a.dwo"]),
        (&["clang", "-g", "-gsplit-dwarf", "-c", "a.c"], ["a.o", "a.dwo"]),
    ];
    for (words, files) in cases {
        let words: Vec<&str> = words.iter().copied().chain(["-DBASE=7"]).collect();
        let said = splits_alike(&world, &ours.host(""), &words, files);
        assert!(said.contains("[split-dwarf]") || said.contains("[no-directory-line]"), "{said}");
    }
    assert_eq!(ours.n_compiled(), 0);
}
