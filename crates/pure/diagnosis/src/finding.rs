//! What was looked at, what came of it, and how to mend it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::Speedup;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// All is well.
    Ok,
    /// Not looked at, because of something that failed before.
    Skipped,
    /// A build distributes, but not as well as it could.
    Warning,
    /// A build does not distribute, or not to this host.
    Failed,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Skipped => "skipped",
            Status::Warning => "warning",
            Status::Failed => "failed",
        }
    }
}

/// Where to type a remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Machine {
    /// The one that the doctor runs on: in the shell that the build is started from, or as root where
    /// it is a server's.
    This,
    /// A host of the list, as root.
    Host(String),
    /// Any machine that is to be a server, as root.
    AnyServer,
}

impl Machine {
    fn shown(&self) -> &str {
        match self {
            Machine::This => "this machine",
            Machine::Host(name) => name,
            Machine::AnyServer => "a server",
        }
    }
}

/// What mends it: commands for a shell, and what to know about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// Where.
    pub machine: Machine,
    /// One after the other.
    pub commands: Vec<String>,
    /// Empty where nothing is to be added.
    pub note: String,
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at: `connection`, `compiler gcc`.
    pub check: String,
    /// Whose: a host as the list has it; empty for this machine.
    pub host: String,
    /// How it ended.
    pub status: Status,
    /// The name of what was found. Stable: scripts compare it.
    pub code: String,
    /// One sentence.
    pub text: String,
    /// What was measured or told, for programs; an object.
    pub data: Option<Value>,
    /// What mends it, where something has to be.
    pub remedy: Option<Remedy>,
}

impl Finding {
    /// About this machine.
    #[must_use]
    pub fn here(check: &str, status: Status, code: &str, text: impl Into<String>) -> Finding {
        Finding {
            check: check.to_owned(),
            host: String::new(),
            status,
            code: code.to_owned(),
            text: text.into(),
            data: None,
            remedy: None,
        }
    }

    /// About a host.
    #[must_use]
    pub fn of(
        host: &str,
        check: &str,
        status: Status,
        code: &str,
        text: impl Into<String>,
    ) -> Finding {
        Finding { host: host.to_owned(), ..Finding::here(check, status, code, text) }
    }

    /// The same, with the numbers behind its sentence.
    #[must_use]
    pub fn with_data(mut self, data: Value) -> Finding {
        self.data = Some(data);
        self
    }

    /// The same, with what mends it.
    #[must_use]
    pub fn mended_by(mut self, machine: Machine, commands: &[&str], note: &str) -> Finding {
        let commands = commands.iter().map(|command| (*command).to_owned()).collect();
        self.remedy = Some(Remedy { machine, commands, note: note.to_owned() });
        self
    }

    fn json(&self) -> Value {
        let remedy = self.remedy.as_ref().map(|remedy| {
            json!({
                "machine": remedy.machine.shown(),
                "commands": remedy.commands,
                "note": remedy.note,
            })
        });
        json!({
            "check": self.check,
            "host": (!self.host.is_empty()).then_some(&self.host),
            "status": self.status.name(),
            "code": self.code,
            "text": self.text,
            "data": self.data,
            "remedy": remedy,
        })
    }
}

/// What has to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Purpose {
    /// A build that is started now has objects made by a server.
    #[default]
    Distribute,
    /// A server compiles here for others.
    Serve,
}

impl Purpose {
    /// The name of the answer in JSON.
    fn name(self) -> &'static str {
        match self {
            Purpose::Distribute => "distributes",
            Purpose::Serve => "serves",
        }
    }

    /// What works, or does not.
    fn sentence(self, works: bool) -> &'static str {
        match (self, works) {
            (Purpose::Distribute, true) => "a build distributes",
            (Purpose::Distribute, false) => "a build does not distribute",
            (Purpose::Serve, true) => "this machine can compile for others",
            (Purpose::Serve, false) => "this machine cannot compile for others",
        }
    }
}

/// What to use, where there is a server that works.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    /// The host list.
    pub hosts: String,
    /// How many jobs to run at once.
    pub n_jobs: u32,
    /// How much faster that may be expected to be, where it was measured.
    pub speedup: Option<Speedup>,
}

/// All that was found.
#[derive(Clone, Debug, Default)]
pub struct Diagnosis {
    /// The lines of the table.
    pub findings: Vec<Finding>,
    /// What it is about.
    pub purpose: Purpose,
    /// Whether that works.
    pub works: bool,
    /// What to use, where there is a server that works.
    pub suggestion: Option<Suggestion>,
}

impl Diagnosis {
    /// Whether nothing has to be mended. A compiler that no build is known to use may be missing somewhere.
    #[must_use]
    pub fn is_green(&self) -> bool {
        self.works && self.findings.iter().all(|finding| finding.status < Status::Failed)
    }

