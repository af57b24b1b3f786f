//! A client that sends whatever it likes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use wire::{Limits, Reply, ReplyDecoder, Version, encode_request_head, encode_source};

/// How long an answer may take before a test gives up: far beyond what it takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What came back.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A whole reply.
    Reply(Box<Reply>),
    /// The server closed, and had said this before: no whole reply.
    Closed(Vec<u8>),
}

impl Answer {
    /// All bytes that came back, unpacked where they were packed.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Answer::Reply(reply) => {
                [&reply.stderr[..], &reply.stdout, &reply.object, &reply.dependencies].concat()
            }
            Answer::Closed(said) => said.clone(),
        }
    }
}

/// One connection.
pub(crate) struct Talk {
    pub(crate) stream: TcpStream,
}

impl Talk {
    pub(crate) fn connect(port: u16) -> Result<Talk> {
        Talk::connect_from(Ipv4Addr::LOCALHOST, port)
    }

    /// A connection from another address of this machine.
    pub(crate) fn connect_from(address: Ipv4Addr, port: u16) -> Result<Talk> {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        bind(&socket, &SocketAddrV4::new(address, 0))?;
        connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
        Talk::of(TcpStream::from(socket))
    }

    fn of(stream: TcpStream) -> Result<Talk> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Talk { stream })
    }

    /// Sends bytes. A server that has already refused the rest is no error.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Says that no more comes.
    pub(crate) fn end(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Closes so that the server hears of an error, not of an end.
    pub(crate) fn reset(self) -> Result<()> {
        rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO))?;
        Ok(())
    }

    /// Reads until there is a reply in `version`, or the server closes.
    pub(crate) fn answer(&mut self, version: Version) -> Result<Answer> {
        let mut decoder = ReplyDecoder::new(version, Limits::DEFAULT);
        let (mut all, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let n_bytes = match self.stream.read(&mut buffer) {
                Ok(n_bytes) => n_bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
                Err(error) => return Err(error).context("waiting for the answer"),
            };
            if n_bytes == 0 {
                return Ok(Answer::Closed(all));
            }
            all.extend_from_slice(&buffer[..n_bytes]);
            let reply = decoder.push(&mut &buffer[..n_bytes]);
            if let Some(reply) = reply.context("the answer is not one")? {
                return Ok(Answer::Reply(Box::new(reply)));
            }
        }
        bail!("no answer within {PATIENCE:?}")
    }
}

/// The words of a command, as they travel.
pub(crate) fn head(version: Version, words: &[Vec<u8>]) -> Vec<u8> {
    encode_request_head(version, words).expect("the words fit")
}

/// A whole job, as it travels.
pub(crate) fn request(version: Version, words: &[Vec<u8>], source: &[u8]) -> Vec<u8> {
    let mut bytes = head(version, words);
    let (token, body) = encode_source(version, source).expect("the source fits");
    bytes.extend(token);
    bytes.extend_from_slice(&body);
    bytes
}

/// The words of a command.
pub(crate) fn words(command: &str) -> Vec<Vec<u8>> {
    command.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

/// What has to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// A refusal with this code of distcc's, and the reason.
    Refused(u8),
    /// An object: the attack is taken for nothing.
    Served,
    /// The compiler's own error.
    CompilerError,
    /// A reply.
    Answered,
    /// A refusal or a compiler's error.
    NotServed,
    /// Nothing: the client is taken for gone.
    Closed,
    /// Whatever comes: what is left counts.
    Anything,
}

impl Expect {
    /// Checks an answer.
    pub(crate) fn check(self, answer: &Answer) -> Result<()> {
        let said = String::from_utf8_lossy(&answer.bytes()).chars().take(600).collect::<String>();
        let code = match answer {
            Answer::Reply(reply) => reply.status.code(),
            Answer::Closed(_) => None,
        };
        let is_reply = matches!(answer, Answer::Reply(_));
        let is_as_expected = match self {
            Expect::Refused(wanted) => code == Some(wanted) && said.contains("] ERROR: "),
            Expect::Served => code == Some(0),
            Expect::CompilerError => code.is_some_and(|code| (1..100).contains(&code)),
            Expect::Answered => is_reply,
            Expect::NotServed => is_reply && code != Some(0),
            Expect::Closed => !is_reply && said.is_empty(),
            Expect::Anything => true,
        };
        ensure!(is_as_expected, "{self:?} was expected, not code {code:?}: {said}");
        Ok(())
    }
}
