//! Where cases run: a folder and a state of the client for each worker, servers for all.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use statedir::{Ledger, Place};
use support::{Outcome, SYSTEM_PATH, Server, program};

use crate::case::{Case, Launch};
use crate::place::{self, Leavings};
use crate::sources::Tree;

/// How long one command may take. The slowest takes seconds.
const COMMAND_LIMIT: Duration = Duration::from_secs(300);

/// What the ledger names in place of a host where a server was to preprocess and did not.
const AGENT: &str = "distcc-agent";

/// Who runs a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// The compiler of this machine.
    Compiler,
    /// Our client, with servers.
    Client,
}

/// What the client's ledger says of a case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// How many of its jobs servers did.
    pub(crate) n_remote: usize,
    /// How many of those they have preprocessed as well.
    pub(crate) n_pumped: usize,
    /// Why jobs that servers were to preprocess were preprocessed here.
    pub(crate) detours: Vec<String>,
    /// The reason codes of those that no server did.
    pub(crate) stayed: Vec<String>,
}

/// The stand of one worker.
#[derive(Debug)]
pub(crate) struct Stand {
    /// The folder of cases: each is laid out there anew.
    pub(crate) root: PathBuf,
    state: PathBuf,
    temporary: PathBuf,
    masquerade: PathBuf,
    hosts: String,
}

impl Stand {
    pub(crate) fn new(
        folder: &Path,
        number: usize,
        servers: &[Server],
        host_options: &str,
    ) -> Result<Stand> {
        let own = |name: &str| folder.join(format!("{name}{number}"));
        let stand = Stand {
            root: own("case"),
            state: own("state"),
            temporary: own("tmp"),
            masquerade: own("masquerade"),
            hosts: servers
                .iter()
                .map(|server| server.host(host_options))
                .collect::<Vec<_>>()
                .join(" "),
        };
        for folder in [&stand.root, &stand.state, &stand.temporary, &stand.masquerade] {
            place::clear(folder)?;
        }
        for name in crate::COMPILERS {
            std::os::unix::fs::symlink(program("distcc"), stand.masquerade.join(name))?;
        }
        Ok(stand)
    }

    /// Runs a case and tells what it left.
    pub(crate) fn run(&self, case: &Case, who: Who, trees: &[Tree]) -> Result<Leavings> {
        place::lay_out(&self.root, case, trees)?;
        let Outcome { code, stdout, stderr } =
            support::run(&mut self.command(case, who), COMMAND_LIMIT);
        let n_temporary = std::fs::read_dir(&self.temporary)?.count();
        if n_temporary > 0 {
            place::clear(&self.temporary)?;
        }
        Ok(Leavings { code, stdout, stderr, files: place::read(&self.root)?, n_temporary })
    }

    /// What the ledger says of the last run of the client.
    pub(crate) fn account(&self) -> Result<Account> {
        let path = self.state.join("ledger");
        let mut ledger = Ledger::default();
        if path.exists() {
            ledger.take(&std::fs::read(&path)?);
            std::fs::remove_file(path)?;
        }
        let mut account = Account::default();
        for record in ledger.records {
            let detours = record.attempts.into_iter().filter(|attempt| attempt.host == AGENT);
            account.detours.extend(detours.map(|attempt| attempt.code));
            match record.place {
                Place::Host(_) => {
                    account.n_remote += 1;
                    account.n_pumped += usize::from(record.code == "pumped");
                }
                Place::Here | Place::Nowhere => account.stayed.push(record.code),
            }
        }
        Ok(account)
    }

    fn command(&self, case: &Case, who: Who) -> Command {
        let (words, _) = case.render();
        let mut path = SYSTEM_PATH.to_owned();
        let mut command = match (who, case.launch) {
            (Who::Client, Launch::Distcc) => {
                let mut command = Command::new(program("distcc"));
                command.arg(&words[0]);
                command
            }
            (Who::Client, Launch::Masquerade) => {
                path = format!("{}:{path}", self.masquerade.display());
                Command::new(&words[0])
            }
            (Who::Compiler, _) => Command::new(&words[0]),
        };
        command.args(&words[1..]).current_dir(self.root.join(&case.directory)).env_clear();
        command.env("PATH", path).env("TMPDIR", &self.temporary).env("HOME", &self.state);
        command.envs(case.environment.iter().map(|(name, value)| (name, value)));
        if who == Who::Client {
            command.env("DISTCC_HOSTS", &self.hosts).env("DISTCC_DIR", &self.state);
            // A source at which the compilers of all servers crash says nothing about the next.
            command.env("DISTCC_BACKOFF_PERIOD", "0");
        }
        command
    }

    /// The command as one may type it in the folder of the case.
    pub(crate) fn shown(&self, case: &Case) -> String {
        let (words, files) = case.render();
        let mut shown = String::new();
        if !case.directory.as_os_str().is_empty() {
            shown = format!("cd {} && ", quoted(&case.directory.display().to_string()));
        }
        for (name, value) in &case.environment {
            shown += &format!("{name}={} ", quoted(value));
        }
        shown += &words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        for (name, content) in files {
            shown += &format!("\n      {name}: {}", content.trim_end().replace('\n', " "));
        }
        shown
    }
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=./,+:@".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}
