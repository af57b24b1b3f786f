//! What the fuzz targets share: limits a bomb would break, and bytes that arrive in pieces.

use std::alloc::System;

use cap::Cap;
use wire::Limits;

/// All memory that a target may hold at a time, in bytes: two replies of three bodies each, as
/// large as [`LIMITS`] lets them be, and some room. Whoever asks for more ends the run.
///
/// The sanitizer's own limit, `-malloc_limit_mb`, was tried: it does not see Rust's allocations.
const MEMORY: usize = 8 << 20;

/// Each target uses this crate, and so this allocator.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, MEMORY);

/// Limits so small that a decoder which passes one of them soon runs out of memory.
pub const LIMITS: Limits = Limits {
    n_arguments: 64,
    argument_bytes: 4 << 10,
    body_bytes: 64 << 10,
    unpacked_bytes: 1 << 20,
    n_entries: 64,
    name_bytes: 8 << 10,
};

/// A fuzzer's input, taken as bytes that arrive in pieces.
///
/// The first byte holds the number of cuts in its low four bits, and three free bits at the top;
/// then a byte for the length of each piece, where 0 is a piece of nothing; the rest is what the
/// peer sends, and what the cuts leave of it comes as one last piece.
pub struct Sent<'a> {
    /// The three free bits, for what a target has to choose.
    pub choice: u8,
    /// All that the peer sends.
    pub bytes: &'a [u8],
    cuts: &'a [u8],
}

/// What came of feeding a decoder: its answer, and how many bytes it took.
pub type Outcome<T, E> = (Result<Option<T>, E>, usize);

impl<'a> Sent<'a> {
    /// Reads a fuzzer's input; `None` when it is too short to mean anything.
    #[must_use]
    pub fn from_input(input: &'a [u8]) -> Option<Sent<'a>> {
        let (&first, rest) = input.split_first()?;
        let (cuts, bytes) = rest.split_at_checked(usize::from(first & 0x0f))?;
        Some(Sent { choice: first >> 5, bytes, cuts })
    }

    /// Feeds all at once.
    pub fn feed_whole<T, E>(
        &self,
        mut push: impl FnMut(&mut &[u8]) -> Result<Option<T>, E>,
    ) -> Outcome<T, E> {
        let mut left = self.bytes;
        let answer = push(&mut left);
        (answer, self.bytes.len() - left.len())
    }

    /// Feeds piece after piece, up to the first answer or error.
    ///
    /// # Panics
    /// When the decoder wants more and has left some of a piece.
    pub fn feed_pieces<T, E>(
        &self,
        mut push: impl FnMut(&mut &[u8]) -> Result<Option<T>, E>,
    ) -> Outcome<T, E> {
        let mut left = self.bytes;
        let cuts = self.cuts.iter().map(|cut| usize::from(*cut));
        for length in cuts.chain([usize::MAX]) {
            let (mut piece, rest) = left.split_at(length.min(left.len()));
            let answer = push(&mut piece);
            let n_taken = self.bytes.len() - rest.len() - piece.len();
            if !matches!(answer, Ok(None)) {
                return (answer, n_taken);
            }
            assert!(piece.is_empty(), "{} bytes left of a piece", piece.len());
            left = rest;
        }
        (Ok(None), self.bytes.len())
    }
}
