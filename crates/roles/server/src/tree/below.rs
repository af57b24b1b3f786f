//! Files below a folder that others have filled with names and links of their choice: nothing here
//! ever leaves it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    CWD, Mode, OFlags, ResolveFlags, mkdirat, openat, openat2, readlinkat, symlinkat,
};
use rustix::io::Errno;

use super::walk;
use crate::bounds::MOST_TREE_FOLDERS;

/// What a folder is opened for: to stand on.
pub(super) const FOLDER: OFlags =
    OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// How many links one way may lead through whose ends are not there yet.
const MOST_LINKS: usize = 8;

/// A folder that is taken for a root.
#[derive(Debug)]
pub(crate) struct Below {
    root: OwnedFd,
    /// The folder that was used last.
    last: Option<(PathBuf, OwnedFd)>,
    n_made: usize,
}

impl Below {
    /// The folder `root`, which is there.
    pub(crate) fn open(root: &Path) -> io::Result<Below> {
        Ok(Below { root: openat(CWD, root, FOLDER, Mode::empty())?, last: None, n_made: 0 })
    }

    /// A new folder of this name in `folder`.
    pub(crate) fn new_in(folder: &OwnedFd, name: &str) -> io::Result<Below> {
        mkdirat(folder, name, Mode::from_raw_mode(0o755))?;
        Ok(Below { root: openat(folder, name, FOLDER, Mode::empty())?, last: None, n_made: 0 })
    }

    /// The same, with no more open than needs be.
    pub(crate) fn at_rest(self) -> Below {
        Below { last: None, ..self }
    }

    /// Writes a new file. No link is followed on the way, and folders are made.
    pub(crate) fn write(&mut self, name: &Path, bytes: &[u8]) -> io::Result<()> {
        let (folder, base) = self.parent(name)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW;
        let file = openat(folder, base, flags | OFlags::CLOEXEC, Mode::from_raw_mode(0o644))?;
        File::from(file).write_all(bytes)
    }

    /// Makes a link, in the same way.
    pub(crate) fn link(&mut self, name: &Path, target: &OsStr) -> io::Result<()> {
        let (folder, base) = self.parent(name)?;
        Ok(symlinkat(target, folder, base)?)
    }

    fn parent<'a>(&mut self, name: &'a Path) -> io::Result<(&OwnedFd, &'a OsStr)> {
        let base = name.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        Ok((self.folder(name.parent().unwrap_or(Path::new("/")))?, base))
    }

    /// A folder, made if it is not there. No link is followed on the way.
    pub(crate) fn folder(&mut self, name: &Path) -> io::Result<&OwnedFd> {
        if self.last.as_ref().is_none_or(|(last, _)| last != name) {
            let mut at = openat(&self.root, ".", FOLDER, Mode::empty())?;
            for part in parts(name) {
                if part == ".." {
                    return Err(io::ErrorKind::InvalidInput.into());
                }
                make_folder(&at, part, &mut self.n_made)?;
                at = openat(&at, part, FOLDER, Mode::empty())?;
            }
            self.last = Some((name.to_owned(), at));
        }
        self.last.as_ref().map(|(_, folder)| folder).ok_or_else(|| Errno::NOENT.into())
    }

    /// Makes the folders above a file that is to be written by a process which has this folder for
    /// its root: links are followed as they are for that one, and where they lead is made as well.
    pub(crate) fn make_way(&mut self, name: &Path) -> io::Result<()> {
        self.make_folders(name.parent().unwrap_or(name), MOST_LINKS)
    }

    fn make_folders(&mut self, name: &Path, n_links: usize) -> io::Result<()> {
        const OPENED: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
        let mut at = openat(&self.root, ".", FOLDER, Mode::empty())?;
        let mut reached = PathBuf::from("/");
        for part in parts(name) {
            let above = reached.clone();
            reached.push(part);
            at = match self.open_in_root(&reached, OPENED) {
                Err(Errno::NOENT) => {
                    match readlinkat(&at, part, Vec::new()) {
                        Ok(_) if n_links == 0 => return Err(Errno::LOOP.into()),
                        Ok(target) => {
                            let target = above.join(OsStr::from_bytes(target.as_bytes()));
                            self.make_folders(&target, n_links - 1)?;
                        }
                        Err(_) => make_folder(&at, part, &mut self.n_made)?,
                    }
                    self.open_in_root(&reached, OPENED)?
                }
                opened => opened?,
            };
        }
        Ok(())
    }

    /// The ordinary file of this name, as a process sees it that has this folder for its root;
    /// `None` where there is none. The last part may be no link.
    pub(crate) fn file(&self, name: &Path) -> Option<File> {
        // Nobody waits for the other end of a fifo.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(self.open_in_root(name, flags).ok()?);
        file.metadata().is_ok_and(|found| found.is_file()).then_some(file)
    }

    fn open_in_root(&self, name: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let rules = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        loop {
            match openat2(&self.root, name, flags, Mode::empty(), rules) {
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(Errno::NOSYS) => return walk::open_in_root(&self.root, name, flags),
                opened => return opened,
            }
        }
    }
}

