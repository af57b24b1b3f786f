//! What a doctor found: a table for people, JSON for programs, and the commands that mend it.
//!
//! `distcc --doctor` looks at a build's machine and its hosts, `distccd --doctor` at a server's; both
//! tell it in the same form.

mod finding;
pub mod shell;

pub use finding::{Diagnosis, Finding, Machine, Purpose, Remedy, Status};
