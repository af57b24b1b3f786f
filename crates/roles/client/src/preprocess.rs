//! The preprocessor of this machine, running while we do other things.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStderr, ChildStdout, ExitStatus, Stdio};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use statedir::SlotLock;
use wire::Exit;

use crate::Context;
use crate::local;

/// Room for text that the preprocessor has written and we have not read: it goes on while we
/// connect.
const PIPE_BYTES: usize = 1 << 20;

/// How long text may lie in a pipe with that room: no preprocessor fills it in this time, and who
/// reads seldom reads much. GCC writes 4 KiB at a time, and each time somebody who sleeps for it
/// is woken.
const READ_INTERVAL: Duration = Duration::from_millis(5);

/// The least room to read into.
const READ_BYTES: usize = 64 << 10;

/// A preprocessor at work. Dropping it ends it.
pub(crate) struct Preprocessing {
    child: Child,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    text: Vec<u8>,
    messages: Vec<u8>,
    /// There is room for [`PIPE_BYTES`].
    has_room: bool,
    /// The slot it runs under, given back as soon as it has written everything: its job may have
    /// to wait long for a server, and others must not wait for it meanwhile.
    lock: Option<SlotLock>,
}

/// What it made.
pub(crate) struct Preprocessed {
    /// The preprocessed source.
    pub(crate) text: Vec<u8>,
    /// What the preprocessor said on standard error.
    pub(crate) messages: Vec<u8>,
}

/// What a wait ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It is still at work.
    Running,
    /// It has written all it will: see [`Preprocessing::finish`].
    Done,
    /// The peer that was watched meanwhile has something to say, or hung up.
    PeerSpoke,
}

impl Preprocessing {
    /// Starts the preprocessor with `words`, the compiler first.
    pub(crate) fn start(
        context: &Context,
        words: &[OsString],
        lock: Option<SlotLock>,
    ) -> Result<Preprocessing, Exit> {
        let mut command = local::command(context, words)?;
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = sys::tidy_on_signal::spawn(&mut command)
            .map_err(|error| local::could_not_run(context, words, &error))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let mut has_room = false;
        if let Some(stdout) = &stdout {
            let _ = rustix::io::ioctl_fionbio(stdout, true);
            // More than the system allows for this user: then the usual size has to do.
            has_room = rustix::pipe::fcntl_setpipe_size(stdout, PIPE_BYTES).is_ok();
        }
        if let Some(stderr) = &stderr {
            let _ = rustix::io::ioctl_fionbio(stderr, true);
        }
        let (text, messages) = (Vec::new(), Vec::new());
        Ok(Preprocessing { child, stdout, stderr, text, messages, has_room, lock })
    }

    /// Waits for output, at most for `pause` if that is given, and takes it in. Watches `peer`
    /// meanwhile. May come back sooner, with nothing new.
    pub(crate) fn advance(
        &mut self,
        peer: Option<BorrowedFd<'_>>,
        pause: Option<Duration>,
    ) -> io::Result<Progress> {
        if self.stdout.is_none() && self.stderr.is_none() {
            return Ok(Progress::Done);
        }
        let mut pause = pause.unwrap_or(Duration::MAX);
        let mut wanted = PollFlags::IN;
        if self.has_room {
            // The end of a pipe is told without being asked for.
            wanted = PollFlags::empty();
            pause = pause.min(READ_INTERVAL);
        }
        let ends = [
            (self.stdout.as_ref().map(|end| end.as_fd()), wanted),
            (self.stderr.as_ref().map(|end| end.as_fd()), wanted),
            (peer, PollFlags::IN),
        ];
        let mut polled: Vec<PollFd<'_>> = ends
            .into_iter()
            .filter_map(|(end, flags)| Some(PollFd::from_borrowed_fd(end?, flags)))
            .collect();
        if let Err(error) = transport::wait(&mut polled, pause)
            && error.kind() != ErrorKind::TimedOut
        {
            return Err(error);
        }
        let peer_spoke =
            peer.is_some() && polled.last().is_some_and(|end| !end.revents().is_empty());
        if take_all(self.stdout.as_ref(), &mut self.text)? {
            self.stdout = None;
        }
        if take_all(self.stderr.as_ref(), &mut self.messages)? {
            self.stderr = None;
        }
        Ok(if self.stdout.is_none() && self.stderr.is_none() {
            self.lock = None;
            Progress::Done
        } else if peer_spoke {
            Progress::PeerSpoke
        } else {
            Progress::Running
        })
    }

    /// Waits for its end, and gives what it made.
    pub(crate) fn finish(mut self) -> io::Result<(ExitStatus, Preprocessed)> {
        let status = self.child.wait()?;
        sys::tidy_on_signal::forget_child();
        let text = std::mem::take(&mut self.text);
        let messages = std::mem::take(&mut self.messages);
        Ok((status, Preprocessed { text, messages }))
    }
}

impl Drop for Preprocessing {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            let _ = self.child.kill();
            let _ = self.child.wait();
            sys::tidy_on_signal::forget_child();
        }
    }
}

/// Reads what is there; true at the end.
fn take_all(end: Option<&impl AsFd>, into: &mut Vec<u8>) -> io::Result<bool> {
    let Some(end) = end else { return Ok(false) };
    loop {
        // No memory is no end: the compiler here needs none of ours.
        into.try_reserve(READ_BYTES).map_err(|_| ErrorKind::OutOfMemory)?;
        match rustix::io::read(end, spare_capacity(into)) {
            Ok(0) => return Ok(true),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
}
