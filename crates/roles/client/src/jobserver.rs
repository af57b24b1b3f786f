//! make's jobserver: who runs several jobs for one command takes a token for each but the first.
//!
//! Source: GNU make's manual, "Sharing Job Slots with GNU make": `MAKEFLAGS` has
//! `--jobserver-auth=fifo:PATH` (make 4.4) or `--jobserver-auth=R,W`, before make 4.2 `--jobserver-fds=R,W`;
//! a token is a byte that is read and written back as it was.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

/// How long to wait for a token before it is asked whether there is still something to do with it.
const PAUSE: Duration = Duration::from_millis(100);

/// The jobserver of the make that we run under.
#[derive(Debug)]
pub(crate) struct Jobserver {
    from: OwnedFd,
    to: OwnedFd,
}

/// The right to run one more job, until dropped.
pub(crate) struct Token<'a> {
    jobserver: &'a Jobserver,
    byte: [u8; 1],
}

/// Where tokens are read and written.
#[derive(Debug, PartialEq, Eq)]
enum Auth {
    Fifo(PathBuf),
    Pipe(u32, u32),
}

impl Jobserver {
    /// The one that `MAKEFLAGS` names. `None` where there is none that can be used: no make, one without
    /// `-j N`, or one that keeps its pipe from this command, as it does without `+` before the line.
    pub(crate) fn of(makeflags: &OsStr) -> Option<Jobserver> {
        let (from, to) = match auth(makeflags.as_bytes())? {
            Auth::Fifo(path) => (path.clone(), path),
            // Opened anew: that we do not wait at it has to stay with us.
            Auth::Pipe(from, to) => {
                (format!("/proc/self/fd/{from}").into(), format!("/proc/self/fd/{to}").into())
            }
        };
        let open = |path: &PathBuf, way: OFlags| {
            let flags = way | OFlags::NONBLOCK | OFlags::CLOEXEC;
            rustix::fs::open(path.as_path(), flags, Mode::empty()).ok().filter(is_pipe)
        };
        // A fifo that nobody reads cannot be opened for writing alone without waiting.
        let from = open(&from, OFlags::RDONLY)?;
        Some(Jobserver { from, to: open(&to, OFlags::WRONLY)? })
    }

    /// Waits for a token, as long as `is_wanted`. `None`: there is nothing to wait for any more.
    pub(crate) fn take(&self, is_wanted: impl Fn() -> bool) -> Option<Token<'_>> {
        let pause = PAUSE.try_into().expect("it is short");
        while is_wanted() {
            let mut byte = [0];
            match rustix::io::read(&self.from, &mut byte) {
                Ok(1) => return Some(Token { jobserver: self, byte }),
                // Another job was quicker.
                Err(Errno::AGAIN | Errno::INTR) => {}
                // make has gone.
                _ => return None,
            }
            let mut fds = [PollFd::from_borrowed_fd(self.from.as_fd(), PollFlags::IN)];
            match rustix::event::poll(&mut fds, Some(&pause)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return None,
            }
        }
        None
    }
}

impl Drop for Token<'_> {
    fn drop(&mut self) {
        // It has come out of that pipe, so there is room for it.
        let _ = rustix::io::write(&self.jobserver.to, &self.byte);
    }
}

fn is_pipe(fd: &OwnedFd) -> bool {
    let is_it = |stat: rustix::fs::Stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo;
    rustix::fs::fstat(fd).is_ok_and(is_it)
}

/// What the flags say of a jobserver. The last one counts: flags of an outer make may stand before it.
fn auth(makeflags: &[u8]) -> Option<Auth> {
    let word = makeflags.split(|byte| *byte == b' ').rev().find_map(|word| {
        word.strip_prefix(b"--jobserver-auth=").or(word.strip_prefix(b"--jobserver-fds="))
    })?;
    if let Some(path) = word.strip_prefix(b"fifo:") {
        return Some(Auth::Fifo(OsStr::from_bytes(path).into()));
    }
    let (from, to) = std::str::from_utf8(word).ok()?.split_once(',')?;
    Some(Auth::Pipe(from.parse().ok()?, to.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_name_the_jobserver() {
        let check = |flags: &str, expected: Option<Auth>| {
            assert_eq!(auth(flags.as_bytes()), expected, "{flags}");
        };
        check("", None);
        check("kj8 -- A=--jobserver", None);
        check(" -j4 --jobserver-auth=3,4", Some(Auth::Pipe(3, 4)));
        check("w -j --jobserver-fds=5,6 -j", Some(Auth::Pipe(5, 6)));
        check(" -j8 --jobserver-auth=fifo:/tmp/GMfifo7", Some(Auth::Fifo("/tmp/GMfifo7".into())));
        check("--jobserver-auth=3,4 --jobserver-auth=7,8", Some(Auth::Pipe(7, 8)));
        // make 4.3 shuts its pipe to commands that are no makes so.
        check("--jobserver-auth=-2,-2", None);
        check("--jobserver-auth=x", None);
        check("--jobserver-auth=99999999999,1", None);
    }

    #[test]
    fn tokens_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap();
        let both = OFlags::RDWR | OFlags::NONBLOCK;
        let make = rustix::fs::open(&path, both, Mode::empty()).unwrap();
        rustix::io::write(&make, b"+-").unwrap();
        let flags = format!(" -j3 --jobserver-auth=fifo:{}", path.display());
        let jobserver = Jobserver::of(flags.as_ref()).unwrap();
        let one = jobserver.take(|| true).unwrap();
        let two = jobserver.take(|| true).unwrap();
        let asked = std::cell::Cell::new(0);
        let is_wanted = || asked.replace(asked.get() + 1) < 1;
        assert!(jobserver.take(is_wanted).is_none());
        assert_eq!(asked.get(), 2);
        drop(two);
        drop(one);
        let mut bytes = [0; 4];
        let n_bytes = rustix::io::read(&make, &mut bytes).unwrap();
        assert_eq!(bytes[..n_bytes], *b"-+");
    }

    #[test]
    fn what_is_no_pipe_is_no_jobserver() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "+++").unwrap();
        for auth in [format!("fifo:{}", file.display()), "fifo:/none".into(), "9999,9999".into()] {
            let flags = format!("--jobserver-auth={auth}");
            assert!(Jobserver::of(flags.as_ref()).is_none(), "{auth}");
        }
    }
}
