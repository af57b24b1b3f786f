//! Exit codes of the server, and the codes with which it refuses jobs.

use std::process::ExitCode;

/// A code of distcc's own, from 100 up. Source: distcc(1) 3.4, "EXIT CODES", and behavior of its
/// server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exit(pub(crate) u8);

impl Exit {
    pub(crate) const SUCCESS: Exit = Exit(0);
    pub(crate) const FAILED: Exit = Exit(100);
    pub(crate) const BAD_ARGUMENTS: Exit = Exit(101);
    pub(crate) const BIND_FAILED: Exit = Exit(102);
    pub(crate) const IO_ERROR: Exit = Exit(107);
    pub(crate) const PROTOCOL_ERROR: Exit = Exit(109);
    pub(crate) const COMPILER_MISSING: Exit = Exit(110);
    pub(crate) const SETUID_FAILED: Exit = Exit(112);
    pub(crate) const ACCESS_DENIED: Exit = Exit(113);
    pub(crate) const BUSY: Exit = Exit(114);
    pub(crate) const GONE: Exit = Exit(117);
    pub(crate) const TIMED_OUT: Exit = Exit(118);
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.0)
    }
}
