//! The matrix of pump mode: {the original pump, ours} x {the original client, ours} x {the original
//! server, ours} x builds.
//!
//! Each build runs locally first, then the same under `pump`, in the same folder. Debian's include
//! server cannot start with Python 3.10 and later, because of the module in C that it comes with. One
//! in Python takes its place here; all else of it is as it is installed. The cells with the original
//! in all places run first: if one of them fails, the test is wrong, and ours are not judged by it.

mod original_pump;
mod originals_first;

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use support::{
    Kind, Outcome, Packages, Recorder, SYSTEM_PATH, Server, ServerOptions, World, processes_using,
    program, run, wait_until,
};

/// Long enough for the slowest build on a busy machine.
const LIMIT: Duration = Duration::from_secs(400);

/// What the recording compilers are called, on either side.
const COMPILERS: [&str; 6] =
    ["gcc", "g++", "cc", "c++", "x86_64-linux-gnu-gcc", "x86_64-linux-gnu-g++"];

/// A build.
struct Build {
    /// The last part of the test's name.
    name: &'static str,
    /// What it runs, with `$CC` for the compiler. Its objects are compared.
    script: &'static str,
    /// How many of its compiles servers preprocess with the original include server, and with ours.
    n_pumped: [usize; 2],
    /// Whether it edits files. Our agent may send one that is half a second old, and finds out afterwards.
    edits: bool,
    /// Whether the original gets an object wrong.
    original_is_wrong: bool,
}

/// The builds, but for the large one.
const BUILDS: [Build; 9] = [
    Build {
        name: "plain",
        script: "mkdir -p inc empty; echo '#define X 1' > inc/x.h; ln -sfn inc link
            printf '#include <stdio.h>\\n#include <x.h>\\nint f(void) { return puts(\"\") + X; }\\n' > a.c
            $CC -O2 -Iinc -c a.c; $CC -Iempty -Ilink -c a.c -o link.o",
        n_pumped: [2, 2],
        edits: false,
        original_is_wrong: false,
    },
    Build {
        name: "absolute_names",
        script: "mkdir -p inc; echo 'static const char *h(void) { return __FILE__; }' > inc/x.h
            printf '#include <assert.h>\\n#include <x.h>\\n#include \"y.h\"\\n' > a.c
            echo 'const char *f(int n) { assert(n); return n > 1 ? h() : __FILE__; }' > y.h
            $CC -O2 -I$PWD/inc -c $PWD/a.c",
        n_pumped: [1, 1],
        edits: false,
        original_is_wrong: false,
    },
    Build {
        name: "names_of_both_kinds",
        script: "mkdir -p inc; echo 'static const char *h(void) { return __FILE__; }' > inc/x.h
            printf '#include <x.h>\\n#include \"y.h\"\\n' > a.c
            echo 'const char *f(int n) { return n > 1 ? h() : __FILE__; }' > y.h
            $CC -I$PWD/inc -c $PWD/a.c; $CC -I$PWD/inc -c ./a.c -o relative.o; $CC -Iinc -c a.c -o plain.o",
        n_pumped: [3, 3],
        edits: false,
        original_is_wrong: true,
    },
    Build {
        name: "edited_header",
        script: "echo '#define X 1' > x.h; printf '#include \"x.h\"\\nint f(void) { return X; }\\n' > a.c
            $CC -c a.c -o first.o; echo '#define X 7' > x.h; $CC -c a.c -o second.o",
        n_pumped: [2, 2],
        edits: true,
        original_is_wrong: true,
    },
    Build {
        name: "edited_source",
        script: "echo 'int f(void) { return 1; }' > a.c; $CC -c a.c -o first.o
            echo 'int f(void) { return 2; }' > a.c; $CC -c a.c -o second.o",
        n_pumped: [2, 2],
        edits: true,
        original_is_wrong: true,
    },
    Build {
        name: "header_in_an_earlier_folder",
        script: "mkdir -p early late; rm -f early/x.h; echo '#define X 1' > late/x.h
            printf '#include <x.h>\\nint f(void) { return X; }\\n' > a.c
            $CC -Iearly -Ilate -c a.c -o first.o; echo '#define X 2' > early/x.h
            $CC -Iearly -Ilate -c a.c -o second.o",
        n_pumped: [2, 2],
        edits: true,
        original_is_wrong: true,
    },
    Build {
        name: "computed_include",
        script: "echo 'int x;' > x.h; printf '#define HEADER \"x.h\"\\n#include HEADER\\n' > a.c
            $CC -c a.c; printf '#include HEADER\\n' > b.c; $CC '-DHEADER=<x.h>' -I. -c b.c",
        n_pumped: [2, 2],
        edits: false,
        original_is_wrong: false,
    },
    // The module that does not work would have encoded them again.
    Build {
        name: "bytes_above_0x7f",
        script: "printf 'const char *a = \"\\303\\251\";\\n' > x.h
            printf '#include \"x.h\"\\nconst char *f = \"\\351 \\377\";\\n' > a.c; $CC -c a.c",
        n_pumped: [1, 1],
        edits: false,
        original_is_wrong: false,
    },
    Build {
        name: "what_a_server_would_show_otherwise",
        script: "mkdir -p inc; echo 'static const char *h(void) { return __FILE__; }' > inc/x.h
            printf '#include <x.h>\\nconst char *f(void) { return h(); }\\n' > a.c
            printf '#include \"inc/x.h\"\\n' > b.c; echo '#include <x.h>' >> b.c
            sed -i '1i#pragma once' inc/x.h; echo 'const char *f(void) { return h(); }' >> b.c
            $CC -I$PWD/inc -c b.c; echo 'const char *f = __BASE_FILE__;' > c.c; $CC -c $PWD/c.c",
        n_pumped: [2, 0],
        edits: false,
        original_is_wrong: true,
    },
];

