//! Jobs that bring all of the client's files to our server: what the compiler makes there is what it
//! makes here, byte for byte.

mod common;

use std::path::PathBuf;

use common::World;
use common::tree::{Tree, whole};
use support::{Kind, Server, ServerOptions};
use wire::Reply;

/// Sources that tell where they are, as far as they can.
const SOURCES: [(&str, &str); 6] = [
    (
        "src/a.c",
        "#include <stdio.h>\n#include <assert.h>\n#include \"near.h\"\n#include <inc.h>\n\
         #include <far.h>\n#include ABSOLUTE\nconst char *where(void) { return __FILE__; }\n\
         int f(int x) { assert(x > INC + FAR); return puts(near()) + printf(\"%d\", ABS); }\n",
    ),
    ("src/near.h", "static const char *near(void) { return __FILE__; }\n"),
    ("inc/inc.h", "#define INC 1\n"),
    ("far away/far.h", "#define FAR 2\n"),
    ("abs.h", "#define ABS 3\nstatic const char *abs_name(void) { return __FILE__; }\n"),
    ("bad.c", "#include <stdio.h>\nint f(void)\n{\n  retrun nowhere + 1;\n}\n"),
];

struct Stand {
    world: World,
    server: Server,
}

impl Stand {
    fn new() -> Stand {
        let world = World::new();
        for name in ["work/src", "work/inc", "work/far away", "work/out"] {
            let _ = world.folder(name);
        }
        for (name, text) in SOURCES {
            world.write(name, text);
        }
        let server = world.server("server", &options());
        Stand { world, server }
    }

    fn work(&self) -> PathBuf {
        self.world.path().join("work")
    }

    fn name(&self, name: &str) -> String {
        self.work().join(name).to_str().unwrap().to_owned()
    }

    /// A command of `compiler` on the sources, by relative and absolute names.
    fn command(&self, compiler: &str, more: &[&str]) -> Vec<String> {
        let define = format!("-DABSOLUTE=\"{}\"", self.name("abs.h"));
        let source = if compiler.ends_with("++") { "-xc++" } else { "-xc" };
        let far = self.name("far away");
        let fixed = [compiler, "-Iinc", "-isystem", &far, &define, source, "src/a.c", "-c"];
        fixed.iter().chain(more).map(|word| (*word).to_owned()).collect()
    }

    /// Compiles here, and takes away what was made.
    fn local(&self, command: &[&str], files: &[&str]) -> (Vec<Vec<u8>>, common::Ran) {
        let ran = common::finish(self.world.command(command[0]).args(&command[1..]));
        let made = files.iter().filter(|name| self.world.has(name)).map(|name| {
            let bytes = self.world.read(name);
            self.world.remove(name);
            bytes
        });
        (made.collect(), ran)
    }

    /// Compiles there what the same command makes here.
    #[track_caller]
    fn check(&self, command: &[&str], object: &str, dependencies: Option<&str>) -> Reply {
        let base: Vec<&str> = without_dependencies(command);
        let tree = Tree::new(&self.work()).with_all_read(&base);
        let reply = tree.compile(&self.server, &whole(command));
        let files: Vec<&str> = [object].into_iter().chain(dependencies).collect();
        let (made, ran) = self.local(command, &files);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(reply.object == made[0], "{command:?}: the object is another one");
        if dependencies.is_some() {
            let [ours, local] = [&reply.dependencies, &made[1]].map(|d| String::from_utf8_lossy(d));
            assert_eq!(ours, local, "{command:?}");
        }
        assert_eq!(String::from_utf8_lossy(&reply.stderr), ran.stderr);
        reply
    }
}

fn options() -> ServerOptions {
    let mut options = ServerOptions::new(Kind::Ours);
    options.compilers.extend(["clang".to_owned(), "clang++".to_owned()]);
    options
}

fn without_dependencies<'a>(command: &[&'a str]) -> Vec<&'a str> {
    let mut left = Vec::new();
    let mut words = command.iter();
    while let Some(word) = words.next() {
        match *word {
            "-MF" | "-MT" | "-MQ" | "-o" => drop(words.next()),
            word if word.starts_with("-M") || word.starts_with("-Wp,-M") => {}
            word => left.push(word),
        }
    }
    left
}

fn words(command: &[String]) -> Vec<&str> {
    command.iter().map(String::as_str).collect()
}

