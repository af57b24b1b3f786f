//! Compilers that write down how they were called: the proof of where a compile ran.

use std::path::{Path, PathBuf};

use crate::world::{script, set_mode};

/// Where the real compilers are.
pub const SYSTEM_PATH: &str = "/usr/bin:/bin";

/// A folder of compilers that write down their words before they do their work.
#[derive(Debug)]
pub struct Recorder {
    folder: PathBuf,
    record: PathBuf,
}

impl Recorder {
    /// Makes recording compilers called `names` in `folder`. Each does what the one of that name
    /// in [`SYSTEM_PATH`] does, and no more than one line of record.
    ///
    /// # Panics
    /// When they cannot be written.
    #[must_use]
    pub fn new(folder: &Path, names: &[&str]) -> Recorder {
        let record = folder.join("record");
        std::fs::write(&record, "").expect("a test can write its files");
        // A server that was started by root is somebody else.
        set_mode(&record, 0o666);
        for name in names {
            let text = format!(
                "echo \"{name} $*\" >> '{}'\nPATH={SYSTEM_PATH} exec {name} \"$@\"",
                record.display()
            );
            script(&folder.join(name), &text);
        }
        Recorder { folder: folder.to_owned(), record }
    }

    /// A `PATH` in which these compilers come first.
    #[must_use]
    pub fn search_path(&self) -> String {
        format!("{}:{SYSTEM_PATH}", self.folder.display())
    }

    /// Every run so far: the compiler's name and its words.
    ///
    /// # Panics
    /// When the record cannot be read.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        let text = std::fs::read(&self.record).expect("a record can be read");
        String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
    }

    /// The runs that compiled a source: neither preprocessed only, nor compiled nothing to see
    /// what the compiler makes, nor told what it is.
    #[must_use]
    pub fn compiles(&self) -> Vec<String> {
        let mut commands = self.commands();
        commands.retain(|command| {
            let words: Vec<&str> = command.split(' ').collect();
            !["-E", "/dev/null", "-dumpmachine", "--version"]
                .iter()
                .any(|word| words.contains(word))
        });
        commands
    }
}
