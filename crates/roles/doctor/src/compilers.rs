//! The compilers of this machine that a build may call.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use inventory::{About, Acquaintances, Places, X_TOOLS};
use toolchain::{CompilerName, Finder};

use crate::Surroundings;
use crate::siblings;
use crate::trial::{Bench, Work};
use diagnosis::{Finding, Status};

/// The names that builds call compilers by.
const NAMES: [&str; 6] = ["gcc", "g++", "cc", "c++", "clang", "clang++"];

/// How long a package manager may take to say whose a file is.
const PACKAGE_PATIENCE: Duration = Duration::from_secs(10);

/// A compiler that works here.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    /// What a build calls it.
    pub(crate) name: String,
    pub(crate) about: About,
    pub(crate) program: PathBuf,
    /// What it makes of the probe.
    pub(crate) object: Vec<u8>,
}

/// Finds them, has each compile the probe, and tells of those that do not.
pub(crate) fn find(
    surroundings: &Surroundings,
    bench: &Bench,
    findings: &mut Vec<Finding>,
) -> Vec<Local> {
    let acquaintances = Acquaintances::default();
    let finder = Finder::new(surroundings.path.clone());
    let mut known = Vec::new();
    for name in names(surroundings) {
        let Ok(compiler) = finder.find(OsStr::new(&name)) else { continue };
        let path = compiler.path.clone().unwrap_or_else(|| surroundings.path.clone());
        let asked = inventory::Surroundings { path: path.clone(), variables: Vec::new() };
        let check = format!("compiler {name}");
        let local = acquaintances.ask(&compiler, &asked).map_err(|unknown| unknown.to_string());
        let local = local.and_then(|about| {
            let made = bench.compile_here(&compiler.program, Work::Probe, &path);
            let object = made.map_err(|error| error.to_string())?;
            Ok(Local { name: name.clone(), about, program: compiler.program.clone(), object })
        });
        match local {
            Ok(local) => {
                let About { target, family, version } = &local.about;
                let text = format!("{} {version} for {target}", family.name());
                findings.push(Finding::here(&check, Status::Ok, "works", text));
                known.push(local);
            }
            Err(why) => {
                let text = format!("{} does not work here: {why}", compiler.program.display());
                findings.push(Finding::here(&check, Status::Warning, "compiler-broken", text));
            }
        }
    }
    if known.is_empty() {
        let text = "there is no compiler in PATH that works";
        findings.push(Finding::here("compilers", Status::Failed, "compiler-missing", text));
    }
    known
}

/// Usual names, the environment's, and those of cross compilers.
fn names(surroundings: &Surroundings) -> Vec<String> {
    let mut names: Vec<String> = NAMES.map(str::to_owned).to_vec();
    for compiler in &surroundings.compilers {
        let words = compiler.split_ascii_whitespace();
        names.extend(
            words.rev().find(|word| CompilerName::parse(word).is_some()).map(str::to_owned),
        );
    }
    let places = Places::new(surroundings.path.clone(), &[], Path::new(X_TOOLS));
    let native: BTreeSet<String> = ["cc", "gcc", "clang"]
        .iter()
        .filter_map(|name| std::fs::canonicalize(places.find(OsStr::new(name)).ok()?.program).ok())
        .filter_map(|file| Some(file.file_name()?.to_str()?.to_owned()))
        .collect();
    for found in places.all().iter().filter(|found| found.is_first) {
        let is_cross = CompilerName::parse(&found.name).is_some_and(|name| {
            name.version.is_none()
                && name
                    .target()
                    .is_some_and(|target| !native.iter().any(|native| native.starts_with(target)))
        });
        if is_cross {
            names.push(found.name.clone());
        }
    }
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

/// The command that installs on a server what `compiler` is here, if the servers are like this
/// machine; and what to know about it.
pub(crate) fn install(compiler: &Local) -> (String, String) {
    let about = &compiler.about;
    let wanted = format!("{} {} for {}", about.family.name(), about.version, about.target);
    let file =
        std::fs::canonicalize(&compiler.program).unwrap_or_else(|_| compiler.program.clone());
    let manager = [
        ("dpkg-query", &["--search"][..], "apt-get install --yes"),
        ("pacman", &["-Qqo"], "pacman -S --needed --noconfirm"),
        ("rpm", &["-qf", "--queryformat", "%{NAME}"], "dnf install -y"),
    ];
    for (program, words, install) in manager {
        let Some(package) = package(program, words, file.as_os_str()) else { continue };
        let command = format!("{install} {package} && update-distcc-symlinks");
        let note = format!("what is wanted there: {wanted}; the command is this machine's kind");
        return (command, note);
    }
    let note = format!("first install there, as its system has it: {wanted}");
    ("update-distcc-symlinks".to_owned(), note)
}

/// The package of a file.
fn package(program: &str, words: &[&str], file: &OsStr) -> Option<String> {
    let mut command = Command::new(program);
    let ran = siblings::run(command.args(words).arg(file), PACKAGE_PATIENCE).ok()?;
    let line = ran.stdout.lines().next().filter(|_| ran.status.success())?;
    let name = line.split(':').next()?.trim().to_owned();
    let is_fine = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
    (!name.is_empty() && name.chars().all(is_fine)).then_some(name)
}

/// `PATH` without folders that lead to us.
pub(crate) fn first_in_path(path: &OsString, name: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    std::env::split_paths(path).map(|folder| folder.join(name)).find(|program| {
        std::fs::metadata(program)
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    })
}
