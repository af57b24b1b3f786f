//! Round trips of the encoder through an independent decoder; `bench/` adds the original's.

use super::encoder::Output;
use super::*;
use proptest::prelude::*;

/// Bytes that hold no match: each window of four is as good as unique.
pub(super) fn noise(n_bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(n_bytes + 8);
    while bytes.len() < n_bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
    }
    bytes.truncate(n_bytes);
    bytes
}

#[track_caller]
fn check(input: &[u8]) -> Vec<u8> {
    let packed = compress(input);
    let unpacked = decompress(&packed, input.len());
    if unpacked.as_deref() != Ok(input) {
        let first = unpacked.as_ref().map(|bytes| {
            bytes.iter().zip(input).take_while(|(got, expected)| got == expected).count()
        });
        panic!("{} bytes come back differing from byte {first:?} on: {packed:02x?}", input.len());
    }
    if !packed.is_empty() {
        assert_eq!(unpacked_size(&packed, input.len()), Some(input.len()));
    }
    packed
}

fn copy_match(bytes: &mut Vec<u8>, distance: usize, length: usize) {
    for _ in 0..length {
        bytes.push(bytes[bytes.len() - distance]);
    }
}

/// Noise of `n_before` bytes, then a match of `length` at `distance` behind noise, then
/// `n_after` bytes of noise.
fn with_a_match(n_before: usize, distance: usize, length: usize, n_after: usize) -> Vec<u8> {
    let mut bytes = noise(n_before.max(distance), 7);
    copy_match(&mut bytes, distance, length);
    // The match must not go on by chance.
    let next = bytes[bytes.len() - distance];
    let mut after = noise(n_after, 11);
    if let Some(first) = after.first_mut() {
        *first = !next;
    }
    bytes.extend(after);
    bytes
}

#[test]
fn nothing_stays_nothing() {
    assert_eq!(compress(b""), b"");
    assert_eq!(decompress(b"", 0), Ok(vec![]));
}

#[test]
fn literals_end_with_the_end_mark() {
    assert_eq!(compress(b"x"), b"\x12x\x11\0\0");
    assert_eq!(compress(b"int x;\n"), b"\x18int x;\n\x11\0\0");
    let long = noise(238, 1);
    assert_eq!(compress(&long), [&[255], &long[..], &[0x11, 0, 0]].concat());
    let longer = noise(239, 1);
    assert_eq!(compress(&longer), [&[0, 239 - 18], &longer[..], &[0x11, 0, 0]].concat());
}

#[test]
fn a_run_is_a_literal_and_a_match() {
    // 1 literal; a middle match of 33 + 48 at distance 1; what is left over; the end.
    let packed = check(&[b' '; 82]);
    assert_eq!(packed, b"\x12 \x20\x30\0\0\x11\0\0");
}

#[test]
fn each_kind_of_match_is_chosen_at_its_edges() {
    for (distance, length, expected) in [
        (100, 4, &[0x60 | 3 << 2, 12][..]),
        (2048, 8, &[0xe0 | 7 << 2, 255][..]),
        (2048, 9, &[0x20 | 7, 0xfc, 0x1f][..]),
        (2049, 8, &[0x20 | 6, 0x00, 0x20][..]),
        (16_384, 33, &[0x20 | 31, 0xfc, 0xff][..]),
        (16_384, 34, &[0x20, 1, 0xfc, 0xff][..]),
        (16_384, 33 + 255, &[0x20, 255, 0xfc, 0xff][..]),
        (16_384, 33 + 256, &[0x20, 0, 1, 0xfc, 0xff][..]),
        (16_385, 9, &[0x10 | 7, 0x04, 0x00][..]),
        (16_385, 10, &[0x10, 1, 0x04, 0x00][..]),
        (32_767, 9, &[0x10 | 7, 0xfc, 0xff][..]),
        (32_768, 9, &[0x18 | 7, 0x00, 0x00][..]),
        (49_151, 9, &[0x18 | 7, 0xfc, 0xff][..]),
    ] {
        let mut output = Output::for_input_of(length, Vec::new());
        output.a_match(distance, length);
        let instruction = output.end();
        let instruction = &instruction[..instruction.len() - 3];
        assert_eq!(instruction, expected, "{length} bytes at {distance}");
    }
}

