//! Running a stranger's compile where it reads the toolchain, writes its own folder, and reaches
//! nothing else.
//!
//! A [`Sandbox`] is a small process, made while the server is small itself, that starts the jobs.
//! It stands in namespaces of its own, in a tree of files that has only the toolchain in it; each
//! job gets further namespaces, its folder in that tree, limits, and a filter of system calls.
//! Nothing of it needs root. Where namespaces are refused, Landlock keeps the job to its files;
//! where that is missing too, the filter and the limits are left. See [`Level`]. With namespaces a
//! job can have a client's files around it as they lie on the client: see [`Tree`].
//!
//! ```text
//! server ──control──> starter ──clone──> a job's first process ──fork──> the compiler
//!    └───────────────a socket a job──────────────┘
//! ```
//!
//! The first process of a job ends when the compiler does, or when the server closes the job's
//! socket, or when the starter ends, and takes everything with it that the compiler has started.

mod cgroup;
mod filter;
mod job;
mod kernel;
mod landlock_rules;
mod limits;
mod memory;
mod message;
mod starter;
mod tree;
mod view;

use std::fmt;
use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::process::{Signal, pidfd_send_signal};
use sys::usage::Usage;

pub use cgroup::{GroupLimits, Groups};
pub use limits::Limits;
pub use message::{MOST_TASK_BYTES, Task};
pub use tree::{Layer, LayerKind, Tree};
pub use view::View;

use cgroup::Group;
use message::{Answer, Step};

/// How long the starter, or a new job, may take for a step of ours before it counts as broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a job's processes may take to be gone once they are told to end.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// The folder in memory of a trial.
const TRIAL_BYTES: u64 = 64 << 10;
const TRIAL_FILES: u64 = 100;

/// How well jobs are confined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The filter of system calls, no new privileges, and limits: no network and no other
    /// processes, but all files that the server's user can read and write.
    Filter,
    /// The same, and Landlock: only the toolchain can be read, only the job's folder written.
    Landlock,
    /// The same by a tree of files of its own, and neither processes, users, network nor shared
    /// memory of the machine can be seen.
    Namespaces,
}

impl Level {
    /// All levels, the best first.
    pub const BEST_FIRST: [Level; 3] = [Level::Namespaces, Level::Landlock, Level::Filter];

    /// The name that log and statistics show.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Level::Filter => "filter",
            Level::Landlock => "landlock",
            Level::Namespaces => "namespaces",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a level cannot be had here.
#[derive(Debug)]
pub struct Shortfall {
    /// The level.
    pub level: Level,
    /// What failed, and how.
    pub why: String,
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no {}: {}", self.level, self.why)
    }
}

/// Why a job did not run to its end.
#[derive(Debug)]
pub enum Failure {
    /// The program could not be executed.
    NotExecuted(io::Error),
    /// The sandbox could not be made, or broke.
    Broken(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::NotExecuted(error) => error.fmt(f),
            Failure::Broken(why) => write!(f, "the sandbox failed: {why}"),
        }
    }
}

impl std::error::Error for Failure {}

impl Failure {
    fn broken(what: &str, error: impl fmt::Display) -> Failure {
        Failure::Broken(format!("{what}: {error}"))
    }
}

/// Starts jobs at one level. Dropping it ends those that are still at work.
#[derive(Debug)]
pub struct Sandbox {
    level: Level,
    control: OwnedFd,
    lays_out_trees: bool,
    /// `None`: a job has no limits as a whole.
    groups: Option<Groups>,
}

impl Sandbox {
    /// The best sandbox that this machine allows, and why no better one. To be called while this
    /// process has one thread.
    ///
    /// # Errors
    /// When there is none at all: why not, for each level.
    pub fn best(view: &View, limits: &Limits) -> Result<(Sandbox, Vec<Shortfall>), Vec<Shortfall>> {
        let mut shortfalls = Vec::new();
        for level in Level::BEST_FIRST {
            match Sandbox::at(level, view, limits) {
                Ok(sandbox) => return Ok((sandbox, shortfalls)),
                Err(shortfall) => shortfalls.push(shortfall),
            }
        }
        Err(shortfalls)
    }

