//! What a client may send to a server: any split of the bytes gives the same answer, and no
//! answer is larger than the limits.
#![no_main]

use fuzz::{LIMITS, Sent};
use libfuzzer_sys::fuzz_target;
use wire::RequestDecoder;

fuzz_target!(|input: &[u8]| {
    let Some(sent) = Sent::from_input(input) else { return };
    let (mut whole, mut pieces) = (RequestDecoder::new(LIMITS), RequestDecoder::new(LIMITS));
    let expected = sent.feed_whole(|bytes| whole.push(bytes));
    let got = sent.feed_pieces(|bytes| pieces.push(bytes));
    assert_eq!(got, expected);
    assert_eq!(pieces.version(), whole.version());
    assert_eq!(pieces.command(), whole.command());
    assert_eq!(pieces.truncated(), whole.truncated());

    if let (Ok(Some(request)), n_taken) = expected {
        assert!(n_taken <= sent.bytes.len());
        assert!(!request.arguments.is_empty());
        assert!(request.arguments.len() <= LIMITS.n_arguments as usize);
        assert!(request.arguments.concat().len() <= LIMITS.argument_bytes);
        assert!(request.source.len() <= LIMITS.unpacked_bytes);
        assert_eq!(whole.push(&mut &b"more"[..]), Ok(None));
    }
});
