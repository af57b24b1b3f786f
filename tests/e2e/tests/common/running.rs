//! A program that runs beside the test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use support::wait_until;

/// A program at work. Dropping it kills it.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts it. What it says goes to `log`.
    pub(crate) fn start(command: &mut Command, log: PathBuf) -> Running {
        let file = std::fs::File::create(&log).unwrap();
        let other = file.try_clone().unwrap();
        let child = command.stdin(Stdio::null()).stdout(other).stderr(file).spawn().unwrap();
        Running { child, log }
    }

    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until `ready`.
    #[track_caller]
    pub(crate) fn wait(&mut self, what: &str, mut ready: impl FnMut() -> bool) {
        wait_until(what, || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("{what}: it ended with {status}:\n{}", self.log());
            }
            ready()
        });
    }

    /// Waits until something in its network listens on this TCP port.
    #[track_caller]
    pub(crate) fn wait_for_port(&mut self, port: u16) {
        let network = PathBuf::from(format!("/proc/{}/net", self.child.id()));
        self.wait(&format!("port {port} is listened to"), || {
            ["tcp", "tcp6"].iter().any(|table| is_listening(&network.join(table), port))
        });
    }

    /// Sends it `signal`, and waits for its end.
    pub(crate) fn end_by(&mut self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        wait_until("the program ends", || self.child.try_wait().unwrap().is_some());
    }
}

/// Whether a table of sockets has one that listens (state 0A) on `port`.
pub(crate) fn is_listening(table: &Path, port: u16) -> bool {
    let table = std::fs::read_to_string(table).unwrap_or_default();
    let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.into_iter().any(|columns| {
        columns.get(3) == Some(&"0A") && columns[1].ends_with(&format!(":{port:04X}"))
    })
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}:\n{}", self.log.display(), self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
