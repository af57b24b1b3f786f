//! A folder of a test's own.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A folder that is gone after the test, open to the user that a server becomes when the test is
/// root.
#[derive(Debug)]
pub struct World {
    root: tempfile::TempDir,
}

impl World {
    /// A new, empty world.
    ///
    /// # Panics
    /// When no folder can be made, as all functions of a world do.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a folder is made")]
    pub fn new() -> World {
        let root = tempfile::Builder::new().prefix("distcc-rs-").tempdir();
        let world = World { root: root.expect("a test can make its folder") };
        set_mode(world.path(), 0o755);
        world
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// A folder in it, made if it is not there.
    #[must_use]
    pub fn folder(&self, name: &str) -> PathBuf {
        let folder = self.path().join(name);
        std::fs::create_dir_all(&folder).expect("a test can make its folders");
        folder
    }

    /// A folder in it that everybody can write.
    #[must_use]
    pub fn open_folder(&self, name: &str) -> PathBuf {
        let folder = self.folder(name);
        set_mode(&folder, 0o777);
        folder
    }

    /// A folder of links to one program under several names.
    #[must_use]
    pub fn links(&self, name: &str, links: &[&str], program: &Path) -> PathBuf {
        let folder = self.folder(name);
        for link in links {
            symlink(program, folder.join(link)).expect("a test can make its links");
        }
        folder
    }
}

/// Writes a shell script that can be run.
///
/// # Panics
/// When it cannot be written.
pub fn script(path: &Path, text: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{text}\n")).expect("a test can write its scripts");
    set_mode(path, 0o755);
}

/// Writes a script that says it is the compiler `like` when it is asked what it is, and does what
/// `text` says when it is to compile.
///
/// # Panics
/// When it cannot be written.
pub fn impostor(path: &Path, like: &str, text: &str) {
    let answer = format!("case $1 in -dumpmachine|--version) exec {like} \"$1\";; esac");
    script(path, &format!("{answer}\n{text}"));
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    let permissions = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(path, permissions).expect("a test owns its files");
}
