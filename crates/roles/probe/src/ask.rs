//! Asking one server: does it listen, does it compile?

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use transport::Connection;
use wire::{Token, TokenName, Version, lzo};

/// What to ask, and how long to wait for the answer.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// The longest wait for a connection.
    pub(crate) connect_limit: Duration,
    /// A compile to ask for; `None`: a connection is enough.
    pub(crate) compile: Option<Compile>,
}

/// A tiny job, ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Compile {
    /// The longest wait for its answer.
    pub(crate) limit: Duration,
    version: Version,
    request: Vec<u8>,
}

/// The source of the tiny job. Source: what lsdistcc 3.4 sends.
const SOURCE: &[u8] = b"int foo(){return 0;}";

impl Compile {
    /// The job that lsdistcc 3.4 asks for: `COMPILER -c hello.c -o hello.o`.
    pub(crate) fn new(version: Version, compiler: &str, limit: Duration) -> Compile {
        let words = [compiler, "-c", "hello.c", "-o", "hello.o"];
        let mut packets = Packets::default();
        packets.number(TokenName::Dist, version.number());
        if version == Version::V3 {
            packets.bytes(TokenName::Cdir, b"/");
        }
        packets.number(TokenName::Argc, words.len() as u32);
        for word in words {
            packets.bytes(TokenName::Argv, word.as_bytes());
        }
        match version {
            Version::V1 => packets.bytes(TokenName::Doti, SOURCE),
            Version::V2 => packets.bytes(TokenName::Doti, &lzo::compress(SOURCE)),
            Version::V3 => {
                packets.number(TokenName::Nfil, 1);
                packets.bytes(TokenName::Name, b"/hello.c");
                packets.bytes(TokenName::File, &lzo::compress(SOURCE));
            }
        }
        Compile { limit, version, request: packets.0 }
    }

    /// Has the job compiled over `connection`. Of the answer only its beginning matters.
    fn run(&self, connection: &Connection) -> io::Result<()> {
        let deadline = Instant::now() + self.limit;
        let left = || deadline.saturating_duration_since(Instant::now());
        connection.send(&[&self.request], left())?;
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            if let Some(judgment) = self.judge(&answer) {
                return judgment;
            }
            match connection.receive(&mut buffer, left())? {
                0 => return Err(io::Error::other("it closed the connection without an answer")),
                n_bytes => answer.extend_from_slice(&buffer[..n_bytes]),
            }
        }
    }

    /// What an answer that begins with `answer` means; `None` while that cannot be told.
    fn judge(&self, mut answer: &[u8]) -> Option<io::Result<()>> {
        let no_server = || Some(Err(io::Error::other("its answer is not distcc's")));
        let opening = match Token::decode(&mut answer) {
            Ok(token) => token?,
            Err(_) => return no_server(),
        };
        if opening != (Token { name: TokenName::Done, param: self.version.number() }) {
            return no_server();
        }
        match Token::decode(&mut answer) {
            Ok(None) => None,
            Ok(Some(Token { name: TokenName::Stat, param: 0 })) => Some(Ok(())),
            Ok(Some(Token { name: TokenName::Stat, param })) => {
                Some(Err(io::Error::other(format!("it could not compile (status {param:#x})"))))
            }
            Ok(Some(_)) | Err(_) => no_server(),
        }
    }
}

/// Tokens and bodies, one after the other.
#[derive(Default)]
struct Packets(Vec<u8>);

impl Packets {
    fn number(&mut self, name: TokenName, param: u32) {
        self.0.extend(Token { name, param }.encode());
    }

    /// A body of the command line's or ours: far below 4 GiB.
    fn bytes(&mut self, name: TokenName, body: &[u8]) {
        self.number(name, body.len() as u32);
        self.0.extend_from_slice(body);
    }
}

/// Asks at each of `addresses` until one answers as wished; gives that one and the time it took.
///
/// # Errors
/// Why the last of them did not.
pub(crate) fn ask(
    addresses: &[SocketAddr],
    question: &Question,
) -> io::Result<(SocketAddr, Duration)> {
    let deadline = Instant::now() + question.connect_limit;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        let begun = Instant::now();
        // Addresses that do not answer share the limit, and none gets nothing.
        let left = deadline.saturating_duration_since(begun).max(Duration::from_millis(1));
        let asked = TcpStream::connect_timeout(address, left)
            .and_then(Connection::from_tcp)
            .and_then(|connection| match &question.compile {
                Some(compile) => compile.run(&connection),
                None => Ok(()),
            });
        match asked {
            Ok(()) => return Ok((*address, begun.elapsed())),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes are those that lsdistcc 3.4 was seen to send.
    #[test]
    fn the_tiny_job_is_the_originals() {
        let request = |version| {
            let compile = Compile::new(version, "gcc", Duration::ZERO);
            String::from_utf8_lossy(&compile.request).into_owned()
        };
        let command = "ARGC00000005ARGV00000003gccARGV00000002-cARGV00000007hello.c\
                       ARGV00000002-oARGV00000007hello.o";
        assert_eq!(
            request(Version::V1),
            format!("DIST00000001{command}DOTI00000014int foo(){{return 0;}}")
        );
        let packed = "%int foo(){return 0;}\u{11}\0\0";
        assert_eq!(request(Version::V2), format!("DIST00000002{command}DOTI00000018{packed}"));
        assert_eq!(
            request(Version::V3),
            format!(
                "DIST00000003CDIR00000001/{command}NFIL00000001NAME00000008/hello.cFILE00000018{packed}"
            )
        );
    }

    #[track_caller]
    fn check(answer: &[u8], expected: &str) {
        let compile = Compile::new(Version::V1, "gcc", Duration::ZERO);
        let got = match compile.judge(answer) {
            None => "not yet".to_owned(),
            Some(Ok(())) => "yes".to_owned(),
            Some(Err(error)) => error.to_string(),
        };
        assert_eq!(got, expected);
    }

    #[test]
    fn the_first_two_tokens_of_an_answer_decide() {
        check(b"", "not yet");
        check(b"DONE00000001STAT0000", "not yet");
        check(b"DONE00000001STAT00000000", "yes");
        check(b"DONE00000001STAT00006e00SERR", "it could not compile (status 0x6e00)");
        check(b"DONE00000002STAT00000000", "its answer is not distcc's");
        check(b"HTTP/1.0 400 Bad", "its answer is not distcc's");
        check(b"DONE00000001DOTO00000000", "its answer is not distcc's");
    }
}
