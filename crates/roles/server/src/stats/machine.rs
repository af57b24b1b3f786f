//! How the machine is: load, processes, disk.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// So far apart two looks at the disks have to be at least. Source: distcc 3.4, observed.
const DISK_PERIOD: Duration = Duration::from_secs(50);

/// A look at all processes costs something, and anybody may ask for the page: one a second.
const MACHINE_PERIOD: Duration = Duration::from_secs(1);

/// Names of programs that compile: the biggest process is looked for among the others.
const COMPILERS: [&str; 12] = [
    "cc1",
    "cc1plus",
    "cc1obj",
    "cc1objplus",
    "lto1",
    "cc",
    "c++",
    "gcc",
    "g++",
    "clang",
    "clang++",
    "as",
];

/// How the machine was at the last look.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Machine {
    /// Processes that run or could run.
    pub(super) n_runnable: u64,
    /// The load averages of 1, 5 and 15 minutes.
    pub(super) load: [f64; 3],
    /// Processes that wait for a disk (state D).
    pub(super) n_waiting_for_disk: u64,
    /// The biggest process that is no compiler: kB in memory, and its name.
    pub(super) biggest: (u64, String),
    /// Sectors a second that the disks read and write; `None` until there were two looks.
    pub(super) io_rate: Option<u64>,
    /// Free for the server's temporary files.
    pub(super) free_megabytes: u64,
}

/// Looks at the machine, not too often.
#[derive(Debug)]
pub(super) struct Observer {
    temporary: PathBuf,
    last: Option<(Instant, Machine)>,
    last_sectors: Option<(Instant, u64)>,
    io_rate: Option<u64>,
}

impl Observer {
    /// An observer of the machine on whose disk `temporary` is.
    pub(super) fn new(temporary: &Path) -> Observer {
        let temporary = temporary.to_owned();
        Observer { temporary, last: None, last_sectors: None, io_rate: None }
    }

    /// Looks at the disks if it is time to; to be called now and then.
    pub(super) fn watch_disks(&mut self, now: Instant) {
        let waited = self.last_sectors.map(|(then, _)| now.saturating_duration_since(then));
        if waited.is_some_and(|waited| waited < DISK_PERIOD) {
            return;
        }
        let table = std::fs::read_to_string("/proc/diskstats").unwrap_or_default();
        let n_sectors = sectors(&table);
        if let (Some(waited), Some((_, before))) = (waited, self.last_sectors) {
            self.io_rate = Some(n_sectors.saturating_sub(before) / waited.as_secs().max(1));
        }
        self.last_sectors = Some((now, n_sectors));
    }

    /// How the machine is, at most a second ago.
    pub(super) fn look(&mut self, now: Instant) -> Machine {
        self.watch_disks(now);
        if let Some((then, machine)) = &self.last
            && now.saturating_duration_since(*then) < MACHINE_PERIOD
        {
            return machine.clone();
        }
        let mut machine = Machine { io_rate: self.io_rate, ..Machine::default() };
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        (machine.load, machine.n_runnable) = loads(&load).unwrap_or_default();
        note_processes(&mut machine);
        machine.free_megabytes = free_megabytes(&self.temporary);
        self.last = Some((now, machine.clone()));
        machine
    }
}

fn note_processes(machine: &mut Machine) {
    let page_kilobytes = rustix::param::page_size() as u64 / 1024;
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        if !entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        // A process may be gone by now.
        let stat = std::fs::read(entry.path().join("stat")).unwrap_or_default();
        let stat = String::from_utf8_lossy(&stat);
        let Some(process) = process(&stat) else { continue };
        machine.n_waiting_for_disk += u64::from(process.state == "D");
        let kilobytes = process.n_pages * page_kilobytes;
        if kilobytes > machine.biggest.0 && !is_compiler(process.name) {
            machine.biggest = (kilobytes, process.name.to_owned());
        }
    }
}

/// One line of `/proc/PID/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Process<'a> {
    name: &'a str,
    state: &'a str,
    n_pages: u64,
}

