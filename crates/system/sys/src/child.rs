//! What a child process does to itself between fork and exec.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The most that a child may write into one file: far beyond any object, and far from a full disk.
const MOST_FILE_BYTES: libc::rlim_t = 4 << 30;

/// Has the child of `command` end by SIGKILL when the thread that starts it ends, write no core
/// files, and no file beyond all measure. The thread that starts it must therefore be the one that
/// waits for it.
pub fn bind_to_this_thread(command: &mut Command) {
    let parent = std::process::id();
    // SAFETY: the closure runs in the child after fork, and does only what `bind` does.
    unsafe {
        command.pre_exec(move || bind(parent));
    }
}

/// Has this process, a new child of `parent`, end by SIGKILL when the thread that started it ends,
/// write no core files, and no file beyond all measure.
///
/// Allowed between fork and exec, and on borrowed memory: prctl, setrlimit and getppid are
/// async-signal-safe system calls, and nothing here allocates or takes a lock. The errors are made of
/// numbers.
pub(crate) fn bind(parent: u32) -> io::Result<()> {
    // SAFETY: prctl with these arguments takes numbers alone.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // The parent may have died before the call above.
    // SAFETY: getppid takes nothing and cannot fail.
    if unsafe { libc::getppid() } as u32 != parent {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    for (resource, most) in [(libc::RLIMIT_CORE, 0), (libc::RLIMIT_FSIZE, MOST_FILE_BYTES)] {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the pointer is valid for the call, which fills the structure and keeps nothing.
        if unsafe { libc::getrlimit(resource, &raw mut limit) } != 0 {
            return Err(io::Error::last_os_error());
        }
        limit.rlim_cur = most.min(limit.rlim_max);
        limit.rlim_max = limit.rlim_cur;
        // SAFETY: the pointer is valid for the call, which reads the structure and keeps nothing.
        if unsafe { libc::setrlimit(resource, &raw const limit) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Has the child of `command` live on by itself: in a session of its own, so that no terminal's
/// signal reaches it, and without any descriptor of ours but its standard streams, so that nobody
/// waits for it who waits for us.
pub fn detach(command: &mut Command) {
    // SAFETY: the closure runs in the child after fork. It calls setsid and close_range, which are
    // async-signal-safe system calls, and neither allocates nor takes a lock.
    unsafe {
        command.pre_exec(|| {
            // Fails only for the leader of a process group, which a new child is not.
            libc::setsid();
            // They are closed by exec, not now: through one of them the parent hears of errors.
            // Kernels before 5.11 do not know this, and leave them open.
            let (first, last) = (3_u32, u32::MAX);
            let flags = libc::CLOSE_RANGE_CLOEXEC;
            libc::syscall(libc::SYS_close_range, first, last, flags);
            Ok(())
        });
    }
}

/// Has the child of `command` told to end, by SIGTERM, when the thread that starts it ends. That
/// thread must therefore be the one that waits for it.
pub fn end_with_this_thread(command: &mut Command) {
    let parent = std::process::id();
    // SAFETY: as above; prctl and getppid are async-signal-safe system calls.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) != 0 {
                return Err(io::Error::last_os_error());
            }
            // The parent may have died before the call above.
            if libc::getppid() as u32 != parent {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            Ok(())
        });
    }
}

/// Has the child of `command` begin with these signals not blocked, though its parent blocks them.
pub fn unblock(command: &mut Command, signals: &[i32]) {
    // SAFETY: a `sigset_t` of zeros is valid, and the calls below fill it.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is valid for the calls, which write to the set alone and refuse numbers
    // that are no signal's.
    unsafe {
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, *signal);
        }
    }
    // SAFETY: the closure runs in the child after fork. sigprocmask is async-signal-safe, reads the
    // set, which the closure owns, and neither allocates nor takes a lock.
    unsafe {
        command.pre_exec(move || {
            match libc::sigprocmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut()) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_writes_no_core_files() {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -c"]);
        bind_to_this_thread(&mut command);
        assert_eq!(command.output().unwrap().stdout, b"0\n");
    }

    #[test]
    fn a_detached_child_has_its_own_session_and_no_descriptors_of_ours() {
        use std::os::fd::AsRawFd;
        let file = std::fs::File::open("/dev/null").unwrap();
        // SAFETY: fcntl with these arguments only clears the descriptor's close-on-exec flag.
        assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFD, 0) }, 0);
        let fields = "set -- $(cat /proc/$$/stat); echo $1 $6; ls /proc/$$/fd";
        let mut command = Command::new("sh");
        command.args(["-c", fields]);
        detach(&mut command);
        let said = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let mut words = said.split_whitespace();
        assert_eq!(words.next(), words.next(), "{said}");
        assert!(!words.any(|word| word == file.as_raw_fd().to_string()), "{said}");
    }

    #[test]
    fn a_child_begins_with_signals_unblocked() {
        let mask = |signals: &'static [i32]| {
            let blocking = move || {
                // SAFETY: the pointer is valid for the calls, which touch the set alone; only this
                // thread's mask changes.
                unsafe {
                    let mut set: libc::sigset_t = std::mem::zeroed();
                    libc::sigaddset(&raw mut set, libc::SIGTERM);
                    libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
                }
                let mut command = Command::new("grep");
                command.args(["SigBlk", "/proc/self/status"]);
                unblock(&mut command, signals);
                String::from_utf8(command.output().unwrap().stdout).unwrap()
            };
            std::thread::spawn(blocking).join().unwrap()
        };
        assert_eq!(mask(&[]).split_whitespace().nth(1), Some("0000000000004000"));
        assert_eq!(mask(&[libc::SIGTERM]).split_whitespace().nth(1), Some("0000000000000000"));
    }

    #[test]
    fn a_child_is_told_to_end_with_the_thread_that_started_it() {
        let mut child = std::thread::spawn(|| {
            let mut command = Command::new("sleep");
            command.arg("1000");
            end_with_this_thread(&mut command);
            command.spawn().unwrap()
        })
        .join()
        .unwrap();
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
    }

    #[test]
    fn a_child_dies_with_the_thread_that_started_it() {
        let mut child = std::thread::spawn(|| {
            let mut command = Command::new("sleep");
            command.arg("1000");
            bind_to_this_thread(&mut command);
            command.spawn().unwrap()
        })
        .join()
        .unwrap();
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    }
}
