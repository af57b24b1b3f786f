//! Safe doors to the few libc calls that no well-kept crate offers safely.
//!
//! The only crate with `unsafe` (the sandbox will be the second). Each module is one subject.

pub mod locks;
pub mod tidy_on_signal;
