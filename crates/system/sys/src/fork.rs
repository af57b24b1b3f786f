//! Splitting a daemon into processes.

use std::io;

/// Which of the two processes this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// The one that called; the other has this process id.
    Parent {
        /// The child's process id.
        child: i32,
    },
    /// The new one.
    Child,
}

/// Splits this process in two. To be called while it has one thread.
///
/// # Errors
/// When the process has more threads than one, or the system gives no further process.
pub fn fork() -> io::Result<Fork> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("this process has several threads"));
    }
    // SAFETY: the process has one thread (checked above, and only this thread could start
    // another), so no lock is held by a thread that the child lacks.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        child => Ok(Fork::Parent { child }),
    }
}

/// Ends this process at once, as a child of [`fork`] does that shares its parent's duties: nothing
/// is flushed, dropped or run at exit.
pub fn exit_at_once(code: i32) -> ! {
    // SAFETY: _exit takes any number and does not return.
    unsafe { libc::_exit(code) }
}
