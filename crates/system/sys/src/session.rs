//! The session that this process belongs to.

/// Its number; 0 where the process that leads it is outside of our process namespace, as in a container
/// that was entered from outside. (`rustix` knows no such session.)
#[must_use]
pub fn number() -> i32 {
    // SAFETY: The call touches no memory, and the own process is always there.
    unsafe { libc::getsid(0) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_process_has_a_session() {
        assert!(super::number() >= 0);
    }
}
