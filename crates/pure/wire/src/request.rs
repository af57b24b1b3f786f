//! What the client sends: a command and its preprocessed source.

use std::borrow::Cow;

use crate::packet::{
    Packet, PacketAssembler, at_most, expect, length_param, pack_bulk, unpack_bulk,
};
use crate::{Limits, Token, TokenName, Version, WireError};

/// A job as it reached a server, in plain mode (versions 1 and 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The version to answer in.
    pub version: Version,
    /// The command, at least one word; the first is the compiler as the client named it.
    pub arguments: Vec<Vec<u8>>,
    /// The preprocessed source, unpacked.
    pub source: Vec<u8>,
}

/// The part of a request that can be sent before the source is ready: `DIST` to the last `ARGV`.
///
/// # Errors
/// [`WireError::TooLarge`] when a word or the number of words does not fit 32 bits.
pub fn encode_request_head(
    version: Version,
    arguments: &[impl AsRef<[u8]>],
) -> Result<Vec<u8>, WireError> {
    let n_bytes: usize = arguments.iter().map(|word| Token::LEN + word.as_ref().len()).sum();
    let mut head = Vec::with_capacity(2 * Token::LEN + n_bytes);
    head.extend(Token { name: TokenName::Dist, param: version.number() }.encode());
    let argc = length_param(TokenName::Argc, arguments.len())?;
    head.extend(Token { name: TokenName::Argc, param: argc }.encode());
    for word in arguments {
        let word = word.as_ref();
        let param = length_param(TokenName::Argv, word.len())?;
        head.extend(Token { name: TokenName::Argv, param }.encode());
        head.extend_from_slice(word);
    }
    Ok(head)
}

/// The rest of a plain-mode request: the `DOTI` token and the body to send right after it.
///
/// # Errors
/// [`WireError::TooLarge`] when the source does not fit 32 bits.
pub fn encode_source(
    version: Version,
    source: &[u8],
) -> Result<([u8; Token::LEN], Cow<'_, [u8]>), WireError> {
    pack_bulk(version, TokenName::Doti, source)
}

/// The server's half of receiving: fed with bytes, it gives the [`Request`] when that is whole.
///
/// Version 3 requests are refused with [`WireError::UnknownVersion`] until pump mode is served.
#[derive(Debug)]
pub struct RequestDecoder {
    limits: Limits,
    assembler: PacketAssembler,
    version: Option<Version>,
    arguments: Vec<Vec<u8>>,
    argument_bytes: usize,
    state: State,
}

/// What has to come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing has come: `DIST` opens a request.
    Version,
    /// The version is known.
    ArgumentCount,
    /// So many words of the command are still to come.
    Arguments { n_left: u32 },
    /// The command is whole.
    Source,
    /// The request was given out.
    Complete,
}

impl State {
    fn awaited(self) -> TokenName {
        match self {
            State::Version => TokenName::Dist,
            State::ArgumentCount => TokenName::Argc,
            State::Arguments { .. } => TokenName::Argv,
            State::Source | State::Complete => TokenName::Doti,
        }
    }
}

impl RequestDecoder {
    /// A decoder at the start of a connection.
    #[must_use]
    pub fn new(limits: Limits) -> RequestDecoder {
        RequestDecoder {
            limits,
            assembler: PacketAssembler::default(),
            version: None,
            arguments: Vec::new(),
            argument_bytes: 0,
            state: State::Version,
        }
    }

    /// Takes what the peer sent, in pieces of any size, and gives the request once it is whole.
    /// Bytes after its end are left in `input`. After `Some` the decoder takes nothing more.
    ///
    /// # Errors
    /// Any [`WireError`]; the connection is then of no further use. Never panics.
    pub fn push(&mut self, input: &mut &[u8]) -> Result<Option<Request>, WireError> {
        self.push_within(input, &mut |_| true)
    }

