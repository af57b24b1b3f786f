//! Boards of other kinds, served by cross compilers: a server for each kind, as the original wants
//! it, and one for all.

mod common;

use std::path::PathBuf;
use std::process::Command;

use common::{Ran, World, finish};
use support::{Kind, SYSTEM_PATH, Server, ServerOptions, impostor, program, script};

const C: &str = "const char *greeting(void) { return \"hello from afar\"; }\n";
const CXX: &str = "#include <cstdio>\n#include <string>\nextern \"C\" const char *greeting(void);\n\
                   int main() { std::string text = greeting(); std::puts(text.c_str()); }\n";

/// A kind of machine.
#[derive(Clone, Copy, Debug)]
struct Target {
    name: &'static str,
    /// `e_machine` of its objects.
    machine: u16,
    /// What runs its programs here, if this machine does not do it by itself.
    runner: Option<&'static str>,
}

const AARCH64: Target =
    Target { name: "aarch64-linux-gnu", machine: 183, runner: Some("qemu-aarch64") };
const ARMHF: Target = Target { name: "arm-linux-gnueabihf", machine: 40, runner: Some("qemu-arm") };
const X86_64: Target = Target { name: "x86_64-linux-gnu", machine: 62, runner: None };

impl Target {
    fn compiler(self, base: &str) -> String {
        format!("{}-{base}", self.name)
    }
}

/// A client whose `gcc` and `g++` are for `target`, as on a board of that kind.
struct Board<'a> {
    world: &'a World,
    target: Target,
    client: Kind,
    path: String,
}

impl<'a> Board<'a> {
    fn new(world: &'a World, target: Target, client: Kind) -> Board<'a> {
        let folder = world.folder(&format!("board-{}", target.name));
        for base in ["gcc", "g++"] {
            script(&folder.join(base), &format!("exec /usr/bin/{} \"$@\"", target.compiler(base)));
        }
        let path = format!("{}:{SYSTEM_PATH}", folder.display());
        Board { world, target, client, path }
    }

    fn command(&self, client: &str, hosts: &str) -> Command {
        let mut command = self.world.command(client);
        command.env("PATH", &self.path).env("DISTCC_HOSTS", hosts);
        if self.client == Kind::Original {
            // This one was built for x86-64 and would ask for a compiler for that.
            command.env("DISTCC_NO_REWRITE_CROSS", "1");
        }
        command
    }

    /// Compiles one source by its client, and checks that the object is the board's own.
    fn compile(&self, hosts: &str, base: &str) -> Ran {
        let source = if base == "gcc" { "greet.c" } else { "main.cc" };
        self.world.write(source, if base == "gcc" { C } else { CXX });
        let words = ["-O2", "-c", source, "-o", "x.o"];
        let client = match self.client {
            Kind::Ours => program("distcc"),
            Kind::Original => PathBuf::from("/usr/bin/distcc"),
        };
        let client = client.display().to_string();
        let ran = finish(self.command(&client, hosts).arg(base).args(words));
        assert_eq!(ran.code, 0, "{self:?}: {}", ran.stderr);
        let object = self.world.read("x.o");
        let machine = u16::from_le_bytes([object[18], object[19]]);
        assert_eq!(machine, self.target.machine, "{self:?}: {}", ran.stderr);
        self.world.check_object(&self.target.compiler(base), &words, "x.o");
        std::fs::write(self.world.folder("work").join(format!("{base}.o")), object).unwrap();
        ran
    }

    /// Links the objects of both sources to a static program, and runs it.
    fn run_program(&self) {
        let compiler = self.target.compiler("g++");
        let mut link = self.world.command(compiler);
        let linked = finish(link.args(["-static", "gcc.o", "g++.o", "-o", "greet"]));
        assert_eq!(linked.code, 0, "{}", linked.stderr);
        let mut run = match self.target.runner {
            Some(runner) => {
                let mut run = self.world.command(runner);
                run.arg("./greet");
                run
            }
            None => self.world.command("./greet"),
        };
        assert_eq!(finish(&mut run).stdout, "hello from afar\n", "{self:?}");
    }
}

impl std::fmt::Debug for Board<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "board of kind {} with {:?} client", self.target.name, self.client)
    }
}

/// How to start a server with that `PATH` that may run the compilers `listed`. Ours has its sandbox
/// on, as it comes.
fn options(kind: Kind, path: &str, listed: &[String]) -> ServerOptions {
    let mut options = ServerOptions::new(kind);
    options.launcher = words(&["/usr/bin/env", &format!("PATH={path}")]);
    options.compilers = listed.to_vec();
    options.n_jobs = 4;
    options
}