#[test]
fn each_kind_of_match_carries_0_to_many_literals() {
    let before = noise(49_151, 7);
    let mut lengths: Vec<usize> = (3..40).collect();
    lengths.extend((255..295).chain(510..550));
    for edge in [1_usize, 8, 1024, 2048, 3072, 16_384, 32_768, 49_151] {
        for distance in edge.saturating_sub(2).max(1)..(edge + 3).min(49_152) {
            for (i, &length) in lengths.iter().enumerate() {
                let after = noise([0, 1, 2, 3, 4, 18, 19, 273, 274][i % 9], 11);
                let mut output = Output::for_input_of(before.len(), Vec::new());
                output.literals(&before, 0, before.len());
                output.a_match(distance, length);
                output.literals(&after, 0, after.len());
                output.a_match(distance, length);
                let mut expected = before.clone();
                copy_match(&mut expected, distance, length);
                expected.extend(&after);
                copy_match(&mut expected, distance, length);
                let unpacked = decompress(&output.end(), expected.len());
                assert!(
                    unpacked.as_ref() == Ok(&expected),
                    "{length} bytes at {distance}, {} literals",
                    after.len()
                );
            }
        }
    }
}

#[test]
fn a_match_out_of_reach_is_not_taken() {
    let input = with_a_match(60_000, 49_152, 400, 0);
    let packed = check(&input);
    assert!(packed.len() > input.len());
}

#[test]
fn every_length_around_a_threshold_comes_back() {
    let mut lengths: Vec<usize> = (0..80).collect();
    for edge in [238, 255, 256, 510, 765, 255 * 40] {
        for extra in [0, 3, 9, 18, 33] {
            lengths.extend(edge + extra - 3..edge + extra + 3);
        }
    }
    for &length in &lengths {
        check(&noise(length, 3));
        check(&vec![b'a'; length]);
        for distance in [1, 2, 3, 7, 8, 9, 2048, 2049, 16_384, 16_385, 32_768, 49_151] {
            for n_after in [0, 1, 3, 4] {
                check(&with_a_match(12, distance, length, n_after));
            }
        }
    }
}

#[test]
fn every_distance_around_an_edge_comes_back() {
    for edge in [1_usize, 8, 1024, 2048, 3072, 16_384, 32_768, 49_151, 65_536] {
        for distance in edge.saturating_sub(4).max(1)..edge + 5 {
            for length in [4, 5, 8, 9, 10, 33, 34, 300] {
                check(&with_a_match(70_000, distance, length, 30));
            }
        }
    }
}

#[test]
fn every_number_of_literals_between_matches_comes_back() {
    for n_literals in (0..40).chain(230..300).chain(520..530) {
        let mut input = noise(64, 5);
        for round in 0..6 {
            let again = input[..10 + round].to_vec();
            input.extend(again);
            input.extend(noise(n_literals, 100 + round as u64));
        }
        check(&input);
    }
}

#[test]
fn every_short_word_over_two_letters_comes_back() {
    for length in 1..=12 {
        for word in 0..1_u32 << length {
            let input: Vec<u8> = (0..length).map(|bit| b'a' + (word >> bit & 1) as u8).collect();
            check(&input);
        }
    }
}

#[test]
fn what_does_not_compress_grows_by_little() {
    let input = noise(3_000_000, 9);
    let packed = check(&input);
    assert!(packed.len() <= input.len() + input.len() / 255 + 16, "{} bytes", packed.len());
}

#[test]
fn long_runs_shrink_to_a_255th() {
    let input = vec![0; 3_000_000];
    let packed = check(&input);
    assert!(packed.len() <= input.len() / 255 + 16, "{} bytes", packed.len());
}

#[test]
fn the_limit_is_a_limit() {
    for n_bytes in [1, 100, 4096, 100_000] {
        let packed = compress(&vec![0; n_bytes]);
        assert_eq!(decompress(&packed, n_bytes).map(|bytes| bytes.len()), Ok(n_bytes));
        for limit in [0, n_bytes / 2, n_bytes - 1] {
            assert_eq!(decompress(&packed, limit), Err(LzoError::TooLarge { limit }));
        }
    }
}

