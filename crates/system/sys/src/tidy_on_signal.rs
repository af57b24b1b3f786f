//! Removes a process's temporary files when a signal ends it.
//!
//! The client is a process of a few milliseconds that people end with Ctrl-C and make with
//! SIGTERM. It installs one handler which unlinks the registered paths, gives the signal its
//! default action back and raises it again, so that the parent sees a death by that signal.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

/// The signals that end a client in practice.
const SIGNALS: [libc::c_int; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// How many paths can be registered at once: the state file and the object in the making, with
/// room to spare.
const N_PATHS: usize = 8;

static PATHS: [AtomicPtr<libc::c_char>; N_PATHS] =
    [const { AtomicPtr::new(ptr::null_mut()) }; N_PATHS];

/// The child process to be told as well, or 0, or [`BEING_STARTED`].
static CHILD: AtomicI32 = AtomicI32::new(0);

/// A child is there perhaps, and its number is not known yet.
const BEING_STARTED: i32 = -1;

/// The signal that came while a child was being started, or 0.
static PENDING: AtomicI32 = AtomicI32::new(0);

/// A registered path. Dropping it takes the path off the list; it does not remove the file.
#[derive(Debug)]
pub struct Registered {
    index: usize,
}

impl Drop for Registered {
    fn drop(&mut self) {
        // The few bytes of the name are not freed: a handler may be reading them right now.
        PATHS[self.index].store(ptr::null_mut(), Ordering::SeqCst);
    }
}

/// Installs the handler for SIGINT, SIGTERM and SIGHUP. A signal that the parent had ignored
/// (as `nohup` does) stays ignored. To be called once, before other threads are started.
pub fn install() {
    for signal in SIGNALS {
        // SAFETY: `sigaction` is a plain C struct for which all zeros is a valid value (default
        // action, empty mask); both pointers outlive the calls. The handler calls nothing but
        // async-signal-safe functions.
        unsafe {
            let mut old: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(signal, ptr::null(), &raw mut old) != 0
                || old.sa_sigaction == libc::SIG_IGN
            {
                continue;
            }
            let mut new: libc::sigaction = std::mem::zeroed();
            new.sa_sigaction = on_signal as extern "C" fn(libc::c_int) as libc::sighandler_t;
            new.sa_flags = libc::SA_RESETHAND | libc::SA_NODEFER;
            libc::sigaction(signal, &raw const new, ptr::null_mut());
        }
    }
}

/// Has `path` removed if a signal ends the process while the returned value lives. `None` when
/// the list is full or the name has a NUL: the file then stays behind, nothing else.
#[must_use]
pub fn register(path: &Path) -> Option<Registered> {
    let name = CString::new(path.as_os_str().as_bytes()).ok()?.into_raw();
    for (index, place) in PATHS.iter().enumerate() {
        let taken =
            place.compare_exchange(ptr::null_mut(), name, Ordering::SeqCst, Ordering::SeqCst);
        if taken.is_ok() {
            return Some(Registered { index });
        }
    }
    // SAFETY: `name` came from `into_raw` above and was stored nowhere.
    drop(unsafe { CString::from_raw(name) });
    None
}

/// Starts a child that is sent the same signal, from its first moment on until [`forget_child`]. A
/// signal that comes meanwhile waits until the child is there; a second one does not.
///
/// # Errors
/// When it cannot be started.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    CHILD.store(BEING_STARTED, Ordering::SeqCst);
    let child = command.spawn();
    let pid = child.as_ref().map_or(0, Child::id);
    CHILD.store(i32::try_from(pid).unwrap_or(0), Ordering::SeqCst);
    let signal = PENDING.swap(0, Ordering::SeqCst);
    if signal != 0 {
        end_by(signal);
    }
    child
}

/// To be called when the child has been waited for.
pub fn forget_child() {
    CHILD.store(0, Ordering::SeqCst);
}

extern "C" fn on_signal(signal: libc::c_int) {
    for place in &PATHS {
        let path = place.load(Ordering::SeqCst);
        if !path.is_null() {
            // SAFETY: registered names are NUL-terminated and never freed; unlink is
            // async-signal-safe.
            unsafe { libc::unlink(path) };
        }
    }
    let is_being_started = || CHILD.load(Ordering::SeqCst) == BEING_STARTED;
    if is_being_started() {
        PENDING.store(signal, Ordering::SeqCst);
        // Another thread may have started it just now: one of the two takes the signal.
        if is_being_started() || PENDING.swap(0, Ordering::SeqCst) == 0 {
            return;
        }
    }
    end_by(signal);
}

/// Tells the child, and ends this process by the signal, whose action is the default one by now.
fn end_by(signal: libc::c_int) {
    let child = CHILD.load(Ordering::SeqCst);
    // SAFETY: kill and raise are async-signal-safe. SA_RESETHAND has given the signal its default
    // action back, so raising it ends the process the way its parent expects to see.
    unsafe {
        if child > 0 {
            libc::kill(child, signal);
        }
        libc::raise(signal);
    }
}