/// Such a server; as the original, on a machine where these are all that is in `/usr/lib/distcc`.
fn server(world: &World, name: &str, kind: Kind, path: String, listed: &[String]) -> Server {
    let mut options = options(kind, &path, listed);
    if kind == Kind::Original {
        let whitelist = world.folder(name).join("whitelist");
        let text = format!("mount --bind {} /usr/lib/distcc && exec \"$@\"", whitelist.display());
        let mut words = vec!["unshare"];
        if !rustix::process::geteuid().is_root() {
            words.extend(["--user", "--map-root-user"]);
        }
        words.extend(["--mount", "sh", "-c", &text, "sh"]);
        options.launcher.extend(words.into_iter().map(str::to_owned));
    }
    world.server(name, &options)
}

/// The folder of a toolchain whose `gcc` and `g++` are for `target`, first in a `PATH`.
fn toolchain_first(world: &World, target: Target) -> String {
    let folder = world.folder(&format!("toolchain-{}", target.name));
    for base in ["gcc", "g++"] {
        let compiler = format!("/usr/bin/{}", target.compiler(base));
        let _ = std::os::unix::fs::symlink(compiler, folder.join(base));
    }
    format!("{}:{SYSTEM_PATH}", folder.display())
}

const CLIENTS: [Kind; 2] = [Kind::Original, Kind::Ours];
const SERVERS: [Kind; 2] = [Kind::Original, Kind::Ours];

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn a_server_for_each_kind_of_board_on_a_port_of_its_own() {
    for kind in SERVERS {
        let world = World::new();
        let targets = [AARCH64, ARMHF];
        let servers = targets.map(|target| {
            let path = toolchain_first(&world, target);
            server(&world, target.name, kind, path, &words(&["gcc", "g++"]))
        });
        let mut n_done = 0;
        for client in CLIENTS {
            n_done += 2;
            for (target, server) in targets.into_iter().zip(&servers) {
                let board = Board::new(&world, target, client);
                for base in ["gcc", "g++"] {
                    let ran = board.compile(&server.host(""), base);
                    assert_eq!(ran.stderr, "", "{board:?}, {kind:?} server");
                }
                server.wait_for_compiled(n_done);
                board.run_program();
            }
        }
    }
}

#[test]
fn a_compiler_without_a_link_is_refused_and_with_the_botnet_option_taken() {
    for kind in SERVERS {
        let world = World::new();
        let path = toolchain_first(&world, AARCH64);
        let strict = server(&world, "strict", kind, path.clone(), &words(&["gcc"]));
        let mut options = options(kind, &path, &[]);
        options.more = vec!["--make-me-a-botnet".to_owned()];
        let open = world.server("open", &options);
        for (n_before, client) in CLIENTS.into_iter().enumerate() {
            let board = Board::new(&world, AARCH64, client);
            let ran = board.compile(&strict.host(""), "g++");
            if client == Kind::Ours {
                assert!(ran.stderr.contains("running locally instead"), "{}", ran.stderr);
                let reason = if kind == Kind::Ours { "[refused-compiler]" } else { "[hung-up]" };
                assert!(ran.stderr.contains(reason), "{}", ran.stderr);
            }
            assert_eq!(strict.n_compiled(), n_before, "{}", strict.log());
            // The state of the host that hung up is that of an address.
            std::fs::remove_dir_all(world.state()).unwrap();
            let _ = world.folder("state");
            let ran = board.compile(&strict.host(""), "gcc");
            assert_eq!(ran.stderr, "", "{board:?}, {kind:?} server");
            strict.wait_for_compiled(n_before + 1);
            let ran = board.compile(&open.host(""), "g++");
            assert_eq!(ran.stderr, "", "{board:?}, {kind:?} server");
            open.wait_for_compiled(n_before + 1);
        }
    }
}

/// The names of gcc and g++ for all kinds.
fn every_compiler() -> Vec<String> {
    let mut names = words(&["gcc", "g++"]);
    for target in [AARCH64, ARMHF] {
        names.extend(["gcc", "g++"].map(|base| target.compiler(base)));
    }
    names
}

#[test]
fn one_server_serves_boards_of_all_kinds_on_one_port() {
    let world = World::new();
    let server = server(&world, "server", Kind::Ours, SYSTEM_PATH.to_owned(), &every_compiler());
    let mut n_done = 0;
    for target in [AARCH64, X86_64, ARMHF] {
        let board = Board::new(&world, target, Kind::Ours);
        for base in ["gcc", "g++"] {
            let ran = board.compile(&server.host(",lzo"), base);
            assert_eq!(ran.stderr, "", "{board:?}");
            n_done += 1;
        }
        server.wait_for_compiled(n_done);
        board.run_program();
    }
    // With debug information the source is restored there as well.
    let board = Board::new(&world, AARCH64, Kind::Ours);
    world.write("greet.c", C);
    let distcc = program("distcc").display().to_string();
    let compile = ["-g", "-O2", "-c", "greet.c", "-o", "x.o"];
    let ran = finish(board.command(&distcc, &server.host("")).arg("gcc").args(compile));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    server.wait_for_compiled(n_done + 1);
    world.check_object(&AARCH64.compiler("gcc"), &compile, "x.o");
}

