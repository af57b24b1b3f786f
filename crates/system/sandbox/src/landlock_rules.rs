//! Keeping a job to its files without a tree of its own.

use std::io;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};

use crate::View;

/// The rules' newest form that is made use of where the kernel knows it.
const NEWEST: ABI = ABI::V6;

/// The oldest form that is enough: it rules over files.
const OLDEST: ABI = ABI::V1;

/// Has this process, and those it starts, read only what `view` shows, and write only `own`.
pub(crate) fn enter(view: &View, own: &Path) -> io::Result<()> {
    let error = |error: landlock::RulesetError| io::Error::other(error.to_string());
    let everything = AccessFs::from_all(NEWEST);
    let read = AccessFs::from_read(NEWEST);
    let write = everything & !AccessFs::Execute & !AccessFs::MakeBlock & !AccessFs::MakeChar;
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(OLDEST))
        .map_err(error)?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(everything)
        .map_err(error)?
        .handle_access(AccessNet::from_all(NEWEST))
        .map_err(error)?
        .scope(Scope::from_all(NEWEST))
        .map_err(error)?
        .create()
        .map_err(error)?;
    let readable = view.readable().into_iter().map(|path| (path, read));
    let devices = View::devices().map(|path| (path, AccessFs::from_file(NEWEST)));
    for (path, access) in readable.chain(devices).chain([(own.to_owned(), write)]) {
        let Ok(open) = PathFd::new(&path) else { continue };
        let is_folder = path.is_dir();
        let access = if is_folder { access } else { access & AccessFs::from_file(NEWEST) };
        rules = rules.add_rule(PathBeneath::new(open, access)).map_err(error)?;
    }
    let status = rules.restrict_self().map_err(error)?;
    match status.ruleset {
        RulesetStatus::NotEnforced => Err(io::ErrorKind::Unsupported.into()),
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
    }
}
