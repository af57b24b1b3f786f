//! The server: accepts jobs from the network, judges them, runs the compiler, replies.
//!
//! Three kinds of process take part. The *supervisor* is the daemon that people see: it holds the
//! pid file, starts the *worker* and starts it again should it die, and ends whatever compilers a
//! dead worker left. The worker accepts connections, a thread each, and runs the *compilers*, each
//! a process group of its own. Killing any one of them leaves no compiler and no temporary file.

mod access;
mod announce;
mod bounds;
mod budget;
mod compile;
mod confinement;
mod conversation;
mod crowd;
mod disk;
mod doctor;
mod door;
mod environment;
mod identity;
mod job;
mod kept;
mod listeners;
mod log;
mod memory;
mod options;
mod outcome;
mod pace;
mod refusal;
mod restored;
mod search_path;
mod show;
mod slots;
mod stats;
mod supervisor;
mod systemd;
mod targets;
mod tree;
mod whitelist;
mod worker;

use std::ffi::OsString;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use process::TempRoot;
use sandbox::Sandbox;
use transport::Connection;
use wire::{Condition, Exit, Limits};

pub use environment::{Environment, ServiceManager};

use access::AccessList;
use bounds::MOST_MEMORY_BYTES;
use budget::Budget;
use confinement::Confinement;
use crowd::Crowd;
use kept::KeptFiles;
use log::{Level, Log};
use memory::Memory;
use options::{Mode, Options, Request};
use slots::Slots;
use stats::Statistics;
use systemd::Handed;
use targets::{BadTarget, Targets};
use whitelist::Whitelist;
use worker::Stop;

/// What every job needs.
struct Context {
    environment: Environment,
    access: AccessList,
    whitelist: Whitelist,
    log: Log,
    slots: Slots,
    statistics: Statistics,
    /// Those in the queue for a slot.
    queue: Arc<Crowd>,
    memory: Memory,
    temporary: TempRoot,
    confinement: Confinement,
    /// Where compilers run; `None`: outside of any sandbox.
    sandbox: Option<Sandbox>,
    stop: Stop,
    limits: Limits,
    /// For the sources and objects that are on their way, all together.
    budget: Budget,
    /// What clients need not send again.
    kept: KeptFiles,
    /// The longest a compiler may run; `None`: as long as somebody waits.
    job_lifetime: Option<Duration>,
    /// How many jobs the local network hears that this server takes; `None`: it hears nothing.
    announced_jobs: Option<usize>,
}

impl Context {
    /// Whether a compile can see a client's files at the client's names.
    fn lays_out_trees(&self) -> bool {
        self.sandbox.as_ref().is_some_and(Sandbox::lays_out_trees)
    }

    /// How this server is now, for clients that ask.
    fn condition(&self) -> Condition {
        let (n_running, n_waiting) = self.slots.in_use();
        let number = |number: usize| u32::try_from(number).ok();
        let load = rustix::system::sysinfo().loads[0];
        Condition {
            n_running: number(n_running),
            n_waiting: number(n_waiting),
            n_processors: std::thread::available_parallelism().ok().and_then(|n| number(n.get())),
            load: Some(load as f64 / LOAD_UNIT),
            sandbox: Some(self.confinement.name().to_owned()),
            time: SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok(),
        }
    }
}

/// What a load average is counted in. Source: sysinfo(2), `SI_LOAD_SHIFT`.
const LOAD_UNIT: f64 = 65_536.0;

/// How many bytes of sources and objects may be on their way at once, over all connections.
fn most_memory_bytes() -> u64 {
    MOST_MEMORY_BYTES.min(memory::machine_bytes() / 4)
}

