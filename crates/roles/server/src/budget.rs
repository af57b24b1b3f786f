//! Memory for sources on their way, shared by all connections.

use std::sync::atomic::{AtomicU64, Ordering};

/// So many bytes for everybody together.
#[derive(Debug)]
pub(crate) struct Budget {
    n_free: AtomicU64,
}

/// What one connection has taken of it. Given back when dropped.
#[derive(Debug)]
pub(crate) struct Share<'a> {
    budget: &'a Budget,
    n_bytes: u64,
}

impl Budget {
    pub(crate) fn new(n_bytes: u64) -> Budget {
        Budget { n_free: AtomicU64::new(n_bytes) }
    }

    /// A share of nothing yet.
    pub(crate) fn share(&self) -> Share<'_> {
        Share { budget: self, n_bytes: 0 }
    }
}

impl Share<'_> {
    /// Takes `n_bytes` more. False, and nothing taken, when they are not there.
    #[must_use]
    pub(crate) fn grow(&mut self, n_bytes: usize) -> bool {
        let n_bytes = n_bytes as u64;
        let taken = self
            .budget
            .n_free
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n_free| n_free.checked_sub(n_bytes));
        self.n_bytes += if taken.is_ok() { n_bytes } else { 0 };
        taken.is_ok()
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.budget.n_free.fetch_add(self.n_bytes, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_has_the_other_lacks_until_it_is_given_back() {
        let budget = Budget::new(10);
        let (mut first, mut second) = (budget.share(), budget.share());
        assert!(first.grow(6) && first.grow(2));
        assert!(!second.grow(3) && second.grow(2) && !second.grow(1));
        drop(first);
        assert!(second.grow(8) && !second.grow(1));
        drop(second);
        assert!(budget.share().grow(10));
    }
}
