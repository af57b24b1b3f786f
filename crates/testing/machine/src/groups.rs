//! A control group for each machine.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use support::wait_until;

/// Makes a group of its own, at the top of the tree of version 2.
pub(crate) fn make() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("/proc is there");
    let mut places = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (place, kind) = (fields.next()?, fields.next()?);
        (kind == "cgroup2").then_some(place)
    });
    let tree = places.next().expect("this machine has control groups of version 2");
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let group = Path::new(tree).join(format!("distcc-rs-{}-{number}", std::process::id()));
    std::fs::create_dir(&group).unwrap_or_else(|error| panic!("{}: {error}", group.display()));
    group
}

/// Removes a group with those in it, once their processes are gone.
pub(crate) fn remove(group: &Path) {
    wait_until("the control groups are gone", || {
        remove_tree(group);
        !group.exists()
    });
}

fn remove_tree(group: &Path) {
    for entry in std::fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    let _ = std::fs::remove_dir(group);
}
