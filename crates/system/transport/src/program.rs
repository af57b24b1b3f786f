//! A program that we start and that stands for the peer, as ssh does: its standard streams are the
//! two directions of a connection.

use std::cell::{Cell, RefCell};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, Signal, kill_process};

use crate::{Patience, wait};

/// How much of what the program says is kept: the end of it.
const SAID_BYTES: usize = 4 << 10;

/// How long a program that is told to end may take before it is killed.
const GRACE: Duration = Duration::from_millis(500);

/// A running program at the other end.
///
/// Its standard error is read whenever we wait, so that it never blocks, and only its end is kept.
#[derive(Debug)]
pub(crate) struct Program {
    child: RefCell<Child>,
    pub(crate) input: ChildStdout,
    pub(crate) output: ChildStdin,
    /// `None` when it has been closed.
    messages: RefCell<Option<ChildStderr>>,
    said: RefCell<Vec<u8>>,
    n_sent: Cell<u64>,
    /// Until when it has to read something; `None` once it is known to have done so.
    start_by: Cell<Option<Instant>>,
    is_done: Cell<bool>,
}

/// How a program at the other end has ended.
#[derive(Clone, Debug)]
pub struct ProgramEnd {
    /// `None`: it closed its output and runs on.
    pub status: Option<ExitStatus>,
    /// The last of what it wrote to its standard error.
    pub said: String,
}

