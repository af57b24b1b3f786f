//! The `update-distcc-symlinks` command. Everything it does is in the `links` crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    links::main(std::env::args_os(), &links::Surroundings::read())
}
