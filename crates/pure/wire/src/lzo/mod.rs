//! Raw LZO1X blocks, as bulk bodies of protocol versions 2 and 3 carry them.

mod encoder;
mod unpacked_size;

use std::fmt;

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
    if input.is_empty() {
        return Vec::new();
    }
    encoder::encode(input)
}

/// How many times larger than its packed form a body is taken to be at first: preprocessed
/// sources and objects come to 3 to 6 times.
const FIRST_GUESS: usize = 8;

/// What takes more bytes than this is asked for before it is taken.
const LARGE: usize = 1 << 20;

/// Unpacks a raw LZO1X block to at most `limit` bytes; nothing stays nothing.
///
/// The unpacked size does not travel, and working it out takes a third of the time of unpacking.
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
    let guess = input.len().saturating_mul(FIRST_GUESS).max(4096).min(limit);
    let mut taken = 0;
    if is_there_room(guess) && may_take(guess) {
        taken = guess;
        match unpack(input, guess) {
            Err(lzokay::Error::OutputOverrun) => {}
            unpacked => return unpacked.map_err(|_| LzoError::Corrupt),
        }
    }
    let size = unpacked_size(input, limit).ok_or(LzoError::Corrupt)?;
    if size > limit {
        return Err(LzoError::TooLarge { limit });
    }
    if !is_there_room(size) || !may_take(size.saturating_sub(taken)) {
        return Err(LzoError::NoMemory { size });
    }
    unpack(input, size).map_err(|_| LzoError::Corrupt)
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
        let guess = input.len().saturating_mul(FIRST_GUESS).max(4096).min(limit);
        let size = match self.unpack_here(input, guess, may_take) {
            Err(Attempt::NoRoom | Attempt::TooSmall) => {
                let size = unpacked_size(input, limit).ok_or(LzoError::Corrupt)?;
                if size > limit {
                    return Err(LzoError::TooLarge { limit });
                }
                self.unpack_here(input, size, may_take).map_err(|attempt| match attempt {
                    Attempt::NoRoom => LzoError::NoMemory { size },
                    Attempt::TooSmall | Attempt::Corrupt => LzoError::Corrupt,
                })?
            }
            Err(Attempt::Corrupt) => return Err(LzoError::Corrupt),
            Ok(size) => size,
        };
        let mut unpacked = Vec::new();
        if !may_take(size) || unpacked.try_reserve_exact(size).is_err() {
            return Err(LzoError::NoMemory { size });
        }
        unpacked.extend_from_slice(&self.room[..size]);
        Ok(unpacked)
    }

    /// Unpacks to the first bytes of the room, at most `most`, and says how many they are.
    fn unpack_here(
        &mut self,
        input: &[u8],
        most: usize,
        may_take: &mut dyn FnMut(usize) -> bool,
    ) -> Result<usize, Attempt> {
        if most > self.room.len() {
            let n_more = most - self.room.len();
            if !may_take(n_more) || self.room.try_reserve_exact(n_more).is_err() {
                return Err(Attempt::NoRoom);
            }
            self.room.resize(most, 0);
        }
        match lzokay::decompress::decompress(input, &mut self.room[..most]) {
            Ok(size) => Ok(size),
            Err(lzokay::Error::OutputOverrun) => Err(Attempt::TooSmall),
            Err(_) => Err(Attempt::Corrupt),
        }
    }
}

/// Why a block was not unpacked at once.
enum Attempt {
    NoRoom,
    TooSmall,
    Corrupt,
}

/// Whether so much memory can be had now. Memory that comes zeroed costs least, and can only be
/// asked for in a way that ends the process where there is none: hence the question before it.
fn is_there_room(n_bytes: usize) -> bool {
    n_bytes <= LARGE || Vec::<u8>::new().try_reserve_exact(n_bytes).is_ok()
}

fn unpack(input: &[u8], room: usize) -> Result<Vec<u8>, lzokay::Error> {
    let mut output = vec![0; room];
    let n_bytes = lzokay::decompress::decompress(input, &mut output)?;
    output.truncate(n_bytes);
    Ok(output)
}

#[cfg(test)]
mod tests;
