//! What the clients of a build have said, so that each thing is said once.

use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::time::{Duration, SystemTime};

use crate::StateDir;
use crate::folder::make_folder;

/// How many stamps there are.
const N_STAMPS: u64 = 64;

/// How many things one stamp remembers. Only when more of them share one is a thing said more than
/// once.
const N_ENTRIES: usize = 8;

/// A thing and when it was said: its hash and the seconds since 1970, eight bytes each.
const ENTRY_BYTES: usize = 16;

impl StateDir {
    /// Whether `what` has to be said: it is news unless it was said, or kept back, within
    /// `quiet`. Names the build as well, where each build is to hear it. In doubt it is news.
    #[must_use]
    pub fn is_news(&self, what: &[u8], quiet: Duration) -> bool {
        self.ask_stamp(what, quiet).unwrap_or(true)
    }

    fn ask_stamp(&self, what: &[u8], quiet: Duration) -> io::Result<bool> {
        let folder = self.path().join("said");
        make_folder(&folder)?;
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        let hash = hasher.finish();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o666);
        let file = options.open(folder.join(format!("{:02}", hash % N_STAMPS)))?;
        lock(&file);
        let mut bytes = [0; N_ENTRIES * ENTRY_BYTES];
        // A stamp that is new, or was cut, has fewer.
        let _ = file.read_exact_at(&mut bytes, 0);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (hash, seconds) =
            (hash.to_ne_bytes(), |entry: &[u8]| entry.try_into().map_or(0, u64::from_ne_bytes));
        let entries = || bytes.chunks_exact(ENTRY_BYTES).map(|entry| entry.split_at(8)).enumerate();
        let found = entries().find(|(_, (said, _))| *said == hash);
        let is_news = found.is_none_or(|(_, (_, when))| {
            now.saturating_sub(Duration::from_secs(seconds(when))) >= quiet
        });
        let oldest = || entries().min_by_key(|(_, (_, when))| seconds(when));
        let index = found.or_else(oldest).map_or(0, |(index, _)| index);
        let entry = [hash, now.as_secs().to_ne_bytes()].concat();
        bytes[index * ENTRY_BYTES..][..ENTRY_BYTES].copy_from_slice(&entry);
        file.write_all_at(&bytes, 0)?;
        Ok(is_news)
    }
}

/// Waits for the stamp's lock, for a tenth of a second at most: whoever has it needs it for
/// microseconds, and without it nothing worse happens than that a thing is said twice.
fn lock(file: &File) {
    for _ in 0..100 {
        match sys::locks::try_lock(file) {
            Ok(false) => std::thread::sleep(Duration::from_millis(1)),
            Ok(true) | Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::tests::Scratch;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_thing_is_news_once() {
        let scratch = Scratch::new("said");
        assert!(scratch.state.is_news(b"red is dead", HOUR));
        assert!(!scratch.state.is_news(b"red is dead", HOUR));
        assert!(scratch.state.is_news(b"blue is dead", HOUR));
        assert!(scratch.state.is_news(b"red is dead", Duration::ZERO));
    }

    #[test]
    fn of_many_who_ask_at_once_one_says_it() {
        let scratch = Scratch::new("said-at-once");
        let n_said = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    let is_news = scratch.state.is_news(b"red is dead", HOUR);
                    n_said.fetch_add(usize::from(is_news), Ordering::SeqCst);
                });
            }
        });
        assert_eq!(n_said.into_inner(), 1);
    }

    #[test]
    fn things_that_share_a_stamp_are_each_said_once() {
        let scratch = Scratch::new("said-shared");
        // More things than stamps.
        let n_said =
            |()| (0..100_u32).filter(|n| scratch.state.is_news(&n.to_ne_bytes(), HOUR)).count();
        assert_eq!((n_said(()), n_said(())), (100, 0));
    }

    #[test]
    fn stamps_are_bounded_in_number() {
        let scratch = Scratch::new("said-bounded");
        for n in 0..500_u32 {
            assert!(scratch.state.is_news(&n.to_ne_bytes(), HOUR));
        }
        let n_files = std::fs::read_dir(scratch.state.path().join("said")).unwrap().count();
        assert!(n_files <= N_STAMPS as usize, "{n_files}");
    }
}
