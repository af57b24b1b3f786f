//! Where a user's agent is to be found.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::StateDir;

/// The longest name of a socket that Linux takes, in bytes.
const LONGEST_SOCKET: usize = 107;

/// The beginning of the names of locks.
const LOCK: &str = "lock-";

/// The beginning of the names of sockets.
const SOCKET: &str = "socket-";

/// The beginning of the names of files that tell of a failure.
const FAILED: &str = "failed-";

/// The place of a user's agent, in a folder open to its owner alone: its socket, its lock, its log.
///
/// In a container or chroot, other files are at the same names. So there is one agent for all who see
/// the same, and its socket and lock bear their mark.
#[derive(Clone, Debug)]
pub struct AgentPlace {
    folder: PathBuf,
    /// What tells apart those who see other files.
    view: String,
}

impl StateDir {
    /// The place of the agent that serves this state folder: `agent` in it. Where the name of a
    /// socket there would be too long, `distcc-agent-UID-NUMBER` in `/tmp`.
    ///
    /// # Errors
    /// When it cannot be told what this process sees: without `/proc`.
    pub fn agent_place(&self) -> io::Result<AgentPlace> {
        let view = view()?;
        let folder = self.path().join("agent");
        let length = folder.as_os_str().len() + "/".len() + SOCKET.len() + view.len();
        if folder.is_absolute() && length <= LONGEST_SOCKET {
            return Ok(AgentPlace { folder, view });
        }
        let mut hasher = DefaultHasher::new();
        std::path::absolute(&folder).unwrap_or(folder).hash(&mut hasher);
        let uid = rustix::process::getuid().as_raw();
        let folder = format!("/tmp/distcc-agent-{uid}-{:016x}", hasher.finish()).into();
        Ok(AgentPlace { folder, view })
    }
}

/// What tells apart processes that see other files: their mount namespace and their root.
fn view() -> io::Result<String> {
    let namespace = std::fs::metadata("/proc/self/ns/mnt").map_err(|error| {
        let text = format!("what this process sees cannot be told by /proc: {error}");
        io::Error::new(error.kind(), text)
    })?;
    let root = std::fs::metadata("/")?;
    let mut hasher = DefaultHasher::new();
    (namespace.dev(), namespace.ino(), root.dev(), root.ino()).hash(&mut hasher);
    Ok(format!("{:016x}", hasher.finish()))
}

