//! What a client may ask the include server: any split of the bytes gives the same answer, and no
//! limit is passed.
#![no_main]

use fuzz::{LIMITS, Sent};
use libfuzzer_sys::fuzz_target;
use wire::IncludeRequestDecoder;

fuzz_target!(|input: &[u8]| {
    let Some(sent) = Sent::from_input(input) else { return };
    let mut decoder = IncludeRequestDecoder::new(LIMITS);
    let expected = sent.feed_whole(|bytes| decoder.push(bytes));
    let mut pieces = IncludeRequestDecoder::new(LIMITS);
    let got = sent.feed_pieces(|bytes| pieces.push(bytes));
    assert_eq!(got, expected);
    if let (Ok(Some(request)), _) = expected {
        let n_bytes: usize = request.arguments.iter().map(Vec::len).sum();
        assert!(!request.arguments.is_empty());
        assert!(request.arguments.len() <= LIMITS.n_arguments as usize);
        assert!(n_bytes <= LIMITS.argument_bytes && request.folder.len() <= LIMITS.argument_bytes);
        assert_eq!(decoder.push(&mut &b"more"[..]), Ok(None));
    }
});
