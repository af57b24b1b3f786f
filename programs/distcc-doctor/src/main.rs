//! The `distcc-doctor` command. Everything it does is in the `doctor` crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    doctor::main(std::env::args_os(), &doctor::Surroundings::read())
}