/// Reads a `/proc/PID/stat`. Its name, in parentheses, may contain anything. Source: proc(5).
fn process(stat: &str) -> Option<Process<'_>> {
    let (head, rest) = stat.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    // The state is the third field, the pages in memory the 24th.
    let n_pages = fields.nth(20)?.parse().unwrap_or(0);
    Some(Process { name, state, n_pages })
}

fn is_compiler(name: &str) -> bool {
    let bare = name.rsplit('-').find(|part| !part.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
    COMPILERS.contains(&bare.unwrap_or(name))
}

/// Reads `/proc/loadavg`: the three averages, and how many can run.
fn loads(text: &str) -> Option<([f64; 3], u64)> {
    let mut fields = text.split_ascii_whitespace();
    let mut load = [0.0; 3];
    for average in &mut load {
        *average = fields.next()?.parse().ok()?;
    }
    let (n_runnable, _) = fields.next()?.split_once('/')?;
    Some((load, n_runnable.parse().ok()?))
}

/// Adds up the sectors that whole disks have read and written, from `/proc/diskstats`. Partitions
/// are parts of their disks, and loops of files: neither counts again.
fn sectors(table: &str) -> u64 {
    let mut disks: Vec<&str> = Vec::new();
    let mut n_sectors = 0_u64;
    for line in table.lines() {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, _, name, _, _, read, _, _, _, written, ..] = fields[..] else { continue };
        let is_part = disks.iter().any(|disk| name.starts_with(disk));
        if is_part || ["loop", "ram", "dm-", "md", "zram"].iter().any(|kind| name.starts_with(kind))
        {
            continue;
        }
        disks.push(name);
        let number = |text: &str| text.parse().unwrap_or(0_u64);
        n_sectors = n_sectors.saturating_add(number(read)).saturating_add(number(written));
    }
    n_sectors
}

fn free_megabytes(folder: &Path) -> u64 {
    rustix::fs::statvfs(folder).map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize) >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_process_may_be_called_anything() {
        let stat = "7 (a) D (b) R 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 9 1000000 321 4";
        let expected = Process { name: "a) D (b", state: "R", n_pages: 321 };
        assert_eq!(process(stat), Some(expected));
        let own = std::fs::read_to_string("/proc/self/stat").unwrap();
        let own = process(&own).unwrap();
        assert!(own.n_pages > 100, "{own:?}");
    }

    #[test]
    fn compilers_are_known_by_their_names() {
        for name in ["cc1plus", "gcc", "x86_64-linux-gnu-gcc", "gcc-12", "clang-14", "as"] {
            assert!(is_compiler(name), "{name}");
        }
        for name in ["distccd", "bash", "rustc", "12", "gas", ""] {
            assert!(!is_compiler(name), "{name}");
        }
    }

    #[test]
    fn loads_are_read_as_the_kernel_writes_them() {
        assert_eq!(loads("0.50 1.25 2.00 3/456 789\n"), Some(([0.5, 1.25, 2.0], 3)));
        assert_eq!(loads(""), None);
    }

    #[test]
    fn a_sector_is_counted_once() {
        let table = "254 0 vda 10 0 100 0 10 0 1000 0 0 0 0\n\
                     254 1 vda1 9 0 90 0 9 0 900 0 0 0 0\n\
                     7 0 loop0 9 0 90 0 9 0 900 0 0 0 0\n\
                     259 0 nvme0n1 1 0 7 0 1 0 5 0 0 0 0\n\
                     nonsense\n";
        assert_eq!(sectors(table), 1112);
    }

    #[test]
    fn the_disks_rate_takes_two_looks_that_are_far_apart() {
        let mut observer = Observer::new(Path::new("/tmp"));
        let now = Instant::now();
        assert_eq!(observer.look(now).io_rate, None);
        assert_eq!(observer.look(now + Duration::from_secs(49)).io_rate, None);
        let machine = observer.look(now + Duration::from_secs(50));
        assert!(machine.io_rate.is_some() && machine.free_megabytes > 0, "{machine:?}");
        assert!(machine.biggest.0 > 0 && !machine.biggest.1.is_empty(), "{machine:?}");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[0-9a-z()/ .\n-]{0,80}") {
            let _ = (process(&text), loads(&text), sectors(&text), is_compiler(&text));
        }
    }
}
