//! The property that the include scanner misses nothing: what compilers say they read is in the
//! closure.

mod code_base;
mod disk;
mod judge;
mod torture;
mod unit;

pub use code_base::{CodeBase, DEBIAN_PACKAGES, SHORT_DEBIAN_PACKAGES, all, short};
pub use disk::Disk;
pub use judge::{Judge, Tally, Verdict, judge};
pub use torture::{Outcome, torture};
pub use unit::{Settings, Unit, as_in_rule};
