//! `distcc --explain`: how a command is read, where it would run now, and why.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, SystemTime};

use compiler_args::{Decision, Effect, Explained, Job, Role, expand, explain};
use hosts::{Host, HostSpec, slot_order};
use statedir::SlotName;
use wire::Exit;

use crate::Context;
use crate::accept::Expected;
use crate::cause::Cause;
use crate::compiler_name::Command;
use crate::distribute;
use crate::form;
use crate::host_list::{self, Found};
use crate::invocation;
use crate::json::Json;
use crate::log::clean;
use crate::response_files::WorkingDirectory;
use crate::several;
use crate::zeroconf::Asking;

/// Answers `distcc --explain WORDS...` on standard output. Nothing is compiled, no slot taken, no
/// host asked; only what `-march=native` stands for may have to be asked of the compiler.
pub(crate) fn run(context: &Context, words: Vec<OsString>) -> Exit {
    let json = words.first().is_some_and(|word| word == "--json");
    let words = if json { &words[1..] } else { &words[..] };
    let Some(words) = invocation::command(words) else {
        context
            .log
            .error("no command to explain", "distcc --explain [--json] COMPILER ARGUMENTS...");
        return Exit::BAD_ARGUMENTS;
    };
    let explanation = Explanation::of(context, words);
    let parts = match &explanation.decision {
        Decision::CompileHere(stay) => {
            let expanded = expand(&explanation.command, &WorkingDirectory);
            several::parts(context, &expanded, stay).unwrap_or_default()
        }
        Decision::Distribute(_) => Vec::new(),
    };
    let parts: Vec<Explanation> =
        parts.into_iter().map(|part| Explanation::of(context, part.words)).collect();
    let text = match (json, parts.is_empty()) {
        (false, true) => explanation.text(),
        (true, true) => format!("{}\n", explanation.json()),
        (true, false) => {
            let parts = parts.iter().map(Explanation::json).collect();
            format!("{}\n", Json::Object(vec![("parts", Json::List(parts))]))
        }
        (false, false) => {
            let texts: Vec<String> = parts.iter().map(Explanation::text).collect();
            let n_parts = parts.len();
            format!("it is done as {n_parts} jobs, a source each\n\n{}", texts.join("\n"))
        }
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Exit::SUCCESS,
        Err(_) => Exit::IO_ERROR,
    }
}

/// All there is to say of a command.
struct Explanation {
    command: Vec<OsString>,
    words: Vec<Explained>,
    decision: Decision,
    /// The command as it would be sent.
    sent: Vec<OsString>,
    /// Where the host list comes from, and its hosts.
    list: Option<String>,
    hosts: Vec<HostState>,
    end: End,
}

/// How a host stands now.
struct HostState {
    spec: HostSpec,
    /// How many of its slots are free; `None` where nobody can tell.
    n_free: Option<u32>,
    /// For how long it is left alone yet.
    left_alone: Option<Duration>,
}

impl HostState {
    fn is_usable(&self) -> bool {
        !self.spec.down && self.left_alone.is_none()
    }
}

/// Whether a command may leave, in the form in which its source would be sent.
fn decision(context: &Context, words: &[OsString]) -> Decision {
    let mut job = match context.decide(words) {
        Decision::Distribute(job) => job,
        stays => return stays,
    };
    let expected = Expected::of(context, words, &job);
    match form::choose(context, &mut job, &expected) {
        Ok(()) => Decision::Distribute(job),
        Err(stay) => Decision::CompileHere(stay),
    }
}

/// Where the command would run now.
enum End {
    /// On this host, in this slot.
    Host(Host, u32),
    /// On the first host to have a free slot.
    Queue,
    /// Here, and why; the text is what a job's message would say.
    Here(Cause, String),
    /// Nowhere: the settings forbid to run it here.
    Nowhere(Cause, String),
}

impl Explanation {
    fn of(context: &Context, command: Vec<OsString>) -> Explanation {
        let expanded = expand(&command, &WorkingDirectory);
        let decision = decision(context, &expanded);
        let words = explain(&expanded);
        let (settings, state) = (&context.settings, context.state.as_ref());
        let found = host_list::read_with_found(settings, state, &context.log, Asking::Forbidden);
        let sent = match &decision {
            Decision::Distribute(job) => Command::foreseen(context, job),
            Decision::CompileHere(_) => Vec::new(),
        };
        let hosts: Vec<HostState> = match &found {
            Ok(found) => found.list.hosts.iter().map(|spec| state_of(context, spec)).collect(),
            Err(_) => Vec::new(),
        };
        let end = match (&decision, &found) {
            _ if context.settings.recursion.is_some() => {
                here(context, Cause::InsideDistcc, Cause::InsideDistcc.means().to_owned())
            }
            (Decision::CompileHere(stay), _) => {
                here(context, Cause::Stay(stay.reason), stay.to_string())
            }
            (_, Err(missing)) => here(context, missing.cause(), missing.explained().0),
            (Decision::Distribute(_), Ok(_)) => place(context, &hosts),
        };
        let list = found.ok().map(|Found { place, .. }| place);
        Explanation { command, words, decision, sent, list, hosts, end }
    }

