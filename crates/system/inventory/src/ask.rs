//! Asking compilers what they are, and remembering what they said.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};
use toolchain::Compiler;

use crate::{About, Unknown};

/// How long a compiler may take to answer one question: they take milliseconds, and a machine may
/// be very busy.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest answer that is read, in bytes.
const MOST_BYTES: usize = 16 << 10;

/// How long an answer holds for a file that has not changed. A script may start another compiler
/// tomorrow.
const HOLDS: Duration = Duration::from_secs(600);

/// How long it holds that a compiler did not answer.
const SILENCE_HOLDS: Duration = Duration::from_secs(60);

/// How many compilers are remembered.
const MOST_KNOWN: usize = 1024;

/// How often to look whether a process has ended that has closed its output.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// The environment in which compilers are asked: the one in which they will run.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Their `PATH`.
    pub path: OsString,
    /// What else they see.
    pub variables: Vec<(OsString, OsString)>,
}

/// Compilers that were asked, and what they said. Many threads may ask at once: one of them does,
/// and the others wait for what comes of it.
#[derive(Debug, Default)]
pub struct Acquaintances {
    known: Mutex<HashMap<String, Arc<Mutex<Option<Answer>>>>>,
}

#[derive(Clone, Debug)]
struct Answer {
    said: Result<About, Unknown>,
    at: Instant,
}

impl Answer {
    fn holds(&self) -> bool {
        let limit = if self.said.is_ok() { HOLDS } else { SILENCE_HOLDS };
        self.at.elapsed() < limit
    }
}

impl Acquaintances {
    /// What `compiler` says it is; remembered for as long as it is the same file, and not for
    /// ever.
    ///
    /// # Errors
    /// Why it is not known.
    pub fn ask(&self, compiler: &Compiler, surroundings: &Surroundings) -> Result<About, Unknown> {
        let place = self.place(compiler.identity());
        // A compiler that does not answer keeps up those only who need it.
        let mut answer = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = answer.as_ref().filter(|answer| answer.holds()) {
            return answer.said.clone();
        }
        let said = about(compiler, surroundings);
        *answer = Some(Answer { said: said.clone(), at: Instant::now() });
        said
    }

    /// Where the answer of the compiler of that identity is kept, or will be.
    fn place(&self, identity: &str) -> Arc<Mutex<Option<Answer>>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_KNOWN && !known.contains_key(identity) {
            // Files that were replaced, most likely. Who is still asking keeps its place.
            known.clear();
        }
        Arc::clone(known.entry(identity.to_owned()).or_default())
    }
}

fn about(compiler: &Compiler, surroundings: &Surroundings) -> Result<About, Unknown> {
    let ask = |question: &str| {
        answer(compiler, surroundings, question)
            .map_err(|error| Unknown(format!("it does not answer to {question}: {error}")))
    };
    let version = ask("--version")?;
    let machine = match About::named_target(&version) {
        Some(target) => target.to_owned(),
        None => ask("-dumpmachine")?,
    };
    About::read(&machine, &version)
}

/// What `compiler` prints when it is run with one word.
pub(crate) fn answer(
    compiler: &Compiler,
    surroundings: &Surroundings,
    question: &str,
) -> io::Result<String> {
    let mut command = Command::new(&compiler.program);
    command
        .arg(question)
        .env_clear()
        .envs(surroundings.variables.iter().map(|(name, value)| (name, value)))
        .env("PATH", compiler.path.as_ref().unwrap_or(&surroundings.path))
        .env("LC_ALL", "C")
        .env("_DISTCC_SAFEGUARD", "1")
        .current_dir(Path::new("/"));
    run(command, PATIENCE)
}

fn run(mut command: Command, patience: Duration) -> io::Result<String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
    sys::child::bind_to_this_thread(&mut command);
    let mut asked = Asked { child: command.spawn()?, has_ended: false };
    let text = asked.read(Instant::now() + patience)?;
    String::from_utf8(text).map_err(|_| io::Error::other("it is no text"))
}

/// A compiler that was asked: its group ends with this.
struct Asked {
    child: Child,
    has_ended: bool,
}

impl Asked {
    fn read(&mut self, deadline: Instant) -> io::Result<Vec<u8>> {
        let mut stdout = self.child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        rustix::io::ioctl_fionbio(&stdout, true)?;
        let mut text = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match stdout.read(&mut buffer) {
                Ok(0) => break,
                Ok(n_bytes) => text.extend_from_slice(&buffer[..n_bytes]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                    let left = Timespec::try_from(left).ok();
                    let _ = poll(&mut [PollFd::new(&stdout, PollFlags::IN)], left.as_ref());
                }
                Err(error) => return Err(error),
            }
            if text.len() > MOST_BYTES {
                return Err(io::Error::other("it says too much"));
            }
        }
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                self.has_ended = true;
                if !status.success() {
                    return Err(io::Error::other(format!("it failed with {status}")));
                }
                return Ok(text);
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        // While it is not waited for its number is nobody else's.
        if !self.has_ended {
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::fs::PermissionsExt;
    use toolchain::Finder;

    fn say(script: &str, patience: Duration) -> io::Result<String> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        run(command, patience)
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn an_answer_comes_in_time_and_is_short() {
        assert_eq!(say("echo x86_64-linux-gnu", LONG).unwrap(), "x86_64-linux-gnu\n");
        assert!(say("exit 1", LONG).is_err());
        assert!(say("printf '\\377'", LONG).is_err());
        assert!(say("while :; do echo many words; done", LONG).is_err());
        let short = Duration::from_millis(100);
        assert_eq!(say("sleep 1000", short).unwrap_err().kind(), io::ErrorKind::TimedOut);
        // Ended for those who listen, and at work behind their backs.
        let silent = say("exec >&-; sleep 1000", short);
        assert_eq!(silent.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    fn write(path: &Path, text: &str) {
        // Never open for writing while another test forks: the file would be busy.
        let beside = path.with_extension("new");
        std::fs::write(&beside, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(beside, path).unwrap();
    }

    #[test]
    fn a_compiler_is_asked_once_as_long_as_it_is_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("gcc");
        let count = folder.path().join("count");
        let script = |version: &str| {
            format!(
                "echo x >> {}\ncase $1 in -dumpmachine) echo arm-none-eabi;;\n\
                 *) echo 'gcc (X) {version}'; echo 'Free Software Foundation';; esac",
                count.display()
            )
        };
        write(&program, &script("9.1.0"));
        let surroundings = Surroundings { path: "/usr/bin:/bin".into(), variables: Vec::new() };
        let acquaintances = Acquaintances::default();
        let ask = || {
            let finder = Finder::new(folder.path().into());
            let compiler = finder.find(OsStr::new("gcc")).unwrap();
            acquaintances.ask(&compiler, &surroundings).unwrap().version
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            for thread in threads {
                assert_eq!(thread.join().unwrap(), "9.1.0");
            }
        });
        assert_eq!(std::fs::read_to_string(&count).unwrap().len(), 4);
        write(&program, &script("9.1.10"));
        assert_eq!(ask(), "9.1.10");
    }
}
