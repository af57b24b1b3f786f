//! The supervisor: the daemon that people see, and the parent of the worker.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use process::{TempRoot, end_orphans};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, WaitOptions, kill_process, wait, waitpid};
use sys::fork::{Fork, exit_at_once, fork};
use wire::Exit;

use crate::access::AccessList;
use crate::bounds::{LEAST_WAITING, REQUEST, WAITING_PER_JOB};
use crate::budget::Budget;
use crate::confinement::Confinement;
use crate::crowd::Crowd;
use crate::kept::KeptFiles;
use crate::listeners::Listeners;
use crate::log::{Level, Log};
use crate::memory::Memory;
use crate::options::Options;
use crate::slots::Slots;
use crate::stats::Statistics;
use crate::systemd::{self, Handed};
use crate::whitelist::Whitelist;
use crate::worker::{self, Stop, stop_signals, watch_signals};
use crate::{Context, Environment, Failure, identity, most_memory_bytes, temporary_root};

/// How long the worker may take to stop before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(3);

/// The pause before a worker that died takes its place again.
const RESTART_PAUSE: Duration = Duration::from_millis(500);

/// Listens, becomes a daemon, and keeps a worker at work until a signal ends it.
pub(crate) fn run(
    options: &Options,
    environment: Environment,
    whitelist: Whitelist,
    access: AccessList,
    log: Log,
    handed: Handed,
) -> Result<Exit, Failure> {
    // Everything that may fail comes before the daemon leaves its terminal, and everything that
    // may need root before it leaves root.
    let listeners = Listeners::open(options, handed)?;
    let pid_file = PidFile::open(options, &log);
    identity::drop_root(options, &log)?;
    let temporary = temporary_root(&environment)?;
    // Each worker starts its own.
    let (confinement, _) =
        Confinement::find(options, &environment, whitelist.homes(), &temporary, &log)?;
    if !options.no_detach {
        if log.ends_with_terminal() {
            let text = "there is no syslog here (/dev/log), so the daemon logs nothing; --log-file \
                        names a file for it";
            log.write(Level::Warning, "start", text);
        }
        let is_parent = detach(&log).map_err(|error| {
            Failure::new(Exit::FAILED, format!("could not become a daemon: {error}"), "")
        })?;
        if is_parent {
            return Ok(Exit::SUCCESS);
        }
    }
    pid_file.write(&log);
    let address =
        listeners.jobs.local_addr().map(|address| address.to_string()).unwrap_or_default();
    log.write(
        Level::Notice,
        "start",
        &format!("listening on {address}, pid {}", std::process::id()),
    );
    let path = environment.path.to_string_lossy();
    log.write(Level::Info, "start", &format!("daemon's PATH is {path}"));
    let n_processors = std::thread::available_parallelism().map_or(1, usize::from);
    log.write(Level::Info, "start", &format!("{n_processors} CPUs online on this server"));
    log.write(Level::Info, "start", &format!("allowing up to {} active jobs", options.n_jobs));
    let n_waiting_most = (options.n_jobs * WAITING_PER_JOB).max(LEAST_WAITING);
    let context = Context {
        environment,
        access,
        whitelist,
        log,
        slots: Slots::new(options.n_jobs, n_waiting_most),
        queue: Arc::new(Crowd::new(n_waiting_most)),
        memory: Memory::new(options.job_memory_mib << 20),
        statistics: Statistics::new(Instant::now()),
        temporary,
        confinement,
        sandbox: None,
        stop: Stop::new().map_err(no_descriptor)?,
        limits: REQUEST,
        budget: Budget::new(most_memory_bytes()),
        kept: KeptFiles::new(options.keep_files_mib << 20),
        job_lifetime: options.job_lifetime,
        announced_jobs: options.zeroconf.then_some(options.n_jobs),
    };
    let status = format!(
        "serving on {address}, {} jobs at once; sandbox: {}",
        options.n_jobs,
        context.confinement.name()
    );
    systemd::ready(&context.environment.service_manager, &status);
    // The end by `--lifetime` is one by a signal, and would come too early for those that watch it.
    stop_signals().thread_block().map_err(|error| no_descriptor(error.into()))?;
    end_after(options.lifetime);
    let signal = match options.no_fork {
        true => serve_alone(context, &listeners),
        false => supervise(context, &listeners),
    };
    let signal = signal.map_err(no_descriptor)?;
    pid_file.remove();
    match signal {
        Some(signal) => die_by(signal),
        None => Ok(Exit::FAILED),
    }
}

