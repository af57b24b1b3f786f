//! Machines for tests: this system's files below an overlay, and a systemd that is process 1 of
//! namespaces of its own. What a machine writes, and whatever runs in it, is gone with it.
//!
//! Needs root, and Debian's systemd.

mod groups;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use support::{World, wait_until};

/// The longest time for one command in a machine.
const COMMAND_LIMIT: Duration = Duration::from_secs(300);

/// What a command in a machine finds of an environment.
const ENVIRONMENT: [&str; 4] = [
    "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL=C.UTF-8",
    "HOME=/root",
    "DEBIAN_FRONTEND=noninteractive",
];

/// What a command in a machine did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code; 128 and the signal where one ended it, as shells have it.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// A machine that has started. Dropping it ends it with all that runs in it.
#[derive(Debug)]
pub struct Machine {
    world: World,
    unshare: Child,
    pid: u32,
    group: PathBuf,
}

impl Machine {
    /// Starts one. It has the folder `files` as `/test`; the shell's commands `prepare` run beforehand,
    /// with the folder that becomes its root in `$root`. `launcher` are words before the command that
    /// starts it, as of a host of a lab, whose network it has then; without them it has none.
    ///
    /// # Panics
    /// When it does not start: with what it said.
    #[must_use]
    pub fn start(files: &Path, prepare: &str, launcher: &[String]) -> Machine {
        assert!(rustix::process::geteuid().is_root(), "a systemd of one's own needs root");
        let world = World::new();
        let root = world.folder("root");
        std::fs::write(files.join("prepare.sh"), prepare).expect("the folder can be written");
        let script_path = world.path().join("machine.sh");
        std::fs::write(&script_path, include_str!("machine.sh")).expect("so can the world's");
        let console = world.path().join("console");
        let console_file = std::fs::File::create(&console).expect("and once more");
        let group = groups::make();
        let network = if launcher.is_empty() { "--net" } else { "" };
        let script = format!(
            "echo $$ > {}/cgroup.procs && exec {} unshare --mount --pid --fork --kill-child --cgroup \
             --uts --ipc {network} bash {} {} {} {}",
            group.display(),
            launcher.join(" "),
            script_path.display(),
            root.display(),
            console.display(),
            files.display(),
        );
        let unshare = Command::new("setsid")
            .args(["sh", "-c", &script])
            .stdin(Stdio::null())
            .stdout(console_file.try_clone().expect("a descriptor can be copied"))
            .stderr(console_file)
            .spawn()
            .expect("setsid can be started");
        let mut machine = Machine { world, unshare, pid: 0, group };
        wait_until("systemd is process 1", || {
            let ended = machine.unshare.try_wait().expect("it is our child");
            assert_eq!(ended, None, "{}", machine.console());
            machine.pid = first_child(machine.unshare.id()).unwrap_or(0);
            let name = std::fs::read_to_string(format!("/proc/{}/comm", machine.pid));
            name.is_ok_and(|name| name == "systemd\n")
        });
        wait_until("systemd has started", || {
            machine.run("systemctl is-active test.target").stdout == "active\n"
        });
        machine
    }

    /// What was said on its console.
    #[must_use]
    pub fn console(&self) -> String {
        let text = std::fs::read(self.world.path().join("console")).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Runs a shell's command in it.
    #[must_use]
    pub fn run(&self, command: &str) -> Ran {
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["--target", &self.pid.to_string(), "--all", "env", "-i"]).args(ENVIRONMENT);
        let outcome = support::run(nsenter.args(["sh", "-c", command]), COMMAND_LIMIT);
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ran { code: outcome.code, stdout: text(outcome.stdout), stderr: text(outcome.stderr) }
    }

    /// The same, which has to succeed: what it prints.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn must(&self, command: &str) -> String {
        let ran = self.run(command);
        let said = format!("{command}: {}\n{}{}", ran.code, ran.stdout, ran.stderr);
        assert!(ran.code == 0, "{said}\n{}", self.journal());
        ran.stdout
    }

    /// The journal's messages.
    #[must_use]
    pub fn journal(&self) -> String {
        self.run("journalctl --sync; journalctl --no-pager --output=cat").stdout
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}\n{}", self.console(), self.journal());
        }
        // Process 1 takes all others of its namespace along.
        if let Some(first) = Pid::from_raw(self.pid.cast_signed()) {
            let _ = kill_process(first, Signal::KILL);
        }
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
        groups::remove(&self.group);
    }
}

/// The first child of a process.
fn first_child(parent: u32) -> Option<u32> {
    let children =
        std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
