//! How many jobs a second the server does, and what each costs its processor, against Debian's
//! distccd: with a compiler that only writes a fixed object, so that what counts is the server.
//!
//! Debian's, ours without a sandbox and ours with it take turns in one run, with 1, 8 and 32
//! clients. A client is a thread here that speaks the protocol: connects, sends a job of version 1,
//! reads the whole reply. The processor's time is that of all processes of a server, compilers
//! included, as the kernel counts it.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bench::{built, make_compilers, wait_until_it_listens};
use rustix::process::{Pid, Signal, kill_process};
use wire::{Version, encode_request_head, encode_source};

/// How many clients ask at once.
const CLIENTS: [usize; 3] = [1, 8, 32];

/// How often each server has its turn, and how long a turn is.
const ROUNDS: usize = 3;
const TURN: Duration = Duration::from_millis(1000);

/// Compilers at once, on each server.
const N_JOBS: &str = "8";

/// How many times Debian's jobs a second ours has to do, without a sandbox.
const LEAST_RATIO: f64 = 1.3;

/// A job's source: what a small file comes to when it is preprocessed.
const SOURCE_BYTES: usize = 20_000;

fn main() -> Result<()> {
    let ours =
        std::env::args_os().nth(1).map_or_else(|| built("distccd"), |path| Ok(path.into()))?;
    let original = PathBuf::from("/usr/bin/distccd");
    ensure!(original.exists(), "Debian's distccd is missing: apt-get install distcc");
    let world = tempfile::tempdir()?;
    std::fs::set_permissions(world.path(), PermissionsExt::from_mode(0o755))?;
    let compilers = make_compilers(world.path(), &["gcc"])?;
    let servers = [
        Server::start(world.path(), &compilers, &original, "Debian's", &[])?,
        Server::start(world.path(), &compilers, &ours, "ours, no sandbox", &["--sandbox", "off"])?,
        Server::start(world.path(), &compilers, &ours, "ours, sandbox", &["--sandbox", "auto"])?,
    ];
    let request = request()?;
    println!(
        "{:<8} {:<17} {:>8} {:>14} {:>6}",
        "clients", "server", "jobs/s", "µs of CPU/job", "ratio"
    );
    let mut is_good = true;
    for n_clients in CLIENTS {
        let mut turns: Vec<Vec<(f64, f64)>> = vec![Vec::new(); servers.len()];
        for _ in 0..ROUNDS {
            for (server, turns) in servers.iter().zip(&mut turns) {
                turns.push(server.turn(n_clients, &request)?);
            }
        }
        let medians: Vec<(f64, f64)> = turns.iter().map(|turns| medians(turns)).collect();
        for (server, (rate, cost)) in servers.iter().zip(&medians) {
            let ratio = rate / medians[0].0;
            println!("{n_clients:<8} {:<17} {rate:>8.0} {cost:>14.0} {ratio:>6.2}", server.name);
        }
        is_good &= medians[1].0 / medians[0].0 >= LEAST_RATIO;
    }
    ensure!(is_good, "without a sandbox ours does less than {LEAST_RATIO} times Debian's jobs");
    Ok(())
}

fn medians(turns: &[(f64, f64)]) -> (f64, f64) {
    let median = |mut numbers: Vec<f64>| {
        numbers.sort_by(f64::total_cmp);
        numbers[numbers.len() / 2]
    };
    (
        median(turns.iter().map(|turn| turn.0).collect()),
        median(turns.iter().map(|turn| turn.1).collect()),
    )
}

/// A whole job, as it travels.
fn request() -> Result<Vec<u8>> {
    let mut source = b"# 1 \"a.c\"\n".to_vec();
    source.extend(b"int f(int);\n".iter().cycle().take(SOURCE_BYTES));
    let mut bytes = encode_request_head(Version::V1, &["gcc", "-c", "a.c", "-o", "a.o"])?;
    let (token, body) = encode_source(Version::V1, &source)?;
    bytes.extend(token);
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// Does one job.
fn job(port: u16, request: &[u8]) -> Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.write_all(request)?;
    let mut reply = Vec::with_capacity(4096);
    stream.read_to_end(&mut reply)?;
    ensure!(reply.get(12..24) == Some(b"STAT00000000"), "{}", String::from_utf8_lossy(&reply));
    ensure!(reply.len() > 500, "no object");
    Ok(())
}