fn no_descriptor(error: io::Error) -> Failure {
    Failure::new(Exit::FAILED, format!("could not start: {error}"), "")
}

/// Leaves the terminal and the session. True in the process that was called, which is to exit.
fn detach(log: &Log) -> io::Result<bool> {
    if let Fork::Parent { .. } = fork()? {
        return Ok(true);
    }
    rustix::process::setsid()?;
    std::env::set_current_dir("/")?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    if !log.keeps_stderr() {
        rustix::stdio::dup2_stderr(&null)?;
    }
    Ok(false)
}

/// `--lifetime`: has a SIGALRM come after so many seconds.
pub(crate) fn end_after(seconds: Option<u32>) {
    if let Some(seconds) = seconds {
        nix::unistd::alarm::set(seconds);
    }
}

/// `--no-fork`: serves without a process that would tidy up after it. Gives the signal that ended
/// it.
fn serve_alone(mut context: Context, listeners: &Listeners) -> io::Result<Option<Signal>> {
    context.sandbox = context.confinement.start(&context.log).map_err(io::Error::other)?;
    let context = Arc::new(context);
    let signal = worker::run(&context, listeners)?;
    systemd::stopping(&context.environment.service_manager);
    context.log.write(Level::Notice, "stop", &format!("stopping: {}", signal.as_str()));
    context.temporary.remove();
    Ok(Some(signal))
}

/// Keeps a worker at work. Gives the signal that ended it.
fn supervise(context: Context, listeners: &Listeners) -> io::Result<Option<Signal>> {
    // Compilers whose worker died become our children, so that we can end them.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let mut signals = stop_signals();
    signals.add(Signal::SIGCHLD);
    let signals = watch_signals(&signals)?;
    // The worker takes the context with it; this side keeps what outlives it.
    let mut context = Some(context);
    loop {
        let supervisor = rustix::process::getpid();
        let worker = match fork()? {
            Fork::Parent { child } => Pid::from_raw(child),
            Fork::Child => {
                drop(signals);
                // The parent's half of the memory is a copy: nothing here is shared with it but
                // the listeners and the lock of the temporary folder.
                if let Some(context) = context.take() {
                    become_worker(context, listeners, supervisor);
                }
                exit_at_once(i32::from(Exit::FAILED.code()));
            }
        };
        let Some(kept) = &context else { return Ok(None) };
        let (temporary, log) = (&kept.temporary, &kept.log);
        let signal = wait_for_worker(&signals, worker)?;
        if let Some(signal) = signal {
            log.write(Level::Notice, "stop", &format!("stopping: {}", signal.as_str()));
            systemd::stopping(&kept.environment.service_manager);
            stop_worker(worker);
            clean_up(temporary, log);
            temporary.remove();
            return Ok(Some(signal));
        }
        log.write(
            Level::Error,
            "supervise",
            "the worker died; its compilers are ended, and a new one starts",
        );
        clean_up(temporary, log);
        std::thread::sleep(RESTART_PAUSE);
    }
}

