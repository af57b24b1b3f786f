//! Jobs that come with the client's own files: where these lie, what the compiler sees of them, and
//! where what it makes is found.
//!
//! With namespaces the compiler sees each file under the client's own name (`layout`); without, it
//! is told other names, as distcc 3.4's server does (`original`).

mod below;
mod ground;
mod layout;
mod original;
mod walk;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use wire::{Exit, Reply};

use crate::bounds::MOST_OBJECT_BYTES;
use crate::budget::Share;
use crate::conversation::{Failure, failed, take};
use crate::refusal::Refusal;

use below::Below;

pub(crate) use ground::Ground;
pub(crate) use layout::lay_out;
pub(crate) use original::lay_out_as_original;

/// The folder in a job's folder that stands for the client's root.
const ROOT: &str = "root";

/// The folder in a job's folder for the compiler's temporary files.
const TEMPORARY: &str = "tmp";

/// distcc's name for a file that is sent so that its folder is there.
const FORCING: &str = "forcing_technique_271828";

/// A job whose files are in their places.
#[derive(Debug)]
pub(crate) struct LaidOut {
    /// The words for the compiler.
    pub(crate) arguments: Vec<OsString>,
    /// Where it runs, in its own eyes.
    pub(crate) folder: PathBuf,
    /// Its folder for temporary files.
    pub(crate) temporary: PathBuf,
    /// What it sees at the root; `None`: the usual.
    pub(crate) tree: Option<sandbox::Tree>,
    /// The folder in memory that its files are in; `None`: they are on the disk.
    pub(crate) memory: Option<OwnedFd>,
    root: Below,
    object: Output,
    debug: Option<Output>,
    /// Where the dependency file may be, the likeliest first.
    dependencies: Vec<Output>,
    /// What the object must not name.
    own_name: PathBuf,
    /// What has to be put right in what the compiler wrote, where it saw other names.
    repair: Option<Repair>,
}

/// Where something is that the compiler writes.
#[derive(Debug)]
enum Output {
    /// Among the client's files, under this name of the client's.
    Clients(PathBuf),
    /// In the job's folder.
    Own(PathBuf),
}

/// What 3.4's server puts right.
#[derive(Debug)]
struct Repair {
    /// The folder that stood in front of the client's names.
    root: PathBuf,
    /// The name that the object had for the compiler.
    output: PathBuf,
    /// The target that stands for it in the dependency file.
    target: OsString,
}

impl LaidOut {
    /// Puts into `reply` what a compiler has made that succeeded.
    pub(crate) fn collect(&self, reply: &mut Reply, share: &mut Share<'_>) -> Result<(), Failure> {
        reply.object = self.read(&self.object, share)?.ok_or_else(|| lacking("no object"))?;
        if memchr::memmem::find(&reply.object, self.own_name.as_os_str().as_bytes()).is_some() {
            return Err(Failure::Refused(Refusal::new(
                Exit::BAD_ARGUMENTS,
                "the object would name a folder of this server",
                "",
            )));
        }
        for output in &self.dependencies {
            if let Some(dependencies) = self.read(output, share)? {
                reply.dependencies = dependencies;
                break;
            }
        }
        if reply.dependencies.is_empty() {
            return Err(lacking("no dependency file"));
        }
        if let Some(repair) = &self.repair {
            reply.dependencies = repair.dependencies(&reply.dependencies);
        }
        if let Some(debug) = &self.debug {
            let debug = self.read(debug, share)?.ok_or_else(|| lacking("no debug information"))?;
            reply.object = wire::join_two_files(&reply.object, &debug);
        }
        Ok(())
    }

    /// What the compiler said, in the client's names.
    pub(crate) fn messages(&self, said: Vec<u8>) -> Vec<u8> {
        match &self.repair {
            Some(repair) => without(&said, repair.root.as_os_str()),
            None => said,
        }
    }

