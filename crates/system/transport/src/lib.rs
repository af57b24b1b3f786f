//! Bytes in, bytes out, deadlines: TCP connections, and pipes that stand in for them, our own or a
//! program's, as ssh's.
//!
//! Knows nothing of the protocol. Every call that can wait takes the longest time it may wait
//! without progress, or somebody who decides that meanwhile ([`Patience`]), and ends with
//! [`io::ErrorKind::TimedOut`] after it; or with [`io::ErrorKind::HostUnreachable`] as soon as it
//! is clear that the peer is gone ([`Vigilance`]).

mod connect;
mod names;
mod probe;
mod program;
mod vigilance;

use std::io::{self, IoSlice};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

pub use connect::{Attempt, ConnectError};
pub use names::{address_from_text, address_to_text, look_up};
pub use probe::Probe;
pub use program::ProgramEnd;
pub use vigilance::Vigilance;

use program::Program;
use vigilance::{from_errno, wait_for_peer};

/// Both directions of one connection, in non-blocking mode.
#[derive(Debug)]
pub struct Connection {
    ends: Ends,
    vigilance: Option<Vigilance>,
}

/// Decides how long to wait for a peer that says nothing, or takes nothing.
pub trait Patience {
    /// How much longer to wait before asking again, after `silent` without progress. It may be
    /// asked earlier, up to a few times a second.
    ///
    /// # Errors
    /// What the wait is to end with.
    fn left(&mut self, silent: Duration) -> io::Result<Duration>;
}

impl Patience for Duration {
    fn left(&mut self, silent: Duration) -> io::Result<Duration> {
        match self.saturating_sub(silent) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(left),
        }
    }
}

impl<P: Patience> Patience for &mut P {
    fn left(&mut self, silent: Duration) -> io::Result<Duration> {
        P::left(self, silent)
    }
}

#[derive(Debug)]
enum Ends {
    Socket(OwnedFd),
    Pipes { input: OwnedFd, output: OwnedFd },
    Program(Box<Program>),
}

/// How far [`Connection::send`] got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// All bytes are on their way.
    Everything,
    /// The peer answered or hung up before it had everything: read what it says.
    PeerSpokeFirst,
}

impl Connection {
    /// Takes over a connected TCP stream. Small packets are not held back: callers hand over
    /// what belongs together in one [`Connection::send`].
    ///
    /// # Errors
    /// When the descriptor cannot be set to non-blocking mode.
    pub fn from_tcp(stream: TcpStream) -> io::Result<Connection> {
        // A Unix socket handed to us as a standard stream knows no such option.
        let _ = stream.set_nodelay(true);
        stream.set_nonblocking(true)?;
        Ok(Connection { ends: Ends::Socket(stream.into()), vigilance: None })
    }

    /// Takes over a pair of pipes, or a socket twice, as `--inetd` and ssh have it.
    ///
    /// # Errors
    /// When a descriptor cannot be set to non-blocking mode.
    pub fn from_pipes(input: OwnedFd, output: OwnedFd) -> io::Result<Connection> {
        for end in [&input, &output] {
            rustix::io::ioctl_fionbio(end, true)?;
        }
        Ok(Connection { ends: Ends::Pipes { input, output }, vigilance: None })
    }

    /// Has a peer noticed that is gone without a word. Does nothing for what is no TCP connection.
    pub fn watch_over(&mut self, vigilance: Vigilance) {
        if let Ends::Socket(socket) = &self.ends {
            self.vigilance = vigilance.set_up(socket).ok().map(|()| vigilance);
        }
    }

