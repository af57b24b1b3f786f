//! The worker: accepts connections and gives each a thread.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sandbox::Sandbox;
use transport::{Connection, Vigilance};

use crate::bounds::{DESCRIPTORS_PER_CONNECTION, MORE_CONNECTIONS, OTHER_DESCRIPTORS};
use crate::crowd::Crowd;
use crate::door::Door;
use crate::listeners::Listeners;
use crate::log::Level;
use crate::outcome::Outcome;
use crate::refusal::Refusal;
use crate::{Context, announce, job, stats};

/// After how many connections a quiet moment is used to give memory back.
const TIDY_AFTER: usize = 100;

/// What a worker has of memory beyond what it had after it gave back some, in bytes, before it does so at once.
const MOST_UNUSED: usize = 8 << 20;

/// How often the log hears of clients that were turned away.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// How long jobs get to end their compilers when the server stops.
const STOP_PATIENCE: Duration = Duration::from_millis(1500);

/// The wish to stop, for all threads to see.
#[derive(Debug)]
pub(crate) struct Stop {
    event: OwnedFd,
}

impl Stop {
    pub(crate) fn new() -> io::Result<Stop> {
        Ok(Stop { event: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)? })
    }

    /// Tells everybody to stop.
    pub(crate) fn ring(&self) {
        let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
    }

    /// What becomes and stays readable when it is time to stop.
    pub(crate) fn rung(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

/// The signals that stop the server.
pub(crate) fn stop_signals() -> SigSet {
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGALRM].into_iter().collect()
}

