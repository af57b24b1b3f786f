//! One compile for a client: its files, its turn, its compiler.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use process::{Ending, JobFolder, Run};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
use sandbox::Tree;
use toolchain::Compiler;
use wire::{Exit, Payload, Reply, WaitStatus};

use crate::bounds::{
    BLOCK_BYTES, LOOK_FOR_MEMORY, MEMORY_NOTICE, MEMORY_PATIENCE, MORE_TREE_FILES,
    MOST_MESSAGE_BYTES, MOST_OBJECT_BYTES, RESERVED_BYTES,
};
use crate::budget::Share;
use crate::conversation::{
    Conversation, Failure, Job, Received, failed, stopping, take, wait_for_any,
};
use crate::disk::check_room;
use crate::job::{cc_times, completed};
use crate::log::Level;
use crate::memory::{Admitted, free_bytes};
use crate::refusal::Refusal;
use crate::restored::{self, Layout};
use crate::slots::{Asked, Slot};
use crate::stats::Phase;
use crate::tree::{LaidOut, lay_out, lay_out_as_original};
use crate::whitelist::Allowed;

/// What a job works on, where it is to be.
enum InPlace {
    /// Preprocessed source.
    Source { layout: Layout, arguments: Vec<OsString> },
    /// The client's files.
    Tree(LaidOut),
}

impl InPlace {
    fn arguments(&self) -> &[OsString] {
        match self {
            InPlace::Source { arguments, .. } => arguments,
            InPlace::Tree(laid_out) => &laid_out.arguments,
        }
    }

    /// Where the compiler runs, by its own names.
    fn folder(&self) -> &Path {
        match self {
            InPlace::Source { layout, .. } => &layout.folder,
            InPlace::Tree(laid_out) => &laid_out.folder,
        }
    }

    fn temporary<'a>(&'a self, folder: &'a JobFolder) -> &'a Path {
        match self {
            InPlace::Source { .. } => folder.path(),
            InPlace::Tree(laid_out) => &laid_out.temporary,
        }
    }

    fn memory(&self) -> Option<BorrowedFd<'_>> {
        match self {
            InPlace::Source { .. } => None,
            InPlace::Tree(laid_out) => laid_out.memory.as_ref().map(AsFd::as_fd),
        }
    }

    fn tree(&self) -> Option<Tree> {
        match self {
            InPlace::Source { .. } => None,
            InPlace::Tree(laid_out) => laid_out.tree.clone(),
        }
    }
}

impl<'a> Conversation<'a> {
    /// Compiles. `object_share` is what the object takes of everybody's memory.
    pub(crate) fn compile(
        &mut self,
        received: Received<'_>,
        folder: &JobFolder,
        object_share: &mut Share<'_>,
    ) -> Result<Reply, Failure> {
        let Received { request, job, compiler: Allowed { compiler, name }, share } = received;
        let mut memory_share = self.context.budget.share();
        let payload = &request.payload;
        let place = self.put_in_place(&job, payload, &compiler, folder, &mut memory_share)?;
        // Jobs may wait long, and many at once.
        drop((request, share));
        let stdout = write(&folder.path().join("stdout"))?;
        let stderr = write(&folder.path().join("stderr"))?;
        reserve(&stderr).map_err(|error| failed("could not write a temporary file", &error))?;
        let begin = Instant::now();
        self.spot.go_on(Phase::Waiting, begin);
        let _slot = self.wait_for_slot()?;
        let _memory = self.wait_for_memory()?;
        self.context.statistics.note_wait(begin.elapsed());
        let run = Run {
            program: &compiler.program,
            name: &name,
            arguments: place.arguments(),
            environment: &self.environment(&compiler, place.temporary(folder), place.folder()),
            own_folder: folder.path(),
            folder: place.folder(),
            tree: place.tree(),
            memory: place.memory(),
            stdout,
            stderr,
        };
        let begin = Instant::now();
        self.spot.go_on(Phase::Compiling, begin);
        let status = self.watch(run)?;
        self.context.statistics.note_compile(begin.elapsed());
        let told = format!("{} {}", self.told.compiler, self.told.input);
        self.context.log.write(Level::Info, "", &completed(&told, status));
        let mut reply = Reply {
            status: WaitStatus(status.into_raw() as u32),
            stderr: messages(&folder.path().join("stderr")),
            stdout: messages(&folder.path().join("stdout")),
            ..Reply::default()
        };
        match &place {
            InPlace::Source { layout, .. } => {
                if layout.root.is_some() {
                    reply.stderr = restored::without_noise(&reply.stderr);
                }
                if reply.status.is_success() {
                    collect(layout, &mut reply, object_share)?;
                }
            }
            InPlace::Tree(laid_out) => {
                reply.stderr = laid_out.messages(reply.stderr);
                if reply.status.is_success() {
                    laid_out.collect(&mut reply, object_share)?;
                }
            }
        }
        Ok(reply)
    }

