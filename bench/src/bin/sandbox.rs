//! What the sandbox adds to a job: the same jobs, one after the other, at a server with it and at
//! one without.
//!
//! `cargo run --release --manifest-path bench/Cargo.toml --bin sandbox [JOBS]`

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use support::{Kind, Server, ServerOptions};
use wire::{Limits, ReplyDecoder, Version, encode_request_head, encode_source};

/// What is compiled: nothing, so that the rest shows.
const SOURCE: &[u8] = b"int x;\n";
const COMMAND: [&str; 5] = ["gcc", "-c", "a.c", "-o", "a.o"];

/// The longest that one job may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The bar: what it may add at the median.
const BAR: Duration = Duration::from_millis(3);

fn main() -> Result<()> {
    let n_jobs = match std::env::args().nth(1) {
        Some(text) => text.parse().context("the number of jobs")?,
        None => 400,
    };
    let folder = tempfile::tempdir()?;
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let wishes = ["off", "require"];
    let servers = wishes.map(|wish| {
        let place = folder.path().join(wish);
        std::fs::create_dir(&place).map(|()| {
            let mut options = ServerOptions::new(Kind::Ours);
            options.more = ["--sandbox", wish, "--nice", "0"].map(str::to_owned).to_vec();
            Server::start(&place, &options)
        })
    });
    let mut times = [Vec::new(), Vec::new()];
    for number in 0..n_jobs + 20 {
        for (server, times) in servers.iter().zip(&mut times) {
            let server = server.as_ref().map_err(|error| anyhow::anyhow!("a folder: {error}"))?;
            let time = compile(server)?;
            // The first ones fill caches.
            if number >= 20 {
                times.push(time);
            }
        }
    }
    let [without, with] = times.map(|mut times| {
        times.sort_unstable();
        [times[times.len() / 2], times[times.len() - 1]]
    });
    let added = with[0].saturating_sub(without[0]);
    println!("sandbox: {n_jobs} jobs each, median without {:?}, with {:?}", without[0], with[0]);
    println!("sandbox: the longest without {:?}, with {:?}", without[1], with[1]);
    println!("sandbox: adds {added:?} a job; the bar is {BAR:?}");
    ensure!(added < BAR, "the sandbox costs more than the bar");
    Ok(())
}

/// One job, from the first byte to the object.
fn compile(server: &Server) -> Result<Duration> {
    let mut request = encode_request_head(Version::V1, &COMMAND)?;
    let (token, body) = encode_source(Version::V1, SOURCE)?;
    request.extend(token);
    request.extend_from_slice(&body);
    let start = Instant::now();
    let mut stream = TcpStream::connect((server.address, server.port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&request)?;
    let mut decoder = ReplyDecoder::new(Version::V1, Limits::DEFAULT);
    let mut buffer = [0; 16384];
    loop {
        let n_bytes = stream.read(&mut buffer)?;
        ensure!(n_bytes > 0, "the server closed early");
        if let Some(reply) = decoder.push(&mut &buffer[..n_bytes])? {
            let said = String::from_utf8_lossy(&reply.stderr).into_owned();
            ensure!(reply.status.is_success(), "the job failed: {said}");
            return Ok(start.elapsed());
        }
    }
}
