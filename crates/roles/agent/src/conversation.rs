//! The talk with one client.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use agent_wire::{Answer, Errand, Nonsense, Request, take_message};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use transport::{Connection, Patience, Sent};

use crate::Context;
use crate::plan::{Judgment, Plan};

/// How long a client may say nothing: its server may compile for hours, and the client's end is seen
/// when it comes.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a client may take nothing of what is said to it.
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);

/// How long a server may take nothing.
const SERVER_PATIENCE: Duration = Duration::from_secs(60);

/// How often a client hears that its agent is at work.
const SIGN_OF_LIFE: Duration = Duration::from_millis(500);

/// The most pieces in one system call. Linux takes 1024.
const MOST_PIECES: usize = 1000;

pub(crate) struct Conversation<'a> {
    context: &'a Context,
    stream: UnixStream,
    arrived: Vec<u8>,
    /// Descriptors that came along, for the next request.
    descriptors: VecDeque<OwnedFd>,
    /// The job that was sent last, and its working folder.
    sent: Option<(Plan, Vec<u8>)>,
}

impl<'a> Conversation<'a> {
    pub(crate) fn new(context: &'a Context, stream: UnixStream) -> io::Result<Conversation<'a>> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(ANSWER_PATIENCE))?;
        let (arrived, descriptors) = (Vec::new(), VecDeque::new());
        Ok(Conversation { context, stream, arrived, descriptors, sent: None })
    }

    /// Talks until the client hangs up.
    pub(crate) fn run(mut self) -> io::Result<()> {
        while let Some(message) = self.next_message()? {
            let answer = match Request::decode(&message) {
                Ok(Request::Send(errand)) => self.send(errand),
                Ok(Request::Check { dependencies }) => self.check(&dependencies)?,
                Ok(Request::Status) => Answer::Status(self.context.status().into_bytes()),
                Ok(Request::Stop) => {
                    self.context.stop();
                    Answer::Status(b"it ends\n".to_vec())
                }
                Err(nonsense) => return Err(invalid(nonsense)),
            };
            self.descriptors.clear();
            self.stream.write_all(&answer.encode())?;
        }
        Ok(())
    }

    fn next_message(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(message) = take_message(&mut self.arrived).map_err(invalid)? {
                return Ok(Some(message));
            }
            let mut buffer = [0; 64 << 10];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let mut slices = [IoSliceMut::new(&mut buffer)];
            let flags = RecvFlags::CMSG_CLOEXEC;
            let received = match recvmsg(&self.stream, &mut slices, &mut ancillary, flags) {
                Err(rustix::io::Errno::INTR) => continue,
                received => received?,
            };
            for message in ancillary.drain() {
                if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                    self.descriptors.extend(descriptors);
                }
            }
            if received.bytes == 0 {
                return Ok(None);
            }
            self.arrived.extend_from_slice(&buffer[..received.bytes]);
        }
    }

    fn send(&mut self, errand: Errand) -> Answer {
        self.sent = None;
        let plan = match self.context.knowledge.plan(&errand) {
            Ok(plan) => plan,
            Err(doubt) => {
                self.context.n_doubts.fetch_add(1, Ordering::Relaxed);
                let text = doubt.text.into_bytes();
                return Answer::Doubt { code: doubt.code.as_bytes().to_vec(), text };
            }
        };
        let mut descriptors = self.descriptors.drain(..);
        let connection = match (descriptors.next(), descriptors.next()) {
            (Some(socket), None) => Connection::from_tcp(socket.into()),
            (Some(input), Some(output)) => Connection::from_pipes(input, output),
            (None, _) => Err(io::Error::other("no connection came along")),
        };
        drop(descriptors);
        let connection = match connection {
            Ok(connection) => connection,
            Err(error) => return Answer::Broken { text: error.to_string().into_bytes() },
        };
        let mut client = ClientWatch { stream: &self.stream, said: Instant::now() };
        let mut n_bytes = 0;
        for pieces in plan.pieces.chunks(MOST_PIECES) {
            let slices: Vec<&[u8]> = pieces.iter().map(|piece| piece.bytes()).collect();
            let text = match connection.send(&slices, &mut client) {
                Ok(Sent::Everything) => {
                    n_bytes += slices.iter().map(|slice| slice.len() as u64).sum::<u64>();
                    continue;
                }
                Ok(Sent::PeerSpokeFirst) => "it answered before it had everything".to_owned(),
                Err(error) => error.to_string(),
            };
            return Answer::Broken { text: text.into_bytes() };
        }
        let n_files = plan.n_files as u64;
        self.context.n_sent.fetch_add(1, Ordering::Relaxed);
        self.context.n_sent_bytes.fetch_add(n_bytes, Ordering::Relaxed);
        self.sent = Some((plan, errand.folder));
        Answer::Sent { n_files, n_bytes }
    }

    fn check(&mut self, dependencies: &[u8]) -> io::Result<Answer> {
        let Some((plan, folder)) = &self.sent else {
            return Err(io::Error::other("a check without a job"));
        };
        Ok(match self.context.knowledge.judge(plan, folder, dependencies) {
            Judgment::Holds => Answer::Holds,
            Judgment::Changed(file) => Answer::Changed { file },
            Judgment::Missed(file) => {
                let name = String::from_utf8_lossy(&file);
                self.context.log(&format!("the scanner missed {name}; please report it"));
                Answer::Missed { file }
            }
        })
    }
}

fn invalid(nonsense: Nonsense) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, nonsense)
}

/// Keeps the client informed while a server takes its time, and ends the wait when it is gone.
struct ClientWatch<'a> {
    stream: &'a UnixStream,
    said: Instant,
}

impl Patience for ClientWatch<'_> {
    fn left(&mut self, silent: Duration) -> io::Result<Duration> {
        if silent >= SERVER_PATIENCE {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if has_hung_up(self.stream) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if self.said.elapsed() >= SIGN_OF_LIFE {
            self.said = Instant::now();
            let mut stream = self.stream;
            stream.write_all(&Answer::Working.encode())?;
        }
        Ok(SIGN_OF_LIFE / 2)
    }
}

fn has_hung_up(stream: &UnixStream) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut ends = [PollFd::from_borrowed_fd(stream.as_fd(), PollFlags::RDHUP)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut ends, Some(&at_once)).is_ok_and(|n_ready| n_ready > 0)
}
