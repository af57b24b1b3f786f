//! Running a command, and what came of it.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its exit code; 128 and the signal where one ended it, as shells have it.
    pub code: i32,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

/// Runs a command with nothing on its standard input.
///
/// # Panics
/// When it cannot be started, or takes longer than `limit`: it is ended then.
#[must_use]
pub fn run(command: &mut Command, limit: Duration) -> Outcome {
    use std::os::unix::process::ExitStatusExt;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let status = std::thread::scope(|scope| {
        scope.spawn(|| out.as_mut().map(|end| end.read_to_end(&mut stdout)));
        scope.spawn(|| err.as_mut().map(|end| end.read_to_end(&mut stderr)));
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                break status;
            }
            if Instant::now() > deadline {
                let _ = child.kill();
                let _ = child.wait();
                panic!("{command:?} takes longer than {limit:?}");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    Outcome { code, stdout, stderr }
}
