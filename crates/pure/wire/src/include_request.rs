//! What a client of distcc 3.4 asks its include server, over a Unix socket, and what that answers.

use crate::packet::{Packet, PacketAssembler, at_most, expect, length_param};
use crate::{Limits, Token, TokenName, WireError};

/// A question of distcc 3.4: which files does this command read?
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncludeRequest {
    /// The client's working folder.
    pub folder: Vec<u8>,
    /// The command, at least one word; the first is the compiler.
    pub arguments: Vec<Vec<u8>>,
}

/// What has to come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Folder,
    Count,
    Arguments { n_left: u32 },
    Complete,
}

/// The include server's half: fed with bytes, it gives the [`IncludeRequest`] when that is whole.
#[derive(Debug)]
pub struct IncludeRequestDecoder {
    limits: Limits,
    assembler: PacketAssembler,
    request: IncludeRequest,
    argument_bytes: usize,
    state: State,
}

impl IncludeRequestDecoder {
    /// A decoder at the start of a connection.
    #[must_use]
    pub fn new(limits: Limits) -> IncludeRequestDecoder {
        IncludeRequestDecoder {
            limits,
            assembler: PacketAssembler::default(),
            request: IncludeRequest::default(),
            argument_bytes: 0,
            state: State::Folder,
        }
    }

    /// Takes what the client sent, in pieces of any size, and gives the request once it is whole.
    /// Bytes after its end are left in `input`. After `Some` the decoder takes nothing more.
    ///
    /// # Errors
    /// Any [`WireError`]; the connection is then of no further use. Never panics.
    pub fn push(&mut self, input: &mut &[u8]) -> Result<Option<IncludeRequest>, WireError> {
        while self.state != State::Complete {
            let (state, limits, so_far) = (self.state, self.limits, self.argument_bytes);
            let judge = |token| judge(state, &limits, so_far, token);
            let Some(packet) = self.assembler.push(input, judge)? else { return Ok(None) };
            self.accept(packet);
            if self.state == State::Complete {
                return Ok(Some(std::mem::take(&mut self.request)));
            }
        }
        Ok(None)
    }

    fn accept(&mut self, packet: Packet) {
        self.state = match self.state {
            State::Folder => {
                self.request.folder = packet.body;
                State::Count
            }
            State::Count => State::Arguments { n_left: packet.token.param },
            State::Arguments { n_left } => {
                self.argument_bytes += packet.body.len();
                self.request.arguments.push(packet.body);
                if n_left == 1 { State::Complete } else { State::Arguments { n_left: n_left - 1 } }
            }
            State::Complete => State::Complete,
        };
    }
}

/// Whether that token may come now.
fn judge(state: State, limits: &Limits, so_far: usize, token: Token) -> Result<(), WireError> {
    match state {
        State::Folder => {
            expect(TokenName::Cdir, token)?;
            at_most(limits.argument_bytes.min(crate::LONGEST_NAME), token)
        }
        State::Count => {
            expect(TokenName::Argc, token)?;
            if token.param == 0 {
                return Err(WireError::EmptyCommand);
            }
            at_most(limits.n_arguments as usize, token)
        }
        State::Arguments { .. } | State::Complete => {
            expect(TokenName::Argv, token)?;
            at_most(limits.argument_bytes - so_far, token)
        }
    }
}

/// The answer: the names of the copies that the client is to send; none where it has to preprocess.
///
/// # Errors
/// [`WireError::TooLarge`] when a name or their number does not fit 32 bits.
pub fn encode_include_answer(names: &[impl AsRef<[u8]>]) -> Result<Vec<u8>, WireError> {
    let param = length_param(TokenName::Argc, names.len())?;
    let mut answer = Token { name: TokenName::Argc, param }.encode().to_vec();
    for name in names {
        let name = name.as_ref();
        let param = length_param(TokenName::Argv, name.len())?;
        answer.extend(Token { name: TokenName::Argv, param }.encode());
        answer.extend_from_slice(name);
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(mut bytes: &[u8]) -> Result<Option<IncludeRequest>, WireError> {
        IncludeRequestDecoder::new(Limits::DEFAULT).push(&mut bytes)
    }

    #[test]
    fn what_3_4_asks_is_understood() {
        let asked = b"CDIR00000002/wARGC00000002ARGV00000003gccARGV00000003a.c";
        let request = decode(asked).unwrap().unwrap();
        assert_eq!(request.folder, b"/w");
        assert_eq!(request.arguments, [b"gcc".to_vec(), b"a.c".to_vec()]);
    }

    #[test]
    fn a_command_has_a_word_and_limits() {
        let named = |rest: &str| decode(["CDIR00000002/w", rest].concat().as_bytes());
        assert_eq!(named("ARGC00000000"), Err(WireError::EmptyCommand));
        for rest in ["ARGC00004001", "ARGC00000001ARGV00200001"] {
            assert!(matches!(named(rest), Err(WireError::TooLarge { .. })), "{rest}");
        }
        // Together they are too long.
        let half = ["ARGV00100001", &"x".repeat(0x0010_0001)].concat();
        let rest = ["ARGC00000002", &half, "ARGV00100000"].concat();
        assert!(matches!(named(&rest), Err(WireError::TooLarge { .. })));
        assert!(matches!(decode(b"ARGC00000001"), Err(WireError::Unexpected { .. })));
    }

    #[test]
    fn an_answer_is_words_again() {
        let answer = encode_include_answer(&["/a/b", ""]).unwrap();
        assert_eq!(answer, b"ARGC00000002ARGV00000004/a/bARGV00000000");
        assert_eq!(encode_include_answer(&[""; 0]).unwrap(), b"ARGC00000000");
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_answer(bytes: Vec<u8>, cut in 0..200_usize) {
            let bytes = [&b"CDIR00000002/wARGC00000001ARGV00000001"[..], &bytes].concat();
            let (mut first, mut second) = bytes.split_at(cut.min(bytes.len()));
            let mut decoder = IncludeRequestDecoder::new(Limits::DEFAULT);
            let mut pieces = decoder.push(&mut first);
            if matches!(pieces, Ok(None)) {
                pieces = decoder.push(&mut second);
            }
            prop_assert_eq!(pieces, decode(&bytes));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
