//! Exit statuses: the compiler's own, or distcc's from 100 up.

use std::fmt;
use std::process::{ExitCode, ExitStatus};

/// How the client ends.
///
/// Source: distcc(1) 3.4, "EXIT CODES".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exit(u8);

impl Exit {
    pub(crate) const SUCCESS: Exit = Exit(0);
    /// Something failed that has no code of its own.
    pub(crate) const FAILED: Exit = Exit(100);
    pub(crate) const BAD_ARGUMENTS: Exit = Exit(101);
    pub(crate) const CONNECT_FAILED: Exit = Exit(103);
    pub(crate) const COMPILER_CRASHED: Exit = Exit(104);
    pub(crate) const BAD_HOST_SPEC: Exit = Exit(106);
    pub(crate) const IO_ERROR: Exit = Exit(107);
    pub(crate) const TRUNCATED: Exit = Exit(108);
    pub(crate) const PROTOCOL_ERROR: Exit = Exit(109);
    pub(crate) const COMPILER_MISSING: Exit = Exit(110);
    pub(crate) const RECURSION: Exit = Exit(111);
    pub(crate) const BUSY: Exit = Exit(114);
    pub(crate) const NO_HOSTS: Exit = Exit(116);
    pub(crate) const TIMED_OUT: Exit = Exit(118);

    /// The codes that mean distcc and not the compiler.
    const OWN: std::ops::RangeInclusive<u8> = 100..=120;

    /// Reads a compiler's exit code as a server's own word about the job, if it is one.
    pub(crate) fn own(code: u8) -> Option<Exit> {
        Exit::OWN.contains(&code).then_some(Exit(code))
    }

    pub(crate) fn compiler(code: u8) -> Exit {
        Exit(code)
    }

    /// How a compiler of this machine ended, in a shell's terms.
    pub(crate) fn of_status(status: ExitStatus) -> Exit {
        use std::os::unix::process::ExitStatusExt;
        match (status.code(), status.signal()) {
            (Some(code), _) => Exit(code as u8),
            (None, Some(signal)) => Exit(128 + signal as u8),
            (None, None) => Exit::COMPILER_CRASHED,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
