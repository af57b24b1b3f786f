//! When a file is still the same one.

use std::time::{Duration, SystemTime};

use rustix::fs::Stat;

/// What tells one state of a file from another: as long as it stays, so does the content, unless it
/// was changed within one tick of the file system's clock (see [`Identity::is_settled`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    size: i64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// The longest tick of a file system that tells parts of a second: Linux takes its timer's, 10 ms at
/// 100 Hz.
const FINE_TICK: Duration = Duration::from_millis(40);

/// That of one which tells whole seconds, or two.
const COARSE_TICK: Duration = Duration::from_secs(3);

impl Identity {
    pub(crate) fn of(stat: &Stat) -> Identity {
        Identity {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size,
            modified: (stat.st_mtime, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime, stat.st_ctime_nsec as i64),
        }
    }

    /// Device and inode.
    pub(crate) fn number(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// Whether a change after `now` would show: the last one is long enough ago. One that lies in the
    /// future, on a server with another clock, never is.
    pub(crate) fn is_settled(&self, now: SystemTime) -> bool {
        let (seconds, nanoseconds) = self.changed.max(self.modified);
        let is_coarse = self.changed.1 == 0 || self.modified.1 == 0;
        let tick = if is_coarse { COARSE_TICK } else { FINE_TICK };
        let changed = u64::try_from(seconds).ok().and_then(|seconds| {
            let since = Duration::new(seconds, u32::try_from(nanoseconds).ok()?);
            SystemTime::UNIX_EPOCH.checked_add(since)
        });
        // What is older than the clock's beginning was not changed just now.
        let Some(changed) = changed else { return seconds < 0 };
        now.duration_since(changed).is_ok_and(|age| age > tick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(seconds: i64, nanoseconds: i64) -> Identity {
        let changed = (seconds, nanoseconds);
        Identity { device: 1, inode: 2, size: 3, modified: (1, 1), changed }
    }

    #[test]
    fn a_file_settles_after_a_tick() {
        let at = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        assert!(!identity(100, 500_000_000).is_settled(at(100_510)));
        assert!(identity(100, 500_000_000).is_settled(at(100_600)));
        // Whole seconds: the file system may know no more.
        assert!(!identity(100, 0).is_settled(at(102_000)));
        assert!(identity(100, 0).is_settled(at(104_000)));
        assert!(!identity(1_000_000, 1).is_settled(at(100_000)));
    }
}
