//! Copies of files, for clients of distcc 3.4 to send.
//!
//! A client takes the first three parts of a copy's name away, and sends the rest as the file's name.
//! Those three are the mirror's folder and a tree in it. No copy is ever written over: another content
//! of the same file lies in another tree, so that a client which is about to read the one it was told
//! of finds that one.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, openat, symlinkat, unlinkat};
use rustix::io::Errno;

use crate::plan::{Copied, Survey};

/// How the name of a copy ends, beside the file's own name.
const PACKED: &[u8] = b".lzo";

/// How it ends further where the copy has a first line with the file's name.
const SHOWN: &[u8] = b".abs";

/// The file that is in a folder for the folder to be there.
const FOLDER_MARK: &[u8] = b"/forcing_technique_271828";

/// The most trees of a kind: so often may a file become a folder and a file again.
const MOST_TREES: usize = 1 << 16;

/// The longest name of a copy, in bytes: Linux takes no longer ones.
const LONGEST: usize = 4095;

/// The copies.
#[derive(Debug)]
pub(crate) struct Mirror {
    folder: PathBuf,
    copies: HashMap<Copied, Vec<u8>>,
    links: HashMap<(Vec<u8>, Vec<u8>), Vec<u8>>,
    folders: HashMap<Vec<u8>, Vec<u8>>,
    /// The first trees in which there is nothing of a name yet, by kind and name.
    free: HashMap<(Kind, Vec<u8>), usize>,
}

/// Makes something of a name in a folder.
type Maker<'a> = &'a dyn Fn(&OwnedFd, &[u8]) -> Result<(), Errno>;

/// What lies in a tree. Links lie apart, so that nothing is ever made behind one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Files,
    Links,
    Folders,
}

impl Mirror {
    /// A mirror in `folder`, which is empty and has an absolute name of two parts.
    pub(crate) fn new(folder: &Path) -> Mirror {
        Mirror {
            folder: folder.to_owned(),
            copies: HashMap::new(),
            links: HashMap::new(),
            folders: HashMap::new(),
            free: HashMap::new(),
        }
    }

    /// Whether there is such a copy.
    pub(crate) fn has(&self, copied: &Copied) -> bool {
        self.copies.contains_key(copied)
    }

    /// Makes what is missing of a survey, and gives the names of all that belongs to it.
    pub(crate) fn take(&mut self, survey: Survey) -> io::Result<Vec<Vec<u8>>> {
        let mut names = Vec::new();
        for (copied, content) in survey.files {
            if let Some(name) = self.copies.get(&copied) {
                names.push(name.clone());
                continue;
            }
            let Some(content) = content else {
                return Err(io::Error::other("a copy is gone"));
            };
            let shown = if copied.shown.is_some() { SHOWN } else { b"" };
            let place = [&copied.place, PACKED, shown].concat();
            let name =
                self.make(Kind::Files, &place, &|folder, name| write(folder, name, &content))?;
            names.push(name.clone());
            self.copies.insert(copied, name);
        }
        for link in survey.links {
            if !self.links.contains_key(&link) {
                let (place, target) = &link;
                let make =
                    |folder: &OwnedFd, name: &[u8]| symlinkat(target.as_slice(), folder, name);
                let name = self.make(Kind::Links, place, &make)?;
                self.links.insert(link.clone(), name);
            }
            names.push(self.links[&link].clone());
        }
        for folder in survey.folders {
            if !self.folders.contains_key(&folder) {
                let place = [&folder, FOLDER_MARK].concat();
                let make = |folder: &OwnedFd, name: &[u8]| write(folder, name, b"");
                let name = self.make(Kind::Folders, &place, &make)?;
                self.folders.insert(folder.clone(), name);
            }
            names.push(self.folders[&folder].clone());
        }
        Ok(names)
    }

