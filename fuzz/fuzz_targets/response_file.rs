//! A command that names a response file which names itself: the words come to an end, within
//! limits, and what cannot be read stays a word.
#![no_main]

use std::ffi::{OsStr, OsString};

use compiler_args::{Files, expand};
use fuzz as _;
use libfuzzer_sys::fuzz_target;

/// Every name is a file with the same content.
struct Everywhere<'a>(&'a [u8]);

impl Files for Everywhere<'_> {
    fn read(&self, _: &OsStr, limit: usize) -> Option<Vec<u8>> {
        (self.0.len() <= limit).then(|| self.0.to_vec())
    }
}

fuzz_target!(|input: &[u8]| {
    let command = ["gcc", "@f", "-c", "a.c"].map(OsString::from);
    let expanded = expand(&command, &Everywhere(input));
    assert_eq!(expanded.first(), command.first());
    assert_eq!(expanded.last(), command.last());
    assert!(expanded.iter().map(|word| word.len()).sum::<usize>() < 2 << 20);
});
