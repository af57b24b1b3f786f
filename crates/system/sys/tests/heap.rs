//! What is freed is given back: alone in a process, since it looks at the memory of all of it.

use sys::heap::{give_back, keep_little};

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn what_is_freed_is_given_back() {
    keep_little();
    let before = resident_kib();
    // The last piece would keep those before it.
    let pieces: Vec<Vec<u8>> = (0..4000).map(|_| vec![1; 16 << 10]).collect();
    let last = vec![1; 100];
    assert!(resident_kib() > before + (50 << 10));
    drop(pieces);
    give_back();
    assert!(resident_kib() < before + (10 << 10), "{} KiB, {before}", resident_kib());
    drop(last);
}
