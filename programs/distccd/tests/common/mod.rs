//! A world for one test: a folder of compilers, a whitelist, a daemon, and a client that speaks
//! the protocol by hand.

// Each suite is a program of its own and uses its part.
#![allow(dead_code, unreachable_pub)]

use std::fs::{File, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use wire::{Limits, Reply, ReplyDecoder, Version, encode_request_head, encode_source};

/// How long anything may take before a test gives up: far beyond what it takes.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What a compiler that only writes an object does with its words.
const FIND_OUTPUT: &str = "for word; do [ \"$last\" = -o ] && out=$word; last=$word; done\n";

/// The folders of one test.
pub struct World {
    folder: TempDir,
}

impl World {
    pub fn new() -> World {
        let world = World { folder: TempDir::new().unwrap() };
        // The daemon gives root up, and then has to get at all this.
        set_mode(world.path(), 0o755);
        for (name, mode) in [("bin", 0o755), ("list", 0o755), ("tmp", 0o1777), ("out", 0o777)] {
            std::fs::create_dir(world.path().join(name)).unwrap();
            set_mode(&world.path().join(name), mode);
        }
        world
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn out(&self, name: &str) -> PathBuf {
        self.path().join("out").join(name)
    }

    /// A file that compilers wrote to `out`.
    pub fn read_out(&self, name: &str) -> String {
        std::fs::read_to_string(self.out(name)).unwrap_or_default()
    }

    /// Puts a compiler on the whitelist, without there being one.
    pub fn allow(&self, name: &str) {
        let _ = std::os::unix::fs::symlink("/bin/true", self.path().join("list").join(name));
    }

    /// Makes a whitelisted compiler of a shell script, in which `$OUT` is the folder `out` and
    /// `$out` the file that `-o` names.
    pub fn compiler(&self, name: &str, script: &str) {
        self.allow(name);
        let path = self.path().join("bin").join(name);
        let out = self.path().join("out");
        let text = format!("#!/bin/sh\nOUT='{}'\n{FIND_OUTPUT}{script}\n", out.display());
        std::fs::write(&path, text).unwrap();
        set_mode(&path, 0o755);
    }

    /// A compiler that says its process id on `started`, then waits for a line on `release`.
    pub fn blocking_compiler(&self, name: &str, before: &str) -> Blocking {
        let blocking = Blocking {
            started: fifo(&self.out("started")),
            release: fifo(&self.out("release")),
            unread: Vec::new(),
        };
        let script = format!(
            "{before}\necho $$ > \"$OUT/started\"\nread line < \"$OUT/release\"\n\
             echo object > \"$out\"\necho \"$input\" >> \"$OUT/done\""
        );
        self.compiler(name, &script);
        blocking
    }

    /// The command `distccd`, with the environment of this world and nothing else.
    pub fn distccd(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_distccd"));
        command
            .env_clear()
            .env("PATH", format!("{}/bin:/usr/bin:/bin", self.path().display()))
            .env("TMPDIR", self.path().join("tmp"))
            // By this the processes of this world are known.
            .env("HOME", self.path())
            .stdin(Stdio::null());
        command
    }

    pub fn list_option(&self) -> String {
        format!("--compiler-whitelist={}/list", self.path().display())
    }

    /// Starts a server for the one job over its standard input and output, and sends it a job of
    /// version 2. The input is held open, as clients do until the answer has come.
    pub fn inetd(&self, options: &[&str], command: &str, source: &str) -> (Child, ChildStdin) {
        let mut child = self
            .distccd()
            .args(["--inetd", "--log-stderr", &self.list_option()])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(&request(Version::V2, command, source)).unwrap();
        (child, input)
    }

    pub fn daemon(&self, options: &[&str]) -> Daemon<'_> {
        self.daemon_with(options, &[])
    }

    /// Starts a daemon in the foreground, and waits until it listens.
    pub fn daemon_with(&self, options: &[&str], variables: &[(&str, &str)]) -> Daemon<'_> {
        let log = File::create(self.path().join("log")).unwrap();
        for _ in 0..20 {
            let port = free_port();
            let mut command = self.distccd();
            command
                .args(["--daemon", "--no-detach", "--log-stderr", &self.list_option()])
                .args(["--port", &port.to_string()])
                .args(options)
                .args(self.no_sandbox(options))
                .envs(variables.iter().copied())
                .stderr(log.try_clone().unwrap());
            if !options.iter().any(|option| option.starts_with("--listen")) {
                command.args(["--listen", "127.0.0.1"]);
            }
            let mut child = command.spawn().unwrap();
            let started = wait_until(|| {
                if child.try_wait().unwrap().is_some() {
                    return Some(false);
                }
                listens(port).then_some(true)
            });
            if started {
                return Daemon { world: self, child, port };
            }
            // Another test took the port in between; anything else is a failure.
            let said = std::fs::read_to_string(self.path().join("log")).unwrap();
            assert_eq!(child.wait().unwrap().code(), Some(102), "{said}");
        }
        panic!("no free port");
    }

    /// Compilers of a test's own write down what they see where no compiler could: they run outside
    /// of a sandbox where a test says nothing of it.
    fn no_sandbox(&self, options: &[&str]) -> &[&str] {
        let is_said = options.iter().any(|option| option.starts_with("--sandbox"));
        if is_said { &[] } else { &["--sandbox=off"] }
    }

    /// The living processes of this world.
    pub fn processes(&self) -> Vec<i32> {
        let own = self.path().to_str().unwrap().as_bytes();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_str().unwrap_or_default().parse() else { continue };
            let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            if environment.windows(own.len()).any(|window| window == own) {
                found.push(pid);
            }
        }
        found
    }

    /// Waits until no process and no temporary file of this world is left.
    pub fn wait_until_nothing_is_left(&self) {
        wait_until(|| (self.processes().is_empty() && self.temporaries().is_empty()).then_some(()));
    }

    /// What is in TMPDIR.
    pub fn temporaries(&self) -> Vec<PathBuf> {
        fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                found.push(entry.path());
                walk(&entry.path(), found);
            }
        }
        let mut found = Vec::new();
        walk(&self.path().join("tmp"), &mut found);
        found
    }

    /// The folders of jobs in TMPDIR: what is not the daemon's own.
    pub fn job_files(&self) -> Vec<PathBuf> {
        let depth = self.path().join("tmp").components().count() + 1;
        let mut found = self.temporaries();
        found.retain(|path| path.components().count() > depth && !path.ends_with("lock"));
        found
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Whatever a test came to: leave no process behind, or it writes to a folder that is
        // being removed.
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let left = self.processes();
            if left.is_empty() {
                return;
            }
            for pid in left {
                kill(pid, Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The two ends of compilers that wait.
pub struct Blocking {
    started: File,
    release: File,
    unread: Vec<u8>,
}

impl Blocking {
    /// Waits for the next compiler to start; its process id.
    pub fn wait_for_start(&mut self) -> i32 {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return String::from_utf8(line).unwrap().trim().parse().unwrap();
            }
            let mut buffer = [0; 256];
            let n_bytes = read_with_deadline(&self.started, &mut buffer, PATIENCE);
            self.unread.extend_from_slice(&buffer[..n_bytes.expect("no compiler started")]);
        }
    }

    /// Whether a compiler has started since the last wait.
    pub fn has_started(&self) -> bool {
        let mut buffer = [0; 256];
        !self.unread.is_empty()
            || read_with_deadline(&self.started, &mut buffer, Duration::ZERO).is_some()
    }

    /// Lets one compiler end.
    pub fn release_one(&mut self) {
        self.release.write_all(b"go\n").unwrap();
    }
}

fn read_with_deadline(file: &File, buffer: &mut [u8], patience: Duration) -> Option<usize> {
    let mut ends = [PollFd::new(file, PollFlags::IN)];
    let patience = Timespec::try_from(patience).unwrap();
    if poll(&mut ends, Some(&patience)).unwrap() == 0 {
        return None;
    }
    let mut file = file;
    Some(file.read(buffer).unwrap())
}

/// A daemon in the foreground. Dropped, it is killed.
pub struct Daemon<'a> {
    world: &'a World,
    child: Child,
    pub port: u16,
}

