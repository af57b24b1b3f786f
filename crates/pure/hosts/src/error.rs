//! What can be wrong with a host list.

use std::fmt;

/// An entry of the host list that means nothing (exit code 106), or nothing yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostsError {
    /// The entry as it was written.
    pub entry: String,
    /// What is wrong with it.
    pub source: SpecError,
}

/// What is wrong with one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpecError {
    /// No name before the options.
    NoName,
    /// A name with bytes that no host name has.
    BadName,
    /// A user's name, before the `@`, with bytes that none has.
    BadUser,
    /// A command, behind an ssh host, that ssh would take for an option.
    BadCommand,
    /// A `[` without its `]`.
    OpenBracket,
    /// A port that is no number from 1 to 65535.
    BadPort(String),
    /// A limit that is no number from 1 up.
    BadLimit(String),
    /// A comma and a word that is no option of a host.
    UnknownOption(String),
    /// Two dashes and a word that is no option of the list.
    UnknownListOption,
    /// `,cpp` without `,lzo`: pump mode always compresses.
    CppWithoutLzo,
    /// `,cpp` and `,plain`.
    CppAndPlain,
    /// `,auth`: there is no GSS-API here (exit code 119).
    NoGssApi,
    /// Something of distcc 3.4 that is not supported yet: its name and what to do instead.
    NotYet {
        /// What it is.
        what: &'static str,
        /// What to write instead.
        instead: &'static str,
    },
}

impl fmt::Display for HostsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad host `{}`: {}", self.entry.escape_debug(), self.source)
    }
}

impl std::error::Error for HostsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl HostsError {
    /// What the user may do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match &self.source {
            SpecError::NoName | SpecError::BadName => "write it as HOST, HOST:PORT or HOST/LIMIT",
            SpecError::BadUser | SpecError::BadCommand => {
                "write it as USER@HOST, USER@HOST/LIMIT or USER@HOST:/PATH/OF/distccd"
            }
            SpecError::OpenBracket => "write an IPv6 address as [ADDRESS]",
            SpecError::BadPort(_) => "ports are 1 to 65535, as in HOST:3632",
            SpecError::BadLimit(_) => "limits are 1 and up, as in HOST/8",
            SpecError::UnknownOption(_) => "the options of a host are ,lzo ,cpp ,plain and ,down",
            SpecError::UnknownListOption => {
                "the options of a list are --randomize, --localslots=N and --localslots_cpp=N"
            }
            SpecError::CppWithoutLzo => "write ,cpp,lzo",
            SpecError::CppAndPlain => "leave out one of the two",
            SpecError::NoGssApi => "leave out `,auth` and restrict the server with --allow",
            SpecError::NotYet { instead, .. } => instead,
        }
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpecError::NoName => f.write_str("no host name"),
            SpecError::BadName => f.write_str("no name that a host can have"),
            SpecError::BadUser => f.write_str("no name that a user can have"),
            SpecError::BadCommand => f.write_str("no command to run there"),
            SpecError::OpenBracket => f.write_str("`[` without `]`"),
            SpecError::BadPort(text) => {
                write!(f, "`{}` is no port number", text.escape_debug())
            }
            SpecError::BadLimit(text) => {
                write!(f, "`{}` is no limit of jobs", text.escape_debug())
            }
            SpecError::UnknownOption(text) => {
                write!(f, "`,{}` is no option of a host", text.escape_debug())
            }
            SpecError::UnknownListOption => f.write_str("no option of a host list"),
            SpecError::CppWithoutLzo => f.write_str("`,cpp` needs `,lzo`"),
            SpecError::CppAndPlain => f.write_str("`,cpp` and `,plain` are contrary"),
            SpecError::NoGssApi => f.write_str("GSS-API authentication is not supported yet"),
            SpecError::NotYet { what, .. } => write!(f, "{what} not supported yet"),
        }
    }
}

impl std::error::Error for SpecError {}
