//! Two servers on loopback, each with its own port, whitelist and temporary folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use rustix::process::Signal;
use support::{Kind, Server, ServerOptions, program};

/// How many compilers each server runs at once.
const JOBS_PER_SERVER: usize = 2;

pub(super) struct Farm {
    servers: Vec<(&'static str, Server)>,
    state: PathBuf,
}

impl Farm {
    pub(super) fn start(folder: &Path) -> Farm {
        let mut options = ServerOptions::new(Kind::Ours);
        options.n_jobs = JOBS_PER_SERVER;
        // As root the servers would become another user, to whom this folder may be closed.
        if rustix::process::geteuid().is_root() {
            options.more = ["--user", "root"].map(str::to_owned).to_vec();
        }
        let servers =
            ["red", "green"].map(|name| (name, Server::start(&folder.join(name), &options)));
        Farm { servers: servers.into(), state: folder.join("state") }
    }

    /// The client.
    pub(super) fn distcc(&self) -> PathBuf {
        program("distcc")
    }

    /// Gives a build the servers, and no way to do without.
    pub(super) fn configure(&self, build: &mut Command) {
        let limit = format!("/{JOBS_PER_SERVER}");
        let hosts: Vec<String> =
            self.servers.iter().map(|(_, server)| server.host(&limit)).collect();
        build.env("DISTCC_HOSTS", hosts.join(" ")).env("DISTCC_DIR", &self.state);
        build.env("DISTCC_FALLBACK", "0");
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.servers.iter().map(|(name, server)| format!("{name} ({})", server.host(""))).collect()
    }

    /// How many files each server says it has compiled: its own log, not the client's word.
    pub(super) fn n_compiled(&self) -> Vec<usize> {
        self.servers.iter().map(|(_, server)| server.n_compiled()).collect()
    }

    /// How many files servers have preprocessed as well, so far, by the client's report.
    pub(super) fn n_pumped(&self) -> Result<usize> {
        let mut report = Command::new(self.distcc());
        report.args(["--report", "--since", "1d", "--json"]).env("DISTCC_DIR", &self.state);
        let report: serde_json::Value = serde_json::from_slice(&report.output()?.stdout)?;
        let n_pumped = report["preprocessed_by_servers"].as_u64().context("no such number")?;
        Ok(usize::try_from(n_pumped)?)
    }

    /// Stops the agent and the servers, and panics unless every process and temporary file of them is gone.
    pub(super) fn stop(self) {
        let mut stop = Command::new(program("distcc-agent"));
        // It may have ended by itself.
        let _ = stop.arg("--stop").env("DISTCC_DIR", &self.state).stderr(Stdio::null()).status();
        for (_, mut server) in self.servers {
            server.end_by(Signal::TERM);
        }
    }
}
