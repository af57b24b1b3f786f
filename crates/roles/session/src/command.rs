//! Running the build.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};

use crate::complain;

/// The codes of shells for a command that cannot be executed, and for one that is not there.
const CANNOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;

/// What a shell adds to the number of the signal that ended a command.
const BY_SIGNAL: i32 = 128;

/// The signals that are for the build.
const SIGNALS: [Signal; 4] = [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGHUP];

/// Runs a command to its end, with these variables, and gives its code as a shell does. From now on
/// no signal that is for the build ends us: there is something to tidy up.
pub(crate) fn run(words: &[OsString], variables: &[(&'static str, OsString)]) -> u8 {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).envs(variables.iter().cloned());
    let signals = watch_signals(&mut command);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            complain(&format!("`{}` could not be started: {error}", words[0].display()), "");
            let is_missing = error.kind() == io::ErrorKind::NotFound;
            return if is_missing { NOT_FOUND } else { CANNOT_RUN };
        }
    };
    if let Err(error) = signals.and_then(|signals| pass_on(&signals, &child)) {
        complain(&format!("signals are not passed on: {error}"), "");
    }
    match child.wait() {
        Ok(status) => {
            let signal = || status.signal().map(|signal| BY_SIGNAL + signal);
            let code = status.code().or_else(signal).unwrap_or(1);
            u8::try_from(code).unwrap_or(u8::MAX)
        }
        Err(error) => {
            complain(&format!("waiting for `{}`: {error}", words[0].display()), "");
            1
        }
    }
}

/// Has signals come to a descriptor, and the command begin without that.
fn watch_signals(command: &mut Command) -> io::Result<SignalFd> {
    let before = SigSet::thread_get_mask()?;
    let mut signals = SigSet::empty();
    SIGNALS.into_iter().for_each(|signal| signals.add(signal));
    let free = SIGNALS.into_iter().filter(|signal| !before.contains(*signal));
    let free: Vec<i32> = free.map(|signal| signal as i32).collect();
    signals.thread_block()?;
    sys::child::unblock(command, &free);
    Ok(SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}

/// Waits for the build, and passes on to it what somebody sends to us alone. What a terminal sends, it
/// sends to the build as well.
fn pass_on(told: &SignalFd, child: &Child) -> io::Result<()> {
    let build = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    loop {
        let mut ends = [
            PollFd::new(told, PollFlags::IN),
            PollFd::from_borrowed_fd(build.as_fd(), PollFlags::IN),
        ];
        match poll(&mut ends, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if !ends[1].revents().is_empty() {
            return Ok(());
        }
        while let Some(signal) = told.read_signal()? {
            // Zero and less: a process sent it.
            let is_sent = signal.ssi_code <= 0;
            let number = i32::try_from(signal.ssi_signo).ok();
            let signal = number.and_then(rustix::process::Signal::from_named_raw);
            if let (true, Some(signal)) = (is_sent, signal) {
                let _ = pidfd_send_signal(&build, signal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_a_shells() {
        for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143)] {
            let words = ["sh", "-c", script].map(OsString::from);
            // A thread of its own: signals stay blocked in it.
            let got = std::thread::spawn(move || run(&words, &[])).join().unwrap();
            assert_eq!(got, code, "{script}");
        }
        assert_eq!(run(&["/nonexistent".into()], &[]), NOT_FOUND);
        assert_eq!(run(&["/etc/passwd".into()], &[]), CANNOT_RUN);
        let words = ["sh", "-c", "test \"$SAID\" = x"].map(OsString::from);
        assert_eq!(run(&words, &[("SAID", "x".into())]), 0);
    }
}
