//! One cell of the matrix.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use support::{Kind, Outcome, Recorder, SYSTEM_PATH, Server, ServerOptions, World, program, run};

use crate::cases::{Call, Case, Expect, SOURCES};

/// Long enough for the slowest compile on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// What the recording compilers are called, on either side.
const COMPILERS: [&str; 6] =
    ["gcc", "g++", "cc", "c++", "x86_64-linux-gnu-gcc", "x86_64-linux-gnu-g++"];

/// Whose client, whose server, packed or not, which compile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) client: Kind,
    pub(crate) server: Kind,
    pub(crate) is_packed: bool,
    pub(crate) case: &'static Case,
}

/// What a compile left: how it ended and the files it made.
struct Compiled {
    outcome: Outcome,
    files: BTreeMap<&'static str, Vec<u8>>,
}

impl Cell {
    /// `ours-original::lzo::c`: client, server, mode, case.
    pub(crate) fn name(&self) -> String {
        let whose = |kind| if kind == Kind::Ours { "ours" } else { "original" };
        let mode = if self.is_packed { "lzo" } else { "plain" };
        format!("{}-{}::{mode}::{}", whose(self.client), whose(self.server), self.case.name)
    }

    /// Whether the original is at both ends.
    pub(crate) fn is_proof(&self) -> bool {
        self.client == Kind::Original && self.server == Kind::Original
    }

    /// Compiles here, compiles there, compares.
    pub(crate) fn check(&self) -> Result<()> {
        let world = World::new();
        let here = Recorder::new(&world.folder("here"), &COMPILERS);
        let there = Recorder::new(&world.folder("there"), &COMPILERS);
        let work = world.folder("work");
        std::fs::create_dir(work.join("out"))?;
        for (name, text) in SOURCES {
            std::fs::write(work.join(name), text)?;
        }

        let local = self.compile(self.local_command(&work))?;
        let options =
            ServerOptions { path: Some(there.search_path()), ..ServerOptions::new(self.server) };
        let server = Server::start(&world.folder("server"), &options);
        let distributed = self.compile(self.distributed_command(&world, &here, &server, &work)?)?;

        self.compare(&local, &distributed)
            .and_then(|()| self.check_places(&here, &there))
            .with_context(|| {
                format!(
                    "stderr:\n{}\nran here: {:?}\nran there: {:?}\nserver's log:\n{}",
                    String::from_utf8_lossy(&distributed.outcome.stderr),
                    here.commands(),
                    there.commands(),
                    server.log()
                )
            })
    }

    /// Runs `command` in an otherwise empty place and takes its outputs away.
    fn compile(&self, mut command: Command) -> Result<Compiled> {
        let work = command.get_current_dir().context("a command has its folder")?.to_path_buf();
        let outcome = run(&mut command, LIMIT);
        let mut files = BTreeMap::new();
        for name in self.case.outputs {
            let path = work.join(name);
            if path.exists() {
                files.insert(*name, std::fs::read(&path)?);
                std::fs::remove_file(&path)?;
            }
        }
        Ok(Compiled { outcome, files })
    }

    fn local_command(&self, work: &Path) -> Command {
        let mut command = match self.case.call {
            Call::Make => make("gcc", self.case.words),
            Call::Plain | Call::Masquerade => words(self.case.words),
        };
        command.current_dir(work).env_clear().envs(environment(SYSTEM_PATH));
        command
    }

    fn distributed_command(
        &self,
        world: &World,
        here: &Recorder,
        server: &Server,
        work: &Path,
    ) -> Result<Command> {
        let distcc = match self.client {
            Kind::Ours => program("distcc"),
            Kind::Original => PathBuf::from("/usr/bin/distcc"),
        };
        ensure!(distcc.exists(), "{} is missing: apt-get install distcc", distcc.display());
        let programs = world.links("programs", &["distcc"], &distcc);
        let links = world.links("links", &COMPILERS, &distcc);
        let mut command = match self.case.call {
            Call::Make => make("distcc gcc", self.case.words),
            Call::Masquerade => words(self.case.words),
            Call::Plain => {
                let mut command = Command::new("distcc");
                command.args(self.case.words);
                command
            }
        };
        let first = if self.case.call == Call::Masquerade { links } else { programs };
        let path = format!("{}:{}", first.display(), here.search_path());
        command
            .current_dir(work)
            .env_clear()
            .envs(environment(&path))
            .env("DISTCC_HOSTS", server.host(if self.is_packed { ",lzo" } else { "" }))
            .env("DISTCC_DIR", world.folder("state"))
            .env("TMPDIR", world.folder("tmp"));
        if self.wants_restoring() {
            // Where it says why.
            command.env("DISTCC_LOG", world.path().join("distcc.log"));
        }
        Ok(command)
    }

