//! One job at one server, and everything that can go wrong with it.

use std::ffi::OsString;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use crate::listening::Listening;
use hosts::{Host, HostSpec};
use statedir::StateDir;
use toolchain::{CompilerVersion, ObjectKind};
use transport::{Attempt, ConnectError, Connection, Sent};
use wire::{Exit, Lack, Limits, Reply, ReplyDecoder, Version, WireError};

use crate::ssh::{self, Ssh};
use crate::{Settings, names};

/// How long a connection may take, the look-up of the name included. Source: behavior of distcc
/// 3.4, which bounds only the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// How much is read at once.
const READ_BYTES: usize = 32 << 10;

/// What was going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Sending,
    Waiting,
    Receiving,
}

/// Why a host gave no usable answer.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Its name has no address, or the resolver does not say.
    Name(io::Error),
    /// No connection.
    Connect(io::Error),
    /// Another job found that it is dead while this one was connecting.
    FoundDead,
    /// The ssh that speaks for the host failed, or what it started there.
    Ssh(ssh::Failure),
    /// The connection broke, or was silent for too long.
    Io { step: Step, source: io::Error },
    /// It is there, and has given no sign of life for so long.
    Mute { silent: Duration },
    /// The server hung up without a word: so distcc 3.4 refuses.
    HungUp,
    /// It hung up in the middle of its answer, or answered nonsense.
    Wire(WireError),
    /// It answered that it will not, or cannot, do the job: its words, its hint if it has one, and
    /// what it lacks if it says that.
    Refused { exit: Exit, text: String, hint: String, lack: Option<Lack> },
    /// Its compiler failed for a reason that is not in the source.
    Fault(String),
    /// Its compiler was ended by a signal.
    Killed { signal: u8 },
    /// It would make other debug information than the compiler here.
    CannotRestore,
    /// It made an object for another machine.
    WrongKind { got: Option<ObjectKind>, expected: ObjectKind },
    /// Its compiler is not the one of this machine.
    WrongVersion { got: CompilerVersion, expected: CompilerVersion },
}

impl Trouble {
    /// A refusal as servers write it: messages like our own, and in ours a line with a hint.
    pub(crate) fn refused(exit: Exit, reply: &Reply) -> Trouble {
        let text = String::from_utf8_lossy(&reply.stderr);
        let (hints, lines): (Vec<&str>, Vec<&str>) =
            text.lines().partition(|line| line.starts_with("hint: "));
        let lines: Vec<&str> = lines.into_iter().map(without_prefix).collect();
        let hint = hints.first().and_then(|hint| hint.strip_prefix("hint: ")).unwrap_or_default();
        let lack = Lack::from_bytes(&reply.stdout);
        let text = lines.join("\n").trim().to_owned();
        Trouble::Refused { exit, text, hint: hint.to_owned(), lack }
    }
}

/// A server's message without `distccd[PID] ERROR: ` in front.
fn without_prefix(line: &str) -> &str {
    match line.split_once("] ERROR: ") {
        Some((prefix, rest)) if prefix.starts_with("distccd[") => rest,
        _ => line,
    }
}

/// What to do after a [`Trouble`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Leave the host alone for a while, and ask another.
    BackOff,
    /// Ask another; this one is fine for other jobs.
    AnotherHost,
    /// No other host would do better.
    Here,
}

