//! `--zeroconf`: telling the local network that this server is there.
//!
//! A thread of the worker does it: the supervisor forks, and so has to stay without threads. A
//! worker that dies says no goodbye, and the one that takes its place announces the same again.

use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use discovery::{Announcement, News, Service};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use toolchain::{Finder, Gcc};

use crate::Context;
use crate::log::Level;

/// How long gcc may take to say what it is.
const GCC_PATIENCE: Duration = Duration::from_secs(5);

/// No announcement was sent for so long: the user hears of it.
const SENT_PATIENCE: Duration = Duration::from_secs(10);

/// The pause between two looks for news, until an announcement was sent.
const PAUSE: Duration = Duration::from_millis(200);

/// How long the goodbye may take.
const GOODBYE_PATIENCE: Duration = Duration::from_millis(600);

const HINT: &str = "the server serves all the same: name it in the clients' DISTCC_HOSTS";

/// A server that is being announced, or that tries to be.
pub(crate) struct Announcer {
    thread: JoinHandle<()>,
}

/// Begins to announce the server that listens there, until its stop rings. What goes wrong is a
/// warning: the server serves those who know it by name.
pub(crate) fn start(context: &Arc<Context>, listener: &TcpListener) -> Option<Announcer> {
    let n_jobs = context.announced_jobs?;
    let address = listener.local_addr().ok()?;
    if address.ip().is_loopback() {
        warn(context, &format!("listening on {} alone, where nobody else comes", address.ip()));
        return None;
    }
    let thread_context = Arc::clone(context);
    let run = move || {
        let context = &*thread_context;
        let gcc = Gcc::ask(&Finder::new(context.environment.path.clone()), GCC_PATIENCE);
        if let Err(error) = &gcc {
            let text = format!("gcc does not say what it is: {error}; announcing without it");
            context.log.write(Level::Warning, "zeroconf", &text);
        }
        let gcc = gcc.ok().map(|gcc| (gcc.version, gcc.machine));
        let service = Service {
            host_name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            port: address.port(),
            address: Some(address.ip()).filter(|ip| !ip.is_unspecified()),
            txt: record(n_jobs, gcc.as_ref(), &context.whitelist.gccs()),
            gcc,
        };
        match Announcement::start(&service) {
            Ok(announcement) => announce(context, announcement),
            Err(error) => warn(context, &error.to_string()),
        }
    };
    match std::thread::Builder::new().name("zeroconf".to_owned()).spawn(run) {
        Ok(thread) => Some(Announcer { thread }),
        Err(error) => {
            warn(context, &format!("no thread for it: {error}"));
            None
        }
    }
}

impl Announcer {
    /// Waits for the goodbye, once the stop has rung.
    pub(crate) fn finish(self, deadline: Instant) {
        while !self.thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn announce(context: &Context, announcement: Announcement) {
    let begun = Instant::now();
    let mut is_late = false;
    while !is_rung(context, Some(Duration::ZERO)) {
        match announcement.wait(PAUSE) {
            Some(News::Sent { .. }) => {
                context.log.write(Level::Notice, "zeroconf", "announced on the network");
                is_rung(context, None);
            }
            Some(News::Renamed { name }) => {
                let text = format!("the network has that name already: now {name}");
                context.log.write(Level::Notice, "zeroconf", &text);
            }
            Some(News::Trouble(text)) => {
                context.log.write(Level::Info, "zeroconf", &text);
            }
            None if !is_late && begun.elapsed() > SENT_PATIENCE => {
                is_late = true;
                warn(context, "there is no network with multicast so far");
            }
            None => {}
        }
    }
    announcement.withdraw(GOODBYE_PATIENCE);
}

fn warn(context: &Context, why: &str) {
    let text = format!("--zeroconf: could not announce this server: {why}; {HINT}");
    context.log.write(Level::Warning, "zeroconf", &text);
}

/// Whether it is time to stop; waits for that so long, or as long as it takes.
fn is_rung(context: &Context, patience: Option<Duration>) -> bool {
    let rung = context.stop.rung();
    let patience = patience.and_then(|patience| Timespec::try_from(patience).ok());
    loop {
        match poll(&mut [PollFd::new(&rung, PollFlags::IN)], patience.as_ref()) {
            Ok(n_ready) => return n_ready > 0,
            Err(rustix::io::Errno::INTR) => {}
            // Without this the goodbye would come too early, and never too late.
            Err(_) => return true,
        }
    }
}

/// What is said of the server. Source: observed on servers of distcc 3.4; but for `gccs`, which
/// tells our clients that there are compilers for other machines.
fn record(
    n_jobs: usize,
    gcc: Option<&(String, String)>,
    gccs: &[(String, String)],
) -> Vec<(&'static str, String)> {
    let n_processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut record = vec![
        ("txtvers", "1".to_owned()),
        ("cpus", n_processors.to_string()),
        ("jobs", n_jobs.to_string()),
        ("distcc", concat!("distcc-rs ", env!("CARGO_PKG_VERSION")).to_owned()),
        ("gnuhost", triplet()),
    ];
    if let Some((version, machine)) = gcc {
        record.push(("cc_version", version.clone()));
        record.push(("cc_machine", machine.clone()));
    }
    let gccs = discovery::gccs_text(gccs);
    if !gccs.is_empty() {
        record.push(("gccs", gccs));
    }
    record
}

/// The kind of machine that this program was built for, in GNU's words.
fn triplet() -> String {
    let arch = std::env::consts::ARCH;
    let vendor = if matches!(arch, "x86_64" | "x86") { "pc" } else { "unknown" };
    let library = if cfg!(target_env = "musl") { "musl" } else { "gnu" };
    format!("{arch}-{vendor}-linux-{library}")
}