    /// As [`RequestDecoder::push`], for those who count memory: `may_take` is asked before so many
    /// more bytes are set aside to unpack the source, and its no is [`WireError::NoMemory`].
    ///
    /// # Errors
    /// Any [`WireError`]; the connection is then of no further use. Never panics.
    pub fn push_within(
        &mut self,
        input: &mut &[u8],
        may_take: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Option<Request>, WireError> {
        while self.state != State::Complete {
            let (state, limits, so_far) = (self.state, self.limits, self.argument_bytes);
            let judge = |token| judge(state, &limits, so_far, token);
            let Some(packet) = self.assembler.push(input, judge)? else { return Ok(None) };
            if let Some(request) = self.accept(packet, may_take)? {
                return Ok(Some(request));
            }
        }
        Ok(None)
    }

    /// The version of the request, as soon as it is known: what a refusal has to be written in.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    /// The command, as soon as it is whole and before the source has arrived: what may be judged
    /// early.
    #[must_use]
    pub fn command(&self) -> Option<&[Vec<u8>]> {
        (self.state == State::Source).then_some(&self.arguments)
    }

    /// The error to report when the peer's data ends now.
    #[must_use]
    pub fn truncated(&self) -> WireError {
        WireError::Truncated { awaited: self.state.awaited() }
    }

    fn accept(
        &mut self,
        packet: Packet,
        may_take: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Option<Request>, WireError> {
        let param = packet.token.param;
        self.state = match self.state {
            State::Version => {
                self.version = Some(Version::from_number(param)?);
                State::ArgumentCount
            }
            State::ArgumentCount => State::Arguments { n_left: param },
            State::Arguments { n_left } => {
                self.argument_bytes += packet.body.len();
                self.arguments.push(packet.body);
                match n_left - 1 {
                    0 => State::Source,
                    n_left => State::Arguments { n_left },
                }
            }
            State::Source | State::Complete => {
                self.state = State::Complete;
                let version = self.version.unwrap_or(Version::V1);
                let source = unpack_bulk(version, packet, &self.limits, may_take)?;
                let arguments = std::mem::take(&mut self.arguments);
                return Ok(Some(Request { version, arguments, source }));
            }
        };
        Ok(None)
    }
}

/// Whether `token` may come now and is within its limit.
fn judge(
    state: State,
    limits: &Limits,
    argument_bytes: usize,
    token: Token,
) -> Result<(), WireError> {
    expect(state.awaited(), token)?;
    match state {
        State::Version => match Version::from_number(token.param)? {
            Version::V1 | Version::V2 => Ok(()),
            Version::V3 => Err(WireError::UnknownVersion { number: 3 }),
        },
        State::ArgumentCount if token.param == 0 => Err(WireError::EmptyCommand),
        State::ArgumentCount => at_most(limits.n_arguments as usize, token),
        State::Arguments { .. } => at_most(limits.argument_bytes - argument_bytes, token),
        State::Source | State::Complete => at_most(limits.body_bytes, token),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(version: Version, arguments: &[&[u8]], source: &[u8]) -> Vec<u8> {
        let mut bytes = encode_request_head(version, arguments).unwrap();
        let (token, body) = encode_source(version, source).unwrap();
        bytes.extend(token);
        bytes.extend(body.iter());
        bytes
    }

    fn decode(mut bytes: &[u8]) -> Result<Option<Request>, WireError> {
        RequestDecoder::new(Limits::DEFAULT).push(&mut bytes)
    }

    #[track_caller]
    fn check_refused(bytes: &[u8], expected: WireError) {
        assert_eq!(decode(bytes), Err(expected));
    }

    #[test]
    fn a_version_1_request_travels_as_it_is() {
        let bytes = encode(Version::V1, &[b"gcc", b"-c", b"a.c"], b"int x;\n");
        let expected = b"DIST00000001ARGC00000003ARGV00000003gccARGV00000002-cARGV00000003a.c\
            DOTI00000007int x;\n";
        assert_eq!(bytes, expected);
    }

    #[test]
    fn a_command_without_a_word_is_refused() {
        check_refused(b"DIST00000001ARGC00000000", WireError::EmptyCommand);
    }

    #[test]
    fn a_huge_argument_is_refused_before_its_body_comes() {
        check_refused(
            b"DIST00000001ARGC00000001ARGV40000000",
            WireError::TooLarge { name: TokenName::Argv, size: 1 << 30, limit: 2 << 20 },
        );
    }

    #[test]
    fn the_arguments_share_one_limit() {
        let limits = Limits { argument_bytes: 5, ..Limits::DEFAULT };
        let bytes = encode(Version::V1, &[b"gcc", b"a.c"], b"");
        let refused = RequestDecoder::new(limits).push(&mut &bytes[..]);
        let expected = WireError::TooLarge { name: TokenName::Argv, size: 3, limit: 2 };
        assert_eq!(refused, Err(expected));
    }

    #[test]
    fn version_0_and_pump_mode_are_refused() {
        check_refused(b"DIST00000000", WireError::UnknownVersion { number: 0 });
        check_refused(b"DIST00000003", WireError::UnknownVersion { number: 3 });
        check_refused(b"DIST00000fa0", WireError::UnknownVersion { number: 4000 });
    }

    #[test]
    fn a_reply_is_no_request() {
        check_refused(
            b"DONE00000001",
            WireError::Unexpected {
                expected: TokenName::Dist,
                got: Token { name: TokenName::Done, param: 1 },
            },
        );
    }

    #[test]
    fn a_small_body_that_unpacks_to_a_huge_one_is_refused() {
        let limits = Limits { unpacked_bytes: 1 << 20, ..Limits::DEFAULT };
        let bytes = encode(Version::V2, &[b"gcc"], &vec![b' '; 8 << 20]);
        assert!(bytes.len() < 1 << 20);
        let refused = RequestDecoder::new(limits).push(&mut &bytes[..]);
        assert!(matches!(refused, Err(WireError::Lzo { name: TokenName::Doti, .. })));
    }

    #[test]
    fn bytes_after_the_request_are_left_alone() {
        let mut bytes = encode(Version::V1, &[b"gcc"], b"x");
        bytes.extend_from_slice(b"more");
        let mut rest = &bytes[..];
        let mut decoder = RequestDecoder::new(Limits::DEFAULT);
        assert!(decoder.push(&mut rest).unwrap().is_some());
        assert_eq!(rest, b"more");
        assert_eq!(decoder.push(&mut rest), Ok(None));
    }

    proptest! {
        #[test]
        fn any_split_of_the_bytes_gives_the_same_request(
            compressed: bool,
            arguments in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 1..5),
            source in prop::collection::vec(any::<u8>(), 0..200),
            cuts in prop::collection::vec(1usize..40, 0..60),
        ) {
            let version = if compressed { Version::V2 } else { Version::V1 };
            let words: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
            let bytes = encode(version, &words, &source);
            let expected = Request { version, arguments: arguments.clone(), source };
            let mut decoder = RequestDecoder::new(Limits::DEFAULT);
            let mut rest = &bytes[..];
            let mut got = None;
            let mut cuts = cuts.into_iter();
            while !rest.is_empty() {
                let (mut piece, tail) =
                    rest.split_at(cuts.next().unwrap_or(rest.len()).min(rest.len()));
                rest = tail;
                got = decoder.push(&mut piece).unwrap().or(got);
            }
            prop_assert_eq!(got, Some(expected));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = decode(&[b"DIST00000002ARGC00000001ARGV00000001x", &bytes[..]].concat());
            let _ = decode(&bytes);
        }
    }
}
