//! Whether there is memory for one more compiler.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::event::{EventfdFlags, eventfd};

use crate::bounds::{SEEN_FOR, YOUNG, YOUNG_PER_JOB_MEMORY};

/// Where control groups of version 2 are.
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

/// How many compilers are looked at for what they are about to take.
const MOST_YOUNG: usize = 1000;

/// Lets compilers start while there is memory for them, one at least.
#[derive(Debug)]
pub(crate) struct Memory {
    bytes_per_job: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    n_running: usize,
    /// When those started that are still about to take their memory.
    young: VecDeque<Instant>,
    seen: Option<Seen>,
    /// Those who wait, in their order: for each what becomes readable when it is worth asking again.
    waiting: VecDeque<Arc<OwnedFd>>,
}

/// How much memory was free at some time. Finding out takes longer than starting a small compiler.
#[derive(Clone, Copy, Debug)]
struct Seen {
    at: Instant,
    free: Option<u64>,
}

impl State {
    /// Tells the first of those who wait.
    fn call(&self) {
        if let Some(first) = self.waiting.front() {
            let _ = rustix::io::write(&**first, &1_u64.to_ne_bytes());
        }
    }
}

/// The right to take a compiler's memory, until dropped.
#[derive(Debug)]
pub(crate) struct Admitted<'a> {
    memory: &'a Memory,
}

/// A place among those who wait. Dropping it leaves.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    memory: &'a Memory,
    bell: Arc<OwnedFd>,
}

impl Memory {
    pub(crate) fn new(bytes_per_job: u64) -> Memory {
        Memory { bytes_per_job, state: Mutex::default() }
    }

