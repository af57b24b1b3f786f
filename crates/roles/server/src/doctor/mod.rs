//! `distccd --doctor`: whether this machine can compile for others, and what to do where it cannot.
//!
//! Looked at is what a job needs: settings, who may connect, compilers, room for files, somebody who
//! listens. Then each compiler has to compile a probe, by way of the server that runs here or else of
//! one that is started for that, and the object has to be the one that the compiler makes by itself.

mod machine;
mod probe;
mod running;
mod serving;
mod talk;

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use diagnosis::shell::{quoted, restarted_process};
use diagnosis::{Diagnosis, Finding, Machine, Purpose, Status};
use inventory::About;
use serde_json::json;

use crate::options::Options;
use crate::whitelist::{Survey, Surveyed, Whitelist};
use crate::{Environment, disk, search_path};

use probe::{Bench, Probed};
use running::Running;
use serving::Serving;

/// How a server is started that is to be looked at: its words behind its name, and its environment.
#[derive(Clone, Debug)]
struct Setup {
    words: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    options: Options,
    environment: Environment,
}

/// Looks at everything. `words` are the options that were typed beside the doctor's own; without any,
/// those of the server that runs here are taken, and its environment.
pub(crate) fn diagnose(words: Vec<OsString>, options: Options) -> Diagnosis {
    let mut findings = Vec::new();
    let mut setup = Setup {
        words,
        variables: std::env::vars_os().collect(),
        options,
        environment: Environment::read(),
    };
    let port = (!setup.words.is_empty()).then_some(setup.options.port);
    let running = running::find(port);
    if let Some(running) = running.as_ref().filter(|_| setup.words.is_empty()) {
        setup.take_over(running);
    }
    findings.push(setup.finding(running.as_ref()));
    findings.extend(setup.complaints());
    let anew = Anew { setup: &setup, running: running.as_ref() };
    let serving = Serving::ask(&setup.options);
    findings.push(serving.finding(&anew));
    findings.push(machine::access(&setup.options, &anew));
    findings.push(machine::user(&setup.options));
    findings.push(room(&setup.environment, &anew));
    findings.push(setup.capacity());
    let survey = Whitelist::to_show(&setup.options, &setup.environment).survey();
    let groups = groups(&survey);
    let can_be_reached = findings.iter().all(|finding| finding.status < Status::Failed);
    findings.extend(groups.iter().map(Group::finding));
    findings.extend(idle_compilers(&survey));
    let mut works = false;
    match Bench::new(&setup, &serving) {
        Ok(bench) => {
            findings.push(bench.confinement());
            for group in &groups {
                let (lines, has_compiled) = group.probe(&bench);
                findings.extend(lines);
                works |= has_compiled;
            }
        }
        Err(error) => {
            let text = format!("none could be tried: {error}");
            let finding = Finding::here("probe", Status::Failed, "no-temporary-folder", text);
            findings.push(finding.mended_by(Machine::This, &["export TMPDIR=/var/tmp"], ""));
        }
    }
    works &= can_be_reached;
    Diagnosis { findings, purpose: Purpose::Serve, works, suggestion: None }
}

impl Setup {
    /// Takes the words and the environment of a server that runs.
    fn take_over(&mut self, running: &Running) {
        let Some(options) = running::options_of(&running.words) else { return };
        self.options = options;
        self.words.clone_from(&running.words);
        if let Some(variables) = &running.variables {
            self.variables.clone_from(variables);
            self.environment = Environment::from(variables.clone());
        }
    }

    fn finding(&self, running: Option<&Running>) -> Finding {
        let shown: Vec<String> =
            self.words.iter().map(|word| shown(&word.to_string_lossy())).collect();
        let words = if shown.is_empty() { "none".to_owned() } else { shown.join(" ") };
        let whose = match running {
            Some(running) if running.words == self.words => {
                format!("of the server that runs (process {}): {words}", running.pid)
            }
            _ => words,
        };
        let data = json!({ "options": shown });
        Finding::here("settings", Status::Ok, "settings", whose).with_data(data)
    }

    /// How much it would do at once.
    fn capacity(&self) -> Finding {
        let n_processors = std::thread::available_parallelism().map_or(1, usize::from);
        let (n_jobs, memory) = (self.options.n_jobs, crate::memory::machine_bytes());
        let text = format!(
            "{n_jobs} compilers at once, on {n_processors} processors and {:.1} GB",
            memory as f64 / 1e9
        );
        let data = json!({ "jobs": n_jobs, "processors": n_processors, "memory": memory });
        Finding::here("capacity", Status::Ok, "capacity", text).with_data(data)
    }

    /// What is wrong with them, though they do not keep a server from starting.
    fn complaints(&self) -> Vec<Finding> {
        let path = search_path::complaints(&self.environment.path);
        let all = self.environment.complaints.iter().chain(&self.options.complaints).chain(&path);
        all.map(|complaint| {
            Finding::here("settings", Status::Warning, "odd-setting", shown(complaint))
        })
        .collect()
    }
}

/// How the server is started, or started anew.
struct Anew<'a> {
    setup: &'a Setup,
    running: Option<&'a Running>,
}

impl Anew<'_> {
    /// The command: `before` stands in front of the server's, `after` behind its options.
    fn command(&self, before: &str, after: &str) -> String {
        if let Some(running) = self.running {
            return restarted_process(running.pid, before, after);
        }
        let words = &self.setup.words;
        let options = &self.setup.options;
        let (is_daemon, says_whom) = (
            words.iter().any(|word| word == "--daemon"),
            options.allow_private || !options.allow.is_empty() || after.contains("--allow"),
        );
        let mut parts = vec![before.to_owned(), "distccd".to_owned()];
        parts.extend((!is_daemon).then(|| "--daemon".to_owned()));
        parts.extend(words.iter().map(|word| quoted(&word.to_string_lossy())));
        parts.extend((!says_whom).then(|| "--allow-private".to_owned()));
        parts.push(after.to_owned());
        parts.retain(|part| !part.is_empty());
        parts.join(" ")
    }
}

