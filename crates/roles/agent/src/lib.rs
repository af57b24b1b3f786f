//! The agent: one resident process a user, that knows files, compilers and what compiles read
//! across compiles.
//!
//! A client that wants a job done in pump mode connects to a server itself, and hands the connection to
//! the agent, which writes the whole request into it: the command, and every file that the compile may
//! read. The answer is the client's to receive. When it has come, the agent says whether all that the
//! compiler has read was sent, and has not changed meanwhile. So an agent that is missing, slow or
//! killed costs a client nothing but that it preprocesses by itself; and a client that ends takes the
//! connection with it.

mod addresses;
mod conversation;
mod crew;
mod door;
mod files;
mod identity;
mod include_server;
mod kept;
mod mirror;
mod names;
mod plan;
mod search;
mod setting;
mod settings;
mod tree;
mod watch;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use plan::Knowledge;
use rustix::event::{EventfdFlags, eventfd};
pub use settings::Settings;
use statedir::StateDir;

/// What all conversations share.
struct Context {
    knowledge: Knowledge,
    started: Instant,
    n_clients: AtomicUsize,
    n_sent: AtomicU64,
    n_sent_bytes: AtomicU64,
    n_doubts: AtomicU64,
    is_stopping: AtomicBool,
    /// Rings when it is to stop.
    bell: OwnedFd,
}

impl Context {
    fn new(most_body_bytes: usize, memos: Option<StateDir>) -> io::Result<Context> {
        Ok(Context {
            knowledge: Knowledge::new(most_body_bytes, memos),
            started: Instant::now(),
            n_clients: AtomicUsize::new(0),
            n_sent: AtomicU64::new(0),
            n_sent_bytes: AtomicU64::new(0),
            n_doubts: AtomicU64::new(0),
            is_stopping: AtomicBool::new(false),
            bell: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        })
    }

    fn status(&self) -> String {
        let (n_names, body_bytes) = self.knowledge.size();
        let number = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let mut text = String::new();
        let _ = writeln!(text, "running for {} s", self.started.elapsed().as_secs());
        let _ = writeln!(text, "clients: {}", self.n_clients.load(Ordering::Relaxed));
        let _ = writeln!(text, "jobs sent: {}", number(&self.n_sent));
        let _ = writeln!(text, "bytes sent: {}", number(&self.n_sent_bytes));
        let _ = writeln!(text, "jobs left to the preprocessor: {}", number(&self.n_doubts));
        let _ = writeln!(text, "names known: {n_names}");
        let _ = writeln!(text, "bytes of files kept: {body_bytes}");
        let (n_watched, n_heard) = self.knowledge.watched();
        let _ = writeln!(text, "files and folders watched: {n_watched}");
        let _ = writeln!(text, "changes heard of: {n_heard}");
        text
    }

    fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        // One that cannot ring has rung.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    /// Writes a line to the log, which is the standard error of a process in the background.
    fn log(&self, text: &str) {
        let _ = writeln!(std::io::stderr(), "distcc-agent[{}] {text}", std::process::id());
    }
}

const USAGE: &str = "\
usage: distcc-agent [--foreground]
       distcc-agent --status | --stop | --version | --help
       distcc-agent --include-server FOLDER
       distcc-agent --addresses NAME

Knows the files that the compiles of one user read, and sends them to servers for distcc, which starts
it by itself. It ends after DISTCC_AGENT_IDLE seconds (600) without work.

  --foreground  stay in the foreground, and log to standard error
  --status      say how it is going
  --stop        end the agent that is running
  --include-server FOLDER
                serve clients of distcc 3.4 at FOLDER/socket; pump does this
  --addresses NAME
                print the addresses of a host, one on each line; distcc does this
";

/// What the command line asks for.
enum Asked {
    Start { in_background: bool },
    ServeIncludes { folder: PathBuf },
    Addresses { name: String },
    Status,
    Stop,
    Say(String),
}

fn read(args: impl Iterator<Item = OsString>) -> Result<Asked, lexopt::Error> {
    use lexopt::prelude::*;
    let mut parser = lexopt::Parser::from_iter(args);
    let mut asked = Asked::Start { in_background: true };
    while let Some(arg) = parser.next()? {
        asked = match arg {
            Long("foreground") => Asked::Start { in_background: false },
            Long("include-server") => Asked::ServeIncludes { folder: parser.value()?.into() },
            Long("addresses") => Asked::Addresses { name: parser.value()?.string()? },
            Long("status") => Asked::Status,
            Long("stop") => Asked::Stop,
            Long("version") => {
                Asked::Say(format!("distcc-agent {} (distcc-rs)\n", env!("CARGO_PKG_VERSION")))
            }
            Long("help") | Short('h') => Asked::Say(USAGE.to_owned()),
            other => return Err(other.unexpected()),
        };
    }
    Ok(asked)
}

/// Runs the command whose words (our own name first) are `args`, and says how to exit.
pub fn main(args: impl Iterator<Item = OsString>, settings: &Settings) -> ExitCode {
    let done = match read(args) {
        Ok(Asked::Start { in_background }) => door::serve(settings, in_background),
        Ok(Asked::ServeIncludes { folder }) => include_server::serve(settings, &folder),
        Ok(Asked::Addresses { name }) => match addresses::of(&name) {
            Ok(text) => {
                show(text);
                Ok(())
            }
            // The client puts it into a sentence of its own.
            Err(why) => {
                eprintln!("{why}");
                return ExitCode::FAILURE;
            }
        },
        Ok(Asked::Status) => door::ask(settings, &agent_wire::Request::Status).map(show),
        Ok(Asked::Stop) => door::ask(settings, &agent_wire::Request::Stop).map(drop),
        Ok(Asked::Say(text)) => {
            show(text);
            Ok(())
        }
        Err(error) => {
            eprintln!("distcc-agent: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("distcc-agent: {error}");
            ExitCode::FAILURE
        }
    }
}

fn show(text: String) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