#[test]
fn objects_are_the_local_ones_by_any_path() {
    let stand = Stand::new();
    for compiler in ["gcc", "g++", "clang", "clang++"] {
        let absolute = stand.name("out/b.o");
        for more in [
            vec!["-O2", "-o", "out/a.o"],
            vec!["-g", "-o", "out/a.o"],
            vec!["-g", "-O1", "-o", "./out/../out/a.o"],
            vec!["-g", "-S", "-o", "out/a.o"],
            vec!["-o", &absolute],
        ] {
            let command = stand.command(compiler, &more);
            let object = if more.contains(&absolute.as_str()) { "out/b.o" } else { "out/a.o" };
            let reply = stand.check(&words(&command), object, None);
            let proof = String::from_utf8(reply.dependencies).unwrap();
            for name in [stand.name("abs.h").as_str(), "inc/inc.h", "src/near.h", "stdio.h"] {
                assert!(proof.contains(name), "{name} is not in {proof}");
            }
        }
        let command = stand.command(compiler, &["-g"]);
        let _ = stand.check(&words(&command), "a.o", None);
    }
}

#[test]
fn an_object_that_would_tell_of_the_server_is_refused() {
    let stand = Stand::new();
    let base = ["clang", "-Iinc", "-c", "bad.c"];
    let tree = Tree::new(&stand.work()).file(stand.name("bad.c"), "int x;\n");
    // Clang records all words, also that by which the server gets to know what was read.
    let command = [&base[..], &["-g", "-grecord-gcc-switches"]].concat();
    let said = tree.refused(&stand.server, &whole(&command));
    assert!(said.contains("would name a folder of this server"), "{said}");
    // GCC does not.
    let command = stand.command("gcc", &["-g", "-grecord-gcc-switches"]);
    let _ = stand.check(&words(&command), "a.o", None);
}

#[test]
fn dependency_files_are_the_local_ones() {
    let stand = Stand::new();
    for compiler in ["gcc", "clang"] {
        for (more, name) in [
            (vec!["-MD", "-o", "out/a.o"], "out/a.d"),
            (vec!["-MMD", "-o", "out/a.b.o"], "out/a.b.d"),
            (vec!["-MD"], "a.d"),
            (vec!["-MMD", "-MP", "-MF", "x.d", "-MT", "y", "-o", "out/a.o"], "x.d"),
            (vec!["-MD", "-MFout/x.d", "-MQ", "$y", "-o", "out/a.o"], "out/x.d"),
            (vec!["-Wp,-MD,x.d", "-o", "out/a.o"], "x.d"),
            (vec!["-Wp,-MMD,out/.a.o.d", "-MT", "z", "-o", "out/a.o"], "out/.a.o.d"),
        ] {
            let command = stand.command(compiler, &more);
            let object = more.last().filter(|word| word.ends_with(".o")).unwrap_or(&"a.o");
            let _ = stand.check(&words(&command), object, Some(name));
        }
    }
}

#[test]
fn debug_information_is_split_off() {
    let stand = Stand::new();
    let command = stand.command("gcc", &["-g", "-gsplit-dwarf", "-o", "out/a.o"]);
    let command = words(&command);
    let base = without_dependencies(&command);
    let base = base.into_iter().filter(|word| *word != "-gsplit-dwarf").collect::<Vec<_>>();
    let tree = Tree::new(&stand.work()).with_all_read(&base);
    let reply = tree.compile(&stand.server, &whole(&command));
    let (made, _) = stand.local(&command, &["out/a.o", "out/a.dwo"]);
    let (object, debug) = wire::part_two_files(&reply.object).unwrap();
    assert!(object == made[0] && debug == made[1]);
}

#[test]
fn errors_and_their_lines_are_the_local_ones() {
    let stand = Stand::new();
    for compiler in ["gcc", "clang"] {
        let tree = Tree::new(&stand.work())
            .with_all_read(&[compiler, "-Iinc", "-xc", "-c", "src/near.h", "-include", "stdio.h"])
            .file(stand.name("bad.c"), SOURCES[5].1);
        let source = stand.name("bad.c");
        for command in [[compiler, "-c", "bad.c"], [compiler, "-c", &source]] {
            let reply = tree.ask(&stand.server, &whole(&command)).unwrap();
            let (_, ran) = stand.local(&command, &[]);
            assert_eq!(reply.status.code(), Some(ran.code as u8));
            assert_eq!(String::from_utf8_lossy(&reply.stderr), ran.stderr);
            assert!(ran.stderr.contains('^') && reply.object.is_empty());
        }
    }
}