/// Runs the server whose words (its own name first) are `args`, and says how to exit.
pub fn main(args: impl Iterator<Item = OsString>, environment: Environment) -> ExitCode {
    let args: Vec<OsString> = args.collect();
    let options = match options::read(args.iter().cloned()) {
        Ok(Request::Serve(options)) => options,
        Ok(Request::Print(text)) => return print(&text),
        Ok(Request::ShowPrincipal) => return print(&principal(&environment)),
        Ok(Request::ShowCompilers { options, json }) => {
            let survey = Whitelist::to_show(&options, &environment).survey();
            return print(&if json { show::json(&survey) } else { show::text(&survey) });
        }
        Ok(Request::Diagnose { options, json }) => {
            let is_servers = |word: &OsString| word != "--doctor" && word != "--json";
            let words = args.into_iter().skip(1).filter(is_servers).collect();
            let diagnosis = doctor::diagnose(words, *options);
            let text = if json { diagnosis.to_json() } else { diagnosis.to_text() };
            return match std::io::stdout().write_all(text.as_bytes()) {
                Ok(()) => diagnosis.exit_status().into(),
                Err(_) => Exit::IO_ERROR.into(),
            };
        }
        Err(usage) => return complain(&usage.text, &usage.hint, usage.exit),
    };
    match run(&options, environment) {
        Ok(exit) => exit.into(),
        Err(failure) => complain(&failure.text, &failure.hint, failure.exit),
    }
}

fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Exit::SUCCESS.into(),
        Err(_) => Exit::IO_ERROR.into(),
    }
}

/// The name for GSS-API, in the words of distcc 3.4.
fn principal(environment: &Environment) -> String {
    match &environment.principal {
        Some(name) => format!("Principal is\t: {}\n", log::escaped(&name.to_string_lossy())),
        None => "Principal\t: Not Set\n".to_owned(),
    }
}

/// Why the server does not start.
struct Failure {
    text: String,
    hint: String,
    exit: Exit,
}

impl Failure {
    fn new(exit: Exit, text: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure { text: text.into(), hint: hint.into(), exit }
    }
}

fn complain(text: &str, hint: &str, exit: Exit) -> ExitCode {
    let mut message = format!("distccd[{}] ERROR: {text}\n", std::process::id());
    if !hint.is_empty() {
        message.push_str(&format!("      hint: {hint}\n"));
    }
    let _ = std::io::stderr().write_all(message.as_bytes());
    exit.into()
}

fn run(options: &Options, environment: Environment) -> Result<Exit, Failure> {
    let handed = match options.mode {
        Mode::Inetd => Handed::Nothing,
        Mode::Daemon | Mode::Guess => systemd::take(&environment.service_manager)?,
    };
    let is_inetd = match (&handed, options.mode) {
        (Handed::Client(_), _) | (_, Mode::Inetd) => true,
        (Handed::Listeners { .. }, _) | (_, Mode::Daemon) => false,
        // As distcc 3.4 guesses: a socket comes from inetd, anything else from a person.
        (Handed::Nothing, Mode::Guess) => {
            rustix::net::sockopt::socket_type(std::io::stdin()).is_ok()
        }
    };
    let log = Log::open(options.log_file.as_deref(), options.log_stderr, options.log_level)
        .map_err(|(path, error)| {
            Failure::new(
                Exit::IO_ERROR,
                format!("could not open the log file {}: {error}", path.display()),
                "make its folder, and the file for the user that starts the server, as in: \
                 install -o distcc -m 640 /dev/null FILE",
            )
        })?;
    for complaint in environment.complaints.iter().chain(&options.complaints) {
        log.write(Level::Warning, "settings", complaint);
    }
    for complaint in search_path::complaints(&environment.path) {
        log.write(Level::Warning, "settings", &complaint);
    }
    if options.nice != 0 {
        // Before root is dropped: a negative value needs it.
        let _ = rustix::process::nice(options.nice);
    }
    if options.any_compiler {
        log.write(
            Level::Warning,
            "start",
            "--make-me-a-botnet: whoever may connect runs any program here as this user",
        );
    }
    let whitelist = Whitelist::new(options, &environment, targets(options)?)?;
    let access = AccessList::of(options, is_inetd)?;
    if options.allow.is_empty() && !options.allow_private && !is_inetd {
        log.write(
            Level::Warning,
            "access",
            "no --allow given: serving private networks and this machine only; \
             name yours, as in --allow 192.168.0.0/24",
        );
    }
    if is_inetd {
        if options.zeroconf {
            let text = "--zeroconf has no effect with --inetd: who listens is somebody else";
            log.write(Level::Warning, "settings", text);
        }
        let client = match handed {
            Handed::Client(client) => Some(client),
            Handed::Nothing | Handed::Listeners { .. } => None,
        };
        return serve_inetd(options, environment, whitelist, access, log, client);
    }
    supervisor::run(options, environment, whitelist, access, log, handed)
}

