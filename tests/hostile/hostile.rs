//! Attacks on our server over loopback, and what must be left after each of them: nothing.
//!
//! An attack is a row of a table: its name, what is sent, what has to come back. After each one
//! a good job has to succeed, and processes, temporary files, descriptors, threads and memory have
//! to be what they were before. What a successful attack would do shows: it makes a file in a
//! folder that is looked into each time, or brings back the words of a file of the server.
//!
//! An attack that does not work on anybody proves nothing. So rows say where theirs works, and that
//! is tried first: on distcc 3.4's server, or with the compiler itself.
//!
//! As root everything runs twice: on a daemon that root started and that left root, and on one of
//! an ordinary user.

mod arguments;
mod bytes;
mod floods;
mod leaving;
mod names;
mod slow;
mod soak;
mod sources;
mod stand;
mod stats;
mod talk;
mod trees;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use libtest_mimic::{Arguments, Trial};

use stand::{Role, Stand};

/// One attack on a server, its answer checked.
type Attack = Box<dyn Fn(&Stand) -> Result<()> + Send>;

/// An attack and what it is called.
struct Case {
    name: String,
    attack: Attack,
    /// Whether only a confined compiler keeps this one from working.
    needs_sandbox: bool,
}

impl Case {
    fn new(
        name: impl Into<String>,
        attack: impl Fn(&Stand) -> Result<()> + Send + 'static,
    ) -> Case {
        Case { name: name.into(), attack: Box::new(attack), needs_sandbox: false }
    }
}

/// Asks for good and hostile load for so many seconds instead: `cargo xtask soak`.
const SOAK_SECONDS: &str = "DISTCC_RS_SOAK_SECONDS";

fn main() -> ExitCode {
    if let Ok(seconds) = std::env::var(SOAK_SECONDS) {
        let soaked = seconds.parse().map_err(anyhow::Error::from).and_then(soak::run);
        return match soaked {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("soak: {error:#}");
                ExitCode::FAILURE
            }
        };
    }
    let mut arguments = Arguments::from_args();
    if arguments.list {
        let none = Stands::default();
        let all = none.proofs().into_iter().chain(none.trials()).collect();
        return libtest_mimic::run(&arguments, all).exit_code();
    }
    let stands = Stands::start();
    let proof = libtest_mimic::run(&arguments, stands.proofs());
    if proof.has_failed() {
        eprintln!("an attack does not even work elsewhere: the tests are wrong, ours not run");
        return proof.exit_code();
    }
    arguments.test_threads.get_or_insert(stands.ours.len());
    libtest_mimic::run(&arguments, stands.trials()).exit_code()
}

/// The servers under attack.
#[derive(Default)]
struct Stands {
    /// Debian's, to prove attacks on.
    original: Option<Arc<Stand>>,
    ours: Vec<(Role, Option<Arc<Stand>>)>,
}

impl Stands {
    fn start() -> Stands {
        let start = |role| Some(Arc::new(Stand::start(role)));
        let ours = Role::of_ours().into_iter().map(|role| (role, start(role))).collect();
        Stands { original: start(Role::Original), ours }
    }

    /// What shows that the attacks are attacks.
    fn proofs(&self) -> Vec<Trial> {
        let cases = arguments::proofs().into_iter().chain(sources::proofs()).chain(trees::proofs());
        cases.map(|case| trial("proof", case, &self.original)).collect()
    }

    /// What is tried on ours, a server after the other in turn: each is attacked by one at a time,
    /// and meanwhile the others are.
    fn trials(&self) -> Vec<Trial> {
        let mut queues = Vec::new();
        for (role, stand) in &self.ours {
            let cases = match role {
                Role::Original => Vec::new(),
                Role::Impatient => slow::cases(),
                Role::Cramped => floods::cramped_cases(),
                Role::AsRoot | Role::AsUser => [
                    bytes::cases(),
                    arguments::cases(),
                    names::cases(),
                    sources::cases(),
                    leaving::cases(),
                    floods::cases(),
                    stats::cases(),
                    trees::cases(),
                ]
                .into_iter()
                .flatten()
                .collect(),
            };
            queues.push(cases.into_iter().map(|case| trial(role.name(), case, stand)));
        }
        let mut trials = Vec::new();
        loop {
            let n_before = trials.len();
            trials.extend(queues.iter_mut().filter_map(Iterator::next));
            if trials.len() == n_before {
                return trials;
            }
        }
    }
}

/// A test of one attack on one server: the attack, then what is left of it.
fn trial(place: &str, case: Case, stand: &Option<Arc<Stand>>) -> Trial {
    let is_ignored = case.needs_sandbox && !stand::has_sandbox();
    let stand = stand.clone();
    let run = move || {
        let stand = stand.ok_or("no server was started")?;
        stand.attack(&case.attack).map_err(|error| format!("{error:#}").into())
    };
    Trial::test(format!("{place}::{}", case.name), run).with_ignored_flag(is_ignored)
}