struct Server {
    name: &'static str,
    port: u16,
    daemon: Child,
}

impl Server {
    fn start(
        world: &Path,
        compilers: &Path,
        program: &Path,
        name: &'static str,
        more: &[&str],
    ) -> Result<Server> {
        let folder = world.join(name);
        let (temporary, whitelist) = (folder.join("tmp"), folder.join("whitelist"));
        std::fs::create_dir_all(&temporary)?;
        std::fs::create_dir_all(&whitelist)?;
        std::fs::set_permissions(&temporary, PermissionsExt::from_mode(0o777))?;
        symlink("/bin/true", whitelist.join("gcc"))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new(program);
        command
            .args(["--daemon", "--no-detach", "--listen", "127.0.0.1", "--allow", "127.0.0.1"])
            .args(["--port", &port.to_string(), "--jobs", N_JOBS, "--log-stderr"])
            .args(["--log-level", "warning"])
            .args(more)
            .env("PATH", compilers)
            .env("TMPDIR", &temporary)
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(folder.join("log"))?);
        if !more.is_empty() {
            command.arg("--compiler-whitelist").arg(&whitelist);
        }
        let mut daemon = command.spawn()?;
        wait_until_it_listens(name, &mut daemon, port)?;
        Ok(Server { name, port, daemon })
    }

    /// Has so many clients do jobs for a while: jobs a second, microseconds a job.
    fn turn(&self, n_clients: usize, request: &[u8]) -> Result<(f64, f64)> {
        let (n_jobs, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
        let before = self.processor_time()?;
        let start = Instant::now();
        std::thread::scope(|scope| -> Result<()> {
            let work = || -> Result<()> {
                while !is_over.load(Ordering::Relaxed) {
                    job(self.port, request)?;
                    n_jobs.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            };
            let clients: Vec<_> = (0..n_clients).map(|_| scope.spawn(work)).collect();
            std::thread::sleep(TURN);
            is_over.store(true, Ordering::Relaxed);
            for client in clients {
                let ended = client.join();
                ended.map_err(|_| anyhow::anyhow!("a client panicked"))?.context(self.name)?;
            }
            Ok(())
        })?;
        let seconds = start.elapsed().as_secs_f64();
        let n_jobs = n_jobs.load(Ordering::Relaxed) as f64;
        let used = self.processor_time()?.saturating_sub(before).as_secs_f64();
        Ok((n_jobs / seconds, used / n_jobs * 1e6))
    }

    /// What all processes of the server have used, those that are gone included.
    fn processor_time(&self) -> Result<Duration> {
        let mut parents: HashMap<u32, u32> = HashMap::new();
        let mut ticks: HashMap<u32, u64> = HashMap::new();
        for entry in std::fs::read_dir("/proc")?.flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
            let Some((_, fields)) = stat.rsplit_once(')') else { continue };
            let fields: Vec<&str> = fields.split_whitespace().collect();
            // From the third of proc(5) on: parent is the 4th, times are the 14th to 17th.
            let number =
                |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
            parents.insert(pid, number(1).unwrap_or_default() as u32);
            ticks.insert(pid, (11..15).filter_map(number).sum());
        }
        let own = self.daemon.id();
        let is_ours = |mut pid: u32| {
            while pid > 1 && pid != own {
                pid = parents.get(&pid).copied().unwrap_or_default();
            }
            pid == own
        };
        let all: u64 = ticks.iter().filter(|(pid, _)| is_ours(**pid)).map(|(_, ticks)| ticks).sum();
        let per_second = rustix::param::clock_ticks_per_second();
        Ok(Duration::from_secs_f64(all as f64 / per_second as f64))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.daemon), Signal::TERM);
        let _ = self.daemon.wait();
    }
}
