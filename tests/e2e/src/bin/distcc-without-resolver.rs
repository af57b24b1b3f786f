//! The `distcc` command as it is where it is linked statically: other programs look up names.

use std::process::ExitCode;

use client::{LookUp, Settings};

fn main() -> ExitCode {
    client::main(std::env::args_os(), Settings::from_env(LookUp::OUTSIDE))
}
