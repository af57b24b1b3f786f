//! `distcc --doctor`: why a build stays at home, and what to do about it.
//!
//! Everything that a build would need is tried, in the order in which a job needs it: this machine,
//! then each host. What a host makes of the probe is asked of the real `distcc`, so that a green line
//! stands for what a build would do. Each line that is not green comes with the commands that mend it.

mod build_side;
mod compilers;
mod fault;
mod host;
mod link;
mod list;
mod modes;
mod names;
mod reach;
mod siblings;
mod speed;
mod surroundings;
mod told;
mod trial;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Mutex;

pub use surroundings::Surroundings;

use compilers::Local;
use diagnosis::{Diagnosis, Finding, Status, Suggestion};
use host::{Examined, Kit};
use hosts::HostSpec;
use list::List;
use trial::Bench;

const HELP: &str = "\
usage: distcc --doctor [--json]

Tries everything that a build would need: this machine, and each host of the list, which has
to compile a probe in each mode. Prints what was found, then the commands that mend what is
wrong, and on which machine to run them.

  --json   print the same for programs
  --help   print how it is used

Exit status: 0 if all is well, 1 if a build distributes but something is wrong, 2 if a build
would not distribute, 101 for words that mean nothing.
";

/// How many hosts are looked at at once.
const AT_ONCE: usize = 8;

/// Runs the doctor, whose words (its own name first) are `args`.
pub fn main(args: impl Iterator<Item = OsString>, surroundings: &Surroundings) -> ExitCode {
    let words: Vec<OsString> = args.skip(1).collect();
    let json = match words.iter().map(|word| word.to_str()).collect::<Vec<_>>()[..] {
        [] => false,
        [Some("--json")] => true,
        [Some("--help")] => return exit(print(HELP), 0),
        _ => {
            let _ = std::io::stderr().write_all(HELP.as_bytes());
            return ExitCode::from(wire::Exit::BAD_ARGUMENTS.code());
        }
    };
    let diagnosis = diagnose(surroundings);
    let text = if json { diagnosis.to_json() } else { diagnosis.to_text() };
    exit(print(&text), diagnosis.exit_status())
}

fn exit(printed: std::io::Result<()>, status: u8) -> ExitCode {
    ExitCode::from(if printed.is_ok() { status } else { wire::Exit::IO_ERROR.code() })
}

fn print(text: &str) -> std::io::Result<()> {
    std::io::stdout().write_all(text.as_bytes())
}

fn diagnose(surroundings: &Surroundings) -> Diagnosis {
    let mut findings = Vec::new();
    let list = List::read(surroundings, &mut findings);
    let masquerade = build_side::masquerade(surroundings);
    let reaches_us = masquerade.status != Status::Failed;
    findings.push(build_side::state_folder(surroundings));
    findings.push(masquerade);
    let bench = match Bench::new(&surroundings.temporary) {
        Ok(bench) => bench,
        Err(error) => {
            let text = format!("{} cannot be written: {error}", surroundings.temporary.display());
            let finding = Finding::here("probe", Status::Failed, "no-temporary-folder", text);
            let command = ["export TMPDIR=/var/tmp"];
            findings.push(finding.mended_by(diagnosis::Machine::This, &command, ""));
            return Diagnosis { findings, ..Diagnosis::default() };
        }
    };
    let locals = compilers::find(surroundings, &bench, &mut findings);
    let wanted = wanted(surroundings, &locals);
    let Some(list) = list.filter(|_| !locals.is_empty()) else {
        return Diagnosis { findings, ..Diagnosis::default() };
    };
    let kit = Kit {
        surroundings,
        list: &list,
        locals: &locals,
        wanted: &wanted,
        bench: &bench,
        number: 0,
        measuring: &Mutex::new(()),
    };
    let examined = examine_all(kit, &list);
    let mut good: Vec<&(String, HostSpec)> = Vec::new();
    let mut doors = Vec::new();
    for (host, examined) in list.hosts.iter().zip(examined) {
        findings.extend(examined.findings);
        if examined.works {
            good.push(host);
            doors.push((&host.1, examined.door));
        }
    }
    let speedup = speed::expect(kit, &doors);
    let entries: Vec<&str> = good.iter().map(|(word, _)| word.as_str()).collect();
    let n_jobs = good.iter().fold(0, |sum: u32, (_, spec)| sum.saturating_add(spec.n_slots));
    Diagnosis {
        findings,
        works: reaches_us && !good.is_empty(),
        suggestion: (!good.is_empty()).then(|| Suggestion {
            hosts: entries.join(" "),
            n_jobs,
            speedup,
        }),
        ..Diagnosis::default()
    }
}

/// The compilers without which a host is no good: those of `CC` and `CXX`, else the usual ones.
fn wanted(surroundings: &Surroundings, locals: &[Local]) -> Vec<String> {
    let words = surroundings.compilers.iter().flat_map(|command| command.split_ascii_whitespace());
    let named: Vec<String> = words.map(str::to_owned).collect();
    let is_named = |local: &&Local| named.contains(&local.name);
    let is_usual = |local: &&Local| ["gcc", "g++", "cc", "c++"].contains(&local.name.as_str());
    let name = |local: &Local| local.name.clone();
    let wanted: Vec<String> = locals.iter().filter(is_named).map(name).collect();
    if !wanted.is_empty() {
        return wanted;
    }
    let usual: Vec<String> = locals.iter().filter(is_usual).map(name).collect();
    if usual.is_empty() { locals.iter().map(name).collect() } else { usual }
}

/// Looks at all hosts, several at once.
fn examine_all(kit: Kit<'_>, list: &List) -> Vec<Examined> {
    let mut examined = Vec::new();
    for (n_before, some) in list.hosts.chunks(AT_ONCE).enumerate() {
        examined.extend(std::thread::scope(|scope| {
            let threads: Vec<_> = some
                .iter()
                .enumerate()
                .map(|(index, (word, spec))| {
                    let kit = Kit { number: n_before * AT_ONCE + index, ..kit };
                    scope.spawn(move || host::examine(kit, word, spec))
                })
                .collect();
            let ended = threads.into_iter().map(|thread| thread.join().unwrap_or_default());
            ended.collect::<Vec<_>>()
        }));
    }
    examined
}
