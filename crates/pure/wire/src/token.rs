//! The twelve bytes in front of everything: four letters and a number.

use crate::WireError;

/// The kinds of token of protocol versions 1 to 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenName {
    /// Opens a request; the parameter is the protocol version.
    Dist,
    /// The client's working directory (version 3).
    Cdir,
    /// How many `ARGV` follow.
    Argc,
    /// One argument, without a terminating NUL; the first is the compiler.
    Argv,
    /// The preprocessed source (versions 1 and 2).
    Doti,
    /// How many `NAME` pairs follow (version 3).
    Nfil,
    /// The absolute path of the file or link that follows (version 3).
    Name,
    /// A file's contents (version 3).
    File,
    /// The target of a symbolic link, never compressed (version 3).
    Link,
    /// The key under which the server may keep the file whose contents follow (version 3, our own).
    Keep,
    /// The key of a file that the server has kept, in place of its contents (version 3, our own).
    Kept,
    /// Opens a reply; the same version as in `DIST`.
    Done,
    /// The compiler's wait status.
    Stat,
    /// The compiler's standard error.
    Serr,
    /// The compiler's standard output.
    Sout,
    /// The output file: an object for `-c`, assembler text for `-S`.
    Doto,
    /// The dependency file (version 3).
    Dotd,
}

impl TokenName {
    const ALL: [TokenName; 17] = [
        TokenName::Dist,
        TokenName::Cdir,
        TokenName::Argc,
        TokenName::Argv,
        TokenName::Doti,
        TokenName::Nfil,
        TokenName::Name,
        TokenName::File,
        TokenName::Link,
        TokenName::Keep,
        TokenName::Kept,
        TokenName::Done,
        TokenName::Stat,
        TokenName::Serr,
        TokenName::Sout,
        TokenName::Doto,
        TokenName::Dotd,
    ];

    /// The four letters as they stand on the wire.
    #[must_use]
    pub fn bytes(self) -> &'static [u8; 4] {
        match self {
            TokenName::Dist => b"DIST",
            TokenName::Cdir => b"CDIR",
            TokenName::Argc => b"ARGC",
            TokenName::Argv => b"ARGV",
            TokenName::Doti => b"DOTI",
            TokenName::Nfil => b"NFIL",
            TokenName::Name => b"NAME",
            TokenName::File => b"FILE",
            TokenName::Link => b"LINK",
            TokenName::Keep => b"KEEP",
            TokenName::Kept => b"KEPT",
            TokenName::Done => b"DONE",
            TokenName::Stat => b"STAT",
            TokenName::Serr => b"SERR",
            TokenName::Sout => b"SOUT",
            TokenName::Doto => b"DOTO",
            TokenName::Dotd => b"DOTD",
        }
    }

    /// Whether a body of as many bytes as the parameter says follows the token.
    #[must_use]
    pub fn has_body(self) -> bool {
        !matches!(
            self,
            TokenName::Dist | TokenName::Argc | TokenName::Nfil | TokenName::Done | TokenName::Stat
        )
    }

    /// Whether the body is compressed in the versions that compress.
    #[must_use]
    pub fn is_bulk(self) -> bool {
        matches!(
            self,
            TokenName::Doti
                | TokenName::File
                | TokenName::Serr
                | TokenName::Sout
                | TokenName::Doto
                | TokenName::Dotd
        )
    }

    fn from_bytes(bytes: [u8; 4]) -> Option<TokenName> {
        TokenName::ALL.into_iter().find(|name| *name.bytes() == bytes)
    }
}

impl std::fmt::Display for TokenName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(std::str::from_utf8(self.bytes()).unwrap_or("????"))
    }
}

/// A token: a name and its parameter, which is a number or the length of the body that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What kind of thing this is.
    pub name: TokenName,
    /// The number, or the length of the body in bytes as it travels.
    pub param: u32,
}

impl Token {
    /// A token's length on the wire: four letters and eight hexadecimal digits.
    pub const LEN: usize = 12;

    /// The token as it travels: digits in lower case, as distcc 3.4 writes them.
    #[must_use]
    pub fn encode(self) -> [u8; Token::LEN] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut bytes = [0; Token::LEN];
        bytes[..4].copy_from_slice(self.name.bytes());
        for (i, digit) in bytes[4..].iter_mut().enumerate() {
            *digit = DIGITS[(self.param >> (28 - 4 * i)) as usize & 0xf];
        }
        bytes
    }

    /// Takes one token off the front of `input`.
    ///
    /// `Ok(None)` when `input` is still too short: call again with more bytes. Digits of either
    /// case are accepted, signs and prefixes are not. Never panics, whatever the peer sent.
    ///
    /// # Errors
    /// [`WireError::UnknownToken`] and [`WireError::BadParam`]; `input` is then left as it was.
    pub fn decode(input: &mut &[u8]) -> Result<Option<Token>, WireError> {
        let Some((head, rest)) = input.split_first_chunk::<{ Token::LEN }>() else {
            return Ok(None);
        };
        let token = Token::from_wire(*head)?;
        *input = rest;
        Ok(Some(token))
    }

    pub(crate) fn from_wire(head: [u8; Token::LEN]) -> Result<Token, WireError> {
        let [a, b, c, d, digits @ ..] = head;
        let letters = [a, b, c, d];
        let name = TokenName::from_bytes(letters).ok_or(WireError::UnknownToken { letters })?;
        let param = hex_u32(digits).ok_or(WireError::BadParam { name, digits })?;
        Ok(Token { name, param })
    }
}

fn hex_u32(digits: [u8; 8]) -> Option<u32> {
    digits
        .iter()
        .try_fold(0, |number: u32, digit| Some(number << 4 | (*digit as char).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_token_is_four_letters_and_eight_lower_case_digits() {
        let token = Token { name: TokenName::Argv, param: 0xab };
        assert_eq!(&token.encode(), b"ARGV000000ab");
    }

    #[test]
    fn upper_case_digits_are_accepted() {
        let mut input: &[u8] = b"DOTI000000FFrest";
        let token = Token::decode(&mut input).unwrap().unwrap();
        assert_eq!(token, Token { name: TokenName::Doti, param: 255 });
        assert_eq!(input, b"rest");
    }

    #[test]
    fn signs_and_prefixes_are_no_digits() {
        for digits in [b"0x000001", b"-0000001", b"+0000001", b" 0000001"] {
            let mut bytes = b"DIST".to_vec();
            bytes.extend_from_slice(digits);
            let refused = Token::decode(&mut &bytes[..]);
            assert_eq!(
                refused,
                Err(WireError::BadParam { name: TokenName::Dist, digits: *digits })
            );
        }
    }

    #[test]
    fn an_http_request_is_no_token() {
        let refused = Token::decode(&mut &b"GET / HTTP/1.1"[..]);
        assert_eq!(refused, Err(WireError::UnknownToken { letters: *b"GET " }));
    }

    proptest! {
        #[test]
        fn decoding_gives_back_what_was_encoded(index in 0..TokenName::ALL.len(), param: u32) {
            let token = Token { name: TokenName::ALL[index], param };
            prop_assert_eq!(Token::decode(&mut &token.encode()[..]), Ok(Some(token)));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Token::decode(&mut &bytes[..]);
        }
    }
}
