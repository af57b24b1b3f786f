//! What the guides tell people to type works.

mod common;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{World, finish};
use support::{Kind, ServerOptions, program, script};

/// The build tools of the guide, each with what is to be typed.
fn recipes() -> Vec<(String, String)> {
    let page = support::workspace().join("docs/guide/build-tools.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (tested, _) = page.split_once("\n# Not run by the test\n").unwrap();
    let sections = tested.split("\n## ").skip(1);
    let recipe = |section: &str| {
        let (title, rest) = section.split_once('\n').unwrap();
        let (_, rest) = rest.split_once("```sh\n").unwrap();
        let (block, _) = rest.split_once("```").unwrap();
        (title.to_owned(), block.to_owned())
    };
    sections.map(recipe).collect()
}

/// A project of two sources that each of the tools can build.
fn write_project(world: &World) {
    world.write("one.c", "int two(void);\nint main(void) { return two(); }\n");
    world.write("two.c", "int two(void) { return 0; }\n");
    let makefile = "CC = gcc\nall: one.o two.o\n\t$(CC) one.o two.o -o all\n";
    world.write("Makefile", makefile);
    script(
        &world.path().join("work/configure"),
        "sed -i \"s/^CC = .*/$1/; s/^CC=/CC = /\" Makefile\n",
    );
    let cmake = "cmake_minimum_required(VERSION 3.13)\nproject(prog C CXX)\nadd_executable(prog one.c two.c)\n";
    world.write("CMakeLists.txt", cmake);
    world.write("meson.build", "project('prog', 'c')\nexecutable('prog', 'one.c', 'two.c')\n");
    let manifest = "[package]\nname = \"prog\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[lib]\npath = \"lib.rs\"\n\
                    [workspace]\n[build-dependencies]\ncc = \"1\"\n";
    world.write("Cargo.toml", manifest);
    world.write("lib.rs", "");
    let build = "fn main() { cc::Build::new().files([\"one.c\", \"two.c\"]).compile(\"prog\"); }\n";
    world.write("build.rs", build);
}

/// Gives a command the cargo that runs this test, with what it has fetched and no other word of it.
fn give_cargo(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let is_cargos =
            ["CARGO", "RUST"].iter().any(|start| name.to_string_lossy().starts_with(start));
        if is_cargos && name != "CARGO_HOME" {
            command.env_remove(name);
        }
    }
    if let (None, Some(home)) = (std::env::var_os("CARGO_HOME"), std::env::home_dir()) {
        command.env("CARGO_HOME", home.join(".cargo"));
    }
}

#[test]
fn build_tools_are_used_as_their_guide_says() {
    let recipes = recipes();
    assert!(recipes.len() >= 7, "{recipes:?}");
    let cargo = std::env::var_os("CARGO").map(PathBuf::from).expect("cargo runs the tests");
    let rust = cargo.parent().unwrap_or(Path::new("/usr/bin")).display();
    for (title, text) in recipes {
        let world = World::new();
        write_project(&world);
        let server = world.server("server", &ServerOptions::new(Kind::Ours));
        // What the package has in /usr/bin and /usr/lib/distcc.
        let (programs, links) = (world.folder("programs"), world.folder("links"));
        for name in ["distcc", "distcc-agent"] {
            symlink(program(name), programs.join(name)).unwrap();
        }
        for name in ["gcc", "g++", "cc", "c++"] {
            symlink(program("distcc"), links.join(name)).unwrap();
        }
        let text = text.replace("/usr/lib/distcc:", &format!("{}:", links.display()));
        let mut command = world.command("bash");
        command.args(["-e", "-u", "-o", "pipefail", "-c", &text]);
        command.env("PATH", format!("{}:/usr/bin:/bin:{rust}", programs.display()));
        give_cargo(&mut command);
        command.env("DISTCC_HOSTS", server.host("/4"));
        command.env("CCACHE_DIR", world.folder("ccache")).env("HOME", world.folder("home"));
        let ran = finish(&mut command);
        assert_eq!(ran.code, 0, "{title}: {text}\n{}{}", ran.stdout, ran.stderr);
        let log = server.log();
        for source in ["one.c", "two.c"] {
            assert!(
                log.contains(source),
                "{title}: {source} was not compiled by the server\n{log}"
            );
        }
    }
}
