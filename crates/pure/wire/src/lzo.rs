//! Raw LZO1X blocks, as bulk bodies of protocol versions 2 and 3 carry them.

use std::fmt;

/// Why a body could not be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LzoError {
    /// The bytes are no LZO1X block.
    Corrupt,
    /// The block unpacks to more than `limit` bytes.
    TooLarge {
        /// The limit the caller gave, in bytes.
        limit: usize,
    },
}

impl fmt::Display for LzoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LzoError::Corrupt => f.write_str("the compressed data is corrupt"),
            LzoError::TooLarge { limit } => write!(f, "unpacks to more than {limit} bytes"),
        }
    }
}

impl std::error::Error for LzoError {}

/// Compresses `input` to a raw LZO1X block; nothing stays nothing.
#[must_use]
pub fn compress(input: &[u8]) -> Vec<u8> {
    if input.is_empty() {
        return Vec::new();
    }
    lzokay::compress::compress(input).expect("the worst-case size was allocated")
}

/// Unpacks a raw LZO1X block to at most `limit` bytes; nothing stays nothing.
///
/// The unpacked size does not travel, so it is guessed and the guess doubled.
///
/// # Errors
/// [`LzoError`]. Never panics, never sets aside more than `limit` bytes.
pub fn decompress(input: &[u8], limit: usize) -> Result<Vec<u8>, LzoError> {
    if input.is_empty() {
        return Ok(Vec::new());
    }
    let mut size = input.len().saturating_mul(6).clamp(4096, limit.max(1));
    loop {
        let mut output = vec![0; size];
        match lzokay::decompress::decompress(input, &mut output) {
            Ok(n_bytes) => {
                output.truncate(n_bytes);
                return Ok(output);
            }
            Err(lzokay::Error::OutputOverrun) if size < limit => {
                size = size.saturating_mul(2).min(limit);
            }
            Err(lzokay::Error::OutputOverrun) => return Err(LzoError::TooLarge { limit }),
            Err(_) => return Err(LzoError::Corrupt),
        }
    }
}
