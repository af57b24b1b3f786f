//! Whether the disk with the temporary folder has room for a job.

use std::path::Path;

use wire::Exit;

use crate::bounds::{LEAST_DISK_BYTES, LEAST_DISK_FILES};
use crate::refusal::Refusal;

/// What is free on a file system.
#[derive(Clone, Copy, Debug)]
struct Free {
    n_bytes: u64,
    /// `None`: this file system has no fixed number of files.
    n_files: Option<u64>,
}

/// Refuses a job that would need `n_bytes` beside the usual where `folder` is.
pub(crate) fn check_room(folder: &Path, n_bytes: u64) -> Result<(), Refusal> {
    // What cannot be found out stops nobody: writing will say it.
    let Ok(found) = rustix::fs::statvfs(folder) else { return Ok(()) };
    let free = Free {
        n_bytes: found.f_bavail.saturating_mul(found.f_frsize),
        n_files: (found.f_files > 0).then_some(found.f_favail),
    };
    match lacking(free, n_bytes) {
        None => Ok(()),
        Some(what) => Err(Refusal::new(
            Exit::IO_ERROR,
            format!("No space left on device for a job: only {what} in the temporary folder here"),
            "look at the temporary folder of the server (TMPDIR)",
        )),
    }
}

/// What there is too little of.
fn lacking(free: Free, n_bytes: u64) -> Option<String> {
    if free.n_bytes < LEAST_DISK_BYTES.saturating_add(n_bytes) {
        return Some(format!("{} KiB are left", free.n_bytes >> 10));
    }
    let n_files = free.n_files.filter(|n_files| *n_files < LEAST_DISK_FILES)?;
    Some(format!("{n_files} more files fit"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_files_have_to_be_left() {
        let check = |n_bytes, n_files, needed, expected: Option<&str>| {
            assert_eq!(lacking(Free { n_bytes, n_files }, needed).as_deref(), expected);
        };
        check(17 << 20, Some(64), 1 << 20, None);
        check(17 << 20, None, 1 << 20, None);
        check(17 << 20, Some(64), 2 << 20, Some("17408 KiB are left"));
        check(17 << 20, Some(63), 0, Some("63 more files fit"));
        check(u64::MAX, None, u64::MAX, None);
    }

    #[test]
    fn a_folder_that_is_not_there_stops_nobody() {
        assert!(check_room(Path::new("/nonexistent"), u64::MAX).is_ok());
        assert!(check_room(Path::new("/"), u64::MAX / 2).is_err());
    }
}
