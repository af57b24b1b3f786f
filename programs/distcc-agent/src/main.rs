//! The `distcc-agent` command. Everything it does is in the `agent` crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    agent::main(std::env::args_os(), &agent::Settings::read())
}
