//! `DISTCC_VERIFY`: a share of what servers make is made here as well, and compared.

use std::ffi::OsString;
use std::path::Path;

use hosts::HostSpec;
use wire::Exit;

use crate::cause::Cause;
use crate::{Context, local};

/// Where what differs is kept, in the state folder.
const FOLDER: &str = "verify";

/// Runs the user's command here, and compares what it leaves with what a server made: `files`, the
/// object first. What was made here stays; the job counts as the server's, for `cause`, if all is equal.
pub(crate) fn run(
    context: &Context,
    words: &[OsString],
    spec: &HostSpec,
    files: &[(&[u8], OsString)],
    cause: Cause,
) -> Exit {
    let exit = local::under_slot(context, words);
    let is_same = |(file, name): &&(&[u8], OsString)| {
        std::fs::read(Path::new(name)).is_ok_and(|own| own == *file)
    };
    let different = files.iter().find(|file| !is_same(file));
    let Some((file, name)) = different.filter(|_| exit == Exit::SUCCESS) else {
        if exit == Exit::SUCCESS {
            context.account.done_by(&spec.host, cause);
            context.log.info(&format!("verified what {} made", spec.host));
        }
        return exit;
    };
    context.account.add_attempt(&spec.host, Cause::VerifyDiffers);
    let kept = context.state.as_ref().and_then(|state| {
        let folder = state.path().join(FOLDER);
        let kept = folder.join(Path::new(name).file_name()?);
        std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&kept, file)).ok()?;
        Some(format!("; that of the server is kept in {}", kept.display()))
    });
    context.log.warning(
        &format!(
            "{} made another {} than the compiler here, whose one stays{} [{}]",
            spec.host,
            name.display(),
            kept.unwrap_or_default(),
            Cause::VerifyDiffers.code()
        ),
        Cause::VerifyDiffers.remedy(),
    );
    exit
}
