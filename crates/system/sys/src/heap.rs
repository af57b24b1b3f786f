//! The memory that the allocator keeps for later.

/// Has the allocator keep little of what is freed: two arenas for all threads, and large pieces
/// given back at once. A server holds what its worst moment took otherwise. Does nothing where the
/// C library is not GNU's.
pub fn keep_little() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes any numbers; those that it does not know it refuses.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 64 << 10);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 256 << 10);
    }
}

/// Gives back what the allocator holds and nobody uses.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes any number, and locks what it touches.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
