//! What can be wrong with what a peer sent.

use std::fmt;

use crate::lzo::LzoError;
use crate::{Fault, Token, TokenName};

/// A breach of the protocol by the peer (exit code 109 in distcc's numbering), or the end of its
/// data before the end of its message (108). The connection is of no further use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WireError {
    /// Four bytes that name no token: the peer speaks something else.
    UnknownToken {
        /// The bytes in the token's place.
        letters: [u8; 4],
    },
    /// A token whose parameter is not eight hexadecimal digits.
    BadParam {
        /// The token.
        name: TokenName,
        /// The bytes in the parameter's place.
        digits: [u8; 8],
    },
    /// A known token in the wrong place.
    Unexpected {
        /// What had to come.
        expected: TokenName,
        /// What came.
        got: Token,
    },
    /// A protocol version that nobody here speaks.
    UnknownVersion {
        /// The number the peer gave.
        number: u32,
    },
    /// A reply in another version than the request's.
    OtherVersion {
        /// The request's version.
        asked: u32,
        /// The reply's.
        got: u32,
    },
    /// A length or count beyond its limit. Nothing was allocated for it.
    TooLarge {
        /// The token that carried the number.
        name: TokenName,
        /// The number.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// There is no memory for so much as the peer sends, though it keeps to the limits.
    NoMemory {
        /// The token whose body it is.
        name: TokenName,
        /// The bytes of the body.
        size: u64,
    },
    /// The key of a file to keep that has another length than keys have.
    BadKey {
        /// Its length in bytes.
        size: u64,
    },
    /// A command without a single word.
    EmptyCommand,
    /// A body that is not what LZO1X compression makes, or unpacks to more than the limit.
    Lzo {
        /// The token whose body it is.
        name: TokenName,
        /// What is wrong with it.
        source: LzoError,
    },
    /// A name, a link's target or a working folder that a tree may not have.
    BadName {
        /// The token whose body it is.
        token: TokenName,
        /// The name, or the link's.
        name: Vec<u8>,
        /// What is wrong with it.
        fault: Fault,
    },
    /// The peer's data ended inside a message.
    Truncated {
        /// The token that was awaited or incomplete.
        awaited: TokenName,
    },
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WireError::UnknownToken { letters } => {
                write!(f, "`{}` is no distcc token", letters.escape_ascii())
            }
            WireError::BadParam { name, digits } => {
                write!(f, "{name} with the bad parameter `{}`", digits.escape_ascii())
            }
            WireError::Unexpected { expected, got } => {
                write!(f, "{} where {expected} had to come", got.name)
            }
            WireError::UnknownVersion { number } => write!(f, "unknown protocol version {number}"),
            WireError::OtherVersion { asked, got } => {
                write!(f, "asked in protocol version {asked}, answered in version {got}")
            }
            WireError::TooLarge { name, size, limit } => {
                write!(f, "{name} of {size}, more than the limit of {limit}")
            }
            WireError::NoMemory { name, size } => {
                write!(f, "no memory for {size} bytes of {name}")
            }
            WireError::BadKey { size } => write!(f, "the key of a file has {size} bytes"),
            WireError::EmptyCommand => f.write_str("a command without a word"),
            WireError::Lzo { name, source } => write!(f, "{name}: {source}"),
            WireError::BadName { token: TokenName::Link, name, fault } => {
                write!(f, "the target of the link `{}` {fault}", name.escape_ascii())
            }
            WireError::BadName { token, name, fault } => {
                write!(f, "{token}: `{}` {fault}", name.escape_ascii())
            }
            WireError::Truncated { awaited } => write!(f, "the data ended before {awaited}"),
        }
    }
}

impl std::error::Error for WireError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            WireError::Lzo { source, .. } => Some(source),
            _ => None,
        }
    }
}
