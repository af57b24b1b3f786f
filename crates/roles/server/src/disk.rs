//! Whether the disk with the temporary folder has room for a job.

use std::path::Path;

use wire::Exit;

use crate::bounds::{BLOCK_BYTES, LEAST_DISK_BYTES, LEAST_DISK_FILES};
use crate::refusal::Refusal;

/// What is free on a file system.
#[derive(Clone, Copy, Debug)]
struct Free {
    n_bytes: u64,
    /// `None`: this file system has no fixed number of files.
    n_files: Option<u64>,
}

/// Refuses a job that would need `n_bytes` in `n_files` beside the usual where `folder` is.
pub(crate) fn check_room(folder: &Path, n_bytes: u64, n_files: u64) -> Result<(), Refusal> {
    // What cannot be found out stops nobody: writing will say it.
    let Ok(found) = rustix::fs::statvfs(folder) else { return Ok(()) };
    let free = Free {
        n_bytes: found.f_bavail.saturating_mul(found.f_frsize),
        n_files: (found.f_files > 0).then_some(found.f_favail),
    };
    match lacking(free, n_bytes.saturating_add(n_files.saturating_mul(BLOCK_BYTES)), n_files) {
        None => Ok(()),
        Some(what) => Err(Refusal::new(
            Exit::IO_ERROR,
            format!("No space left on device for a job: only {what} in the temporary folder here"),
            "look at the temporary folder of the server (TMPDIR)",
        )),
    }
}

/// What there is too little of.
fn lacking(free: Free, n_bytes: u64, n_files: u64) -> Option<String> {
    if free.n_bytes < LEAST_DISK_BYTES.saturating_add(n_bytes) {
        return Some(format!("{} KiB are left", free.n_bytes >> 10));
    }
    let n_wanted = LEAST_DISK_FILES.saturating_add(n_files);
    let n_files = free.n_files.filter(|n_files| *n_files < n_wanted)?;
    Some(format!("{n_files} more files fit"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_files_have_to_be_left() {
        let check = |n_bytes, n_files, needed, expected: Option<&str>| {
            assert_eq!(lacking(Free { n_bytes, n_files }, needed, 0).as_deref(), expected);
        };
        check(17 << 20, Some(64), 1 << 20, None);
        check(17 << 20, None, 1 << 20, None);
        check(17 << 20, Some(64), 2 << 20, Some("17408 KiB are left"));
        check(17 << 20, Some(63), 0, Some("63 more files fit"));
        check(u64::MAX, None, u64::MAX, None);
        let free = Free { n_bytes: 17 << 20, n_files: Some(100) };
        assert_eq!(lacking(free, 0, 36), None);
        assert_eq!(lacking(free, 0, 37).as_deref(), Some("100 more files fit"));
    }

    #[test]
    fn a_folder_that_is_not_there_stops_nobody() {
        assert!(check_room(Path::new("/nonexistent"), u64::MAX, 0).is_ok());
        assert!(check_room(Path::new("/"), u64::MAX / 2, 0).is_err());
    }
}
