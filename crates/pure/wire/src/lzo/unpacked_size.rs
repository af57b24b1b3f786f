//! How long a block is unpacked, found by reading its instructions without doing them.
//!
//! See `encoder.rs` for the instructions. Two more that other encoders use: `0000DDSS DDDDDDDD` is
//! a match of 2 bytes after 1 to 3 literals, and of 3 bytes after more.

/// The size of what `block` unpacks to, or any number above `limit` when that is above `limit`.
/// `None` when the block ends before its end mark. What its matches point at is not looked at.
pub(super) fn unpacked_size(block: &[u8], limit: usize) -> Option<usize> {
    let mut reader = Reader { block, position: 0 };
    let mut size = 0_usize;
    // How many literals came last, 4 standing for more.
    let mut n_before = 0;
    if let first @ 18.. = *block.first()? {
        let n_literals = usize::from(first - 17);
        reader.position = 1 + n_literals;
        size = n_literals;
        n_before = n_literals.min(4);
    }
    while size <= limit {
        let instruction = usize::from(reader.byte()?);
        let (length, n_literals) = match instruction {
            64.. => {
                reader.position += 1;
                ((instruction >> 5) + 1, instruction & 3)
            }
            32.. => {
                let length = reader.length(instruction & 31, 31)?;
                (length + 2, reader.word()? & 3)
            }
            16.. => {
                let length = reader.length(instruction & 7, 7)?;
                let word = reader.word()?;
                if instruction & 8 == 0 && word < 4 {
                    return Some(size);
                }
                (length + 2, word & 3)
            }
            _ if n_before == 0 => {
                let n_literals = reader.length(instruction, 15)? + 3;
                reader.position = reader.position.saturating_add(n_literals);
                size = size.saturating_add(n_literals);
                n_before = 4;
                continue;
            }
            _ => {
                reader.position += 1;
                (if n_before == 4 { 3 } else { 2 }, instruction & 3)
            }
        };
        reader.position = reader.position.saturating_add(n_literals);
        size = size.saturating_add(length + n_literals);
        n_before = n_literals;
    }
    Some(size)
}

struct Reader<'a> {
    block: &'a [u8],
    position: usize,
}

impl Reader<'_> {
    #[inline(always)]
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.block.get(self.position)?;
        self.position += 1;
        Some(byte)
    }

    #[inline(always)]
    fn word(&mut self) -> Option<usize> {
        let word = self.block.get(self.position..)?.first_chunk()?;
        self.position += 2;
        Some(usize::from(u16::from_le_bytes(*word)))
    }

    /// A length that is `short` unless that is 0, when it goes on behind the instruction.
    #[inline(always)]
    fn length(&mut self, short: usize, largest_short: usize) -> Option<usize> {
        if short != 0 {
            return Some(short);
        }
        let n_zeros = self.block.get(self.position..)?.iter().take_while(|b| **b == 0).count();
        self.position += n_zeros;
        // A quarter of the address space, so that sums of a few of these stay within it.
        let by_zeros = n_zeros.saturating_mul(255).min(usize::MAX / 4);
        Some(by_zeros + largest_short + usize::from(self.byte()?))
    }
}