/// Serves jobs in the new process until it is told to stop, and exits.
fn become_worker(mut context: Context, listeners: &Listeners, supervisor: Pid) {
    // Who kills the supervisor's whole process group leaves us to tidy up.
    let _ = rustix::process::setpgid(None, None);
    // Should the supervisor be killed, we stop by ourselves. It may be dead already.
    let bound =
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM));
    let is_orphan = || rustix::process::getppid() != Some(supervisor);
    if bound.is_err() || is_orphan() {
        context.temporary.remove();
        return;
    }
    // An event's state is shared by all who inherit it: one that an earlier worker rang would
    // stop this one's jobs.
    let Ok(stop) = Stop::new() else { return };
    context.stop = stop;
    context.sandbox = match context.confinement.start(&context.log) {
        Ok(sandbox) => sandbox,
        Err(why) => {
            context.log.write(Level::Error, "start", &why);
            return;
        }
    };
    let context = Arc::new(context);
    let served = worker::run(&context, listeners);
    if is_orphan() {
        context.temporary.remove();
    } else {
        // The next worker needs the folder itself.
        context.temporary.remove_jobs();
    }
    exit_at_once(if served.is_ok() { 0 } else { i32::from(Exit::FAILED.code()) });
}

/// Waits until the worker dies (`None`) or a signal asks us to stop. Reaps orphans meanwhile.
fn wait_for_worker(signals: &SignalFd, worker: Option<Pid>) -> io::Result<Option<Signal>> {
    loop {
        // Some may have ended before anybody watched.
        while let Ok(Some((pid, _))) = wait(WaitOptions::NOHANG) {
            if Some(pid) == worker {
                return Ok(None);
            }
        }
        let mut ends = [PollFd::new(signals, PollFlags::IN)];
        match poll(&mut ends, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        while let Some(told) = signals.read_signal()? {
            match Signal::try_from(told.ssi_signo as i32) {
                Ok(Signal::SIGCHLD) | Err(_) => {}
                Ok(signal) => return Ok(Some(signal)),
            }
        }
    }
}

/// Asks the worker to stop, and kills it if it takes too long.
fn stop_worker(worker: Option<Pid>) {
    let Some(worker) = worker else { return };
    let _ = kill_process(worker, rustix::process::Signal::TERM);
    let deadline = Instant::now() + STOP_PATIENCE;
    while let Ok(None) = waitpid(Some(worker), WaitOptions::NOHANG) {
        if Instant::now() > deadline {
            let _ = kill_process(worker, rustix::process::Signal::KILL);
            let _ = waitpid(Some(worker), WaitOptions::empty());
            return;
        }
        let pause = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
        let _ = poll(&mut [], Some(&pause));
    }
}

/// Ends the compilers that a dead worker left, and removes its files.
fn clean_up(temporary: &TempRoot, log: &Log) {
    if !end_orphans(None) {
        log.write(Level::Error, "supervise", "could not end all compilers of the dead worker");
    }
    temporary.remove_jobs();
}

/// Ends as the signal ends a process that does not catch it, which tells a shell what happened.
fn die_by(signal: Signal) -> Result<Exit, Failure> {
    let _ = stop_signals().thread_unblock();
    sys::fork::die_by(signal as i32);
    Ok(Exit::FAILED)
}

/// The file that holds the daemon's process id.
struct PidFile {
    open: Option<(PathBuf, File)>,
}

impl PidFile {
    /// Opens it while we are still root.
    fn open(options: &Options, log: &Log) -> PidFile {
        let Some(path) = &options.pid_file else { return PidFile { open: None } };
        // The daemon will leave its working folder.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        match File::options().write(true).create(true).truncate(false).open(&path) {
            Ok(file) => PidFile { open: Some((path, file)) },
            Err(error) => {
                let text = format!("could not write the pid file {}: {error}", path.display());
                log.write(Level::Error, "start", &text);
                PidFile { open: None }
            }
        }
    }

    fn write(&self, log: &Log) {
        let Some((path, file)) = &self.open else { return };
        let mut file = file;
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        if let Err(error) = written {
            let text = format!("could not write the pid file {}: {error}", path.display());
            log.write(Level::Error, "start", &text);
        }
    }

    /// Removes it; where the folder is root's, empties it instead.
    fn remove(&self) {
        if let Some((path, file)) = &self.open
            && std::fs::remove_file(path).is_err()
        {
            let _ = file.set_len(0);
        }
    }
}
