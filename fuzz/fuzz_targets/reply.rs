//! What a server may answer to a client: any split of the bytes gives the same answer, and no
//! answer is larger than the limits.
#![no_main]

use fuzz::{LIMITS, Sent};
use libfuzzer_sys::fuzz_target;
use wire::{ReplyDecoder, Version};

fuzz_target!(|input: &[u8]| {
    let Some(sent) = Sent::from_input(input) else { return };
    let version = [Version::V1, Version::V2, Version::V3][usize::from(sent.choice) % 3];
    let mut whole = ReplyDecoder::new(version, LIMITS);
    let mut pieces = ReplyDecoder::new(version, LIMITS);
    let expected = sent.feed_whole(|bytes| whole.push(bytes));
    let got = sent.feed_pieces(|bytes| pieces.push(bytes));
    assert_eq!(got, expected);
    assert_eq!(pieces.has_begun(), whole.has_begun());
    assert_eq!(pieces.truncated(), whole.truncated());

    if let (Ok(Some(reply)), n_taken) = expected {
        assert!(n_taken <= sent.bytes.len());
        for body in [&reply.stderr, &reply.stdout, &reply.object, &reply.dependencies] {
            assert!(body.len() <= LIMITS.unpacked_bytes);
        }
        assert_eq!(whole.push(&mut &b"more"[..]), Ok(None));
    }
});
