//! What the server answers: how the compiler ended, what it said, and the object.

use std::io;

use crate::packet::{Packet, PacketAssembler, at_most, expect, pack_bulk, unpack_bulk};
use crate::{Limits, Token, TokenName, Version, WireError};

/// How the compiler ended, as Unix reports it: exit code in bits 8 to 15, or the terminating
/// signal in the low 7 bits, with bit 7 set when it left a core file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitStatus(pub u32);

impl WaitStatus {
    /// A compiler that ended by itself with `code`.
    #[must_use]
    pub fn exited(code: u8) -> WaitStatus {
        WaitStatus((code as u32) << 8)
    }

    /// A compiler that was ended by `signal`.
    #[must_use]
    pub fn signaled(signal: u8) -> WaitStatus {
        WaitStatus(u32::from(signal & 0x7f))
    }

    /// The exit code, unless a signal ended the compiler.
    #[must_use]
    pub fn code(self) -> Option<u8> {
        (self.0 & 0x7f == 0).then_some((self.0 >> 8) as u8)
    }

    /// The signal that ended the compiler, if one did.
    #[must_use]
    pub fn signal(self) -> Option<u8> {
        let signal = (self.0 & 0x7f) as u8;
        (signal != 0).then_some(signal)
    }

    /// Whether the compiler succeeded.
    #[must_use]
    pub fn is_success(self) -> bool {
        self.0 == 0
    }
}

/// The answer to one job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// How the compiler ended.
    pub status: WaitStatus,
    /// The compiler's standard error, and the server's own words about the job.
    pub stderr: Vec<u8>,
    /// The compiler's standard output.
    pub stdout: Vec<u8>,
    /// The object. Empty when the compiler failed; after success an empty one is as it came.
    pub object: Vec<u8>,
    /// The dependency file that the compiler wrote. Travels in version 3 alone, after success.
    pub dependencies: Vec<u8>,
}

impl Reply {
    /// The whole reply as it travels.
    ///
    /// # Errors
    /// [`WireError::TooLarge`] when a body does not fit 32 bits.
    pub fn encode(&self, version: Version) -> Result<Vec<u8>, WireError> {
        let mut bytes = Vec::with_capacity(self.object.len() + 6 * Token::LEN);
        bytes.extend(Token { name: TokenName::Done, param: version.number() }.encode());
        bytes.extend(Token { name: TokenName::Stat, param: self.status.0 }.encode());
        let object: &[u8] = if self.status.is_success() { &self.object } else { &[] };
        let dependencies = has_dependencies(version, self.status)
            .then_some((TokenName::Dotd, &self.dependencies[..]));
        let bodies = [
            (TokenName::Serr, &self.stderr[..]),
            (TokenName::Sout, &self.stdout[..]),
            (TokenName::Doto, object),
        ];
        for (name, content) in bodies.into_iter().chain(dependencies) {
            let (token, body) = pack_bulk(version, name, content)?;
            bytes.extend(token);
            bytes.extend_from_slice(&body);
        }
        Ok(bytes)
    }
}

/// Whether the dependency file comes after the object.
fn has_dependencies(version: Version, status: WaitStatus) -> bool {
    version == Version::V3 && status.is_success()
}

/// The client's half of receiving: fed with bytes, it gives the [`Reply`] when that is whole.
#[derive(Debug)]
pub struct ReplyDecoder {
    version: Version,
    limits: Limits,
    assembler: PacketAssembler,
    state: State,
    reply: Reply,
}

/// What has to come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing has come: `DONE` opens a reply.
    Version,
    /// The version was ours.
    Status,
    /// Then the compiler's two streams.
    Stderr,
    /// Its standard error is whole.
    Stdout,
    /// Both streams are whole.
    Object,
    /// The object is whole, and the dependency file follows.
    Dependencies,
    /// The reply was given out.
    Complete,
}

impl State {
    fn awaited(self) -> TokenName {
        match self {
            State::Version => TokenName::Done,
            State::Status => TokenName::Stat,
            State::Stderr => TokenName::Serr,
            State::Stdout => TokenName::Sout,
            State::Object | State::Complete => TokenName::Doto,
            State::Dependencies => TokenName::Dotd,
        }
    }
}

