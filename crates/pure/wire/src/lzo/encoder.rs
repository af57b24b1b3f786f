//! The fast LZO1X encoder: one pass, the latest position of each hash, the first match taken.
//!
//! Written from the description of the stream in the Linux kernel's documentation
//! (`staging/lzo`). What it emits, with `S` the number of literals (0 to 3) that follow at once:
//!
//! | instruction | bytes | meaning |
//! |---|---|---|
//! | first literals | `17 + n` | 1 to 238 literals, at the start of the stream alone |
//! | literals | `0000LLLL` | 4 and more; `L = n - 3`, or 0 and an extended length |
//! | near match | `LLLDDDSS DDDDDDDD` | 3 to 8 bytes, distance to 2048 |
//! | middle match | `001LLLLL` LE16 | distance to 16384; `L = n - 2`, or 0 and an extended length |
//! | far match | `0001DLLL` LE16 | distance 16385 to 49151; likewise |
//! | end | `11 00 00` | a far match whose distance would be 16384 |
//!
//! An extended length is the rest after the largest short one, as zero bytes of 255 each and a
//! last byte from 1 to 255.

/// Positions are kept in 16 bits: a table of 32 KiB stays in the processor's first cache, and no
/// match may lie further back than [`MAX_DISTANCE`] anyway. What an entry of an earlier round
/// of 64 KiB points at is compared like any other candidate.
const HASH_BITS: u32 = 14;

const MAX_NEAR_DISTANCE: usize = 2048;
const MAX_NEAR_LENGTH: usize = 8;
const MAX_MIDDLE_DISTANCE: usize = 16_384;
const MAX_MIDDLE_LENGTH: usize = 33;
const MAX_FAR_LENGTH: usize = 9;
const MAX_DISTANCE: usize = 49_151;

/// As many literals without a match, as a power of two, make the search stride grow by one byte:
/// data that does not compress is passed quickly.
const STRIDE_SHIFT: usize = 5;

/// The longest run of literals that is copied in one piece of fixed size.
const SHORT_RUN: usize = 16;

/// Encodes `input`, which is not empty, behind what is in `onto`.
pub(super) fn encode(input: &[u8], onto: Vec<u8>) -> Vec<u8> {
    let mut output = Output::for_input_of(input.len(), onto);
    let mut latest = [0_u16; 1 << HASH_BITS];
    // Where the literals begin that no instruction carries yet.
    let mut anchor = 0;
    // No match at the very start: there is nothing behind it.
    let mut position = 1;
    while let Some(next) = bytes_at(input, position) {
        let entry = &mut latest[hash(next)];
        let distance = usize::from((position as u16).wrapping_sub(*entry));
        *entry = position as u16;
        let behind = position.wrapping_sub(distance);
        let difference = match bytes_at(input, behind) {
            Some(old) if distance.wrapping_sub(1) < MAX_DISTANCE => old ^ next,
            _ => u64::MAX,
        };
        if difference as u32 != 0 {
            position += 1 + ((position - anchor) >> STRIDE_SHIFT);
            continue;
        }
        let length = match difference {
            0 => 8 + common_prefix(&input[position + 8..], &input[behind + 8..]),
            _ => (difference.trailing_zeros() / 8) as usize,
        };
        output.literals(input, anchor, position);
        output.a_match(distance, length);
        position += length;
        anchor = position;
    }
    output.literals(input, anchor, input.len());
    output.end()
}

