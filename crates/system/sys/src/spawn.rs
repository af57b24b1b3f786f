//! Starting a program from a process that is large or has many threads.
//!
//! `fork` copies the tables of all memory and has every thread pay for its next write. Here the new
//! process borrows the memory of the thread that starts it, which stands still until the program
//! runs: what `posix_spawn` does, with what that has no room for.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use crate::child;

/// What the new process has for a stack until the program runs.
const STACK_BYTES: usize = 64 << 10;

/// A program to start.
#[derive(Debug)]
pub struct Program<'a> {
    /// The file to execute.
    pub path: &'a CStr,
    /// Its words, its own name first.
    pub words: &'a [CString],
    /// Its whole environment, each as `NAME=VALUE`.
    pub environment: &'a [CString],
    /// Its working folder.
    pub folder: &'a CStr,
    /// Its standard input, output and error.
    pub streams: [BorrowedFd<'a>; 3],
}

/// What the new process finds in the borrowed memory.
struct Order {
    path: *const libc::c_char,
    words: Vec<*const libc::c_char>,
    environment: Vec<*const libc::c_char>,
    folder: *const libc::c_char,
    streams: [RawFd; 3],
    parent: u32,
    /// The error that kept the program from running; 0: none.
    error: libc::c_int,
}

impl Program<'_> {
    /// Starts the program, as a process group of its own that ends by SIGKILL when the thread that
    /// starts it ends, with no signal blocked or ignored, writes no core files, and no file beyond
    /// all measure. Its number is given.
    ///
    /// # Errors
    /// When it cannot be executed.
    pub fn start(&self) -> io::Result<i32> {
        let pointers = |words: &[CString]| -> Vec<*const libc::c_char> {
            words.iter().map(|word| word.as_ptr()).chain([std::ptr::null()]).collect()
        };
        let mut order = Order {
            path: self.path.as_ptr(),
            words: pointers(self.words),
            environment: pointers(self.environment),
            folder: self.folder.as_ptr(),
            streams: self.streams.each_ref().map(AsRawFd::as_raw_fd),
            parent: std::process::id(),
            error: 0,
        };
        // 16 bytes are the strictest that any machine asks of a stack.
        let mut stack = vec![0_u128; STACK_BYTES / size_of::<u128>()];
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        // SAFETY: the stack is as large as is said and used by nobody else; it and `order` outlive
        // the new process's use of them, because with CLONE_VFORK this thread goes on only once
        // that has executed a program or ended. `run` does what is allowed in a process that shares
        // memory with threads at work: system calls, and writes to its own stack and to `order`.
        // All signals are blocked meanwhile, so that no handler runs in it.
        let child = unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
            let top = stack.as_mut_ptr().add(stack.len());
            let child = libc::clone(run, top.cast(), flags, (&raw mut order).cast());
            let error = io::Error::last_os_error();
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
            if child < 0 {
                return Err(error);
            }
            child
        };
        if order.error == 0 {
            return Ok(child);
        }
        let _ = crate::usage::wait(child);
        Err(io::Error::from_raw_os_error(order.error))
    }
}

/// What the new process does.
extern "C" fn run(order: *mut libc::c_void) -> libc::c_int {
    // SAFETY: it is the order of `start`, which waits.
    let order = unsafe { &mut *order.cast::<Order>() };
    order.error = become_program(order);
    // SAFETY: _exit takes any number and does not return.
    unsafe { libc::_exit(127) }
}

