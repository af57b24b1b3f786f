//! Twelve bytes are a token or an error; fewer are neither.
#![no_main]

use fuzz as _;
use libfuzzer_sys::fuzz_target;
use wire::Token;

fuzz_target!(|input: &[u8]| {
    let mut rest = input;
    let answer = Token::decode(&mut rest);
    match answer {
        Ok(None) => assert!(input.len() < Token::LEN),
        Ok(Some(token)) => {
            let (head, tail) = input.split_at(Token::LEN);
            assert_eq!(rest, tail);
            let (letters, digits) = head.split_at(4);
            assert_eq!(token.encode(), [letters, &digits.to_ascii_lowercase()].concat()[..]);
            assert_eq!(Token::decode(&mut &token.encode()[..]), Ok(Some(token)));
        }
        Err(_) => assert_eq!(rest, input),
    }
});
