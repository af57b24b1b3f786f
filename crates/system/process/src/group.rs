//! A compiler as a process group of its own.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid,
};

use sys::usage::Usage;

use crate::Run;

/// How long a compiler may take to end after SIGTERM.
const GRACE: Duration = Duration::from_millis(500);

/// How often to look whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A compiler at work, and what it has started as far as that stays in its group.
#[derive(Debug)]
pub(crate) struct Group {
    child: Child,
    group: Pid,
    process: Option<OwnedFd>,
    usage: Usage,
}

impl Group {
    pub(crate) fn start(run: Run<'_>) -> io::Result<Group> {
        let mut command = Command::new(run.program);
        command
            .arg0(run.name)
            .args(run.arguments)
            .env_clear()
            .envs(run.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(run.folder)
            .stdin(Stdio::null())
            .stdout(run.stdout)
            .stderr(run.stderr)
            .process_group(0);
        sys::child::bind_to_this_thread(&mut command);
        let child = command.spawn()?;
        let group = Pid::from_child(&child);
        let process = pidfd_open(group, PidfdFlags::empty()).ok();
        Ok(Group { child, group, process, usage: Usage::default() })
    }

    /// What becomes readable when the compiler ends. `None`: one has to look from time to time.
    pub(crate) fn news(&self) -> Option<BorrowedFd<'_>> {
        self.process.as_ref().map(AsFd::as_fd)
    }

    /// How the compiler ended, if it has. The rest of its group is ended then.
    pub(crate) fn status(&mut self) -> io::Result<Option<ExitStatus>> {
        if !self.has_ended()? {
            return Ok(None);
        }
        self.end_rest();
        let (status, usage) = sys::usage::wait(self.group.as_raw_pid())?;
        self.usage = usage;
        Ok(Some(status))
    }

    /// What the compiler has cost, and what it has started and waited for; nothing before its end.
    pub(crate) fn usage(&self) -> Usage {
        self.usage
    }

    /// Ends the whole group: politely first, then not.
    pub(crate) fn end(&mut self) {
        let _ = kill_process_group(self.group, Signal::TERM);
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline && matches!(self.has_ended(), Ok(false)) {
            std::thread::sleep(LOOK_EVERY);
        }
        self.end_rest();
        let _ = self.child.wait();
    }

    /// Whether the compiler has ended. It stays a zombie, which keeps its number from going to
    /// somebody else before [`Group::end_rest`].
    fn has_ended(&self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::Pid(self.group), options)?.is_some())
    }

    /// Ends what the compiler has started and left.
    fn end_rest(&self) {
        let _ = kill_process_group(self.group, Signal::KILL);
    }
}
