//! The talk with one client: what it asks for, whether it is still there, what it is told.

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::time::{Duration, Instant};

use compiler_args::{ServerJob, TreeJob, WantedCompiler, server_job, tree_job};
use rustix::event::{PollFd, PollFlags};
use toolchain::Compiler;
use transport::{Connection, Sent};
use wire::{Abilities, Exit, Payload, Request, RequestDecoder, Version, WaitStatus, WireError};

use crate::Context;
use crate::bounds::{
    DOOR_PATIENCE, LAST_WORDS_BYTES, LAST_WORDS_PATIENCE, MOST_EXTRA_BYTES, STOPPING_PATIENCE,
};
use crate::budget::Share;
use crate::job::{output_name, received};
use crate::log::Level;
use crate::pace::{Pace, ReplyPatience};
use crate::refusal::Refusal;
use crate::stats::{Phase, Spot};
use crate::whitelist::Allowed;

/// How much is read at once.
const READ_BYTES: usize = 128 << 10;

/// Where a request tells its version.
const VERSION_BYTES: usize = 12;

/// How much is sent between two looks at the clock.
const SEND_BYTES: usize = 1 << 20;

/// Why a job has no reply of a compiler.
pub(crate) enum Failure {
    /// The client closed or broke.
    Gone(String),
    /// The client fell silent, or was too slow.
    Silent(Refusal),
    /// We do not do it, and say why.
    Refused(Refusal),
    /// It is no job, but the question what we can do.
    Asked,
}

/// What is known of a job so far, for the log.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) compiler: String,
    pub(crate) input: String,
    /// The compiler of this machine that may do it.
    pub(crate) program: Option<Compiler>,
}

/// A command that may run here.
pub(crate) enum Job {
    /// On preprocessed source.
    Source(ServerJob),
    /// On the client's own files.
    Tree(TreeJob),
}

impl Job {
    fn input_name(&self) -> &OsStr {
        match self {
            Job::Source(job) => job.input_name(),
            Job::Tree(job) => job.input_name(),
        }
    }
}

/// A job as it came in, judged.
pub(crate) struct Received<'a> {
    pub(crate) request: Request,
    pub(crate) job: Job,
    pub(crate) compiler: Allowed,
    /// What the source takes of everybody's memory.
    pub(crate) share: Share<'a>,
}

pub(crate) struct Conversation<'a> {
    pub(crate) context: &'a Context,
    pub(crate) connection: Connection,
    pub(crate) decoder: RequestDecoder,
    pub(crate) told: Told,
    /// For those who watch.
    pub(crate) spot: Spot<'a>,
    pub(crate) n_extra_bytes: usize,
}

impl<'a> Conversation<'a> {
    /// Does the job, and says how its compiler ended.
    pub(crate) fn run(&mut self) -> Result<WaitStatus, Failure> {
        let received = self.receive()?;
        let version = received.request.version;
        let folder = self
            .context
            .temporary
            .job_folder()
            .map_err(|error| failed("could not make a folder for the job", &error))?;
        let mut share = self.context.budget.share();
        let reply = self.compile(received, &folder, &mut share)?;
        let bytes = reply
            .encode(version)
            .map_err(|error| Failure::Refused(Refusal::new(Exit::FAILED, error.to_string(), "")))?;
        self.spot.go_on(Phase::Sending, Instant::now());
        self.send(&bytes).map_err(|error| Failure::Gone(format!("sending the object: {error}")))?;
        self.context.statistics.note_reply(bytes.len());
        self.context.log.write(Level::Info, "", "job complete");
        Ok(reply.status)
    }

