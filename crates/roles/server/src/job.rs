//! One connection, from its first byte to the log line about it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use compiler_args::{ServerJob, WantedCompiler, server_job};
use process::{Ending, JobFolder, Run, Usage};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
use toolchain::Compiler;
use transport::{Connection, Sent};
use wire::{Abilities, Exit, Reply, Request, RequestDecoder, Version, WaitStatus, WireError};

use crate::Context;
use crate::bounds::{
    LAST_WORDS_BYTES, LAST_WORDS_PATIENCE, LOOK_FOR_MEMORY, MEMORY_NOTICE, MEMORY_PATIENCE,
    MOST_EXTRA_BYTES, MOST_MESSAGE_BYTES, MOST_OBJECT_BYTES, RESERVED_BYTES, STOPPING_PATIENCE,
};
use crate::budget::Share;
use crate::disk::check_room;
use crate::log::Level;
use crate::memory::{Admitted, free_bytes};
use crate::outcome::Outcome;
use crate::pace::{Pace, ReplyPatience};
use crate::refusal::Refusal;
use crate::restored::{self, Layout};
use crate::slots::{Asked, Slot};
use crate::whitelist::Allowed;

/// How much is read at once.
const READ_BYTES: usize = 128 << 10;

/// How much is sent between two looks at the clock.
const SEND_BYTES: usize = 1 << 20;

/// How long a client that may not connect gets to name the version of its refusal.
const STRANGER_PATIENCE: Duration = Duration::from_secs(2);

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
struct Told {
    compiler: String,
    input: String,
}

/// A job as it came in, judged.
struct Received<'a> {
    request: Request,
    job: ServerJob,
    compiler: Allowed,
    /// What the source takes of everybody's memory.
    share: Share<'a>,
}

/// Serves one connection, and gives the code for a server that serves only this one.
pub(crate) fn serve(context: &Context, connection: Connection, peer: Option<SocketAddr>) -> Exit {
    let start = Instant::now();
    let client = match peer {
        Some(peer) => format!("{}:{}", peer.ip().to_canonical(), peer.port()),
        None => "NOTSOCKET".to_owned(),
    };
    context.log.write(Level::Info, "dcc_check_client", &format!("connection from {client}"));
    context.statistics.note_accepted();
    let mut conversation = Conversation {
        context,
        connection,
        decoder: RequestDecoder::new(context.limits),
        told: Told::default(),
        n_extra_bytes: 0,
    };
    if let Some(peer) = peer.filter(|peer| !context.access.lets_in(peer.ip())) {
        let text = format!("connection from client '{client}' denied by access list");
        context.log.write(Level::Error, "dcc_check_client", &text);
        context.statistics.note_denied();
        return conversation.turn_away(&Refusal::access_denied(peer.ip()));
    }
    let (outcome, status, exit) = match conversation.run() {
        Ok(status) if status.is_success() => (Outcome::CompileOk, status, Exit::SUCCESS),
        Ok(status) => (Outcome::CompileError, status, Exit::SUCCESS),
        Err(Failure::Gone(why)) => {
            context.log.write(Level::Info, "serve", &format!("{client}: {why}"));
            // As 3.4: the compiler that was ended for it has that code as well.
            let has_begun = !conversation.told.input.is_empty();
            let code = if has_begun { Exit::IO_ERROR } else { Exit::SUCCESS };
            (Outcome::ClientDisconnected, WaitStatus::exited(code.code()), Exit::IO_ERROR)
        }
        Err(Failure::Silent(refusal)) => {
            context.log.write(Level::Info, "serve", &format!("{client}: {refusal}"));
            conversation.tell(&refusal);
            (Outcome::ClientDisconnected, WaitStatus(0), refusal.exit)
        }
        Err(Failure::Asked) => {
            context.log.write(Level::Info, "serve", &format!("{client} asks for our abilities"));
            conversation.tell_abilities();
            conversation.part(Exit::SUCCESS);
            return Exit::SUCCESS;
        }
        Err(Failure::Refused(refusal)) => {
            context.log.write(Level::Warning, "serve", &format!("{client}: {refusal}"));
            conversation.tell(&refusal);
            (Outcome::of_refusal(refusal.exit), WaitStatus(0), refusal.exit)
        }
    };
    let time = start.elapsed();
    let Told { compiler, input } = &conversation.told;
    let names = [compiler.as_str(), input].join(" ");
    let text = format!(
        "client: {client} {} time:{}ms {}",
        summary(outcome, status, exit),
        time.as_millis(),
        names.trim_end()
    );
    context.log.write(Level::Notice, "dcc_job_summary", &text);
    context.statistics.note_job(outcome, time, compiler, input, Instant::now());
    if exit != Exit::SUCCESS {
        conversation.part(exit);
    }
    exit
}

