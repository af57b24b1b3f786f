//! Waiting for the right to run something somewhere.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use hosts::{DEFAULT_LOCAL_SLOTS, Host, HostSpec, slot_order};
use statedir::{SlotLock, SlotName, try_slot_by_name};

use crate::account::Part;
use crate::{Context, host_list, memory};

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
        let name = SlotName { host: &hosts[index].host, slot };
        let taken = match &context.state {
            None => try_slot_by_name(name),
            Some(state) => state.try_slot(name).or_else(|error| {
                let text = format!(
                    "could not lock a slot of {}: {error}; taking it by name instead",
                    name.host
                );
                let hint = "set DISTCC_DIR to a folder on a file system with locks";
                context.warn_once("locks", &text, hint);
                try_slot_by_name(name)
            }),
        };
        match taken {
            Ok(None) => {}
            Ok(lock) => return Some(Place { index, slot, lock }),
            // A slot that nobody can take is no reason to stand still.
            Err(_) => return Some(Place { index, slot, lock: None }),
        }
    }
    None
}

/// Takes one of the first `n_slots` slots of this machine, without waiting.
pub(crate) fn try_local(context: &Context, n_slots: u32) -> Option<Place> {
    let here = HostSpec {
        host: Host::Local,
        n_slots,
        compresses: false,
        pump: false,
        plain: false,
        down: false,
    };
    try_any(context, &[here], &[true])
}

/// Waits for one of the first `n_slots` slots of this machine. `None`: go on without.
pub(crate) fn wait_local(context: &Context, n_slots: u32) -> Option<SlotLock> {
    wait(context, || try_local(context, n_slots))
}

/// Waits for the right to run a compiler here; `n_given` is what `--localslots` says. `None`: go on
/// without.
pub(crate) fn wait_here(context: &Context, n_given: Option<u32>) -> Option<SlotLock> {
    wait(context, || try_here(context, n_given))
}

/// Takes a slot for a compiler here, without waiting. Unless the user gave a number, there are no
/// more slots than the memory that is free now takes compilers; but one can always run.
fn try_here(context: &Context, n_given: Option<u32>) -> Option<Place> {
    if let Some(n_slots) = n_given {
        return try_local(context, n_slots);
    }
    try_local(context, 1).or_else(|| {
        let n_slots = DEFAULT_LOCAL_SLOTS.min(memory::n_jobs(&context.settings.meminfo));
        try_local(context, n_slots)
    })
}

fn wait(context: &Context, mut take: impl FnMut() -> Option<Place>) -> Option<SlotLock> {
    let mut pauses = Pauses::new(context);
    let before = context.account.enter(Part::Waiting);
    let lock = loop {
        if let Some(place) = take() {
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

/// What the host list says of how many compilers run here at once. A list that cannot be read is
/// complained of where it matters, not here.
pub(crate) fn n_given(context: &Context) -> Option<u32> {
    host_list::read(&context.settings).ok()?.list.n_local_slots
}

/// What to show monitors as the file of a command that stays.
pub(crate) fn source_for_monitors(words: &[OsString]) -> String {
    source_word(words).map(|word| word.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The word that is shown as a command's source: its last one that is a file to read.
pub(crate) fn source_word(words: &[OsString]) -> Option<OsString> {
    let mut explained = compiler_args::explain(words);
    let last = explained.iter().rposition(|part| part.role == compiler_args::Role::Operand)?;
    explained.swap_remove(last).words.pop()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;
    use crate::log::Log;

    /// A context whose machine has so many kilobytes free.
    fn context(folder: &std::path::Path, n_kilobytes: u64) -> Context {
        let mut settings = Settings::read(|_| None, false);
        settings.state_dir = Some(folder.as_os_str().to_owned());
        settings.meminfo = folder.join("meminfo");
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(&settings.meminfo, format!("MemAvailable: {n_kilobytes} kB\n")).unwrap();
        let log = Log::new(&settings);
        Context::open(settings, log)
    }

    #[track_caller]
    fn check(n_megabytes: u64, n_given: Option<u32>, n_expected: usize) {
        let name = format!("distcc-rs-here-{}-{n_megabytes}-{n_given:?}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let context = context(&folder, n_megabytes << 10);
        let places: Vec<Place> = std::iter::from_fn(|| try_here(&context, n_given)).collect();
        assert_eq!(places.len(), n_expected);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn no_more_compilers_run_here_than_memory_takes() {
        check(64_000, None, 4);
        check(1600, None, 3);
        check(600, None, 1);
        check(0, None, 1);
    }

    #[test]
    fn a_number_that_the_user_gave_is_taken_at_its_word() {
        check(600, Some(7), 7);
        check(64_000, Some(2), 2);
    }

    #[test]
    fn the_source_of_a_command_is_a_file_it_reads() {
        let source = |text: &str| {
            let words: Vec<OsString> = text.split(' ').map(OsString::from).collect();
            source_word(&words).unwrap_or_default()
        };
        assert_eq!(source("gcc -march=native -c a.c -o a.o -I inc"), "a.c");
        assert_eq!(source("gcc a.o b.o -o program"), "b.o");
        assert_eq!(source("gcc --version"), "");
    }
}
