//! The hosts that zeroconf found: `zeroconf/hosts`, a host a line, and who keeps it.
//!
//! Folder, names and format are those of distcc 3.4, whose clients keep the file by a process of
//! their own while they need it: either kind of client reads what the other has found.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::StateDir;
use crate::folder::make_folder;

/// The most of the file that is read, in bytes: far beyond what we write.
const MOST_BYTES: u64 = 64 << 10;

/// The hosts that zeroconf found, as they are kept for the next client.
#[derive(Clone, Debug)]
pub struct FoundHosts {
    folder: PathBuf,
}

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The hosts, one a line. It may have been written by anybody who may write the state folder.
    pub text: String,
    /// How long ago it was written; `None` where the clock says in the future.
    pub age: Option<Duration>,
}

/// Hosts of this age are as good as new.
const FRESH: Duration = Duration::from_secs(20);

/// Hosts beyond this age are of another day or another network.
const USABLE: Duration = Duration::from_secs(3600);

/// That there were none is of another build beyond this age.
const EMPTY_USABLE: Duration = Duration::from_secs(120);

impl Kept {
    /// Whether the network need not be asked again.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.age.is_some_and(|age| age < FRESH)
    }

    /// Whether it is worth trying until there is better.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        let longest = if self.text.trim().is_empty() { EMPTY_USABLE } else { USABLE };
        self.age.is_none_or(|age| age < longest)
    }
}

/// Who holds this keeps the file. Given up by dropping it.
#[derive(Debug)]
pub struct Keeper {
    _lock: File,
}

impl StateDir {
    /// The hosts that zeroconf found.
    ///
    /// # Errors
    /// When their folder cannot be made.
    pub fn found_hosts(&self) -> io::Result<FoundHosts> {
        let folder = self.path().join("zeroconf");
        make_folder(&folder)?;
        Ok(FoundHosts { folder })
    }
}

impl FoundHosts {
    /// What is kept, if anything.
    #[must_use]
    pub fn read(&self) -> Option<Kept> {
        let file = File::open(self.file("hosts")).ok()?;
        let written_at = file.metadata().ok()?.modified().ok()?;
        let mut bytes = Vec::new();
        file.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
        Some(Kept {
            text: String::from_utf8_lossy(&bytes).into_owned(),
            age: SystemTime::now().duration_since(written_at).ok(),
        })
    }

    /// Keeps these lines in place of what there is, in one step.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, lines: &[String]) -> io::Result<()> {
        let temporary = self.file(&format!("hosts.{}", std::process::id()));
        let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        std::fs::write(&temporary, text)
            .and_then(|()| crate::replace(&temporary, &self.file("hosts")))
            .inspect_err(|_| {
                let _ = std::fs::remove_file(&temporary);
            })
    }

    /// Becomes the one who keeps the file; `None` while somebody else is, a client of 3.4 too.
    ///
    /// # Errors
    /// When nobody can be, because files cannot be locked there.
    pub fn try_keep(&self) -> io::Result<Option<Keeper>> {
        let file = open(&self.file("lock"))?;
        Ok(sys::locks::try_lock(&file)?.then_some(Keeper { _lock: file }))
    }

    /// Whether this process is the one to have the network asked: nobody else was within `pause`.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn claim_question(&self, pause: Duration) -> io::Result<bool> {
        let file = open(&self.file("asked"))?;
        if !sys::locks::try_lock(&file)? {
            return Ok(false);
        }
        let metadata = file.metadata()?;
        let age = metadata.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        // Empty: it has just been made.
        if metadata.len() > 0 && age.is_some_and(|age| age < pause) {
            return Ok(false);
        }
        rustix::io::pwrite(&file, b"\n", 0)?;
        file.set_modified(SystemTime::now())?;
        Ok(true)
    }

    /// Whether somebody claimed the question within `pause`.
    #[must_use]
    pub fn was_asked_within(&self, pause: Duration) -> bool {
        let asked_at = std::fs::metadata(self.file("asked")).and_then(|asked| asked.modified());
        let age = asked_at.ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        age.is_some_and(|age| age < pause)
    }

    /// A new file for what the asking process has to say.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn trouble_file(&self) -> io::Result<File> {
        File::create(self.file("trouble"))
    }

    /// Has [`FoundHosts::trouble`] be this.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_trouble(&self, text: &str) -> io::Result<()> {
        std::fs::write(self.file("trouble"), text)
    }

    /// The first line of what the last asking process had to say, if it said anything.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let mut bytes = [0; 512];
        let n_bytes = File::open(self.file("trouble")).ok()?.read(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes[..n_bytes]);
        let line = text.lines().next()?.trim();
        let line = line.strip_prefix("lsdistcc: ").unwrap_or(line);
        (!line.is_empty()).then(|| line.to_owned())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::tests::Scratch;

    #[test]
    fn what_is_written_is_kept() {
        let scratch = Scratch::new("found-hosts");
        let found = scratch.state.found_hosts().unwrap();
        assert_eq!(found.read(), None);
        found.write(&["10.0.0.7:3632/4".to_owned(), "10.0.0.8:3632/4".to_owned()]).unwrap();
        let kept = found.read().unwrap();
        assert_eq!(kept.text, "10.0.0.7:3632/4\n10.0.0.8:3632/4\n");
        assert!(kept.age.unwrap() < Duration::from_secs(600));
        found.write(&[]).unwrap();
        assert_eq!(found.read().unwrap().text, "");
    }

    #[test]
    fn a_file_without_end_is_read_to_a_limit() {
        let scratch = Scratch::new("found-hosts-endless");
        let found = scratch.state.found_hosts().unwrap();
        std::fs::write(found.file("hosts"), vec![0xff; 1 << 20]).unwrap();
        assert_eq!(found.read().unwrap().text.chars().count() as u64, MOST_BYTES);
    }

    #[test]
    fn that_there_was_nobody_is_soon_out_of_date() {
        let check = |text: &str, seconds: u64, expected: (bool, bool)| {
            let kept = Kept { text: text.into(), age: Some(Duration::from_secs(seconds)) };
            assert_eq!((kept.is_fresh(), kept.is_usable()), expected, "{text:?} {seconds}");
        };
        check("10.0.0.7:3632/4\n", 5, (true, true));
        check("10.0.0.7:3632/4\n", 1800, (false, true));
        check("10.0.0.7:3632/4\n", 7200, (false, false));
        check("", 60, (false, true));
        check("", 180, (false, false));
        // As after a change of the clock.
        let kept = Kept { text: String::new(), age: None };
        assert_eq!((kept.is_fresh(), kept.is_usable()), (false, true));
    }

    #[test]
    fn one_keeps_and_one_asks() {
        let scratch = Scratch::new("found-hosts-keeper");
        let found = scratch.state.found_hosts().unwrap();
        let keeper = found.try_keep().unwrap();
        assert!(keeper.is_some());
        assert!(found.try_keep().unwrap().is_none());
        drop(keeper);
        assert!(found.try_keep().unwrap().is_some());
        assert!(found.claim_question(Duration::from_secs(600)).unwrap());
        assert!(!found.claim_question(Duration::from_secs(600)).unwrap());
        assert!(found.claim_question(Duration::ZERO).unwrap());
    }
}
