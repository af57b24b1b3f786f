//! A compiler as a process group of its own.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid,
};

use sys::spawn::Program;
use sys::usage::Usage;

use crate::Run;

/// How long a compiler may take to end after SIGTERM.
const GRACE: Duration = Duration::from_millis(500);

/// How often to look whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A compiler at work, and what it has started as far as that stays in its group.
#[derive(Debug)]
pub(crate) struct Group {
    group: Pid,
    process: Option<OwnedFd>,
    usage: Usage,
}

impl Group {
    pub(crate) fn start(run: &Run<'_>) -> io::Result<Group> {
        let path = c_string(run.program.as_os_str())?;
        let folder = c_string(run.folder.as_os_str())?;
        let own_name =
            std::iter::once(run.name).chain(run.arguments.iter().map(OsString::as_os_str));
        let words: Vec<CString> = own_name.map(c_string).collect::<io::Result<_>>()?;
        let variables = run.environment.iter().map(|(name, value)| {
            let variable = [name.as_bytes(), b"=", value.as_bytes()].concat();
            c_string(OsStr::from_bytes(&variable))
        });
        let environment: Vec<CString> = variables.collect::<io::Result<_>>()?;
        let null = File::open("/dev/null")?;
        let program = Program {
            path: &path,
            words: &words,
            environment: &environment,
            folder: &folder,
            streams: [null.as_fd(), run.stdout.as_fd(), run.stderr.as_fd()],
        };
        let group = Pid::from_raw(program.start()?).ok_or(io::ErrorKind::NotFound)?;
        let process = pidfd_open(group, PidfdFlags::empty()).ok();
        Ok(Group { group, process, usage: Usage::default() })
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
        let _ = sys::usage::wait(self.group.as_raw_pid());
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

/// What the system takes for a word.
fn c_string(word: &OsStr) -> io::Result<CString> {
    Ok(CString::new(word.as_bytes())?)
}
