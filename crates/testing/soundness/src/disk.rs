//! The files of this machine, for the scanner.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use includes::{Facts, FileId, Files, Found, scan};

/// Files as they are, seen from a working folder. What changes is noticed after [`Disk::forget`].
#[derive(Debug, Default)]
pub struct Disk {
    folder: PathBuf,
    found: HashMap<Vec<u8>, Found>,
    /// The contents by device and number of the file.
    numbers: HashMap<(u64, u64), u64>,
    paths: Vec<PathBuf>,
    texts: HashMap<u64, Arc<[u8]>>,
    facts: HashMap<u64, Arc<Facts>>,
}

impl Disk {
    /// The files as seen from `folder`.
    #[must_use]
    pub fn new(folder: &Path) -> Disk {
        Disk { folder: folder.to_owned(), ..Disk::default() }
    }

    /// Forgets what is where: files have changed, and get other numbers.
    pub fn forget(&mut self) {
        self.found.clear();
        self.numbers.clear();
    }

    /// Looks from another working folder.
    pub fn go_to(&mut self, folder: &Path) {
        if self.folder != folder {
            self.found.clear();
            self.folder = folder.to_owned();
        }
    }

    fn path(&self, name: &[u8]) -> PathBuf {
        self.folder.join(OsStr::from_bytes(name))
    }

    fn look_anew(&mut self, name: &[u8]) -> Found {
        let path = self.path(name);
        let Ok(metadata) = path.metadata() else { return Found::Missing };
        if name.is_empty() || !metadata.is_file() {
            return Found::Other;
        }
        let next = self.paths.len() as u64;
        let number = *self.numbers.entry((metadata.dev(), metadata.ino())).or_insert(next);
        if number == next {
            self.paths.push(path);
        }
        Found::File(FileId(number))
    }
}

impl Files for Disk {
    fn look(&mut self, name: &[u8]) -> Found {
        if let Some(found) = self.found.get(name) {
            return *found;
        }
        let found = self.look_anew(name);
        self.found.insert(name.to_vec(), found);
        found
    }

    fn true_name(&mut self, name: &[u8]) -> Vec<u8> {
        let true_name = self.path(name).canonicalize();
        true_name.map_or_else(|_| name.to_vec(), |path| path.into_os_string().into_vec())
    }

    fn facts(&mut self, file: FileId) -> Arc<Facts> {
        if let Some(facts) = self.facts.get(&file.0) {
            return facts.clone();
        }
        let facts = Arc::new(scan(&self.text(file)));
        self.facts.insert(file.0, facts.clone());
        facts
    }

    fn text(&mut self, file: FileId) -> Arc<[u8]> {
        if let Some(text) = self.texts.get(&file.0) {
            return text.clone();
        }
        let index = usize::try_from(file.0).unwrap_or(usize::MAX);
        let read = self.paths.get(index).and_then(|path| std::fs::read(path).ok());
        let text: Arc<[u8]> = read.unwrap_or_default().into();
        self.texts.insert(file.0, text.clone());
        text
    }
}
