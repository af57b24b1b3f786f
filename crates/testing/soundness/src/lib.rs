//! The property that the include scanner misses nothing: what compilers say they read is in the
//! closure.

mod disk;
mod unit;

pub use disk::Disk;
pub use unit::{Settings, Unit, as_in_rule};
