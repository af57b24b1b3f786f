//! What one job has done so far, to be written into the ledger at its end.

use std::cell::{Cell, RefCell};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hosts::Host;
use statedir::{AGENT, Attempt, Phase, Place, Record, StateDir, Times};
use wire::Exit;

use crate::cause::Cause;
use crate::slots::source_word;

/// What a job's time goes into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Whatever has no part of its own.
    Rest,
    Waiting,
    Connecting,
    Preprocessing,
    Sending,
    Compiling,
    Receiving,
    Local,
}

const N_PARTS: usize = Part::Local as usize + 1;

impl From<Phase> for Part {
    fn from(phase: Phase) -> Part {
        match phase {
            Phase::Startup => Part::Rest,
            Phase::Blocked => Part::Waiting,
            Phase::Connect => Part::Connecting,
            Phase::Preprocess => Part::Preprocessing,
            Phase::Send => Part::Sending,
            Phase::Compile => Part::Compiling,
            Phase::Receive => Part::Receiving,
        }
    }
}

/// One job's account.
pub(crate) struct Account {
    started: SystemTime,
    started_here: Instant,
    /// The part that is going on, and since when.
    current: Cell<(Part, Instant)>,
    times: Cell<[Duration; N_PARTS]>,
    traffic: Cell<(u64, u64)>,
    source: RefCell<Option<OsString>>,
    cause: Cell<Option<Cause>>,
    place: RefCell<Place>,
    /// The slot of a host that it has now, and when it came there.
    placed: Cell<(Option<u32>, Duration)>,
    attempts: RefCell<Vec<Attempt>>,
}

impl Account {
    /// Opens the account of a job that begins now.
    pub(crate) fn open() -> Account {
        let now = Instant::now();
        Account {
            started: SystemTime::now(),
            started_here: now,
            current: Cell::new((Part::Rest, now)),
            times: Cell::default(),
            traffic: Cell::default(),
            source: RefCell::default(),
            cause: Cell::default(),
            place: RefCell::default(),
            placed: Cell::default(),
            attempts: RefCell::default(),
        }
    }

    /// From now on time goes into `part`. Gives the part that ends.
    pub(crate) fn enter(&self, part: impl Into<Part>) -> Part {
        let now = Instant::now();
        let (ending, since) = self.current.replace((part.into(), now));
        let mut times = self.times.get();
        times[ending as usize] += now.duration_since(since);
        self.times.set(times);
        ending
    }

    /// From now on the job is at this slot of a host, or runs here.
    pub(crate) fn placed_at(&self, slot: Option<u32>) {
        self.placed.set((slot, self.started_here.elapsed()));
    }

    /// The job compiles this source.
    pub(crate) fn name_source(&self, source: &OsStr) {
        self.source.replace(Some(source.to_owned()));
    }

    /// Bytes went to a server and came from it.
    pub(crate) fn add_traffic(&self, n_sent: u64, n_received: u64) {
        let (sent, received) = self.traffic.get();
        self.traffic.set((sent + n_sent, received + n_received));
    }

    /// `host` did not do the job.
    pub(crate) fn add_attempt(&self, host: &Host, cause: Cause) {
        let attempt = Attempt { host: host.to_string(), code: cause.code().to_owned() };
        self.attempts.borrow_mut().push(attempt);
        self.because(cause);
    }

    /// The agent did not do its part.
    pub(crate) fn add_detour(&self, cause: Cause) {
        let (host, code) = (AGENT.to_owned(), cause.code().to_owned());
        self.attempts.borrow_mut().push(Attempt { host, code });
    }

    /// The code of the reason known so far; empty while there is none.
    pub(crate) fn code(&self) -> &'static str {
        self.cause.get().map_or("", Cause::code)
    }

    /// Why the job ends where it does; the last word counts.
    pub(crate) fn because(&self, cause: Cause) {
        self.cause.set(Some(cause));
    }

    /// The compiler of this machine does it.
    pub(crate) fn done_here(&self) {
        self.place.replace(Place::Here);
    }

    /// `host` has done it.
    pub(crate) fn done_by(&self, host: &Host, cause: Cause) {
        self.place.replace(Place::Host(host.to_string()));
        self.because(cause);
    }

    /// Writes the job into the ledger; `words` is its command.
    ///
    /// # Errors
    /// When it cannot be written; the job is none the worse for it.
    pub(crate) fn close(
        &self,
        state: &StateDir,
        words: &[OsString],
        exit: Exit,
    ) -> std::io::Result<()> {
        self.enter(Part::Rest);
        let micros = |time: Duration| Duration::from_micros(time.as_micros() as u64);
        let times = self.times.get().map(micros);
        let times = |part: Part| times[part as usize];
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        let source = self.source.take().or_else(|| source_word(words)).unwrap_or_default();
        let (n_sent, n_received) = self.traffic.get();
        let (slot, placed_after) = self.placed.get();
        let session = sys::session::number();
        state.record(&Record {
            started: micros(started),
            took: micros(self.started_here.elapsed()),
            session: session as u32,
            place: self.place.borrow().clone(),
            code: self.cause.get().map_or("-", Cause::code).to_owned(),
            exit: exit.code(),
            source: base_name(&source),
            compiler: base_name(words.first().unwrap_or(&OsString::new())),
            times: Times {
                waiting: times(Part::Waiting),
                connecting: times(Part::Connecting),
                preprocessing: times(Part::Preprocessing),
                sending: times(Part::Sending),
                compiling: times(Part::Compiling),
                receiving: times(Part::Receiving),
                local: times(Part::Local),
            },
            n_sent,
            n_received,
            attempts: self.attempts.borrow().clone(),
            slot,
            placed_after: micros(placed_after),
        })
    }
}

fn base_name(word: &OsStr) -> Vec<u8> {
    word.as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_into_one_part_at_a_time() {
        let account = Account::open();
        assert_eq!(account.enter(Part::Local), Part::Rest);
        let before = account.current.get().1;
        assert_eq!(account.enter(Phase::Blocked), Part::Local);
        assert_eq!(account.enter(Part::Local), Part::Waiting);
        account.enter(Part::Rest);
        let sum: Duration = account.times.get().iter().sum();
        assert_eq!(sum, account.current.get().1 - account.started_here);
        assert!(account.times.get()[Part::Local as usize] <= account.current.get().1 - before);
    }
}
