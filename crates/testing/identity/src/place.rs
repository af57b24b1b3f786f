//! The folder that a case runs in, and what a run leaves there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::case::{Before, Case};
use crate::sources::Tree;

/// What is found under one name after a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Folder,
    Link(PathBuf),
    /// A source as it was laid out; its inode.
    Source(u64),
    File {
        mode: u32,
        bytes: Vec<u8>,
    },
}

/// Everything that one run did.
#[derive(Clone, Debug)]
pub(crate) struct Leavings {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) files: BTreeMap<PathBuf, Entry>,
    /// How many temporary files it forgot.
    pub(crate) n_temporary: usize,
}

/// Something in which two runs can differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Item {
    ExitStatus,
    Stdout,
    Stderr,
    TemporaryFiles,
    File(PathBuf),
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Item::ExitStatus => f.write_str("the exit status"),
            Item::Stdout => f.write_str("standard output"),
            Item::Stderr => f.write_str("standard error"),
            Item::TemporaryFiles => f.write_str("temporary files left"),
            Item::File(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Leavings {
    /// In what they differ.
    pub(crate) fn differences(&self, other: &Leavings) -> BTreeSet<Item> {
        let mut items = BTreeSet::new();
        let mut note = |differs: bool, item: Item| {
            if differs {
                items.insert(item);
            }
        };
        note(self.code != other.code, Item::ExitStatus);
        note(self.stdout != other.stdout, Item::Stdout);
        note(self.stderr != other.stderr, Item::Stderr);
        note(self.n_temporary != other.n_temporary, Item::TemporaryFiles);
        for path in self.files.keys().chain(other.files.keys()) {
            note(self.files.get(path) != other.files.get(path), Item::File(path.clone()));
        }
        items
    }

    /// Writes it all into a folder, for somebody to look at.
    pub(crate) fn keep(&self, folder: &Path) -> Result<()> {
        let files = folder.join("files");
        std::fs::create_dir_all(&files)?;
        std::fs::write(folder.join("exit"), format!("{}\n", self.code))?;
        std::fs::write(folder.join("stdout"), &self.stdout)?;
        std::fs::write(folder.join("stderr"), &self.stderr)?;
        for (path, entry) in &self.files {
            let path = files.join(path);
            match entry {
                Entry::File { bytes, .. } => {
                    std::fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
                    std::fs::write(path, bytes)?;
                }
                Entry::Link(target) => {
                    std::fs::create_dir_all(path.parent().context("a link is in a folder")?)?;
                    symlink(target, path)?;
                }
                Entry::Folder | Entry::Source(_) => {}
            }
        }
        Ok(())
    }
}

/// Empties `root` and lays a case out there.
pub(crate) fn lay_out(root: &Path, case: &Case, trees: &[Tree]) -> Result<()> {
    clear(root)?;
    for index in &case.trees {
        let tree = &trees[*index];
        link(&tree.pristine, &root.join(tree.name))
            .with_context(|| format!("could not lay out {}", root.display()))?;
    }
    std::fs::create_dir_all(root.join("out/deeper"))?;
    match case.before {
        Before::Nothing => {}
        Before::File(path) => std::fs::write(root.join(path), "an older object")?,
        Before::Link(path) => {
            std::fs::write(root.join("linked"), "an older object")?;
            symlink(root.join("linked"), root.join(path))?;
        }
    }
    let (_, files) = case.render();
    for (name, content) in files {
        std::fs::write(root.join(&case.directory).join(name), content)?;
    }
    Ok(())
}

/// Makes a folder an empty one.
pub(crate) fn clear(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error)?,
        _ => Ok(std::fs::create_dir_all(folder)?),
    }
}

/// The same files once more, by hard links: nothing writes into a source.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            link(&entry.path(), &target)?;
        } else {
            std::fs::hard_link(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Everything below a folder.
pub(crate) fn read(root: &Path) -> io::Result<BTreeMap<PathBuf, Entry>> {
    let mut found = BTreeMap::new();
    read_below(root, Path::new(""), &mut found)?;
    Ok(found)
}

fn read_below(root: &Path, below: &Path, found: &mut BTreeMap<PathBuf, Entry>) -> io::Result<()> {
    for entry in std::fs::read_dir(root.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        let metadata = entry.metadata()?;
        let kind = if metadata.is_dir() {
            read_below(root, &path, found)?;
            Entry::Folder
        } else if metadata.is_symlink() {
            Entry::Link(std::fs::read_link(entry.path())?)
        } else if is_source(&metadata) {
            Entry::Source(metadata.ino())
        } else {
            Entry::File { mode: metadata.mode(), bytes: std::fs::read(entry.path())? }
        };
        found.insert(path, kind);
    }
    Ok(())
}

fn is_source(metadata: &Metadata) -> bool {
    metadata.nlink() > 1
}
