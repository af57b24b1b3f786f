//! A look at all compilers of this machine, for its own people.

use std::ffi::OsStr;
use std::path::PathBuf;

use inventory::{About, Found, Unknown, is_same};
use toolchain::{Compiler, CompilerName};

use super::rule::{Rule, links};
use super::{Denied, Whitelist};

/// The compilers of this machine.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) compilers: Vec<Surveyed>,
    /// Names on the whitelist of which there is no compiler.
    pub(crate) missing: Vec<String>,
    /// Where compilers were looked for.
    pub(crate) folders: Vec<PathBuf>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Surveyed {
    pub(crate) path: PathBuf,
    pub(crate) about: Result<About, Unknown>,
    /// `None` where a part of it cannot be read.
    pub(crate) fingerprint: Option<String>,
    /// Why it may not run; `None`: it may.
    pub(crate) denied: Option<Denied>,
}

impl Whitelist {
    /// Everything on this machine that by its name is a compiler, whether it may run or not. To be
    /// asked for by the machine's own people: all of them are started to say what they are.
    pub(crate) fn survey(&self) -> Survey {
        let listed = self.listed();
        let compilers = self.places.all().into_iter().map(|found| {
            let about = self.about(&found.compiler);
            let fingerprint = about.as_ref().ok().and_then(|about| {
                inventory::fingerprint(&found.compiler, about, &self.surroundings).ok()
            });
            let denied = self.denied(&found, &listed);
            Surveyed { path: found.compiler.program, about, fingerprint, denied }
        });
        let compilers = compilers.collect();
        let missing = match &self.rule {
            Rule::Folders(folders) => links(folders)
                .into_iter()
                .filter(|name| self.places.find(OsStr::new(name)).is_err())
                .collect(),
            Rule::Any | Rule::List { .. } => Vec::new(),
        };
        Survey { compilers, missing, folders: self.places.folders() }
    }

    /// Why a compiler may not run, if so.
    fn denied(&self, found: &Found, listed: &[(String, Compiler)]) -> Option<Denied> {
        let name = CompilerName::parse(&found.name)?;
        let is_listed = listed.iter().any(|(other, compiler)| {
            compiler.program == found.compiler.program
                || CompilerName::parse(other).is_some_and(|other| name.may_be_same(&other))
                    && is_same(&compiler.program, &found.compiler.program)
                    && self.about(compiler) == self.about(&found.compiler)
        });
        match self.by_name(OsStr::new(&found.name)) {
            _ if is_listed => None,
            Err(denied) => Some(denied),
            Ok(allowed) => Some(Denied::Hidden { by: allowed.compiler.program }),
        }
    }
}