impl Trouble {
    /// What happened, as the end of "failed to distribute FILE to HOST: ...".
    pub(crate) fn says(&self) -> String {
        match self {
            Trouble::Name(error) if error.kind() == io::ErrorKind::TimedOut => {
                format!("its name was not resolved within {} s", CONNECT_TIMEOUT.as_secs())
            }
            Trouble::Name(error) => format!("its name could not be resolved: {}", plain(error)),
            Trouble::FoundDead => "another job found it dead meanwhile".to_owned(),
            Trouble::Mute { silent } => {
                format!("it is there, and has given no sign of life for {} s", silent.as_secs())
            }
            Trouble::Connect(error) if error.kind() == io::ErrorKind::TimedOut => {
                format!("no connection within {} s", CONNECT_TIMEOUT.as_secs())
            }
            Trouble::Connect(error) => format!("could not connect: {}", plain(error)),
            Trouble::Ssh(failure) => failure.says(),
            Trouble::Io { step, source } => {
                let step = match step {
                    Step::Sending => "sending",
                    Step::Waiting => "waiting for the object",
                    Step::Receiving => "receiving",
                };
                format!("{} while {step}", plain(source))
            }
            Trouble::HungUp => "it hung up without an answer".to_owned(),
            Trouble::Wire(WireError::NoMemory { size, .. }) => {
                format!("no memory is left here for {size} bytes of its answer")
            }
            Trouble::Wire(WireError::Truncated { awaited }) => {
                format!("its answer ended before {awaited}")
            }
            Trouble::Wire(error) => format!("its answer is not understood: {error}"),
            Trouble::Refused { exit, text, .. } if text.is_empty() => {
                format!("it refused with code {exit}")
            }
            Trouble::Refused { text, .. } => format!("it refused: {text}"),
            Trouble::Fault(line) => format!("its compiler could not do its work: {line}"),
            Trouble::Killed { signal } => format!("its compiler was ended by signal {signal}"),
            Trouble::CannotRestore => {
                "it cannot make debug information with this machine's columns".to_owned()
            }
            Trouble::WrongKind { got: Some(got), expected } => {
                format!("its object is {got}, and the compiler of this machine makes {expected}")
            }
            Trouble::WrongKind { got: None, .. } => {
                "it sent something that is no object".to_owned()
            }
            Trouble::WrongVersion { got, expected } => {
                format!("its compiler is {got}, and the one of this machine is {expected}")
            }
        }
    }

    /// What the user may do.
    pub(crate) fn hint(&self, spec: &HostSpec, compiler: &str) -> String {
        let host = &spec.host;
        match self {
            Trouble::Ssh(failure) => {
                failure.hint(host).unwrap_or_else(|| Trouble::HungUp.hint(spec, compiler))
            }
            Trouble::Name(error) if error.kind() == io::ErrorKind::TimedOut => {
                "does the name server of this machine answer? An address needs none".to_owned()
            }
            Trouble::Name(_) => format!("check the entry `{host}` of the host list"),
            Trouble::FoundDead => String::new(),
            Trouble::Mute { .. } => format!(
                "look at distccd on {}: it may have been stopped, or have no memory left",
                host.name()
            ),
            Trouble::Connect(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => {
                    format!("start distccd on {}, or give its port as HOST:PORT", host.name())
                }
                io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable => {
                    format!("is {} up, and does its firewall let the port in?", host.name())
                }
                _ => format!("check the entry `{host}` of the host list"),
            },
            Trouble::HungUp => format!(
                "distccd 3.4 does so when it does not allow this machine's address (--allow) or \
                 `{compiler}` (a link in /usr/lib/distcc); its log on {} tells",
                host.name()
            ),
            Trouble::Wire(WireError::NoMemory { .. }) => {
                "run fewer jobs at once, or raise the limit (ulimit -v)".to_owned()
            }
            Trouble::Wire(_) => ssh::hint_for_nonsense(host)
                .unwrap_or_else(|| format!("is it a distccd that listens at {host}?")),
            Trouble::WrongKind { .. } => format!(
                "give distccd on {} a PATH that begins with the folder of a `{compiler}` for this \
                 machine's kind",
                host.name()
            ),
            Trouble::WrongVersion { expected, .. } => {
                format!("install {expected} on {}, or take it out of the host list", host.name())
            }
            Trouble::Io { step: Step::Waiting, source }
                if source.kind() == io::ErrorKind::TimedOut =>
            {
                "DISTCC_IO_TIMEOUT sets the longest silence in seconds, 0 for no limit".to_owned()
            }
            Trouble::Refused { hint, .. } => hint.clone(),
            Trouble::Io { source, .. } if source.kind() == io::ErrorKind::HostUnreachable => {
                format!("is {} still up, and the network to it?", host.name())
            }
            Trouble::Io { .. } => String::new(),
            Trouble::CannotRestore => format!(
                "run distccd of distcc-rs on {}; or accept other columns: DISTCC_INEXACT_DEBUG=1",
                host.name()
            ),
            Trouble::Fault(_) | Trouble::Killed { .. } => {
                format!("look at memory, disk and the compiler on {}", host.name())
            }
        }
    }

