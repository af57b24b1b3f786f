//! What anybody sends to the port of the statistics becomes a request, or nothing.
#![no_main]

use fuzz as _;
use libfuzzer_sys::fuzz_target;
use web::{Heard, MOST_HEAD_BYTES, hear};

fuzz_target!(|bytes: &[u8]| {
    // What is clear stays so, whatever follows.
    let mut earlier = Heard::NotYet;
    for n_bytes in (0..=bytes.len()).take(512) {
        let heard = hear(&bytes[..n_bytes]);
        if earlier != Heard::NotYet {
            assert_eq!(heard, earlier, "after {n_bytes} bytes");
        }
        earlier = heard;
    }
    match hear(bytes) {
        Heard::NotYet => assert!(bytes.len() <= MOST_HEAD_BYTES),
        Heard::Nonsense => {}
        Heard::Request(request) => {
            assert!(request.path.starts_with('/') && request.path.is_ascii());
            assert!(!request.path.contains(|c: char| c.is_control() || " ?#".contains(c)));
            let _ = request.names_type("text/html");
        }
    }
});
