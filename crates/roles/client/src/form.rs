//! In which form a job's source is sent, so that the object is the local compiler's.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use compiler_args::{Form, Job, RESTORED_IN, Reason, Stay, WantedCompiler, pragmas};
use hosts::HostSpec;

use crate::accept::Expected;
use crate::remote::Trouble;
use crate::{Context, abilities};

/// The first GCC whose `-fdirectives-only` can be relied on: it was written anew for this one.
const FIRST_GCC_WITH_DIRECTIVES: u32 = 11;

/// Puts `job` into the form in which its object will be exact, or as near as the user lets it.
/// `expected` is what the compiler of this machine told of itself.
///
/// # Errors
/// What keeps the job here, when there is no such form.
pub(crate) fn choose(
    context: &Context,
    job: &mut Job,
    expected: &io::Result<Expected>,
) -> Result<(), Stay> {
    if job.preprocess.is_none() {
        return Ok(());
    }
    let family = expected.as_ref().ok().and_then(Expected::family);
    let is_new_gcc = matches!(family, Some(("GCC", major)) if major >= FIRST_GCC_WITH_DIRECTIVES);
    // Where GCC does not optimize, it keeps jumps apart that come from different columns.
    let is_gcc = matches!(family, Some(("GCC", _)));
    let tells_columns = job.debug || (is_gcc && !job.optimizes());
    if !tells_columns && job.columns.is_none() {
        return Ok(());
    }
    if is_new_gcc && job.can_keep_macros() {
        job.keep_macros();
        return Ok(());
    }
    if let Some(stay) = &job.columns {
        return Err(stay.clone());
    }
    if let Some(word) = &job.split_debug {
        return Err(Stay { reason: Reason::SplitDwarf, word: word.clone() });
    }
    // Clang's source does not name its folder, and stays for that.
    let is_clang = matches!(family, Some(("clang", _)));
    if tells_columns && !is_clang && !context.settings.inexact_debug {
        return Err(debug_columns(job));
    }
    Ok(())
}

fn debug_columns(job: &Job) -> Stay {
    Stay { reason: Reason::DebugColumns, word: job.source.clone() }
}

/// What one host gets of a job.
pub(crate) struct Parcel {
    /// The folder to stand in the object, where the source is to be restored there.
    restored_in: Option<PathBuf>,
    /// The word that tells which compiler is meant, where the host understands it.
    mark: Option<OsString>,
}

impl Parcel {
    /// What `spec` gets of `job`, whose compiler is `wanted`. A host is asked what it can do where
    /// that matters.
    ///
    /// # Errors
    /// When the host cannot make the object exactly, and when it cannot be asked.
    pub(crate) fn for_host(
        context: &Context,
        job: &Job,
        spec: &HostSpec,
        wanted: Option<&WantedCompiler>,
    ) -> Result<Parcel, Trouble> {
        let is_to_be_restored = job.form != Form::Expanded && job.debug;
        if wanted.is_none() && !is_to_be_restored {
            return Ok(Parcel { restored_in: None, mark: None });
        }
        let abilities = abilities::of(context, spec)?;
        let mark = wanted.filter(|_| abilities.picks_compiler).map(WantedCompiler::to_word);
        if !is_to_be_restored {
            return Ok(Parcel { restored_in: None, mark });
        }
        let is_split = job.split_debug.is_some();
        let can_restore = abilities.restores_source && (abilities.splits_debug || !is_split);
        let restored_in = working_folder(context.settings.working_folder.as_deref())
            .filter(|_| can_restore && job.restored.is_some());
        if restored_in.is_none() && (is_split || !context.settings.inexact_debug) {
            return Err(Trouble::CannotRestore);
        }
        Ok(Parcel { restored_in, mark })
    }

    /// Whether the host is told which compiler is meant.
    pub(crate) fn names_compiler(&self) -> bool {
        self.mark.is_some()
    }

    /// The command to send, where `plain` is the one for preprocessed source with the compiler's
    /// name as the host knows it.
    pub(crate) fn command(&self, job: &Job, mut plain: Vec<OsString>) -> Vec<OsString> {
        if let (Some(folder), Some(restored)) = (&self.restored_in, &job.restored) {
            let mut mark = OsString::from(RESTORED_IN);
            mark.push(folder);
            plain.truncate(1);
            plain.push(mark);
            plain.extend(restored.iter().skip(1).cloned());
        }
        if let Some(mark) = &self.mark {
            plain.insert(1, mark.clone());
        }
        plain
    }

    /// The text to send for preprocessed source. An error is what keeps the job here.
    pub(crate) fn text(&self, job: &Job, text: &[u8]) -> Result<Option<Vec<u8>>, Stay> {
        let Some(folder) = &self.restored_in else { return Ok(None) };
        let restored = compiler_args::restore(text).filter(|_| names_folder(text, folder));
        match restored {
            Some(restored) => Ok(Some(restored)),
            None => Err(debug_columns(job)),
        }
    }
}

/// What of the source's files keeps a job here whose macros are kept: a pragma that gets lost.
pub(crate) fn stay_for_files(job: &Job, text: &[u8]) -> Option<Stay> {
    if job.form != Form::Directives {
        return None;
    }
    let loses = |name: &OsString| {
        let file = std::fs::read(name);
        file.map_or(true, |file| pragmas::may_lose_pragmas(&file))
    };
    let word = pragmas::files_of(text).into_iter().find(loses)?;
    Some(Stay { reason: Reason::AsksThisMachine, word })
}

/// Whether the compiler's name for the working folder, as it stands at the head of preprocessed
/// source, is `folder`.
fn names_folder(text: &[u8], folder: &Path) -> bool {
    let line = [b"# 1 \"", folder.as_os_str().as_bytes(), b"//\"\n"].concat();
    let head = &text[..text.len().min(line.len() + 16 * 1024)];
    memchr::memmem::find(head, &line).is_some()
}

/// The name that GCC has for the working folder: `PWD`, as long as that is true.
pub(crate) fn working_folder(pwd: Option<&OsStr>) -> Option<PathBuf> {
    let here = std::fs::metadata(".").ok()?;
    let is_here = |path: &OsStr| {
        path.as_bytes().starts_with(b"/")
            && std::fs::metadata(path)
                .is_ok_and(|found| (found.dev(), found.ino()) == (here.dev(), here.ino()))
    };
    match pwd.filter(|path| is_here(path)) {
        Some(path) => Some(path.into()),
        None => std::env::current_dir().ok(),
    }
}
