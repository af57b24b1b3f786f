//! Source whose macros were kept, of any kind: what is restored of it is no longer than it was, and
//! neither the names of its files nor its pragmas make anything panic.
#![no_main]

use compiler_args::{pragmas, restore};
use fuzz as _;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Some(restored) = restore(input) {
        assert!(restored.len() < input.len());
        assert!(input.ends_with(restored.rsplit(|byte| *byte == b'\n').next().unwrap_or_default()));
    }
    for name in pragmas::files_of(input) {
        assert!(name.len() <= input.len());
    }
    let _ = pragmas::may_lose_pragmas(input);
});