/// Blocks `signals` in this thread, and in those that it starts, and gives a descriptor that
/// tells of them instead.
pub(crate) fn watch_signals(signals: &SigSet) -> io::Result<SignalFd> {
    signals.thread_block()?;
    Ok(SignalFd::with_flags(signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}

/// Has a thread ring for everybody when a signal comes, for a server of a single job.
pub(crate) fn stop_on_signals(context: &Arc<Context>) -> io::Result<()> {
    let signals = watch_signals(&stop_signals())?;
    let context = Arc::clone(context);
    std::thread::Builder::new().spawn(move || {
        let mut ends = [PollFd::new(&signals, PollFlags::IN)];
        while poll(&mut ends, None) == Err(rustix::io::Errno::INTR) {}
        context.stop.ring();
    })?;
    Ok(())
}

/// Serves until a signal says to stop, which it gives, then ends all compilers.
pub(crate) fn run(context: &Arc<Context>, listeners: &Listeners) -> io::Result<Signal> {
    let listener = &listeners.jobs;
    let signals = watch_signals(&stop_signals())?;
    // Its threads inherit the blocked signals.
    let announcer = announce::start(context, listener);
    if let Some(listener) = &listeners.stats {
        stats::start(context, listener)?;
    }
    sys::heap::keep_little();
    let mut reception = Reception {
        connections: Arc::new(Crowd::new(most_connections(context))),
        housekeeping: Arc::default(),
        door: Door::open()?,
        n_turned_away: 0,
        last_told: None,
    };
    listener.set_nonblocking(true)?;
    let result = loop {
        let mut ends =
            vec![PollFd::new(listener, PollFlags::IN), PollFd::new(&signals, PollFlags::IN)];
        let sandbox_end = context.sandbox.as_ref().map(Sandbox::end);
        ends.extend(sandbox_end.map(|end| PollFd::from_borrowed_fd(end, PollFlags::IN)));
        match poll(&mut ends, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let has_news = |index: usize| ends.get(index).is_some_and(|end| !end.revents().is_empty());
        let [connection, signal, no_sandbox] = [0, 1, 2].map(has_news);
        if signal && let Some(signal) = read(&signals)? {
            break Ok(signal);
        }
        if no_sandbox {
            // A new worker makes a new one.
            let text = "the process that starts compilers in the sandbox is gone";
            context.log.write(Level::Error, "serve", text);
            break Err(io::Error::other(text));
        }
        if connection {
            reception.accept(context, listener);
        }
    };
    context.stop.ring();
    let deadline = Instant::now() + STOP_PATIENCE;
    while !reception.connections.is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    if let Some(announcer) = announcer {
        announcer.finish(deadline);
    }
    result
}

/// The signal that came, if one did.
fn read(signals: &SignalFd) -> io::Result<Option<Signal>> {
    let told = signals.read_signal()?;
    Ok(told.and_then(|told| Signal::try_from(told.ssi_signo as i32).ok()))
}

/// How many connections there may be: no more than we have descriptors for, of which we take all
/// that we may have.
fn most_connections(context: &Context) -> usize {
    let wished = context.slots.n_jobs_most() + MORE_CONNECTIONS;
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    let _ = setrlimit(Resource::Nofile, raised);
    let Some(n_descriptors) = getrlimit(Resource::Nofile).current else { return wished };
    let n_descriptors = usize::try_from(n_descriptors).unwrap_or(usize::MAX);
    let possible = n_descriptors.saturating_sub(OTHER_DESCRIPTORS) / DESCRIPTORS_PER_CONNECTION;
    wished.min(possible.max(1))
}

/// Gives memory back in quiet moments.
#[derive(Debug, Default)]
struct Housekeeping {
    n_ended: AtomicUsize,
    /// The memory of this process after it gave back some, in bytes; 0 before.
    n_resident: AtomicUsize,
}

impl Housekeeping {
    /// Notes the end of a connection, after which nobody may be there.
    fn note_end(&self, is_quiet: bool) {
        let n_ended = self.n_ended.fetch_add(1, Ordering::Relaxed) + 1;
        if !is_quiet {
            return;
        }
        let limit = self.n_resident.load(Ordering::Relaxed).saturating_add(MOST_UNUSED);
        if n_ended >= TIDY_AFTER || resident_bytes().is_some_and(|n_bytes| n_bytes > limit) {
            self.n_ended.store(0, Ordering::Relaxed);
            sys::heap::give_back();
            self.n_resident.store(resident_bytes().unwrap_or(0), Ordering::Relaxed);
        }
    }
}

/// The memory of this process, by proc_pid_statm(5).
fn resident_bytes() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let n_pages: usize = text.split(' ').nth(1)?.parse().ok()?;
    n_pages.checked_mul(rustix::param::page_size())
}

/// Takes connections in, or turns them away.
struct Reception {
    connections: Arc<Crowd>,
    housekeeping: Arc<Housekeeping>,
    door: Door,
    /// Those that were turned away since the log heard of it.
    n_turned_away: u64,
    last_told: Option<Instant>,
}

impl Reception {
    fn accept(&mut self, context: &Arc<Context>, listener: &TcpListener) {
        let (stream, peer) = match listener.accept() {
            Ok((stream, peer)) => (stream, peer),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) => {
                context.log.write(Level::Error, "accept", &error.to_string());
                // Out of descriptors, most likely: let jobs end.
                std::thread::sleep(Duration::from_millis(50));
                return;
            }
        };
        if !context.access.lets_in(peer.ip()) {
            context.log.write(Level::Error, "dcc_check_client", &job::denied(peer));
            context.statistics.note_accepted();
            context.statistics.note_denied();
            let refusal = Refusal::access_denied(peer.ip());
            job::note_refusal(context, Some(peer), &refusal);
            return self.door.turn_away(stream, refusal);
        }
        let place = match self.connections.enter(Some(peer.ip())) {
            Ok(place) => place,
            Err(full) => return self.turn_away(context, stream, Refusal::crowded(full)),
        };
        // Whoever gets no thread gets its answer elsewhere.
        let handed_over = Arc::new(Mutex::new(Some(stream)));
        let taken_over = Arc::clone(&handed_over);
        let take = |stream: &Mutex<Option<TcpStream>>| {
            stream.lock().unwrap_or_else(PoisonError::into_inner).take()
        };
        let job_context = Arc::clone(context);
        let connections = Arc::clone(&self.connections);
        let housekeeping = Arc::clone(&self.housekeeping);
        let started = std::thread::Builder::new().name("job".to_owned()).spawn(move || {
            let Some(stream) = take(&taken_over) else { return };
            match Connection::from_tcp(stream) {
                Ok(mut connection) => {
                    // A client that has vanished without a word takes its compiler with it as well.
                    connection.watch_over(Vigilance::LOW);
                    job::serve(&job_context, connection, Some(peer));
                }
                Err(error) => job_context.log.write(Level::Error, "accept", &error.to_string()),
            }
            drop(place);
            housekeeping.note_end(connections.is_empty());
        });
        if let Err(error) = started
            && let Some(stream) = take(&handed_over)
        {
            let text = format!("no further thread can be had here: {error}");
            self.turn_away(context, stream, Refusal::busy(text));
        }
    }

    /// Turns a client away for whom there is no room, and tells the log now and then.
    fn turn_away(&mut self, context: &Context, stream: TcpStream, refusal: Refusal) {
        context.statistics.note_accepted();
        context.statistics.note_job(
            Outcome::Overloaded,
            Duration::ZERO,
            "",
            "",
            None,
            Instant::now(),
        );
        job::note_refusal(context, stream.peer_addr().ok(), &refusal);
        self.n_turned_away += 1;
        if self.last_told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            let text = format!("{refusal}; {} turned away", self.n_turned_away);
            context.log.write(Level::Warning, "accept", &text);
            self.last_told = Some(Instant::now());
            self.n_turned_away = 0;
        }
        self.door.turn_away(stream, refusal);
    }
}
