//! The `distccmon-text` command. Everything it does is in the `monitor` crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    monitor::main(std::env::args_os(), monitor::Environment::read())
}
