//! The last refusals, each kind of a client's once.

use std::collections::VecDeque;
use std::time::Instant;

use super::clipped;
use crate::refusal::Refusal;

/// So many are remembered: a stranger can push out the others, and nothing more.
const MOST_REFUSALS: usize = 50;

/// A refusal, and how often a client got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// The client's address.
    pub(super) client: String,
    pub(super) reason: String,
    pub(super) hint: String,
    pub(super) count: u64,
    /// The last time.
    pub(super) when: Instant,
}

/// Those of them that are remembered, the newest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusals(pub(super) VecDeque<Refused>);

impl Refusals {
    pub(super) fn note(&mut self, client: &str, refusal: &Refusal, now: Instant) {
        let (client, reason) = (clipped(client), clipped(&refusal.to_string()));
        let same = |old: &Refused| old.client == client && old.reason == reason;
        let count = match self.0.iter().position(same).and_then(|index| self.0.remove(index)) {
            Some(old) => old.count + 1,
            None => 1,
        };
        self.0.truncate(MOST_REFUSALS - 1);
        let hint = clipped(refusal.hint());
        self.0.push_front(Refused { client, reason, hint, count, when: now });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_the_same_is_one_and_a_flood_of_others_is_bounded() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        for _ in 0..1000 {
            refusals.note("10.0.0.1", &Refusal::busy("full"), now);
        }
        assert_eq!((refusals.0.len(), refusals.0[0].count), (1, 1000));
        for number in 0..1000 {
            refusals.note("10.0.0.1", &Refusal::busy(format!("{number}")), now);
        }
        assert_eq!((refusals.0.len(), refusals.0[0].reason.as_str()), (MOST_REFUSALS, "999"));
    }
}
