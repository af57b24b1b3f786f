//! Raw LZO1X blocks, as bulk bodies of protocol versions 2 and 3 carry them.

mod decoder;
mod encoder;
mod unpacked_size;

use std::fmt;

use decoder::{Stop, decode};
use unpacked_size::unpacked_size;

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
    /// There is no memory for what it unpacks to.
    NoMemory {
        /// So many bytes.
        size: usize,
    },
}

impl fmt::Display for LzoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LzoError::Corrupt => f.write_str("the compressed data is corrupt"),
            LzoError::NoMemory { size } => write!(f, "no memory for {size} bytes"),
            LzoError::TooLarge { limit } => write!(f, "unpacks to more than {limit} bytes"),
        }
    }
}

impl std::error::Error for LzoError {}

/// Compresses `input` to a raw LZO1X block; nothing stays nothing.
#[must_use]
pub fn compress(input: &[u8]) -> Vec<u8> {
    compress_behind(input, Vec::new())
}

/// As [`compress`], and the block stands behind what is in `onto`: for those who compress often, and
/// give their buffer again.
#[must_use]
pub fn compress_behind(input: &[u8], onto: Vec<u8>) -> Vec<u8> {
    match input {
        [] => onto,
        input => encoder::encode(input, onto),
    }
}

/// How many times larger than its packed form a body is taken to be at first: preprocessed
/// sources and objects come to 3 to 6 times.
const FIRST_GUESS: usize = 8;

/// What takes more bytes than this is asked for before it is taken.
const LARGE: usize = 1 << 20;

/// Unpacks a raw LZO1X block to at most `limit` bytes; nothing stays nothing.
///
/// The unpacked size does not travel, and working it out takes a good part of the time of
/// unpacking.
/// So it is guessed, and worked out when the guess was too small: a block that unpacks to far too
/// much is refused before memory is set aside for that.
///
/// # Errors
/// [`LzoError`]. Never panics, never sets aside more than `limit` bytes.
pub fn decompress(input: &[u8], limit: usize) -> Result<Vec<u8>, LzoError> {
    decompress_within(input, limit, &mut |_| true)
}

/// As [`decompress`], for those who count memory: `may_take` is asked before so many more bytes are
/// set aside, and its no is [`LzoError::NoMemory`].
///
/// # Errors
/// [`LzoError`]. Never panics, never sets aside more than `limit` bytes.
pub fn decompress_within(
    input: &[u8],
    limit: usize,
    may_take: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<u8>, LzoError> {
    if input.is_empty() {
        return Ok(Vec::new());
    }
    let mut taken = 0;
    in_two_attempts(input, limit, |room| {
        if !is_there_room(room) || !may_take(room.saturating_sub(taken)) {
            return None;
        }
        taken = room;
        let mut output = vec![0; room];
        Some(decode(input, &mut output).map(|n_bytes| {
            output.truncate(n_bytes);
            output
        }))
    })
}

/// Unpacks many blocks, each to exactly the memory that it needs, by way of room of its own.
#[derive(Debug, Default)]
pub(crate) struct Unpacker {
    room: Vec<u8>,
}

impl Unpacker {
    /// As [`decompress_within`]: asks for what stays, and for more room where there is too little.
    pub(crate) fn unpack(
        &mut self,
        input: &[u8],
        limit: usize,
        may_take: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Vec<u8>, LzoError> {
        if input.is_empty() {
            return Ok(Vec::new());
        }
        let size = in_two_attempts(input, limit, |most| {
            let n_more = most.saturating_sub(self.room.len());
            if n_more > 0 {
                if !may_take(n_more) || self.room.try_reserve_exact(n_more).is_err() {
                    return None;
                }
                self.room.resize(most, 0);
            }
            Some(decode(input, &mut self.room[..most]))
        })?;
        let mut unpacked = Vec::new();
        if !may_take(size) || unpacked.try_reserve_exact(size).is_err() {
            return Err(LzoError::NoMemory { size });
        }
        unpacked.extend_from_slice(&self.room[..size]);
        Ok(unpacked)
    }
}

/// Attempts to unpack `input` with as much room as is guessed, and with as much as it needs where
/// that was too little. An attempt is `None` where there is no memory for so much room.
fn in_two_attempts<T>(
    input: &[u8],
    limit: usize,
    mut attempt: impl FnMut(usize) -> Option<Result<T, Stop>>,
) -> Result<T, LzoError> {
    let guess = input.len().saturating_mul(FIRST_GUESS).max(4096).min(limit);
    match attempt(guess) {
        None | Some(Err(Stop::NoRoom)) => {}
        Some(unpacked) => return unpacked.map_err(|_| LzoError::Corrupt),
    }
    let size = unpacked_size(input, limit).ok_or(LzoError::Corrupt)?;
    if size > limit {
        return Err(LzoError::TooLarge { limit });
    }
    attempt(size).ok_or(LzoError::NoMemory { size })?.map_err(|_| LzoError::Corrupt)
}

/// Whether so much memory can be had now. Memory that comes zeroed costs least, and can only be
/// asked for in a way that ends the process where there is none: hence the question before it.
fn is_there_room(n_bytes: usize) -> bool {
    n_bytes <= LARGE || Vec::<u8>::new().try_reserve_exact(n_bytes).is_ok()
}

#[cfg(test)]
mod against_lzokay;
#[cfg(test)]
mod tests;
