//! Processes whose parents are gone, and which became ours because we are a subreaper.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

/// How long to go on ending processes that keep starting new ones.
const PATIENCE: Duration = Duration::from_secs(2);

/// Ends all children of this process but `spared`, and those that become its children by that,
/// until none is left. True when that succeeded.
#[must_use]
pub fn end_orphans(spared: Option<Pid>) -> bool {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let orphans: Vec<Pid> =
            children().into_iter().filter(|child| Some(*child) != spared).collect();
        if orphans.is_empty() {
            return true;
        }
        for orphan in orphans {
            let _ = kill_process(orphan, Signal::KILL);
            let _ = waitpid(Some(orphan), WaitOptions::empty());
        }
        if Instant::now() > deadline {
            return false;
        }
    }
}

/// The children of this process, those of all its threads.
fn children() -> Vec<Pid> {
    let own = std::process::id();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The name in the second field may contain anything, `)` included.
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1));
        if parent.and_then(|parent| parent.parse().ok()) == Some(own) {
            found.extend(Pid::from_raw(pid));
        }
    }
    found
}
