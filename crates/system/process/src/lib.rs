//! Running a compiler for somebody else: in a folder of its own, as a process group that can be
//! ended as a whole, for a limited time, and only as long as somebody waits for the result.

mod folder;
mod group;
mod orphans;
mod run;

pub use folder::{JobFolder, TempRoot};
pub use orphans::end_orphans;
pub use run::{Ending, Run, Running};
pub use sandbox::Failure;
pub use sys::usage::Usage;