/// Whether there is room for a job.
fn room(environment: &Environment, anew: &Anew<'_>) -> Finding {
    let folder = &environment.temporary;
    let find = |status, code, text: String| {
        let data = json!({ "folder": folder.to_string_lossy() });
        Finding::here("temporary folder", status, code, text).with_data(data)
    };
    let remedy = anew.command("TMPDIR=/var/tmp", "");
    let note = "distccd is started anew with a folder for temporary files that has room; or make room in \
                the one it has";
    if !folder.is_dir() {
        let text = format!("{} is no folder", folder.display());
        return find(Status::Failed, "no-temporary-folder", text).mended_by(
            Machine::This,
            &[&remedy],
            note,
        );
    }
    match disk::check_room(folder, 0, 0) {
        Ok(()) => find(Status::Ok, "room", format!("{} has room", folder.display())),
        Err(refusal) => find(Status::Failed, "server-disk-full", refusal.to_string()).mended_by(
            Machine::This,
            &[&remedy],
            note,
        ),
    }
}

/// Compilers that are one as far as clients are concerned.
struct Group<'a> {
    about: &'a About,
    compilers: Vec<&'a Surveyed>,
}

impl Group<'_> {
    /// Which they are: `GCC 12.2.0 for aarch64-linux-gnu`.
    fn name(&self) -> String {
        let About { target, family, version } = self.about;
        format!("{family} {} for {}", shown(version), shown(target))
    }

    fn finding(&self) -> Finding {
        let names: Vec<String> =
            self.compilers.iter().map(|compiler| file_name(&compiler.path)).collect();
        let text = format!("{}: {}", self.name(), names.join(" "));
        let paths: Vec<_> =
            self.compilers.iter().map(|compiler| compiler.path.to_string_lossy()).collect();
        let data = json!({
            "target": self.about.target,
            "family": self.about.family.name(),
            "version": self.about.version,
            "paths": paths,
        });
        Finding::here("compilers", Status::Ok, "may-run", text).with_data(data)
    }

    /// Has each of them compile a probe. Gives the lines, and whether one of them did.
    fn probe(&self, bench: &Bench<'_>) -> (Vec<Finding>, bool) {
        let mut findings = Vec::new();
        let (mut n_same, mut longest) = (0, Duration::ZERO);
        for compiler in probe::distinct(&self.compilers) {
            match bench.compile(compiler) {
                Probed::Same(took) => {
                    n_same += 1;
                    longest = longest.max(took);
                }
                Probed::Not(fault) => findings.push(fault.finding(compiler)),
            }
        }
        if n_same > 0 {
            let millis = longest.as_millis() as u64;
            let text = format!(
                "{}: the same object{} as by itself, in {millis} ms at most",
                self.name(),
                if n_same == 1 { "" } else { "s" }
            );
            let data = json!({ "compilers": n_same, "milliseconds": millis });
            let finding = Finding::here("probe", Status::Ok, "same-object", text);
            findings.insert(0, finding.with_data(data));
        }
        (findings, n_same > 0)
    }
}

/// The compilers that may run, by what they are.
fn groups(survey: &Survey) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for compiler in survey.compilers.iter().filter(|compiler| compiler.denied.is_none()) {
        let Ok(about) = &compiler.about else { continue };
        match groups.iter_mut().find(|group| group.about == about) {
            Some(group) => group.compilers.push(compiler),
            None => groups.push(Group { about, compilers: vec![compiler] }),
        }
    }
    groups
}

/// What keeps compilers of this machine from being run for others.
fn idle_compilers(survey: &Survey) -> Vec<Finding> {
    let mut findings = Vec::new();
    let find = |status, code, text: String| Finding::here("compilers", status, code, text);
    for compiler in &survey.compilers {
        let path = shown(&compiler.path.to_string_lossy());
        match (&compiler.denied, &compiler.about) {
            // One of many, which perhaps nobody wants.
            (Some(denied), _) => {
                let (reason, remedy) = crate::show::why_not(compiler, denied);
                let text = format!("{path} may not run: {reason}; {remedy}");
                findings.push(find(Status::Skipped, "compiler-not-allowed", text));
            }
            (None, Err(why)) => {
                let text = format!("{path} does not tell for which machine it compiles: {why}");
                findings.push(find(Status::Warning, "compiler-silent", text));
            }
            (None, Ok(_)) => {}
        }
    }
    for name in &survey.missing {
        let text = format!("`{}` may run, and is not installed", shown(name));
        findings.push(find(Status::Skipped, "compiler-missing", text));
    }
    if survey.compilers.is_empty() {
        let note = "by Debian's names; on Arch Linux: pacman -S gcc. Then update-distcc-symlinks";
        let finding = find(Status::Failed, "compiler-missing", "none is installed".to_owned());
        findings.push(finding.mended_by(Machine::This, &["apt-get install gcc g++"], note));
    } else if survey.compilers.iter().all(|compiler| compiler.denied.is_some()) {
        let finding = find(Status::Failed, "no-compiler-allowed", "none may run".to_owned());
        findings.push(finding.mended_by(Machine::This, &["update-distcc-symlinks"], ""));
    }
    findings
}

/// The name of a file alone.
fn file_name(path: &Path) -> String {
    shown(&path.file_name().unwrap_or_default().to_string_lossy())
}

/// Text without what is no text.
fn shown(text: &str) -> String {
    text.escape_debug().to_string()
}