    /// Has something made at `place` below the root of a tree in which it has room; gives its name.
    fn make(&mut self, kind: Kind, place: &[u8], make: Maker<'_>) -> io::Result<Vec<u8>> {
        let first = self.free.get(&(kind, place.to_vec())).copied().unwrap_or(0);
        for number in first..MOST_TREES {
            let tree = self.tree(kind, number);
            match make_below(&tree, place, make) {
                Ok(()) => {
                    self.free.insert((kind, place.to_vec()), number + 1);
                    return Ok([tree.as_os_str().as_bytes(), place].concat());
                }
                // A file or a link is in the way.
                Err(Errno::EXIST | Errno::NOTDIR | Errno::LOOP | Errno::ISDIR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::Error::other("there are too many trees"))
    }

    fn tree(&self, kind: Kind, number: usize) -> PathBuf {
        let letter = match kind {
            Kind::Files => 'f',
            Kind::Links => 'l',
            Kind::Folders => 'd',
        };
        self.folder.join(format!("{letter}{number}"))
    }
}

/// Makes something at `place`, an absolute name, below the folder `tree`, following no link.
fn make_below(tree: &Path, place: &[u8], make: Maker<'_>) -> Result<(), Errno> {
    if tree.as_os_str().len() + place.len() > LONGEST {
        return Err(Errno::NAMETOOLONG);
    }
    match rustix::fs::mkdir(tree, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error),
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut folder = rustix::fs::open(tree, flags, Mode::empty())?;
    let mut parts = place.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return make(&folder, part);
        }
        folder = match openat(&folder, part, flags, Mode::empty()) {
            Err(Errno::NOENT) => {
                mkdirat(&folder, part, Mode::RWXU)?;
                openat(&folder, part, flags, Mode::empty())?
            }
            opened => opened?,
        };
    }
    Err(Errno::INVAL)
}

/// Writes a file that was not there.
fn write(folder: &OwnedFd, name: &[u8], content: &[u8]) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut file = File::from(openat(folder.as_fd(), name, flags, Mode::RUSR | Mode::WUSR)?);
    file.write_all(content).map_err(|error| {
        // Half a copy must not be taken for one.
        let _ = unlinkat(folder, OsStr::from_bytes(name), AtFlags::empty());
        Errno::from_io_error(&error).unwrap_or(Errno::IO)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use includes::FileId;

    fn copied(place: &str, id: u64) -> Copied {
        Copied { place: place.as_bytes().to_vec(), shown: None, id: FileId(id) }
    }

    fn file(place: &str, id: u64, content: &str) -> Survey {
        let files = vec![(copied(place, id), Some(content.as_bytes().into()))];
        Survey { files, ..Survey::default() }
    }

    fn name(mirror: &mut Mirror, survey: Survey) -> String {
        let names = mirror.take(survey).unwrap();
        let name = std::str::from_utf8(&names[0]).unwrap();
        name.strip_prefix(mirror.folder.to_str().unwrap()).unwrap().to_owned()
    }

    #[test]
    fn another_content_has_another_name() {
        let folder = tempfile::tempdir().unwrap();
        let mirror = &mut Mirror::new(folder.path());
        assert_eq!(name(mirror, file("/w/x.h", 1, "old")), "/f0/w/x.h.lzo");
        assert_eq!(name(mirror, file("/w/x.h", 2, "new")), "/f1/w/x.h.lzo");
        assert_eq!(name(mirror, file("/w/x.h", 1, "")), "/f0/w/x.h.lzo");
        let text = |name| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!((text("f0/w/x.h.lzo"), text("f1/w/x.h.lzo")), ("old".into(), "new".into()));
        let mut shown = file("/w/x.h", 1, "shown");
        shown.files[0].0.shown = Some(b"/w/x.h"[..].into());
        assert_eq!(name(mirror, shown), "/f0/w/x.h.lzo.abs");
        assert!(mirror.has(&copied("/w/x.h", 2)) && !mirror.has(&copied("/w/x.h", 3)));
        assert!(
            mirror
                .take(Survey { files: vec![(copied("/w", 9), None)], ..Survey::default() })
                .is_err()
        );
    }

    #[test]
    fn nothing_is_made_behind_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let mirror = &mut Mirror::new(folder.path());
        let target = outside.path().as_os_str().as_bytes().to_vec();
        let link = |place: &str| (place.as_bytes().to_vec(), target.clone());
        let links = |place: &str| Survey { links: vec![link(place)], ..Survey::default() };
        assert_eq!(name(mirror, links("/w/l")), "/l0/w/l");
        assert_eq!(name(mirror, links("/w/l/k")), "/l1/w/l/k");
        assert_eq!(name(mirror, file("/w/l/x.h", 1, "")), "/f0/w/l/x.h.lzo");
        // What was a file is a folder now.
        assert_eq!(name(mirror, file("/w/l/x.h.lzo/y", 2, "")), "/f1/w/l/x.h.lzo/y.lzo");
        let folders = Survey { folders: vec![b"/w/l".to_vec()], ..Survey::default() };
        assert_eq!(name(mirror, folders), "/d0/w/l/forcing_technique_271828");
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