    /// A sandbox of this level, tried out. To be called while this process has one thread.
    ///
    /// # Errors
    /// When this machine does not allow it.
    pub fn at(level: Level, view: &View, limits: &Limits) -> Result<Sandbox, Shortfall> {
        let short = |failure: Failure| Shortfall { level, why: failure.to_string() };
        let control = starter::start(level, view, limits).map_err(short)?;
        let mut sandbox = Sandbox { level, control, lays_out_trees: false, groups: None };
        sandbox.try_out(view, false).map_err(short)?;
        sandbox.lays_out_trees = level == Level::Namespaces && sandbox.try_out(view, true).is_ok();
        Ok(sandbox)
    }

    /// Whether its jobs can have a [`Tree`].
    #[must_use]
    pub fn lays_out_trees(&self) -> bool {
        self.lays_out_trees
    }

    /// Has each job from now on be limited as a whole.
    pub fn limit_by(&mut self, groups: Groups) {
        self.groups = Some(groups);
    }

    /// How well its jobs are confined.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// What becomes readable when no further job can be started: the process that starts them is
    /// gone.
    #[must_use]
    pub fn end(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }

    /// Runs a job that does nothing but everything that comes before a program is executed.
    fn try_out(&self, view: &View, with_tree: bool) -> Result<(), Failure> {
        let own_folder = view.jobs.join("trial");
        let tree = with_tree.then(|| Tree {
            root: own_folder.join("root"),
            temporary: own_folder.join("tmp"),
            layers: Vec::new(),
        });
        let in_it = tree.iter().flat_map(|tree| [&tree.root, &tree.temporary]);
        let made = [&own_folder].into_iter().chain(in_it).try_for_each(std::fs::create_dir);
        made.map_err(|error| Failure::broken("making a folder", error))?;
        let task = Task {
            program: "".into(),
            name: "".into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            own_folder: own_folder.clone(),
            folder: if with_tree { "/".into() } else { own_folder.clone() },
            tree,
        };
        let tried = self.try_task(&task, with_tree);
        let _ = std::fs::remove_dir_all(&own_folder);
        match tried? {
            0 => Ok(()),
            status => Err(Failure::Broken(format!("a trial ended with the status {status}"))),
        }
    }

    fn try_task(&self, task: &Task, with_tree: bool) -> Result<i32, Failure> {
        let null = std::fs::File::open("/dev/null")
            .map_err(|error| Failure::broken("/dev/null", error))?;
        let memory = if with_tree { Some(self.memory(TRIAL_BYTES, TRIAL_FILES)?) } else { None };
        if let Some(memory) = &memory {
            for name in ["root", "tmp"] {
                rustix::fs::mkdirat(memory, name, rustix::fs::Mode::RWXU)
                    .map_err(|error| Failure::broken("making a folder in memory", error))?;
            }
        }
        let memory = memory.as_ref().map(AsFd::as_fd);
        self.start(task, null.as_fd(), null.as_fd(), memory)?.wait_for_end()
    }

    /// An empty folder in memory, for so many bytes and files at the most: to be filled with what a
    /// [`Tree`] names, and handed over with its task. Only where [`Sandbox::lays_out_trees`].
    ///
    /// # Errors
    /// When there is none.
    pub fn memory(&self, n_bytes: u64, n_files: u64) -> Result<OwnedFd, Failure> {
        let (ours, theirs) =
            pair(SocketType::STREAM).map_err(|error| Failure::broken("making a socket", error))?;
        let sizes = [n_bytes.to_le_bytes(), n_files.to_le_bytes()].concat();
        send_with(&self.control, &sizes, &[theirs.as_fd()])
            .map_err(|error| Failure::broken("asking for a folder in memory", error))?;
        drop(theirs);
        match receive(&ours, Instant::now() + PATIENCE) {
            Ok((Answer::Started, Some(memory))) => Ok(memory),
            Ok((Answer::Failed(step, error), _)) => Err(failed(step, error)),
            Ok(_) => Err(Failure::Broken("the starter talks nonsense".to_owned())),
            Err(error) => Err(Failure::broken("the starter does not answer", error)),
        }
    }

