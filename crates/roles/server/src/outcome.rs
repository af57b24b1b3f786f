//! How a job ended, in the words of distcc 3.4's log and statistics.

use wire::Exit;

/// The seven ends of a job that distcc 3.4 tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The client got its object.
    CompileOk,
    /// The compiler failed.
    CompileError,
    /// The compiler ran longer than `--job-lifetime`.
    CompileTimeout,
    /// The client broke off, or fell silent.
    ClientDisconnected,
    /// What came is no request.
    BadRequest,
    /// There is too much to do.
    Overloaded,
    /// Everything else: refused compilers and options, troubles of this machine.
    Other,
}

impl Outcome {
    pub(crate) const ALL: [Outcome; 7] = [
        Outcome::CompileOk,
        Outcome::CompileError,
        Outcome::CompileTimeout,
        Outcome::ClientDisconnected,
        Outcome::BadRequest,
        Outcome::Overloaded,
        Outcome::Other,
    ];

    /// The end of a job that was refused with this code.
    pub(crate) fn of_refusal(exit: Exit) -> Outcome {
        match exit {
            Exit::PROTOCOL_ERROR => Outcome::BadRequest,
            Exit::BUSY => Outcome::Overloaded,
            Exit::TIMED_OUT => Outcome::CompileTimeout,
            _ => Outcome::Other,
        }
    }

    /// Its name where programs read it, in the words of `/metrics` and `/api/status`.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Outcome::CompileOk => "ok",
            Outcome::CompileError => "compile_error",
            Outcome::CompileTimeout => "timeout",
            Outcome::ClientDisconnected => "client_gone",
            Outcome::BadRequest => "bad_request",
            Outcome::Overloaded => "overloaded",
            Outcome::Other => "other",
        }
    }

    /// Its name in the log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Outcome::CompileOk => "COMPILE_OK",
            Outcome::CompileError => "COMPILE_ERROR",
            Outcome::CompileTimeout => "COMPILE_TIMEOUT",
            Outcome::ClientDisconnected => "CLI_DISCONN",
            Outcome::BadRequest => "REJ_BAD_REQ",
            Outcome::Overloaded => "REJ_OVERLOAD",
            Outcome::Other => "OTHER",
        }
    }
}
