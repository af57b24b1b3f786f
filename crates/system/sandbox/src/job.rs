//! The first process of a job.

use std::convert::Infallible;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, Signal, WaitOptions, kill_process, kill_process_group,
    pidfd_open, set_dumpable_behavior, wait, waitpid,
};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};
use sys::fork::{Fork, exit_at_once, fork};

use crate::kernel::{self, Children};
use sys::usage::Usage;

use crate::message::{Answer, MOST_TASK_BYTES, Step, Task};
use crate::starter::{Failed, Given, Setup, User, die_with, in_step};
use crate::{Level, landlock_rules, send_with, view};

/// Confines this process, has it run what comes over `socket`, and ends it.
pub(crate) fn run(setup: &Setup, user: &User, starter: Pid, given: Given) -> ! {
    let Given { socket, stdout, stderr, memory } = given;
    let answer = match confine_and_run(setup, user, starter, &socket, [stdout, stderr], memory) {
        // Nothing of it is left that has not been waited for.
        Ok(status) => Answer::Ended(status, Usage::of_children()),
        Err((step, error)) => Answer::Failed(step, error),
    };
    let _ = send_with(&socket, &answer.encode(), &[]);
    exit_at_once(0)
}

fn confine_and_run(
    setup: &Setup,
    user: &User,
    starter: Pid,
    socket: &OwnedFd,
    [stdout, stderr]: [OwnedFd; 2],
    memory: Option<OwnedFd>,
) -> Result<i32, Failed> {
    kernel::default_signals(Children::AreWaitedFor);
    die_with(starter).map_err(in_step(Step::Clone))?;
    if setup.level == Level::Namespaces {
        user.keep().map_err(in_step(Step::UserMap))?;
    }
    let task = read_task(socket).map_err(in_step(Step::Task))?;
    match setup.level {
        Level::Namespaces => {
            view::show_own_processes().map_err(in_step(Step::Mounts))?;
            let own = &task.own_folder;
            match &task.tree {
                None => setup.view.show_own(own).map_err(in_step(Step::Folder))?,
                Some(tree) => {
                    setup.view.show_tree(own, tree, memory.as_ref()).map_err(in_step(Step::Tree))?
                }
            }
        }
        Level::Landlock | Level::Filter if task.tree.is_some() => {
            return Err((Step::Tree, libc::ENOSYS));
        }
        // What loses its parent comes to this process then.
        Level::Landlock | Level::Filter => {
            rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
                .map_err(in_step(Step::Clone))?;
        }
    }
    drop(memory);
    // This process needs no capabilities either, and nobody is to look into it.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(in_step(Step::Capabilities))?;
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, none).map_err(in_step(Step::Capabilities))?;
    set_no_new_privs(true).map_err(in_step(Step::Capabilities))?;
    let first = rustix::process::getpid();
    match fork().map_err(in_step(Step::Clone))? {
        Fork::Child => {
            let Err((step, error)) = execute(setup, &task, first, stdout, stderr);
            // The filter knows no sockets, but any descriptor can be written.
            let _ = rustix::io::write(socket, &Answer::Failed(step, error).encode());
            exit_at_once(1);
        }
        Fork::Parent { child } => {
            drop((stdout, stderr, task));
            let child = Pid::from_raw(child).ok_or((Step::Clone, libc::ESRCH))?;
            let status = watch(child, socket);
            end_all(setup.level, child);
            status.map_err(in_step(Step::Wait))
        }
    }
}

/// Reads the task, of which the length comes first.
fn read_task(socket: &OwnedFd) -> io::Result<Task> {
    let mut reader = std::fs::File::from(socket.try_clone()?);
    let mut length = [0; 4];
    reader.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MOST_TASK_BYTES {
        return Err(Errno::MSGSIZE.into());
    }
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes)?;
    Task::decode(&bytes).ok_or_else(|| Errno::PROTO.into())
}

/// Becomes the program, limited and filtered.
fn execute(
    setup: &Setup,
    task: &Task,
    first: Pid,
    stdout: OwnedFd,
    stderr: OwnedFd,
) -> Result<Infallible, Failed> {
    die_with(first).map_err(in_step(Step::Clone))?;
    rustix::process::setpgid(None, None).map_err(in_step(Step::Clone))?;
    let mut command = Command::new(&task.program);
    command
        .arg0(&task.name)
        .args(&task.arguments)
        .env_clear()
        .envs(task.environment.iter().filter_map(|variable| {
            let at = variable.as_bytes().iter().position(|byte| *byte == b'=')?;
            let (name, value) = variable.as_bytes().split_at(at);
            Some((std::ffi::OsStr::from_bytes(name), std::ffi::OsStr::from_bytes(&value[1..])))
        }))
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr);
    rustix::process::chdir(&task.folder).map_err(in_step(Step::WorkingFolder))?;
    setup.limits.set(setup.level).map_err(in_step(Step::Limits))?;
    if setup.level == Level::Landlock {
        landlock_rules::enter(&setup.view, &task.own_folder).map_err(in_step(Step::Landlock))?;
    }
    kernel::set_filter(&setup.filter).map_err(in_step(Step::Filter))?;
    if task.program.as_os_str().is_empty() {
        exit_at_once(0);
    }
    // Comes back only if it failed.
    Err(in_step(Step::Execute)(command.exec()))
}

/// Waits until the program ends, or nobody wants to know any more.
fn watch(child: Pid, socket: &OwnedFd) -> io::Result<i32> {
    let process = pidfd_open(child, PidfdFlags::empty())?;
    loop {
        let mut ends = [
            PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::RDHUP),
        ];
        match poll(&mut ends, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if !ends[0].revents().is_empty() {
            let ended = waitpid(Some(child), WaitOptions::empty())?;
            return ended.map(|(_, status)| status.as_raw()).ok_or(Errno::CHILD.into());
        }
        if !ends[1].revents().is_empty() {
            return Err(Errno::CANCELED.into());
        }
    }
}

/// Ends what the program has started and left.
fn end_all(level: Level, child: Pid) {
    match level {
        Level::Namespaces => {
            // All processes that this one can see. There may be none.
            let _ = kernel::kill_all_seen();
        }
        Level::Landlock | Level::Filter => {
            let _ = kill_process_group(child, Signal::KILL);
            let _ = kill_process(child, Signal::KILL);
        }
    }
    // Until there is no child left.
    while let Ok(Some(_)) | Err(Errno::INTR) = wait(WaitOptions::empty()) {}
}
