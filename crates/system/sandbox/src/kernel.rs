//! The system calls that need `unsafe`.

use std::ffi::CString;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use sys::fork::Fork;

/// The namespaces that the starter has for itself, and each job as well.
const NAMESPACES: libc::c_int = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS;

/// Puts this process, which has one thread, into namespaces of its own.
pub(crate) fn enter_namespaces() -> io::Result<()> {
    // SAFETY: the flags leave memory, descriptors and the rest of the process as they are.
    match unsafe { libc::unshare(NAMESPACES) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Splits this process in two, the new one in namespaces of its own, the first process there. To be
/// called while this one has one thread.
pub(crate) fn fork_into_namespaces() -> io::Result<Fork> {
    let flags = libc::c_long::from(NAMESPACES | libc::CLONE_NEWPID | libc::SIGCHLD);
    // SAFETY: without CLONE_VM and a stack of its own this is fork(2): the child gets a copy of
    // everything and goes on here. The starter, which alone calls this, has one thread, so no lock
    // is held by a thread that the child lacks. The remaining arguments are unused without the
    // flags that ask for them, in whatever order the machine has them.
    let result =
        unsafe { libc::syscall(libc::SYS_clone, flags, 0_usize, 0_usize, 0_usize, 0_usize) };
    match result {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        child => Ok(Fork::Parent { child: child as i32 }),
    }
}

/// Adds `attributes` to the mount at `place`, and with `all` to those below it.
pub(crate) fn set_mount_attributes(place: &Path, attributes: u64, all: bool) -> io::Result<()> {
    let place = CString::new(place.as_os_str().as_bytes())?;
    let change =
        libc::mount_attr { attr_set: attributes, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let flags = if all { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: both pointers are valid for the call, which reads a C string and as many bytes as
    // the size says, and keeps neither.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            place.as_ptr(),
            flags,
            &raw const change,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Has this process, and those it starts, make only system calls that `program` allows. It needs
/// to have given up new privileges.
pub(crate) fn set_filter(program: &[libc::sock_filter]) -> io::Result<()> {
    let length =
        libc::c_ushort::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel copies `length` instructions from where `program` points, which are
    // there, writes nothing, and keeps no pointer.
    let result =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What signals do to this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Children {
    /// A child that ends stays until it is waited for.
    AreWaitedFor,
    /// A child that ends is gone.
    AreForgotten,
}

/// Takes back what the parent has decided about signals: none is blocked or ignored, but that
/// children have ended may be.
pub(crate) fn default_signals(children: Children) {
    for signal in 1..=libc::SIGRTMAX() {
        let is_ignored = children == Children::AreForgotten && signal == libc::SIGCHLD;
        let action = if is_ignored { libc::SIG_IGN } else { libc::SIG_DFL };
        // SAFETY: neither action runs code of ours. Signals that cannot be changed are an error
        // of the call, and nothing happens.
        unsafe { libc::signal(signal, action) };
    }
    // SAFETY: the set is a plain C struct, made empty by the first call and only read by the
    // second; the old set is not asked for.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Closes all descriptors but the standard ones and `kept`. Whoever owned the others is forgotten
/// by this process, which never returns to where they are used.
pub(crate) fn close_all_but(kept: RawFd) {
    let close = |first: RawFd, last: RawFd| {
        let (first, last) = (first as libc::c_uint, last as libc::c_uint);
        // SAFETY: the descriptors belong to parts of the program that this process does not run.
        if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } == 0 {
            return;
        }
        // Linux before 5.9.
        for descriptor in first..=last.min(MOST_DESCRIPTORS) {
            // SAFETY: as above.
            unsafe { libc::close(descriptor as RawFd) };
        }
    };
    if kept > FIRST_OTHER {
        close(FIRST_OTHER, kept - 1);
    }
    close(kept + 1, RawFd::MAX);
}

/// Closes a descriptor whose owner is forgotten by this process.
pub(crate) fn close(descriptor: RawFd) {
    // SAFETY: as in `close_all_but`.
    unsafe { libc::close(descriptor) };
}

/// The first descriptor that is no standard stream.
const FIRST_OTHER: RawFd = 3;

/// How many descriptors are closed one by one where the system cannot close all at once.
const MOST_DESCRIPTORS: libc::c_uint = 4096;

/// Ends all other processes that this one sees: to be called where that is a job's own ones.
pub(crate) fn kill_all_seen() -> io::Result<()> {
    // SAFETY: the call takes two numbers.
    match unsafe { libc::kill(-1, libc::SIGKILL) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
