//! Waiting for the right to run something somewhere.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use hosts::{Host, HostList, HostSpec, slot_order};
use statedir::{SlotLock, SlotName};

use crate::account::Part;
use crate::{Context, host_list};

/// The first pause between two looks for a free slot; it doubles up to [`LONGEST_PAUSE`] or the
/// user's own, whichever is shorter.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// A job that has waited so long runs without a slot: locks can hang on a broken file system, and
/// a slow build is better than one that stands still.
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 60);

/// Where a job got a slot.
pub(crate) struct Place {
    /// The host's place in the list.
    pub(crate) index: usize,
    /// Its slot's number.
    pub(crate) slot: u32,
    /// `None` where slots cannot be locked.
    pub(crate) lock: Option<SlotLock>,
}

/// The pauses of one wait.
pub(crate) struct Pauses {
    next: Duration,
    longest: Duration,
    until: Instant,
}

impl Pauses {
    pub(crate) fn new(context: &Context) -> Pauses {
        let longest = context.settings.pause.min(LONGEST_PAUSE).max(Duration::from_millis(1));
        Pauses { next: FIRST_PAUSE.min(longest), longest, until: Instant::now() + LONGEST_WAIT }
    }

    /// How long to pause now; `None` when it has been enough.
    pub(crate) fn next(&mut self) -> Option<Duration> {
        if Instant::now() >= self.until {
            return None;
        }
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        Some(pause)
    }
}

/// Takes the first free slot in the order of the list, without waiting. `usable` says which hosts
/// may be asked.
pub(crate) fn try_any(context: &Context, hosts: &[HostSpec], usable: &[bool]) -> Option<Place> {
    for (index, slot) in slot_order(hosts).filter(|(index, _)| usable[*index]) {
        let Some(state) = &context.state else {
            return Some(Place { index, slot, lock: None });
        };
        match state.try_slot(SlotName { host: &hosts[index].host, slot }) {
            Ok(None) => {}
            Ok(lock) => return Some(Place { index, slot, lock }),
            Err(error) => {
                context.log.warning(
                    &format!("could not lock a slot of {}: {error}; going on without", {
                        &hosts[index].host
                    }),
                    "set DISTCC_DIR to a folder on a file system with locks",
                );
                return Some(Place { index, slot, lock: None });
            }
        }
    }
    None
}

/// Takes one of the first `n_slots` slots of this machine, without waiting.
pub(crate) fn try_local(context: &Context, n_slots: u32) -> Option<Place> {
    let here = HostSpec { host: Host::Local, n_slots, compresses: false, pump: false, down: false };
    try_any(context, &[here], &[true])
}

/// Waits for one of the first `n_slots` slots of this machine. `None`: go on without.
pub(crate) fn wait_local(context: &Context, n_slots: u32) -> Option<SlotLock> {
    let mut pauses = Pauses::new(context);
    let before = context.account.enter(Part::Waiting);
    let lock = loop {
        if let Some(place) = try_local(context, n_slots) {
            break place.lock;
        }
        match pauses.next() {
            Some(pause) => std::thread::sleep(pause),
            None => break None,
        }
    };
    context.account.enter(before);
    lock
}

/// How many jobs that stay may run here at once. A list that cannot be read is complained of where
/// it matters, not here.
pub(crate) fn n_local_slots(context: &Context) -> u32 {
    let list = host_list::read(&context.settings).map(|found| found.list);
    let list = list.unwrap_or_else(|_| HostList::parse("").expect("an empty list is a list"));
    list.n_local_slots
}

/// What to show monitors as the file of a command that was not understood: its last word that is
/// no option.
pub(crate) fn source_for_monitors(words: &[OsString]) -> String {
    source_word(words).map(|word| word.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The word that is shown as a command's source: the one with a source's name, or the last that is
/// no option.
pub(crate) fn source_word(words: &[OsString]) -> Option<&OsString> {
    words.iter().skip(1).rfind(|word| !word.as_bytes().starts_with(b"-"))
}