    fn read(&self, output: &Output, share: &mut Share<'_>) -> Result<Option<Vec<u8>>, Failure> {
        let file = match output {
            Output::Clients(name) => self.root.file(name),
            Output::Own(path) => std::fs::symlink_metadata(path)
                .is_ok_and(|found| found.is_file())
                .then(|| File::open(path).ok())
                .flatten(),
        };
        let Some(file) = file else { return Ok(None) };
        read(file, share).map(|bytes| Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

fn read(file: File, share: &mut Share<'_>) -> Result<Vec<u8>, Failure> {
    let broken = |error: io::Error| failed("could not read what the compiler wrote", &error);
    let n_bytes = file.metadata().map_err(broken)?.len();
    if n_bytes > MOST_OBJECT_BYTES {
        let text = format!("what the compiler wrote is too large to be sent: {n_bytes} bytes");
        return Err(Failure::Refused(Refusal::new(Exit::FAILED, text, "")));
    }
    // As it is, and as it is sent.
    take(share, 2 * n_bytes as usize)?;
    let mut bytes = Vec::new();
    file.take(n_bytes).read_to_end(&mut bytes).map_err(broken)?;
    Ok(bytes)
}

fn lacking(what: &str) -> Failure {
    Failure::Refused(Refusal::new(
        Exit::FAILED,
        format!("the compiler said it succeeded, and wrote {what}"),
        "look at the disk and the compiler of the server",
    ))
}

/// `text` without `part`, wherever that is.
fn without(text: &[u8], part: &OsStr) -> Vec<u8> {
    let mut left = Vec::with_capacity(text.len());
    let mut begin = 0;
    for at in memchr::memmem::find_iter(text, part.as_bytes()) {
        left.extend_from_slice(&text[begin..at]);
        begin = at + part.len();
    }
    left.extend_from_slice(&text[begin..]);
    left
}

impl Repair {
    /// The dependency file in the client's names: the object is called what the client calls it.
    fn dependencies(&self, text: &[u8]) -> Vec<u8> {
        let output = self.output.as_os_str().as_bytes();
        let text = match memchr::memmem::find(text, output) {
            Some(at) => [&text[..at], self.target.as_bytes(), &text[at + output.len()..]].concat(),
            None => text.to_vec(),
        };
        without(&text, self.root.as_os_str())
    }
}

/// Refuses a job because of one of the client's names.
fn refused(name: &Path, why: &str) -> Failure {
    let name = name.as_os_str().as_bytes().escape_ascii();
    let text = format!("the client's `{name}` {why}");
    Failure::Refused(Refusal::new(Exit::BAD_ARGUMENTS, text, ""))
}

/// Refuses names that compilers read as compiled headers: these are programs of a kind, made for
/// one compiler, which takes them at their word.
fn check_name(name: &Path) -> Result<(), Failure> {
    let parts = || name.components().map(|part| part.as_os_str().as_bytes());
    if parts().any(|part| part.ends_with(b".gch") || part.ends_with(b".pch")) {
        return Err(refused(name, "is a precompiled header, which no server takes"));
    }
    if parts().count() > crate::bounds::MOST_TREE_DEPTH + 1 {
        return Err(refused(name, "lies too deep"));
    }
    Ok(())
}

/// Whether a file only says that its folder is there.
fn forces_folder(name: &Path) -> bool {
    name.file_name().is_some_and(|base| base == FORCING)
}

fn not_written(error: &io::Error) -> Failure {
    failed("could not lay out the client's files", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_get_the_clients_names_back() {
        let repair = Repair {
            root: "/t/job/root".into(),
            output: "/t/job/output.o".into(),
            target: "b.o".into(),
        };
        let text = b"/t/job/output.o: a.c /usr/include/x.h \\\n /t/job/root/h/y.h\n";
        assert_eq!(repair.dependencies(text), b"b.o: a.c /usr/include/x.h \\\n /h/y.h\n");
        assert_eq!(repair.dependencies(b"x: y\n"), b"x: y\n");
    }

    #[test]
    fn precompiled_headers_and_deep_names_are_refused() {
        for name in ["/w/a.h.gch", "/w/a.h.gch/x", "/w/x.pch"] {
            assert!(check_name(Path::new(name)).is_err(), "{name}");
        }
        assert!(check_name(Path::new(&"/a".repeat(65))).is_err());
        assert!(check_name(Path::new(&"/a".repeat(64))).is_ok());
        assert!(check_name(Path::new("/w/gch.h")).is_ok());
    }
}
