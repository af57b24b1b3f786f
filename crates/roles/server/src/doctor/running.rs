//! The server that runs on this machine already, found among its processes.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use crate::options::{self, Options, Request};

/// A server that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) pid: u32,
    /// Its options.
    pub(super) words: Vec<OsString>,
    /// Its environment; `None` where it belongs to somebody else.
    pub(super) variables: Option<Vec<(OsString, OsString)>>,
}

/// The daemon of this machine that was started first, if there is one; with `port`, of those that
/// listen there.
pub(super) fn find(port: Option<u16>) -> Option<Running> {
    let entries = std::fs::read_dir("/proc").ok()?.flatten();
    let mut pids: Vec<u32> =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids.into_iter().filter(|pid| *pid != std::process::id()).find_map(|pid| {
        let folder = Path::new("/proc").join(pid.to_string());
        let commands = std::fs::read(folder.join("cmdline")).ok()?;
        let words = daemon_words(&commands)?;
        if port.is_some() && options_of(&words).map(|options| options.port) != port {
            return None;
        }
        let variables = std::fs::read(folder.join("environ")).ok().map(|bytes| variables(&bytes));
        Some(Running { pid, words, variables })
    })
}

/// The options in a process's command line, if it is a daemon of ours or of distcc 3.4's.
fn daemon_words(command: &[u8]) -> Option<Vec<OsString>> {
    let mut words = parts(command).map(|word| OsString::from_vec(word.to_vec()));
    let name = words.next()?;
    let words: Vec<OsString> = words.collect();
    let is_server = Path::new(&name).file_name() == Some(OsStr::new("distccd"));
    let is_daemon =
        words.iter().any(|word| ["--daemon", "--wizard", "-W"].iter().any(|d| word == d));
    (is_server && is_daemon).then_some(words)
}

/// What its words mean to us, if anything.
pub(super) fn options_of(words: &[OsString]) -> Option<Options> {
    let words = std::iter::once(OsString::from("distccd")).chain(words.iter().cloned());
    match options::read(words) {
        Ok(Request::Serve(options)) => Some(*options),
        _ => None,
    }
}

fn variables(bytes: &[u8]) -> Vec<(OsString, OsString)> {
    let pair = |part: &[u8]| {
        let at = part.iter().position(|byte| *byte == b'=')?;
        Some((
            OsStr::from_bytes(&part[..at]).to_owned(),
            OsStr::from_bytes(&part[at + 1..]).to_owned(),
        ))
    };
    parts(bytes).filter_map(pair).collect()
}

/// What stands between zero bytes. Source: proc(5).
fn parts(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == 0).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_is_told_by_its_words() {
        let found = daemon_words(b"/usr/bin/distccd\0--daemon\0--allow\x00::1\0");
        assert_eq!(found, Some(["--daemon", "--allow", "::1"].map(OsString::from).to_vec()));
        for other in ["/usr/bin/distccd\0--inetd\0", "grep\0distccd\0--daemon\0", "", "\0\0"] {
            assert_eq!(daemon_words(other.as_bytes()), None, "{other:?}");
        }
    }

    #[test]
    fn an_environment_is_read_as_it_stands() {
        let found = variables(b"PATH=/a=b\0ODD\0TMPDIR=\0");
        let expected = [("PATH", "/a=b"), ("TMPDIR", "")];
        assert_eq!(found, expected.map(|(name, value)| (name.into(), value.into())));
    }
}