impl Program {
    pub(crate) fn start(command: &mut Command, start_timeout: Duration) -> io::Result<Program> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (Some(output), Some(input), Some(messages)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(io::Error::other("a child without its pipes"));
        };
        for end in [output.as_fd(), input.as_fd(), messages.as_fd()] {
            rustix::io::ioctl_fionbio(end, true)?;
        }
        Ok(Program {
            child: RefCell::new(child),
            input,
            output,
            messages: RefCell::new(Some(messages)),
            said: RefCell::default(),
            n_sent: Cell::new(0),
            start_by: Cell::new(Instant::now().checked_add(start_timeout)),
            is_done: Cell::new(false),
        })
    }

    pub(crate) fn note_sent(&self, n_bytes: usize) {
        self.n_sent.set(self.n_sent.get() + n_bytes as u64);
    }

    /// The job is over: the program ends by itself when its streams are closed.
    pub(crate) fn note_done(&self) {
        self.is_done.set(true);
    }

    /// Whether the program has read anything: ssh does so as soon as it has a session.
    pub(crate) fn has_begun(&self) -> bool {
        if self.start_by.get().is_none() {
            return true;
        }
        // How much lies in the pipe; where that cannot be said, the deadline is waived.
        let n_unread = rustix::io::ioctl_fionread(&self.output).unwrap_or(0);
        let has_begun = self.n_sent.get() > n_unread;
        if has_begun {
            self.start_by.set(None);
        }
        has_begun
    }

    /// Waits until there is input, or, with `to_send`, room for output. `true`: there is input.
    pub(crate) fn wait(&self, to_send: bool, patience: &mut impl Patience) -> io::Result<bool> {
        let start = Instant::now();
        loop {
            let left = patience.left(start.elapsed())?;
            let until_begun =
                self.start_by.get().map(|by| by.saturating_duration_since(Instant::now()));
            match self.wait_once(to_send, until_begun.map_or(left, |until| until.min(left))) {
                Ok(Some(has_input)) => return Ok(has_input),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    let is_late = self.start_by.get().is_some_and(|by| Instant::now() >= by);
                    if is_late && !self.has_begun() {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// `None`: it only said something on its standard error.
    fn wait_once(&self, to_send: bool, timeout: Duration) -> io::Result<Option<bool>> {
        let messages = self.messages.borrow();
        let mut ends = vec![PollFd::new(&self.input, PollFlags::IN)];
        if to_send {
            ends.push(PollFd::new(&self.output, PollFlags::OUT));
        }
        let n_ends = ends.len();
        ends.extend(messages.as_ref().map(|end| PollFd::new(end, PollFlags::IN)));
        wait(&mut ends, timeout)?;
        let has_input = !ends[0].revents().is_empty();
        let is_ready = ends[..n_ends].iter().any(|end| !end.revents().is_empty());
        drop(ends);
        drop(messages);
        self.listen();
        Ok(is_ready.then_some(has_input))
    }

    /// Takes in what is there on its standard error.
    fn listen(&self) {
        let mut messages = self.messages.borrow_mut();
        let mut said = self.said.borrow_mut();
        let mut buffer = [0; SAID_BYTES];
        while let Some(end) = messages.as_mut() {
            match end.read(&mut buffer) {
                Ok(0) => *messages = None,
                Ok(n_bytes) => {
                    said.extend_from_slice(&buffer[..n_bytes]);
                    let too_many = said.len().saturating_sub(SAID_BYTES);
                    said.drain(..too_many);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => *messages = None,
            }
        }
    }

    /// What it said so far.
    pub(crate) fn said(&self) -> String {
        self.listen();
        String::from_utf8_lossy(&self.said.borrow()).into_owned()
    }

    /// Waits for its end, `patience` at most.
    pub(crate) fn end(&self, patience: Duration) -> ProgramEnd {
        let deadline = Instant::now() + patience;
        let mut pause = Duration::from_micros(500);
        loop {
            let status = self.child.borrow_mut().try_wait().ok().flatten();
            self.listen();
            if status.is_some() || Instant::now() >= deadline {
                return ProgramEnd { status, said: self.said() };
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(10));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.is_done.get() || self.end(Duration::ZERO).status.is_some() {
            return;
        }
        // Asked first: an ssh that others share takes down its socket.
        let mut child = self.child.borrow_mut();
        let _ = kill_process(Pid::from_child(&child), Signal::TERM);
        drop(child);
        if self.end(GRACE).status.is_none() {
            child = self.child.borrow_mut();
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Connection, Sent};

    const LONG: Duration = Duration::from_secs(60);

    fn shell(text: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", text]);
        command
    }

    fn connect(text: &str) -> Connection {
        Connection::to_program(&mut shell(text), LONG).unwrap()
    }

    #[test]
    fn what_is_sent_comes_back_from_a_program_that_copies() {
        let connection = connect("exec cat");
        assert_eq!(connection.send(&[b"ab", b"cd"], LONG).unwrap(), Sent::Everything);
        let mut buffer = [0; 9];
        let n_bytes = connection.receive(&mut buffer, LONG).unwrap();
        assert_eq!(&buffer[..n_bytes], b"abcd");
        assert!(connection.has_begun());
    }

    #[test]
    fn a_program_that_fails_is_known_by_its_status_and_its_last_words() {
        let connection = connect("echo noise >&2; echo 'Permission denied' >&2; exit 255");
        let _ = connection.send(&[&vec![0; 1 << 20]], LONG).unwrap();
        assert_eq!(connection.receive(&mut [0; 9], LONG).unwrap(), 0);
        let end = connection.program_end(LONG).unwrap();
        assert_eq!(end.status.unwrap().code(), Some(255));
        assert_eq!(end.said, "noise\nPermission denied\n");
    }

    #[test]
    fn a_program_that_says_too_much_neither_blocks_nor_fills_memory() {
        let connection =
            connect("head -c 1000000 /dev/zero | tr '\\0' x >&2; echo last >&2; echo done");
        let mut buffer = [0; 9];
        assert_eq!(connection.receive(&mut buffer, LONG).unwrap(), 5);
        let said = connection.program_end(LONG).unwrap().said;
        assert!(said.ends_with("xlast\n") && said.len() <= SAID_BYTES, "{}", said.len());
    }

    #[test]
    fn a_program_that_reads_nothing_costs_the_start_deadline() {
        let connection =
            Connection::to_program(&mut shell("exec sleep 1000"), Duration::from_millis(50))
                .unwrap();
        connection.send(&[b"hello"], LONG).unwrap();
        let error = connection.receive(&mut [0; 9], LONG).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(!connection.has_begun());
        let error = connection.send(&[&vec![0; 1 << 20]], LONG).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_program_that_reads_may_be_silent_past_the_start_deadline() {
        let text = "read line; sleep 0.2; echo $line; exec sleep 1000";
        let connection = Connection::to_program(&mut shell(text), Duration::ZERO).unwrap();
        connection.send(&[b"hello\n"], LONG).unwrap();
        while !connection.has_begun() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut buffer = [0; 9];
        assert_eq!(connection.receive(&mut buffer, LONG).unwrap(), 6);
        let error = connection.receive(&mut buffer, Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(connection.has_begun());
    }

    #[test]
    fn a_program_ends_with_its_connection_even_if_it_does_not_want_to() {
        let connection = connect("trap '' TERM; echo $$; sleep 1000 & wait; sleep 1000");
        let mut buffer = [0; 20];
        let n_bytes = connection.receive(&mut buffer, LONG).unwrap();
        let pid = String::from_utf8_lossy(&buffer[..n_bytes]).trim().to_owned();
        drop(connection);
        assert!(!std::path::Path::new("/proc").join(pid).exists());
    }
}
