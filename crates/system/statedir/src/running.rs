//! What all clients of a state folder are doing: the reader of `state/binstate_PID`.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use crate::StateDir;
use crate::job_state::{MAGIC, MORE_LENGTH, MORE_MAGIC, NAME_LENGTH, Phase, RECORD_LENGTH};

/// Bytes of a `size_t` of the C compiler, in which numbers at the front are written.
const WORD: usize = size_of::<usize>();

/// How old the file of a process that is gone must be to be removed. Clients in other containers
/// or on other machines may share the folder, and their processes cannot be seen from here.
/// Source: behavior of distcc 3.4's monitor.
const STALE_AFTER: Duration = Duration::from_secs(60);

/// How far the clocks of files and processes may be apart.
const CLOCK_SLACK: Duration = Duration::from_secs(2);

/// The unit of times in `/proc`: `USER_HZ`, which is 100 on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// What one client is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunningJob {
    /// Its process.
    pub pid: u32,
    /// The name of its source, as its client wrote it: any bytes but NUL.
    pub source: Vec<u8>,
    /// The host it is at; likewise.
    pub host: Vec<u8>,
    /// The slot of that host.
    pub slot: i32,
    /// What it is at; `None` when it is done. A number that is no phase counts as compiling, as in
    /// distcc 3.4's monitor.
    pub phase: Option<Phase>,
    /// The host as the ledger names it; empty where its client does not tell, as 3.4's.
    pub full_name: Vec<u8>,
    /// The reason code for which it is where it is; empty where its client does not tell.
    pub reason: Vec<u8>,
    /// When its client last wrote: the begin of the phase. 1970 where only bytes were read.
    pub phase_began: Duration,
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// Too short, as a file that is just being written.
    Short,
    /// Another program's file.
    Magic,
    /// A distcc with other ideas of the record.
    Size,
    /// A number that no process has.
    Pid,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecordError::Short => "it is too short",
            RecordError::Magic => "wrong magic number",
            RecordError::Size => "wrong structure size: another version's?",
            RecordError::Pid => "it names no process",
        })
    }
}

impl RunningJob {
    /// Reads a record, and what a client of ours tells behind it. Never panics, whatever the file
    /// holds.
    ///
    /// # Errors
    /// When it is none.
    pub fn decode(bytes: &[u8]) -> Result<RunningJob, RecordError> {
        let mut fields = Fields(bytes.get(..RECORD_LENGTH).ok_or(RecordError::Short)?);
        let (size, magic, pid) = (fields.word(), fields.word(), fields.word());
        if magic != MAGIC as usize {
            return Err(RecordError::Magic);
        }
        if size != RECORD_LENGTH {
            return Err(RecordError::Size);
        }
        let pid = i32::try_from(pid).ok().filter(|pid| *pid > 0).ok_or(RecordError::Pid)?;
        let pid = pid.unsigned_abs();
        let (source, host) = (fields.name(), fields.name());
        let (slot, phase) = (fields.int(), fields.int());
        let phase = match phase {
            0 => Some(Phase::Startup),
            1 => Some(Phase::Blocked),
            2 => Some(Phase::Connect),
            3 => Some(Phase::Preprocess),
            4 => Some(Phase::Send),
            6 => Some(Phase::Receive),
            7 => None,
            _ => Some(Phase::Compile),
        };
        let (full_name, reason) = more(&bytes[RECORD_LENGTH..]).unwrap_or_default();
        let phase_began = Duration::ZERO;
        Ok(RunningJob { pid, source, host, slot, phase, full_name, reason, phase_began })
    }

    /// For how long its client has been there, by `/proc`; `None` once it is gone.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        process_age(self.pid)
    }
}

/// The host's full name and the reason, of what comes behind a record.
fn more(bytes: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let names = bytes.get(..MORE_LENGTH)?.strip_prefix(&MORE_MAGIC)?;
    let (full_name, reason) = names.split_at(NAME_LENGTH);
    Some((before_nul(full_name), before_nul(reason)))
}

/// The bytes before the first NUL; all of them where a hostile writer left that out.
fn before_nul(field: &[u8]) -> Vec<u8> {
    field.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}

/// The fields of a record that has its full length, from the first.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, n_bytes: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(n_bytes);
        self.0 = rest;
        taken
    }

    fn word(&mut self) -> usize {
        usize::from_ne_bytes(self.take(WORD).try_into().expect("a word was taken"))
    }

    fn int(&mut self) -> i32 {
        i32::from_ne_bytes(self.take(4).try_into().expect("four bytes were taken"))
    }

    fn name(&mut self) -> Vec<u8> {
        before_nul(self.take(NAME_LENGTH))
    }
}