/// Whose pump, client and server, and which build.
#[derive(Clone, Copy)]
struct Cell {
    pump: Kind,
    client: Kind,
    server: Kind,
    /// `None`: Lua.
    build: Option<&'static Build>,
}

fn main() -> ExitCode {
    let (originals, ours): (Vec<Cell>, Vec<Cell>) = cells().into_iter().partition(Cell::is_proof);
    let trials = |cells: Vec<Cell>| cells.into_iter().map(trial).collect();
    originals_first::run(trials(originals), trials(ours), "everywhere")
}

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    let sides = [
        (Kind::Original, Kind::Original, Kind::Original),
        (Kind::Ours, Kind::Original, Kind::Original),
        (Kind::Ours, Kind::Original, Kind::Ours),
        (Kind::Ours, Kind::Ours, Kind::Ours),
    ];
    for (pump, client, server) in sides {
        for build in BUILDS.iter().map(Some).chain([None]) {
            cells.push(Cell { pump, client, server, build });
        }
    }
    cells
}

fn trial(cell: Cell) -> Trial {
    Trial::test(cell.name(), move || cell.check().map_err(|error| format!("{error:#}").into()))
}

/// What a build left.
struct Built {
    outcome: Outcome,
    objects: BTreeMap<String, Vec<u8>>,
}

impl Cell {
    fn name(&self) -> String {
        let whose = |kind| if kind == Kind::Ours { "ours" } else { "original" };
        let [pump, client, server] = [self.pump, self.client, self.server].map(whose);
        format!("{pump}-{client}-{server}::{}", self.build.map_or("lua", |build| build.name))
    }

    fn is_proof(&self) -> bool {
        self.pump == Kind::Original
    }

    fn check(&self) -> Result<()> {
        let world = World::new();
        let here = Recorder::new(&world.folder("here"), &COMPILERS);
        let work = world.folder("work");
        if self.build.is_none() {
            lay_out_lua(&world.folder("sources"), &work)?;
        }
        let local =
            self.build(&work, Command::new("sh").env_clear().env("CC", "gcc"), SYSTEM_PATH)?;
        ensure!(local.outcome.code == 0, "the local build fails: {}", local.said());
        let server = Server::start(&world.folder("server"), &ServerOptions::new(self.server));
        let pumped = self.pumped(&world, &here, &server, &work)?;
        wait_for_the_end(&world);
        self.judge(&local, &pumped, &here, &server).with_context(|| {
            format!(
                "{}\nran here: {:?}\nserver's log:\n{}",
                pumped.said(),
                here.commands(),
                server.log()
            )
        })
    }

    /// Runs the build under pump.
    fn pumped(
        &self,
        world: &World,
        here: &Recorder,
        server: &Server,
        work: &Path,
    ) -> Result<Built> {
        let programs = match self.client {
            Kind::Ours => ["distcc", "lsdistcc"].map(program),
            Kind::Original => ["/usr/bin/distcc", "/usr/bin/lsdistcc"].map(PathBuf::from),
        };
        let location = world.folder("programs");
        for program in programs {
            ensure!(program.exists(), "{} is missing: apt-get install distcc", program.display());
            symlink(&program, location.join(program.file_name().context("it has a name")?))?;
        }
        let pump = match self.pump {
            Kind::Ours => program("pump"),
            Kind::Original => original_pump::make(&world.folder("original"))?,
        };
        let mut command = Command::new(pump);
        command
            .arg("sh")
            .env_clear()
            .env("CC", "distcc gcc")
            .env("DISTCC_LOCATION", &location)
            .env("DISTCC_HOSTS", server.host("/4,cpp,lzo"))
            .env("DISTCC_DIR", world.folder("state"))
            .env("DISTCC_BACKOFF_PERIOD", "0")
            .env("DISTCC_LOG", world.path().join("distcc.log"));
        self.build(work, &mut command, &here.search_path())
    }

