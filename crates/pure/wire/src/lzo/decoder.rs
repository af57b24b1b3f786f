//! The LZO1X decoder: copies pieces of fixed size wherever there is room for what they hold too much.
//!
//! See `encoder.rs` for the instructions. Two more that other encoders use, with `S` literals behind
//! them like the rest:
//!
//! | instruction | bytes | meaning |
//! |---|---|---|
//! | short match | `0000DDSS DDDDDDDD` | after 1 to 3 literals: 2 bytes, distance to 1024 |
//! | apart match | `0000DDSS DDDDDDDD` | after 4 literals and more: 3 bytes, distance 2049 to 3072 |

/// Why a block was not unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It goes on beyond the room.
    NoRoom,
    /// The bytes are no LZO1X block.
    Corrupt,
}

/// The shortest block: the end mark.
const LEAST_BYTES: usize = 3;

/// What is copied at once of matches and runs of literals.
const PIECE: usize = 16;

/// Unpacks `input` to the first bytes of `output`, and says how many they are. What stands behind
/// them afterwards is anything.
pub(super) fn decode(input: &[u8], output: &mut [u8]) -> Result<usize, Stop> {
    if input.len() < LEAST_BYTES {
        return Err(Stop::Corrupt);
    }
    let mut input = Input { bytes: input, position: 0 };
    let mut output = Output { bytes: output, n_bytes: 0 };
    // How many literals came last, 4 standing for more.
    let mut n_before = 0;
    if let first @ 18.. = input.bytes[0] {
        let n_literals = usize::from(first - 17);
        input.position = 1;
        output.literals(&mut input, n_literals)?;
        n_before = n_literals.min(4);
    }
    loop {
        let instruction = input.byte()?;
        let n_literals = match instruction {
            64.. => {
                let distance = (input.byte()? << 3) + (instruction >> 2 & 7) + 1;
                output.short_match(distance, (instruction >> 5) + 1)?;
                instruction & 3
            }
            32.. => {
                let length = input.length(instruction & 31, 31)? + 2;
                let word = input.word()?;
                output.a_match((word >> 2) + 1, length)?;
                word & 3
            }
            16.. => {
                let length = input.length(instruction & 7, 7)? + 2;
                let word = input.word()?;
                let distance = ((instruction & 8) << 11) + (word >> 2);
                if distance == 0 {
                    let is_all = length == 3 && input.position == input.bytes.len();
                    return if is_all { Ok(output.n_bytes) } else { Err(Stop::Corrupt) };
                }
                output.a_match(distance + 16_384, length)?;
                word & 3
            }
            _ if n_before == 0 => {
                let n_literals = input.length(instruction, 15)? + 3;
                output.literals(&mut input, n_literals)?;
                n_before = 4;
                continue;
            }
            _ => {
                let distance = (instruction >> 2) + (input.byte()? << 2) + 1;
                if n_before == 4 {
                    output.short_match(distance + 2048, 3)?;
                } else {
                    output.short_match(distance, 2)?;
                }
                instruction & 3
            }
        };
        output.few_literals(&mut input, n_literals)?;
        n_before = n_literals;
    }
}

struct Input<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Input<'_> {
    #[inline(always)]
    fn byte(&mut self) -> Result<usize, Stop> {
        let byte = *self.bytes.get(self.position).ok_or(Stop::Corrupt)?;
        self.position += 1;
        Ok(byte.into())
    }

    #[inline(always)]
    fn word(&mut self) -> Result<usize, Stop> {
        let word = *self.peek().ok_or(Stop::Corrupt)?;
        self.position += 2;
        Ok(u16::from_le_bytes(word).into())
    }

    /// The next bytes, if there are so many.
    #[inline(always)]
    fn peek<const N: usize>(&self) -> Option<&[u8; N]> {
        self.bytes.get(self.position..)?.first_chunk()
    }

    /// A length that is `short` unless that is 0, when it goes on behind the instruction.
    #[inline(always)]
    fn length(&mut self, short: usize, largest_short: usize) -> Result<usize, Stop> {
        if short != 0 { Ok(short) } else { self.extended_length(largest_short) }
    }

    fn extended_length(&mut self, largest_short: usize) -> Result<usize, Stop> {
        let start = self.position;
        loop {
            let last = self.byte()?;
            if last != 0 {
                // A quarter of the address space, so that sums of a few of these stay within it.
                let by_zeros = (self.position - 1 - start).saturating_mul(255).min(usize::MAX / 4);
                return Ok(by_zeros + largest_short + last);
            }
        }
    }
}