/// The eight bytes from `position` on, unless the input ends before.
#[inline(always)]
fn bytes_at(input: &[u8], position: usize) -> Option<u64> {
    input.get(position..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

/// Where the first four of `bytes` have their place in the table.
#[inline(always)]
fn hash(bytes: u64) -> usize {
    ((bytes as u32).wrapping_mul(0x9E37_79B1) >> (32 - HASH_BITS)) as usize
}

/// How many bytes `a` and `b` have in common at their beginning; `b` is the longer.
#[inline(always)]
fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let (a_chunks, a_rest) = a.as_chunks::<8>();
    let (b_chunks, _) = b.as_chunks::<8>();
    for (i, (a, b)) in a_chunks.iter().zip(b_chunks).enumerate() {
        let difference = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if difference != 0 {
            return 8 * i + (difference.trailing_zeros() / 8) as usize;
        }
    }
    let n_whole = 8 * a_chunks.len();
    n_whole + a_rest.iter().zip(&b[n_whole..]).take_while(|(a, b)| a == b).count()
}

/// The stream so far. Its last instruction, if there is one, is a match or the first literals.
pub(super) struct Output {
    bytes: Vec<u8>,
    /// Where it begins in these.
    start: usize,
}

impl Output {
    pub(super) fn for_input_of(n_bytes: usize, onto: Vec<u8>) -> Output {
        let mut bytes = onto;
        // Literals alone cost one byte more for each 255.
        bytes.reserve(n_bytes + n_bytes / 128 + 64);
        Output { start: bytes.len(), bytes }
    }

    /// Carries `input[from..to]` as literals; call it before each match, and before the end.
    #[inline(always)]
    pub(super) fn literals(&mut self, input: &[u8], from: usize, to: usize) {
        let n_literals = to - from;
        if n_literals == 0 {
            return;
        }
        if self.bytes.len() == self.start && n_literals <= 238 {
            self.bytes.push(17 + n_literals as u8);
        } else if n_literals <= 3 {
            // In the match before, whatever its kind, the two free bits are in the last byte
            // but one.
            let at = self.bytes.len() - 2;
            self.bytes[at] |= n_literals as u8;
        } else {
            self.length(0, n_literals - 3, 15);
        }
        match input.get(from..).and_then(|rest| rest.first_chunk::<SHORT_RUN>()) {
            Some(chunk) if n_literals <= SHORT_RUN => {
                self.bytes.extend_from_slice(chunk);
                self.bytes.truncate(self.bytes.len() - SHORT_RUN + n_literals);
            }
            _ => self.bytes.extend_from_slice(&input[from..to]),
        }
    }

    /// Carries a match of 3 bytes and more, at a distance from 1 to [`MAX_DISTANCE`].
    #[inline(always)]
    pub(super) fn a_match(&mut self, distance: usize, length: usize) {
        if length <= MAX_NEAR_LENGTH && distance <= MAX_NEAR_DISTANCE {
            let distance = distance - 1;
            let first = (length - 1) << 5 | (distance & 7) << 2;
            self.bytes.extend_from_slice(&[first as u8, (distance >> 3) as u8]);
        } else if distance <= MAX_MIDDLE_DISTANCE {
            self.length(0b0010_0000, length - 2, MAX_MIDDLE_LENGTH - 2);
            self.bytes.extend_from_slice(&(((distance - 1) << 2) as u16).to_le_bytes());
        } else {
            let distance = distance - MAX_MIDDLE_DISTANCE;
            let high = (distance >> 14) << 3;
            self.length(0b0001_0000 | high as u8, length - 2, MAX_FAR_LENGTH - 2);
            self.bytes.extend_from_slice(&((distance << 2) as u16).to_le_bytes());
        }
    }

    /// An opcode with its length: within the opcode up to `largest_short`, else extended.
    #[inline(always)]
    fn length(&mut self, opcode: u8, length: usize, largest_short: usize) {
        if length <= largest_short {
            self.bytes.push(opcode | length as u8);
        } else {
            let rest = length - largest_short - 1;
            self.bytes.push(opcode);
            self.bytes.resize(self.bytes.len() + rest / 255, 0);
            self.bytes.push((rest % 255) as u8 + 1);
        }
    }

    /// The whole stream.
    pub(super) fn end(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&[0b0001_0001, 0, 0]);
        self.bytes
    }
}
