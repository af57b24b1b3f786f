//! The `pump` command. Everything it does is in the `session` crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    session::main(std::env::args_os(), &session::Settings::read())
}
