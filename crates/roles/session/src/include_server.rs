//! The include server of a session: a process of the agent's program, with a folder of its own.

use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Component, Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::{Settings, complain};

/// How long it may take until it listens.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// How long it may take to end.
const END_PATIENCE: Duration = Duration::from_secs(10);

/// How the name of its folder begins. Source: distcc 3.4.
const FOLDER_START: &str = "distcc-pump.";

/// The most that is shown of what it had to say.
const MOST_SHOWN: u64 = 1 << 20;

/// How long an include server lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leash {
    /// As long as this process.
    Ours,
    /// Until it is ended.
    None,
}

/// An include server at work.
#[derive(Debug)]
pub(crate) struct IncludeServer {
    process: Child,
    folder: PathBuf,
}

impl IncludeServer {
    /// Starts one.
    ///
    /// # Errors
    /// When it cannot be started, or there is no place for its folder.
    pub(crate) fn start(settings: &Settings, leash: Leash) -> io::Result<IncludeServer> {
        let folder = make_folder(settings.temporary.as_deref())?;
        let mut command = Command::new(settings.program("distcc-agent"));
        command.arg("--include-server").arg(&folder).stdout(Stdio::piped());
        match leash {
            Leash::Ours => command.stdin(Stdio::piped()),
            Leash::None => {
                let log = File::create(folder.join("stderr"))?;
                command.stdin(Stdio::null()).stderr(log)
            }
        };
        sys::child::detach(&mut command);
        match command.spawn() {
            Ok(process) => Ok(IncludeServer { process, folder }),
            Err(error) => {
                let _ = std::fs::remove_dir_all(&folder);
                let text = format!("distcc-agent could not be started: {error}");
                Err(io::Error::new(error.kind(), text))
            }
        }
    }

