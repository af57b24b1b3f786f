//! Exit codes: a compiler's own, or distcc's from 100 up. They cross the wire as the status of a
//! job that a server did not do.

use std::fmt;
use std::process::{ExitCode, ExitStatus};

/// How a program of ours ends, or a server says that a job ended.
///
/// Source: distcc(1) 3.4, "EXIT CODES", and behavior of its client and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(u8);

impl Exit {
    /// All is well.
    pub const SUCCESS: Exit = Exit(0);
    /// Something failed that has no code of its own.
    pub const FAILED: Exit = Exit(100);
    /// Arguments that make no sense, or that are not run for others.
    pub const BAD_ARGUMENTS: Exit = Exit(101);
    /// The server cannot listen on its address or port.
    pub const BIND_FAILED: Exit = Exit(102);
    /// No connection to the server.
    pub const CONNECT_FAILED: Exit = Exit(103);
    /// The compiler was ended by something that is not in the source.
    pub const COMPILER_CRASHED: Exit = Exit(104);
    /// There is not enough memory.
    pub const OUT_OF_MEMORY: Exit = Exit(105);
    /// The host list cannot be read.
    pub const BAD_HOST_SPEC: Exit = Exit(106);
    /// Reading or writing failed.
    pub const IO_ERROR: Exit = Exit(107);
    /// The peer hung up too early.
    pub const TRUNCATED: Exit = Exit(108);
    /// The peer speaks something else.
    pub const PROTOCOL_ERROR: Exit = Exit(109);
    /// The compiler is not installed, or may not run.
    pub const COMPILER_MISSING: Exit = Exit(110);
    /// distcc calls itself for ever.
    pub const RECURSION: Exit = Exit(111);
    /// Root could not be left.
    pub const SETUID_FAILED: Exit = Exit(112);
    /// The server does not serve this client.
    pub const ACCESS_DENIED: Exit = Exit(113);
    /// The server has too many jobs.
    pub const BUSY: Exit = Exit(114);
    /// A file that is needed is not there.
    pub const NO_SUCH_FILE: Exit = Exit(115);
    /// There is no host to ask.
    pub const NO_HOSTS: Exit = Exit(116);
    /// The server is being stopped.
    pub const GONE: Exit = Exit(117);
    /// Something took too long.
    pub const TIMED_OUT: Exit = Exit(118);
    /// GSS-API was asked for and cannot be had.
    pub const GSS_API: Exit = Exit(119);

    /// A shell's code for a command that is not there.
    pub const COMMAND_NOT_FOUND: Exit = Exit(127);

    /// The codes that mean distcc and not the compiler.
    const OWN: std::ops::RangeInclusive<u8> = 100..=120;

    /// Reads a compiler's exit code as a server's own word about the job, if it is one.
    #[must_use]
    pub fn own(code: u8) -> Option<Exit> {
        Exit::OWN.contains(&code).then_some(Exit(code))
    }

    /// A compiler's exit code.
    #[must_use]
    pub fn compiler(code: u8) -> Exit {
        Exit(code)
    }

    /// How a compiler of this machine ended, in a shell's terms.
    #[must_use]
    pub fn of_status(status: ExitStatus) -> Exit {
        use std::os::unix::process::ExitStatusExt;
        match (status.code(), status.signal()) {
            (Some(code), _) => Exit(code as u8),
            (None, Some(signal)) => Exit(128 + signal as u8),
            (None, None) => Exit::COMPILER_CRASHED,
        }
    }

    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        self.0
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
