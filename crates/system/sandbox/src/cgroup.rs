//! Limits for a job as a whole, by control groups of version 2, where systemd has handed a part of
//! their tree to us.
//!
//! Only what is marked as handed over (`Delegate=yes`, the attribute `user.delegate`, systemd 251
//! and later) is touched: a group that is merely writable may hold processes of others, such as the
//! shell that the server was started from. Files and their meaning: the kernel's
//! `Documentation/admin-guide/cgroup-v2.rst`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The mark of a group that was handed over.
const MARK: &str = "user.delegate";

/// Where the daemon's own processes go: a group with groups in it may have none itself.
const DAEMON: &str = "daemon";

/// How the groups of jobs are called.
const PREFIX: &str = "job_";

/// How long the last processes of a job may take to leave its group.
const PATIENCE: Duration = Duration::from_millis(500);

/// A part of the tree of control groups that is ours.
#[derive(Debug)]
pub struct Groups {
    folder: PathBuf,
    n_jobs: AtomicU64,
    limits: GroupLimits,
}

/// How much all processes of a job may take together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupLimits {
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub n_processes: u64,
}

/// The group of one job, removed when dropped.
#[derive(Debug)]
pub(crate) struct Group {
    folder: PathBuf,
}

impl Groups {
    /// The groups that were handed to this process, with its own processes moved out of the way.
    ///
    /// # Errors
    /// Why there are none: a word for the log.
    pub fn take(limits: GroupLimits) -> Result<Groups, String> {
        let read =
            |path: &str| fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
        let folder = own_folder(&read("/proc/self/cgroup")?, &read("/proc/self/mountinfo")?)
            .ok_or("this machine has no control groups of version 2")?;
        let is_marked = marked(&folder)
            || folder.parent().is_some_and(|parent| {
                // An earlier worker has moved us already.
                folder.ends_with(DAEMON) && marked(parent)
            });
        if !is_marked {
            return Err("no control group was handed over (Delegate=yes)".to_owned());
        }
        let folder = if folder.ends_with(DAEMON) {
            folder.parent().map(Path::to_owned)
        } else {
            Some(folder)
        };
        Groups::prepare(folder.unwrap_or_default(), limits)
    }

