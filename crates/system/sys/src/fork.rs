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

/// Ends this process by `signal` as it ends one that neither catches nor ignores it, so that the
/// parent sees what happened. Also where the parent had it ignored, as `nohup` does. Returns only
/// if the signal is blocked, or ends no process by default.
pub fn die_by(signal: i32) {
    // SAFETY: giving a signal its default action back and raising it touches no memory of ours.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    #[test]
    fn a_signal_that_was_ignored_ends_the_process_all_the_same() {
        const IN_CHILD: &str = "DISTCC_RS_TEST_DIES";
        if std::env::var_os(IN_CHILD).is_some() {
            die_by(libc::SIGHUP);
        }
        let own = std::env::current_exe().unwrap();
        let name = "fork::tests::a_signal_that_was_ignored_ends_the_process_all_the_same";
        let run = format!("trap '' HUP; exec '{}' --quiet --exact {name}", own.display());
        let status = Command::new("sh").args(["-c", &run]).env(IN_CHILD, "1").status().unwrap();
        assert_eq!(status.signal(), Some(libc::SIGHUP));
    }
}
