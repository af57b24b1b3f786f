//! `cargo xtask picture`: `docs/distccmon.svg`, the screen of `distccmon` in the middle of a build.
//!
//! Nothing in it is drawn by hand: three hosts serve in network namespaces of this machine, a fourth
//! builds Lua on them with the monitor beside it in a terminal of tmux, and that is what the
//! picture shows, cell by cell.

mod svg;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use netns::{Host, Lab};
use rustix::process::{Pid, Signal, kill_process_group};
use support::{Kind, Server, ServerOptions, World, program, wait_until};

use crate::demo::project::{self, Project};
use crate::{debian, root};

/// Packages that the build, the hosts and the terminal need.
const PACKAGES: [&str; 6] = ["make", "gcc", "g++", "tmux", "iproute2", "nftables"];

/// The hosts that serve, and how many jobs each takes.
const HOSTS: [(&str, usize); 3] = [("red", 4), ("green", 3), ("blue", 2)];

/// How many jobs make runs at once: a few more than the hosts take.
const N_JOBS: usize = 11;

/// Columns and lines of the terminal.
const SIZE: (usize, usize) = (100, 24);

/// Builds, looks, and writes the picture anew.
pub(crate) fn run() -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "the hosts of the picture are network namespaces: run this as root"
    );
    debian::install(&PACKAGES)?;
    let world = World::new();
    eprintln!("picture: fetching Lua from crates.io");
    let projects = project::fetch(&world.folder("sources"))?;
    let project = projects.iter().find(|project| project.name == "Lua");
    let project = project.context("the demo has no Lua any more")?;

    let names: Vec<&str> = HOSTS.iter().map(|(name, _)| *name).chain(["desk"]).collect();
    let lab = Lab::new(&names);
    let _servers = HOSTS.map(|(name, n_jobs)| serve(&world, lab.host(name), n_jobs));
    let desk = Desk { world: &world, host: lab.host("desk") };
    let mut build = desk.build(project)?;
    eprintln!("picture: building on {}", desk.hosts());
    let terminal = Terminal::start(&desk)?;
    wait_until("all hosts are busy and have done something", || {
        assert!(build.is_at_work(), "the build was over before");
        terminal.shown().is_ok_and(|shown| is_worth_a_picture(&shown))
    });
    let picture = svg::picture(&terminal.shown_with_colors()?, SIZE);
    let path = root().join("docs/distccmon.svg");
    std::fs::write(&path, picture)
        .with_context(|| format!("could not write {}", path.display()))?;
    println!("{} is new", path.display());
    Ok(())
}

/// Starts a server on a host of the lab.
fn serve(world: &World, host: &Host, n_jobs: usize) -> Server {
    let mut options = ServerOptions::new(Kind::Ours);
    options.n_jobs = n_jobs;
    options.allow = vec!["10.77.0.0/24".to_owned()];
    options.address = host.ip().into();
    options.port = Some(3632);
    options.launcher = host.launcher();
    Server::start(&world.folder(host.name()), &options)
}

/// Whether a screen has every slot at work but one at most, on hosts that have all done two files.
fn is_worth_a_picture(shown: &str) -> bool {
    let n_done = |line: &str| line.split_once(" done")?.0.rsplit(' ').next()?.parse::<u32>().ok();
    let is_warm = HOSTS.iter().all(|(name, _)| {
        let line = shown.lines().find(|line| line.starts_with(&format!(" {name}:")));
        line.and_then(n_done) >= Some(2)
    });
    let n_slots: usize = HOSTS.iter().map(|(_, n_slots)| n_slots).sum();
    is_warm && shown.matches(" compile ").count() + 1 >= n_slots
}

/// The machine that builds.
struct Desk<'a> {
    world: &'a World,
    host: &'a Host,
}

impl Desk<'_> {
    /// The list of hosts.
    fn hosts(&self) -> String {
        HOSTS.map(|(name, n_jobs)| format!("{name}/{n_jobs}")).join(" ")
    }

    /// A command of it, with the hosts, and without what the user's shell says of building.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = self.host.command(program);
        for name in ["MAKEFLAGS", "MAKELEVEL", "TMUX", "NO_COLOR"] {
            command.env_remove(name);
        }
        command.env("DISTCC_HOSTS", self.hosts());
        command.env("DISTCC_DIR", self.world.path().join("state"));
        command
    }

    /// Starts the build.
    fn build(&self, project: &Project) -> Result<Build<'_>> {
        let folder = self.world.folder("build");
        project.lay_out(&folder)?;
        let distcc = program("distcc").display().to_string();
        let mut make = self.command("make");
        make.args(["--silent", &format!("-j{N_JOBS}")]).current_dir(folder);
        make.args([format!("CC={distcc} gcc"), format!("CXX={distcc} g++")]);
        make.stdin(Stdio::null()).stderr(Stdio::null());
        std::os::unix::process::CommandExt::process_group(&mut make, 0);
        let process = make.spawn().context("could not start make")?;
        Ok(Build { desk: self, process })
    }
}

/// A build that ends with the picture, and its agent with it.
struct Build<'a> {
    desk: &'a Desk<'a>,
    process: Child,
}

impl Build<'_> {
    fn is_at_work(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }
}

impl Drop for Build<'_> {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.process), Signal::TERM);
        let _ = self.process.wait();
        let mut stop = self.desk.command(program("distcc-agent"));
        // It may not run.
        let _ = stop.arg("--stop").stderr(Stdio::null()).status();
    }
}

/// A terminal of tmux with the monitor in it.
struct Terminal {
    socket: PathBuf,
}

impl Terminal {
    fn start(desk: &Desk<'_>) -> Result<Terminal> {
        let terminal = Terminal { socket: desk.world.path().join("tmux") };
        let mut command = desk.command("tmux");
        command.arg("-S").arg(&terminal.socket);
        command.args(["-u", "-f", "/dev/null", "new-session", "-d"]);
        command.args(["-x", &SIZE.0.to_string(), "-y", &SIZE.1.to_string()]);
        command.arg(program("distccmon"));
        command.args(["--interval", "0.2"]);
        let status = command.env("LC_ALL", "C.UTF-8").status().context("could not start tmux")?;
        ensure!(status.success(), "tmux: {status}");
        Ok(terminal)
    }

    fn capture(&self, how: &[&str]) -> Result<String> {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(&self.socket).args(["capture-pane", "-p"]).args(how);
        let output = command.output().context("could not start tmux")?;
        ensure!(output.status.success(), "tmux: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    fn shown(&self) -> Result<String> {
        self.capture(&[])
    }

    /// What it shows, with its styles as escape sequences.
    fn shown_with_colors(&self) -> Result<String> {
        self.capture(&["-e", "-N"])
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Command::new("tmux").arg("-S").arg(&self.socket).arg("kill-server").status();
    }
}
