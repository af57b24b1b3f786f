//! The client: one compile from its command line to its exit status.
//!
//! Blocking, one thread, hardly any dependencies: it is started once per compile. It understands
//! the command ([`compiler_args`]), preprocesses here while it takes a slot and connects, sends,
//! receives, judges the object, and falls back to the compiler of this machine whenever anything
//! else would not give the very same result.

mod accept;
mod distribute;
mod host_list;
mod invocation;
mod local;
mod log;
mod messages;
mod own_commands;
mod preprocess;
mod remote;
mod settings;
mod slots;
mod source;
mod verdict;

use std::ffi::OsString;
use std::process::ExitCode;

use compiler_args::{Decision, decide};
use statedir::StateDir;
use toolchain::Finder;
use wire::Exit;

pub use settings::Settings;

use invocation::Invocation;
use log::Log;

/// What every step of a job may need.
struct Context {
    settings: Settings,
    log: Log,
    finder: Finder,
    /// `None` where no folder can be written: then without slots, back-off and monitor state.
    state: Option<StateDir>,
}

/// Runs the command whose words (our own name first) are `args`, and says how to exit.
pub fn main(args: impl Iterator<Item = OsString>, settings: Settings) -> ExitCode {
    let log = Log::new(&settings);
    for complaint in &settings.complaints {
        log.warning(complaint, "");
    }
    let exit = match invocation::read(args) {
        Invocation::Own(command) => own_commands::run(command, &settings, &log),
        Invocation::Usage(text) => {
            log.error(&text, "distcc --help");
            Exit::BAD_ARGUMENTS
        }
        Invocation::Compile(words) => {
            sys::tidy_on_signal::install();
            compile(words, settings, log)
        }
    };
    exit.into()
}

fn compile(words: Vec<OsString>, settings: Settings, log: Log) -> Exit {
    let finder = Finder::new(settings.path.clone());
    let mut context = Context { settings, log, finder, state: None };
    if let Some(level) = context.settings.recursion {
        return local::inside_distcc(&context, &words, level);
    }
    context.state = open_state(&context);
    match decide(&words) {
        Decision::CompileHere(stay) => {
            context.log.info(&format!("running it here: {stay} [{}]", stay.reason.code()));
            local::under_slot(&context, &words)
        }
        Decision::Distribute(job) => distribute::run(&context, &words, *job),
    }
}

fn open_state(context: &Context) -> Option<StateDir> {
    let settings = &context.settings;
    let opened = StateDir::open(settings.state_dir.as_deref(), settings.home.as_deref());
    let error = match opened {
        Ok(state) => return Some(state),
        Err(error) => error,
    };
    let temporary = StateDir::open_temporary(&settings.temporary);
    let instead = match &temporary {
        Ok(state) => format!("using {} instead", state.path().display()),
        Err(_) => "going on without slots and back-off".to_owned(),
    };
    context.log.warning(
        &format!("could not make the state folder: {error}; {instead}"),
        "set DISTCC_DIR to a folder that can be written",
    );
    temporary.ok()
}
