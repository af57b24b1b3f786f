//! In which order hosts are asked.

use crate::HostSpec;

/// The slots to try, as pairs of an index into `hosts` and a slot number: every host's first
/// slot in list order, then every host's second, and so on. So a single job always goes to the
/// first host, and many go to all of them. Hosts that are `,down` are left out.
///
/// Source: distcc(1) 3.4, "the list is prioritized in the order listed".
pub fn slot_order(hosts: &[HostSpec]) -> impl Iterator<Item = (usize, u32)> {
    let n_slots_most = hosts.iter().map(|spec| spec.n_slots).max().unwrap_or(0);
    (0..n_slots_most).flat_map(move |slot| {
        hosts
            .iter()
            .enumerate()
            .filter(move |(_, spec)| !spec.down && slot < spec.n_slots)
            .map(move |(index, _)| (index, slot))
    })
}

/// Shuffles a list by the numbers that `random` gives: `--randomize`.
pub fn shuffle<T>(list: &mut [T], mut random: impl FnMut() -> u64) {
    for length in (2..=list.len()).rev() {
        list.swap(length - 1, (random() % length as u64) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HostList;

    #[test]
    fn every_first_slot_comes_before_any_second() {
        let list = HostList::parse("red/1 green/3 off/9,down blue/2").unwrap();
        let order: Vec<_> = slot_order(&list.hosts).collect();
        assert_eq!(order, [(0, 0), (1, 0), (3, 0), (1, 1), (3, 1), (1, 2)]);
    }

    #[test]
    fn shuffling_keeps_everyone() {
        let mut list = [1, 2, 3, 4, 5];
        let mut number = 7u64;
        shuffle(&mut list, || {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            number >> 33
        });
        assert_ne!(list, [1, 2, 3, 4, 5]);
        list.sort_unstable();
        assert_eq!(list, [1, 2, 3, 4, 5]);
    }
}
