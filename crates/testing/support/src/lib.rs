//! What tests across crates share: where our programs are, servers that end with the test,
//! sources of others, and the proof that nothing is left behind.

mod agent;
mod leftovers;
mod outcome;
mod packages;
mod programs;
mod recorder;
mod server;
mod world;

pub use agent::file_of_agent;
pub use leftovers::{processes_using, wait_until};
pub use outcome::{Outcome, run};
pub use packages::{Packages, Wanted};
pub use programs::{PROGRAMS, program, workspace};
pub use recorder::{Recorder, SYSTEM_PATH};
pub use server::{Kind, Server, ServerOptions};
pub use world::{World, impostor, script};