    fn text(&self) -> String {
        let mut text = String::from("the command\n");
        for Explained { words, role } in &self.words {
            let mut says = self.says(*role).to_owned();
            if let Role::Option(row) = role {
                let _ = write!(says, " (row `{}`, {})", row.name, row.shape.name());
            }
            if let Some(code) = self.stays_for(*role) {
                let _ = write!(says, " [{code}]");
            }
            let _ = writeln!(text, "  {:<28} {says}", shown(words));
        }
        match &self.decision {
            Decision::Distribute(job) => self.write_job(&mut text, job),
            Decision::CompileHere(stay) => {
                let _ = writeln!(
                    text,
                    "\nit has to stay: {} [{}]",
                    clean(&stay.to_string()),
                    stay.reason.code()
                );
            }
        }
        match &self.list {
            Some(place) => {
                let _ = writeln!(text, "\nhosts from {}", clean(place));
            }
            None => text.push_str("\nno host list\n"),
        }
        for host in &self.hosts {
            let _ = writeln!(text, "  {:<28} {}", host.spec.host.to_string(), host.says());
        }
        let (verb, cause, why) = match &self.end {
            End::Host(host, slot) => {
                let _ = writeln!(text, "\nit would now run on {host}, slot {slot}");
                return text;
            }
            End::Queue => {
                text.push_str("\nit would wait for the first slot that becomes free\n");
                return text;
            }
            End::Here(cause, why) => ("run here", cause, why),
            End::Nowhere(cause, why) => ("fail", cause, why),
        };
        let _ = writeln!(text, "\nit would now {verb}: {} [{}]", clean(why), cause.code());
        if !cause.remedy().is_empty() {
            let _ = writeln!(text, "      hint: {}", cause.remedy());
        }
        text
    }

    /// What a word is. One that means this processor keeps no job here if the compiler could say
    /// what it stands for.
    fn says(&self, role: Role) -> &'static str {
        match role {
            Role::Option(row) if self.may_leave() && matches!(row.effect, Effect::Stay(_)) => {
                "stands for the options that the compiler here says it does: used here and sent"
            }
            role => role.says(),
        }
    }

    /// The code of the reason for which a word keeps the job here by itself.
    fn stays_for(&self, role: Role) -> Option<&'static str> {
        match role {
            Role::Option(row) => match row.effect {
                Effect::Stay(reason) if !self.may_leave() => Some(reason.code()),
                _ => None,
            },
            Role::Odd(reason) => Some(reason.code()),
            Role::Compiler | Role::EndOfOptions | Role::Operand => None,
        }
    }

    fn may_leave(&self) -> bool {
        matches!(self.decision, Decision::Distribute(_))
    }

    fn write_job(&self, text: &mut String, job: &Job) {
        text.push_str("\na server may do it, unless the preprocessed source says otherwise\n");
        let preprocess = match &job.preprocess {
            Some(words) => shown(words),
            None => "nothing: it is preprocessed already".to_owned(),
        };
        let rows = [
            ("source", shown(std::slice::from_ref(&job.source))),
            ("object", shown(std::slice::from_ref(&job.output))),
            ("run here", preprocess),
            ("sent", shown(&self.sent)),
        ];
        for (name, value) in rows {
            let _ = writeln!(text, "  {name:<9} {value}");
        }
    }

    fn json(&self) -> Json {
        let words = self.words.iter().map(|Explained { words, role }| {
            let (kind, row) = match role {
                Role::Compiler => ("compiler", None),
                Role::Option(row) => ("option", Some(row)),
                Role::EndOfOptions => ("end-of-options", None),
                Role::Operand => ("file", None),
                Role::Odd(_) => ("odd", None),
            };
            Json::Object(vec![
                ("words", list(words)),
                ("role", Json::Text(kind.to_owned())),
                ("row", Json::text_or_null(row.map_or("", |row| row.name))),
                ("shape", Json::text_or_null(row.map_or("", |row| row.shape.name()))),
                ("effect", Json::Text(self.says(*role).to_owned())),
                ("stays_for", Json::text_or_null(self.stays_for(*role).unwrap_or_default())),
            ])
        });
        let job = match &self.decision {
            Decision::CompileHere(_) => Json::Null,
            Decision::Distribute(job) => Json::Object(vec![
                ("source", Json::bytes(job.source.as_bytes())),
                ("object", Json::bytes(job.output.as_bytes())),
                ("preprocess", job.preprocess.as_ref().map_or(Json::Null, |words| list(words))),
                ("sent", list(&self.sent)),
            ]),
        };
        Json::Object(vec![
            ("command", list(&self.command)),
            ("words", Json::List(words.collect())),
            ("may_leave", Json::Bool(self.may_leave())),
            ("job", job),
            ("host_list", Json::text_or_null(self.list.as_deref().unwrap_or_default())),
            ("hosts", Json::List(self.hosts.iter().map(HostState::json).collect())),
            ("would", self.end.json()),
        ])
    }
}

