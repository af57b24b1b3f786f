//! How compilers are confined: what the server asks the sandbox for, and what it gets.

use std::path::{Path, PathBuf};
use std::time::Duration;

use inventory::with_prefix;
use process::TempRoot;
use sandbox::{GroupLimits, Groups, Level, Limits, Sandbox, View};
use wire::Exit;

use crate::log::{Level as LogLevel, Log};
use crate::memory::machine_bytes;
use crate::options::Options;
use crate::tree::Ground;
use crate::{Environment, Failure};

/// What `--sandbox` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wish {
    /// The best that the machine allows; a warning where it is not good enough.
    #[default]
    Auto,
    /// Files kept apart at the least, or no service.
    Require,
    /// None.
    Off,
}

impl Wish {
    pub(crate) fn from_name(name: &str) -> Option<Wish> {
        match name {
            "auto" => Some(Wish::Auto),
            "require" => Some(Wish::Require),
            "off" => Some(Wish::Off),
            _ => None,
        }
    }
}

/// The least address space of a process: big C++ files take some gigabytes.
const LEAST_ADDRESS_SPACE: u64 = 4 << 30;

/// How long a process may compute where `--job-lifetime` says nothing.
const CPU_TIME: Duration = Duration::from_secs(3600);

/// The largest file: far beyond any object, and far from a full disk.
const FILE_BYTES: u64 = 4 << 30;

/// Files that a compiler may have open.
const N_FILES: u64 = 1024;

/// Processes and threads of one job. A compile has five or so.
const N_PROCESSES: u64 = 64;

/// How compilers are confined here.
#[derive(Debug)]
pub(crate) struct Confinement {
    /// `None`: not at all.
    level: Option<Level>,
    view: View,
    limits: Limits,
}

impl Confinement {
    /// Finds out what can be had here, and tells it to the log. The sandbox that was tried comes
    /// along. `homes`: where the compilers are.
    ///
    /// # Errors
    /// When less can be had than is required.
    pub(crate) fn find(
        options: &Options,
        environment: &Environment,
        homes: Vec<PathBuf>,
        temporary: &TempRoot,
        log: &Log,
    ) -> Result<(Confinement, Option<Sandbox>), Failure> {
        let more = [toolchain_folders(environment), homes].concat();
        let view = View { more, jobs: temporary.path().to_owned() };
        let limits = Limits {
            address_space_bytes: machine_bytes().max(LEAST_ADDRESS_SPACE),
            cpu_seconds: options.job_lifetime.unwrap_or(CPU_TIME).as_secs().max(1),
            file_bytes: FILE_BYTES,
            n_files: N_FILES,
            n_processes: N_PROCESSES,
        };
        let sandbox = match options.sandbox {
            Wish::Off => {
                let text = "--sandbox off: compilers run with all rights of this user";
                log.write(LogLevel::Warning, "start", text);
                None
            }
            wish => best(wish, &view, &limits, log)?,
        };
        let level = sandbox.as_ref().map(Sandbox::level);
        let confinement = Confinement { level, view, limits };
        log.write(LogLevel::Notice, "start", &format!("sandbox: {}", confinement.name()));
        Ok((confinement, sandbox))
    }

    /// The name of the level, for log and statistics.
    pub(crate) fn name(&self) -> &'static str {
        self.level.map_or("off", Level::name)
    }

    /// What lies where for a compile that sees a client's files. `program`: the compiler.
    pub(crate) fn ground(&self, program: &Path) -> Ground {
        let is_folder = |path: &&PathBuf| path.is_absolute() && path.as_path() != Path::new("/");
        let mut kept: Vec<PathBuf> = self.view.more.iter().filter(is_folder).cloned().collect();
        kept.push(self.view.jobs.clone());
        kept.push(program.to_owned());
        kept.extend(program.canonicalize());
        Ground::new(self.view.readable(), kept)
    }

    /// Starts what starts the compilers; `None` where they are not confined. To be called while
    /// the process has one thread.
    ///
    /// # Errors
    /// When what could be had at the start cannot be had now.
    pub(crate) fn start(&self, log: &Log) -> Result<Option<Sandbox>, String> {
        let Some(level) = self.level else { return Ok(None) };
        let mut sandbox = Sandbox::at(level, &self.view, &self.limits)
            .map_err(|shortfall| shortfall.to_string())?;
        let limits = GroupLimits {
            memory_bytes: machine_bytes() / 4 * 3,
            n_processes: self.limits.n_processes,
        };
        match Groups::take(limits) {
            Ok(groups) => {
                log.write(LogLevel::Info, "start", "each job has a control group of its own");
                sandbox.limit_by(groups);
            }
            Err(why) => log.write(LogLevel::Info, "start", &format!("no limits by group: {why}")),
        }
        Ok(Some(sandbox))
    }
}

fn best(wish: Wish, view: &View, limits: &Limits, log: &Log) -> Result<Option<Sandbox>, Failure> {
    let (sandbox, shortfalls) = match Sandbox::best(view, limits) {
        Ok((sandbox, shortfalls)) => (Some(sandbox), shortfalls),
        Err(shortfalls) => (None, shortfalls),
    };
    let level = sandbox.as_ref().map(Sandbox::level);
    let why: Vec<String> = shortfalls.iter().map(ToString::to_string).collect();
    let why = why.join("; ");
    if level >= Some(Level::Landlock) {
        if !why.is_empty() {
            log.write(LogLevel::Info, "start", &why);
        }
        return Ok(sandbox);
    }
    if wish == Wish::Require {
        return Err(Failure::new(
            Exit::FAILED,
            format!("--sandbox require: compilers cannot be kept from other files here: {why}"),
            "allow user namespaces or Landlock on this machine; \
             --sandbox auto serves without them",
        ));
    }
    let text = format!(
        "compilers are not kept from the files of this user: {why}; \
         allow user namespaces or Landlock on this machine, or serve only whom you trust"
    );
    log.write(LogLevel::Warning, "start", &text);
    Ok(sandbox)
}

/// Where compilers are that do not belong to the system: the folders of the search path, with
/// what belongs to the toolchains in them.
fn toolchain_folders(environment: &Environment) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in std::env::split_paths(&environment.path).filter(|folder| folder.is_absolute()) {
        // Its name as it is called, and as it is.
        for path in with_prefix(&folder) {
            found.push(path.to_owned());
            found.extend(path.canonicalize());
        }
    }
    let libraries = environment.for_compilers.iter().filter(|(name, _)| name == "LD_LIBRARY_PATH");
    found.extend(
        libraries.flat_map(|(_, folders)| std::env::split_paths(folders).collect::<Vec<_>>()),
    );
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toolchain_of_its_own_comes_with_its_parts() {
        let folder = tempfile::tempdir().unwrap();
        let prefix = folder.path().canonicalize().unwrap();
        for name in ["x-tools/bin", "x-tools/libexec/gcc", "home/bin"] {
            std::fs::create_dir_all(prefix.join(name)).unwrap();
        }
        let mut environment = Environment::read();
        environment.for_compilers.clear();
        environment.path = std::env::join_paths([
            prefix.join("x-tools/bin"),
            prefix.join("home/bin"),
            "relative".into(),
        ])
        .unwrap();
        let found = toolchain_folders(&environment);
        let has = |name: &str| found.contains(&prefix.join(name));
        assert!(has("x-tools") && has("x-tools/bin") && has("home/bin"), "{found:?}");
        assert!(!has("home") && !found.contains(&"relative".into()), "{found:?}");
    }
}