impl AgentPlace {
    /// The folder itself.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The name of the socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.named(SOCKET)
    }

    fn lock(&self) -> PathBuf {
        self.named(LOCK)
    }

    fn named(&self, beginning: &str) -> PathBuf {
        self.folder.join(format!("{beginning}{}", self.view))
    }

    /// Removes what agents have left behind that are gone, in views that are perhaps gone too.
    pub fn tidy_up(&self) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(view) = name.to_str().and_then(|name| name.strip_prefix(LOCK)) else {
                continue;
            };
            let other = AgentPlace { folder: self.folder.clone(), view: view.to_owned() };
            if other.view == self.view {
                continue;
            }
            if let Ok(Some(_lock)) = other.try_lock() {
                let _ = std::fs::remove_file(other.socket());
                let _ = std::fs::remove_file(other.lock());
            }
        }
    }

    /// Makes the folder, if it is missing.
    ///
    /// # Errors
    /// When it cannot be made, or is open to others.
    pub fn make(&self) -> io::Result<()> {
        match std::fs::DirBuilder::new().mode(0o700).create(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => self.check(),
        }
    }

    /// Whether the folder is the user's own, and nobody else's.
    fn check(&self) -> io::Result<()> {
        let found = std::fs::symlink_metadata(&self.folder)?;
        let is_own = found.uid() == rustix::process::geteuid().as_raw();
        if found.is_dir() && is_own && found.mode() & 0o077 == 0 {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("{} is open to others", self.folder.display()),
        ))
    }

    /// Connects to the agent.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] and [`io::ErrorKind::ConnectionRefused`] when there is none;
    /// [`io::ErrorKind::PermissionDenied`] when it might be somebody else's.
    pub fn connect(&self) -> io::Result<UnixStream> {
        self.check()?;
        UnixStream::connect(self.socket())
    }

    /// The lock that the one agent of this place holds; `None` where another holds it.
    ///
    /// # Errors
    /// When the file cannot be made or locked.
    pub fn try_lock(&self) -> io::Result<Option<File>> {
        let name = self.lock();
        let file = File::options().create(true).truncate(false).write(true).open(name)?;
        Ok(sys::locks::try_lock(&file)?.then_some(file))
    }

    /// Whether `lock`, which [`AgentPlace::try_lock`] gave, is still the file of that name, so that
    /// clients find the agent which holds it.
    #[must_use]
    pub fn is_reached_by(&self, lock: &File) -> bool {
        let number = |found: std::fs::Metadata| (found.dev(), found.ino());
        let named = std::fs::metadata(self.lock()).map(number);
        matches!((named, lock.metadata().map(number)), (Ok(named), Ok(held)) if named == held)
    }

    /// The log, to be appended to. One that has become long begins anew.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open_log(&self) -> io::Result<File> {
        const LONG: u64 = 1 << 20;
        let name = self.folder.join("log");
        let is_long = std::fs::metadata(&name).is_ok_and(|found| found.len() > LONG);
        if is_long {
            std::fs::remove_file(&name)?;
        }
        File::options().create(true).append(true).open(name)
    }

    /// Notes that no agent could be started, so that nobody tries again for a while.
    pub fn note_failure(&self) {
        let _ = self.make().and_then(|()| std::fs::write(self.named(FAILED), ""));
    }

    /// Whether that was noted less than a minute ago.
    #[must_use]
    pub fn has_just_failed(&self) -> bool {
        const WHILE: std::time::Duration = std::time::Duration::from_secs(60);
        let noted = std::fs::metadata(self.named(FAILED)).and_then(|found| found.modified());
        noted.is_ok_and(|at| at.elapsed().is_ok_and(|age| age < WHILE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::tests::Scratch;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_place_is_its_owners_alone() {
        let scratch = Scratch::new("agent");
        let place = scratch.state.agent_place().unwrap();
        assert!(place.socket().starts_with(scratch.state.path()));
        assert!(place.connect().is_err());
        place.make().unwrap();
        let held = place.try_lock().unwrap();
        assert!(held.is_some() && place.try_lock().unwrap().is_none());
        assert!(place.is_reached_by(held.as_ref().unwrap()));
        std::fs::remove_file(place.lock()).unwrap();
        assert!(!place.is_reached_by(held.as_ref().unwrap()));
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(place.folder(), open).unwrap();
        assert_eq!(place.make().unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(place.connect().unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn what_is_left_behind_is_removed() {
        let scratch = Scratch::new("agent-left");
        let place = scratch.state.agent_place().unwrap();
        place.make().unwrap();
        let other = |view: &str| AgentPlace { view: view.to_owned(), ..place.clone() };
        let (gone, there) = (other("gone"), other("there"));
        drop(gone.try_lock().unwrap());
        let _held = there.try_lock().unwrap();
        let _own = place.try_lock().unwrap();
        for place in [&gone, &there, &place] {
            std::fs::write(place.socket(), "").unwrap();
        }
        place.tidy_up();
        for (place, is_there) in [(&gone, false), (&there, true), (&place, true)] {
            let files = (place.lock().exists(), place.socket().exists());
            assert_eq!(files, (is_there, is_there), "{}", place.view);
        }
    }

    #[test]
    fn a_long_name_has_a_short_place() {
        let scratch = Scratch::new("agent-long");
        let long = scratch.folder.join("x".repeat(120));
        let state =
            StateDir::open(Some(OsStr::from_bytes(long.as_os_str().as_bytes())), None).unwrap();
        let place = state.agent_place().unwrap();
        assert!(place.socket().as_os_str().len() <= LONGEST_SOCKET);
        assert!(place.folder().starts_with("/tmp"));
    }

    #[test]
    fn a_failure_is_noted_for_a_while() {
        let scratch = Scratch::new("agent-failed");
        let place = scratch.state.agent_place().unwrap();
        assert!(!place.has_just_failed());
        place.note_failure();
        assert!(place.has_just_failed());
    }
}