/// What the log says of a client that may not connect.
pub(crate) fn denied(peer: SocketAddr) -> String {
    let (address, port) = (peer.ip().to_canonical(), peer.port());
    format!("connection from client '{address}:{port}' denied by access list")
}

/// How a job ended, in the fields of distcc 3.4's summary line.
fn summary(outcome: Outcome, status: WaitStatus, exit: Exit) -> String {
    // As 3.4, which takes a compiler that was ended for one that ended with this code.
    let (status, exit) = match outcome {
        Outcome::CompileTimeout => (WaitStatus::exited(exit.code()), Exit::SUCCESS),
        _ => (status, exit),
    };
    let core = u8::from(status.signal().is_some() && status.0 & 0x80 != 0);
    format!(
        "{} exit:{} sig:{} core:{core} ret:{exit}",
        outcome.name(),
        status.code().unwrap_or_default(),
        status.signal().unwrap_or_default()
    )
}

/// How much came how fast, in the words of 3.4.
fn received(n_bytes: usize, time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let kilobytes = n_bytes as f64 / 1024.0 / seconds.max(1e-6);
    format!("{n_bytes} bytes received in {seconds:.6}s, rate {kilobytes:.0}kB/s")
}

/// What a compiler has cost, in the words of 3.4, where all numbers are 0.
fn cc_times(usage: &Usage) -> String {
    format!(
        "cc times: user {:.6}s, system {:.6}s, {} minflt, {} majflt",
        usage.user.as_secs_f64(),
        usage.system.as_secs_f64(),
        usage.n_minor_faults,
        usage.n_major_faults
    )
}

/// How a compiler ended, in the words of 3.4.
fn completed(job: &str, status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => format!("{job} on localhost completed ok"),
        (Some(1), _) => format!("{job} on localhost failed"),
        (Some(code), _) => format!("{job} on localhost failed with exit code {code}"),
        (None, signal) => {
            format!("{job} on localhost died with signal {}", signal.unwrap_or_default())
        }
    }
}

/// The file that the client's command names as its output.
fn output_name(words: &[OsString]) -> Option<&OsStr> {
    let at = words.iter().position(|word| word == "-o")?;
    words.get(at + 1).map(OsString::as_os_str)
}

struct Conversation<'a> {
    context: &'a Context,
    connection: Connection,
    decoder: RequestDecoder,
    told: Told,
    n_extra_bytes: usize,
}

impl<'a> Conversation<'a> {
    /// Does the job, and says how its compiler ended.
    fn run(&mut self) -> Result<WaitStatus, Failure> {
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
        self.send(&bytes).map_err(|error| Failure::Gone(format!("sending the object: {error}")))?;
        self.context.log.write(Level::Info, "", "job complete");
        Ok(reply.status)
    }

