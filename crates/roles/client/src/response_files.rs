//! The response files that a command names.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;

use compiler_args::Files;

/// Files as the compiler would find them: from our working directory, which is its own.
pub(crate) struct WorkingDirectory;

impl Files for WorkingDirectory {
    fn read(&self, name: &OsStr, limit: usize) -> Option<Vec<u8>> {
        // Not opened before that is known: to open a pipe is to wait for its writer.
        if !std::fs::metadata(name).ok()?.is_file() {
            return None;
        }
        let mut content = Vec::new();
        let n_allowed = u64::try_from(limit).unwrap_or(u64::MAX);
        File::open(name).ok()?.take(n_allowed + 1).read_to_end(&mut content).ok()?;
        (content.len() <= limit).then_some(content)
    }
}