    /// The exit code when there is no fallback.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Trouble::Name(_) | Trouble::Connect(_) | Trouble::FoundDead => Exit::CONNECT_FAILED,
            Trouble::Ssh(failure) => failure.exit(),
            Trouble::Mute { .. } => Exit::TIMED_OUT,
            Trouble::Io { source, .. } if source.kind() == io::ErrorKind::TimedOut => {
                Exit::TIMED_OUT
            }
            Trouble::Io { .. } => Exit::IO_ERROR,
            Trouble::HungUp | Trouble::Wire(WireError::Truncated { .. }) => Exit::TRUNCATED,
            Trouble::Wire(WireError::NoMemory { .. }) => Exit::OUT_OF_MEMORY,
            Trouble::Wire(_) => Exit::PROTOCOL_ERROR,
            Trouble::Refused { exit, .. } => *exit,
            Trouble::Fault(_) | Trouble::Killed { .. } => Exit::COMPILER_CRASHED,
            Trouble::CannotRestore | Trouble::WrongKind { .. } | Trouble::WrongVersion { .. } => {
                Exit::FAILED
            }
        }
    }

    pub(crate) fn next(&self) -> Next {
        match self {
            Trouble::Refused { exit: Exit::BAD_ARGUMENTS | Exit::TIMED_OUT, .. } => Next::Here,
            // No host can help this machine.
            Trouble::Wire(WireError::NoMemory { .. }) => Next::Here,
            // Other jobs, for other compilers, are welcome there.
            Trouble::Refused { exit: Exit::BUSY | Exit::COMPILER_MISSING, .. }
            | Trouble::Killed { .. }
            | Trouble::CannotRestore
            // Whoever found out has said so.
            | Trouble::FoundDead => Next::AnotherHost,
            _ => Next::BackOff,
        }
    }
}

/// The system's words without Rust's "(os error N)".
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut => "no sign of life for too long".to_owned(),
        _ => {
            let text = error.to_string();
            let text = text.split(" (os error").next().unwrap_or_default();
            text.strip_prefix("failed to lookup address information: ").unwrap_or(text).to_owned()
        }
    }
}

fn no_connection(error: ConnectError) -> Trouble {
    match error {
        ConnectError::Name(error) => Trouble::Name(error),
        ConnectError::Address(error) => Trouble::Connect(error),
        ConnectError::GivenUp => Trouble::FoundDead,
    }
}

/// A conversation with one server.
pub(crate) struct Conversation<'a> {
    connection: Connection,
    /// What is at the other end instead of a server.
    ssh: Option<Ssh>,
    version: Version,
    listening: Listening<'a>,
    answered_early: bool,
    n_sent: u64,
    n_received: u64,
}

