//! A build of a thousand files goes on, and loses nothing, while one of its servers is killed.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use support::{Kind, Server, ServerOptions, World, processes_using, program, wait_until};

/// How many files are compiled.
const N_FILES: usize = 1000;

/// How many jobs make runs at once.
const N_JOBS: usize = 16;

/// A makefile and its sources. `$(CC)` compiles each to an object of the same number.
fn lay_out(folder: &Path) {
    let mut makefile = String::from("all:");
    for number in 0..N_FILES {
        write!(makefile, " {number}.o").unwrap();
        let source = format!(
            "#include <stddef.h>\nstatic const char name[] = \"file {number}\";\n\
             size_t f{number}(size_t x) {{ return x * {number} + sizeof name + name[x]; }}\n"
        );
        std::fs::write(folder.join(format!("{number}.c")), source).unwrap();
    }
    makefile.push_str("\n%.o: %.c\n\t$(CC) -O1 -c $< -o $@\n");
    std::fs::write(folder.join("Makefile"), makefile).unwrap();
}

fn make(folder: &Path, n_jobs: usize, compiler: &str) -> Command {
    let mut make = Command::new("make");
    make.args(["--silent", &format!("-j{n_jobs}"), &format!("CC={compiler}")]).current_dir(folder);
    make.env_remove("MAKEFLAGS").stdin(Stdio::null());
    make
}

fn n_objects(folder: &Path) -> usize {
    let names = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.file_name());
    names.filter(|name| name.to_string_lossy().ends_with(".o")).count()
}

#[test]
fn a_build_survives_the_death_of_a_server() {
    let world = World::new();
    let (shared, local) = (world.folder("shared"), world.folder("local"));
    lay_out(&shared);
    lay_out(&local);
    let options = ServerOptions::new(Kind::Ours);
    let mut red = Server::start(&world.path().join("red"), &options);
    let mut green = Server::start(&world.path().join("green"), &options);

    let state = world.path().join("state");
    let log = std::fs::File::create(world.path().join("make.log")).unwrap();
    let mut build = make(&shared, N_JOBS, &format!("{} gcc", program("distcc").display()))
        .env("DISTCC_HOSTS", [red.host("/8"), green.host("/8,lzo")].join(" "))
        .env("DISTCC_DIR", &state)
        .stderr(log)
        .spawn()
        .unwrap();
    wait_until("a third of the build is done", || n_objects(&shared) > N_FILES / 3);
    assert!(build.try_wait().unwrap().is_none(), "the build ended before the server was killed");
    red.end_by(Signal::KILL);
    let status = build.wait().unwrap();
    let said = std::fs::read_to_string(world.path().join("make.log")).unwrap();
    assert!(status.success(), "{status}\n{said}");
    assert!(said.contains("failed to distribute"), "the killed server was not missed:\n{said}");

    assert!(make(&local, 2, "gcc").status().unwrap().success());
    for number in 0..N_FILES {
        let object = |folder: &Path| std::fs::read(folder.join(format!("{number}.o"))).unwrap();
        assert!(object(&shared) == object(&local), "{number}.o differs");
    }
    assert!(red.n_compiled() > 0 && green.n_compiled() > 0);
    green.end_by(Signal::TERM);

    // Resident, and the only one that is.
    let mut stop = Command::new(program("distcc-agent"));
    assert!(stop.arg("--stop").env("DISTCC_DIR", &state).status().unwrap().success());
    wait_until("the agent has ended", || processes_using(world.path()).is_empty());
    assert_eq!(std::fs::read_dir(state.join("state")).unwrap().count(), 0);
    let names = std::fs::read_dir(&shared).unwrap().flatten().map(|entry| entry.file_name());
    let stray: Vec<_> = names.filter(|name| name.to_string_lossy().contains("distcc")).collect();
    assert!(stray.is_empty(), "{stray:?}");
    eprintln!("red compiled {}, green {}", red.n_compiled(), green.n_compiled());
}
