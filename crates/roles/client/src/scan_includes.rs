//! `distcc --scan-includes`: what pump mode sends for a command.

use std::ffi::OsString;
use std::io::Write;

use agent_wire::{Answer, Errand};
use compiler_args::{Decision, expand};
use hosts::{Host, HostList, HostSpec};
use wire::Exit;

use crate::agent::Agent;
use crate::response_files::WorkingDirectory;
use crate::{Context, host_list, invocation, pump};

/// What distcc 3.4 ends with where nothing can be told.
const NOTHING_TOLD: u8 = 1;

/// Answers `distcc --scan-includes WORDS...` on standard output. Nothing is compiled, no host asked.
pub(crate) fn run(context: &Context, words: &[OsString]) -> Exit {
    let words = invocation::command(words).unwrap_or_default();
    let listed = match errand(context, &words) {
        Ok(errand) => list(context, errand).map_err(|why| (Exit::compiler(NOTHING_TOLD), why)),
        Err(why) => Err((Exit::FAILED, why)),
    };
    match listed {
        Ok(lines) => match std::io::stdout().write_all(&lines) {
            Ok(()) => Exit::SUCCESS,
            Err(_) => Exit::IO_ERROR,
        },
        Err((exit, why)) => {
            context.log.error(&format!("nothing is sent in pump mode: {why}"), "distcc --explain");
            exit
        }
    }
}

/// The job, if pump mode is one for it.
fn errand(context: &Context, words: &[OsString]) -> Result<Errand, String> {
    let found = host_list::read(&context.settings).map_err(|missing| missing.explained().0)?;
    // Those that zeroconf finds may be used so.
    let HostList { hosts, zeroconf, .. } = found.list;
    let may_pump = |spec: &HostSpec| spec.host != Host::Local && spec.may_pump();
    if zeroconf.is_none() && !hosts.iter().any(may_pump) {
        return Err("no host of the list may be used so".to_owned());
    }
    if context.settings.names_folders {
        return Err("a variable adds folders of headers, `CPATH` or the like".to_owned());
    }
    match context.decide(&expand(words, &WorkingDirectory)) {
        Decision::Distribute(job) => pump::errand(context, &job, &[]),
        Decision::CompileHere(stay) => Err(stay.to_string()),
    }
}

fn list(context: &Context, errand: Errand) -> Result<Vec<u8>, String> {
    let answer = Agent::find(context).and_then(|mut agent| agent.list(errand));
    match answer.map_err(|error| error.to_string())? {
        Answer::Listed(lines) => Ok(lines),
        Answer::Doubt { code, text } => {
            let (code, text) = (String::from_utf8_lossy(&code), String::from_utf8_lossy(&text));
            Err(format!("{text} ({code})"))
        }
        other => Err(format!("the agent answers {other:?}")),
    }
}