    /// The right at once, if nobody waits and there is memory, or nobody runs. `free` says how much
    /// memory there is.
    pub(crate) fn ask(
        &self,
        now: Instant,
        free: impl FnOnce() -> Option<u64>,
    ) -> Option<Admitted<'_>> {
        let mut state = self.lock();
        (state.waiting.is_empty() && self.may_start(&mut state, now, free))
            .then(|| Admitted { memory: self })
    }

    /// Takes a place at the end of those who wait.
    ///
    /// # Errors
    /// When the system has no descriptor for waiting.
    pub(crate) fn queue(&self) -> io::Result<Waiting<'_>> {
        let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        self.lock().waiting.push_back(Arc::clone(&bell));
        Ok(Waiting { memory: self, bell })
    }

    /// Whether one more may start now; it is counted then.
    fn may_start(
        &self,
        state: &mut State,
        now: Instant,
        free: impl FnOnce() -> Option<u64>,
    ) -> bool {
        while state.young.front().is_some_and(|start| now.saturating_duration_since(*start) > YOUNG)
        {
            state.young.pop_front();
        }
        let n_young = state.young.len().min(state.n_running) as u64;
        let of_young = self.bytes_per_job / YOUNG_PER_JOB_MEMORY * n_young;
        let needed = self.bytes_per_job.saturating_add(of_young);
        if state.n_running > 0 {
            let seen = state.seen.filter(|seen| now.saturating_duration_since(seen.at) < SEEN_FOR);
            let seen = seen.unwrap_or_else(|| Seen { at: now, free: free() });
            state.seen = Some(seen);
            // What cannot be found out stops nobody.
            if seen.free.is_some_and(|free| free < needed) {
                return false;
            }
        }
        state.n_running += 1;
        // More of them say no more.
        if state.young.len() < MOST_YOUNG {
            state.young.push_back(now);
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole at every point where a thread could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Waiting<'a> {
    /// What becomes readable when it is worth asking again.
    pub(crate) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// As [`Memory::ask`], if it is our turn.
    pub(crate) fn ask(
        self,
        now: Instant,
        free: impl FnOnce() -> Option<u64>,
    ) -> Result<Admitted<'a>, Waiting<'a>> {
        let memory = self.memory;
        let mut state = memory.lock();
        let is_first = state.waiting.front().is_some_and(|first| Arc::ptr_eq(first, &self.bell));
        let _ = rustix::io::read(&*self.bell, &mut [0; 8]);
        if !is_first || !memory.may_start(&mut state, now, free) {
            drop(state);
            return Err(self);
        }
        drop(state);
        Ok(Admitted { memory })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.memory.lock();
        state.waiting.retain(|bell| !Arc::ptr_eq(bell, &self.bell));
        state.call();
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        let mut state = self.memory.lock();
        state.n_running -= 1;
        state.call();
    }
}

/// How much memory can be taken: of the machine, and of the control groups that we are in.
pub(crate) fn free_bytes() -> Option<u64> {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let machine = read(Path::new("/proc/meminfo")).and_then(|text| available(&text));
    let groups = read(Path::new("/proc/self/cgroup"));
    let groups = groups.map(|text| groups_above(&text)).unwrap_or_default();
    let of_groups = groups.iter().filter_map(|folder| {
        let most = read(&folder.join("memory.max"))?.trim().parse().ok()?;
        let current = read(&folder.join("memory.current"))?.trim().parse().ok()?;
        let cache = read(&folder.join("memory.stat")).and_then(|text| inactive_file(&text));
        Some(left_in_group(most, current, cache.unwrap_or_default()))
    });
    of_groups.chain(machine).min()
}

/// How much memory the machine has, for sizes that depend on it.
pub(crate) fn machine_bytes() -> u64 {
    let found = rustix::system::sysinfo();
    (found.totalram as u64).saturating_mul(u64::from(found.mem_unit))
}

/// `MemAvailable` of `/proc/meminfo`, in bytes.
fn available(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// What is left of a group's limit: what it holds of files can be given back.
fn left_in_group(most: u64, current: u64, cache: u64) -> u64 {
    most.saturating_sub(current.saturating_sub(cache))
}

/// `inactive_file` of `memory.stat`.
fn inactive_file(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("inactive_file "))?.trim().parse().ok()
}

/// The folders of our group and those above it, from `/proc/self/cgroup`.
fn groups_above(text: &str) -> Vec<PathBuf> {
    let Some(path) = text.lines().find_map(|line| line.strip_prefix("0::/")) else {
        return Vec::new();
    };
    let own = Path::new(CONTROL_GROUPS).join(path);
    own.ancestors()
        .take_while(|folder| folder.starts_with(CONTROL_GROUPS))
        .map(Into::into)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn one_always_runs_and_others_wait_in_order_for_memory() {
        let memory = Memory::new(100);
        let now = Instant::now();
        let look_again = |n: u32| now + SEEN_FOR * n;
        let first = memory.ask(now, || Some(0)).unwrap();
        assert!(memory.ask(look_again(1), || Some(50)).is_none());
        let (second, third) = (memory.queue().unwrap(), memory.queue().unwrap());
        assert!(memory.ask(look_again(2), || Some(1000)).is_none(), "others wait");
        let second = second.ask(look_again(2), || Some(50)).unwrap_err();
        // It is not its turn, however much there is.
        let third = third.ask(now, || Some(1000)).unwrap_err();
        // The first has not taken its memory yet.
        let second = second.ask(look_again(3), || Some(120)).unwrap_err();
        // What was seen a moment ago holds.
        let second = second.ask(look_again(3), || Some(1000)).unwrap_err();
        let later = now + YOUNG + Duration::from_secs(1);
        let second = second.ask(later, || Some(120)).unwrap();
        drop((first, second));
        assert!(third.ask(later, || Some(0)).is_ok());
    }

    #[test]
    fn who_leaves_holds_nobody_up() {
        let memory = Memory::new(100);
        let now = Instant::now();
        let first = memory.ask(now, || None).unwrap();
        let (leaver, last) = (memory.queue().unwrap(), memory.queue().unwrap());
        let is_called = |waiting: &Waiting<'_>| {
            let mut ends = [rustix::event::PollFd::from_borrowed_fd(
                waiting.bell(),
                rustix::event::PollFlags::IN,
            )];
            transport::wait(&mut ends, Duration::ZERO).is_ok()
        };
        assert!(!is_called(&last));
        drop(leaver);
        assert!(is_called(&last));
        let last = last.ask(now, || Some(0)).unwrap_err();
        assert!(!is_called(&last));
        drop(first);
        assert!(is_called(&last));
        assert!(last.ask(now, || Some(1000)).is_ok());
        assert!(memory.lock().waiting.is_empty());
    }

    #[test]
    fn what_cannot_be_found_out_stops_nobody() {
        let memory = Memory::new(100);
        let _first = memory.ask(Instant::now(), || None).unwrap();
        assert!(memory.ask(Instant::now(), || None).is_some());
    }

    #[test]
    fn the_system_says_how_much_there_is() {
        assert_eq!(available("MemTotal: 9 kB\nMemAvailable:    2048 kB\n"), Some(2 << 20));
        assert_eq!(available("MemTotal: 9 kB\n"), None);
        assert_eq!(available("MemAvailable: much\n"), None);
        assert_eq!(inactive_file("anon 7\ninactive_file 42\n"), Some(42));
        assert_eq!(left_in_group(100, 90, 30), 40);
        assert_eq!(left_in_group(100, 200, 0), 0);
        assert!(free_bytes().is_some_and(|free| free > 0));
    }

    #[test]
    fn a_group_is_limited_by_those_above_it() {
        let folders = groups_above("1:x:/old\n0::/a/b\n");
        let expected = ["/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup"];
        assert_eq!(folders, expected.map(PathBuf::from));
        assert_eq!(groups_above("0::/\n"), [PathBuf::from("/sys/fs/cgroup/")]);
        assert!(groups_above("1:x:/old\n").is_empty());
    }
}
