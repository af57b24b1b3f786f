//! The `distccd` command. Everything it does is in the `server` crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    server::main(std::env::args_os(), server::Environment::read())
}
