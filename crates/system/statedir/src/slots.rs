//! Slot locks and back-off stamps.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, SystemTime};

use hosts::Host;

use crate::StateDir;

/// How long clients leave a host alone after a failure there, unless told otherwise. Source: distcc(1) 3.4.
pub const BACKOFF_PERIOD: Duration = Duration::from_secs(60);

/// One slot of one host: a file below `lock/` that is locked while a job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotName<'a> {
    /// The host. Preprocessors and jobs that stay share the slots of [`Host::Local`].
    pub host: &'a Host,
    /// Its number, from 0.
    pub slot: u32,
}

/// The right to run one job on one host, until it is dropped or the process ends.
#[derive(Debug)]
pub struct SlotLock {
    _held: OwnedFd,
}

/// What a host is called in the names of files: `tcp_HOST_PORT`, `ssh_HOST` or `localhost`. Who is
/// meant on an ssh host makes no difference. Source: behavior of distcc 3.4.
struct FileName<'a>(&'a Host);

impl fmt::Display for FileName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Host::Local => f.write_str("localhost"),
            Host::Tcp { name, port } => write!(f, "tcp_{name}_{port}"),
            Host::Ssh { name, .. } => write!(f, "ssh_{name}"),
        }
    }
}

/// Takes a slot if it is free, without a folder: for users who can write none, or none with locks.
/// It excludes only those who take their slots likewise. Does not wait.
///
/// The lock is the name of a socket that no file stands for (unix(7), "abstract"); it is given up by
/// the end of the process however it comes.
///
/// # Errors
/// When no such socket can be had.
pub fn try_slot_by_name(slot: SlotName<'_>) -> io::Result<Option<SlotLock>> {
    let uid = rustix::process::getuid().as_raw();
    let name = format!("distcc-rs-{uid}-cpu_{}_{}", FileName(slot.host), slot.slot);
    match UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name)?) {
        Ok(socket) => Ok(Some(SlotLock { _held: socket.into() })),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(None),
        Err(error) => Err(error),
    }
}

impl StateDir {
    /// Takes a slot if it is free. Does not wait.
    ///
    /// # Errors
    /// When the lock file cannot be made or locked for another reason than being taken.
    pub fn try_slot(&self, slot: SlotName<'_>) -> io::Result<Option<SlotLock>> {
        let name = format!("cpu_{}_{}", FileName(slot.host), slot.slot);
        let file = open(&self.lock_file(&name))?;
        Ok(sys::locks::try_lock(&file)?.then(|| SlotLock { _held: file.into() }))
    }

    /// Whether a slot is free now. Takes nothing and makes no file.
    #[must_use]
    pub fn is_free(&self, slot: SlotName<'_>) -> bool {
        let name = format!("cpu_{}_{}", FileName(slot.host), slot.slot);
        match File::open(self.lock_file(&name)) {
            Ok(file) => !sys::locks::is_locked(&file),
            Err(_) => true,
        }
    }

    /// When `host` last failed, if it has not worked since.
    #[must_use]
    pub fn failed_at(&self, host: &Host) -> Option<SystemTime> {
        std::fs::metadata(self.backoff_file(host)).ok()?.modified().ok()
    }

    /// Notes that `host` failed now, so that all clients leave it alone for a while.
    ///
    /// # Errors
    /// When the stamp cannot be written.
    pub fn note_failure(&self, host: &Host) -> io::Result<()> {
        open(&self.backoff_file(host))?.write_all(&[0])
    }

    /// Notes that `host` works.
    pub fn note_success(&self, host: &Host) {
        let _ = rustix::fs::unlink(self.backoff_file(host));
    }

    /// A host has one stamp, whichever slot failed.
    fn backoff_file(&self, host: &Host) -> std::path::PathBuf {
        self.lock_file(&format!("backoff_{}_0", FileName(host)))
    }
}

fn open(path: &std::path::Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o666).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::tests::Scratch;

    fn red() -> Host {
        Host::Tcp { name: "red".into(), port: 3632 }
    }

    #[test]
    fn a_taken_slot_is_free_again_after_its_job() {
        let scratch = Scratch::new("slots");
        let host = red();
        let slot = SlotName { host: &host, slot: 1 };
        let lock = scratch.state.try_slot(slot).unwrap().unwrap();
        assert!(scratch.state.try_slot(slot).unwrap().is_none());
        assert!(!scratch.state.is_free(slot));
        assert!(scratch.state.is_free(SlotName { host: &host, slot: 7 }));
        assert!(scratch.state.path().join("lock/cpu_tcp_red_3632_1").exists());
        drop(lock);
        assert!(scratch.state.is_free(slot));
        assert!(scratch.state.try_slot(slot).unwrap().is_some());
        let local = SlotName { host: &Host::Local, slot: 0 };
        assert!(scratch.state.try_slot(local).unwrap().is_some());
        assert!(scratch.state.path().join("lock/cpu_localhost_0").exists());
    }

    #[test]
    fn files_of_ssh_hosts_are_named_as_the_original_does() {
        let scratch = Scratch::new("ssh");
        let host = Host::Ssh { user: Some("me".into()), name: "red".into(), command: None };
        let _lock = scratch.state.try_slot(SlotName { host: &host, slot: 2 }).unwrap().unwrap();
        assert!(scratch.state.path().join("lock/cpu_ssh_red_2").exists());
        scratch.state.note_failure(&host).unwrap();
        assert!(scratch.state.path().join("lock/backoff_ssh_red_0").exists());
    }

    #[test]
    fn a_slot_can_be_had_without_a_folder() {
        let host = Host::Tcp { name: format!("test-{}", std::process::id()), port: 1 };
        let slot = SlotName { host: &host, slot: 0 };
        let lock = try_slot_by_name(slot).unwrap().unwrap();
        assert!(try_slot_by_name(slot).unwrap().is_none());
        assert!(try_slot_by_name(SlotName { host: &host, slot: 1 }).unwrap().is_some());
        drop(lock);
        assert!(try_slot_by_name(slot).unwrap().is_some());
        let long = Host::Tcp { name: "x".repeat(500), port: 1 };
        assert!(try_slot_by_name(SlotName { host: &long, slot: 0 }).is_err());
    }

    #[test]
    fn a_failure_is_remembered_until_the_host_works() {
        let scratch = Scratch::new("backoff");
        assert!(scratch.state.failed_at(&red()).is_none());
        scratch.state.note_failure(&red()).unwrap();
        assert!(scratch.state.path().join("lock/backoff_tcp_red_3632_0").exists());
        assert!(scratch.state.failed_at(&red()).is_some());
        scratch.state.note_success(&red());
        assert!(scratch.state.failed_at(&red()).is_none());
    }
}