    /// Runs the script, and takes the objects away.
    fn build(&self, work: &Path, command: &mut Command, path: &str) -> Result<Built> {
        let script = self.build.map_or("make -s -j4 \"CC=$CC\"", |build| build.script);
        command.arg("-ec").arg(script).current_dir(work);
        command.env("PATH", path).env("LC_ALL", "C.UTF-8").env("HOME", "/nonexistent");
        let outcome = run(command, LIMIT);
        let mut objects = BTreeMap::new();
        for entry in std::fs::read_dir(work)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "o") {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                objects.insert(name, std::fs::read(&path)?);
                std::fs::remove_file(&path)?;
            }
        }
        Ok(Built { outcome, objects })
    }

    fn judge(&self, local: &Built, pumped: &Built, here: &Recorder, server: &Server) -> Result<()> {
        ensure!(pumped.outcome.code == 0, "exit {}", pumped.outcome.code);
        ensure!(!local.objects.is_empty(), "the local build makes no object");
        let is_wrong = self.is_proof() && self.build.is_some_and(|build| build.original_is_wrong);
        let differing: Vec<&String> = local
            .objects
            .iter()
            .filter(|(name, object)| pumped.objects.get(*name) != Some(object))
            .map(|(name, _)| name)
            .collect();
        ensure!(
            differing.is_empty() != is_wrong,
            "{differing:?} are not what the local compiler makes; expected of it: {is_wrong}"
        );
        // Our client goes its own way, in which nothing has to be preprocessed here.
        let n_all = local.objects.len();
        let n_pumped = match (self.build, self.client, self.pump) {
            (None, ..) | (_, Kind::Ours, _) => n_all,
            (Some(build), _, Kind::Original) => build.n_pumped[0],
            (Some(build), _, Kind::Ours) => build.n_pumped[1],
        };
        let is_preprocessing = |command: &&String| {
            let words: Vec<&str> = command.split(' ').collect();
            words.contains(&"-E") && !words.contains(&"/dev/null")
        };
        let n_preprocessed = here.commands().iter().filter(is_preprocessing).count();
        let may_be_fewer = self.client == Kind::Ours && self.build.is_some_and(|build| build.edits);
        ensure!(
            may_be_fewer || n_all - n_preprocessed == n_pumped,
            "{n_preprocessed} of {n_all} were preprocessed here"
        );
        ensure!(here.compiles().is_empty(), "compiled here");
        // What was done in vain counts there as well.
        if !may_be_fewer {
            server.wait_for_compiled(n_all);
        }
        Ok(())
    }
}

impl Built {
    fn said(&self) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        format!("stdout:\n{}\nstderr:\n{}", text(&self.outcome.stdout), text(&self.outcome.stderr))
    }
}

/// Waits until the session has gone, but for the agent, which others may need.
fn wait_for_the_end(world: &World) {
    let is_sessions = |process: &String| {
        process.contains("--include-server") || process.contains("include_server.py")
    };
    wait_until("no process of the session is left", || {
        !processes_using(world.path()).iter().any(is_sessions)
    });
}

/// The sources of Lua, out of a package of crates.io, and a makefile.
fn lay_out_lua(fetched: &Path, work: &Path) -> Result<()> {
    let packages = Packages::fetch(fetched, &[("lua-src", "\"=547.0.0\"")])?;
    let sources = packages.folder("lua-src")?.join("lua-5.4.7");
    let mut objects = Vec::new();
    for entry in std::fs::read_dir(sources)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.extension().is_some_and(|extension| extension == "c" || extension == "h") {
            std::fs::copy(&path, work.join(&name))?;
            objects.extend(name.strip_suffix(".c").map(|stem| format!("{stem}.o")));
        }
    }
    ensure!(objects.len() > 20, "these are few: {objects:?}");
    let makefile = format!(
        "all: {}\n%.o: %.c\n\t$(CC) -O2 -Wall -std=gnu99 -DLUA_USE_POSIX -MMD -c $< -o $@\n",
        objects.join(" ")
    );
    Ok(std::fs::write(work.join("Makefile"), makefile)?)
}
