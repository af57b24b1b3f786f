//! How many jobs the hosts take at once, by what their servers say now: `distcc -j`.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use hosts::{Host, HostSpec};
use statedir::StateDir;
use wire::Abilities;

use crate::abilities;
use crate::cause::Cause;
use crate::log::Log;
use crate::remote::Trouble;
use crate::{Settings, log};

/// How long servers have for their answer, all together: `make -j$(distcc -j)` waits for it.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is known of how many jobs a host takes.
enum Told {
    /// So many, by what its server says.
    Jobs(u32),
    /// Nothing, but there is one: of distcc 3.4, or an older one of ours.
    Nothing,
    /// Nobody was asked: there is no server, or it takes ssh to ask it.
    Unasked,
    /// There is no server that would take any.
    Dead(Trouble),
    /// It did not answer in time.
    Late,
}

/// How many jobs `hosts` take at once. A host takes no more than its limit in the list, and no more than its
/// server says; one that cannot be reached takes none. Where no server answers, what the list says counts,
/// as in distcc 3.4.
pub(crate) fn n_jobs(
    hosts: &[HostSpec],
    settings: &Settings,
    state: Option<&StateDir>,
    log: &Log,
) -> u32 {
    let (send, told) = mpsc::channel();
    let mut n_asked = 0;
    let mut answers: Vec<Told> = Vec::new();
    for (index, spec) in hosts.iter().enumerate() {
        answers.push(Told::Unasked);
        if spec.down || !is_worth_asking(spec, state) {
            continue;
        }
        n_asked += 1;
        answers[index] = Told::Late;
        let (spec, settings, state, send) =
            (spec.clone(), settings.clone(), state.cloned(), send.clone());
        // It may hang for longer than anybody waits for it; the process ends without it.
        std::thread::spawn(move || {
            let _ = send.send((index, ask(&spec, &settings, state.as_ref())));
        });
    }
    let until = Instant::now() + PATIENCE;
    for _ in 0..n_asked {
        let left = until.saturating_duration_since(Instant::now());
        let Ok((index, answer)) = told.recv_timeout(left) else { break };
        answers[index] = answer;
    }
    sum(hosts, &answers, log)
}

/// Whether a server may have something to say: not where it takes ssh to ask, or it is known to be one of
/// distcc 3.4, which would note the question as a refused compiler.
fn is_worth_asking(spec: &HostSpec, state: Option<&StateDir>) -> bool {
    let known = state.and_then(|state| abilities::remembered(state, spec));
    matches!(spec.host, Host::Tcp { .. }) && known != Some(Abilities::default())
}

fn ask(spec: &HostSpec, settings: &Settings, state: Option<&StateDir>) -> Told {
    match abilities::ask(spec, settings, state, &mut || false) {
        Ok(abilities) => abilities.n_jobs.map_or(Told::Nothing, Told::Jobs),
        Err(trouble) if Cause::from(&trouble) == Cause::ServerBusy => Told::Nothing,
        Err(trouble) => Told::Dead(trouble),
    }
}

fn sum(hosts: &[HostSpec], answers: &[Told], log: &Log) -> u32 {
    let mut n_jobs: u32 = 0;
    let mut n_listed: u32 = 0;
    for (spec, told) in hosts.iter().zip(answers).filter(|(spec, _)| !spec.down) {
        n_listed = n_listed.saturating_add(spec.n_slots);
        let host = log::clean(&spec.host.to_string());
        let n_taken = match told {
            Told::Jobs(n_told) => {
                if *n_told > spec.n_slots {
                    let hint = format!("write {host}/{n_told} in the host list to use them all");
                    log.info(&format!("{host} takes {n_told} jobs at once; {hint}"));
                }
                spec.n_slots.min(*n_told)
            }
            Told::Nothing | Told::Unasked => spec.n_slots,
            Told::Dead(trouble) => {
                let cause = Cause::from(trouble);
                let text = format!("{host} takes no jobs: {} [{}]", cause.means(), cause.code());
                log.warning(&text, cause.remedy());
                0
            }
            Told::Late => {
                let text = format!("{host} takes no jobs: it did not answer in time");
                log.warning(&text, Cause::ConnectTimeout.remedy());
                0
            }
        };
        n_jobs = n_jobs.saturating_add(n_taken);
    }
    let has_answer = answers.iter().any(|told| matches!(told, Told::Jobs(_) | Told::Nothing));
    if has_answer { n_jobs } else { n_listed }
}
