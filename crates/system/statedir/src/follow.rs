//! The ledger, followed: what is new is read, and nothing twice.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;

use crate::{Ledger, StateDir};

/// The most that is read at a time of what is new, in bytes: the rest comes next time.
const MOST_NEW_BYTES: u64 = 8 << 20;

/// A ledger that is looked at again and again.
#[derive(Debug)]
pub struct Follower {
    state: StateDir,
    ledger: Ledger,
    /// The file of the newest jobs, by device and inode, and how far it was read.
    place: Option<((u64, u64), u64)>,
}

impl Follower {
    /// Will follow the ledger of that folder; nothing is read yet.
    #[must_use]
    pub fn new(state: StateDir) -> Follower {
        Follower { state, ledger: Ledger::default(), place: None }
    }

    /// What has been read.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Reads what is new, and says whether there was anything.
    ///
    /// # Errors
    /// When a file of the ledger is there and cannot be read. What was read before stays.
    pub fn refresh(&mut self) -> io::Result<bool> {
        match File::open(self.state.path().join("ledger")) {
            Ok(file) => self.read_on(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Put aside a moment ago, or removed.
                if self.place.is_some() { self.read_anew() } else { Ok(false) }
            }
            Err(error) => Err(error),
        }
    }

    fn read_on(&mut self, mut file: File) -> io::Result<bool> {
        let found = file.metadata()?;
        let known = (found.dev(), found.ino());
        match self.place {
            Some((place, offset)) if place == known && found.len() >= offset => {
                if found.len() == offset {
                    return Ok(false);
                }
                file.seek(SeekFrom::Start(offset))?;
                let mut bytes = Vec::new();
                file.take(MOST_NEW_BYTES).read_to_end(&mut bytes)?;
                let whole = whole_lines(&bytes);
                self.ledger.take(whole);
                self.place = Some((known, offset + whole.len() as u64));
                Ok(!whole.is_empty())
            }
            _ => self.read_anew(),
        }
    }

    /// Reads all. Jobs that were put aside long ago are forgotten by that.
    fn read_anew(&mut self) -> io::Result<bool> {
        let [older, newest] = self.state.ledger_bytes()?;
        let whole = whole_lines(&newest.bytes);
        let mut ledger = Ledger::default();
        ledger.take(&older.bytes);
        ledger.take(whole);
        let rest = (newest.bytes.len() - whole.len()) as u64;
        self.place = (newest.length > 0).then_some((newest.file, newest.length - rest));
        self.ledger = ledger;
        Ok(true)
    }
}

/// The lines that have their ends: the last one may still be being written.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |index| index + 1);
    &bytes[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Record;
    use crate::folder::tests::Scratch;
    use std::io::Write;

    fn record(source: &str) -> Record {
        Record { source: source.into(), ..Record::default() }
    }

    fn sources(follower: &Follower) -> Vec<String> {
        let name = |record: &Record| String::from_utf8(record.source.clone()).unwrap();
        follower.ledger().records.iter().map(name).collect()
    }

    #[test]
    fn what_is_new_is_read_and_nothing_twice() {
        let scratch = Scratch::new("follow");
        let mut follower = Follower::new(scratch.state.clone());
        assert!(!follower.refresh().unwrap());
        scratch.state.record(&record("a.c")).unwrap();
        assert!(follower.refresh().unwrap());
        assert!(!follower.refresh().unwrap());
        scratch.state.record(&record("b.c")).unwrap();
        assert!(follower.refresh().unwrap());
        assert_eq!(sources(&follower), ["a.c", "b.c"]);
        assert_eq!(follower.ledger(), &scratch.state.ledger().unwrap());
    }

    #[test]
    fn half_a_line_waits_for_its_other_half() {
        let scratch = Scratch::new("follow-half");
        scratch.state.record(&record("a.c")).unwrap();
        let mut follower = Follower::new(scratch.state.clone());
        follower.refresh().unwrap();
        let line = record("b.c").to_line();
        let (first, second) = line.as_bytes().split_at(20);
        let path = scratch.state.path().join("ledger");
        let mut file = File::options().append(true).open(path).unwrap();
        file.write_all(first).unwrap();
        assert!(!follower.refresh().unwrap());
        file.write_all(second).unwrap();
        assert!(follower.refresh().unwrap());
        assert_eq!(sources(&follower), ["a.c", "b.c"]);
        assert_eq!(follower.ledger().n_skipped, 0);
    }

    #[test]
    fn jobs_that_are_put_aside_are_counted_once() {
        let scratch = Scratch::new("follow-aside");
        let mut follower = Follower::new(scratch.state.clone());
        for n in 0..100 {
            scratch.state.record_within(&record(&format!("{n}.c")), 3000).unwrap();
            follower.refresh().unwrap();
            assert_eq!(follower.ledger(), &scratch.state.ledger().unwrap(), "{n}");
        }
        std::fs::remove_file(scratch.state.path().join("ledger.1")).unwrap();
        let _ = std::fs::remove_file(scratch.state.path().join("ledger"));
        follower.refresh().unwrap();
        assert!(sources(&follower).is_empty());
    }
}
