//! The probe: a small source, compiled here and, by the real client, on a host.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use statedir::{Place, StateDir};

use crate::Surroundings;
use crate::siblings;

/// The longest that one probe may take, in all.
const PATIENCE: Duration = Duration::from_secs(60);

/// The probe. It has a header of the system's, so that pump mode has something to send.
const SOURCE: &str = "#include <stddef.h>\n\
                      size_t distcc_probe(const char *text)\n\
                      {\n    size_t n = 0;\n    while (text[n]) n++;\n    return n;\n}\n";

/// How many functions [`Work::Job`] has: with these it takes a compiler some tenths of a second.
const N_FUNCTIONS: usize = 10;

/// What is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// A small source, to see whether it works.
    Probe,
    /// One like those of a build, to see how long it takes: optimized, with headers of the system's.
    Job,
}

impl Work {
    fn source_name(self) -> &'static str {
        match self {
            Work::Probe => "probe.c",
            Work::Job => "job.c",
        }
    }

    fn words(self) -> Vec<&'static str> {
        let optimized = (self == Work::Job).then_some("-O2");
        optimized.into_iter().chain(["-c", self.source_name()]).collect()
    }

    fn source(self) -> String {
        match self {
            Work::Probe => SOURCE.to_owned(),
            Work::Job => job(),
        }
    }
}

/// A source that is C and C++.
fn job() -> String {
    let mut text = String::from("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n");
    for number in 0..N_FUNCTIONS {
        text.push_str(&format!(
            "int distcc_job_{number}(const char *text, int *table, int n)\n{{\n\
             \x20   int sum = {number};\n\
             \x20   for (int a = 0; a < n; a++) {{\n\
             \x20       for (int b = 0; b <= a; b++) table[b] += table[a] * (b + {number}) + text[b % 7];\n\
             \x20       switch (table[a] & 3) {{\n\
             \x20       case 0: sum += a; break;\n\
             \x20       case 1: sum ^= table[a]; break;\n\
             \x20       case 2: sum += (int)strlen(text); break;\n\
             \x20       default: sum *= 3;\n\
             \x20       }}\n    }}\n    return sum;\n}}\n"
        ));
    }
    text
}

/// A folder to compile in, gone when dropped.
#[derive(Debug)]
pub(crate) struct Bench {
    folder: PathBuf,
}

/// What became of a probe.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The reason code of its end.
    pub(crate) code: String,
    /// Why it failed, in the client's and the server's words.
    pub(crate) said: String,
    /// The object, where a host made it.
    pub(crate) object: Option<Vec<u8>>,
    pub(crate) took: Duration,
    /// Bytes to the host, and from it.
    pub(crate) n_sent: u64,
    pub(crate) n_received: u64,
}

impl Bench {
    /// A new one.
    ///
    /// # Errors
    /// When no folder can be made where temporary files go.
    pub(crate) fn new(temporary: &Path) -> io::Result<Bench> {
        let folder = new_folder(temporary)?;
        let bench = Bench { folder };
        for work in [Work::Probe, Work::Job] {
            std::fs::write(bench.folder.join(work.source_name()), work.source())?;
        }
        Ok(bench)
    }

    /// The object that `compiler` makes here.
    ///
    /// # Errors
    /// Why it makes none.
    pub(crate) fn compile_here(
        &self,
        compiler: &Path,
        work: Work,
        path: &std::ffi::OsStr,
    ) -> io::Result<Vec<u8>> {
        let object = self.folder.join("here.o");
        let mut command = Command::new(compiler);
        // The name of the output does not show in the object.
        command.args(work.words()).arg("-o").arg(&object);
        let ran = siblings::run(command.current_dir(&self.folder).env("PATH", path), PATIENCE)?;
        let made = std::fs::read(&object);
        let _ = std::fs::remove_file(&object);
        match made {
            Ok(object) if ran.status.success() => Ok(object),
            _ => Err(io::Error::other(last_line(&ran.stderr))),
        }
    }

    /// Has the host list `hosts`, a single host, do the work. `name` is a name of nothing else.
    ///
    /// # Errors
    /// When the client cannot be run, or does not end.
    pub(crate) fn compile_there(
        &self,
        name: &str,
        hosts: &str,
        compiler: &str,
        work: Work,
        surroundings: &Surroundings,
    ) -> io::Result<Outcome> {
        let (state, object) = (self.folder.join(format!("{name}.d")), format!("{name}.o"));
        let mut command = Command::new(sys::sibling::program("distcc"));
        for (variable, _) in std::env::vars_os() {
            let text = variable.to_string_lossy();
            // How hosts are reached by ssh is the build's own matter, and stays.
            let is_ours = text.starts_with("DISTCC_") || text.starts_with("_DISTCC");
            if is_ours && text != "DISTCC_SSH" {
                command.env_remove(&variable);
            }
        }
        command
            .arg(compiler)
            .args(work.words())
            .args(["-o", &object])
            .env("DISTCC_HOSTS", hosts)
            .env("DISTCC_DIR", &state)
            .env("DISTCC_FALLBACK", "0")
            .env("DISTCC_IO_TIMEOUT", "20")
            // Gone soon after the doctor.
            .env("DISTCC_AGENT_IDLE", "1")
            .env("PATH", &surroundings.path)
            .current_dir(&self.folder);
        let begun = Instant::now();
        let ran = siblings::run(&mut command, PATIENCE)?;
        let took = begun.elapsed();
        let ledger = StateDir::open(Some(state.as_os_str()), None)?.ledger()?;
        let record = ledger.records.last();
        let made_there = record.is_some_and(|record| matches!(record.place, Place::Host(_)));
        let made = std::fs::read(self.folder.join(object)).ok();
        Ok(Outcome {
            code: record.map_or_else(|| "no-record".to_owned(), |record| record.code.clone()),
            said: ran.stderr,
            object: made.filter(|_| made_there && ran.status.success()),
            took,
            n_sent: record.map_or(0, |record| record.n_sent),
            n_received: record.map_or(0, |record| record.n_received),
        })
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Makes a folder that nobody else can look into.
fn new_folder(temporary: &Path) -> io::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    let id = std::process::id();
    let mut number = 0;
    loop {
        // Ids are unique in a container alone, and `/tmp` may be shared by several.
        let folder = temporary.join(format!("distcc-doctor-{id}-{number}"));
        match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 1000 => {
                number += 1;
            }
            made => return made.map(|()| folder),
        }
    }
}

fn last_line(text: &str) -> String {
    text.lines().next_back().unwrap_or("it says nothing").to_owned()
}
