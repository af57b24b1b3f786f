//! Each row of the option table, and who sends a command with it: distcc 3.4, ours, both, none.
//!
//! `sent`: a command is sent if its client connects to the only host. What differs stands in
//! `docs/option-differences.md` with the reason, and nothing else does.
//! `RENEW=1 cargo test -p rows` writes that page anew.
//!
//! `same`: what ours sends to a real server leaves what the compiler alone leaves.

mod commands;
mod page;
mod same;
mod sent;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};
use libtest_mimic::{Arguments, Trial};
use support::{Server, World};

use commands::{Command, commands};
use page::{Difference, Page};
use sent::{Observed, observe};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let world = World::new();
    let stand_ins = world.folder("compilers");
    sent::write_stand_ins(&stand_ins);
    if std::env::var_os("RENEW").is_some() {
        page::write(&all_differences(&stand_ins));
        return ExitCode::SUCCESS;
    }
    let server = (!arguments.list).then(|| same::start_server(&world.folder("server")));
    let around = Arc::new(Around { page: Page::read(), stand_ins, server });
    let mut trials = Vec::new();
    for command in commands() {
        if same::leaves(&command) {
            trials.push(trial("same", &around, command.clone(), |command, around| {
                let server = around.server.as_ref().context("a server is there to run tests")?;
                same::check(command, server)
            }));
        }
        trials.push(trial("sent", &around, command, |command, around| {
            check(command, &around.page, &around.stand_ins)
        }));
    }
    let page = Arc::clone(&around);
    trials.push(Trial::test("the page lists no command that is not tried", move || {
        let known: Vec<String> = commands().into_iter().map(|command| command.name).collect();
        match page.page.names().find(|name| !known.contains(name)) {
            Some(name) => Err(format!("{name} is listed, and not tried").into()),
            None => Ok(()),
        }
    }));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// What all tests share.
struct Around {
    page: Page,
    stand_ins: PathBuf,
    server: Option<Server>,
}

/// A test of one command.
fn trial(
    kind: &str,
    around: &Arc<Around>,
    command: Command,
    test: impl Fn(&Command, &Around) -> Result<()> + Send + 'static,
) -> Trial {
    let around = Arc::clone(around);
    Trial::test(format!("{kind}: {}", command.name), move || {
        test(&command, &around).map_err(|error| format!("{error:#}").into())
    })
}

/// Runs both clients, the original first, and compares what they do with what the page says.
fn check(command: &Command, page: &Page, stand_ins: &Path) -> Result<()> {
    let difference = Difference::of(command, observe(command, stand_ins)?);
    match (difference, page.about(&command.name)) {
        (None, None) => Ok(()),
        (Some(found), Some(listed)) if found == *listed => Ok(()),
        (Some(found), Some(listed)) => bail!("found   {found}\nlisted  {listed}"),
        (Some(found), None) => bail!("a difference that is not listed (RENEW=1 lists it): {found}"),
        (None, Some(listed)) => bail!("listed, and does not occur: {listed}"),
    }
}

fn all_differences(stand_ins: &Path) -> Vec<Difference> {
    let commands = commands();
    let found = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..n_threads {
            scope.spawn(|| {
                while let Some(command) = commands.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let observed: Observed =
                        observe(command, stand_ins).expect("both clients can be run");
                    if let Some(difference) = Difference::of(command, observed) {
                        let mut found = found.lock().expect("no thread panics with the lock");
                        found.push((command.place, difference));
                    }
                }
            });
        }
    });
    let mut found = found.into_inner().expect("no thread panics with the lock");
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, difference)| difference).collect()
}
