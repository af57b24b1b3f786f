//! Each row of the option table, and who sends a command with it: distcc 3.4, ours, both, none.
//!
//! A command is sent if its client connects to the only host. What differs stands in
//! `docs/option-differences.md` with the reason, and nothing else does.
//! `RENEW=1 cargo test -p rows` writes that page anew.

mod commands;
mod page;
mod sent;

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Result, bail};
use libtest_mimic::{Arguments, Trial};

use commands::{Command, commands};
use page::{Difference, Page};
use sent::{Observed, observe};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    if std::env::var_os("RENEW").is_some() {
        page::write(&all_differences());
        return ExitCode::SUCCESS;
    }
    let page = Arc::new(Page::read());
    let mut trials: Vec<Trial> = commands()
        .into_iter()
        .map(|command| {
            let page = Arc::clone(&page);
            let name = command.name.clone();
            Trial::test(name, move || check(&command, &page).map_err(|e| format!("{e:#}").into()))
        })
        .collect();
    trials.push(Trial::test("the page lists no command that is not tried", move || {
        let known: Vec<String> = commands().into_iter().map(|command| command.name).collect();
        match page.names().find(|name| !known.contains(name)) {
            Some(name) => Err(format!("{name} is listed, and not tried").into()),
            None => Ok(()),
        }
    }));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Runs both clients, the original first, and compares what they do with what the page says.
fn check(command: &Command, page: &Page) -> Result<()> {
    let difference = Difference::of(command, observe(command)?);
    match (difference, page.about(&command.name)) {
        (None, None) => Ok(()),
        (Some(found), Some(listed)) if found == *listed => Ok(()),
        (Some(found), Some(listed)) => bail!("found   {found}\nlisted  {listed}"),
        (Some(found), None) => bail!("a difference that is not listed (RENEW=1 lists it): {found}"),
        (None, Some(listed)) => bail!("listed, and does not occur: {listed}"),
    }
}

fn all_differences() -> Vec<Difference> {
    let commands = commands();
    let found = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..n_threads {
            scope.spawn(|| {
                while let Some(command) = commands.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let observed: Observed = observe(command).expect("both clients can be run");
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
