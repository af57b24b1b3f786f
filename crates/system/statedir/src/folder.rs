//! Where the state folder is, and how it comes to be.

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The state folder of this user.
#[derive(Clone, Debug)]
pub struct StateDir {
    root: PathBuf,
}

impl StateDir {
    /// The folder named by `distcc_dir` (`$DISTCC_DIR`), else `.distcc` in `home`. It is made,
    /// with its parents, if it is missing. (distcc 3.4 makes only what lies below it.)
    ///
    /// # Errors
    /// When there is no such folder and none can be made.
    pub fn open(distcc_dir: Option<&OsStr>, home: Option<&OsStr>) -> io::Result<StateDir> {
        let root = StateDir::place(distcc_dir, home).ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "neither DISTCC_DIR nor HOME is set")
        })?;
        for name in ["lock", "state"] {
            make_folder(&root.join(name))?;
        }
        Ok(StateDir { root })
    }

    /// Where [`StateDir::open`] has the folder, which need not be there; `None` where neither is set.
    #[must_use]
    pub fn place(distcc_dir: Option<&OsStr>, home: Option<&OsStr>) -> Option<PathBuf> {
        match (distcc_dir, home) {
            (Some(folder), _) if !folder.is_empty() => Some(PathBuf::from(folder)),
            (_, Some(home)) if !home.is_empty() => Some(Path::new(home).join(".distcc")),
            _ => None,
        }
    }

    /// As [`StateDir::open`]; where that cannot be had, as [`StateDir::open_temporary`].
    ///
    /// # Errors
    /// Neither can be had.
    pub fn open_somewhere(
        distcc_dir: Option<&OsStr>,
        home: Option<&OsStr>,
        temporary: &Path,
    ) -> io::Result<StateDir> {
        StateDir::open(distcc_dir, home).or_else(|_| StateDir::open_temporary(temporary))
    }

    /// A folder below `temporary` for users whose own cannot be had, as in a build with a
    /// read-only home: `distcc-UID`, open to its owner alone.
    ///
    /// # Errors
    /// When it cannot be made, or is there and belongs to somebody else.
    pub fn open_temporary(temporary: &Path) -> io::Result<StateDir> {
        let uid = rustix::process::getuid().as_raw();
        let root = temporary.join(format!("distcc-{uid}"));
        match std::fs::DirBuilder::new().mode(0o700).create(&root) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let metadata = std::fs::symlink_metadata(&root)?;
        if !metadata.is_dir() || metadata.uid() != uid || metadata.mode() & 0o022 != 0 {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("{} belongs to somebody else", root.display()),
            ));
        }
        StateDir::open(Some(root.as_os_str()), None)
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    pub(crate) fn lock_file(&self, name: &str) -> PathBuf {
        self.root.join("lock").join(name)
    }

    pub(crate) fn state_file(&self, name: &str) -> PathBuf {
        self.root.join("state").join(name)
    }
}

/// Makes `folder` with its parents. Another process may make it at the same moment.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    match rustix::fs::mkdir(folder, rustix::fs::Mode::from_raw_mode(0o777)) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(_) => std::fs::create_dir_all(folder),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A state folder of a test's own, gone afterwards.
    pub(crate) struct Scratch {
        pub(crate) folder: PathBuf,
        pub(crate) state: StateDir,
    }

    impl Scratch {
        pub(crate) fn new(name: &str) -> Scratch {
            let folder = std::env::temp_dir()
                .join(format!("distcc-rs-statedir-{}-{name}", std::process::id()));
            let root = folder.join("missing/parent");
            let state = StateDir::open(Some(root.as_os_str()), None).unwrap();
            Scratch { folder, state }
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }

    #[test]
    fn a_folder_with_missing_parents_is_made() {
        let scratch = Scratch::new("made");
        assert!(scratch.state.path().join("lock").is_dir());
        assert!(scratch.state.path().join("state").is_dir());
    }

    #[test]
    fn without_a_folder_and_a_home_there_is_an_error() {
        assert!(StateDir::open(None, None).is_err());
        assert!(StateDir::open(Some(OsStr::new("")), Some(OsStr::new(""))).is_err());
        assert!(StateDir::open(Some(OsStr::new("/dev/null/x")), None).is_err());
    }

    #[test]
    fn a_temporary_folder_of_somebody_else_is_refused() {
        let scratch = Scratch::new("temporary");
        assert!(StateDir::open_temporary(&scratch.folder).is_ok());
        assert!(StateDir::open_temporary(&scratch.folder).is_ok());
        let root = scratch.folder.join(format!("distcc-{}", rustix::process::getuid().as_raw()));
        std::fs::remove_dir_all(&root).unwrap();
        std::os::unix::fs::symlink(&scratch.folder, &root).unwrap();
        assert!(StateDir::open_temporary(&scratch.folder).is_err());
    }
}