impl Daemon<'_> {
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// The process that runs the compilers: the daemon's youngest child while it is idle. The one
    /// that tried the sandbox out may still be on its way out.
    pub fn worker(&self) -> i32 {
        wait_until(|| children(self.pid()).into_iter().max())
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.world.path().join("log")).unwrap()
    }

    /// Waits for a line of the log that holds `text`, and gives it.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            if let Some(line) = log.lines().find(|line| line.contains(text)) {
                return line.to_owned();
            }
            assert!(Instant::now() < deadline, "no `{text}` in the log:\n{log}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn connect(&self) -> Client {
        Client::connect(([127, 0, 0, 1], self.port).into())
    }

    /// One whole job.
    pub fn compile(&self, command: &str, source: &str) -> Reply {
        self.compile_in(Version::V1, command, source)
    }

    pub fn compile_in(&self, version: Version, command: &str, source: &str) -> Reply {
        let mut client = self.connect();
        client.send_job(version, command, source);
        client.reply(version)
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal);
    }

    /// Waits for the end of the daemon's main process.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        wait_until(|| self.child.try_wait().unwrap())
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the daemon's log:\n{}", self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that says what a test wants it to say.
pub struct Client {
    pub stream: TcpStream,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client { stream }
    }

    /// Sends bytes; a server that has already refused is no error.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    pub fn send_head(&mut self, version: Version, command: &str) {
        self.send(&head(version, command));
    }

    pub fn send_job(&mut self, version: Version, command: &str, source: &str) {
        self.send(&request(version, command, source));
    }

    pub fn close_sending(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// The server's answer.
    #[track_caller]
    pub fn reply(&mut self, version: Version) -> Reply {
        let mut decoder = ReplyDecoder::new(version, Limits::DEFAULT);
        let mut all = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let n_bytes = match self.stream.read(&mut buffer) {
                Ok(0) => panic!("the server closed after {:?}", String::from_utf8_lossy(&all)),
                Ok(n_bytes) => n_bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&all)),
            };
            all.extend_from_slice(&buffer[..n_bytes]);
            if let Some(reply) = decoder.push(&mut &buffer[..n_bytes]).unwrap() {
                return reply;
            }
        }
    }

    /// Waits until the server has closed, however it did that; what it said before.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        let mut said = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return said,
                Ok(n_bytes) => said.extend_from_slice(&buffer[..n_bytes]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return said,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// The words of a command, as they travel.
pub fn head(version: Version, command: &str) -> Vec<u8> {
    let words: Vec<&str> = command.split(' ').collect();
    encode_request_head(version, &words).unwrap()
}

/// A whole job, as it travels.
pub fn request(version: Version, command: &str, source: &str) -> Vec<u8> {
    let mut bytes = head(version, command);
    let (token, body) = encode_source(version, source.as_bytes()).unwrap();
    bytes.extend(token);
    bytes.extend_from_slice(&body);
    bytes
}

/// Checks that a job was refused with distcc's `code`, in words that have `parts`, and a hint.
#[track_caller]
pub fn check_refused(reply: &Reply, code: u8, parts: &[&str]) {
    let said = String::from_utf8(reply.stderr.clone()).unwrap();
    assert_eq!(reply.status.code(), Some(code), "{said}");
    assert!(said.starts_with("distccd[") && said.contains("] ERROR: "), "{said}");
    for part in parts {
        assert!(said.contains(part), "no `{part}` in: {said}");
    }
    assert!(reply.object.is_empty() && reply.stdout.is_empty());
}

/// Asks again and again until the answer is there.
#[track_caller]
pub fn wait_until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn kill(pid: i32, signal: Signal) {
    let _ = kill_process(Pid::from_raw(pid).unwrap(), signal);
}

/// Whether a process is there, and more than a zombie.
pub fn is_alive(pid: i32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != "Z" && state != "X")
}

/// The children of `parent`.
pub fn children(parent: i32) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_str().unwrap_or_default().parse() else { continue };
        if stat(pid).is_some_and(|(state, its_parent)| its_parent == parent && state != "Z") {
            found.push(pid);
        }
    }
    found
}

/// State and parent of a process.
fn stat(pid: i32) -> Option<(String, i32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit(')').next()?.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

/// Whether somebody listens on `port`. A connection would be a line in the log.
pub fn listens(port: u16) -> bool {
    let wanted = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|table| {
        let table = std::fs::read_to_string(table).unwrap_or_default();
        table.lines().any(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let is_local = fields.next().is_some_and(|local| local.ends_with(&wanted));
            is_local && fields.nth(1) == Some("0A")
        })
    })
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Both ends of a new fifo: opening one alone would wait for the other.
fn fifo(path: &Path) -> File {
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o666),
        0,
    )
    .unwrap();
    set_mode(path, 0o666);
    File::options().read(true).write(true).open(path).unwrap()
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs a command to its end, and wants it to be quick about it.
#[track_caller]
pub fn run(command: &mut Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until(|| child.try_wait().unwrap());
    child.wait_with_output().unwrap()
}
