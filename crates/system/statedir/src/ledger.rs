//! The job ledger: one line a job in `ledger`, the older ones in `ledger.1`.
//!
//! A line is fields between single spaces: the format's number, 20 fields of [`Record`] in its
//! order, and a checksum of all that. Lines of format 1 lack the last two fields of a record. Bytes of names that would confuse are `%XX`; an empty name is
//! `-`. A line is written by one `write` of less than 4 KiB to a file opened for appending, so
//! that those of parallel jobs do not mix. A reader skips and counts what is torn or foreign.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::time::Duration;

use crate::StateDir;

/// When the file of the newest jobs is put aside, in bytes. With the one put aside before, the
/// ledger takes at most twice this and a few lines.
const MOST_FILE_BYTES: u64 = 4 << 20;

/// No line is longer. Below `PIPE_BUF`, which POSIX names as what one write can do in one piece.
const MOST_LINE_BYTES: usize = 4000;

/// The most bytes of a source's, a compiler's, a host's name that are kept, and of a code.
const MOST_NAME_BYTES: [usize; 4] = [128, 64, 80, 40];

/// The most attempts of a job that are kept.
const MOST_ATTEMPTS: usize = 8;

/// The number of this format: the first field of its lines.
const FORMAT: &str = "2";

/// How many fields a line has, the format's number and the checksum among them.
const N_FIELDS: usize = 22;

/// The format before slots were noted, and how many fields its lines have. Still read.
const FORMAT_WITHOUT_SLOT: &str = "1";
const N_FIELDS_WITHOUT_SLOT: usize = 20;

/// What became of one job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// When it began, since 1970; in whole microseconds, like all times here.
    pub started: Duration,
    /// How long it took in all.
    pub took: Duration,
    /// The session (`setsid(2)`) that it ran in: all jobs of one build have the same.
    pub session: u32,
    /// Where it was done.
    pub place: Place,
    /// The reason code of its end.
    pub code: String,
    /// Its exit status.
    pub exit: u8,
    /// The source's base name; up to 128 bytes of it.
    pub source: Vec<u8>,
    /// The compiler's base name; up to 64 bytes of it.
    pub compiler: Vec<u8>,
    /// How long each part of it took.
    pub times: Times,
    /// Bytes sent to servers.
    pub n_sent: u64,
    /// Bytes received from them.
    pub n_received: u64,
    /// The attempts that failed; the first 8 of them.
    pub attempts: Vec<Attempt>,
    /// The slot of the host that did it; `None` for others, and where it was not noted.
    pub slot: Option<u32>,
    /// How long after its start it came to where it was done: had the slot of the host, or ran
    /// here. Where that was not noted, how long it waited.
    pub placed_after: Duration,
}

/// Where a job was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Nowhere: it failed before.
    #[default]
    Nowhere,
    /// On this machine.
    Here,
    /// On this host, as the host list names it.
    Host(String),
}

/// How long the parts of a job took. What a job did while it waited for something else counts as
/// that wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Waiting for slots.
    pub waiting: Duration,
    /// Connecting.
    pub connecting: Duration,
    /// Waiting for the preprocessor.
    pub preprocessing: Duration,
    /// Sending.
    pub sending: Duration,
    /// Waiting for the server's compiler.
    pub compiling: Duration,
    /// Receiving.
    pub receiving: Duration,
    /// Running the compiler of this machine.
    pub local: Duration,
}

impl Times {
    /// All of them, in the order in which lines have them.
    #[must_use]
    pub fn all(&self) -> [Duration; 7] {
        [
            self.waiting,
            self.connecting,
            self.preprocessing,
            self.sending,
            self.compiling,
            self.receiving,
            self.local,
        ]
    }
}

/// An attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The host.
    pub host: String,
    /// The reason code of its failure.
    pub code: String,
}

/// What a ledger holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// The records in the order in which jobs ended, as far as their lines tell.
    pub records: Vec<Record>,
    /// How many lines were torn or foreign.
    pub n_skipped: u64,
}

