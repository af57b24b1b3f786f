//! What a client is doing, for monitors: `state/binstate_PID`.
//!
//! The record is 3.4's. Behind it, where 3.4's monitors do not look, ours tells more: see [`At`].

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use sys::tidy_on_signal::{Registered, register};

use crate::StateDir;

/// What a job is doing. The numbers are those of distcc 3.4's monitors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading its command.
    Startup = 0,
    /// Waiting for a slot.
    Blocked = 1,
    /// Waiting for a connection.
    Connect = 2,
    /// Preprocessing.
    Preprocess = 3,
    /// Sending.
    Send = 4,
    /// Being compiled.
    Compile = 5,
    /// Receiving the object.
    Receive = 6,
}

/// Bytes of a name in the record, its terminating NUL included.
pub(crate) const NAME_LENGTH: usize = 128;

/// `"DIH\0"` read as a number.
pub(crate) const MAGIC: u32 = 0x4449_4800;

/// Bytes of the record: three `unsigned long`s, two names, two `int`s, and a pointer.
pub(crate) const RECORD_LENGTH: usize = 4 * size_of::<usize>() + 2 * NAME_LENGTH + 8;

/// The first bytes of what comes behind the record.
pub(crate) const MORE_MAGIC: [u8; 8] = *b"distcc+1";

/// Bytes of a reason code there, its terminating NUL included.
pub(crate) const REASON_LENGTH: usize = 48;

/// Bytes of what comes behind the record: its magic, the host's full name, a reason.
pub(crate) const MORE_LENGTH: usize = MORE_MAGIC.len() + NAME_LENGTH + REASON_LENGTH;

/// Where a job is.
#[derive(Clone, Copy, Debug, Default)]
pub struct At<'a> {
    /// The host's name as 3.4's monitors show it, without a port; empty while there is none.
    pub host: &'a str,
    /// The host's name as the host list and the ledger have it.
    pub full_name: &'a str,
    /// The slot of that host.
    pub slot: u32,
    /// The reason code for which it is there, where there is one.
    pub reason: &'a str,
}

/// The file in which a job tells its phase, removed when this is dropped or a signal ends the
/// process. A job that cannot write it runs on without.
#[derive(Debug)]
pub struct JobState {
    file: Option<File>,
    path: PathBuf,
    _on_signal: Option<Registered>,
    source: String,
}

impl StateDir {
    /// The state of this process's one job, about the file `source`.
    #[must_use]
    pub fn job_state(&self, source: &str) -> JobState {
        let path = self.state_file(&format!("binstate_{}", std::process::id()));
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path).ok();
        let on_signal = file.is_some().then(|| register(&path)).flatten();
        let base_name = source.rsplit('/').next().unwrap_or_default().to_owned();
        JobState { file, path, _on_signal: on_signal, source: base_name }
    }
}

impl JobState {
    /// Tells what the job does now, and where.
    pub fn enter(&self, phase: Phase, at: &At<'_>) {
        if let Some(file) = &self.file {
            let _ = file.write_all_at(&record(phase, &self.source, at), 0);
        }
    }
}

impl Drop for JobState {
    fn drop(&mut self) {
        if self.file.is_some() {
            let _ = rustix::fs::unlink(&self.path);
        }
    }
}

/// The record of this process's job.
fn record(phase: Phase, source: &str, at: &At<'_>) -> Vec<u8> {
    let pid = std::process::id() as usize;
    let mut bytes = record_of(pid, phase as u32, source, at.host, at.slot);
    bytes.extend_from_slice(&MORE_MAGIC);
    add_name(&mut bytes, at.full_name, NAME_LENGTH);
    add_name(&mut bytes, at.reason, REASON_LENGTH);
    bytes
}

/// Adds a name in a field of its length, with a NUL at least.
fn add_name(bytes: &mut Vec<u8>, name: &str, length: usize) {
    let name = &name.as_bytes()[..name.len().min(length - 1)];
    bytes.extend_from_slice(name);
    bytes.resize(bytes.len() + length - name.len(), 0);
}

/// The record as the C compiler of this machine lays it out: the record's size, magic and pid as
/// `unsigned long`s, two names, slot and phase as `int`s, and a pointer nobody reads.
pub(crate) fn record_of(pid: usize, phase: u32, source: &str, host: &str, slot: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(RECORD_LENGTH + MORE_LENGTH);
    for number in [RECORD_LENGTH, MAGIC as usize, pid] {
        bytes.extend(number.to_ne_bytes());
    }
    for name in [source, host] {
        add_name(&mut bytes, name, NAME_LENGTH);
    }
    bytes.extend(slot.to_ne_bytes());
    bytes.extend(phase.to_ne_bytes());
    bytes.extend(0_usize.to_ne_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::tests::Scratch;

    #[test]
    #[cfg(all(target_pointer_width = "64", target_endian = "little"))]
    fn the_record_is_laid_out_as_debians_distcc_writes_it() {
        let at = At { host: "127.0.0.1", slot: 2, ..At::default() };
        let record = record(Phase::Compile, "a.c", &at);
        assert_eq!(RECORD_LENGTH, 296);
        assert_eq!(record[..16], *b"\x28\x01\0\0\0\0\0\0\0HID\0\0\0\0");
        assert_eq!(record[16..24], u64::from(std::process::id()).to_le_bytes());
        assert_eq!(record[24..28], *b"a.c\0");
        assert_eq!(record[152..162], *b"127.0.0.1\0");
        assert_eq!(record[280..296], *b"\x02\0\0\0\x05\0\0\0\0\0\0\0\0\0\0\0");
    }

    #[test]
    fn long_names_are_cut_and_keep_their_nul() {
        let long = "x".repeat(500);
        let at = At { host: &long, full_name: &long, slot: 0, reason: &long };
        let record = record(Phase::Send, &long, &at);
        assert_eq!(record.len(), 4 * size_of::<usize>() + 264 + MORE_LENGTH);
        assert_eq!(record.last(), Some(&0));
        assert_eq!(record[3 * size_of::<usize>() + 127], 0);
    }

    #[test]
    fn the_file_goes_with_the_job() {
        let scratch = Scratch::new("state");
        let state = scratch.state.job_state("dir/a.c");
        let at = At { host: "red", full_name: "red:3632", ..At::default() };
        state.enter(Phase::Blocked, &at);
        let path = state.path.clone();
        assert_eq!(std::fs::read(&path).unwrap(), record(Phase::Blocked, "a.c", &at));
        drop(state);
        assert!(!path.exists());
    }
}