#[test]
fn no_header_of_the_server_is_seen() {
    let stand = Stand::new();
    let source = "#if __has_include(<stdio.h>) || __has_include(<stddef.h>)\n#error seen\n#endif\n\
                  #if __has_include(\"/usr/include/stdio.h\")\n#error seen\n#endif\n\
                  #include <only_here.h>\n#include <new.h>\nint x = ONLY + NEW;\n";
    let tree = Tree::new(&stand.work())
        .file(stand.name("h.c"), source)
        .file("/usr/include/only_here.h", "#define ONLY 1\n")
        .file("/usr/lib/x86_64-linux-gnu/distcc-rs-test/include/new.h", "#define NEW 2\n");
    for compiler in ["gcc", "clang"] {
        let folder = "-I/usr/lib/x86_64-linux-gnu/distcc-rs-test/include";
        let reply = tree.compile(&stand.server, &whole(&[compiler, folder, "-c", "h.c"]));
        let proof = String::from_utf8(reply.dependencies).unwrap();
        assert!(proof.contains("/usr/include/only_here.h"), "{proof}");
        assert!(!proof.contains("stdc-predef.h"), "{proof}");
    }
}

#[test]
fn links_and_empty_folders_are_as_on_the_client() {
    let stand = Stand::new();
    let source = "#include \"linked.h\"\n#include \"deep/../up.h\"\n#include <to_folder/c.h>\n\
                  int x = LINKED + UP + C;\n";
    let elsewhere = stand.world.path().join("elsewhere");
    let tree = Tree::new(&stand.work())
        .file(stand.name("l.c"), source)
        .file(stand.name("real/linked.h"), "#define LINKED 1\n")
        .link(&stand.name("linked.h"), "real/linked.h")
        .file(stand.name("up.h"), "#define UP 2\n")
        .empty_folder(stand.name("deep"))
        .file(elsewhere.join("c.h"), "#define C 3\n")
        .link(&stand.name("inc/to_folder"), elsewhere.to_str().unwrap())
        .link(&stand.name("out"), elsewhere.to_str().unwrap())
        .empty_folder(stand.name("empty"));
    let command = ["gcc", "-Wmissing-include-dirs", "-Werror", "-Iempty", "-Iinc", "-c", "l.c"];
    let command = [&command[..], &["-o", "out/l.o", "-MD"]].concat();
    let reply = tree.compile(&stand.server, &whole(&command));
    let text = String::from_utf8(reply.dependencies).unwrap();
    assert!(text.starts_with("out/l.o: ") && text.contains("deep/../up.h"), "{text}");
}

#[test]
fn a_build_in_the_folder_for_sources_is_laid_out_too() {
    let stand = Stand::new();
    let tree = Tree::new("/usr/src/app".as_ref())
        .file("/usr/src/app/a.c", "#include \"a.h\"\nconst char *f(void) { return __FILE__ A; }\n")
        .file("/usr/src/app/a.h", "#define A \"\"\n");
    let reply = tree.compile(&stand.server, &whole(&["gcc", "-g", "-c", "a.c", "-o", "o/a.o"]));
    let has = |name: &str| reply.object.windows(name.len()).any(|part| part == name.as_bytes());
    assert!(has("/usr/src/app"));
}

#[test]
fn programs_and_libraries_are_not_covered() {
    let stand = Stand::new();
    let work = stand.work();
    let plain = || Tree::new(&work).file(stand.name("x.c"), "int x;\n");
    let gcc = "/usr/lib/gcc/x86_64-linux-gnu/12";
    for name in [
        "/usr/bin/as",
        "/bin/as",
        "/usr/x86_64-linux-gnu/bin/as",
        &format!("{gcc}/cc1"),
        &format!("{gcc}/specs"),
        &format!("{gcc}/new/specs"),
        "/lib/ld-linux-x86-64.so.2",
        "/usr/lib/x86_64-linux-gnu/libc.so.6",
        "/etc/ld.so.preload",
        "/etc/ld.so.cache",
        "/etc/alternatives/cc",
        "/usr",
        "/lib",
        "/proc/x",
        "/dev/null",
        "/usr/include",
        stand
            .server
            .folder
            .join("tmp")
            .read_dir()
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path()
            .join("x")
            .to_str()
            .unwrap(),
    ] {
        for tree in [plain().file(name, "x"), plain().link(name, "/home")] {
            for command in [&["gcc", "-c", "x.c"][..], &whole(&["gcc", "-c", "x.c"])] {
                let said = tree.refused(&stand.server, command);
                assert!(said.contains(name), "{name}: {said}");
            }
        }
    }
    for words in [
        ["-o", "/usr/lib/x.o"],
        ["-o", "../../../../../../etc/x.o"],
        ["-o", "/usr/include/x.o"],
        ["-MD", "-MF/etc/ld.so.preload"],
        ["-Wp,-MD,/usr/bin/x", "-g"],
        ["-I/usr/lib", "-g"],
    ] {
        let command = [&["gcc", "-c", "x.c"][..], &words].concat();
        let _ = plain().refused(&stand.server, &whole(&command));
    }
    let tree = Tree::new("/usr/bin".as_ref()).file("/home/x.c", "int x;\n");
    let _ = tree.refused(&stand.server, &whole(&["gcc", "-c", "/home/x.c"]));
    // What is the same on both is no harm.
    let lib = std::fs::read_link("/lib").unwrap();
    let tree = plain().link("/lib", lib.to_str().unwrap()).empty_folder(gcc);
    let _ = tree.compile(&stand.server, &whole(&["gcc", "-c", "x.c"]));
}