/// Comes back with an error's number only.
fn become_program(order: &Order) -> libc::c_int {
    // SAFETY: errno is this thread's, and the thread that it is shared with stands still.
    let error = || unsafe { *libc::__errno_location() };
    if let Err(error) = child::bind(order.parent) {
        return error.raw_os_error().unwrap_or(libc::EINVAL);
    }
    // SAFETY: all of these are system calls, or set plain C structs on this stack; all pointers are
    // those of `start`. None allocates or takes a lock.
    unsafe {
        if libc::setpgid(0, 0) != 0 {
            return error();
        }
        // Above the standard ones, so that none is written over before it is copied.
        let mut kept = [0; 3];
        for (kept, stream) in kept.iter_mut().zip(order.streams) {
            *kept = libc::fcntl(stream, libc::F_DUPFD_CLOEXEC, 3);
            if *kept < 0 {
                return error();
            }
        }
        for (stream, kept) in kept.into_iter().enumerate() {
            if libc::dup2(kept, stream as RawFd) < 0 {
                return error();
            }
        }
        // Whatever somebody left open on purpose. Kernels before 5.11 do not know this.
        let (first, last, flags) = (3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
        libc::syscall(libc::SYS_close_range, first, last, flags);
        if libc::chdir(order.folder) != 0 {
            return error();
        }
        for signal in 1..=SIGNALS {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        libc::execve(order.path, order.words.as_ptr(), order.environment.as_ptr());
        error()
    }
}

/// The signals that may be ignored on purpose; those of real time no one ignores.
const SIGNALS: libc::c_int = 31;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::AsFd;
    use std::os::unix::process::ExitStatusExt;

    fn words(words: &[&str]) -> Vec<CString> {
        words.iter().map(|word| CString::new(*word).unwrap()).collect()
    }

    /// Runs a script; its status and what it wrote.
    fn sh(script: &str) -> (std::process::ExitStatus, String) {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let null = File::open("/dev/null").unwrap();
        let program = Program {
            path: c"/bin/sh",
            words: &words(&["sh", "-c", script]),
            environment: &words(&["PATH=/usr/bin:/bin", "A=b"]),
            folder: c"/",
            streams: [null.as_fd(), writer.as_fd(), writer.as_fd()],
        };
        let child = program.start().unwrap();
        drop(writer);
        let mut said = String::new();
        reader.read_to_string(&mut said).unwrap();
        (crate::usage::wait(child).unwrap().0, said)
    }

    #[test]
    fn a_program_has_what_it_is_given_and_nothing_else() {
        let (status, said) = sh("pwd; env | sort; cat; exit 7");
        assert_eq!(status.code(), Some(7));
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines, ["/", "A=b", "PATH=/usr/bin:/bin", "PWD=/"]);
        // The last one is the folder that it looks at.
        assert_eq!(sh("exec ls /proc/self/fd").1, "0\n1\n2\n3\n");
    }

    #[test]
    fn it_leads_a_group_without_signals_blocked_and_without_core_files() {
        let (_, said) = sh("ulimit -c; set -- $(cat /proc/$$/stat); echo $1 $5");
        let (limit, numbers) = said.trim().split_once('\n').unwrap();
        let (own, group) = numbers.split_once(' ').unwrap();
        assert_eq!((limit, own), ("0", group));
        let (_, said) = sh("exec grep -E 'SigBlk|SigIgn' /proc/self/status");
        for line in said.lines() {
            let (_, set) = line.split_once(":\t").unwrap();
            let set = u64::from_str_radix(set, 16).unwrap();
            assert_eq!(set & 0x7fff_ffff, 0, "{said}");
        }
    }

    #[test]
    fn what_cannot_be_executed_is_an_error() {
        let null = File::open("/dev/null").unwrap();
        let program = Program {
            path: c"/nonexistent/gcc",
            words: &words(&["gcc"]),
            environment: &[],
            folder: c"/",
            streams: [null.as_fd(), null.as_fd(), null.as_fd()],
        };
        assert_eq!(program.start().unwrap_err().kind(), io::ErrorKind::NotFound);
        let program = Program { path: c"/bin/sh", folder: c"/nonexistent", ..program };
        assert_eq!(program.start().unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn it_dies_with_the_thread_that_started_it() {
        let child = std::thread::spawn(|| {
            let null = File::open("/dev/null").unwrap();
            let program = Program {
                path: c"/bin/sleep",
                words: &words(&["sleep", "1000"]),
                environment: &[],
                folder: c"/",
                streams: [null.as_fd(), null.as_fd(), null.as_fd()],
            };
            program.start().unwrap()
        });
        let status = crate::usage::wait(child.join().unwrap()).unwrap().0;
        assert_eq!(status.signal(), Some(libc::SIGKILL));
    }

    #[test]
    fn many_threads_can_start_programs_at_once() {
        std::thread::scope(|scope| {
            for number in 0..8 {
                scope.spawn(move || {
                    for _ in 0..30 {
                        let (status, said) = sh(&format!("echo {number}; exit {number}"));
                        assert_eq!(
                            (status.code(), said.trim()),
                            (Some(number), number.to_string().as_str())
                        );
                    }
                });
            }
        });
    }
}
