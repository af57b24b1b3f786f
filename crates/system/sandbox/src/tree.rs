//! A root of a job's own: a client's files at the client's own names, and the system's beside them.
//!
//! The folder with the client's files becomes the root; the system's folders are mounted into it,
//! read-only, and upon these what of the client's belongs there. None of the client's files can be
//! executed. Whoever makes a [`Tree`] decides which folders of the system may be covered; here it
//! is only seen to that no name leads elsewhere, through links of the client's.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat, readlinkat, symlinkat};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::{chdir, pivot_root};

use crate::View;
use crate::message::is_in;
use crate::view::{Rules, below, clone_all, put, restrict, tree};

/// What a job sees in place of the usual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The folder with the client's files, in the job's own folder: the job's root. The job can
    /// write in it.
    pub root: PathBuf,
    /// An empty folder in the job's own folder, which the job sees under that name: for temporary
    /// files. Where the rest is in memory, this is on the disk all the same; an empty folder of that
    /// name has to be there as well.
    pub temporary: PathBuf,
    /// What covers folders of the system, in the order in which it is put there.
    pub layers: Vec<Layer>,
}

/// What covers a folder of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// How.
    pub kind: LayerKind,
    /// The system's folder, by its true name.
    pub folder: PathBuf,
    /// What is seen there, in the job's own folder.
    pub source: PathBuf,
}

/// How a folder of the system is covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerKind {
    /// What is there stays to be seen, with the source on top; programs there can be executed.
    Added,
    /// As [`LayerKind::Added`], and nothing there can be executed.
    Merged,
    /// Only the source is seen.
    Hiding,
    /// The same, and it can be written.
    Writable,
}

impl LayerKind {
    const ALL: [(LayerKind, &'static str); 4] = [
        (LayerKind::Added, "added"),
        (LayerKind::Merged, "merged"),
        (LayerKind::Hiding, "hiding"),
        (LayerKind::Writable, "writable"),
    ];
}

impl Tree {
    /// The tree as words, at least two.
    pub(crate) fn to_words(&self) -> Vec<OsString> {
        let mut words = vec![self.root.clone().into(), self.temporary.clone().into()];
        for Layer { kind, folder, source } in &self.layers {
            let name = LayerKind::ALL.into_iter().find(|(other, _)| other == kind);
            words.push(name.map_or("", |(_, name)| name).into());
            words.push(folder.clone().into());
            words.push(source.clone().into());
        }
        words
    }

    /// Reads such words; `None` when they are others. No words are no tree.
    pub(crate) fn from_words(words: Vec<OsString>) -> Option<Option<Tree>> {
        let (root, temporary, rest) = match &words[..] {
            [] => return Some(None),
            [root, temporary, rest @ ..] => (root.into(), temporary.into(), rest),
            [_] => return None,
        };
        let (layers, []) = rest.as_chunks::<3>() else { return None };
        let layers = layers.iter().map(|[name, folder, source]| {
            let (kind, _) = LayerKind::ALL.into_iter().find(|(_, other)| name == other)?;
            Some(Layer { kind, folder: folder.into(), source: source.into() })
        });
        Some(Some(Tree { root, temporary, layers: layers.collect::<Option<_>>()? }))
    }

