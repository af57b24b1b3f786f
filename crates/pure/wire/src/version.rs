//! Which dialect of the protocol a connection speaks.

use crate::WireError;

/// A protocol version. The client names it in `DIST`; the server answers in the same one.
///
/// Numbers 4, 4000, 5000, 6000 and 6001 belong to a living fork of distcc and are never used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// Plain mode, bodies as they are. Host option: none.
    V1,
    /// Plain mode, bulk bodies compressed with LZO1X. Host option: `,lzo`.
    V2,
    /// Pump mode: sources and headers travel, compressed. Host options: `,cpp,lzo`.
    V3,
}

impl Version {
    /// The version of a `DIST` or `DONE` token's parameter.
    ///
    /// # Errors
    /// [`WireError::UnknownVersion`] for every number but 1, 2 and 3. (distccd 3.4 serves 0 as 1.)
    pub fn from_number(number: u32) -> Result<Version, WireError> {
        match number {
            1 => Ok(Version::V1),
            2 => Ok(Version::V2),
            3 => Ok(Version::V3),
            _ => Err(WireError::UnknownVersion { number }),
        }
    }

    /// The number that stands on the wire.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Version::V1 => 1,
            Version::V2 => 2,
            Version::V3 => 3,
        }
    }

    /// Whether bulk bodies (source, object, streams) travel LZO-compressed.
    #[must_use]
    pub fn compresses(self) -> bool {
        self != Version::V1
    }
}