/// What [`StateDir::running`] found.
#[derive(Debug, Default)]
pub struct Running {
    /// Jobs whose client is alive, in the order of their hosts and slots.
    pub jobs: Vec<RunningJob>,
    /// Files that look like state and are none.
    pub doubts: Vec<(PathBuf, RecordError)>,
}

impl StateDir {
    /// What all clients are doing now. Files of clients that are gone are passed over, and removed
    /// once they are a minute old.
    ///
    /// # Errors
    /// When the folder cannot be read. A file that cannot be is passed over.
    pub fn running(&self) -> io::Result<Running> {
        let mut found = Running::default();
        for entry in std::fs::read_dir(self.path().join("state"))? {
            let entry = entry?;
            if !entry.file_name().as_encoded_bytes().starts_with(b"binstate_") {
                continue;
            }
            let path = entry.path();
            let Ok(Some((bytes, written))) = read_record(&path) else { continue };
            let age = SystemTime::now().duration_since(written).unwrap_or_default();
            match RunningJob::decode(&bytes) {
                Ok(job) if !wrote(job.pid, age) => {
                    if age > STALE_AFTER {
                        let _ = rustix::fs::unlink(&path);
                    }
                }
                Ok(job) if job.phase.is_none() => {}
                Ok(job) => {
                    let phase_began = written.duration_since(UNIX_EPOCH).unwrap_or_default();
                    found.jobs.push(RunningJob { phase_began, ..job });
                }
                // Its client is just making it.
                Err(RecordError::Short) => {}
                Err(error) => found.doubts.push((path, error)),
            }
        }
        found.jobs.sort_by(|a, b| (&a.host, a.slot).cmp(&(&b.host, b.slot)));
        Ok(found)
    }
}

/// Reads as much of a file as a record has, and when it was written. `None` for what is
/// no file: a pipe would never end, and a link may lead anywhere.
fn read_record(path: &Path) -> io::Result<Option<(Vec<u8>, SystemTime)>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = flags.bits().cast_signed();
    let file: File = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(RECORD_LENGTH + MORE_LENGTH);
    file.take((RECORD_LENGTH + MORE_LENGTH) as u64).read_to_end(&mut bytes)?;
    Ok(Some((bytes, metadata.modified()?)))
}

/// Whether the process is there, be it somebody else's, and may have written a file of this age.
/// A younger process than the file has its number from one that is gone.
fn wrote(pid: u32, file_age: Duration) -> bool {
    let Some(number) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    if test_kill_process(number) == Err(Errno::SRCH) {
        return false;
    }
    file_age <= STALE_AFTER || process_age(pid).is_some_and(|age| age + CLOCK_SLACK >= file_age)
}

