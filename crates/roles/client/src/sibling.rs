//! Programs of ours that the client starts.

use std::ffi::OsString;

/// What to start for the program `name`: the one beside us, wherever the link that we were called by
/// is; else the one that `PATH` has.
pub(crate) fn program(name: &str) -> OsString {
    let beside = std::fs::read_link("/proc/self/exe").ok().map(|own| own.with_file_name(name));
    beside.filter(|program| program.exists()).map_or_else(|| name.into(), OsString::from)
}