    /// Starts a program that stands for the peer: what is sent is its standard input, what is
    /// received its standard output. A program that has read nothing `start_timeout` from now has
    /// every wait end with [`io::ErrorKind::TimedOut`].
    ///
    /// It ends with the connection: by itself after [`Connection::note_done`], else by a signal.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn to_program(command: &mut Command, start_timeout: Duration) -> io::Result<Connection> {
        let program = Program::start(command, start_timeout)?;
        Ok(Connection { ends: Ends::Program(Box::new(program)), vigilance: None })
    }

    /// Whether the program at the other end has read anything yet; `true` where there is none.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        match &self.ends {
            Ends::Program(program) => program.has_begun(),
            Ends::Socket(_) | Ends::Pipes { .. } => true,
        }
    }

    /// Says that all has been received: the program at the other end, if there is one, is left to
    /// end by itself. (An ssh that other jobs share must not be killed.)
    pub fn note_done(&self) {
        if let Ends::Program(program) = &self.ends {
            program.note_done();
        }
    }

    /// What the program at the other end has said on its standard error: the last of it. Empty
    /// where there is none.
    #[must_use]
    pub fn program_said(&self) -> String {
        match &self.ends {
            Ends::Program(program) => program.said(),
            Ends::Socket(_) | Ends::Pipes { .. } => String::new(),
        }
    }

    /// How the program at the other end has ended, waiting for it no longer than `patience`;
    /// `None` where there is none.
    #[must_use]
    pub fn program_end(&self, patience: Duration) -> Option<ProgramEnd> {
        match &self.ends {
            Ends::Program(program) => Some(program.end(patience)),
            Ends::Socket(_) | Ends::Pipes { .. } => None,
        }
    }

    /// The end to poll for input.
    #[must_use]
    pub fn input(&self) -> BorrowedFd<'_> {
        match &self.ends {
            Ends::Socket(socket) => socket.as_fd(),
            Ends::Pipes { input, .. } => input.as_fd(),
            Ends::Program(program) => program.input.as_fd(),
        }
    }

    /// The descriptors of the connection: a socket, or the end to read and the end to write.
    #[must_use]
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        match &self.ends {
            Ends::Socket(socket) => vec![socket.as_fd()],
            Ends::Pipes { .. } | Ends::Program(_) => vec![self.input(), self.output()],
        }
    }

    fn output(&self) -> BorrowedFd<'_> {
        match &self.ends {
            Ends::Socket(socket) => socket.as_fd(),
            Ends::Pipes { output, .. } => output.as_fd(),
            Ends::Program(program) => program.output.as_fd(),
        }
    }

    /// The peer's address, if the connection is a TCP one.
    #[must_use]
    pub fn peer(&self) -> Option<SocketAddr> {
        rustix::net::getpeername(self.input()).ok()??.try_into().ok()
    }

    /// Sends `pieces` one after the other, stopping as soon as the peer has something to say.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] when `patience` is at an end without a byte taken. A peer that
    /// closed is no error here but [`Sent::PeerSpokeFirst`], because its last words may be waiting.
    pub fn send(&self, pieces: &[&[u8]], mut patience: impl Patience) -> io::Result<Sent> {
        let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut rest = &mut slices[..];
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match rustix::io::writev(self.output(), rest) {
                Ok(n_bytes) => {
                    if let Ends::Program(program) = &self.ends {
                        program.note_sent(n_bytes);
                    }
                    IoSlice::advance_slices(&mut rest, n_bytes);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    if self.wait_to_send(&mut patience)? == Sent::PeerSpokeFirst {
                        return Ok(Sent::PeerSpokeFirst);
                    }
                }
                Err(Errno::PIPE | Errno::CONNRESET) => return Ok(Sent::PeerSpokeFirst),
                Err(error) => return Err(from_errno(error)),
            }
        }
        Ok(Sent::Everything)
    }

    fn wait_to_send(&self, patience: &mut impl Patience) -> io::Result<Sent> {
        if let Ends::Program(program) = &self.ends {
            let spoke = program.wait(true, patience)?;
            return Ok(if spoke { Sent::PeerSpokeFirst } else { Sent::Everything });
        }
        let (input, output) = (self.input(), self.output());
        let mut ends = [PollFd::new(&input, PollFlags::IN), PollFd::new(&output, PollFlags::OUT)];
        wait_for_peer(&mut ends, output, self.vigilance, patience)?;
        let spoke = !ends[0].revents().is_empty();
        Ok(if spoke { Sent::PeerSpokeFirst } else { Sent::Everything })
    }

    /// Receives what is there, waiting for the first byte; 0 at the end of the peer's data.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] when `patience` is at an end without a byte.
    pub fn receive(&self, buffer: &mut [u8], mut patience: impl Patience) -> io::Result<usize> {
        loop {
            match rustix::io::read(self.input(), &mut *buffer) {
                Ok(n_bytes) => return Ok(n_bytes),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    if let Ends::Program(program) = &self.ends {
                        program.wait(false, &mut patience)?;
                        continue;
                    }
                    let input = self.input();
                    let mut ends = [PollFd::new(&input, PollFlags::IN)];
                    wait_for_peer(&mut ends, input, self.vigilance, &mut patience)?;
                }
                Err(error) => return Err(from_errno(error)),
            }
        }
    }

    /// Ends a conversation so that the peer gets to read our last words: says that no more comes
    /// from us, then reads and drops what the peer still sends until it closes. Closing at once
    /// would reset the connection and could destroy the words on their way.
    ///
    /// Gives up after `patience` or `n_bytes_most` dropped bytes.
    pub fn close_gently(&self, patience: Duration, n_bytes_most: u64) {
        let Ends::Socket(socket) = &self.ends else { return };
        let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Write);
        let deadline = Instant::now() + patience;
        let mut dropped = 0;
        let mut buffer = [0; 16 << 10];
        while dropped < n_bytes_most {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.receive(&mut buffer, left) {
                Ok(0) | Err(_) => return,
                Ok(n_bytes) => dropped += n_bytes as u64,
            }
        }
    }
}