impl<'a> Conversation<'a> {
    /// Connects, and sends what is known before the source is: the command. `is_dead` is asked
    /// meanwhile whether somebody else found out that the host is.
    pub(crate) fn begin(
        spec: &'a HostSpec,
        command: &[OsString],
        settings: &Settings,
        state: Option<&'a StateDir>,
        is_dead: &mut dyn FnMut() -> bool,
    ) -> Result<Conversation<'a>, Trouble> {
        let mut conversation = Conversation::open(spec, settings, state, is_dead)?;
        let words: Vec<&[u8]> = command.iter().map(|word| word.as_bytes()).collect();
        let head =
            wire::encode_request_head(conversation.version, &words).map_err(Trouble::Wire)?;
        conversation.send(&[&head])?;
        Ok(conversation)
    }

    /// Connects.
    pub(crate) fn open(
        spec: &'a HostSpec,
        settings: &Settings,
        state: Option<&'a StateDir>,
        is_dead: &mut dyn FnMut() -> bool,
    ) -> Result<Conversation<'a>, Trouble> {
        let io_timeout = settings.io_timeout;
        let (ssh, connection) = match &spec.host {
            Host::Local => return Err(Trouble::Connect(io::ErrorKind::Unsupported.into())),
            Host::Tcp { name, port } => {
                let mut attempt = Attempt::new(CONNECT_TIMEOUT, is_dead);
                let connected = names::connect(name, *port, settings.look_up, state, &mut attempt);
                (None, connected.map_err(no_connection)?)
            }
            host @ Host::Ssh { .. } => {
                let (ssh, connection) =
                    Ssh::connect(&settings.ssh, host, io_timeout).map_err(Trouble::Ssh)?;
                (Some(ssh), connection)
            }
        };
        let version = if spec.compresses { Version::V2 } else { Version::V1 };
        let listening = Listening::new(io_timeout, &spec.host, state, connection.peer());
        Ok(Conversation {
            connection,
            ssh,
            version,
            listening,
            answered_early: false,
            n_sent: 0,
            n_received: 0,
        })
    }

    /// The descriptors by which somebody else can send the request: a socket, or what is read and
    /// what is written.
    pub(crate) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.connection.descriptors()
    }

    /// Somebody else has sent the request, in version 3, so many bytes of it.
    pub(crate) fn note_sent(&mut self, n_bytes: u64) {
        self.version = Version::V3;
        self.listening.expect_work(n_bytes as usize);
        self.n_sent += n_bytes;
    }

    /// What to watch for an answer that comes too early.
    pub(crate) fn input(&self) -> BorrowedFd<'_> {
        self.connection.input()
    }

    /// How many bytes were sent and received. What was on its way when the peer hung up counts.
    pub(crate) fn traffic(&self) -> (u64, u64) {
        (self.n_sent, self.n_received)
    }

    /// Sends the source.
    pub(crate) fn send_source(&mut self, text: &[u8]) -> Result<(), Trouble> {
        let (token, body) = wire::encode_source(self.version, text).map_err(Trouble::Wire)?;
        self.listening.expect_work(text.len());
        self.send(&[&token, &body])
    }

    fn send(&mut self, pieces: &[&[u8]]) -> Result<(), Trouble> {
        if self.answered_early {
            return Ok(());
        }
        let sent = self.connection.send(pieces, &mut self.listening);
        let sent = sent.map_err(|source| self.trouble(Step::Sending, source))?;
        self.n_sent += pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        self.answered_early = sent == Sent::PeerSpokeFirst;
        Ok(())
    }

    /// Receives the answer. `on_answer` is called once, when it begins to come.
    pub(crate) fn receive(&mut self, mut on_answer: impl FnMut()) -> Result<Reply, Trouble> {
        let mut decoder = ReplyDecoder::new(self.version, Limits::DEFAULT);
        let mut buffer = vec![0; READ_BYTES];
        let mut n_received = 0;
        loop {
            let step = if n_received == 0 { Step::Waiting } else { Step::Receiving };
            let start = Instant::now();
            let n_bytes = match self.connection.receive(&mut buffer, &mut self.listening) {
                Ok(n_bytes) => n_bytes,
                // A reset is what a close looks like when some of our bytes were never read.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
                Err(source) => return Err(self.trouble(step, source)),
            };
            if n_bytes == 0
                && let Some(failure) =
                    self.ssh.as_ref().and_then(|ssh| ssh.hung_up(&self.connection))
            {
                return Err(Trouble::Ssh(failure));
            }
            if n_bytes == 0 && n_received == 0 {
                return Err(Trouble::HungUp);
            }
            if n_bytes == 0 {
                return Err(Trouble::Wire(decoder.truncated()));
            }
            if n_received == 0 {
                self.listening.note_answer(start.elapsed());
                on_answer();
            }
            n_received += n_bytes;
            self.n_received = n_received as u64;
            if let Some(reply) = decoder.push(&mut &buffer[..n_bytes]).map_err(Trouble::Wire)? {
                self.connection.note_done();
                return Ok(reply);
            }
        }
    }

    /// What ssh has said beside the answer.
    pub(crate) fn ssh_said(&self) -> Option<String> {
        Some(self.connection.program_said()).filter(|said| !said.is_empty())
    }

    /// What ended a wait.
    fn trouble(&self, step: Step, source: io::Error) -> Trouble {
        let ssh = self.ssh.as_ref().filter(|_| source.kind() == io::ErrorKind::TimedOut);
        if let Some(failure) = ssh.and_then(|ssh| ssh.timed_out(&self.connection)) {
            return Trouble::Ssh(failure);
        }
        match self.listening.mute_for() {
            Some(silent) => Trouble::Mute { silent },
            None => Trouble::Io { step, source },
        }
    }
}
