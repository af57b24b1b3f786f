//! One who came to the port: heard, answered, and given the time to read it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use web::{Heard, Request, hear};

/// How long a peer may be silent until it gets the page of 3.4, for which nobody has to ask.
const SILENCE: Duration = Duration::from_secs(1);

/// How long a peer may take to ask.
const ASKING: Duration = Duration::from_secs(3);

/// How long a peer may take to read its answer.
const READING: Duration = Duration::from_secs(10);

/// How long one who was sent the answer has to hang up.
const LINGER: Duration = Duration::from_secs(3);

/// How much a peer may send after its request; none of it matters.
const MOST_BYTES: usize = 64 << 10;

/// A peer and how far it is.
#[derive(Debug)]
pub(super) struct Peer {
    stream: TcpStream,
    stage: Stage,
    /// When this stage is over.
    until: Instant,
}

#[derive(Debug)]
enum Stage {
    /// It says what it wants.
    Asking { heard: Vec<u8>, deadline: Instant },
    /// It reads.
    Reading { answer: Vec<u8>, n_sent: usize },
    /// It has its answer. Closing at once would take it away again, where the peer has sent
    /// something that was not read.
    Lingering { n_bytes: usize },
}

/// What a peer is asked to be answered with; `None`: it asks for nothing that we know.
pub(super) type Answer<'a> = dyn FnMut(Option<&Request>) -> Vec<u8> + 'a;

impl Peer {
    /// One who has just come.
    pub(super) fn new(stream: TcpStream, now: Instant) -> io::Result<Peer> {
        stream.set_nonblocking(true)?;
        let stage = Stage::Asking { heard: Vec::new(), deadline: now + ASKING };
        Ok(Peer { stream, stage, until: now + SILENCE })
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// When to look at it at the latest.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// What it is waited for.
    pub(super) fn wanted(&self) -> PollFlags {
        match self.stage {
            Stage::Asking { .. } | Stage::Lingering { .. } => PollFlags::IN,
            Stage::Reading { .. } => PollFlags::OUT,
        }
    }

    /// Goes on with it as far as it goes without waiting. False when it is done with.
    pub(super) fn go_on(&mut self, now: Instant, answer: &mut Answer<'_>) -> bool {
        self.advance(now, answer).unwrap_or(false)
    }

    /// Answers one who has to make room, as far as that goes without waiting.
    pub(super) fn hurry(mut self, answer: &mut Answer<'_>) {
        if let Stage::Asking { .. } = self.stage {
            let _ = self.stream.write(&answer(None));
        }
    }

    fn advance(&mut self, now: Instant, answer: &mut Answer<'_>) -> io::Result<bool> {
        if let Stage::Asking { .. } = self.stage {
            let Some(text) = self.listen(now, answer)? else { return Ok(true) };
            self.stage = Stage::Reading { answer: text, n_sent: 0 };
            self.until = now + READING;
        }
        if let Stage::Reading { answer, n_sent } = &mut self.stage {
            while *n_sent < answer.len() {
                match self.stream.write(&answer[*n_sent..]) {
                    Ok(0) => return Ok(false),
                    Ok(n_bytes) => *n_sent += n_bytes,
                    Err(error) if is_for_later(&error) => return Ok(now < self.until),
                    Err(error) => return Err(error),
                }
            }
            self.stream.shutdown(Shutdown::Write)?;
            self.stage = Stage::Lingering { n_bytes: 0 };
            self.until = now + LINGER;
        }
        if let Stage::Lingering { n_bytes } = &mut self.stage {
            let mut buffer = [0; 4096];
            loop {
                match self.stream.read(&mut buffer) {
                    Ok(0) => return Ok(false),
                    Ok(n_more) => *n_bytes += n_more,
                    Err(error) if is_for_later(&error) => return Ok(now < self.until),
                    Err(error) => return Err(error),
                }
                if *n_bytes > MOST_BYTES {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Hears the peer out. The answer, once it is clear what it wants.
    fn listen(&mut self, now: Instant, answer: &mut Answer<'_>) -> io::Result<Option<Vec<u8>>> {
        let Stage::Asking { heard, deadline } = &mut self.stage else { return Ok(None) };
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                // It hears an answer that it can still read.
                Ok(0) => return Ok(Some(answer(None))),
                Ok(n_bytes) => heard.extend_from_slice(&buffer[..n_bytes]),
                Err(error) if is_for_later(&error) => break,
                Err(error) => return Err(error),
            }
            self.until = (now + SILENCE).min(*deadline);
            match hear(heard) {
                Heard::Request(request) => return Ok(Some(answer(Some(&request)))),
                Heard::NotYet => {}
                Heard::Nonsense => return Ok(Some(answer(None))),
            }
        }
        Ok((now >= self.until).then(|| answer(None)))
    }
}

/// Whether it may go better at another time.
fn is_for_later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
