//! The `distccmon` command. Everything it does is in the `monitor` crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    monitor::live(std::env::args_os(), monitor::Environment::read())
}
