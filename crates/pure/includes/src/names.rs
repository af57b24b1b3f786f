//! Names as numbers.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// A map for keys that nobody hostile chooses: they are names in the user's own files.
pub(crate) type QuickMap<K, V> = HashMap<K, V, BuildHasherDefault<QuickHasher>>;

/// Multiplies and turns, eight bytes at a time.
#[derive(Default)]
pub(crate) struct QuickHasher(u64);

impl QuickHasher {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for QuickHasher {
    fn finish(&self) -> u64 {
        // The upper bits are the good ones, and tables use both ends.
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.mix(u64::from_le_bytes(last));
        }
    }

    fn write_u8(&mut self, n: u8) {
        self.mix(n.into());
    }

    fn write_u32(&mut self, n: u32) {
        self.mix(n.into());
    }

    fn write_u64(&mut self, n: u64) {
        self.mix(n);
    }

    fn write_usize(&mut self, n: usize) {
        self.mix(n as u64);
    }
}

/// Gives each name a number, counted from 0.
#[derive(Default)]
pub(crate) struct Names {
    numbers: QuickMap<Arc<[u8]>, u32>,
    names: Vec<Arc<[u8]>>,
}

impl Names {
    /// The number of `name`, a new one if it has none.
    pub(crate) fn number(&mut self, name: &[u8]) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).expect("memory ends before");
        let name: Arc<[u8]> = name.into();
        self.names.push(name.clone());
        self.numbers.insert(name, number);
        number
    }

    /// The number of `name`, if it has one.
    pub(crate) fn known(&self, name: &[u8]) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// The name that has a number.
    pub(crate) fn name(&self, number: u32) -> &Arc<[u8]> {
        &self.names[number as usize]
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }
}

/// A set of numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct NumberSet(Vec<u64>);

impl NumberSet {
    /// Whether a number is in it.
    pub(crate) fn has(&self, number: u32) -> bool {
        let word = self.0.get(number as usize / 64).copied().unwrap_or(0);
        word >> (number % 64) & 1 == 1
    }

    /// Adds a number. True if it is new.
    pub(crate) fn add(&mut self, number: u32) -> bool {
        let index = number as usize / 64;
        if index >= self.0.len() {
            self.0.resize(index + 1, 0);
        }
        let bit = 1 << (number % 64);
        let is_new = self.0[index] & bit == 0;
        self.0[index] |= bit;
        is_new
    }

    /// Takes a number out.
    pub(crate) fn remove(&mut self, number: u32) {
        if let Some(word) = self.0.get_mut(number as usize / 64) {
            *word &= !(1 << (number % 64));
        }
    }

    /// Makes it the same as `other`.
    pub(crate) fn copy(&mut self, other: &NumberSet) {
        self.0.clear();
        self.0.extend_from_slice(&other.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number() {
        let mut names = Names::default();
        assert_eq!((names.number(b"a"), names.number(b"b"), names.number(b"a")), (0, 1, 0));
        assert_eq!((names.known(b"b"), names.known(b"c")), (Some(1), None));
        assert_eq!(**names.name(1), *b"b");
    }

    #[test]
    fn a_set_has_what_was_added() {
        let mut set = NumberSet::default();
        assert!(!set.has(70) && set.add(70) && !set.add(70));
        assert!(set.has(70) && !set.has(6) && !set.has(1000));
        set.remove(70);
        set.remove(1000);
        assert!(!set.has(70));
    }
}
