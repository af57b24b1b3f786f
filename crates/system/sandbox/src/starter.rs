//! The process that starts jobs.

use std::convert::Infallible;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Instant;

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketType, recvmsg};
use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, Signal, pidfd_open, set_dumpable_behavior,
};
use sys::fork::{Fork, exit_at_once, fork};

use crate::kernel::{self, Children};
use crate::message::{Answer, Step};
use crate::{
    Failure, Level, Limits, PATIENCE, View, failed, filter, job, memory, pair, receive, send_with,
};

/// What every job gets.
pub(crate) struct Setup {
    pub(crate) level: Level,
    pub(crate) view: View,
    pub(crate) limits: Limits,
    pub(crate) filter: Vec<libc::sock_filter>,
}

/// What is asked for.
enum Asked {
    Job(Given),
    /// A folder in memory, to be sent over the socket.
    Memory {
        socket: OwnedFd,
        n_bytes: u64,
        n_files: u64,
    },
}

/// What a job comes with.
pub(crate) struct Given {
    pub(crate) socket: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    pub(crate) memory: Option<OwnedFd>,
}

/// Starts the starter, and gives the socket by which it is asked.
pub(crate) fn start(level: Level, view: &View, limits: &Limits) -> Result<OwnedFd, Failure> {
    let no_starter = |error: io::Error| Failure::broken("starting its first process", error);
    let (ours, theirs) = pair(SocketType::SEQPACKET).map_err(no_starter)?;
    let parent = rustix::process::getpid();
    match fork().map_err(no_starter)? {
        Fork::Parent { .. } => {}
        Fork::Child => {
            let setup = Setup {
                level,
                view: view.clone(),
                limits: limits.clone(),
                filter: filter::program(level),
            };
            let Err((step, error)) = serve(&theirs, &setup, parent);
            let _ = send_with(&theirs, &Answer::Failed(step, error).encode(), &[]);
            exit_at_once(1);
        }
    }
    drop(theirs);
    match receive(&ours, Instant::now() + PATIENCE) {
        Ok((Answer::Started, _)) => Ok(ours),
        Ok((Answer::Failed(step, error), _)) => Err(failed(step, error)),
        Ok(_) => Err(Failure::Broken("the starter talks nonsense".to_owned())),
        Err(error) => Err(Failure::broken("its first process does not answer", error)),
    }
}

/// A step that failed, and the error's number.
pub(crate) type Failed = (Step, i32);

/// What to say of an error in a step.
pub(crate) fn in_step<E: Into<io::Error>>(step: Step) -> impl Fn(E) -> Failed {
    move |error| {
        let error: io::Error = error.into();
        (step, error.raw_os_error().unwrap_or(libc::EINVAL))
    }
}

/// Starts jobs until nobody can ask for one any more.
fn serve(control: &OwnedFd, setup: &Setup, parent: Pid) -> Result<Infallible, Failed> {
    // Who interrupts the server's group leaves the jobs to it.
    let _ = rustix::process::setpgid(None, None);
    kernel::default_signals(Children::AreForgotten);
    kernel::close_all_but(control.as_raw_fd());
    die_with(parent).map_err(in_step(Step::Clone))?;
    if setup.level == Level::Namespaces {
        let user = User::own();
        kernel::enter_namespaces().map_err(in_step(Step::Clone))?;
        user.keep().map_err(in_step(Step::UserMap))?;
        setup.view.enter().map_err(in_step(Step::Mounts))?;
    }
    send_with(control, &Answer::Started.encode(), &[]).map_err(in_step(Step::Clone))?;
    loop {
        match ask(control) {
            Ok(Some(Asked::Job(given))) => start_job(control, setup, given),
            Ok(Some(Asked::Memory { socket, n_bytes, n_files })) => {
                let made = memory::make(n_bytes, n_files).map_err(in_step(Step::Tree));
                let _ = match made {
                    Ok(memory) => send_with(&socket, &Answer::Started.encode(), &[memory.as_fd()]),
                    Err((step, error)) => {
                        send_with(&socket, &Answer::Failed(step, error).encode(), &[])
                    }
                };
            }
            Ok(None) => exit_at_once(0),
            Err(Errno::INTR) => {}
            Err(error) => return Err((Step::Task, error.raw_os_error())),
        }
    }
}

/// Has this process end when `parent` does.
pub(crate) fn die_with(parent: Pid) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may be dead already. A parent outside of the own namespace has no number.
    match rustix::process::getppid() {
        Some(other) if other != parent => Err(Errno::SRCH.into()),
        _ => Ok(()),
    }
}

/// The next job that is asked for; `None` when there will be none.
fn ask(control: &OwnedFd) -> rustix::io::Result<Option<Asked>> {
    let mut bytes = [0; 16];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [io::IoSliceMut::new(&mut bytes)];
    let received = recvmsg(control, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    if received.bytes == 0 {
        return Ok(None);
    }
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    let mut descriptors = descriptors.into_iter();
    let socket = descriptors.next().ok_or(Errno::PROTO)?;
    let Some(stdout) = descriptors.next() else {
        let [n_bytes, n_files] = [&bytes[..8], &bytes[8..]]
            .map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap_or_default()));
        return Ok(Some(Asked::Memory { socket, n_bytes, n_files }));
    };
    let stderr = descriptors.next().ok_or(Errno::PROTO)?;
    let memory = descriptors.next();
    Ok(Some(Asked::Job(Given { socket, stdout, stderr, memory })))
}

/// Starts a job's first process.
fn start_job(control: &OwnedFd, setup: &Setup, given: Given) {
    let user = User::own();
    let starter = rustix::process::getpid();
    let forked = match setup.level {
        Level::Namespaces => kernel::fork_into_namespaces(),
        Level::Landlock | Level::Filter => fork(),
    };
    let started = match forked {
        Ok(Fork::Child) => {
            // It is the only one who can ask for jobs, and no job of ours may.
            kernel::close(control.as_raw_fd());
            job::run(setup, &user, starter, given);
        }
        Ok(Fork::Parent { child }) => Pid::from_raw(child)
            .ok_or(Errno::SRCH)
            .and_then(|child| pidfd_open(child, PidfdFlags::empty()))
            .map_err(|error| in_step(Step::Clone)(error)),
        Err(error) => Err(in_step(Step::Clone)(error)),
    };
    let _ = match started {
        Ok(process) => send_with(&given.socket, &Answer::Started.encode(), &[process.as_fd()]),
        Err((step, error)) => send_with(&given.socket, &Answer::Failed(step, error).encode(), &[]),
    };
}

/// A user and group outside of a user namespace.
pub(crate) struct User {
    user: u32,
    group: u32,
}

impl User {
    /// Those of this process.
    pub(crate) fn own() -> User {
        User {
            user: rustix::process::geteuid().as_raw(),
            group: rustix::process::getegid().as_raw(),
        }
    }

    /// Keeps the numbers that they have outside in the user namespace that this process is in now.
    pub(crate) fn keep(&self) -> io::Result<()> {
        // A process that has given root up does not own its files in /proc otherwise.
        set_dumpable_behavior(DumpableBehavior::Dumpable)?;
        let write =
            |name: &str, text: String| std::fs::write(Path::new("/proc/self").join(name), text);
        // Older kernels do not have it, and newer ones insist on it.
        match write("setgroups", "deny".to_owned()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            written => written?,
        }
        write("uid_map", format!("{0} {0} 1", self.user))?;
        write("gid_map", format!("{0} {0} 1", self.group))
    }
}
