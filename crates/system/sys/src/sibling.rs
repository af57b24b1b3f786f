//! Programs that are installed beside the running one.

use std::ffi::OsString;

/// What to start for the program `name`: the one beside us, wherever the link that we were called by
/// is; else the one that `PATH` has.
#[must_use]
pub fn program(name: &str) -> OsString {
    let beside = std::fs::read_link("/proc/self/exe").ok().map(|own| own.with_file_name(name));
    beside.filter(|program| program.exists()).map_or_else(|| name.into(), OsString::from)
}
