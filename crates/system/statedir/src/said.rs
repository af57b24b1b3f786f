//! What the clients of a build have said, so that each thing is said once.

use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::time::{Duration, SystemTime};

use crate::StateDir;
use crate::folder::make_folder;

/// How many stamps there are. Two things that share one are each said more than once.
const N_STAMPS: u64 = 64;

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
        let mut said = [0; 8];
        let is_said = file.read_exact_at(&mut said, 0).is_ok() && said == hash.to_ne_bytes();
        let age = SystemTime::now().duration_since(file.metadata()?.modified()?);
        let is_news = !is_said || age.unwrap_or_default() > quiet;
        file.write_all_at(&hash.to_ne_bytes(), 0)?;
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
    fn stamps_are_bounded_in_number() {
        let scratch = Scratch::new("said-bounded");
        for n in 0..500_u32 {
            assert!(scratch.state.is_news(&n.to_ne_bytes(), HOUR));
        }
        let n_files = std::fs::read_dir(scratch.state.path().join("said")).unwrap().count();
        assert!(n_files <= N_STAMPS as usize, "{n_files}");
    }
}
