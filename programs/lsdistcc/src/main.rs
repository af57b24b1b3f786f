//! The `lsdistcc` command. Everything it does is in the `probe` crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    probe::main(std::env::args_os(), &probe::Surroundings::read())
}