impl StateDir {
    /// Adds a record.
    ///
    /// # Errors
    /// When it cannot be written. A ledger that is too long and cannot be put aside is no error.
    pub fn record(&self, record: &Record) -> io::Result<()> {
        self.record_within(record, MOST_FILE_BYTES)
    }

    pub(crate) fn record_within(&self, record: &Record, n_bytes_most: u64) -> io::Result<()> {
        let path = self.path().join("ledger");
        let mut file = OpenOptions::new().append(true).create(true).mode(0o666).open(path)?;
        let line = record.to_line();
        if file.write(line.as_bytes())? < line.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        if file.metadata()?.len() > n_bytes_most {
            self.put_aside(n_bytes_most);
        }
        Ok(())
    }

    /// Puts the file of the newest jobs aside if it is still too long. Whoever has it open goes on
    /// writing to it under its other name.
    fn put_aside(&self, n_bytes_most: u64) {
        let Ok(Some(_lock)) = self.lock_ledger() else { return };
        let path = self.path().join("ledger");
        if std::fs::metadata(&path).is_ok_and(|found| found.len() > n_bytes_most) {
            let _ = std::fs::rename(&path, self.path().join("ledger.1"));
        }
    }

    /// Has nobody put the newest jobs aside while the file lives. `None`: somebody is doing so.
    fn lock_ledger(&self) -> io::Result<Option<File>> {
        let path = self.lock_file("ledger");
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        Ok(sys::locks::try_lock(&file)?.then_some(file))
    }

    /// Reads the ledger; empty where none has been written.
    ///
    /// # Errors
    /// When a file of it is there and cannot be read.
    pub fn ledger(&self) -> io::Result<Ledger> {
        let [older, newest] = self.ledger_bytes()?;
        let mut ledger = Ledger::default();
        ledger.take(&older.bytes);
        ledger.take(&newest.bytes);
        Ok(ledger)
    }

    /// The ends of both files, `ledger.1` first; nothing of one that is not there.
    pub(crate) fn ledger_bytes(&self) -> io::Result<[End; 2]> {
        // Without the lock, jobs that are put aside meanwhile would be counted twice or not at all;
        // whoever has it needs it for microseconds.
        let mut lock = self.lock_ledger();
        for _ in 0..100 {
            if !matches!(lock, Ok(None)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
            lock = self.lock_ledger();
        }
        let read = |name: &str| match File::open(self.path().join(name)) {
            Ok(file) => read_end(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(End::default()),
            Err(error) => Err(error),
        };
        Ok([read("ledger.1")?, read("ledger")?])
    }
}

/// The end of a file of the ledger.
#[derive(Debug, Default)]
pub(crate) struct End {
    pub(crate) bytes: Vec<u8>,
    /// Which file: its device and inode.
    pub(crate) file: (u64, u64),
    /// How far into the file `bytes` goes.
    pub(crate) length: u64,
}

/// The end of a file, as much of it as a ledger can have.
fn read_end(mut file: File) -> io::Result<End> {
    let most = MOST_FILE_BYTES + (1 << 20);
    let found = file.metadata()?;
    let from = file.seek(SeekFrom::Start(found.len().saturating_sub(most)))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    let length = from + bytes.len() as u64;
    Ok(End { bytes, file: (found.dev(), found.ino()), length })
}

impl Ledger {
    /// Takes in the lines of a file.
    pub fn take(&mut self, bytes: &[u8]) {
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match Record::from_line(line) {
                Some(record) => self.records.push(record),
                None => self.n_skipped += 1,
            }
        }
    }
}

impl Record {
    /// The line for it, with its end.
    #[must_use]
    pub fn to_line(&self) -> String {
        let [source, compiler, host, code] = MOST_NAME_BYTES;
        let mut line = format!(
            "{FORMAT} {} {} {}",
            self.started.as_micros(),
            self.took.as_micros(),
            self.session
        );
        let _ = match &self.place {
            Place::Nowhere => write!(line, " -"),
            Place::Here => write!(line, " ."),
            Place::Host(name) => write!(line, " @{}", escaped(name.as_bytes(), host)),
        };
        let _ = write!(
            line,
            " {} {} {} {}",
            escaped(self.code.as_bytes(), code),
            self.exit,
            escaped(&self.source, source),
            escaped(&self.compiler, compiler)
        );
        for time in self.times.all() {
            let _ = write!(line, " {}", time.as_micros());
        }
        let _ = write!(line, " {} {} ", self.n_sent, self.n_received);
        for (index, attempt) in self.attempts.iter().take(MOST_ATTEMPTS).enumerate() {
            let _ = write!(
                line,
                "{}{}={}",
                if index == 0 { "" } else { "," },
                escaped(attempt.host.as_bytes(), host),
                escaped(attempt.code.as_bytes(), code)
            );
        }
        if self.attempts.is_empty() {
            line.push('-');
        }
        let _ = match self.slot {
            Some(slot) => write!(line, " {slot}"),
            None => write!(line, " -"),
        };
        let _ = write!(line, " {}", self.placed_after.as_micros());
        let _ = writeln!(line, " {:08x}", checksum(line.as_bytes()));
        debug_assert!(line.len() <= MOST_LINE_BYTES, "{} bytes", line.len());
        line
    }

