//! Raw LZO1X blocks, as bulk bodies of protocol versions 2 and 3 carry them.

mod encoder;

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
    encoder::encode(input)
}

/// How many times larger than its packed form a body is taken to be at first. Preprocessed
/// sources and objects come to 3 to 6 times. A guess too large costs pages to clear, one too
/// small costs doing the work again.
const FIRST_GUESS: usize = 8;

/// Unpacks a raw LZO1X block to at most `limit` bytes; nothing stays nothing.
///
/// The unpacked size does not travel, so it is guessed, and a guess too small is made larger.
///
/// # Errors
/// [`LzoError`]. Never panics, never sets aside more than `limit` bytes.
pub fn decompress(input: &[u8], limit: usize) -> Result<Vec<u8>, LzoError> {
    if input.is_empty() {
        return Ok(Vec::new());
    }
    let mut size = input.len().saturating_mul(FIRST_GUESS).max(4096).min(limit);
    loop {
        let mut output = vec![0; size];
        match lzokay::decompress::decompress(input, &mut output) {
            Ok(n_bytes) => {
                output.truncate(n_bytes);
                return Ok(output);
            }
            Err(lzokay::Error::OutputOverrun) if size < limit => {
                size = size.saturating_mul(4).min(limit);
            }
            Err(lzokay::Error::OutputOverrun) => return Err(LzoError::TooLarge { limit }),
            Err(_) => return Err(LzoError::Corrupt),
        }
    }
}

#[cfg(test)]
mod tests;
