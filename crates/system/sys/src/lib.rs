//! Safe doors to the few system calls that no well-kept crate offers safely.
//!
//! The only crate with `unsafe`: each block says why it is sound.

pub mod child;
pub mod descriptors;
pub mod fork;
pub mod heap;
pub mod locks;
pub mod peer;
pub mod session;
pub mod sibling;
pub mod spawn;
pub mod tcp;
pub mod tidy_on_signal;
pub mod usage;