    /// Receives the request. Compiler and options are judged as soon as they are there, before
    /// the client has sent its source.
    fn receive(&mut self) -> Result<Received<'a>, Failure> {
        let mut share = self.context.budget.share();
        let mut buffer = vec![0; READ_BYTES];
        let mut judged = None;
        let mut n_received_bytes = 0;
        let mut source_begin = Instant::now();
        let silence = self.context.environment.io_timeout;
        let mut pace = Pace::new(silence, Instant::now());
        loop {
            self.wait_for_client(pace.left(Instant::now())).map_err(|failure| match failure {
                Failure::Silent(_) => too_slow(&pace, silence),
                failure => failure,
            })?;
            let n_bytes = match self.connection.receive(&mut buffer, Duration::ZERO) {
                Ok(0) => return Err(Failure::Gone(self.decoder.truncated().to_string())),
                Ok(n_bytes) => n_bytes,
                Err(error) if error.kind() == ErrorKind::TimedOut => continue,
                Err(error) => return Err(Failure::Gone(error.to_string())),
            };
            let mut input = &buffer[..n_bytes];
            if self.decoder.version().is_none() {
                // First of all: any refusal has to be told in the version that was asked for.
                let mut head = &input[..n_bytes.min(VERSION_BYTES)];
                let n_head = head.len();
                self.decoder.push(&mut head).map_err(|error| bad_request(&error))?;
                input = &input[n_head - head.len()..];
            }
            take(&mut share, n_bytes)?;
            n_received_bytes += n_bytes as u64;
            pace.note(n_bytes, judged.is_some(), Instant::now());
            let request = self.decoder.push_within(&mut input, &mut |n_bytes| share.grow(n_bytes));
            let request = request.map_err(|error| bad_request(&error))?;
            if let (None, Some(command)) = (&judged, self.decoder.command()) {
                let command = command.to_vec();
                judged = Some(self.judge(command)?);
                source_begin = Instant::now();
                self.check_disk(0, 0)?;
                pace.note_command();
            }
            if let Some(mut request) = request {
                self.n_extra_bytes += input.len();
                n_received_bytes -= input.len() as u64;
                let n_kept = self.complete(&mut request)?;
                let time = source_begin.elapsed();
                let (job, compiler) = match judged {
                    Some(judged) => judged,
                    None => self.judge(request.arguments.clone())?,
                };
                let text = received(request.payload.n_bytes(), time);
                let (place, text) = match &request.payload {
                    Payload::Source(_) => ("dcc_r_file_timed", text),
                    Payload::Tree(tree) => {
                        let n_files = tree.entries.len();
                        let kept = match n_kept {
                            0 => String::new(),
                            n_kept => format!(", {n_kept} of them kept"),
                        };
                        ("dcc_r_many_files", format!("{n_files} files of {text}{kept}"))
                    }
                };
                self.context.log.write(Level::Info, place, &text);
                let statistics = &self.context.statistics;
                statistics.note_request(request.payload.n_bytes(), n_received_bytes);
                return Ok(Received { request, job, compiler, share });
            }
        }
    }

    /// Puts what was kept into a request, and keeps what came for that. Says how many files were.
    fn complete(&self, request: &mut Request) -> Result<usize, Failure> {
        let Payload::Tree(tree) = &mut request.payload else { return Ok(0) };
        let kept = &self.context.kept;
        let n_kept =
            kept.fill_in(tree).map_err(|n_gone| Failure::Refused(Refusal::files_gone(n_gone)))?;
        kept.keep(tree);
        let limit = self.context.limits.unpacked_bytes;
        if tree.n_bytes() > limit {
            let text = format!("the files that the job names have more than {limit} bytes");
            return Err(Failure::Refused(Refusal::new(Exit::PROTOCOL_ERROR, text, "")));
        }
        Ok(n_kept)
    }

    /// Whether this compiler may run with these words here.
    fn judge(&mut self, command: Vec<Vec<u8>>) -> Result<(Job, Allowed), Failure> {
        if command == [wire::ABILITIES_QUESTION] {
            return Err(Failure::Asked);
        }
        let words: Vec<OsString> = command.into_iter().map(OsString::from_vec).collect();
        self.told.compiler = words[0].to_string_lossy().into_owned();
        self.spot.name(&self.told.compiler, "");
        let peer = self.connection.peer().map(|peer| peer.ip());
        let compiler = self.context.whitelist.find(&words, peer).map_err(|denied| {
            let is_marked = WantedCompiler::of_command(&words).is_some();
            Failure::Refused(Refusal::compiler(&self.told.compiler, &denied, is_marked))
        })?;
        self.told.program = Some(compiler.compiler.clone());
        if compiler.name != words[0] {
            let (name, program) = (&self.told.compiler, compiler.compiler.program.display());
            self.context.log.write(Level::Info, "serve", &format!("{name} here: {program}"));
        }
        let job = match self.decoder.version() {
            Some(Version::V3) => tree_job(&words).map(Job::Tree),
            _ => server_job(&words).map(Job::Source),
        };
        let job = job.map_err(|refusal| {
            let text = format!("this command is not run for others: {refusal}");
            Failure::Refused(Refusal::new(Exit::BAD_ARGUMENTS, text, refusal.hint()))
        })?;
        if let Job::Tree(job) = &job
            && job.is_whole()
            && !self.context.lays_out_trees()
        {
            return Err(Failure::Refused(Refusal::new(
                Exit::BAD_ARGUMENTS,
                "this server cannot show a compiler the client's files at their own names",
                "it takes namespaces: the server's log says why it has none",
            )));
        }
        self.told.input = job.input_name().to_string_lossy().into_owned();
        self.spot.name(&self.told.compiler, &self.told.input);
        let output = output_name(&words).unwrap_or_default().to_string_lossy();
        let text = format!("compile from {} to {output}", self.told.input);
        self.context.log.write(Level::Info, "", &text);
        Ok((job, compiler))
    }

    pub(crate) fn wait_for_client(&self, timeout: Duration) -> Result<(), Failure> {
        let watched = [self.connection.input(), self.context.stop.rung()];
        let ready = wait_for_any(&watched, timeout).map_err(|error| match error.kind() {
            ErrorKind::TimedOut => Failure::Silent(silent(timeout)),
            _ => Failure::Gone(format!("waiting for the request: {error}")),
        })?;
        if ready[1] { Err(stopping()) } else { Ok(()) }
    }

    /// Looks why there is something to read while the client should be waiting.
    pub(crate) fn check_client(&mut self) -> Result<(), Failure> {
        let mut buffer = [0; 4096];
        match self.connection.receive(&mut buffer, Duration::ZERO) {
            Ok(0) => Err(Failure::Gone("the client hung up".to_owned())),
            Ok(n_bytes) => {
                self.n_extra_bytes += n_bytes;
                if self.n_extra_bytes > MOST_EXTRA_BYTES {
                    return Err(Failure::Gone("the client sends more than a request".to_owned()));
                }
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::TimedOut => Ok(()),
            Err(error) => Err(Failure::Gone(error.to_string())),
        }
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let mut patience = ReplyPatience::new(self.context.environment.io_timeout);
        for piece in bytes.chunks(SEND_BYTES) {
            match self.connection.send(&[piece], &mut patience)? {
                Sent::Everything => patience.note(piece.len()),
                Sent::PeerSpokeFirst => return Err(ErrorKind::ConnectionReset.into()),
            }
        }
        Ok(())
    }

    /// Tells the client why not, in the version it asked in. A client that is still sending does
    /// not keep us from answering.
    pub(crate) fn tell(&self, refusal: &Refusal) {
        let version = self.decoder.version().unwrap_or(Version::V1);
        let _ = self.connection.send(&[&refusal.encode(version)], patience(refusal.exit));
    }

    /// Tells what this server can do beyond distcc 3.4, and how it is at the moment.
    pub(crate) fn tell_abilities(&self) {
        let version = self.decoder.version().unwrap_or(Version::V1);
        let abilities = Abilities {
            restores_source: true,
            splits_debug: true,
            picks_compiler: true,
            lays_out_trees: self.context.lays_out_trees(),
            keeps_files: self.context.kept.keeps(),
            n_jobs: u32::try_from(self.context.slots.n_slots()).ok(),
        };
        let mut reply = abilities.reply();
        reply.stdout.extend(self.context.condition().to_text().into_bytes());
        if let Ok(bytes) = reply.encode(version) {
            let _ = self.send(&bytes);
        }
    }

    /// Ends a conversation without an object: the client gets the time to read why.
    pub(crate) fn part(self, exit: Exit) {
        self.connection.close_gently(patience(exit), LAST_WORDS_BYTES);
    }

    /// Refuses a client that may not connect. It gets a moment to say in which version it wants
    /// to hear that, and no more.
    pub(crate) fn turn_away(mut self, refusal: &Refusal) -> Exit {
        let mut buffer = [0; 4096];
        let deadline = Instant::now() + DOOR_PATIENCE;
        while self.decoder.version().is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.wait_for_client(left).is_err() {
                break;
            }
            let Ok(n_bytes @ 1..) = self.connection.receive(&mut buffer, Duration::ZERO) else {
                break;
            };
            if self.decoder.push(&mut &buffer[..n_bytes]).is_err() {
                break;
            }
        }
        self.tell(refusal);
        self.part(refusal.exit);
        refusal.exit
    }
}

