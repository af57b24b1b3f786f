//! One compiler run.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sandbox::{Failure, Job, Sandbox, Task, Tree};
use sys::usage::Usage;

use crate::group::Group;

/// How often to look where the system cannot tell us that a process ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The longest pause between two looks at the clock.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

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
    /// The job's own folder: in a sandbox, the only one that it can write.
    pub own_folder: &'a Path,
    /// Its working folder, in its own folder; by the names of `tree` where there is one.
    pub folder: &'a Path,
    /// What it sees at the root in place of the usual: only in a sandbox that lays out trees.
    pub tree: Option<Tree>,
    /// The folder in memory that the tree is in.
    pub memory: Option<BorrowedFd<'a>>,
    /// Where its standard output goes.
    pub stdout: File,
    /// Where its standard error goes.
    pub stderr: File,
}

/// A compiler at work. Dropping it ends the compiler with everything that it has started. It
/// belongs to the thread that started it, and ends with it.
#[derive(Debug)]
pub struct Running {
    kind: Kind,
    has_ended: bool,
}

#[derive(Debug)]
enum Kind {
    /// In a process group of its own.
    Grouped(Group),
    /// In a sandbox.
    Confined(Job),
}

/// Why a wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The compiler ended.
    Ended(ExitStatus),
    /// The time is over. The compiler has been ended.
    TimedOut,
    /// One of the watched descriptors, the one of this index, has something to say. The compiler
    /// is still at work.
    Spoke(usize),
}

impl Run<'_> {
    /// Starts the compiler, in `sandbox` where there is one.
    ///
    /// # Errors
    /// When it cannot be started. In a sandbox, [`Running::wait`] tells what cannot be executed.
    pub fn start(self, sandbox: Option<&Sandbox>) -> Result<Running, Failure> {
        let kind = match sandbox {
            Some(sandbox) => {
                let task = self.task();
                let (stdout, stderr) = (self.stdout.as_fd(), self.stderr.as_fd());
                Kind::Confined(sandbox.start(&task, stdout, stderr, self.memory)?)
            }
            None if self.tree.is_some() => {
                return Err(Failure::Broken("no tree without a sandbox".to_owned()));
            }
            None => Kind::Grouped(Group::start(&self).map_err(Failure::NotExecuted)?),
        };
        Ok(Running { kind, has_ended: false })
    }

    fn task(&self) -> Task {
        let variable = |(name, value): &(OsString, OsString)| {
            let mut variable = name.clone();
            variable.push("=");
            variable.push(value);
            variable
        };
        Task {
            program: self.program.to_owned(),
            name: self.name.to_owned(),
            arguments: self.arguments.to_vec(),
            environment: self.environment.iter().map(variable).collect(),
            own_folder: self.own_folder.to_owned(),
            folder: self.folder.to_owned(),
            tree: self.tree.clone(),
        }
    }
}

impl Running {
    /// Waits until the compiler ends, until `deadline`, or until one of `watched` can be read or
    /// has hung up.
    ///
    /// # Errors
    /// When it could not be executed, or the system cannot wait.
    pub fn wait(
        &mut self,
        watched: &[BorrowedFd<'_>],
        deadline: Option<Instant>,
    ) -> Result<Ending, Failure> {
        loop {
            if let Some(status) = self.status()? {
                return Ok(Ending::Ended(status));
            }
            let mut left = match deadline {
                Some(deadline) if deadline <= Instant::now() => {
                    self.end();
                    return Ok(Ending::TimedOut);
                }
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
                None => LONGEST_WAIT,
            };
            let news = match &self.kind {
                Kind::Grouped(group) => group.news(),
                Kind::Confined(job) => Some(job.news()),
            };
            if news.is_none() {
                left = left.min(LOOK_EVERY);
            }
            let mut ends: Vec<PollFd<'_>> = watched
                .iter()
                .copied()
                .chain(news)
                .map(|end| PollFd::from_borrowed_fd(end, PollFlags::IN | PollFlags::RDHUP))
                .collect();
            match poll(&mut ends, Timespec::try_from(left).ok().as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(Failure::Broken(format!("waiting: {error}"))),
            }
            let spoke = ends[..watched.len()].iter().position(|end| !end.revents().is_empty());
            if let Some(index) = spoke {
                // A compiler that ended at the same moment has the first word.
                if let Some(status) = self.status()? {
                    return Ok(Ending::Ended(status));
                }
                return Ok(Ending::Spoke(index));
            }
        }
    }

    /// How the compiler ended, if it has. Nothing of what it started is left then.
    fn status(&mut self) -> Result<Option<ExitStatus>, Failure> {
        let status = match &mut self.kind {
            Kind::Grouped(group) => {
                group.status().map_err(|error: io::Error| Failure::Broken(error.to_string()))?
            }
            Kind::Confined(job) => job.status()?.map(ExitStatus::from_raw),
        };
        self.has_ended |= status.is_some();
        Ok(status)
    }

    /// What the compiler has cost, and what it has started; nothing before its end.
    #[must_use]
    pub fn usage(&self) -> Usage {
        match &self.kind {
            Kind::Grouped(group) => group.usage(),
            Kind::Confined(job) => job.usage(),
        }
    }

    /// Ends the compiler and everything that it has started.
    pub fn end(&mut self) {
        if self.has_ended {
            return;
        }
        self.has_ended = true;
        match &mut self.kind {
            Kind::Grouped(group) => group.end(),
            Kind::Confined(job) => job.end(),
        }
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
    use std::os::fd::OwnedFd;

    fn start(script: &str, folder: &Path) -> Running {
        let open = |name: &str| File::create(folder.join(name)).unwrap();
        Run {
            program: Path::new("/bin/sh"),
            name: OsStr::new("sh"),
            arguments: &["-c".into(), script.into()],
            environment: &[("PATH".into(), "/usr/bin:/bin".into())],
            own_folder: folder,
            folder,
            tree: None,
            memory: None,
            stdout: open("stdout"),
            stderr: open("stderr"),
        }
        .start(None)
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
            own_folder: folder.path(),
            folder: folder.path(),
            tree: None,
            memory: None,
            stdout,
            stderr: File::create(folder.path().join("stderr")).unwrap(),
        }
        .start(None)
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
            own_folder: folder.path(),
            folder: folder.path(),
            tree: None,
            memory: None,
            stdout: open("stdout"),
            stderr: open("stderr"),
        };
        match run.start(None) {
            Err(Failure::NotExecuted(error)) => assert_eq!(error.kind(), io::ErrorKind::NotFound),
            other => panic!("{other:?}"),
        }
    }
}