    /// Writes what a job is to work on.
    fn put_in_place(
        &self,
        job: &Job,
        payload: &Payload,
        compiler: &Compiler,
        folder: &JobFolder,
        memory_share: &mut Share<'_>,
    ) -> Result<InPlace, Failure> {
        let n_bytes = payload.n_bytes() as u64;
        match (job, payload) {
            (Job::Source(job), Payload::Source(source)) => {
                self.check_disk(n_bytes, 0)?;
                let layout = Layout::of(job, folder.path())?;
                write(&layout.source)?
                    .write_all(source)
                    .map_err(|error| failed("could not write the source", &error))?;
                let mut arguments = job.command(&layout.input, &layout.output);
                arguments.extend(layout.words.iter().cloned());
                Ok(InPlace::Source { layout, arguments })
            }
            (Job::Tree(job), Payload::Tree(tree)) => {
                let n_files = tree.entries.len() as u64;
                let sandbox = self.context.sandbox.as_ref();
                let Some(sandbox) = sandbox.filter(|sandbox| sandbox.lays_out_trees()) else {
                    self.check_disk(n_bytes, n_files)?;
                    return lay_out_as_original(job, tree, folder.path()).map(InPlace::Tree);
                };
                self.check_disk(0, 0)?;
                let n_bytes = n_bytes + n_files * BLOCK_BYTES;
                take(memory_share, n_bytes as usize)?;
                let memory = sandbox
                    .memory(n_bytes + MOST_OBJECT_BYTES, n_files + MORE_TREE_FILES)
                    .map_err(|error| {
                        let text = format!("no memory for the client's files: {error}");
                        Failure::Refused(Refusal::new(Exit::FAILED, text, ""))
                    })?;
                let (ground, program) =
                    (self.context.confinement.ground(&compiler.program), &compiler.program);
                lay_out(job, tree, folder.path(), ground, program, memory).map(InPlace::Tree)
            }
            _ => Err(Failure::Refused(Refusal::new(
                Exit::PROTOCOL_ERROR,
                "the request changed its version",
                "",
            ))),
        }
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
    pub(crate) fn check_disk(&self, n_bytes: u64, n_files: u64) -> Result<(), Failure> {
        check_room(self.context.temporary.path(), n_bytes, n_files).map_err(Failure::Refused)
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

    fn environment(
        &self,
        compiler: &Compiler,
        temporary: &Path,
        working_folder: &Path,
    ) -> Vec<(OsString, OsString)> {
        let environment = &self.context.environment;
        let path = compiler.path.as_ref().unwrap_or(&environment.path);
        let mut variables = environment.for_compilers.clone();
        variables.extend([
            ("PATH".into(), path.clone()),
            ("TMPDIR".into(), temporary.into()),
            // GCC takes its name for the folder from here, as long as it is true.
            ("PWD".into(), working_folder.into()),
            ("_DISTCC_SAFEGUARD".into(), "1".into()),
        ]);
        variables
    }
}

/// Puts into `reply` what a compiler has made of preprocessed source.
fn collect(
    layout: &Layout,
    reply: &mut Reply,
    object_share: &mut Share<'_>,
) -> Result<(), Failure> {
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
    Ok(())
}

fn write(path: &Path) -> Result<File, Failure> {
    File::create(path).map_err(|error| failed("could not write a temporary file", &error))
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
