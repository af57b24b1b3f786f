//! Where the agent of a test is to be found.

use std::fs::DirEntry;
use std::path::{Path, PathBuf};

/// The file of the agent of the state folder `state` whose name begins so: `lock-`, with the number of
/// its process, or `socket-`. `None` where there is no agent. For tests that have one agent alone.
#[must_use]
pub fn file_of_agent(state: &Path, beginning: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(state.join("agent")).ok()?;
    let is_it = |entry: &DirEntry| entry.file_name().to_string_lossy().starts_with(beginning);
    Some(entries.flatten().find(is_it)?.path())
}