/// For how long a process has been there, by `/proc`.
fn process_age(pid: u32) -> Option<Duration> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The program's name may hold anything, but no later field holds a parenthesis.
    let after_name = stat.rsplit(|byte| *byte == b')').next()?;
    let started = str::from_utf8(after_name).ok()?.split_ascii_whitespace().nth(19)?;
    let started =
        Duration::try_from_secs_f64(started.parse::<f64>().ok()? / TICKS_PER_SECOND).ok()?;
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let uptime: f64 = uptime.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Duration::try_from_secs_f64(uptime).ok()?.saturating_sub(started))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::tests::Scratch;
    use crate::job_state::{At, REASON_LENGTH, record_of};

    fn own_pid() -> usize {
        std::process::id() as usize
    }

    /// A record of this process at `host`.
    fn record(source: &str, host: &str, slot: u32, phase: u32) -> Vec<u8> {
        record_of(own_pid(), phase, source, host, slot)
    }

    fn put(scratch: &Scratch, name: &str, bytes: &[u8], age_s: u64) -> PathBuf {
        let path = scratch.state.state_file(name);
        std::fs::write(&path, bytes).unwrap();
        let then = SystemTime::now() - Duration::from_secs(age_s);
        File::options().write(true).open(&path).unwrap().set_modified(then).unwrap();
        path
    }

    #[test]
    fn what_a_client_writes_can_be_read() {
        let job = RunningJob::decode(&record("a.c", "red", 3, 5)).unwrap();
        assert_eq!(job.pid, std::process::id());
        assert_eq!((job.source.as_slice(), job.host.as_slice()), (&b"a.c"[..], &b"red"[..]));
        assert_eq!((job.slot, job.phase), (3, Some(Phase::Compile)));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let good = record("a.c", "red", 0, 5);
        let refused = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = good.clone();
            change(&mut bytes);
            RunningJob::decode(&bytes).unwrap_err()
        };
        assert_eq!(refused(&|bytes| bytes.truncate(100)), RecordError::Short);
        assert_eq!(refused(&|bytes| bytes[0] += 1), RecordError::Size);
        assert_eq!(refused(&|bytes| bytes[WORD] += 1), RecordError::Magic);
        for pid in [0, usize::MAX, 1 << 31] {
            let record = record_of(pid, 5, "a.c", "red", 0);
            assert_eq!(RunningJob::decode(&record), Err(RecordError::Pid), "{pid}");
        }
    }

    #[test]
    fn what_is_no_more_than_a_record_tells_no_more() {
        let mut bytes = record("a.c", "red", 3, 5);
        bytes.extend([b'x'; MORE_LENGTH]);
        assert!(RunningJob::decode(&bytes).unwrap().full_name.is_empty());
        bytes[RECORD_LENGTH..][..MORE_MAGIC.len()].copy_from_slice(&MORE_MAGIC);
        let job = RunningJob::decode(&bytes).unwrap();
        assert_eq!((job.full_name.len(), job.reason.len()), (NAME_LENGTH, REASON_LENGTH));
        bytes.pop();
        assert!(RunningJob::decode(&bytes).unwrap().reason.is_empty());
    }

    #[test]
    fn a_client_of_ours_tells_more() {
        let scratch = Scratch::new("more");
        let state = scratch.state.job_state("dir/a.c");
        let at = At { host: "red", full_name: "red:3632", slot: 1, reason: "native-tuning" };
        state.enter(Phase::Send, &at);
        let running = scratch.state.running().unwrap();
        let job = &running.jobs[0];
        assert_eq!(
            (&job.full_name[..], &job.reason[..]),
            (&b"red:3632"[..], &b"native-tuning"[..])
        );
        assert!(!job.phase_began.is_zero() && job.age().is_some());
    }

    #[test]
    fn a_name_without_its_nul_ends_with_its_field() {
        let mut bytes = record("a.c", "red", 0, 5);
        bytes[3 * WORD..3 * WORD + 2 * NAME_LENGTH].fill(b'x');
        let job = RunningJob::decode(&bytes).unwrap();
        assert_eq!((job.source.len(), job.host.len()), (NAME_LENGTH, NAME_LENGTH));
    }

    #[test]
    fn jobs_come_by_host_and_slot_and_other_files_are_passed_over() {
        let scratch = Scratch::new("running");
        for (name, host, slot) in
            [("1", "red", 1), ("2", "blue", 1), ("3", "red", 0), ("4", "blue", 0)]
        {
            put(&scratch, &format!("binstate_{name}"), &record(name, host, slot, 5), 0);
        }
        put(&scratch, "binstate_done", &record("done", "blue", 0, 7), 0);
        put(&scratch, "binstate_empty", b"", 0);
        put(&scratch, "other", &record("other", "blue", 0, 5), 0);
        let odd = put(&scratch, "binstate_odd", &[1; 400], 0);
        let link = scratch.state.state_file("binstate_link");
        std::os::unix::fs::symlink("binstate_1", link).unwrap();
        let pipe = scratch.state.state_file("binstate_pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        std::fs::create_dir(scratch.state.state_file("binstate_folder")).unwrap();
        let running = scratch.state.running().unwrap();
        let sources: Vec<_> = running.jobs.iter().map(|job| job.source.as_slice()).collect();
        assert_eq!(sources, [b"4", b"2", b"3", b"1"]);
        assert_eq!(running.doubts, [(odd, RecordError::Magic)]);
    }

    #[test]
    fn files_of_the_dead_are_hidden_at_once_and_removed_after_a_minute() {
        let scratch = Scratch::new("stale");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let dead = record_of(child.id() as usize, 5, "a.c", "red", 0);
        let young = put(&scratch, "binstate_1", &dead, 10);
        let old = put(&scratch, "binstate_2", &dead, 100);
        // This process has not been there for a year: its number was another's.
        let reused = put(&scratch, "binstate_3", &record("a.c", "red", 0, 5), 365 * 86_400);
        // A long compile of a process that has been there all the time.
        let pid_1 = record_of(1, 5, "long.c", "red", 0);
        let is_old = process_age(1).unwrap() > Duration::from_secs(120);
        let long = put(&scratch, "binstate_4", &pid_1, if is_old { 90 } else { 0 });
        let running = scratch.state.running().unwrap();
        assert_eq!(running.jobs.len(), 1, "{running:?}");
        assert_eq!(running.jobs[0].source, b"long.c");
        assert!(young.exists() && long.exists());
        assert!(!old.exists() && !reused.exists());
    }
}
