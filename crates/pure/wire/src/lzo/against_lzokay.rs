//! Our decoder and lzokay's take the same blocks, for the same bytes.

use super::decoder::{Stop, decode};
use super::encoder::Output;
use super::tests::{noise, patchwork};
use super::{compress, unpacked_size};
use proptest::prelude::*;

/// What the room of our decoder is full of, so that bytes it did not write show.
const FILLING: u8 = 0xa5;

#[track_caller]
fn check(block: &[u8], n_room: usize) {
    let mut expected = vec![0; n_room];
    let expected = match lzokay::decompress::decompress(block, &mut expected) {
        Ok(n_bytes) => Ok(&expected[..n_bytes]),
        Err(lzokay::Error::OutputOverrun) => Err(Stop::NoRoom),
        Err(_) => Err(Stop::Corrupt),
    };
    let mut got = vec![FILLING; n_room];
    let got = decode(block, &mut got).map(|n_bytes| &got[..n_bytes]);
    assert!(got == expected, "{n_room} bytes of room: {:?} on {block:02x?}", got.map(<[u8]>::len));
}

/// Checks with just enough room, with some more, and with too little.
#[track_caller]
fn check_around(block: &[u8], n_bytes: usize) {
    for n_room in [n_bytes, n_bytes + 1, n_bytes + 7, n_bytes + 100] {
        check(block, n_room);
    }
    for n_less in [1, 2, 4, 9, 17, 33, 40, n_bytes / 2] {
        check(block, n_bytes.saturating_sub(n_less));
    }
}

/// `input` as two encoders pack it: only lzokay's writes the matches of two bytes and the ones
/// apart.
fn packed(input: &[u8]) -> [Vec<u8>; 2] {
    [compress(input), lzokay::compress::compress(input).unwrap()]
}

#[test]
fn real_text_unpacks_alike() {
    for text in [&include_bytes!("tests.rs")[..], include_bytes!("../request.rs")] {
        for block in packed(text) {
            check_around(&block, text.len());
        }
    }
}

#[test]
fn every_cut_unpacks_alike() {
    let input = [&noise(60, 1)[..], &[7; 80], &noise(60, 1)[..50]].concat();
    for block in packed(&input) {
        for length in 0..block.len() {
            check(&block[..length], input.len());
        }
        for n_room in 0..input.len() + 40 {
            check(&block, n_room);
        }
    }
}

#[test]
fn every_pair_of_bytes_at_an_end_unpacks_alike() {
    for first in 0..=255 {
        for second in 0..=255 {
            let block = [0x15, b'a', b'b', b'c', b'd', first, second, 0x11, 0, 0, 0];
            for end in 5..=block.len() {
                check(&block[..end], 64);
            }
            check(&block[5..], 64);
            check(&[first, second], 0);
        }
    }
}

#[test]
fn every_short_distance_and_length_unpacks_alike() {
    let before = noise(80, 3);
    for distance in 1..70 {
        for length in (3..70).chain([255, 300]) {
            let mut output = Output::for_input_of(before.len(), Vec::new());
            output.literals(&before, 0, before.len());
            output.a_match(distance, length);
            output.literals(&before, 0, length % 7);
            output.a_match(distance, length);
            let n_bytes = before.len() + 2 * length + length % 7;
            check_around(&output.end(), n_bytes);
        }
    }
}

/// Blocks of instructions as only chance writes them: all kinds, some reaching before the
/// beginning.
fn instructions() -> impl Strategy<Value = Vec<u8>> {
    let distance = prop_oneof![4 => 0_usize..40, 2 => 0_usize..5000, 1 => 0_usize..49_000];
    let instruction = (0_u8..=255, distance, 0_usize..4, prop::collection::vec(any::<u8>(), 4));
    (0_usize..60_000, prop::collection::vec(instruction, 0..60)).prop_map(|(n_before, rest)| {
        let before = noise(n_before + 4, 13);
        let mut output = Output::for_input_of(before.len(), Vec::new());
        output.literals(&before, 0, before.len());
        let mut block = output.end();
        block.truncate(block.len() - 3);
        for (first, distance, n_literals, tail) in rest {
            block.push(first);
            match first {
                64.. => {
                    *block.last_mut().unwrap() = first & !3 | n_literals as u8;
                    block.push((distance >> 3) as u8);
                }
                16.. => {
                    if first & 7 == 0 {
                        block.extend(&[0, 0][..usize::from(tail[0] % 3)]);
                        block.push(tail[1].max(1));
                    }
                    block.extend(((distance << 2 | n_literals) as u16).to_le_bytes());
                }
                _ => block.push((distance >> 2) as u8),
            }
            block.extend(&tail[..n_literals]);
        }
        block.extend([0x11, 0, 0]);
        block
    })
}

proptest! {
    // lzokay packs slowly, and slower still in a debug build.
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn patchworks_unpack_alike(input in patchwork(), n_less in 0_usize..100) {
        for block in packed(&input) {
            check_around(&block, input.len());
            check(&block, input.len().saturating_sub(n_less));
        }
    }

    #[test]
    fn damaged_blocks_unpack_alike(
        input in patchwork(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4), 1..6),
    ) {
        for mut block in packed(&input) {
            for (place, byte, kind) in &damage {
                if block.is_empty() {
                    break;
                }
                let place = place.index(block.len());
                match kind {
                    0 => block.insert(place, *byte),
                    1 => drop(block.remove(place)),
                    2 => block[place] ^= 1 << (byte & 7),
                    _ => block[place] = *byte,
                }
            }
            check_around(&block, input.len());
            check(&block, 1 << 20);
        }
    }
}

proptest! {
    #[test]
    fn instructions_by_chance_unpack_alike(block in instructions(), n_less in 0_usize..3000) {
        let n_bytes = unpacked_size(&block, 1 << 24).map_or(4096, |size| size.min(1 << 24));
        check_around(&block, n_bytes);
        check(&block, n_bytes.saturating_sub(n_less));
    }

    #[test]
    fn bytes_by_chance_unpack_alike(
        block in prop::collection::vec(any::<u8>(), 0..600),
        n_room in 0_usize..20_000,
    ) {
        check(&block, n_room);
        check(&[&b"\xffeight by"[..], &[b'.'; 230], &block].concat(), n_room);
    }
}