    /// The same, as soon as it listens.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) fn when_ready(mut self) -> io::Result<IncludeServer> {
        match self.wait_for_socket() {
            Ok(()) => Ok(self),
            Err(error) => {
                let _ = self.process.kill();
                self.end();
                Err(error)
            }
        }
    }

    /// It prints its socket's name once it listens.
    fn wait_for_socket(&mut self) -> io::Result<()> {
        let output = self.process.stdout.take();
        let mut output = output.ok_or_else(|| io::Error::other("it says nothing"))?;
        let patience = Timespec::try_from(START_PATIENCE).ok();
        let mut ends = [PollFd::from_borrowed_fd(output.as_fd(), PollFlags::IN)];
        poll(&mut ends, patience.as_ref())?;
        if ends[0].revents().is_empty() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if output.read(&mut [0; 1])? == 0 {
            return Err(io::Error::other("it ended at once"));
        }
        Ok(())
    }

    /// What clients of distcc 3.4, and `--shutdown`, have to be told.
    pub(crate) fn variables(&self, leash: Leash) -> Vec<(&'static str, OsString)> {
        let socket = self.folder.join("socket").into_os_string();
        let mut variables = vec![("INCLUDE_SERVER_PORT", socket)];
        if leash == Leash::None {
            variables.push(("INCLUDE_SERVER_PID", self.process.id().to_string().into()));
            variables.push(("INCLUDE_SERVER_DIR", self.folder.clone().into_os_string()));
        }
        variables
    }

    /// Ends it, and removes what it leaves.
    pub(crate) fn end(mut self) {
        tell_discrepancy(&self.folder);
        // Where there is none, it would not see the end.
        if self.process.stdin.take().is_none() {
            let _ = self.process.kill();
        }
        let has_ended = pidfd_open(Pid::from_child(&self.process), PidfdFlags::empty())
            .is_ok_and(|process| wait(&process));
        if !has_ended {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Waits until a process has ended, and says whether it has.
fn wait(process: &OwnedFd) -> bool {
    let deadline = Instant::now() + END_PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut ends = [PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN)];
        match poll(&mut ends, Timespec::try_from(left).ok().as_ref()) {
            Ok(n_ready) => return n_ready > 0,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// Makes a folder that is the user's alone: in `TMPDIR`, if its name has one part; else in `/tmp`.
/// A client of distcc 3.4 takes three parts away from the name of what it sends, and the last of
/// these is in that folder.
fn make_folder(temporary: Option<&Path>) -> io::Result<PathBuf> {
    let has_one_part = |folder: &&Path| {
        let mut parts = folder.components();
        let is_absolute = parts.next() == Some(Component::RootDir);
        is_absolute && matches!(parts.next(), Some(Component::Normal(_))) && parts.next().is_none()
    };
    let mut failed = io::Error::other("no folder for it");
    for place in temporary.filter(has_one_part).into_iter().chain([Path::new("/tmp")]) {
        for _ in 0..100 {
            let number = RandomState::new().hash_one(std::process::id());
            let folder = place.join(format!("{FOLDER_START}{number:016x}"));
            match DirBuilder::new().mode(0o700).create(&folder) {
                Ok(()) => return Ok(folder),
                Err(error) => failed = error,
            }
            if failed.kind() != io::ErrorKind::AlreadyExists {
                break;
            }
        }
    }
    Err(failed)
}

/// Ends what `--startup` has started, as far as it is still there, and shows what it had to say.
pub(crate) fn shut_down(settings: &Settings) {
    let Some(folder) = &settings.include_server_dir else { return };
    if let Some(pid) = settings.include_server_pid {
        end_process(pid, folder);
    }
    if !is_its_folder(folder) {
        return;
    }
    for name in ["stdout", "stderr"] {
        let mut text = Vec::new();
        let file = File::open(folder.join(name));
        let _ = file.and_then(|file| file.take(MOST_SHOWN).read_to_end(&mut text));
        let _ = io::stderr().write_all(&text);
    }
    tell_discrepancy(folder);
    if let Err(error) = std::fs::remove_dir_all(folder) {
        complain(&format!("{} is left: {error}", folder.display()), "");
    }
}

/// Ends the process of that number, if it works in that folder: the number may be another's by now.
fn end_process(pid: i32, folder: &Path) {
    let Some(process) = Pid::from_raw(pid) else { return };
    let Ok(process) = pidfd_open(process, PidfdFlags::empty()) else { return };
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let folder = folder.as_os_str().as_bytes();
    if !command.windows(folder.len().max(1)).any(|part| part == folder) {
        return;
    }
    let _ = pidfd_send_signal(&process, Signal::TERM);
    if !wait(&process) {
        let _ = pidfd_send_signal(&process, Signal::KILL);
    }
}

/// Whether a folder is one of an include server, and ours: it is about to be removed.
fn is_its_folder(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().as_bytes();
    let is_own = |found: std::fs::Metadata| {
        found.is_dir() && found.uid() == rustix::process::geteuid().as_raw()
    };
    folder.is_absolute()
        && name.starts_with(FOLDER_START.as_bytes())
        && folder.symlink_metadata().is_ok_and(is_own)
}

/// Tells how many jobs failed in pump mode alone: a client of distcc 3.4 leaves a byte for each.
fn tell_discrepancy(folder: &Path) {
    let counter = std::fs::metadata(folder.join("discrepancy_counter"));
    let n_jobs = counter.map_or(0, |found| found.len());
    if n_jobs > 0 {
        let text =
            format!("{n_jobs} pump-mode compilation(s) failed on server, but succeeded locally");
        complain(&text, "");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_a_name_of_two_parts() {
        for temporary in [None, Some("/tmp"), Some("/var/tmp"), Some("relative"), Some("/none")] {
            let folder = make_folder(temporary.map(Path::new)).unwrap();
            assert_eq!(folder.components().count(), 3, "{temporary:?}");
            assert!(is_its_folder(&folder));
            std::fs::remove_dir(&folder).unwrap();
            assert!(!is_its_folder(&folder));
        }
    }

    #[test]
    fn nothing_else_is_removed_or_ended() {
        let world = tempfile::tempdir().unwrap();
        let folder = world.path().join("other");
        std::fs::create_dir(&folder).unwrap();
        let mut bystander = Command::new("sleep").arg("1000").spawn().unwrap();
        let mut settings = Settings::default();
        settings.include_server_dir = Some(folder.clone());
        settings.include_server_pid = i32::try_from(bystander.id()).ok();
        shut_down(&settings);
        assert!(folder.exists());
        assert!(bystander.try_wait().unwrap().is_none());
        bystander.kill().unwrap();
        bystander.wait().unwrap();
    }
}