    /// Reads a line, its end taken off. `None` when it is torn or nobody of us wrote it.
    #[must_use]
    pub fn from_line(line: &[u8]) -> Option<Record> {
        if line.len() > MOST_LINE_BYTES {
            return None;
        }
        let line = std::str::from_utf8(line).ok()?;
        let (summed, sum) = line.rsplit_once(' ')?;
        if sum.len() != 8 || u32::from_str_radix(sum, 16) != Ok(checksum(summed.as_bytes())) {
            return None;
        }
        let mut fields = summed.split(' ');
        let notes_slot = match (fields.next()?, summed.split(' ').count() + 1) {
            (FORMAT, N_FIELDS) => true,
            (FORMAT_WITHOUT_SLOT, N_FIELDS_WITHOUT_SLOT) => false,
            _ => return None,
        };
        let (started, took) = (micros(fields.next()?)?, micros(fields.next()?)?);
        let session = fields.next()?.parse().ok()?;
        let place = match fields.next()? {
            "-" => Place::Nowhere,
            "." => Place::Here,
            host => Place::Host(text(host.strip_prefix('@')?)?),
        };
        let code = text(fields.next()?)?;
        let exit = fields.next()?.parse().ok()?;
        let (source, compiler) = (unescaped(fields.next()?)?, unescaped(fields.next()?)?);
        let times = Times {
            waiting: micros(fields.next()?)?,
            connecting: micros(fields.next()?)?,
            preprocessing: micros(fields.next()?)?,
            sending: micros(fields.next()?)?,
            compiling: micros(fields.next()?)?,
            receiving: micros(fields.next()?)?,
            local: micros(fields.next()?)?,
        };
        let (n_sent, n_received) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let attempts = match fields.next()? {
            "-" => Vec::new(),
            list => list.split(',').map(attempt).collect::<Option<_>>()?,
        };
        let (slot, placed_after) = match notes_slot {
            true => {
                let slot = match fields.next()? {
                    "-" => None,
                    number => Some(number.parse().ok()?),
                };
                (slot, micros(fields.next()?)?)
            }
            false => (None, times.waiting),
        };
        Some(Record {
            started,
            took,
            session,
            place,
            code,
            exit,
            source,
            compiler,
            times,
            n_sent,
            n_received,
            attempts,
            slot,
            placed_after,
        })
    }
}

fn attempt(text_of_one: &str) -> Option<Attempt> {
    let (host, code) = text_of_one.split_once('=')?;
    Some(Attempt { host: text(host)?, code: text(code)? })
}

/// Times beyond ten thousand years are nobody's, and sums of others cannot overflow.
fn micros(digits: &str) -> Option<Duration> {
    const MOST: u64 = 1 << 58;
    digits.parse().ok().filter(|number| *number < MOST).map(Duration::from_micros)
}

/// A name without blanks, commas and the like; at most `n_bytes_most` of its bytes.
fn escaped(name: &[u8], n_bytes_most: usize) -> String {
    let mut text = String::with_capacity(name.len().min(n_bytes_most));
    for byte in &name[..name.len().min(n_bytes_most)] {
        match byte {
            b'%' | b',' | b'=' => {}
            b'!'..=b'~' if name != b"-" => {
                text.push(char::from(*byte));
                continue;
            }
            _ => {}
        }
        let _ = write!(text, "%{byte:02x}");
    }
    if text.is_empty() {
        text.push('-');
    }
    text
}

fn unescaped(text: &str) -> Option<Vec<u8>> {
    if text == "-" {
        return Some(Vec::new());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                (digit()? * 16 + digit()?) as u8
            }
            byte => byte,
        });
    }
    Some(bytes)
}