impl ReplyDecoder {
    /// A decoder for the answer to a request that was sent in `version`.
    #[must_use]
    pub fn new(version: Version, limits: Limits) -> ReplyDecoder {
        ReplyDecoder {
            version,
            limits,
            assembler: PacketAssembler::default(),
            state: State::Version,
            reply: Reply::default(),
        }
    }

    /// Takes what the peer sent, in pieces of any size, and gives the reply once it is whole.
    ///
    /// # Errors
    /// Any [`WireError`]; the connection is then of no further use. Never panics.
    pub fn push(&mut self, input: &mut &[u8]) -> Result<Option<Reply>, WireError> {
        while self.state != State::Complete {
            let (state, version, limits) = (self.state, self.version, self.limits);
            let judge = |token| judge(state, version, &limits, token);
            let Some(packet) = self.assembler.push(input, judge)? else { return Ok(None) };
            self.accept(packet)?;
            if self.state == State::Complete {
                return Ok(Some(std::mem::take(&mut self.reply)));
            }
        }
        Ok(None)
    }

    /// Whether the peer has begun to answer.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.state != State::Version
    }

    /// The error to report when the peer's data ends now.
    #[must_use]
    pub fn truncated(&self) -> WireError {
        WireError::Truncated { awaited: self.state.awaited() }
    }

    /// Receives a whole reply by `receive`, which says how many bytes it has put into the buffer: 0 at
    /// the end of the peer's data. `None`: the peer hung up without a word.
    ///
    /// # Errors
    /// Those of `receive`, and a [`WireError`] where what comes is no reply.
    pub fn receive(
        mut self,
        mut receive: impl FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<Option<Reply>> {
        let mut buffer = [0; 4096];
        loop {
            let n_bytes = receive(&mut buffer)?;
            if n_bytes == 0 && !self.has_begun() {
                return Ok(None);
            }
            if n_bytes == 0 {
                return Err(io::Error::other(self.truncated()));
            }
            if let Some(reply) = self.push(&mut &buffer[..n_bytes]).map_err(io::Error::other)? {
                return Ok(Some(reply));
            }
        }
    }

    fn accept(&mut self, packet: Packet) -> Result<(), WireError> {
        let param = packet.token.param;
        self.state = match self.state {
            State::Version => State::Status,
            State::Status => {
                self.reply.status = WaitStatus(param);
                State::Stderr
            }
            State::Stderr => {
                self.reply.stderr = unpack_bulk(self.version, packet, &self.limits, &mut |_| true)?;
                State::Stdout
            }
            State::Stdout => {
                self.reply.stdout = unpack_bulk(self.version, packet, &self.limits, &mut |_| true)?;
                State::Object
            }
            State::Object => {
                self.reply.object = unpack_bulk(self.version, packet, &self.limits, &mut |_| true)?;
                match has_dependencies(self.version, self.reply.status) {
                    true => State::Dependencies,
                    false => State::Complete,
                }
            }
            State::Dependencies | State::Complete => {
                self.reply.dependencies =
                    unpack_bulk(self.version, packet, &self.limits, &mut |_| true)?;
                State::Complete
            }
        };
        Ok(())
    }
}

