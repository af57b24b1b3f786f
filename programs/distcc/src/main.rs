//! The `distcc` command. Everything it does is in the `client` crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    client::main(std::env::args_os(), client::Settings::from_env())
}