    /// Starts a job. Its standard input is empty; its output goes to the two files. `memory` is the
    /// folder of [`Sandbox::memory`] that its tree is in: it lies upon the job's own folder then.
    ///
    /// # Errors
    /// When it cannot be started. That its program cannot be executed, [`Job::status`] tells.
    pub fn start(
        &self,
        task: &Task,
        stdout: BorrowedFd<'_>,
        stderr: BorrowedFd<'_>,
        memory: Option<BorrowedFd<'_>>,
    ) -> Result<Job, Failure> {
        let bytes = task.encode();
        if bytes.len() > MOST_TASK_BYTES {
            return Err(Failure::Broken("the command is too long".to_owned()));
        }
        let (ours, theirs) =
            pair(SocketType::STREAM).map_err(|error| Failure::broken("making a socket", error))?;
        let descriptors: Vec<BorrowedFd<'_>> =
            [theirs.as_fd(), stdout, stderr].into_iter().chain(memory).collect();
        hand_over(&self.control, &descriptors)
            .map_err(|error| Failure::broken("asking for a process", error))?;
        drop(theirs);
        let deadline = Instant::now() + PATIENCE;
        let process = match receive(&ours, deadline) {
            Ok((Answer::Started, Some(process))) => process,
            Ok((Answer::Failed(step, error), _)) => return Err(failed(step, error)),
            Ok(_) => return Err(Failure::Broken("the starter talks nonsense".to_owned())),
            Err(error) => return Err(Failure::broken("the starter does not answer", error)),
        };
        let group = self.group(&process)?;
        let job =
            Job { socket: ours, process, has_ended: false, usage: Usage::default(), _group: group };
        let length = (bytes.len() as u32).to_le_bytes();
        send_all(&job.socket, &length, deadline)
            .and_then(|()| send_all(&job.socket, &bytes, deadline))
            .map_err(|error| job.why_broken(error))?;
        Ok(job)
    }
}

impl Sandbox {
    /// Puts a job's first process, and by that all later ones, into a group of its own.
    fn group(&self, process: &OwnedFd) -> Result<Option<Group>, Failure> {
        let Some(groups) = &self.groups else { return Ok(None) };
        let grouped = process_of(process).and_then(|process| groups.group(process));
        grouped.map(Some).map_err(|error| Failure::broken("a control group for the job", error))
    }
}

/// The number of the process behind a descriptor.
fn process_of(descriptor: &OwnedFd) -> io::Result<i32> {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", descriptor.as_raw_fd()))?;
    let number = text.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok());
    number.filter(|number| *number > 0).ok_or_else(|| Errno::SRCH.into())
}

/// A job at work. Dropping it ends it.
#[derive(Debug)]
pub struct Job {
    socket: OwnedFd,
    /// The first process of the job.
    process: OwnedFd,
    has_ended: bool,
    usage: Usage,
    /// Is gone after the processes.
    _group: Option<Group>,
}