#[test]
fn a_board_with_the_originals_client_gets_what_the_servers_options_say() {
    for (n_targets, target) in [AARCH64, ARMHF].into_iter().enumerate() {
        let world = World::new();
        let mut options = options(Kind::Ours, SYSTEM_PATH, &every_compiler());
        let value = match n_targets {
            0 => target.name.to_owned(),
            _ => format!("127.0.0.0/8={}", target.name),
        };
        options.more = words(&["--target", "10.0.0.0/8=x86_64-linux-gnu", "--target", &value]);
        let server = world.server("server", &options);
        let board = Board::new(&world, target, Kind::Original);
        for base in ["gcc", "g++"] {
            assert_eq!(board.compile(&server.host(""), base).stderr, "", "{value}");
        }
        server.wait_for_compiled(2);
        board.run_program();
        // Who says what it means gets that.
        let here = Board::new(&world, X86_64, Kind::Ours);
        assert_eq!(here.compile(&server.host(""), "gcc").stderr, "");
        server.wait_for_compiled(3);
    }
}

#[test]
fn a_board_is_told_that_there_is_no_compiler_for_it_and_served_when_there_is() {
    let world = World::new();
    let compilers = world.folder("compilers");
    let path = format!("{}:{SYSTEM_PATH}", compilers.display());
    let server = server(&world, "server", Kind::Ours, path, &words(&["gcc", "later-x-gcc"]));
    let board = Board::new(&world, AARCH64, Kind::Ours);
    // Unlike the one for this board in the system's folder, which is not on the list.
    let lacks = |reason: &str, texts: &[&str]| {
        let ran = board.compile(&server.host(""), "gcc");
        for text in
            texts.iter().chain([&reason, &"running locally instead", &"hint: on the server"])
        {
            assert!(ran.stderr.contains(text), "`{text}` is not in:\n{}", ran.stderr);
        }
    };
    lacks(
        "[refused-compiler]",
        &["the compiler `aarch64-linux-gnu-gcc` is not allowed here", "ln -s /usr/bin/distcc"],
    );
    // A compiler of another version comes.
    let old = "echo 'gcc (Old) 4.9.2'; echo 'Free Software Foundation'";
    let text = format!("case $1 in -dumpmachine) echo aarch64-linux-gnu;; --version) {old};; esac");
    script(&compilers.join("later-x-gcc"), &text);
    lacks("[lacks-version]", &["GCC for aarch64-linux-gnu is 4.9.2 here, not "]);
    // Then the right one.
    impostor(
        &compilers.join("later-x-gcc"),
        "/usr/bin/aarch64-linux-gnu-gcc",
        "exec /usr/bin/aarch64-linux-gnu-gcc \"$@\"",
    );
    assert_eq!(board.compile(&server.host(""), "gcc").stderr, "");
    server.wait_for_compiled(1);
}

#[test]
fn a_compiler_beyond_path_is_found_and_the_sandbox_shows_it() {
    let world = World::new();
    let folder = world.folder("opt/tools/bin");
    let text = "exec /usr/bin/aarch64-linux-gnu-gcc \"$@\"";
    script(&folder.join("aarch64-unknown-linux-gnu-gcc"), text);
    let listed = words(&["gcc", "aarch64-unknown-linux-gnu-gcc"]);
    let mut options = options(Kind::Ours, SYSTEM_PATH, &listed);
    options.more = vec!["--compiler-folder".to_owned(), folder.display().to_string()];
    let server = world.server("server", &options);
    let board = Board::new(&world, AARCH64, Kind::Ours);
    assert_eq!(board.compile(&server.host(""), "gcc").stderr, "");
    server.wait_for_compiled(1);
    let log = server.log();
    assert!(log.contains("gcc here: ") && log.contains("tools/bin/aarch64-unknown"), "{log}");
    assert!(log.contains("sandbox: "), "{log}");
    // By its name as well, as clients of 3.4 ask.
    let mut command = world.command("/usr/bin/distcc");
    command.env("PATH", format!("{}:{SYSTEM_PATH}", folder.display()));
    command.env("DISTCC_HOSTS", server.host("")).args(["aarch64-unknown-linux-gnu-gcc", "-O2"]);
    let ran = finish(command.args(["-c", "greet.c", "-o", "x.o"]));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    server.wait_for_compiled(2);
}

