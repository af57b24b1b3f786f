//! One compiler run.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid,
};

/// How long a compiler may take to end after SIGTERM.
const GRACE: Duration = Duration::from_millis(500);

/// How often to look where the system cannot tell us that a process ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What to run, and where.
#[derive(Debug)]
pub struct Run<'a> {
    /// The file to execute.
    pub program: &'a Path,
    /// Its own name as it is told.
    pub name: &'a OsStr,
    /// The words after that.
    pub arguments: &'a [OsString],
    /// Its whole environment.
    pub environment: &'a [(OsString, OsString)],
    /// Its working folder.
    pub folder: &'a Path,
    /// Where its standard output goes.
    pub stdout: File,
    /// Where its standard error goes.
    pub stderr: File,
}

/// A compiler at work, a process group of its own. Dropping it ends the group. It belongs to the
/// thread that started it, and ends with it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    group: Pid,
    pidfd: Option<OwnedFd>,
    status: Option<ExitStatus>,
}

/// Why a wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The compiler ended.
    Ended(ExitStatus),
    /// The time is over. The group has been ended.
    TimedOut,
    /// One of the watched descriptors, the one of this index, has something to say. The compiler
    /// is still at work.
    Spoke(usize),
}

impl Run<'_> {
    /// Starts the compiler.
    ///
    /// # Errors
    /// When it cannot be executed.
    pub fn start(self) -> io::Result<Running> {
        let mut command = Command::new(self.program);
        command
            .arg0(self.name)
            .args(self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder)
            .stdin(Stdio::null())
            .stdout(self.stdout)
            .stderr(self.stderr)
            .process_group(0);
        sys::child::bind_to_this_thread(&mut command);
        let child = command.spawn()?;
        let group = Pid::from_child(&child);
        // Without such a descriptor we have to look from time to time.
        let pidfd = pidfd_open(group, PidfdFlags::empty()).ok();
        Ok(Running { child, group, pidfd, status: None })
    }
}

impl Running {
    /// Waits until the compiler ends, until `deadline`, or until one of `watched` can be read or
    /// has hung up.
    ///
    /// # Errors
    /// When the system cannot wait.
    pub fn wait(
        &mut self,
        watched: &[BorrowedFd<'_>],
        deadline: Option<Instant>,
    ) -> io::Result<Ending> {
        loop {
            if self.has_ended()? {
                self.end_group();
                let status = self.child.wait()?;
                self.status = Some(status);
                return Ok(Ending::Ended(status));
            }
            let mut left = match deadline {
                Some(deadline) if deadline <= Instant::now() => {
                    self.end();
                    return Ok(Ending::TimedOut);
                }
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
                None => Duration::from_secs(3600),
            };
            if self.pidfd.is_none() {
                left = left.min(LOOK_EVERY);
            }
            let mut ends: Vec<PollFd<'_>> = watched
                .iter()
                .copied()
                .chain(self.pidfd.as_ref().map(AsFd::as_fd))
                .map(|end| PollFd::from_borrowed_fd(end, PollFlags::IN | PollFlags::RDHUP))
                .collect();
            match poll(&mut ends, Timespec::try_from(left).ok().as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let spoke = ends[..watched.len()].iter().position(|end| !end.revents().is_empty());
            if let Some(index) = spoke {
                // A compiler that ended at the same moment has the first word.
                if !self.has_ended()? {
                    return Ok(Ending::Spoke(index));
                }
            }
        }
    }

    /// Ends the whole group: politely first, then not.
    pub fn end(&mut self) {
        if self.status.is_some() {
            return;
        }
        let _ = kill_process_group(self.group, Signal::TERM);
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline && matches!(self.has_ended(), Ok(false)) {
            std::thread::sleep(LOOK_EVERY);
        }
        self.end_group();
        self.status = self.child.wait().ok();
    }

    /// Whether the compiler has ended. It stays a zombie, which keeps its number from going to
    /// somebody else before [`Running::end_group`].
    fn has_ended(&self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::Pid(self.group), options)?.is_some())
    }

    /// Ends what the compiler has started and left.
    fn end_group(&self) {
        let _ = kill_process_group(self.group, Signal::KILL);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn start(script: &str, folder: &Path) -> Running {
        let open = |name: &str| File::create(folder.join(name)).unwrap();
        Run {
            program: Path::new("/bin/sh"),
            name: OsStr::new("sh"),
            arguments: &["-c".into(), script.into()],
            environment: &[("PATH".into(), "/usr/bin:/bin".into())],
            folder,
            stdout: open("stdout"),
            stderr: open("stderr"),
        }
        .start()
        .unwrap()
    }

    #[test]
    fn a_run_has_its_folder_and_its_environment_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let mut running = start("pwd; env | sort; exit 3", folder.path());
        let ending = running.wait(&[], None).unwrap();
        assert!(matches!(ending, Ending::Ended(status) if status.code() == Some(3)));
        let said = std::fs::read_to_string(folder.path().join("stdout")).unwrap();
        let place = folder.path().canonicalize().unwrap();
        assert!(said.starts_with(&format!("{}\n", place.display())), "{said}");
        assert!(said.contains("PATH=/usr/bin:/bin\n") && !said.contains("HOME="), "{said}");
    }

    #[test]
    fn the_whole_group_ends_with_a_run_that_takes_too_long() {
        let folder = tempfile::tempdir().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        // The grandchild holds the writing end through a fifo's stand-in: its standard output.
        let stdout = File::from(OwnedFd::from(writer));
        let mut running = Run {
            program: Path::new("/bin/sh"),
            name: OsStr::new("sh"),
            arguments: &["-c".into(), "trap '' TERM; sleep 1000 & echo x; wait".into()],
            environment: &[("PATH".into(), "/usr/bin:/bin".into())],
            folder: folder.path(),
            stdout,
            stderr: File::create(folder.path().join("stderr")).unwrap(),
        }
        .start()
        .unwrap();
        let mut said = [0; 2];
        reader.read_exact(&mut said).unwrap();
        let deadline = Instant::now() + Duration::from_millis(20);
        assert_eq!(running.wait(&[], Some(deadline)).unwrap(), Ending::TimedOut);
        // The end of the pipe comes only when every holder of its other end is gone.
        assert_eq!(reader.read(&mut said).unwrap(), 0);
    }

    #[test]
    fn a_watched_descriptor_interrupts_the_wait() {
        let folder = tempfile::tempdir().unwrap();
        let mut running = start("sleep 1000", folder.path());
        let (reader, writer) = std::io::pipe().unwrap();
        drop(writer);
        assert_eq!(running.wait(&[reader.as_fd()], None).unwrap(), Ending::Spoke(0));
    }

    #[test]
    fn what_cannot_be_executed_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str| File::create(folder.path().join(name)).unwrap();
        let run = Run {
            program: Path::new("/nonexistent/gcc"),
            name: OsStr::new("gcc"),
            arguments: &[],
            environment: &[],
            folder: folder.path(),
            stdout: open("stdout"),
            stderr: open("stderr"),
        };
        assert_eq!(run.start().unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
