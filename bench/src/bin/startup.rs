//! What one compile costs the client's own processor time, against Debian's distcc.
//!
//! A one-line C file is sent to a server whose compiler only writes a fixed object; the
//! preprocessor is as trivial. Both clients take turns in one run. What counts is the client
//! process alone, read from the scheduler's own count before it is reaped: neither the
//! preprocessor nor the server is in it.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bench::{built, make_compilers, wait_until_it_listens};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// How often each client runs.
const ROUNDS: usize = 400;

/// Rounds before the ones that count: files and folders are made, the compiler is asked what it
/// makes.
const WARM_UP: usize = 10;

/// Names that a client may send for `gcc`.
const NAMES: [&str; 2] = ["gcc", "x86_64-linux-gnu-gcc"];

fn main() -> Result<()> {
    let ours =
        std::env::args_os().nth(1).map_or_else(|| built("distcc"), |path| Ok(path.into()))?;
    let original = PathBuf::from("/usr/bin/distcc");
    ensure!(original.exists(), "Debian's distcc is missing: apt-get install distcc");
    let world = tempfile::tempdir()?;
    std::fs::set_permissions(world.path(), PermissionsExt::from_mode(0o755))?;
    let compilers = make_compilers(world.path(), &NAMES)?;
    let server = Server::start(world.path(), &compilers)?;

    let mut clients = [Client::new(ours, "ours"), Client::new(original, "Debian's")];
    for round in 0..WARM_UP + ROUNDS {
        for client in &mut clients {
            let time = client.run(world.path(), &compilers, server.port)?;
            if round >= WARM_UP {
                client.times.push(time);
            }
        }
    }
    let [ours, original] = clients.map(|mut client| {
        client.times.sort_unstable();
        let median = client.times[client.times.len() / 2];
        println!("{:<9} {:>6.0} µs of processor time a job (median)", client.name, micros(median));
        micros(median)
    });
    let ratio = ours / original;
    println!("ratio     {ratio:>6.2} (has to be below 1)");
    ensure!(ratio < 1.0, "our client costs more than Debian's");
    Ok(())
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Debian's server, which both clients talk to.
struct Server {
    port: u16,
    daemon: Child,
}

impl Server {
    fn start(world: &Path, compilers: &Path) -> Result<Server> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut daemon = Command::new("/usr/bin/distccd")
            .args(["--daemon", "--no-detach", "--listen", "127.0.0.1", "--allow", "127.0.0.1"])
            .args(["--port", &port.to_string(), "--jobs", "2", "--log-stderr"])
            .env("PATH", compilers)
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(world.join("distccd.log"))?)
            .spawn()?;
        wait_until_it_listens("distccd", &mut daemon, port)?;
        Ok(Server { port, daemon })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its children leave with it: they are of its process group.
        let _ = rustix::process::kill_process(
            Pid::from_child(&self.daemon),
            rustix::process::Signal::TERM,
        );
        let _ = self.daemon.wait();
    }
}

struct Client {
    program: PathBuf,
    name: &'static str,
    times: Vec<Duration>,
}

impl Client {
    fn new(program: PathBuf, name: &'static str) -> Client {
        Client { program, name, times: Vec::with_capacity(ROUNDS) }
    }

    /// Compiles once, and gives the processor time of the client itself.
    fn run(&self, world: &Path, compilers: &Path, port: u16) -> Result<Duration> {
        let folder = world.join(self.name);
        std::fs::create_dir_all(folder.join("state"))?;
        std::fs::write(folder.join("a.c"), "int x;\n")?;
        let _ = std::fs::remove_file(folder.join("a.o"));
        let path = format!("{}:/usr/bin:/bin", compilers.display());
        let mut client = Command::new(&self.program)
            .args(["gcc", "-c", "a.c", "-o", "a.o"])
            .current_dir(&folder)
            .env_clear()
            .env("PATH", path)
            .env("DISTCC_DIR", folder.join("state"))
            .env("DISTCC_HOSTS", format!("127.0.0.1:{port}"))
            // A job that is not distributed must not pass for a cheap one.
            .env("DISTCC_FALLBACK", "0")
            .stdin(Stdio::null())
            .spawn()?;
        let pid = Pid::from_child(&client);
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
        let counted = std::fs::read_to_string(format!("/proc/{}/schedstat", client.id()))?;
        let status = client.wait()?;
        ensure!(status.success(), "{} failed: {status}", self.name);
        ensure!(folder.join("a.o").exists(), "{} made no object", self.name);
        let nanoseconds = counted.split_whitespace().next().context("no count of time")?.parse()?;
        std::io::stdout().flush()?;
        Ok(Duration::from_nanos(nanoseconds))
    }
}
