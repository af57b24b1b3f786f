//! The client: one compile from its command line to its exit status.
//!
//! Blocking, one thread, hardly any dependencies: it is started once per compile. It understands
//! the command ([`compiler_args`]), preprocesses here while it takes a slot and connects, sends,
//! receives, judges the object, and falls back to the compiler of this machine whenever anything
//! else would not give the very same result.

mod abilities;
mod accept;
mod account;
mod agent;
mod build;
mod capacity;
mod cause;
mod compiler_name;
mod dated;
mod distribute;
mod explain;
mod form;
mod host_list;
mod invocation;
mod jobserver;
mod json;
mod listening;
mod local;
mod log;
mod memory;
mod messages;
mod names;
mod native;
mod own_commands;
mod preprocess;
mod pump;
mod remote;
mod report;
mod response_files;
mod saved_temps;
mod scan_includes;
mod settings;
mod several;
mod sibling;
mod slots;
mod source;
mod ssh;
mod verdict;
mod verify;
mod zeroconf;

use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::io;
use std::process::ExitCode;

use compiler_args::{Decision, Stay, expand};
use statedir::StateDir;
use toolchain::{Compiler, Finder};
use wire::Exit;

pub use cause::page::{ReasonPage, reason_pages, reasons_page, troubleshooting_page};
pub use names::LookUp;
pub use settings::Settings;

use account::Account;
use cause::Cause;
use invocation::Invocation;
use log::Log;
use native::decide_with_native;
use response_files::WorkingDirectory;

/// What every step of a job may need.
struct Context {
    settings: Settings,
    log: Log,
    finder: Finder,
    /// Compilers that were found.
    found: RefCell<Vec<(OsString, Compiler)>>,
    /// `None` where no folder can be written: then without slots, back-off and monitor state.
    state: Option<StateDir>,
    account: Account,
    /// We were called by a compiler's name, through a link.
    is_masquerade: bool,
}

impl Context {
    fn open(settings: Settings, log: Log) -> Context {
        let finder = Finder::new(settings.path.clone());
        let account = Account::open();
        let is_masquerade = false;
        let found = RefCell::default();
        let state = None;
        let mut context = Context { settings, log, finder, found, state, account, is_masquerade };
        // Inside distcc nothing but the compiler is due.
        if context.settings.recursion.is_none() {
            context.state = open_state(&context);
        }
        context
    }

    /// The compiler behind `name`; looked up once.
    fn find(&self, name: &OsStr) -> io::Result<Compiler> {
        let known = self.found.borrow().iter().find(|(known, _)| known == name).cloned();
        if let Some((_, compiler)) = known {
            return Ok(compiler);
        }
        let compiler = self.finder.find(name)?;
        self.found.borrow_mut().push((name.to_owned(), compiler.clone()));
        Ok(compiler)
    }

    /// Warns the user of `what`, unless another job of the same build has done so a short while
    /// ago. Where nothing falls back each job says why it fails.
    fn warn_once(&self, what: &str, text: &str, hint: &str) {
        let state =
            self.state.as_ref().filter(|_| self.settings.fallback && !self.settings.verbose);
        let Some(state) = state else { return self.log.warning(text, hint) };
        let key = format!("{} {what}", build::number());
        if state.is_news(key.as_bytes(), statedir::LONGEST_PAUSE) {
            let said_once = "said once a build; `distcc --report` counts the rest";
            let separator = if hint.is_empty() { "" } else { "; " };
            self.log.warning(text, &format!("{hint}{separator}{said_once}"));
        }
    }
}

impl Context {
    /// Whether a command may leave, by its words and by the variables that change what they mean.
    fn decide(&self, words: &[OsString]) -> Decision {
        match (decide_with_native(self, words), self.settings.compiler_variable) {
            (Decision::Distribute(_), Some((name, reason))) => {
                Decision::CompileHere(Stay { reason, word: name.into() })
            }
            (decision, _) => decision,
        }
    }
}

/// Runs the command whose words (our own name first) are `args`, and says how to exit.
pub fn main(args: impl Iterator<Item = OsString>, settings: Settings) -> ExitCode {
    let log = Log::new(&settings);
    for complaint in &settings.complaints {
        log.warning(complaint, "");
    }
    let exit = match invocation::read(args) {
        Invocation::Own(command) => own_commands::run(command, &settings, &log),
        Invocation::Doctor(words) => sibling::become_it("distcc-doctor", &words, &log),
        Invocation::Explain(words) => {
            let context = Context::open(settings, log);
            explain::run(&context, words)
        }
        Invocation::ScanIncludes(words) => {
            let context = Context::open(settings, log);
            scan_includes::run(&context, &words)
        }
        Invocation::Report(words) => report::run(&words, &settings, &log),
        Invocation::Usage(text) => {
            log.error(&text, "distcc --help");
            Exit::BAD_ARGUMENTS
        }
        Invocation::Compile(words) => {
            sys::tidy_on_signal::install();
            compile(words, Context::open(settings, log))
        }
        Invocation::Masquerade(words) => {
            sys::tidy_on_signal::install();
            compile(words, Context { is_masquerade: true, ..Context::open(settings, log) })
        }
    };
    exit.into()
}

fn compile(words: Vec<OsString>, context: Context) -> Exit {
    if let Some(level) = context.settings.recursion {
        return local::inside_distcc(&context, &words, level);
    }
    // What runs here gets the words as they are: whoever wrote a response file had a reason.
    let expanded = expand(&words, &WorkingDirectory);
    let exit = match context.decide(&expanded) {
        Decision::CompileHere(stay) => match several::parts(&context, &expanded, &stay) {
            // Each is a job of its own, and has its own line in the ledger.
            Some(parts) => return several::run(&context, &parts),
            None => stays(&context, &words, &stay),
        },
        Decision::Distribute(job) => distribute::run(&context, &words, *job),
    };
    if let Some(state) = &context.state
        && let Err(error) = context.account.close(state, &words, exit)
    {
        context.log.info(&format!("could not write the ledger: {error}"));
    }
    exit
}

/// Runs a command that only this machine can run.
fn stays(context: &Context, words: &[OsString], stay: &Stay) -> Exit {
    let cause = Cause::Stay(stay.reason);
    context.account.because(cause);
    if context.settings.strict && !cause.is_fine_when_strict() {
        let text = format!("{stay} [{}], and DISTCC_STRICT=1 forbids to run it here", cause.code());
        context.log.error(&text, cause.remedy());
        return Exit::FAILED;
    }
    context.log.info(&format!("running it here: {stay} [{}]", cause.code()));
    local::under_slot(context, words)
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
