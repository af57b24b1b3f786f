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

/// Has the allocator ask the kernel for much at a time, and keep it: one arena for all threads, which
/// grows by a megabyte. For a process that stays, takes its time in many small pieces, and has one
/// thread at work as a rule. Does nothing where the C library is not GNU's.
pub fn grow_in_large_steps() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes any numbers; those that it does not know it refuses.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_TOP_PAD, 1 << 20);
        // Each larger piece that is freed would otherwise have the allocator go through all small ones.
        libc::mallopt(libc::M_MXFAST, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 8 << 20);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 20);
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
