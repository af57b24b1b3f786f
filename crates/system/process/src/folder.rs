//! Temporary folders: one for a daemon, one in it for each job.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How the folders of daemons are called.
const PREFIX: &str = "distccd_";

/// The file that a living daemon keeps locked.
const LOCK: &str = "lock";

/// How often a name is tried before giving up.
const MOST_TRIES: u32 = 100;

/// The folder of one daemon below the temporary folder, for its owner alone. Held by a lock, so
/// that a later daemon can tell whether it still belongs to somebody.
#[derive(Debug)]
pub struct TempRoot {
    path: PathBuf,
    _lock: File,
    n_jobs: AtomicU64,
    keep: bool,
}

impl TempRoot {
    /// Removes what dead daemons of this user left in `temporary`, and makes a new folder there.
    ///
    /// # Errors
    /// When no folder can be made.
    pub fn create(temporary: &Path) -> io::Result<TempRoot> {
        // By its true name: others see the folder under that as well.
        let temporary = &temporary.canonicalize()?;
        remove_stale(temporary);
        let mut seed = u64::from(std::process::id());
        for _ in 0..MOST_TRIES {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(clock());
            let path = temporary.join(format!("{PREFIX}{:08x}", (seed >> 32) as u32));
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
                Ok(()) => {}
            }
            let file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path.join(LOCK))?;
            // Another daemon's sweep may have come between: then the folder is not ours.
            let is_ours = sys::locks::try_lock(&file)?
                && std::fs::metadata(path.join(LOCK))
                    .is_ok_and(|found| found.ino() == file.metadata().map_or(0, |own| own.ino()));
            if is_ours {
                return Ok(TempRoot { path, _lock: file, n_jobs: AtomicU64::new(0), keep: false });
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "no free name"))
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A new folder for one job.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn job_folder(&self) -> io::Result<JobFolder> {
        let number = self.n_jobs.fetch_add(1, Ordering::Relaxed);
        // A worker that took a dead one's place counts from the start again.
        let path = self.path.join(format!("job_{}_{number}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(JobFolder { path, keep: self.keep })
    }

    /// Leaves the folders of jobs where they are, for somebody to look into.
    pub fn keep_jobs(&mut self) {
        self.keep = true;
    }

    /// Removes the folders of all jobs, as after the death of the process that ran them.
    pub fn remove_jobs(&self) {
        if self.keep {
            return;
        }
        for entry in std::fs::read_dir(&self.path).into_iter().flatten().flatten() {
            if entry.file_name() != LOCK {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }

    /// Removes the folder with all that is in it; of jobs that are kept only the lock, so that no
    /// later daemon removes them.
    pub fn remove(&self) {
        let _ = match self.keep {
            true => std::fs::remove_file(self.path.join(LOCK)),
            false => std::fs::remove_dir_all(&self.path),
        };
    }
}

/// The folder of one job, removed with everything in it when this is dropped.
#[derive(Debug)]
pub struct JobFolder {
    path: PathBuf,
    keep: bool,
}

impl JobFolder {
    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for JobFolder {
    fn drop(&mut self) {
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Removes the folders of this user's daemons that are no more: those whose lock is free.
fn remove_stale(temporary: &Path) {
    let uid = rustix::process::geteuid().as_raw();
    for entry in std::fs::read_dir(temporary).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_ours = entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes())
            && entry.metadata().is_ok_and(|found| found.is_dir() && found.uid() == uid);
        if !is_ours {
            continue;
        }
        let Ok(lock) = OpenOptions::new().write(true).open(path.join(LOCK)) else { continue };
        if matches!(sys::locks::try_lock(&lock), Ok(true)) {
            let _ = std::fs::remove_dir_all(&path);
        }
    }
}

fn clock() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_leaves_nothing_behind() {
        let temporary = tempfile::tempdir().unwrap();
        let root = TempRoot::create(temporary.path()).unwrap();
        let job = root.job_folder().unwrap();
        std::fs::create_dir(job.path().join("sub")).unwrap();
        std::fs::write(job.path().join("sub/a.o"), "x").unwrap();
        assert_eq!(job.path().metadata().unwrap().mode() & 0o777, 0o700);
        let path = job.path().to_owned();
        drop(job);
        assert!(!path.exists());
        root.remove();
        assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
    }

    #[test]
    fn folders_of_dead_daemons_are_removed_and_those_of_living_ones_stay() {
        let temporary = tempfile::tempdir().unwrap();
        let living = TempRoot::create(temporary.path()).unwrap();
        let dead = TempRoot::create(temporary.path()).unwrap();
        std::fs::create_dir(dead.path().join("job_1_1")).unwrap();
        let dead_path = dead.path().to_owned();
        drop(dead);
        std::fs::create_dir(temporary.path().join("distccd_foreign")).unwrap();
        let new = TempRoot::create(temporary.path()).unwrap();
        assert!(living.path().exists() && new.path().exists() && !dead_path.exists());
        assert!(temporary.path().join("distccd_foreign").exists());
    }
}
