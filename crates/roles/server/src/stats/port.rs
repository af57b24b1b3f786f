//! `--stats-port`: answers everybody who connects and may, in one thread that nobody can hold up.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::machine::Observer;
use super::page;
use crate::Context;
use crate::log::Level;

/// How many who got their answer may still be there. When another comes the oldest is hung up on.
const MOST_LINGERING: usize = 64;

/// How long one who got the answer has to read it and hang up.
const LINGER: Duration = Duration::from_secs(3);

/// How much a peer may send; none of it matters.
const MOST_BYTES: usize = 64 << 10;

/// The pause when the system has no descriptor for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The longest sleep: the disks want to be looked at now and then.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

/// Starts to answer at the port, until the server's stop rings.
pub(crate) fn start(context: &Arc<Context>, listener: &TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut port = Port {
        listener: listener.try_clone()?,
        observer: Observer::new(&context.environment.temporary),
        lingering: VecDeque::new(),
        context: Arc::clone(context),
    };
    std::thread::Builder::new().name("stats".to_owned()).spawn(move || {
        if let Err(error) = port.serve() {
            let text = format!("no statistics any more: {error}");
            port.context.log.write(Level::Error, "stats", &text);
        }
    })?;
    Ok(())
}

struct Port {
    context: Arc<Context>,
    listener: TcpListener,
    observer: Observer,
    /// Those who have their answer, the oldest first.
    lingering: VecDeque<Lingering>,
}

/// A peer that has its answer. Closing at once would take it away again, where the peer has sent
/// something that was not read.
struct Lingering {
    stream: TcpStream,
    until: Instant,
    n_bytes: usize,
}

impl Port {
    fn serve(&mut self) -> io::Result<()> {
        loop {
            self.observer.watch_disks(Instant::now());
            let oldest = self.lingering.front().map(|peer| peer.until);
            let sleep = oldest.map_or(LONGEST_SLEEP, |until| {
                until.saturating_duration_since(Instant::now()).min(LONGEST_SLEEP)
            });
            let rung = self.context.stop.rung();
            let mut ends =
                vec![PollFd::new(&rung, PollFlags::IN), PollFd::new(&self.listener, PollFlags::IN)];
            let peers = self.lingering.iter();
            ends.extend(peers.map(|peer| PollFd::new(&peer.stream, PollFlags::IN)));
            match poll(&mut ends, Timespec::try_from(sleep).ok().as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let ready: Vec<bool> = ends.iter().map(|end| !end.revents().is_empty()).collect();
            if ready[0] {
                return Ok(());
            }
            let now = Instant::now();
            let mut ready_peers = ready[2..].iter();
            self.lingering.retain_mut(|peer| {
                let is_ready = ready_peers.next().is_some_and(|is_ready| *is_ready);
                peer.until > now && !(is_ready && peer.is_done())
            });
            if ready[1] {
                self.accept();
            }
        }
    }

    fn accept(&mut self) {
        match self.listener.accept() {
            Ok((stream, peer)) => {
                if self.context.access.lets_in(peer.ip()) {
                    // Who cannot be answered is gone already.
                    let _ = self.answer(stream);
                    return;
                }
                let client = format!("{}:{}", peer.ip().to_canonical(), peer.port());
                let text = format!("connection from client '{client}' denied by access list");
                self.context.log.write(Level::Error, "dcc_check_client", &text);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                self.context.log.write(Level::Error, "stats", &error.to_string());
                self.lingering.clear();
                std::thread::sleep(ACCEPT_PAUSE);
            }
        }
    }

    fn answer(&mut self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        let now = Instant::now();
        let machine = self.observer.look(now);
        let context = &*self.context;
        let statistics = context.statistics.snapshot(now);
        let n_jobs = context.slots.n_slots();
        let page = page::answer(&statistics, n_jobs, &machine, &own_lines(context, &statistics));
        // The page fits into what the system keeps for a new connection: this does not wait.
        stream.write_all(&page)?;
        stream.shutdown(Shutdown::Write)?;
        if self.lingering.len() == MOST_LINGERING {
            self.lingering.pop_front();
        }
        self.lingering.push_back(Lingering { stream, until: now + LINGER, n_bytes: 0 });
        Ok(())
    }
}

impl Lingering {
    /// Reads what the peer has sent. True when it hung up, or has said enough.
    fn is_done(&mut self) -> bool {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => true,
            Ok(n_bytes) => {
                self.n_bytes += n_bytes;
                self.n_bytes > MOST_BYTES
            }
            Err(error) => {
                !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
            }
        }
    }
}

/// What 3.4 does not say: one line a fact, a name without spaces and its value.
fn own_lines(context: &Context, statistics: &super::counters::Snapshot) -> Vec<page::OwnLine> {
    let (n_running, n_waiting) = context.slots.in_use();
    vec![
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("sandbox_level", context.confinement.name().to_owned()),
        ("access_denied", statistics.n_denied.to_string()),
        ("jobs_running", n_running.to_string()),
        ("jobs_waiting", n_waiting.to_string()),
    ]
}
