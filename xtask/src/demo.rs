//! `cargo xtask demo`: real projects built on two servers of this machine, and every object
//! compared with the one that the local compiler makes.

mod farm;
pub(crate) mod project;
mod report;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::{debian, root};
use farm::Farm;
use project::Project;
use report::Report;

/// Packages of a fresh Debian without which nothing can be compiled here.
const PACKAGES: [&str; 3] = ["make", "gcc", "g++"];

/// How many jobs make runs at once.
const N_JOBS: usize = 8;

/// How long one build may take before the demo gives up on it.
const BUILD_DEADLINE: Duration = Duration::from_secs(30 * 60);

/// Builds everything, shows it, compares it, and leaves no process behind.
pub(crate) fn run() -> Result<()> {
    debian::install(&PACKAGES)?;
    crate::build::run()?;
    let folder = root().join("target/demo");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    eprintln!("demo: fetching Lua (C) and HarfBuzz (C++) from crates.io");
    let projects = project::fetch(&folder.join("sources"))?;

    eprintln!("demo: starting two servers on loopback");
    let farm = Farm::start(&folder);
    let mut reports = Vec::new();
    for project in &projects {
        reports.push(build_and_compare(&folder, project, &farm)?);
    }
    farm.stop();

    report::print(&reports);
    let n_different: usize = reports.iter().map(|report| report.different.len()).sum();
    ensure!(n_different == 0, "{n_different} objects differ from the local compiler's");
    let n_remote: usize = reports.iter().map(Report::n_remote).sum();
    let n_objects: usize = reports.iter().map(|report| report.n_objects).sum();
    ensure!(n_remote == n_objects, "{n_remote} of {n_objects} objects came from the servers");
    let n_pumped: usize = reports.iter().map(|report| report.n_pumped).sum();
    ensure!(n_pumped == n_objects, "{n_pumped} of {n_objects} were preprocessed by the servers");
    println!("All {n_objects} objects equal the local compiler's. No process is left.");
    Ok(())
}

fn build_and_compare(folder: &Path, project: &Project, farm: &Farm) -> Result<Report> {
    let shared = folder.join(project.name).join("shared");
    let local = folder.join(project.name).join("local");
    let log = folder.join(project.name).join("distcc.log");
    let before = farm.n_compiled();
    let n_pumped_before = farm.n_pumped()?;

    let mut make = make(project, &shared)?;
    let distcc = farm.distcc().display().to_string();
    make.args([format!("CC={distcc} gcc"), format!("CXX={distcc} g++")]);
    farm.configure(&mut make);
    make.env("DISTCC_VERBOSE", "1").env("DISTCC_LOG", &log);
    let shared_time = watch(make, project, &shared, "on two servers")?;
    let local_time = watch(self::make(project, &local)?, project, &local, "locally")?;

    let n_compiled: Vec<usize> =
        farm.n_compiled().iter().zip(before).map(|(after, before)| after - before).collect();
    let mut different = Vec::new();
    for object in &project.objects {
        let equal = std::fs::read(shared.join(object))? == std::fs::read(local.join(object))?;
        if !equal {
            different.push(object.clone());
        }
    }
    project.try_out(&shared)?;
    Ok(Report {
        project: project.name,
        n_objects: project.objects.len(),
        servers: farm.names().into_iter().zip(n_compiled).collect(),
        n_pumped: farm.n_pumped()? - n_pumped_before,
        stayed: report::reasons(&std::fs::read_to_string(&log)?),
        shared_time,
        local_time,
        different,
    })
}

/// A `make` for a fresh copy of the project's sources.
fn make(project: &Project, folder: &Path) -> Result<Command> {
    project.lay_out(folder)?;
    let mut make = Command::new("make");
    make.args(["--silent", &format!("-j{N_JOBS}")]).current_dir(folder);
    // What the user's shell says about compiling must not reach the demo.
    for name in ["MAKEFLAGS", "MAKELEVEL", "DISTCC_HOSTS", "DISTCC_DIR"] {
        make.env_remove(name);
    }
    Ok(make)
}

/// Runs a build under a line of progress, and says how long it took.
fn watch(mut make: Command, project: &Project, folder: &Path, how: &str) -> Result<Duration> {
    let start = Instant::now();
    let child = make.stdin(Stdio::null()).spawn().context("could not start make")?;
    let mut child = Reaped(child);
    let progress = report::Progress::new(format!("{} {how}", project.name), project.objects.len());
    let status = loop {
        if let Some(status) = child.0.try_wait()? {
            break status;
        }
        ensure!(start.elapsed() < BUILD_DEADLINE, "{} {how} takes too long", project.name);
        progress.show(count_objects(project, folder));
        std::thread::sleep(Duration::from_millis(100));
    };
    progress.end(count_objects(project, folder));
    ensure!(status.success(), "building {} {how} failed: {status}", project.name);
    Ok(start.elapsed())
}

fn count_objects(project: &Project, folder: &Path) -> usize {
    project.objects.iter().filter(|object| folder.join(object).exists()).count()
}

/// A child that does not outlive us, however we end.
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