    /// Makes `folder` one that can have groups with limits in it.
    fn prepare(folder: PathBuf, limits: GroupLimits) -> Result<Groups, String> {
        let failed = |error: io::Error| format!("{}: {error}", folder.display());
        let daemon = folder.join(DAEMON);
        if !daemon.is_dir() {
            fs::create_dir(&daemon).map_err(failed)?;
        }
        let processes = fs::read_to_string(folder.join("cgroup.procs")).map_err(failed)?;
        for process in processes.lines() {
            // One that has ended meanwhile cannot be moved.
            let _ = fs::write(daemon.join("cgroup.procs"), process);
        }
        let there = fs::read_to_string(folder.join("cgroup.controllers")).map_err(failed)?;
        let wanted: Vec<String> = there
            .split_whitespace()
            .filter(|name| ["memory", "pids"].contains(name))
            .map(|name| format!("+{name}"))
            .collect();
        if wanted.is_empty() {
            return Err(format!("{} controls neither memory nor processes", folder.display()));
        }
        fs::write(folder.join("cgroup.subtree_control"), wanted.join(" ")).map_err(failed)?;
        for entry in fs::read_dir(&folder).map_err(failed)?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                drop(Group { folder: entry.path() });
            }
        }
        Ok(Groups { folder, n_jobs: AtomicU64::new(0), limits })
    }

    /// A group for one job, with this process in it.
    pub(crate) fn group(&self, process: i32) -> io::Result<Group> {
        let number = self.n_jobs.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.join(format!("{PREFIX}{}_{number}", std::process::id()));
        fs::create_dir(&folder)?;
        let group = Group { folder };
        // A controller that is not there has no file.
        for (file, most) in
            [("memory.max", self.limits.memory_bytes), ("pids.max", self.limits.n_processes)]
        {
            set(&group.folder.join(file), &most.to_string())?;
        }
        // One process less is no job: what has not enough memory ends as a whole.
        set(&group.folder.join("memory.oom.group"), "1")?;
        fs::write(group.folder.join("cgroup.procs"), process.to_string())?;
        Ok(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = set(&self.folder.join("cgroup.kill"), "1");
        let deadline = Instant::now() + PATIENCE;
        while fs::remove_dir(&self.folder)
            .is_err_and(|error| error.kind() == io::ErrorKind::ResourceBusy)
            && Instant::now() < deadline
        {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Writes to a file of a group, if it is there.
fn set(file: &Path, text: &str) -> io::Result<()> {
    match fs::OpenOptions::new().write(true).open(file) {
        Ok(mut file) => io::Write::write_all(&mut file, text.as_bytes()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn marked(folder: &Path) -> bool {
    let mut value = [0; 8];
    matches!(rustix::fs::getxattr(folder, MARK, &mut value), Ok(1) if value[0] == b'1')
}

/// The folder of the group that a process is in, by what `/proc` says of it.
fn own_folder(groups: &str, mounts: &str) -> Option<PathBuf> {
    let group = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    // `36 35 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw`: what is mounted, and where.
    let (root, place) = mounts.lines().find_map(|line| {
        let (mount, system) = line.split_once(" - ")?;
        let mut fields = mount.split(' ');
        let (root, place) = (fields.nth(3)?, fields.next()?);
        system.starts_with("cgroup2 ").then_some((root, place))
    })?;
    let inside = Path::new(group).strip_prefix(root).ok()?;
    Some(Path::new(place).join(inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: GroupLimits = GroupLimits { memory_bytes: 1 << 30, n_processes: 9 };

    #[test]
    fn the_own_group_is_found_below_its_mount() {
        let check = |groups, mounts, expected: Option<&str>| {
            assert_eq!(own_folder(groups, mounts), expected.map(PathBuf::from));
        };
        let mounts = "25 1 0:23 / /sys rw - sysfs sysfs rw\n\
                      36 25 0:27 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n";
        check(
            "0::/system.slice/distccd.service\n",
            mounts,
            Some("/sys/fs/cgroup/system.slice/distccd.service"),
        );
        check("12:pids:/x\n0::/\n", mounts, Some("/sys/fs/cgroup"));
        check("12:pids:/x\n", mounts, None);
        check("0::/\n", "25 1 0:23 / /sys rw - sysfs sysfs rw\n", None);
        let part = "36 25 0:27 /docker/1 /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        check("0::/docker/1/a\n", part, Some("/sys/fs/cgroup/a"));
        check("0::/elsewhere\n", part, None);
    }

    #[test]
    fn a_writable_group_that_nobody_handed_over_is_left_alone() {
        let why = Groups::take(LIMITS).unwrap_err();
        assert!(!why.is_empty());
    }

    /// The files of a group, as far as a plain folder can stand in for the kernel's.
    fn stand_in(controllers: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("cgroup.procs", "12\n13\n"),
            ("cgroup.controllers", controllers),
            ("cgroup.subtree_control", ""),
        ] {
            fs::write(folder.path().join(file), text).unwrap();
        }
        folder
    }

    #[test]
    fn a_job_has_a_group_with_limits_for_as_long_as_it_lives() {
        let folder = stand_in("cpu memory pids\n");
        let groups = Groups::prepare(folder.path().to_owned(), LIMITS).unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("daemon/cgroup.procs"), "13");
        assert_eq!(read("cgroup.subtree_control"), "+memory +pids");
        let group = groups.group(77).unwrap();
        assert_eq!(fs::read_to_string(group.folder.join("cgroup.procs")).unwrap(), "77");
        // The kernel's folder has no entries to be removed first.
        fs::remove_file(group.folder.join("cgroup.procs")).unwrap();
        let place = group.folder.clone();
        drop(group);
        assert!(!place.exists());
    }

    #[test]
    fn without_controllers_there_are_no_groups() {
        let folder = stand_in("cpu hugetlb\n");
        assert!(Groups::prepare(folder.path().to_owned(), LIMITS).is_err());
    }
}