#[test]
fn a_kind_of_machine_that_nobody_has_a_compiler_for_is_named() {
    let world = World::new();
    let server = server(&world, "server", Kind::Ours, SYSTEM_PATH.to_owned(), &words(&["gcc"]));
    let folder = world.folder("here");
    // Says that it is for a machine of which there is no compiler.
    let text =
        "case $1 in -dumpmachine) echo riscv64-linux-gnu; exit;; esac\nexec /usr/bin/gcc \"$@\"";
    script(&folder.join("gcc"), text);
    world.write("a.c", C);
    let mut command = world.command(program("distcc"));
    command.env("PATH", format!("{}:{SYSTEM_PATH}", folder.display()));
    let ran = finish(command.env("DISTCC_HOSTS", server.host("")).args(["gcc", "-c", "a.c"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for text in [
        "no GCC for riscv64-linux-gnu may run here, but for x86_64-linux-gnu",
        "[lacks-target]",
        "distccd --show-compilers",
    ] {
        assert!(ran.stderr.contains(text), "`{text}` is not in:\n{}", ran.stderr);
    }
    assert_eq!(server.n_compiled(), 0);
    assert_eq!(ran.stdout, "");
}

#[test]
fn a_link_allows_a_compiler_by_its_other_name_and_the_originals_does_not() {
    for (listed, asked) in
        [("gcc", "x86_64-linux-gnu-gcc"), ("x86_64-linux-gnu-gcc", "gcc"), ("gcc-12", "gcc")]
    {
        for (kind, n_compiled) in [(Kind::Original, 0), (Kind::Ours, 1)] {
            let world = World::new();
            let server = server(&world, "server", kind, SYSTEM_PATH.to_owned(), &words(&[listed]));
            world.write("a.c", C);
            let mut command = world.command("/usr/bin/distcc");
            command.env("DISTCC_HOSTS", server.host("")).env("DISTCC_NO_REWRITE_CROSS", "1");
            let ran = finish(command.args([asked, "-O2", "-c", "a.c", "-o", "a.o"]));
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            world.check_object("gcc", &["-O2", "-c", "a.c", "-o", "a.o"], "a.o");
            if n_compiled > 0 {
                server.wait_for_compiled(n_compiled);
            }
            assert_eq!(server.n_compiled(), n_compiled, "{listed} {asked}: {}", server.log());
        }
    }
}

#[test]
fn the_table_of_compilers_tells_what_may_run() {
    let world = World::new();
    let whitelist = world.folder("whitelist");
    for name in ["gcc", "aarch64-linux-gnu-gcc", "pdp11-dec-gcc"] {
        std::os::unix::fs::symlink("/bin/true", whitelist.join(name)).unwrap();
    }
    let show = |more: &[&str]| {
        let mut command = world.command(program("distccd"));
        command.env("PATH", SYSTEM_PATH).env_remove("DISTCC_CMDLIST");
        command.arg("--show-compilers").arg("--compiler-whitelist").arg(&whitelist).args(more);
        let ran = finish(&mut command);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        ran.stdout
    };
    let table: serde_json::Value = serde_json::from_str(&show(&["--json"])).unwrap();
    let compiler = |path: &str| {
        let compilers = table["compilers"].as_array().unwrap();
        compilers.iter().find(|compiler| compiler["path"] == path).unwrap().clone()
    };
    let cross = compiler("/usr/bin/aarch64-linux-gnu-gcc");
    assert_eq!((&cross["target"], &cross["family"]), (&"aarch64-linux-gnu".into(), &"GCC".into()));
    assert_eq!(cross["allowed"], true);
    assert_eq!(compiler("/usr/bin/x86_64-linux-gnu-gcc-12")["allowed"], true);
    assert_eq!(compiler("/usr/bin/gcc")["fingerprint"].as_str().unwrap().len(), 32);
    let refused = compiler("/usr/bin/arm-linux-gnueabihf-gcc");
    assert_eq!(refused["allowed"], false);
    let remedy = format!("ln -s /usr/bin/distcc {}/arm-linux-gnueabihf-gcc", whitelist.display());
    assert!(refused["remedy"].as_str().unwrap().contains(&remedy), "{refused}");
    assert_eq!(table["missing"][0]["name"], "pdp11-dec-gcc");
    let text = show(&[]);
    let line = |start: &str| {
        let found = text.lines().find(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("no line `{start}` in:\n{text}")).to_owned()
    };
    assert!(line("/usr/bin/gcc ").ends_with("  yes"), "{text}");
    assert!(line("/usr/bin/g++ ").contains("  no: not in /"), "{text}");
    assert!(line("missing: ").contains("`pdp11-dec-gcc` is allowed but not installed"), "{text}");
}
