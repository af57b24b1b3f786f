//! A server that is started with exactly the words of the test.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use support::{Kind, program, wait_until};

/// How long a peer may be silent before a test gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// Both, the original first.
pub(crate) const BOTH: [Kind; 2] = [Kind::Original, Kind::Ours];

/// The names that Debian's `/usr/lib/distcc` has for sure.
const COMPILERS: [&str; 3] = ["gcc", "g++", "cc"];

/// A server's command, with its files in `folder`: nothing but the folder for temporary files, and for
/// ours a whitelist, is said to it.
pub(crate) fn distccd(kind: Kind, folder: &Path) -> Command {
    let temporary = folder.join("tmp");
    let _ = std::fs::create_dir(&temporary);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(&temporary, mode).unwrap();
    let mut command = match kind {
        Kind::Original => Command::new("/usr/bin/distccd"),
        Kind::Ours => {
            let whitelist = folder.join("whitelist");
            if std::fs::create_dir(&whitelist).is_ok() {
                for name in COMPILERS {
                    symlink("/bin/true", whitelist.join(name)).unwrap();
                }
            }
            let mut command = Command::new(program("distccd"));
            command.arg("--compiler-whitelist").arg(&whitelist);
            command
        }
    };
    command.env("TMPDIR", temporary).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    command
}

/// The command of a server on loopback that stays in the foreground.
pub(crate) fn listening(kind: Kind, folder: &Path, port: u16) -> Command {
    let mut command = distccd(kind, folder);
    command.args(["--daemon", "--no-detach", "--log-stderr", "--listen", "127.0.0.1"]);
    command.args(["--allow", "127.0.0.1", "--port", &port.to_string()]);
    command
}

/// A server at work. Dropping it ends it.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) port: u16,
    log: PathBuf,
}

impl Daemon {
    /// Starts `command` and waits until it listens on `port`. What it says goes to `log` in `folder`.
    #[track_caller]
    pub(crate) fn start(command: &mut Command, folder: &Path, port: u16) -> Daemon {
        let log = folder.join("log");
        let file = std::fs::File::create(&log).unwrap();
        let child = command.stdout(Stdio::null()).stderr(file).spawn().unwrap();
        let mut daemon = Daemon { child, port, log };
        wait_until("the server listens", || {
            let ended = daemon.child.try_wait().unwrap();
            assert_eq!(ended, None, "the server ended:\n{}", daemon.log());
            listens(port)
        });
        daemon
    }

    /// Starts a server on loopback with more words.
    #[track_caller]
    pub(crate) fn with(kind: Kind, folder: &Path, words: &[&str]) -> Daemon {
        let port = free_port();
        Daemon::start(listening(kind, folder, port).args(words), folder, port)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn log(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Waits until the log has a line with `text`, and gives it.
    #[track_caller]
    pub(crate) fn wait_for_line(&self, text: &str) -> String {
        let mut found = None;
        wait_until(&format!("the log has `{text}`"), || {
            found = self.log().lines().find(|line| line.contains(text)).map(str::to_owned);
            found.is_some()
        });
        found.unwrap_or_default()
    }

    /// Sends a signal, and waits for the end.
    pub(crate) fn end_by(&mut self, signal: Signal) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.wait()
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the server ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Sends bytes and gives the whole answer.
    pub(crate) fn ask(&self, request: &[u8]) -> Vec<u8> {
        ask(self.port, request)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
        // By a signal that it catches: 3.4's children outlive a parent that is killed.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

/// Connects to a port of this machine.
pub(crate) fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends bytes to a port of this machine and gives the whole answer. A peer that has hung up is no
/// error.
pub(crate) fn ask(port: u16, request: &[u8]) -> Vec<u8> {
    let mut stream = connect(port);
    let _ = stream.write_all(request);
    read_to_end(&mut stream)
}

/// All that the peer says until it hangs up, however it does that.
pub(crate) fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return said,
            Ok(n_bytes) => said.extend_from_slice(&buffer[..n_bytes]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return said,
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&said)),
        }
    }
}

/// A job in version 1 of the protocol.
pub(crate) fn request(command: &str, source: &str) -> Vec<u8> {
    let words: Vec<&str> = command.split(' ').collect();
    let mut text = format!("DIST00000001ARGC{:08x}", words.len());
    for word in words {
        text.push_str(&format!("ARGV{:08x}{word}", word.len()));
    }
    text.push_str(&format!("DOTI{:08x}{source}", source.len()));
    text.into_bytes()
}

/// Half of a connection is closed for good: the peer sees an end.
pub(crate) fn close_sending(stream: &TcpStream) {
    let _ = stream.shutdown(Shutdown::Write);
}

/// Whether somebody listens on `port` here. A connection would be one more in the statistics.
pub(crate) fn listens(port: u16) -> bool {
    let network = PathBuf::from("/proc/self/net");
    ["tcp", "tcp6"].iter().any(|table| super::running::is_listening(&network.join(table), port))
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The living children of a process.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_str().unwrap_or_default().parse() else { continue };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let (state, its_parent) = (fields.next(), fields.next());
        if its_parent == Some(&parent.to_string()) && state != Some("Z") {
            found.push(pid);
        }
    }
    found
}