struct Output<'a> {
    bytes: &'a mut [u8],
    n_bytes: usize,
}

impl Output<'_> {
    /// Takes up to 3 literals, as they come with a match.
    #[inline(always)]
    fn few_literals(&mut self, input: &mut Input<'_>, n_literals: usize) -> Result<(), Stop> {
        match (input.peek::<4>(), self.room()) {
            (Some(chunk), Some(room)) => *room = *chunk,
            _ => return self.literals(input, n_literals),
        }
        input.position += n_literals;
        self.n_bytes += n_literals;
        Ok(())
    }

    /// Takes any number of literals.
    #[inline(always)]
    fn literals(&mut self, input: &mut Input<'_>, n_literals: usize) -> Result<(), Stop> {
        match (input.peek::<PIECE>(), self.room()) {
            (Some(chunk), Some(room)) if n_literals <= PIECE => {
                *room = *chunk;
                input.position += n_literals;
                self.n_bytes += n_literals;
                Ok(())
            }
            _ => self.many_literals(input, n_literals),
        }
    }

    /// Takes literals, exactly so many.
    fn many_literals(&mut self, input: &mut Input<'_>, n_literals: usize) -> Result<(), Stop> {
        let literals = input.bytes[input.position..].get(..n_literals).ok_or(Stop::Corrupt)?;
        let room = self.bytes[self.n_bytes..].get_mut(..n_literals).ok_or(Stop::NoRoom)?;
        room.copy_from_slice(literals);
        input.position += n_literals;
        self.n_bytes += n_literals;
        Ok(())
    }

    /// The next bytes, if there is room for so many.
    #[inline(always)]
    fn room<const N: usize>(&mut self) -> Option<&mut [u8; N]> {
        self.bytes.get_mut(self.n_bytes..)?.first_chunk_mut()
    }

    /// Copies a match of up to 8 bytes.
    #[inline(always)]
    fn short_match(&mut self, distance: usize, length: usize) -> Result<(), Stop> {
        let from = self.n_bytes.checked_sub(distance).ok_or(Stop::Corrupt)?;
        if distance >= 8
            && let Some(&chunk) = self.bytes[from..].first_chunk::<8>()
            && let Some(room) = self.room()
        {
            *room = chunk;
            self.n_bytes += length;
            return Ok(());
        }
        self.any_match(from, length)
    }

    /// Copies a match of any length.
    #[inline(always)]
    fn a_match(&mut self, distance: usize, length: usize) -> Result<(), Stop> {
        let from = self.n_bytes.checked_sub(distance).ok_or(Stop::Corrupt)?;
        if distance >= PIECE
            && length <= 2 * PIECE
            && let Some(stretch) = self.bytes.get_mut(from..self.n_bytes + 2 * PIECE)
        {
            stretch.copy_within(..PIECE, distance);
            stretch.copy_within(PIECE..2 * PIECE, distance + PIECE);
            self.n_bytes += length;
            return Ok(());
        }
        self.any_match(from, length)
    }

    /// Copies `length` bytes from position `from` on, exactly.
    fn any_match(&mut self, from: usize, length: usize) -> Result<(), Stop> {
        if length > self.bytes.len() - self.n_bytes {
            return Err(Stop::NoRoom);
        }
        // Where the match runs into itself, what is there doubles with each copy.
        let mut n_there = self.n_bytes - from;
        self.n_bytes += length;
        let stretch = &mut self.bytes[from..self.n_bytes];
        if n_there == 1 {
            stretch.fill(stretch[0]);
            return Ok(());
        }
        while n_there < stretch.len() {
            let n_more = n_there.min(stretch.len() - n_there);
            stretch.copy_within(..n_more, n_there);
            n_there += n_more;
        }
        Ok(())
    }
}