#[test]
fn the_matches_that_only_other_encoders_write_are_counted() {
    let block = [
        // Two literals; two bytes of a match at distance 2, one literal; two at distance 1.
        &b"\x13ab\x05\x00c\x00\x00"[..],
        // A run of 33 + 11 * 255 + 1 at distance 1; four literals; three bytes at distance 2049.
        b"\x20\0\0\0\0\0\0\0\0\0\0\0\x01\0\0",
        b"\x01wxyz\x00\x00",
        b"\x11\0\0",
    ]
    .concat();
    let mut expected = b"ababccc".to_vec();
    expected.resize(expected.len() + 33 + 11 * 255 + 1, b'c');
    expected.extend(b"wxyzccc");
    assert_eq!(unpacked_size(&block, usize::MAX), Some(expected.len()));
    assert_eq!(decompress(&block, usize::MAX), Ok(expected));
}

#[test]
fn a_bomb_is_refused_by_its_size_alone() {
    // A run that says it is 255 times as long as the block, and then nothing: too large, not
    // cut short.
    let bomb = [&b"\x12x\x20"[..], &[0; 100_000], b"\x01\0\0"].concat();
    let refused = decompress(&bomb, 20_000_000);
    assert_eq!(refused, Err(LzoError::TooLarge { limit: 20_000_000 }));
    assert_eq!(decompress(&bomb, 30_000_000), Err(LzoError::Corrupt));
}

#[test]
fn a_cut_block_is_corrupt() {
    let packed = compress(&[&noise(300, 1)[..], &[7; 300]].concat());
    for length in 1..packed.len() {
        assert_eq!(decompress(&packed[..length], 1 << 20), Err(LzoError::Corrupt));
    }
}

/// Text as compilers write it: few words, much repetition, now and then far apart.
pub(super) fn patchwork() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => (0_usize..60_000, 0_usize..400).prop_map(Piece::Copy),
        2 => prop::collection::vec(any::<u8>(), 0..24).prop_map(Piece::New),
        1 => (any::<u8>(), 0_usize..3000).prop_map(Piece::Run),
        1 => (any::<u64>(), 0_usize..30_000).prop_map(Piece::Noise),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| {
        let mut bytes = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Copy((distance, length)) => {
                    for _ in 0..length {
                        let from = bytes.len().saturating_sub(distance + 1);
                        bytes.push(bytes.get(from).copied().unwrap_or(b'.'));
                    }
                }
                Piece::New(new) => bytes.extend(new),
                Piece::Run((byte, length)) => bytes.resize(bytes.len() + length, byte),
                Piece::Noise((seed, length)) => bytes.extend(noise(length, seed)),
            }
        }
        bytes
    })
}

#[derive(Clone, Debug)]
enum Piece {
    /// So far back, so many bytes.
    Copy((usize, usize)),
    New(Vec<u8>),
    Run((u8, usize)),
    Noise((u64, usize)),
}

proptest! {
    #[test]
    fn random_bytes_come_back(input in prop::collection::vec(any::<u8>(), 0..2000)) {
        check(&input);
    }

    #[test]
    fn words_over_few_letters_come_back(
        input in prop::collection::vec(0_u8..3, 0..3000),
    ) {
        check(&input);
    }

    #[test]
    fn patchworks_come_back(input in patchwork()) {
        check(&input);
    }

    #[test]
    fn no_block_makes_it_panic_or_pass_the_limit(block: Vec<u8>, limit in 0_usize..10_000) {
        if let Ok(unpacked) = decompress(&block, limit) {
            prop_assert!(unpacked.len() <= limit);
        }
        let _ = unpacked_size(&block, limit);
    }
}

#[test]
fn memory_is_asked_for_before_it_is_taken() {
    let packed = compress(&vec![b' '; 1 << 20]);
    let mut asked = Vec::new();
    let unpacked = decompress_within(&packed, 1 << 30, &mut |n_bytes| {
        asked.push(n_bytes);
        true
    });
    assert_eq!(unpacked.map(|bytes| bytes.len()), Ok(1 << 20));
    assert_eq!(asked.iter().sum::<usize>(), 1 << 20, "{asked:?}");
    let refused = decompress_within(&packed, 1 << 30, &mut |_| false);
    assert_eq!(refused, Err(LzoError::NoMemory { size: 1 << 20 }));
}