/// What plain names mean to whom.
fn targets(options: &Options) -> Result<Targets, Failure> {
    let mut targets = Targets::default();
    for text in &options.targets {
        targets.add(text).map_err(|error| {
            let why = match error {
                BadTarget::Network(error) => format!("before the `=`: {error}"),
                BadTarget::NoTarget => "no target".to_owned(),
            };
            Failure::new(
                Exit::BAD_ARGUMENTS,
                format!("--target `{}`: {why}", text.escape_debug()),
                "as in --target aarch64-linux-gnu, or --target 10.0.0.0/24=aarch64-linux-gnu; \
                 distccd --show-compilers shows the targets",
            )
        })?;
    }
    Ok(targets)
}

/// Serves the one job that comes over standard input, or from the client that systemd handed over.
fn serve_inetd(
    options: &Options,
    environment: Environment,
    whitelist: Whitelist,
    access: AccessList,
    log: Log,
    client: Option<OwnedFd>,
) -> Result<Exit, Failure> {
    identity::drop_root(options, &log)?;
    let temporary = temporary_root(&environment)?;
    // A single job gets by without a control group.
    let (confinement, sandbox) =
        Confinement::find(options, &environment, whitelist.homes(), &temporary, &log)?;
    let no_copy = |error: std::io::Error| {
        Failure::new(Exit::IO_ERROR, format!("standard input: {error}"), "")
    };
    let (input, output) = match client {
        Some(client) => (client.try_clone().map_err(no_copy)?, client),
        None => (
            std::io::stdin().as_fd().try_clone_to_owned().map_err(no_copy)?,
            std::io::stdout().as_fd().try_clone_to_owned().map_err(no_copy)?,
        ),
    };
    let connection = Connection::from_pipes(input, output).map_err(no_copy)?;
    let stop = Stop::new().map_err(no_copy)?;
    let context = Arc::new(Context {
        environment,
        access,
        whitelist,
        log,
        slots: Slots::new(1, 1),
        statistics: Statistics::new(Instant::now()),
        queue: Arc::new(Crowd::new(1)),
        memory: Memory::new(options.job_memory_mib << 20),
        temporary,
        confinement,
        sandbox,
        stop,
        limits: bounds::REQUEST,
        budget: Budget::new(most_memory_bytes()),
        kept: KeptFiles::new(0),
        job_lifetime: options.job_lifetime,
        announced_jobs: None,
    });
    let peer = connection.peer();
    worker::stop_on_signals(&context).map_err(no_copy)?;
    supervisor::end_after(options.lifetime);
    let exit = job::serve(&context, connection, peer);
    context.temporary.remove();
    Ok(exit)
}

fn temporary_root(environment: &Environment) -> Result<TempRoot, Failure> {
    let mut temporary = TempRoot::create(&environment.temporary).map_err(|error| {
        Failure::new(
            Exit::IO_ERROR,
            format!(
                "could not make a temporary folder in {}: {error}",
                environment.temporary.display()
            ),
            "set TMPDIR to a folder that the server's user can write",
        )
    })?;
    if environment.save_temps {
        temporary.keep_jobs();
    }
    Ok(temporary)
}