#[test]
fn a_server_says_whether_it_lays_out_trees() {
    let stand = Stand::new();
    let mut without = options();
    without.more = ["--sandbox", "off"].map(str::to_owned).to_vec();
    let without = stand.world.server("without", &without);
    let ask = |server: &Server| {
        let reply = Tree::new("/".as_ref()).compile(server, &["distcc-rs:abilities"]);
        wire::Abilities::of_reply(&reply).unwrap().lays_out_trees
    };
    assert_eq!((ask(&stand.server), ask(&without)), (true, false));
    let tree = Tree::new(&stand.work()).file(stand.name("x.c"), "int x;\n");
    let said = tree.refused(&without, &whole(&["gcc", "-c", "x.c"]));
    assert!(said.contains("at their own names"), "{said}");
}

#[test]
fn without_namespaces_the_original_is_followed() {
    let stand = Stand::new();
    let mut without = options();
    without.more = ["--sandbox", "off"].map(str::to_owned).to_vec();
    let without = stand.world.server("without", &without);
    let original = stand.world.server("original", &ServerOptions::new(Kind::Original));
    let up = "../".repeat(30);
    let tree = Tree::new(&stand.work())
        .file(
            stand.name("x.c"),
            "#include <stdio.h>\n#include <i.h>\n#include <l.h>\nint x = I + L;\n",
        )
        .file(stand.name("inc/i.h"), "#define I 1\n")
        .file(stand.name("real/l.h"), "#define L 2\n")
        .link(&stand.name("inc/l.h"), &stand.name("real/l.h"))
        .link("/usr/include", &format!("{up}usr/include"));
    let include = format!("-I{}", stand.name("inc"));
    for more in
        [&["-o", "x.o"][..], &["-o", "x.o", "-MD", "-MT", "t"], &["-o", "x.o", "-MMD", "-MFy.d"]]
    {
        let command = [&["gcc", &include, "-c", "x.c"][..], more].concat();
        let replies =
            [&original, &without, &stand.server].map(|server| tree.compile(server, &command));
        let names = |reply: &Reply| {
            let text = String::from_utf8(reply.dependencies.clone()).unwrap();
            text.replace("\\\n", " ").split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        for reply in &replies[1..] {
            assert!(reply.object == replies[0].object);
            assert_eq!(names(reply), names(&replies[0]), "{command:?}");
        }
    }
    // Debug information names the client's folder, where the original's names the server's.
    let command = ["gcc", "-g", &include, "-c", "x.c", "-o", "x.o"];
    let [plain, laid_out] = [&without, &stand.server].map(|server| tree.compile(server, &command));
    assert!(plain.object == laid_out.object);
}

#[test]
fn nothing_is_left_of_a_tree() {
    let stand = Stand::new();
    let tree = Tree::new(&stand.work())
        .file(stand.name("x.c"), "int x;\n")
        .link(&stand.name("up"), "/")
        .file(stand.name("a/b/c/d.h"), "");
    let _ = tree.compile(&stand.server, &whole(&["gcc", "-MD", "-c", "x.c", "-o", "p/q/x.o"]));
    support::wait_until("the job's folder is gone", || {
        let root = stand.server.folder.join("tmp").read_dir().unwrap().next().unwrap().unwrap();
        root.path().read_dir().unwrap().count() == 1
    });
}
