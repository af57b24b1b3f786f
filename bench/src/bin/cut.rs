//! What a server costs that is lost in the middle of a build, against the original: a build of 60
//! files on two servers, once whole and once with the cable of one cut when a quarter is done.
//!
//! Needs root: the hosts are network namespaces. Takes some minutes, because the original waits
//! for five.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use netns::Lab;
use support::{Kind, Server, ServerOptions, World, program, script, wait_until};

const N_FILES: usize = 60;

/// What a lost server may cost with our client.
const MOST_LOST: Duration = Duration::from_secs(5);

fn main() -> Result<ExitCode> {
    let programs = [("ours", program("distcc")), ("original", PathBuf::from("/usr/bin/distcc"))];
    let mut lost = Vec::new();
    println!("{:10}{:>12}{:>12}{:>12}", "client", "whole", "cut", "lost");
    for (name, distcc) in programs {
        let (whole, cut) = (build(&distcc, false)?, build(&distcc, true)?);
        let difference = cut.saturating_sub(whole);
        let seconds = [whole, cut, difference].map(|time| format!("{:.1} s", time.as_secs_f64()));
        println!("{name:10}{:>12}{:>12}{:>12}", seconds[0], seconds[1], seconds[2]);
        lost.push(difference);
    }
    let ratio = lost[1].as_secs_f64() / lost[0].as_secs_f64().max(0.1);
    println!("the original loses {ratio:.0} times as much");
    let is_kept = lost[0] < MOST_LOST;
    if !is_kept {
        println!("promised: less than {} s", MOST_LOST.as_secs());
    }
    Ok(if is_kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Builds once, and says how long it took.
fn build(distcc: &Path, with_cut: bool) -> Result<Duration> {
    let world = World::new();
    let work = world.folder("work");
    lay_out(&work)?;
    let lab = Lab::new(&["client", "red", "green"]);
    let compilers = world.folder("compilers");
    for name in ["gcc", "x86_64-linux-gnu-gcc"] {
        script(&compilers.join(name), "sleep 0.4; exec /usr/bin/gcc \"$@\"");
    }
    let servers = ["red", "green"].map(|name| {
        let mut options = ServerOptions::new(Kind::Ours);
        options.address = lab.host(name).ip().into();
        options.launcher = lab.host(name).launcher();
        options.allow = vec!["10.77.0.0/24".to_owned()];
        options.path = Some(format!("{}:/usr/bin:/bin", compilers.display()));
        options.n_jobs = 4;
        Server::start(&world.path().join(name), &options)
    });
    let hosts = servers.each_ref().map(|server| server.host("/4")).join(" ");
    let start = Instant::now();
    let mut make = lab
        .host("client")
        .command("make")
        .args(["--silent", "-j8", &format!("CC={} gcc", distcc.display())])
        .env("DISTCC_HOSTS", hosts)
        .env("DISTCC_DIR", world.folder("state"))
        .env_remove("MAKEFLAGS")
        .current_dir(&work)
        .stderr(std::fs::File::create(world.path().join("log"))?)
        .spawn()?;
    if with_cut {
        wait_until("a quarter of the build is done", || n_objects(&work) > N_FILES / 4);
        lab.host("red").cut_cable();
    }
    let status = make.wait()?;
    let took = start.elapsed();
    let said = std::fs::read_to_string(world.path().join("log"))?;
    ensure!(status.success() && n_objects(&work) == N_FILES, "the build failed:\n{said}");
    Ok(took)
}

fn lay_out(folder: &Path) -> Result<()> {
    let mut makefile = String::from("all:");
    for number in 0..N_FILES {
        write!(makefile, " {number}.o")?;
        let text = format!("#include <stddef.h>\nsize_t f{number}(void) {{ return {number}; }}\n");
        std::fs::write(folder.join(format!("{number}.c")), text)?;
    }
    makefile.push_str("\n%.o: %.c\n\t$(CC) -O1 -c $< -o $@\n");
    Ok(std::fs::write(folder.join("Makefile"), makefile)?)
}

fn n_objects(folder: &Path) -> usize {
    (0..N_FILES).filter(|number| folder.join(format!("{number}.o")).exists()).count()
}