    /// Whether all sources are in a job's folder `own`, and all folders absolute.
    fn is_in(&self, own: &Path) -> bool {
        let sources = self.layers.iter().map(|layer| &layer.source);
        let is_folder = |folder: &Path| folder.is_absolute() && is_in(folder, folder);
        [&self.root, &self.temporary].into_iter().chain(sources).all(|path| is_in(path, own))
            && self.temporary.parent() == Some(own)
            && self.layers.iter().all(|layer| is_folder(&layer.folder))
    }
}

impl View {
    /// Makes `files` the root of this process, with the system's folders in it. The process has a
    /// mount namespace of its own, a copy of that of [`View::enter`], and `/proc` is its own.
    pub(crate) fn show_tree(
        &self,
        own: &Path,
        files: &Tree,
        memory: Option<&OwnedFd>,
    ) -> io::Result<()> {
        if own.parent() != Some(&self.jobs) || !is_in(own, &self.jobs) || !files.is_in(own) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // Before anything is covered.
        let temporary = tree(&files.temporary)?;
        if let Some(memory) = memory {
            put(memory, own)?;
        }
        let root = tree(&files.root)?;
        let mut layers = Vec::with_capacity(files.layers.len());
        for layer in &files.layers {
            layers.push((layer, tree(&layer.source)?));
        }
        // Any folder would do to stand on; this one is there.
        let base = files.temporary.as_path();
        put(&root, base)?;
        restrict(base, Rules { is_read_only: false, runs_nothing: true }, false)?;
        for path in self.readable() {
            show_in(base, &path)?;
        }
        for path in ["/dev", "/proc"].map(Path::new) {
            let seen = clone_all(path)?;
            put(&seen, &Place::Folder.make(base, path)?)?;
        }
        put(&temporary, &Place::Folder.make(base, &files.temporary)?)?;
        let place = below(base, &files.temporary);
        restrict(&place, Rules { is_read_only: false, runs_nothing: true }, false)?;
        for (layer, source) in &layers {
            cover(base, layer, source)?;
        }
        // Who could write there could have libraries loaded.
        let settings = clone_all(&Place::Folder.make(base, Path::new("/etc"))?)?;
        let place = below(base, Path::new("/etc"));
        put(&settings, &place)?;
        restrict(&place, Rules { is_read_only: true, runs_nothing: true }, false)?;
        chdir(base)?;
        pivot_root(".", ".")?;
        unmount(".", UnmountFlags::DETACH)?;
        Ok(chdir("/")?)
    }
}

/// Shows a file, folder or link of this process's own root at the same place below `base`.
fn show_in(base: &Path, path: &Path) -> io::Result<()> {
    let kind = std::fs::symlink_metadata(path)?.file_type();
    if kind.is_symlink() {
        Place::Link(std::fs::read_link(path)?).make(base, path)?;
        return Ok(());
    }
    let place = if kind.is_dir() { Place::Folder } else { Place::File };
    put(&clone_all(path)?, &place.make(base, path)?)
}

/// Covers a folder of the system below `base`.
fn cover(base: &Path, layer: &Layer, source: &OwnedFd) -> io::Result<()> {
    let place = below(base, &layer.folder);
    match layer.kind {
        LayerKind::Added | LayerKind::Merged => {
            let options = [b"lowerdir=", &escape(&layer.source)[..], b":", &escape(&layer.folder)];
            let options = std::ffi::CString::new(options.concat())?;
            let runs_nothing = layer.kind == LayerKind::Merged;
            let noexec = if runs_nothing { MountFlags::NOEXEC } else { MountFlags::empty() };
            let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::RDONLY | noexec;
            Ok(mount("overlay", &place, "overlay", flags, options.as_c_str())?)
        }
        LayerKind::Hiding | LayerKind::Writable => {
            let is_read_only = layer.kind == LayerKind::Hiding;
            put(source, &place)?;
            restrict(&place, Rules { is_read_only, runs_nothing: true }, false)
        }
    }
}

/// A name as the options of an overlay have it.
fn escape(path: &Path) -> Vec<u8> {
    let mut escaped = Vec::new();
    for byte in path.as_os_str().as_bytes() {
        if matches!(byte, b'\\' | b':' | b',') {
            escaped.push(b'\\');
        }
        escaped.push(*byte);
    }
    escaped
}

/// What something is to be mounted on, or stands in for it.
enum Place {
    Folder,
    File,
    Link(PathBuf),
}

impl Place {
    /// Makes it at `path` below `base`, with the folders above it, unless it is there already.
    /// Follows no link.
    fn make(&self, base: &Path, path: &Path) -> io::Result<PathBuf> {
        let folder_flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut folder = openat(CWD, base, folder_flags, Mode::empty())?;
        let names = path.components().filter_map(|part| match part {
            Component::Normal(name) => Some(name),
            _ => None,
        });
        let mut names = names.peekable();
        while let Some(name) = names.next() {
            if names.peek().is_some() {
                folder = self::folder(&folder, name, folder_flags)?;
                continue;
            }
            match self {
                Place::Folder => drop(self::folder(&folder, name, folder_flags)?),
                Place::File => {
                    let flags = OFlags::CREATE | OFlags::RDONLY | OFlags::NOFOLLOW;
                    let flags = flags | OFlags::NONBLOCK | OFlags::CLOEXEC;
                    drop(openat(&folder, name, flags, Mode::from_raw_mode(0o644))?);
                }
                Place::Link(target) => match symlinkat(target, &folder, name) {
                    Err(Errno::EXIST) => {
                        let found = readlinkat(&folder, name, Vec::new())?;
                        if found.as_bytes() != target.as_os_str().as_bytes() {
                            return Err(Errno::EXIST.into());
                        }
                    }
                    made => made?,
                },
            }
        }
        Ok(below(base, path))
    }
}

fn folder(parent: &OwnedFd, name: &OsStr, flags: OFlags) -> io::Result<OwnedFd> {
    match mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(openat(parent, name, flags, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_comes_back_as_it_was() {
        let layer = |(kind, name): (LayerKind, &str)| Layer {
            kind,
            folder: Path::new("/usr/include").join(name),
            source: "/j/own/root/x".into(),
        };
        let layers = LayerKind::ALL.map(layer).to_vec();
        let tree = Tree { root: "/j/own/root".into(), temporary: "/j/own/t".into(), layers };
        let words = tree.to_words();
        assert_eq!(Tree::from_words(words.clone()), Some(Some(tree)));
        assert_eq!(Tree::from_words(Vec::new()), Some(None));
        for n_words in [1, 3, 4, 6] {
            assert_eq!(Tree::from_words(words[..n_words].to_vec()), None, "{n_words}");
        }
    }

    #[test]
    fn all_of_a_tree_is_in_the_jobs_folder() {
        let tree = |root: &str, temporary: &str, folder: &str, source: &str| Tree {
            root: root.into(),
            temporary: temporary.into(),
            layers: vec![Layer {
                kind: LayerKind::Hiding,
                folder: folder.into(),
                source: source.into(),
            }],
        };
        let own = Path::new("/j/own");
        assert!(tree("/j/own/r", "/j/own/t", "/usr/include", "/j/own/r/x").is_in(own));
        for (root, temporary, folder, source) in [
            ("/j/other/r", "/j/own/t", "/usr/include", "/j/own/r/x"),
            ("/j/own/r", "/j/own/../t", "/usr/include", "/j/own/r/x"),
            ("/j/own/r", "/j/own/t", "usr/include", "/j/own/r/x"),
            ("/j/own/r", "/j/own/t", "/usr/../etc", "/j/own/r/x"),
            ("/j/own/r", "/j/own/t", "/usr/include", "/j/own/r/../../x"),
            ("/j/own/r", "/j/own/r/t", "/usr/include", "/j/own/r/x"),
        ] {
            assert!(!tree(root, temporary, folder, source).is_in(own), "{root} {source}");
        }
    }

    #[test]
    fn places_are_not_made_through_links() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("base");
        let outside = folder.path().join("outside");
        std::fs::create_dir(&base).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, base.join("link")).unwrap();
        for place in [Place::Folder, Place::File, Place::Link("x".into())] {
            assert!(place.make(&base, Path::new("/link/below")).is_err());
            assert!(place.make(&base, Path::new("/link")).is_err());
        }
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
        let made = Place::File.make(&base, Path::new("/a/b")).unwrap();
        assert!(made.is_file() && Place::File.make(&base, Path::new("/a/b")).is_ok());
    }

    #[test]
    fn names_are_escaped_for_overlays() {
        assert_eq!(escape(Path::new("/a:b,c\\d")), b"/a\\:b\\,c\\\\d");
    }
}