impl HostState {
    fn says(&self) -> String {
        if self.spec.down {
            return "marked as down".to_owned();
        }
        let slots = match self.n_free {
            Some(n_free) => format!("{n_free} of {} slots free", self.spec.n_slots),
            None => format!("{} slots", self.spec.n_slots),
        };
        match self.left_alone {
            Some(left) => format!("failed, left alone for {} s more; {slots}", left.as_secs() + 1),
            None => slots,
        }
    }

    fn json(&self) -> Json {
        Json::Object(vec![
            ("host", Json::Text(self.spec.host.to_string())),
            ("slots", Json::Number(self.spec.n_slots.into())),
            ("free_slots", self.n_free.map_or(Json::Null, |n_free| Json::Number(n_free.into()))),
            ("down", Json::Bool(self.spec.down)),
            ("left_alone_seconds", self.left_alone.map_or(Json::Null, Json::Seconds)),
        ])
    }
}

impl End {
    fn json(&self) -> Json {
        let text = |text: &str| Json::Text(text.to_owned());
        let because = |place: &str, cause: Cause, why: &str| {
            vec![
                ("place", text(place)),
                ("code", text(cause.code())),
                ("why", text(why)),
                ("remedy", Json::text_or_null(cause.remedy())),
            ]
        };
        Json::Object(match self {
            End::Host(host, slot) => vec![
                ("place", text("host")),
                ("host", Json::Text(host.to_string())),
                ("slot", Json::Number((*slot).into())),
            ],
            End::Queue => vec![("place", text("queue"))],
            End::Here(cause, why) => because("here", *cause, why),
            End::Nowhere(cause, why) => because("nowhere", *cause, why),
        })
    }
}

fn list(words: &[OsString]) -> Json {
    Json::List(words.iter().map(|word| Json::bytes(word.as_bytes())).collect())
}

fn state_of(context: &Context, spec: &HostSpec) -> HostState {
    let n_free = context.state.as_ref().map(|state| {
        let is_free = |slot: &u32| state.is_free(SlotName { host: &spec.host, slot: *slot });
        (0..spec.n_slots).filter(is_free).count() as u32
    });
    let left_alone = context
        .state
        .as_ref()
        .filter(|_| distribute::is_backed_off(context, spec))
        .and_then(|state| state.failed_at(&spec.host))
        .map(|failed_at| {
            let age = SystemTime::now().duration_since(failed_at).unwrap_or_default();
            context.settings.backoff_period.saturating_sub(age)
        });
    HostState { spec: spec.clone(), n_free, left_alone }
}

/// Where a job that may leave would go.
fn place(context: &Context, hosts: &[HostState]) -> End {
    let specs: Vec<HostSpec> = hosts.iter().map(|host| host.spec.clone()).collect();
    if !hosts.iter().any(HostState::is_usable) {
        let cause = Cause::of_no_host(&specs);
        return here(context, cause, cause.means().to_owned());
    }
    let is_free = |host: &HostState, slot: u32| match &context.state {
        Some(state) => state.is_free(SlotName { host: &host.spec.host, slot }),
        None => true,
    };
    let mut slots = slot_order(&specs).filter(|(index, _)| hosts[*index].is_usable());
    match slots.find(|(index, slot)| is_free(&hosts[*index], *slot)) {
        Some((index, _)) if specs[index].host == Host::Local => {
            End::Here(Cause::LocalhostInList, Cause::LocalhostInList.means().to_owned())
        }
        Some((index, slot)) => End::Host(specs[index].host.clone(), slot),
        None => End::Queue,
    }
}

/// The end of a command that no server gets, by the user's settings.
fn here(context: &Context, cause: Cause, why: String) -> End {
    let settings = &context.settings;
    let is_forbidden = match cause {
        Cause::Stay(_) | Cause::InsideDistcc => settings.strict && !cause.is_fine_when_strict(),
        _ => !settings.fallback,
    };
    if is_forbidden { End::Nowhere(cause, why) } else { End::Here(cause, why) }
}

/// Words as one may type them.
fn shown(words: &[OsString]) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_=+./,:@%^~".contains(c);
    let quoted = words.iter().map(|word| {
        let word = clean(&word.to_string_lossy());
        if !word.is_empty() && word.chars().all(is_plain) {
            word
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_shown_as_one_may_type_them() {
        let words = ["gcc", "-DX=\"a b\"", "it's", "", "a\x1b.c"].map(OsString::from);
        assert_eq!(shown(&words), "gcc '-DX=\"a b\"' 'it'\\''s' '' 'a\\u{1b}.c'");
    }
}
