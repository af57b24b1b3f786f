//! Finding the real compiler: `PATH` without the links that lead back to us.

use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Looks compilers up for one process.
#[derive(Debug)]
pub struct Finder {
    path: OsString,
    /// Device and inode of our own program.
    own: Option<(u64, u64)>,
}

/// A compiler that was found.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// The file to execute.
    pub program: PathBuf,
    /// The `PATH` to run it with, where it is not ours as it is: without the folders in which the
    /// compiler's name leads to us, so that a wrapper script does not find us again.
    pub path: Option<OsString>,
    identity: String,
}

impl Compiler {
    /// A line that changes when another compiler takes this one's place: the file with its
    /// device, inode, size and times.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.identity
    }
}

impl Finder {
    /// A finder for the given `PATH`. Links to the program that is running are passed over.
    #[must_use]
    pub fn new(path: OsString) -> Finder {
        let own = std::fs::metadata("/proc/self/exe").ok().map(|found| id(&found));
        Finder { path, own }
    }

    /// The compiler behind `name`: with a slash in it the file of that name, else the first in
    /// `PATH` that can be executed and is not distcc under another name.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when there is none.
    pub fn find(&self, name: &OsStr) -> io::Result<Compiler> {
        if name.as_bytes().contains(&b'/') {
            let metadata = std::fs::metadata(name)?;
            if self.is_distcc(Path::new(name), &metadata) {
                // A masquerade link by its whole name: the compiler is what PATH has behind it.
                let base = Path::new(name).file_name().unwrap_or_default();
                return self.search(base);
            }
            return Ok(Compiler {
                program: name.into(),
                path: None,
                identity: identity(Path::new(name), &metadata),
            });
        }
        self.search(name)
    }

    /// The compiler in that very file, whatever `PATH` says.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when it cannot be executed, or is distcc under another name.
    pub fn at(&self, program: &Path) -> io::Result<Compiler> {
        let metadata = std::fs::metadata(program)?;
        let can_run = metadata.is_file() && metadata.mode() & 0o111 != 0;
        if !can_run || self.is_distcc(program, &metadata) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let identity = identity(program, &metadata);
        Ok(Compiler { program: program.to_owned(), path: None, identity })
    }

    fn search(&self, name: &OsStr) -> io::Result<Compiler> {
        let mut ours = Vec::new();
        for folder in std::env::split_paths(&self.path) {
            let program = folder.join(name);
            let Ok(metadata) = std::fs::metadata(&program) else { continue };
            if !metadata.is_file() || metadata.mode() & 0o111 == 0 {
                continue;
            }
            if self.is_distcc(&program, &metadata) {
                ours.push(folder);
                continue;
            }
            let path = if ours.is_empty() { None } else { self.path_without(&ours) };
            return Ok(Compiler { identity: identity(&program, &metadata), program, path });
        }
        Err(io::Error::new(io::ErrorKind::NotFound, "not found in PATH"))
    }

    fn path_without(&self, ours: &[PathBuf]) -> Option<OsString> {
        let rest = std::env::split_paths(&self.path).filter(|folder| !ours.contains(folder));
        std::env::join_paths(rest).ok()
    }

    /// Whether a program is us, or another distcc behind a link.
    fn is_distcc(&self, program: &Path, metadata: &Metadata) -> bool {
        if Some(id(metadata)) == self.own {
            return true;
        }
        last_link(program).is_some_and(|target| target.file_name() == Some(OsStr::new("distcc")))
    }
}

/// How many links in a row Linux follows.
const MOST_LINKS: usize = 40;

/// What stands in the last of the links that a name leads to; `None` where it is no link.
fn last_link(name: &Path) -> Option<PathBuf> {
    let mut target = std::fs::read_link(name).ok()?;
    let mut at = name.to_owned();
    for _ in 1..MOST_LINKS {
        at = at.parent().unwrap_or(Path::new("")).join(&target);
        match std::fs::read_link(&at) {
            Ok(further) => target = further,
            Err(_) => break,
        }
    }
    Some(target)
}

