//! Whether a client sends a command: whether it connects to the only host it has.

use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command as Process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use support::{World, program, run, script};

use crate::commands::Command;

/// Long enough for a client that does next to nothing, on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Files that the commands name.
const FILES: [&str; 16] = [
    "a.c",
    "b.c",
    "a.cc",
    "a.cpp",
    "a.cxx",
    "a.m",
    "a.mm",
    "a.i",
    "a.ii",
    "a.mi",
    "a.s",
    "a.S",
    "a.h",
    "a.cppm",
    "conftest.c",
    "a.o",
];

/// A compiler that is done at once. What it gives for preprocessed source names its folder.
const STAND_IN: &str = r#"for word do
    if [ "$word" = -E ]; then
        echo '# 1 "a.c"'
        echo '# 1 "/work//"'
        echo 'int x;'
        exit 0
    fi
done
exit 0"#;

/// What the two clients did.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    /// Whether distcc 3.4 sent the command.
    pub(crate) original_sends: bool,
    /// Whether ours did.
    pub(crate) ours_sends: bool,
    /// The code of the reason why ours did not.
    pub(crate) reason: String,
}

/// Runs both clients, with the compilers of the folder `stand_ins`.
pub(crate) fn observe(command: &Command, stand_ins: &Path) -> Result<Observed> {
    let (original_sends, _) = sends(Path::new("/usr/bin/distcc"), command, stand_ins)
        .context("distcc 3.4 (apt-get install distcc)")?;
    let (ours_sends, log) = sends(&program("distcc"), command, stand_ins)?;
    let reason = log.rsplit_once(" [").and_then(|(_, end)| end.split_once(']'));
    let reason = reason.map(|(code, _)| code.to_owned()).unwrap_or_default();
    Ok(Observed { original_sends, ours_sends, reason })
}

/// Whether a client connects, and what it tells about itself.
///
/// Each run has a state folder of its own, so no host is left alone because of another run.
fn sends(client: &Path, command: &Command, stand_ins: &Path) -> Result<(bool, String)> {
    let world = World::new();
    let work = world.folder("work");
    for name in FILES {
        std::fs::write(work.join(name), "int x;\n")?;
    }
    std::fs::write(work.join("args"), "-O2 a.c\n")?;
    let log = world.path().join("log");
    let host = Host::new()?;
    let mut process = Process::new(client);
    process
        .args(&command.words)
        .current_dir(&work)
        .env_clear()
        .env("PATH", stand_ins)
        .env("DISTCC_HOSTS", host.spec()?)
        // Both in plain mode.
        .env("DISTCC_AGENT", "0")
        .env("DISTCC_DIR", world.folder("state"))
        .env("TMPDIR", world.folder("tmp"))
        .env("DISTCC_LOG", &log)
        .env("DISTCC_VERBOSE", "1");
    let n_connections = host.count_while(|| run(&mut process, LIMIT))?;
    let log = std::fs::read(log).map(|log| String::from_utf8_lossy(&log).into_owned());
    Ok((n_connections > 0, log.unwrap_or_default()))
}

/// Makes `folder` one of compilers that are none.
pub(crate) fn write_stand_ins(folder: &Path) {
    for name in ["gcc", "g++", "cc", "c++", "clang", "clang++"] {
        script(&folder.join(name), STAND_IN);
    }
}

/// A host that hangs up on everybody.
struct Host {
    listener: TcpListener,
}

impl Host {
    fn new() -> io::Result<Host> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        Ok(Host { listener })
    }

    fn spec(&self) -> io::Result<String> {
        Ok(self.listener.local_addr()?.to_string())
    }

    /// How many connections come while `act` acts.
    fn count_while<T>(&self, act: impl FnOnce() -> T) -> Result<usize> {
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let counting = scope.spawn(|| self.count_until(&is_over));
            act();
            is_over.store(true, Ordering::SeqCst);
            counting.join().map_err(|_| anyhow!("the host panicked"))
        })?
    }

    fn count_until(&self, is_over: &AtomicBool) -> Result<usize> {
        let mut n_connections = 0;
        loop {
            // Asked before: whoever has connected by then is found by `accept`.
            let is_last_round = is_over.load(Ordering::SeqCst);
            match self.listener.accept() {
                Ok(connection) => {
                    n_connections += 1;
                    drop(connection);
                }
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error.into()),
                Err(_) if is_last_round => return Ok(n_connections),
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }
}