    /// Receives the request. Compiler and options are judged as soon as they are there, before
    /// the client has sent its source.
    fn receive(&mut self) -> Result<Received<'a>, Failure> {
        let mut share = self.context.budget.share();
        let mut buffer = vec![0; READ_BYTES];
        let mut judged = None;
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
            take(&mut share, n_bytes)?;
            pace.note(n_bytes, judged.is_some(), Instant::now());
            let mut input = &buffer[..n_bytes];
            let request = self.decoder.push_within(&mut input, &mut |n_bytes| share.grow(n_bytes));
            let request = request.map_err(|error| bad_request(&error))?;
            if let (None, Some(command)) = (&judged, self.decoder.command()) {
                let command = command.to_vec();
                judged = Some(self.judge(command)?);
                source_begin = Instant::now();
                self.check_disk(0)?;
                pace.note_command();
            }
            if let Some(request) = request {
                self.n_extra_bytes += input.len();
                let time = source_begin.elapsed();
                let (job, compiler) = match judged {
                    Some(judged) => judged,
                    None => self.judge(request.arguments.clone())?,
                };
                let text = received(request.source.len(), time);
                self.context.log.write(Level::Info, "dcc_r_file_timed", &text);
                return Ok(Received { request, job, compiler, share });
            }
        }
    }

    /// Whether this compiler may run with these words here.
    fn judge(&mut self, command: Vec<Vec<u8>>) -> Result<(ServerJob, Allowed), Failure> {
        if command == [wire::ABILITIES_QUESTION] {
            return Err(Failure::Asked);
        }
        let words: Vec<OsString> = command.into_iter().map(OsString::from_vec).collect();
        self.told.compiler = words[0].to_string_lossy().into_owned();
        let peer = self.connection.peer().map(|peer| peer.ip());
        let compiler = self.context.whitelist.find(&words, peer).map_err(|denied| {
            let is_marked = WantedCompiler::of_command(&words).is_some();
            Failure::Refused(Refusal::compiler(&self.told.compiler, &denied, is_marked))
        })?;
        if compiler.name != words[0] {
            let (name, program) = (&self.told.compiler, compiler.compiler.program.display());
            self.context.log.write(Level::Info, "serve", &format!("{name} here: {program}"));
        }
        let job = server_job(&words).map_err(|refusal| {
            let text = format!("this command is not run for others: {refusal}");
            Failure::Refused(Refusal::new(Exit::BAD_ARGUMENTS, text, refusal.hint()))
        })?;
        self.told.input = job.input_name().to_string_lossy().into_owned();
        let output = output_name(&words).unwrap_or_default().to_string_lossy();
        let text = format!("compile from {} to {output}", self.told.input);
        self.context.log.write(Level::Info, "", &text);
        Ok((job, compiler))
    }

    /// Compiles. `object_share` is what the object takes of everybody's memory.
    fn compile(
        &mut self,
        received: Received<'_>,
        folder: &JobFolder,
        object_share: &mut Share<'_>,
    ) -> Result<Reply, Failure> {
        self.check_disk(received.request.source.len() as u64)?;
        let Received { request, job, compiler: Allowed { compiler, name }, share } = received;
        let layout = Layout::of(&job, folder.path())?;
        let write = |path: &Path| {
            File::create(path).map_err(|error| failed("could not write a temporary file", &error))
        };
        write(&layout.source)?
            .write_all(&request.source)
            .map_err(|error| failed("could not write the source", &error))?;
        // Jobs may wait long, and many at once.
        drop((request, share));
        let stdout = write(&folder.path().join("stdout"))?;
        let stderr = write(&folder.path().join("stderr"))?;
        let mut arguments = job.command(&layout.input, &layout.output);
        arguments.extend(layout.words);
        reserve(&stderr).map_err(|error| failed("could not write a temporary file", &error))?;
        let _slot = self.wait_for_slot()?;
        let _memory = self.wait_for_memory()?;
        let run = Run {
            program: &compiler.program,
            name: &name,
            arguments: &arguments,
            environment: &self.environment(&compiler, folder, &layout.folder),
            own_folder: folder.path(),
            folder: &layout.folder,
            stdout,
            stderr,
        };
        let status = self.watch(run)?;
        let told = format!("{} {}", self.told.compiler, self.told.input);
        self.context.log.write(Level::Info, "", &completed(&told, status));
        let mut reply = Reply {
            status: WaitStatus(status.into_raw() as u32),
            stderr: messages(&folder.path().join("stderr")),
            stdout: messages(&folder.path().join("stdout")),
            object: Vec::new(),
        };
        if layout.root.is_some() {
            reply.stderr = restored::without_noise(&reply.stderr);
        }
        if !reply.status.is_success() {
            return Ok(reply);
        }
        reply.object = written(&layout.object, object_share)?;
        let debug = layout.debug.as_deref().map(|path| written(path, object_share)).transpose()?;
        if reply.object.is_empty() || debug.as_ref().is_some_and(Vec::is_empty) {
            return Err(Failure::Refused(Refusal::new(
                Exit::FAILED,
                "the compiler said it succeeded, and wrote nothing",
                "look at the disk and the compiler of the server",
            )));
        }
        if let Some(root) = &layout.root
            && [Some(&reply.object), debug.as_ref()]
                .into_iter()
                .flatten()
                .any(|file| memchr::memmem::find(file, root.as_os_str().as_bytes()).is_some())
        {
            return Err(Failure::Refused(Refusal::new(
                Exit::BAD_ARGUMENTS,
                "the object would name a folder of this server",
                "",
            )));
        }
        if let Some(debug) = debug {
            reply.object = wire::join_two_files(&reply.object, &debug);
        }
        Ok(reply)
    }

    /// Runs the compiler for as long as the client is there.
    fn watch(&mut self, run: Run<'_>) -> Result<ExitStatus, Failure> {
        let name = run.program.display().to_string();
        let deadline = self.context.job_lifetime.and_then(|life| Instant::now().checked_add(life));
        let failed = |failure: process::Failure| {
            Failure::Refused(match failure {
                process::Failure::NotExecuted(error) => Refusal::new(
                    Exit::COMPILER_MISSING,
                    format!("could not run {name}: {error}"),
                    "the server's user has to be able to execute it, and its sandbox to see it: \
                     in a system folder or a folder of the server's PATH",
                ),
                process::Failure::Broken(why) => Refusal::new(
                    Exit::FAILED,
                    format!("could not run {name} in a sandbox: {why}"),
                    "look into the server's log; it starts with what its sandbox is",
                ),
            })
        };
        let mut running = run.start(self.context.sandbox.as_ref()).map_err(failed)?;
        loop {
            let ending = {
                let watched = [self.connection.input(), self.context.stop.rung()];
                running.wait(&watched, deadline)
            };
            match ending.map_err(failed)? {
                Ending::Ended(status) => {
                    let text = cc_times(&running.usage());
                    self.context.log.write(Level::Info, "dcc_collect_child", &text);
                    return Ok(status);
                }
                Ending::TimedOut => {
                    let seconds = self.context.job_lifetime.unwrap_or_default().as_secs();
                    return Err(Failure::Refused(Refusal::new(
                        Exit::TIMED_OUT,
                        format!("the compiler was ended after {seconds} s"),
                        "start the server with a longer --job-lifetime",
                    )));
                }
                Ending::Spoke(0) => self.check_client()?,
                Ending::Spoke(_) => return Err(stopping()),
            }
        }
    }

    /// Refuses the job where the disk has no room for it.
    fn check_disk(&self, n_bytes: u64) -> Result<(), Failure> {
        check_room(self.context.temporary.path(), n_bytes).map_err(Failure::Refused)
    }

    /// Waits until there is memory for a compiler beside those that run.
    fn wait_for_memory(&mut self) -> Result<Admitted<'a>, Failure> {
        let context = self.context;
        let start = Instant::now();
        if let Some(admitted) = context.memory.ask(start, free_bytes) {
            return Ok(admitted);
        }
        let mut has_told = false;
        let mut place =
            context.memory.queue().map_err(|error| failed("could not wait for memory", &error))?;
        loop {
            let now = Instant::now();
            place = match place.ask(now, free_bytes) {
                Ok(admitted) => return Ok(admitted),
                Err(place) => place,
            };
            let waited = now.saturating_duration_since(start);
            if waited >= MEMORY_PATIENCE {
                let text =
                    format!("no memory for one more compiler here for {} s", waited.as_secs());
                return Err(Failure::Refused(Refusal::busy(text)));
            }
            if waited >= MEMORY_NOTICE && !has_told {
                has_told = true;
                let text = format!("{} waits for memory", self.told.input);
                context.log.write(Level::Notice, "memory", &text);
            }
            let ready = {
                let watched = [self.connection.input(), context.stop.rung(), place.bell()];
                wait_for_any(&watched, LOOK_FOR_MEMORY)
            };
            match ready {
                Ok(ready) if ready[1] => return Err(stopping()),
                Ok(ready) if ready[0] => self.check_client()?,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::TimedOut => {}
                Err(error) => return Err(failed("could not wait for memory", &error)),
            }
        }
    }

    fn wait_for_slot(&mut self) -> Result<Slot<'a>, Failure> {
        let context = self.context;
        let asked = context.slots.ask();
        let mut place = match asked.map_err(|error| failed("could not queue the job", &error))? {
            Asked::Slot(slot) => return Ok(slot),
            Asked::Full => {
                let refusal = Refusal::busy("too many jobs are waiting here already");
                return Err(Failure::Refused(refusal));
            }
            Asked::Queued(place) => place,
        };
        let origin = self.connection.peer().map(|peer| peer.ip());
        let _queued = context.queue.enter(origin).map_err(|_| {
            Failure::Refused(Refusal::busy(
                "too many jobs from your address are waiting here already",
            ))
        })?;
        loop {
            let client_spoke = {
                let turn = place.turn();
                let watched = [self.connection.input(), context.stop.rung()];
                let watched: Vec<BorrowedFd<'_>> = watched.into_iter().chain(turn).collect();
                let ready = wait_for_any(&watched, Duration::MAX)
                    .map_err(|error| failed("could not wait for a slot", &error))?;
                if ready[1] {
                    return Err(stopping());
                }
                ready[0]
            };
            if client_spoke {
                self.check_client()?;
            }
            place = match place.take() {
                Ok(slot) => return Ok(slot),
                Err(place) => place,
            };
        }
    }

    fn wait_for_client(&self, timeout: Duration) -> Result<(), Failure> {
        let watched = [self.connection.input(), self.context.stop.rung()];
        let ready = wait_for_any(&watched, timeout).map_err(|error| match error.kind() {
            ErrorKind::TimedOut => Failure::Silent(silent(timeout)),
            _ => Failure::Gone(format!("waiting for the request: {error}")),
        })?;
        if ready[1] { Err(stopping()) } else { Ok(()) }
    }

    /// Looks why there is something to read while the client should be waiting.
    fn check_client(&mut self) -> Result<(), Failure> {
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

    fn environment(
        &self,
        compiler: &Compiler,
        folder: &JobFolder,
        working_folder: &Path,
    ) -> Vec<(OsString, OsString)> {
        let environment = &self.context.environment;
        let path = compiler.path.as_ref().unwrap_or(&environment.path);
        let mut variables = environment.for_compilers.clone();
        variables.extend([
            ("PATH".into(), path.clone()),
            ("TMPDIR".into(), folder.path().into()),
            // GCC takes its name for the folder from here, as long as it is true.
            ("PWD".into(), working_folder.into()),
            ("_DISTCC_SAFEGUARD".into(), "1".into()),
        ]);
        variables
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
    fn tell(&self, refusal: &Refusal) {
        let version = self.decoder.version().unwrap_or(Version::V1);
        let _ = self.connection.send(&[&refusal.encode(version)], patience(refusal.exit));
    }

    /// Tells what this server can do beyond distcc 3.4.
    fn tell_abilities(&self) {
        let version = self.decoder.version().unwrap_or(Version::V1);
        let abilities =
            Abilities { restores_source: true, splits_debug: true, picks_compiler: true };
        if let Ok(bytes) = abilities.reply().encode(version) {
            let _ = self.send(&bytes);
        }
    }

    /// Ends a conversation without an object: the client gets the time to read why.
    fn part(self, exit: Exit) {
        self.connection.close_gently(patience(exit), LAST_WORDS_BYTES);
    }

    /// Refuses a client that may not connect. It gets a moment to say in which version it wants
    /// to hear that, and no more.
    fn turn_away(mut self, refusal: &Refusal) -> Exit {
        let mut buffer = [0; 4096];
        let deadline = Instant::now() + STRANGER_PATIENCE;
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
fn take(share: &mut Share<'_>, n_bytes: usize) -> Result<(), Failure> {
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

fn stopping() -> Failure {
    Failure::Refused(Refusal::new(Exit::GONE, "this server is being stopped", ""))
}

fn bad_request(error: &WireError) -> Failure {
    if matches!(error, WireError::NoMemory { .. }) {
        return Failure::Refused(too_much());
    }
    let hint = match error {
        WireError::UnknownVersion { number: 3 } => {
            "pump mode is not supported yet: take `,cpp` out of this host's entry"
        }
        WireError::UnknownVersion { .. } => "this server speaks the protocols 1 and 2",
        _ => "",
    };
    Failure::Refused(Refusal::new(Exit::PROTOCOL_ERROR, error.to_string(), hint))
}

/// Keeps some room on the disk for `messages`, where the file system can.
fn reserve(messages: &File) -> io::Result<()> {
    match fallocate(messages, FallocateFlags::KEEP_SIZE, 0, RESERVED_BYTES) {
        Err(Errno::NOSPC | Errno::DQUOT) => Err(Errno::NOSPC.into()),
        _ => Ok(()),
    }
}

/// The file that the compiler wrote; empty where there is none. Not through a link: that could be a
/// file of somebody else.
fn written(path: &Path, share: &mut Share<'_>) -> Result<Vec<u8>, Failure> {
    let found = std::fs::symlink_metadata(path).ok().filter(std::fs::Metadata::is_file);
    let Some(found) = found else { return Ok(Vec::new()) };
    if found.len() > MOST_OBJECT_BYTES {
        let text = format!("the object is too large to be sent: {} bytes", found.len());
        return Err(Failure::Refused(Refusal::new(Exit::FAILED, text, "")));
    }
    // As it is, and as it is sent.
    take(share, 2 * found.len() as usize)?;
    Ok(std::fs::read(path).unwrap_or_default())
}

/// What the compiler wrote to one of its streams, up to a limit.
fn messages(path: &Path) -> Vec<u8> {
    let mut text = Vec::new();
    let Ok(file) = File::open(path) else { return text };
    let _ = file.take(MOST_MESSAGE_BYTES).read_to_end(&mut text);
    if text.len() as u64 == MOST_MESSAGE_BYTES {
        text.extend_from_slice(b"\ndistccd: the rest of this output is left out\n");
    }
    text
}

/// Waits until one of `watched` is readable or has hung up, and says which.
fn wait_for_any(watched: &[BorrowedFd<'_>], timeout: Duration) -> io::Result<Vec<bool>> {
    let mut ends: Vec<PollFd<'_>> = watched
        .iter()
        .map(|end| PollFd::from_borrowed_fd(end.as_fd(), PollFlags::IN | PollFlags::RDHUP))
        .collect();
    transport::wait(&mut ends, timeout)?;
    Ok(ends.iter().map(|end| !end.revents().is_empty()).collect())
}
