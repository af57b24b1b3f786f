//! What the gcc of this machine says it is.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Finder;

/// The longest answer that is read, in bytes: real ones are a word.
const MOST_BYTES: usize = 256;

/// The gcc of this machine, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gcc {
    /// What `-dumpversion` says, such as `12`.
    pub version: String,
    /// What `-dumpmachine` says, such as `x86_64-linux-gnu`.
    pub machine: String,
}

impl Gcc {
    /// Asks the gcc that `finder` finds, waiting `patience` at most for each answer.
    ///
    /// # Errors
    /// When there is none, or it does not answer with one word.
    pub fn ask(finder: &Finder, patience: Duration) -> io::Result<Gcc> {
        let compiler = finder.find(OsStr::new("gcc"))?;
        let answer = |option: &str| {
            let mut command = Command::new(&compiler.program);
            command.arg(option);
            if let Some(path) = &compiler.path {
                command.env("PATH", path);
            }
            one_word(&mut command, patience)
        };
        Ok(Gcc { version: answer("-dumpversion")?, machine: answer("-dumpmachine")? })
    }
}

fn one_word(command: &mut Command, patience: Duration) -> io::Result<String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let deadline = Instant::now() + patience;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let mut answer = [0; MOST_BYTES];
    let n_bytes = match child.stdout.take().filter(|_| status.success()) {
        // It has ended, so its answer is there. Another that holds the pipe open is not waited for.
        Some(mut stdout) => {
            rustix::io::ioctl_fionbio(&stdout, true)?;
            stdout.read(&mut answer)?
        }
        None => 0,
    };
    let text = String::from_utf8_lossy(&answer[..n_bytes]).trim().to_owned();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(io::Error::other(format!("{command:?} does not answer with a word")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(script: &str) -> io::Result<String> {
        one_word(Command::new("sh").args(["-c", script]), Duration::from_millis(300))
    }

    #[test]
    fn an_answer_is_one_word_in_time() {
        assert_eq!(answer("echo 12").unwrap(), "12");
        assert!(answer("echo two words").is_err());
        assert!(answer("echo 12; exit 1").is_err());
        assert!(answer("printf '\\033[1m'").is_err());
        assert_eq!(answer("exec sleep 100").unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