    /// What a doctor exits with: 0 all is well, 1 it works but something is wrong, 2 it does not work.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match (self.is_green(), self.works) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        }
    }

    /// All of it for programs, a line.
    #[must_use]
    pub fn to_json(&self) -> String {
        let findings: Vec<Value> = self.findings.iter().map(Finding::json).collect();
        let suggestion = self.suggestion.as_ref().map(|suggestion| {
            json!({
                "hosts": suggestion.hosts,
                "jobs": suggestion.n_jobs,
                "speedup": suggestion.speedup.as_ref().map(Speedup::json),
            })
        });
        let mut all = json!({
            self.purpose.name(): self.works,
            "green": self.is_green(),
            "findings": findings,
        });
        if self.purpose == Purpose::Distribute {
            all["suggestion"] = json!(suggestion);
        }
        format!("{all}\n")
    }

    /// All of it for people: the table, the remedies, and how it is on the whole.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let mut host = "";
        for finding in &self.findings {
            if finding.host != host || text.is_empty() {
                host = &finding.host;
                let title = if host.is_empty() { "this machine" } else { host };
                let _ = writeln!(text, "{}{title}", if text.is_empty() { "" } else { "\n" });
            }
            let (status, check) = (finding.status.name(), &finding.check);
            let _ = write!(text, "  {status:<8} {check:<18} {}", clean(&finding.text));
            let is_fine = finding.status == Status::Ok;
            let _ = writeln!(text, "{}", code_behind(&finding.code, is_fine));
        }
        self.write_remedies(&mut text);
        if let Some(Suggestion { hosts, n_jobs, speedup }) = &self.suggestion {
            let _ =
                writeln!(text, "\nto use what works: make -j{n_jobs} with DISTCC_HOSTS='{hosts}'");
            if let Some(speedup) = speedup {
                let _ = writeln!(text, "{}", speedup.text());
            }
        }
        let sentence = self.purpose.sentence(self.works);
        let end = match (self.is_green(), self.works) {
            (true, _) => format!("all is well: {sentence}"),
            (false, true) => format!("{sentence}, but not all is well"),
            (false, false) => sentence.to_owned(),
        };
        let _ = writeln!(text, "\n{end}");
        text
    }

    /// Each remedy once: several lines may have the same.
    fn write_remedies(&self, text: &mut String) {
        let mut written: Vec<&Remedy> = Vec::new();
        for finding in &self.findings {
            let Some(remedy) = &finding.remedy else { continue };
            if written.contains(&remedy) {
                continue;
            }
            written.push(remedy);
            let _ = writeln!(text, "\n[{}] on {}:", finding.code, clean(remedy.machine.shown()));
            for command in &remedy.commands {
                let _ = writeln!(text, "    {}", clean(command));
            }
            if !remedy.note.is_empty() {
                let _ = writeln!(text, "  {}", clean(&remedy.note));
            }
        }
    }
}

fn code_behind(code: &str, is_fine: bool) -> String {
    if is_fine { String::new() } else { format!(" [{code}]") }
}

/// Text without control bytes: parts of it come from the network.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnosis(status: Status, code: &str) -> Diagnosis {
        let finding = Finding::of("red", "connection", status, code, "port 3632 is \u{1b}closed");
        let remedy = ["distccd --daemon"];
        let finding = match status {
            Status::Ok => finding,
            _ => finding.mended_by(Machine::Host("red".to_owned()), &remedy, ""),
        };
        Diagnosis {
            findings: vec![finding.clone(), finding],
            works: status == Status::Ok,
            ..Diagnosis::default()
        }
    }

    #[test]
    fn what_failed_ends_with_its_remedy_once_and_without_control_bytes() {
        let text = diagnosis(Status::Failed, "server-not-running").to_text();
        let line = "  failed   connection         port 3632 is  closed [server-not-running]\n";
        let remedy = "\n[server-not-running] on red:\n    distccd --daemon\n";
        let end = "\na build does not distribute\n";
        assert_eq!(text, format!("red\n{line}{line}{remedy}{end}"));
        assert!(diagnosis(Status::Ok, "open").to_text().ends_with("a build distributes\n"));
    }

    #[test]
    fn the_json_has_all_that_the_text_has() {
        let json = diagnosis(Status::Failed, "server-not-running").to_json();
        let value: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["green"], false);
        assert_eq!(value["findings"][1]["remedy"]["machine"], "red");
        assert_eq!(value["findings"][1]["remedy"]["commands"][0], "distccd --daemon");
        assert_eq!(value["findings"][0]["status"], "failed");
    }
}
