//! The worker: accepts connections and gives each a thread.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use sandbox::Sandbox;
use transport::{Connection, Vigilance};

use crate::listeners::Listeners;
use crate::log::Level;
use crate::outcome::Outcome;
use crate::{Context, announce, job, stats};

/// Connections beyond those that run or wait: peers that are still sending, or being refused.
const MORE_CONNECTIONS: usize = 256;

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
    let n_connections = Arc::new(AtomicUsize::new(0));
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
            accept(context, listener, &n_connections);
        }
    };
    context.stop.ring();
    let deadline = Instant::now() + STOP_PATIENCE;
    while n_connections.load(Ordering::SeqCst) > 0 && Instant::now() < deadline {
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

/// Counts a connection for as long as its thread lives, however it ends.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn accept(context: &Arc<Context>, listener: &TcpListener, n_connections: &Arc<AtomicUsize>) {
    let stream = match listener.accept() {
        Ok((stream, _)) => stream,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
        Err(error) => {
            context.log.write(Level::Error, "accept", &error.to_string());
            // Out of descriptors, most likely: let jobs end.
            std::thread::sleep(Duration::from_millis(50));
            return;
        }
    };
    let counted = Counted(Arc::clone(n_connections));
    let n_before = n_connections.fetch_add(1, Ordering::SeqCst);
    if n_before >= context.slots.n_jobs_most() + MORE_CONNECTIONS {
        context.log.write(Level::Warning, "accept", "too many connections; one was closed");
        context.statistics.note_accepted();
        context.statistics.note_job(Outcome::Overloaded, Duration::ZERO, "", "", Instant::now());
        return;
    }
    let job_context = Arc::clone(context);
    let started = std::thread::Builder::new().name("job".to_owned()).spawn(move || {
        let _counted = counted;
        match Connection::from_tcp(stream) {
            Ok(mut connection) => {
                // A client that has vanished without a word takes its compiler with it as well.
                connection.watch_over(Vigilance::LOW);
                let peer = connection.peer();
                job::serve(&job_context, connection, peer);
            }
            Err(error) => job_context.log.write(Level::Error, "accept", &error.to_string()),
        }
    });
    if let Err(error) = started {
        context.log.write(Level::Error, "accept", &format!("no thread for a job: {error}"));
    }
}
