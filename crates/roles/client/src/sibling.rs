//! Programs of ours that the client becomes.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use sys::sibling::program;
use wire::Exit;

use crate::log::Log;

/// Becomes the program `name` with `words`; comes back only where there is none.
pub(crate) fn become_it(name: &str, words: &[OsString], log: &Log) -> Exit {
    let program = program(name);
    let error = Command::new(&program).args(words).exec();
    let text = format!("could not start {}: {error}", program.display());
    log.error(&text, "install it beside distcc");
    Exit::FAILED
}
