//! The files of the machine, as the scanner is given them.

use std::sync::Arc;

use crate::facts::Facts;

/// Files as the compiler sees them: by names as it would write them, a folder, a slash and the
/// rest. Relative names start in the compile's working folder.
pub trait Files {
    /// What is at `name`, links followed.
    fn look(&mut self, name: &[u8]) -> Found;

    /// The name of a file that [`Files::look`] has found, or of a folder, without links and
    /// detours. What has none keeps its own.
    fn true_name(&mut self, name: &[u8]) -> Vec<u8>;

    /// What a file says of others: [`crate::scan`] of its text.
    fn facts(&mut self, file: FileId) -> Arc<Facts>;

    /// Its text.
    fn text(&mut self, file: FileId) -> Arc<[u8]>;
}

/// One content of a file, whatever name leads to it: a file that changes gets another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u64);

/// What is at a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing, or nothing that a compiler could read.
    Missing,
    /// A folder, or something else that is no file.
    Other,
    /// A file.
    File(FileId),
}
