//! What a doctor found: a table for people, JSON for programs, and the commands that mend it.
//!
//! `distcc --doctor` looks at the machine that builds and at its hosts; a doctor of servers can
//! tell what it finds in the same form.

mod finding;
pub mod shell;
mod speedup;

pub use finding::{Diagnosis, Finding, Machine, Purpose, Remedy, Status, Suggestion};
pub use speedup::{Bound, HostSpeed, OwnSpeed, Speedup};
