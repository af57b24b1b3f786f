//! What a client and its agent tell each other is a message or nonsense, whatever it reads; so are the
//! names in a server's dependency file.
#![no_main]

use agent_wire::{Answer, Request, take_message};
use fuzz as _;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut arrived = bytes.to_vec();
    while let Ok(Some(message)) = take_message(&mut arrived) {
        if let Ok(request) = Request::decode(&message) {
            assert_eq!(request.encode()[4..], message);
        }
        if let Ok(answer) = Answer::decode(&message) {
            assert_eq!(answer.encode()[4..], message);
        }
    }
    for name in includes::prerequisites(bytes) {
        assert!(!name.is_empty());
    }
});