/// Waits until one of `ends` is ready or has hung up.
///
/// # Errors
/// [`io::ErrorKind::TimedOut`] after `timeout`.
pub fn wait(ends: &mut [PollFd<'_>], timeout: Duration) -> io::Result<()> {
    let deadline = Instant::now().checked_add(timeout);
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(ends, left.as_ref()) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    fn pair() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let long = Duration::from_secs(5);
        let address = listener.local_addr().unwrap();
        let ours = Attempt::new(long, &mut || false).connect(&[address], long).unwrap();
        (ours, listener.accept().unwrap().0)
    }

    #[test]
    fn pieces_arrive_in_order() {
        let (ours, mut theirs) = pair();
        let sent = ours.send(&[b"ab", b"", b"cd"], Duration::from_secs(5)).unwrap();
        assert_eq!(sent, Sent::Everything);
        drop(ours);
        let mut received = Vec::new();
        theirs.read_to_end(&mut received).unwrap();
        assert_eq!(received, b"abcd");
    }

    #[test]
    fn a_silent_peer_costs_the_deadline_and_no_more() {
        let (ours, _theirs) = pair();
        let error = ours.receive(&mut [0; 9], Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn an_answer_before_the_end_of_the_question_is_noticed() {
        let (ours, mut theirs) = pair();
        theirs.write_all(b"no").unwrap();
        let sent = ours.send(&[&vec![0; 64 << 20]], Duration::from_secs(5)).unwrap();
        assert_eq!(sent, Sent::PeerSpokeFirst);
        let mut buffer = [0; 9];
        assert_eq!(ours.receive(&mut buffer, Duration::from_secs(5)).unwrap(), 2);
    }

    #[test]
    fn last_words_survive_a_peer_that_is_still_sending() {
        let (ours, theirs) = pair();
        let answering = std::thread::spawn(move || {
            let theirs = Connection::from_tcp(theirs).unwrap();
            theirs.send(&[b"refused"], Duration::from_secs(5)).unwrap();
            theirs.close_gently(Duration::from_secs(5), 1 << 30);
        });
        let _ = ours.send(&[&vec![0; 32 << 20]], Duration::from_secs(5)).unwrap();
        let mut buffer = [0; 9];
        let n_bytes = ours.receive(&mut buffer, Duration::from_secs(5)).unwrap();
        assert_eq!(&buffer[..n_bytes], b"refused");
        drop(ours);
        answering.join().unwrap();
    }
}