/// How long a client that is refused with this code has to read that.
fn patience(exit: Exit) -> Duration {
    if exit == Exit::GONE { STOPPING_PATIENCE } else { LAST_WORDS_PATIENCE }
}

/// Counts what a source takes of everybody's memory.
pub(crate) fn take(share: &mut Share<'_>, n_bytes: usize) -> Result<(), Failure> {
    if share.grow(n_bytes) {
        return Ok(());
    }
    Err(Failure::Refused(too_much()))
}

fn too_much() -> Refusal {
    Refusal::busy("too many large sources and objects are on their way here already")
}

fn silent(waited: Duration) -> Refusal {
    Refusal::new(
        Exit::TIMED_OUT,
        format!("nothing came from the client for {} s", waited.as_secs()),
        "the server waits longer with a larger DISTCC_IO_TIMEOUT",
    )
}

/// Why a client is not waited for any more: it was silent, or there was no end to it.
fn too_slow(pace: &Pace, silence: Duration) -> Failure {
    let left = pace.left(Instant::now());
    if left == silence {
        return Failure::Silent(silent(silence));
    }
    let text = format!("the client takes too long to send {}", pace.awaited());
    Failure::Silent(Refusal::new(Exit::TIMED_OUT, text, "look at the network to this server"))
}

pub(crate) fn failed(what: &str, error: &io::Error) -> Failure {
    Failure::Refused(Refusal::new(
        Exit::IO_ERROR,
        format!("{what}: {error}"),
        "look at the temporary folder of the server (TMPDIR)",
    ))
}

pub(crate) fn stopping() -> Failure {
    Failure::Refused(Refusal::new(Exit::GONE, "this server is being stopped", ""))
}

fn bad_request(error: &WireError) -> Failure {
    if matches!(error, WireError::NoMemory { .. }) {
        return Failure::Refused(too_much());
    }
    let hint = match error {
        WireError::UnknownVersion { .. } => "this server speaks the protocols 1, 2 and 3",
        _ => "",
    };
    Failure::Refused(Refusal::new(Exit::PROTOCOL_ERROR, error.to_string(), hint))
}

/// Waits until one of `watched` is readable or has hung up, and says which.
pub(crate) fn wait_for_any(watched: &[BorrowedFd<'_>], timeout: Duration) -> io::Result<Vec<bool>> {
    let mut ends: Vec<PollFd<'_>> = watched
        .iter()
        .map(|end| PollFd::from_borrowed_fd(end.as_fd(), PollFlags::IN | PollFlags::RDHUP))
        .collect();
    transport::wait(&mut ends, timeout)?;
    Ok(ends.iter().map(|end| !end.revents().is_empty()).collect())
}
