//! Record locks on whole files, the kind that distcc 3.4 takes on its slot files.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Tries to take the write lock on the whole of `file`, without waiting.
///
/// `Ok(false)` when somebody else holds it. The lock belongs to the open file description: it is
/// given up when `file` is closed, also by the end of the process however it comes. It excludes
/// the POSIX record locks of distcc 3.4, and those exclude it (Linux `fcntl(2)`), but unlike them
/// it also works between the threads of one process.
///
/// # Errors
/// Whatever `fcntl(2)` says, `ENOLCK` on some network file systems among it.
pub fn try_lock(file: &File) -> io::Result<bool> {
    match set_lock(file, libc::F_OFD_SETLK) {
        // Kernels before 3.15 know only the POSIX kind.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => set_lock(file, libc::F_SETLK),
        result => result,
    }
}

/// Whether somebody holds a lock on `file`; not so where that cannot be told. Takes nothing.
#[must_use]
pub fn is_locked(file: &File) -> bool {
    let mut lock = write_lock();
    // SAFETY: the descriptor is open as long as `file` is borrowed, and `lock` outlives the call,
    // which reads it, may write it and keeps no pointer.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) };
    result == 0 && lock.l_type != libc::F_UNLCK as libc::c_short
}

/// The write lock on a whole file.
fn write_lock() -> libc::flock {
    // SAFETY: `flock` is a plain C struct of integers, for which all zeros is a valid value;
    // open-file-description locks demand that `l_pid` is zero.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock
}

fn set_lock(file: &File, command: libc::c_int) -> io::Result<bool> {
    let lock = write_lock();
    // SAFETY: the descriptor is open as long as `file` is borrowed, and `lock` outlives the call,
    // which reads it and keeps no pointer.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), command, &raw const lock) };
    if result == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::EACCES) => Ok(false),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &std::path::Path) -> File {
        File::options().create(true).truncate(false).write(true).open(path).unwrap()
    }

    #[test]
    fn one_holder_excludes_the_other_until_it_closes() {
        let path = std::env::temp_dir().join(format!("sys-locks-{}", std::process::id()));
        let (first, second) = (open(&path), open(&path));
        assert!(try_lock(&first).unwrap());
        assert!(!try_lock(&second).unwrap());
        assert!(is_locked(&second) && !is_locked(&first));
        drop(first);
        assert!(try_lock(&second).unwrap());
        std::fs::remove_file(path).unwrap();
    }
}