fn make_folder(at: &OwnedFd, name: &OsStr, n_made: &mut usize) -> io::Result<()> {
    match mkdirat(at, name, Mode::from_raw_mode(0o755)) {
        Ok(()) if *n_made >= MOST_TREE_FOLDERS => Err(Errno::NOSPC.into()),
        Ok(()) => {
            *n_made += 1;
            Ok(())
        }
        Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn parts(name: &Path) -> impl Iterator<Item = &OsStr> {
    name.components().filter_map(|part| match part {
        Component::Normal(part) => Some(part),
        Component::ParentDir => Some(OsStr::new("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    struct World {
        folder: tempfile::TempDir,
        below: Below,
    }

    fn world() -> World {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("root")).unwrap();
        std::fs::create_dir(folder.path().join("outside")).unwrap();
        std::fs::write(folder.path().join("outside/secret"), "secret").unwrap();
        let below = Below::open(&folder.path().join("root")).unwrap();
        World { folder, below }
    }

    fn read(below: &Below, name: &str) -> Option<String> {
        let mut text = String::new();
        below.file(Path::new(name))?.read_to_string(&mut text).ok()?;
        Some(text)
    }

    #[test]
    fn files_lie_where_their_names_say() {
        let World { folder, mut below } = world();
        below.write(Path::new("/a/b/c.h"), b"x").unwrap();
        below.write(Path::new("/a/b/d.h"), b"y").unwrap();
        below.link(Path::new("/a/l"), OsStr::new("b/c.h")).unwrap();
        assert_eq!(std::fs::read(folder.path().join("root/a/l")).unwrap(), b"x");
        assert!(below.write(Path::new("/a/b/d.h"), b"again").is_err());
        assert_eq!(read(&below, "/a/b/d.h").as_deref(), Some("y"));
    }

    #[test]
    fn nothing_is_written_through_links() {
        let World { folder, mut below } = world();
        let outside = folder.path().join("outside");
        symlink(&outside, folder.path().join("root/out")).unwrap();
        assert!(below.write(Path::new("/out/new"), b"x").is_err());
        assert!(below.write(Path::new("/out"), b"x").is_err());
        assert!(below.folder(Path::new("/out/new")).is_err());
        assert!(below.folder(Path::new("/../outside/new")).is_err());
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    }

    #[test]
    fn links_are_followed_as_if_the_folder_were_the_root() {
        let World { folder, mut below } = world();
        let root = folder.path().join("root");
        symlink("/real", root.join("link")).unwrap();
        symlink("../../../../real", root.join("climbing")).unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        below.make_way(Path::new("/link/sub/a.o")).unwrap();
        below.make_way(Path::new("/climbing/other/a.o")).unwrap();
        assert!(root.join("real/sub").is_dir() && root.join("real/other").is_dir());
        std::fs::write(root.join("real/sub/a.o"), "object").unwrap();
        assert_eq!(read(&below, "/link/sub/a.o").as_deref(), Some("object"));
        symlink("/not/yet", root.join("real/to_be")).unwrap();
        symlink("../to_be", root.join("real/sub/again")).unwrap();
        below.make_way(Path::new("/real/sub/again/x/b.o")).unwrap();
        assert!(root.join("not/yet/x").is_dir());
        symlink("b", root.join("a")).unwrap();
        symlink("a", root.join("b")).unwrap();
        assert!(below.make_way(Path::new("/a/x.o")).is_err());
    }

    #[test]
    fn nothing_outside_is_read() {
        let World { folder, mut below } = world();
        let root = folder.path().join("root");
        let outside = folder.path().join("outside");
        symlink(&outside, root.join("out")).unwrap();
        symlink(outside.join("secret"), root.join("a.o")).unwrap();
        symlink("../outside/secret", root.join("b.o")).unwrap();
        std::fs::write(root.join("own"), "own").unwrap();
        symlink("own", root.join("c.o")).unwrap();
        for name in ["/out/secret", "/a.o", "/b.o", "/c.o", "/../outside/secret", "/out", "/no"] {
            assert_eq!(read(&below, name), None, "{name}");
        }
        assert!(
            below.make_way(Path::new("/out/new/a.o")).is_err() || !outside.join("new").exists()
        );
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    }
}
