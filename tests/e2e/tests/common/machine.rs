//! A machine of its own: a host of a lab that has its own processes, its own mounts, and so its own
//! whitelist, while it shares the programs of this system.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use netns::Host;
use rustix::process::{Pid, Signal, kill_process};
use support::{PROGRAMS, program};

use super::{Ran, World, finish};

/// The first process of a machine: it gives the machine an empty `/usr/lib/distcc`, and waits for
/// the end of what nobody else waits for.
const INIT: &str = "mount -t tmpfs whitelist /usr/lib/distcc && echo up && sleep infinity & wait; \
                    while :; do sleep infinity & wait; done";

/// A machine. Dropping it ends all that runs on it.
pub(crate) struct Machine {
    init: Child,
    pid: Pid,
    /// `PATH` there: our programs, then the system's.
    pub(crate) path: String,
    pub(crate) folder: PathBuf,
}

impl Machine {
    /// Starts one on a host of a lab, with its files in a folder of the world of the host's name.
    pub(crate) fn start(world: &World, host: &Host) -> Machine {
        let folder = world.open_folder(host.name());
        let bin = world.folder(&format!("{}/bin", host.name()));
        for name in PROGRAMS {
            symlink(program(name), bin.join(name)).unwrap();
        }
        std::fs::create_dir_all("/usr/lib/distcc").unwrap();
        let mut unshare = host.command("unshare");
        unshare.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        unshare.args(["sh", "-c", INIT]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut init = unshare.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(init.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "up\n", "the machine did not start");
        // `unshare` forks the machine's first process.
        let children = format!("/proc/{0}/task/{0}/children", init.id());
        let children = std::fs::read_to_string(children).unwrap();
        let pid = children.split_whitespace().next().and_then(|pid| pid.parse().ok());
        let pid = pid.and_then(Pid::from_raw).unwrap();
        let path = format!("{}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", bin.display());
        Machine { init, pid, path, folder }
    }

    /// Runs lines of a shell there, with an environment of their own.
    pub(crate) fn run(&self, lines: &str) -> Ran {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.pid.as_raw_nonzero().to_string()]);
        command.args(["--mount", "--pid", "--net"]);
        command.arg(format!("--wdns={}", self.folder.display()));
        command.args(["sh", "-c", lines]);
        command.env_clear().env("PATH", &self.path).env("HOME", &self.folder);
        command.env("LC_ALL", "C.UTF-8");
        finish(&mut command)
    }

    /// The same of lines that have to succeed.
    #[track_caller]
    pub(crate) fn must(&self, lines: &str) {
        let ran = self.run(lines);
        assert_eq!(ran.code, 0, "`{lines}`:\n{}{}", ran.stdout, ran.stderr);
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The end of the first process is the end of all.
        let _ = kill_process(self.pid, Signal::KILL);
        let _ = self.init.kill();
        let _ = self.init.wait();
    }
}