fn id(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn identity(program: &Path, metadata: &Metadata) -> String {
    format!(
        "{} {} {} {} {}.{} {}.{}",
        program.display(),
        metadata.dev(),
        metadata.ino(),
        metadata.size(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec()
    )
}

/// The name under which servers know what `cc` and `c++` are links to (also by
/// `/etc/alternatives`): `gcc`, `g++`, `clang` or `clang++`. `None` when `word` is another name
/// or `program` no such link. Source: behavior of distcc 3.4.
#[must_use]
pub fn generic_name(word: &OsStr, program: &Path) -> Option<&'static str> {
    if word != "cc" && word != "c++" {
        return None;
    }
    let mut at = program.to_owned();
    // Not the end of the chain: `gcc` itself is a link to a file with the target in its name.
    for _ in 0..8 {
        let target = std::fs::read_link(&at).ok()?;
        let name = target.file_name()?.to_owned();
        at = match at.parent() {
            Some(folder) => folder.join(target),
            None => target,
        };
        for known in ["gcc", "g++", "clang", "clang++"] {
            if name == known {
                return Some(known);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            let folder = std::env::temp_dir()
                .join(format!("distcc-rs-toolchain-{}-{name}", std::process::id()));
            for name in ["first", "second"] {
                std::fs::create_dir_all(folder.join(name)).unwrap();
            }
            Scratch(folder)
        }

        fn program(&self, name: &str) -> PathBuf {
            let path = self.0.join(name);
            std::fs::write(&path, "#!/bin/sh\n").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            path
        }

        fn finder(&self) -> Finder {
            let folders = [self.0.join("first"), self.0.join("second")];
            Finder::new(std::env::join_paths(folders).unwrap())
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn links_to_ourselves_are_passed_over_and_their_folders_dropped() {
        let scratch = Scratch::new("own");
        symlink(std::env::current_exe().unwrap(), scratch.0.join("first/gcc")).unwrap();
        let real = scratch.program("second/gcc");
        let found = scratch.finder().find(OsStr::new("gcc")).unwrap();
        assert_eq!(found.program, real);
        assert_eq!(found.path.unwrap(), scratch.0.join("second").into_os_string());
        let by_whole_name = scratch.finder().find(scratch.0.join("first/gcc").as_os_str()).unwrap();
        assert_eq!(by_whole_name.program, real);
    }

    #[test]
    fn links_to_another_distcc_are_passed_over() {
        let scratch = Scratch::new("other");
        symlink(scratch.program("distcc"), scratch.0.join("first/gcc")).unwrap();
        let real = scratch.program("second/gcc");
        assert_eq!(scratch.finder().find(OsStr::new("gcc")).unwrap().program, real);
    }

    #[test]
    fn what_cannot_be_executed_is_no_compiler() {
        let scratch = Scratch::new("plain");
        std::fs::write(scratch.0.join("first/gcc"), "").unwrap();
        std::fs::create_dir(scratch.0.join("second/gcc")).unwrap();
        let error = scratch.finder().find(OsStr::new("gcc")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_compiler_in_front_of_our_links_leaves_the_path_alone() {
        let scratch = Scratch::new("front");
        scratch.program("first/gcc");
        assert!(scratch.finder().find(OsStr::new("gcc")).unwrap().path.is_none());
    }

    #[test]
    fn cc_is_followed_to_the_name_that_servers_know() {
        let scratch = Scratch::new("cc");
        scratch.program("x86_64-linux-gnu-gcc-12");
        symlink("x86_64-linux-gnu-gcc-12", scratch.0.join("gcc")).unwrap();
        symlink(scratch.0.join("gcc"), scratch.0.join("alternative")).unwrap();
        symlink("alternative", scratch.0.join("cc")).unwrap();
        let cc = scratch.0.join("cc");
        assert_eq!(generic_name(OsStr::new("cc"), &cc), Some("gcc"));
        assert_eq!(generic_name(OsStr::new("gcc"), &cc), None);
        assert_eq!(generic_name(OsStr::new("cc"), &scratch.0.join("gcc")), None);
    }
}
