//! Two servers on loopback, each with its own port, whitelist and temporary folder.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::{Reaped, program};

/// How many compilers each server runs at once.
const JOBS_PER_SERVER: usize = 2;

/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Farm {
    servers: Vec<Server>,
    state: PathBuf,
}

struct Server {
    name: &'static str,
    port: u16,
    folder: PathBuf,
    daemon: Reaped,
}

impl Farm {
    pub(super) fn start(folder: &Path) -> Result<Farm> {
        let servers: Result<Vec<Server>> =
            ["red", "green"].into_iter().map(|name| Server::start(name, folder)).collect();
        Ok(Farm { servers: servers?, state: folder.join("state") })
    }

    /// The client.
    pub(super) fn distcc(&self) -> PathBuf {
        program("distcc")
    }

    /// Gives a build the servers.
    pub(super) fn configure(&self, build: &mut Command) {
        let hosts: Vec<String> = self
            .servers
            .iter()
            .map(|server| format!("127.0.0.1:{}/{JOBS_PER_SERVER},lzo", server.port))
            .collect();
        build.env("DISTCC_HOSTS", hosts.join(" ")).env("DISTCC_DIR", &self.state);
        build.env("DISTCC_FALLBACK", "0");
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.servers
            .iter()
            .map(|server| format!("{} (127.0.0.1:{})", server.name, server.port))
            .collect()
    }

    /// How many files each server says it has compiled: its own log, not the client's word.
    pub(super) fn n_compiled(&self) -> Result<Vec<usize>> {
        self.servers
            .iter()
            .map(|server| {
                let log = std::fs::read_to_string(server.folder.join("log"))?;
                Ok(log.lines().filter(|line| line.contains(" COMPILE_OK ")).count())
            })
            .collect()
    }

    /// Stops the servers, and checks that nothing of them is left.
    pub(super) fn stop(self) -> Result<()> {
        for server in self.servers {
            server.stop()?;
        }
        Ok(())
    }
}

impl Server {
    fn start(name: &'static str, folder: &Path) -> Result<Server> {
        let folder = folder.join(name);
        let (whitelist, temporary) = (folder.join("whitelist"), folder.join("tmp"));
        std::fs::create_dir_all(&whitelist)?;
        std::fs::create_dir_all(&temporary)?;
        for compiler in ["gcc", "g++"] {
            symlink(program("distcc"), whitelist.join(compiler))?;
        }
        // A port that was free a moment ago.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = folder.join("log");
        let mut daemon = Command::new(program("distccd"));
        daemon
            .args(["--daemon", "--no-detach", "--listen", "127.0.0.1", "--allow", "127.0.0.1"])
            .args(["--port", &port.to_string(), "--jobs", &JOBS_PER_SERVER.to_string()])
            .arg("--compiler-whitelist")
            .arg(&whitelist)
            .arg("--log-file")
            .arg(&log)
            .env("TMPDIR", &temporary)
            .stdin(Stdio::null());
        // As root the daemon would become another user, who owns none of these folders.
        if rustix::process::geteuid().is_root() {
            daemon.args(["--user", "root"]);
        }
        let daemon = Reaped(daemon.spawn().context("could not start distccd")?);
        let mut server = Server { name, port, folder, daemon };
        server.wait_until_listening()?;
        Ok(server)
    }

    fn wait_until_listening(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if let Some(status) = self.daemon.0.try_wait()? {
                bail!("distccd ended with {status}; see {}", self.folder.join("log").display());
            }
            ensure!(Instant::now() < deadline, "distccd does not listen on port {}", self.port);
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn stop(mut self) -> Result<()> {
        let pid = rustix::process::Pid::from_child(&self.daemon.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let deadline = Instant::now() + PATIENCE;
        while self.daemon.0.try_wait()?.is_none() {
            ensure!(Instant::now() < deadline, "distccd does not stop");
            std::thread::sleep(Duration::from_millis(20));
        }
        ensure!(
            TcpStream::connect(("127.0.0.1", self.port)).is_err(),
            "something still listens on port {}",
            self.port
        );
        let left: Vec<_> = std::fs::read_dir(self.folder.join("tmp"))?.collect();
        ensure!(left.is_empty(), "{} left temporary files: {left:?}", self.name);
        let processes = processes_using(&self.folder)?;
        ensure!(processes.is_empty(), "{} left processes: {processes:?}", self.name);
        Ok(())
    }
}

/// The processes whose environment or working folder lies below `folder`: compilers inherit the
/// server's `TMPDIR`.
fn processes_using(folder: &Path) -> Result<Vec<String>> {
    let name = folder.as_os_str().as_encoded_bytes();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let process = entry?.path();
        let in_folder =
            std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
        let environment = std::fs::read(process.join("environ")).unwrap_or_default();
        if in_folder || environment.windows(name.len()).any(|part| part == name) {
            found.push(process.display().to_string());
        }
    }
    Ok(found)
}