/// Whether `token` may come now and is within its limit.
fn judge(state: State, version: Version, limits: &Limits, token: Token) -> Result<(), WireError> {
    expect(state.awaited(), token)?;
    match state {
        State::Version if token.param != version.number() => {
            Err(WireError::OtherVersion { asked: version.number(), got: token.param })
        }
        State::Version | State::Status => Ok(()),
        State::Stderr | State::Stdout | State::Object | State::Dependencies | State::Complete => {
            at_most(limits.body_bytes, token)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(version: Version, mut bytes: &[u8]) -> Result<Option<Reply>, WireError> {
        ReplyDecoder::new(version, Limits::DEFAULT).push(&mut bytes)
    }

    #[test]
    fn a_failed_compile_carries_no_object() {
        let reply = Reply {
            status: WaitStatus::exited(1),
            stderr: b"no".to_vec(),
            stdout: vec![],
            object: b"left over".to_vec(),
            dependencies: b"a.o: a.c".to_vec(),
        };
        assert_eq!(
            reply.encode(Version::V1).unwrap(),
            b"DONE00000001STAT00000100SERR00000002noSOUT00000000DOTO00000000"
        );
        let reply = Reply { stderr: vec![], ..reply };
        assert_eq!(
            reply.encode(Version::V3).unwrap(),
            b"DONE00000003STAT00000100SERR00000000SOUT00000000DOTO00000000"
        );
    }

    #[test]
    fn dependencies_follow_the_object_in_version_3() {
        let reply = Reply { dependencies: b"a.o: a.c\n".to_vec(), ..Reply::default() };
        let bytes = reply.encode(Version::V3).unwrap();
        assert!(
            bytes.starts_with(b"DONE00000003STAT00000000SERR00000000SOUT00000000DOTO00000000DOTD")
        );
        assert_eq!(decode(Version::V3, &bytes), Ok(Some(reply.clone())));
        let mut decoder = ReplyDecoder::new(Version::V3, Limits::DEFAULT);
        assert_eq!(decoder.push(&mut &bytes[..60]), Ok(None));
        assert_eq!(decoder.truncated(), WireError::Truncated { awaited: TokenName::Dotd });
        assert!(reply.encode(Version::V2).unwrap().ends_with(b"DOTO00000000"));
    }

    #[test]
    fn a_reply_is_received_in_whatever_pieces_it_comes() {
        let reply = Reply { stderr: b"x".to_vec(), ..Reply::default() };
        let bytes = reply.encode(Version::V1).unwrap();
        let received = |bytes: &[u8]| {
            let mut left = bytes;
            ReplyDecoder::new(Version::V1, Limits::DEFAULT).receive(|buffer| {
                let n_bytes = left.len().min(5);
                buffer[..n_bytes].copy_from_slice(&left[..n_bytes]);
                left = &left[n_bytes..];
                Ok(n_bytes)
            })
        };
        assert_eq!(received(&bytes).unwrap(), Some(reply.clone()));
        assert_eq!(received(b"").unwrap(), None);
        assert!(received(&bytes[..20]).is_err());
        assert!(received(b"HTTP/1.1 400").is_err());
    }

    #[test]
    fn an_answer_in_another_version_is_refused() {
        assert_eq!(
            decode(Version::V2, b"DONE00000001"),
            Err(WireError::OtherVersion { asked: 2, got: 1 })
        );
    }

    #[test]
    fn a_wait_status_is_read_as_unix_writes_it() {
        assert_eq!(WaitStatus(0x6e00).code(), Some(110));
        assert_eq!(WaitStatus(11).signal(), Some(11));
        assert_eq!(WaitStatus(0x8b).signal(), Some(11));
        assert_eq!(WaitStatus(0x8b).code(), None);
        assert!(WaitStatus(0).is_success());
    }

    #[test]
    fn an_unfinished_reply_names_what_is_missing() {
        let mut decoder = ReplyDecoder::new(Version::V1, Limits::DEFAULT);
        assert_eq!(decoder.push(&mut &b"DONE00000001STAT0000"[..]), Ok(None));
        assert_eq!(decoder.truncated(), WireError::Truncated { awaited: TokenName::Stat });
    }

    proptest! {
        #[test]
        fn decoding_gives_back_what_was_encoded(
            number in 1..=3_u32,
            stderr: Vec<u8>,
            stdout: Vec<u8>,
            object: Vec<u8>,
            mut dependencies: Vec<u8>,
        ) {
            let version = Version::from_number(number).unwrap();
            if version != Version::V3 {
                dependencies.clear();
            }
            let reply = Reply { status: WaitStatus(0), stderr, stdout, object, dependencies };
            let bytes = reply.encode(version).unwrap();
            prop_assert_eq!(decode(version, &bytes), Ok(Some(reply)));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let head = b"DONE00000002STAT00000000";
            let _ = decode(Version::V2, &[&head[..], &bytes].concat());
            let _ = decode(Version::V1, &bytes);
            let head = b"DONE00000003STAT00000000SERR00000000SOUT00000000DOTO00000000";
            let _ = decode(Version::V3, &[&head[..], &bytes].concat());
        }
    }
}
