//! The client's side of the talk with its agent.

use std::io::{self, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use agent_wire::{Answer, Errand, Request, take_message};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use statedir::AgentPlace;

use crate::Context;

/// How long an agent may be silent. It gives a sign of life twice a second while it sends.
const PATIENCE: Duration = Duration::from_secs(4);

/// How long a new agent may take until it can be reached.
const START_PATIENCE: Duration = Duration::from_secs(2);

/// The pause between two looks at whether it can.
const PAUSE: Duration = Duration::from_millis(3);

/// An agent that listens.
pub(crate) struct Agent {
    stream: UnixStream,
    arrived: Vec<u8>,
}

impl Agent {
    /// Connects to the agent of this user, which is started if there is none.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn find(context: &Context) -> io::Result<Agent> {
        let state = context.state.as_ref();
        let place = state.ok_or_else(|| io::Error::other("no state folder"))?.agent_place()?;
        let stream = match place.connect() {
            Ok(stream) => stream,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
            Err(_) if place.has_just_failed() => {
                return Err(io::Error::other("none could be started a short while ago"));
            }
            Err(_) => start(&place).inspect_err(|_| place.note_failure())?,
        };
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Agent { stream, arrived: Vec::new() })
    }

    /// Has the agent send a job to the server at the other end of `descriptors`.
    ///
    /// # Errors
    /// When the agent is gone, hangs, or talks nonsense.
    pub(crate) fn send(
        &mut self,
        errand: Errand,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<Answer> {
        let bytes = Request::Send(errand).encode();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        let slices = [IoSlice::new(&bytes)];
        let n_sent = sendmsg(&self.stream, &slices, &mut ancillary, SendFlags::NOSIGNAL)?;
        self.stream.write_all(&bytes[n_sent..])?;
        self.answer()
    }

    /// Has the agent tell what would be sent for a job.
    ///
    /// # Errors
    /// As for [`Agent::send`].
    pub(crate) fn list(&mut self, errand: Errand) -> io::Result<Answer> {
        self.stream.write_all(&Request::List(errand).encode())?;
        self.answer()
    }

    /// Has the agent judge what the server's compiler has read for the job sent last.
    ///
    /// # Errors
    /// As for [`Agent::send`].
    pub(crate) fn check(&mut self, dependencies: &[u8]) -> io::Result<Answer> {
        let dependencies = dependencies.to_vec();
        self.stream.write_all(&Request::Check { dependencies }.encode())?;
        self.answer()
    }

    fn answer(&mut self) -> io::Result<Answer> {
        let nonsense = |error: agent_wire::Nonsense| io::Error::other(error.to_string());
        loop {
            while let Some(message) = take_message(&mut self.arrived).map_err(nonsense)? {
                match Answer::decode(&message).map_err(nonsense)? {
                    Answer::Working => {}
                    answer => return Ok(answer),
                }
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(io::Error::other("it hung up")),
                Ok(n_bytes) => self.arrived.extend_from_slice(&buffer[..n_bytes]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(io::Error::other(format!(
                        "it gave no sign of life for {} s",
                        PATIENCE.as_secs()
                    )));
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Starts an agent, and connects to it.
fn start(place: &AgentPlace) -> io::Result<UnixStream> {
    let deadline = Instant::now() + START_PATIENCE;
    let mut command = Command::new(sys::sibling::program("distcc-agent"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    sys::child::detach(&mut command);
    let cannot = |error: io::Error| {
        io::Error::new(error.kind(), format!("distcc-agent could not be started: {error}"))
    };
    // Ends as soon as the agent can be reached, or another one is about to be.
    let mut child = command.spawn().map_err(cannot)?;
    loop {
        if let Some(status) = child.try_wait()?
            && !status.success()
        {
            let log = place.folder().display();
            return Err(io::Error::other(format!("distcc-agent ended with {status}; see {log}")));
        }
        match place.connect() {
            Ok(stream) => return Ok(stream),
            Err(_) if Instant::now() < deadline => std::thread::sleep(PAUSE),
            Err(error) => return Err(error),
        }
    }
}
