//! Programs that the doctor starts, for no longer than it waits.

use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The most that is kept of what a program says.
const MOST_BYTES: u64 = 256 << 10;

/// What a program did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a program for at most `limit`; then it is killed.
///
/// # Errors
/// When it cannot be started, or took too long.
pub(crate) fn run(command: &mut Command, limit: Duration) -> io::Result<Ran> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    // Not waited for: who is left over by a killed program may keep the other ends open.
    let (stdout, stderr) = (listener(stdout), listener(stderr));
    let status = wait(&mut child, limit)?;
    let said = |heard: std::sync::mpsc::Receiver<String>| {
        heard.recv_timeout(Duration::from_secs(2)).unwrap_or_default()
    };
    Ok(Ran { status, stdout: said(stdout), stderr: said(stderr) })
}

fn listener(end: Option<impl Read + Send + 'static>) -> std::sync::mpsc::Receiver<String> {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(end) = end {
            let _ = end.take(MOST_BYTES).read_to_end(&mut bytes);
        }
        sender.send(String::from_utf8_lossy(&bytes).into_owned())
    });
    receiver
}

fn wait(child: &mut Child, limit: Duration) -> io::Result<ExitStatus> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() >= deadline {
            let _ = child.kill();
            child.wait()?;
            let text = format!("it took longer than {} s", limit.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