fn text(field: &str) -> Option<String> {
    Some(String::from_utf8_lossy(&unescaped(field)?).into_owned())
}

/// The checksum of a line's fields. FNV-1a, 32 bits: enough to tell a torn line, and cheap.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::tests::Scratch;
    use proptest::prelude::*;

    fn sample(source: &[u8]) -> Record {
        Record {
            started: Duration::from_micros(1_700_000_000_123_456),
            took: Duration::from_micros(2_000_000),
            session: 77,
            place: Place::Host("red:3632".into()),
            code: "distributed".into(),
            exit: 0,
            source: source.to_vec(),
            compiler: b"gcc".to_vec(),
            times: Times { compiling: Duration::from_micros(1_500_000), ..Times::default() },
            n_sent: 4711,
            n_received: 815,
            attempts: vec![Attempt { host: "blue:3632".into(), code: "hung-up".into() }],
            slot: Some(3),
            placed_after: Duration::from_micros(250_000),
        }
    }

    #[test]
    fn a_line_is_what_people_can_read() {
        let line = sample(b"a b,\xff.c").to_line();
        let (line, sum) = line.trim_end().rsplit_once(' ').unwrap();
        assert_eq!(
            line,
            "2 1700000000123456 2000000 77 @red:3632 distributed 0 a%20b%2c%ff.c gcc \
             0 0 0 0 1500000 0 0 4711 815 blue:3632=hung-up 3 250000"
        );
        assert_eq!(sum.len(), 8);
    }

    #[test]
    fn lines_without_a_slot_are_read_as_before() {
        let line = "1 1700000000123456 2000000 77 @red:3632 distributed 0 a.c gcc \
                    7 0 0 0 1500000 0 0 4711 815 blue:3632=hung-up";
        let line = format!("{line} {:08x}", checksum(line.as_bytes()));
        let read = Record::from_line(line.as_bytes()).unwrap();
        let waiting = Duration::from_micros(7);
        let times = Times { waiting, ..sample(b"").times };
        let expected = Record { slot: None, placed_after: waiting, times, ..sample(b"a.c") };
        assert_eq!(read, expected);
    }

    #[test]
    fn torn_and_foreign_lines_are_skipped_and_counted() {
        let line = sample(b"a.c").to_line();
        let mut text = line.clone().into_bytes();
        text.extend_from_slice(&line.as_bytes()[..line.len() / 2]);
        text.push(b'\n');
        text.extend_from_slice(b"something else\n\xff\xfe\n\n");
        text.extend(std::iter::repeat_n(b'1', 9000));
        text.push(b'\n');
        text.extend_from_slice(line.as_bytes());
        let mut ledger = Ledger::default();
        ledger.take(&text);
        assert_eq!((ledger.records.len(), ledger.n_skipped), (2, 4));
        assert_eq!(ledger.records[1], sample(b"a.c"));
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_noticed() {
        let line = sample(b"a.c").to_line();
        let line = line.trim_end().as_bytes();
        for length in 0..line.len() {
            assert_eq!(Record::from_line(&line[..length]), None, "{length}");
        }
        for index in 0..line.len() {
            let mut changed = line.to_vec();
            changed[index] ^= 1;
            assert_eq!(Record::from_line(&changed), None, "{index}");
        }
    }

    #[test]
    fn the_longest_line_is_written_in_one_piece() {
        let long = "\u{fe}".repeat(400);
        let mut record = sample(long.as_bytes());
        record.compiler = long.clone().into_bytes();
        record.place = Place::Host(long.clone());
        record.code = long.clone();
        record.attempts = vec![Attempt { host: long.clone(), code: long }; 100];
        record.n_sent = u64::MAX;
        let line = record.to_line();
        assert!(line.len() <= MOST_LINE_BYTES, "{}", line.len());
        let again = Record::from_line(line.trim_end().as_bytes()).unwrap();
        assert_eq!((again.source.len(), again.attempts.len()), (128, 8));
    }

    #[test]
    fn the_ledger_is_bounded_and_keeps_the_newest() {
        let scratch = Scratch::new("ledger");
        assert_eq!(scratch.state.ledger().unwrap(), Ledger::default());
        for n in 0..500 {
            scratch.state.record_within(&sample(format!("{n}.c").as_bytes()), 4000).unwrap();
        }
        let length = |name: &str| scratch.state.path().join(name).metadata().unwrap().len();
        assert!(length("ledger") <= 4200 && length("ledger.1") <= 4200);
        let ledger = scratch.state.ledger().unwrap();
        assert_eq!(ledger.n_skipped, 0);
        let sources: Vec<_> = ledger.records.iter().map(|record| record.source.clone()).collect();
        let n_first = 500 - sources.len();
        let expected: Vec<_> = (n_first..500).map(|n| format!("{n}.c").into_bytes()).collect();
        assert_eq!(sources, expected);
    }

    #[test]
    fn parallel_jobs_lose_nothing() {
        let scratch = Scratch::new("parallel");
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let state = &scratch.state;
                scope.spawn(move || {
                    for n in 0..200 {
                        let record = sample(format!("{thread}-{n}.c").as_bytes());
                        state.record_within(&record, 150_000).unwrap();
                    }
                });
            }
        });
        assert!(scratch.state.path().join("ledger.1").exists());
        let ledger = scratch.state.ledger().unwrap();
        assert_eq!((ledger.records.len(), ledger.n_skipped), (1600, 0));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            source in prop::collection::vec(any::<u8>(), 0..128),
            compiler in prop::collection::vec(any::<u8>(), 0..64),
            host in "\\PC{0,20}",
            times in prop::array::uniform10(0..(1_u64 << 58)),
            slot in any::<Option<u32>>(),
            (exit, session, n_sent, n_received) in any::<(u8, u32, u64, u64)>(),
            n_attempts in 0..9_usize,
        ) {
            let times = times.map(Duration::from_micros);
            let [started, took, waiting, connecting, preprocessing, sending, compiling, receiving, local, placed_after] = times;
            let times = Times { waiting, connecting, preprocessing, sending, compiling, receiving, local };
            let attempt = Attempt { host: host.clone(), code: "hung-up".into() };
            let record = Record {
                started, took, session, exit, source, compiler, times, n_sent, n_received,
                place: Place::Host(host), code: "distributed".into(), attempts: vec![attempt; n_attempts],
                slot, placed_after,
            };
            let line = record.to_line();
            prop_assert_eq!(line.matches('\n').count(), 1);
            prop_assert_eq!(Record::from_line(line.trim_end().as_bytes()), Some(record));
        }

        #[test]
        fn no_line_makes_it_panic(line in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Record::from_line(&line);
        }
    }
}
