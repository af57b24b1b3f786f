//! `DISTCC_SAVE_TEMPS`: what was sent, kept to be looked at. Without it the client has no
//! temporary file but the one beside the object.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use compiler_args::Job;

use crate::Context;

/// Files of earlier processes with our number may be in the way of so many names.
const MOST_TRIES: u32 = 100;

/// Keeps the preprocessed source of a job in `TMPDIR`, and says where.
pub(crate) fn keep(context: &Context, job: &Job, text: &[u8]) {
    let source = job.source.display();
    match write(&context.settings.temporary, job.language.preprocessed_suffix(), text) {
        Ok(path) => context
            .log
            .note(&format!("kept the preprocessed source of {source} in {}", path.display())),
        Err(error) => context.log.warning(
            &format!("could not keep the preprocessed source of {source}: {error}"),
            "DISTCC_SAVE_TEMPS=1 asks for it, TMPDIR names the folder",
        ),
    }
}

/// Writes a file that nobody had before and that nobody else can read.
fn write(folder: &Path, suffix: &str, text: &[u8]) -> io::Result<PathBuf> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    for attempt in 0..MOST_TRIES {
        let name = format!("distcc_{:08x}_{attempt}{suffix}", std::process::id());
        let path = folder.join(OsStr::new(&name));
        match options.open(&path) {
            Ok(mut file) => return file.write_all(text).map(|()| path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