    fn compare(&self, local: &Compiled, distributed: &Compiled) -> Result<()> {
        let (expected, got) = (&local.outcome, &distributed.outcome);
        ensure!(got.code == expected.code, "exit {} instead of {}", got.code, expected.code);
        ensure!(got.stdout == expected.stdout, "stdout differs from the local compiler's");
        let stderr = match self.case.expect {
            Expect::RemoteError if self.client == Kind::Original => {
                self.without_words_of_the_original(&got.stderr)?
            }
            _ => got.stderr.clone(),
        };
        ensure!(
            stderr == expected.stderr,
            "stderr differs from the local compiler's:\n{}",
            String::from_utf8_lossy(&expected.stderr)
        );
        let is_success = self.case.expect != Expect::RemoteError;
        ensure!(is_success == (expected.code == 0), "locally this exits with {}", expected.code);
        for name in self.case.outputs {
            ensure!(
                local.files.contains_key(name) == is_success,
                "the local compiler has made, or not made, {name} unexpectedly"
            );
            ensure!(
                distributed.files.get(name) == local.files.get(name),
                "{name} is not what the local compiler makes"
            );
        }
        Ok(())
    }

    /// Takes out the lines that 3.4 itself writes when the compiler failed there and here.
    fn without_words_of_the_original(&self, stderr: &[u8]) -> Result<Vec<u8>> {
        let source = self.case.words.last().context("the source is the last word")?;
        let expected = [
            format!("ERROR: compile {source} on 127.0.0.1:"),
            format!("(dcc_build_somewhere) Warning: remote compilation of '{source}' failed, "),
            format!("Warning: failed to distribute {source} to 127.0.0.1:"),
            format!("ERROR: compile {source} on localhost failed"),
        ];
        let mut rest = Vec::new();
        let mut n_found = 0;
        for line in stderr.split_inclusive(|byte| *byte == b'\n') {
            let text = String::from_utf8_lossy(line);
            let Some((_, words)) = text.strip_prefix("distcc[").and_then(|t| t.split_once("] "))
            else {
                rest.extend_from_slice(line);
                continue;
            };
            let Some(next) = expected.get(n_found) else { bail!("one line too many: {text}") };
            ensure!(words.starts_with(next), "`{next}` was expected in place of: {text}");
            n_found += 1;
        }
        ensure!(
            n_found == expected.len(),
            "3.4 wrote {n_found} of its own {} lines",
            expected.len()
        );
        Ok(rest)
    }

    /// Whether our client keeps the job here because only our server makes it exactly.
    fn wants_restoring(&self) -> bool {
        let is_ours_to_original = self.client == Kind::Ours && self.server == Kind::Original;
        is_ours_to_original && self.case.words.contains(&"-g")
    }

    /// Whether the compiler ran where it should, as often as it should.
    fn check_places(&self, here: &Recorder, there: &Recorder) -> Result<()> {
        let (n_here, n_there) = match self.case.expect {
            Expect::Remote if self.wants_restoring() => (1, 0),
            Expect::Remote => (0, 1),
            Expect::RemoteWarning if self.client == Kind::Original => (0, 1),
            Expect::Local => (1, 0),
            Expect::RemoteWarning | Expect::RemoteError => (1, 1),
        };
        let (ran_here, ran_there) = (here.compiles().len(), there.compiles().len());
        ensure!(ran_there == n_there, "compiled {ran_there} times on the server, not {n_there}");
        ensure!(ran_here == n_here, "compiled {ran_here} times here, not {n_here}");
        Ok(())
    }
}

fn words(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

/// Make's own rule for objects, with `compiler` as `CC`: flags, then the target.
fn make(compiler: &str, words: &[&str]) -> Command {
    let mut command = Command::new("make");
    command.args(["-s", &format!("CC={compiler}"), &format!("CFLAGS={}", words[1]), words[2]]);
    command
}

fn environment(path: &str) -> [(&'static str, String); 3] {
    [
        ("PATH", path.to_owned()),
        ("LC_ALL", "C.UTF-8".to_owned()),
        ("HOME", "/nonexistent".to_owned()),
    ]
}