impl Job {
    /// What becomes readable once [`Job::status`] has something to say.
    #[must_use]
    pub fn news(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The raw wait status of the program, once it has ended: nothing of the job is left then.
    /// `None`: it is still at work.
    ///
    /// # Errors
    /// When it could not be executed, or the sandbox broke.
    pub fn status(&mut self) -> Result<Option<i32>, Failure> {
        match receive(&self.socket, Instant::now()) {
            Err(error) if error.kind() == ErrorKind::TimedOut => Ok(None),
            Ok((Answer::Ended(status, usage), _)) => {
                self.has_ended = true;
                self.usage = usage;
                Ok(Some(status))
            }
            Ok((Answer::Failed(step, error), _)) => Err(failed(step, error)),
            Ok((Answer::Started, _)) => Err(Failure::Broken("a job started twice".to_owned())),
            Err(error) => Err(Failure::broken("a job was lost", error)),
        }
    }

    /// What the program has cost, and all that it has started; nothing before its end.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Ends the job with everything that it has started, and waits until it is gone.
    pub fn end(&mut self) {
        if self.has_ended {
            return;
        }
        self.has_ended = true;
        let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
        if !self.is_gone_within(END_PATIENCE) {
            let _ = pidfd_send_signal(&self.process, Signal::KILL);
            let _ = self.is_gone_within(END_PATIENCE);
        }
    }

    fn wait_for_end(&mut self) -> Result<i32, Failure> {
        loop {
            if let Some(status) = self.status()? {
                return Ok(status);
            }
            let mut ends = [PollFd::new(&self.socket, PollFlags::IN)];
            let n_ready = wait(&mut ends, Instant::now() + PATIENCE);
            n_ready.map_err(|error| Failure::broken("a job does not end", error))?;
        }
    }

    fn is_gone_within(&self, patience: Duration) -> bool {
        wait(&mut [PollFd::new(&self.process, PollFlags::IN)], Instant::now() + patience).is_ok()
    }

    /// Why a task could not be handed over: the job may have said so itself.
    fn why_broken(&self, error: io::Error) -> Failure {
        match receive(&self.socket, Instant::now()) {
            Ok((Answer::Failed(step, error), _)) => failed(step, error),
            _ => Failure::broken("handing over the task", error),
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.end();
    }
}

fn failed(step: Step, error: i32) -> Failure {
    let error = io::Error::from_raw_os_error(error);
    match step {
        Step::Execute => Failure::NotExecuted(error),
        step => Failure::broken(step.name(), error),
    }
}

/// Two sockets that are connected to each other.
fn pair(kind: SocketType) -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?)
}

/// Sends descriptors, with one byte because none is not sent.
fn hand_over(socket: &OwnedFd, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    send_with(socket, &[0], descriptors)
}

fn send_with(socket: &OwnedFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    let slices = [io::IoSlice::new(bytes)];
    loop {
        match sendmsg(socket, &slices, &mut ancillary, SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn send_all(socket: &OwnedFd, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        wait(&mut [PollFd::new(socket, PollFlags::OUT)], deadline)?;
        match rustix::net::send(socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(n_bytes) => bytes = bytes.get(n_bytes..).unwrap_or_default(),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The next answer, and the descriptor that came with it.
fn receive(socket: &OwnedFd, deadline: Instant) -> io::Result<(Answer, Option<OwnedFd>)> {
    let mut bytes = [0; Answer::LEN];
    loop {
        wait(&mut [PollFd::new(socket, PollFlags::IN)], deadline)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [io::IoSliceMut::new(&mut bytes)];
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let n_bytes = match recvmsg(socket, &mut slices, &mut ancillary, flags) {
            Err(Errno::INTR | Errno::AGAIN) => continue,
            Err(error) => return Err(error.into()),
            Ok(received) => received.bytes,
        };
        let descriptor = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        // Answers are written whole, and read whole.
        return match (n_bytes, Answer::decode(bytes)) {
            (Answer::LEN, Some(answer)) => Ok((answer, descriptor)),
            (0, _) => Err(ErrorKind::UnexpectedEof.into()),
            _ => Err(ErrorKind::InvalidData.into()),
        };
    }
}

/// Waits until one of `ends` has something to say.
fn wait(ends: &mut [PollFd<'_>], deadline: Instant) -> io::Result<()> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match poll(ends, Timespec::try_from(left).ok().as_ref()) {
            Ok(0) => return Err(ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
