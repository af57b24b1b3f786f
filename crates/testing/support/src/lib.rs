//! What tests across crates share: where our programs are, servers that end with the test, and
//! the proof that nothing is left behind.

mod leftovers;
mod programs;
mod server;

pub use leftovers::{processes_using, wait_until};
pub use programs::{program, workspace};
pub use server::{Kind, Server, ServerOptions};
