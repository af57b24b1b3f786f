//! No block unpacks past the limit, and what is packed comes back: the input itself, and what it
//! unpacks to, which is how inputs of a few bytes become long ones with far matches. lzokay takes
//! the same blocks, for the same bytes.
#![no_main]

use fuzz as _;
use libfuzzer_sys::fuzz_target;
use wire::lzo::{LzoError, compress, decompress};

/// Beyond the farthest match, and short enough for many runs a second.
const LIMIT: usize = 256 << 10;

fuzz_target!(|input: &[u8]| {
    round_trip(input);
    if !input.is_empty() {
        assert_eq!(decompress(input, LIMIT).ok(), by_lzokay(input), "{input:02x?}");
    }
    if let Ok(unpacked) = decompress(input, LIMIT) {
        assert!(unpacked.len() <= LIMIT);
        if let Some(too_little) = unpacked.len().checked_sub(1) {
            let refused = decompress(input, too_little);
            assert_eq!(refused, Err(LzoError::TooLarge { limit: too_little }));
        }
        round_trip(&unpacked);
    }
});

fn by_lzokay(block: &[u8]) -> Option<Vec<u8>> {
    let mut output = vec![0; LIMIT];
    let n_bytes = lzokay::decompress::decompress(block, &mut output).ok()?;
    output.truncate(n_bytes);
    Some(output)
}

fn round_trip(bytes: &[u8]) {
    let packed = compress(bytes);
    assert!(packed.len() <= bytes.len() + bytes.len() / 255 + 16);
    assert!(decompress(&packed, bytes.len()).as_deref() == Ok(bytes), "{packed:02x?}");
}
