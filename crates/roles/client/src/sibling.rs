//! Programs of ours that the client starts.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use wire::Exit;

use crate::log::Log;

/// What to start for the program `name`: the one beside us, wherever the link that we were called by
/// is; else the one that `PATH` has.
pub(crate) fn program(name: &str) -> OsString {
    let beside = std::fs::read_link("/proc/self/exe").ok().map(|own| own.with_file_name(name));
    beside.filter(|program| program.exists()).map_or_else(|| name.into(), OsString::from)
}

/// Becomes the program `name` with `words`; comes back only where there is none.
pub(crate) fn become_it(name: &str, words: &[OsString], log: &Log) -> Exit {
    let program = program(name);
    let error = Command::new(&program).args(words).exec();
    let text = format!("could not start {}: {error}", program.display());
    log.error(&text, "install it beside distcc");
    Exit::FAILED
}
