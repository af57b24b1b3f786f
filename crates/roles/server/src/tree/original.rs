//! A client's files below a folder of the job's, and a compiler that is told so: what distcc 3.4's
//! server does, for its clients, where a job can have no root of its own.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use compiler_args::TreeJob;
use wire::{Content, Exit, TreeEntry};

use super::below::Below;
use super::{LaidOut, Output, ROOT, Repair, TEMPORARY, check_name, forces_folder, not_written};
use crate::conversation::Failure;
use crate::refusal::Refusal;

/// Lays `tree` out in `folder`, which is the job's own.
pub(crate) fn lay_out_as_original(
    job: &TreeJob,
    tree: &wire::Tree,
    folder: &Path,
) -> Result<LaidOut, Failure> {
    let [root, temporary] = [ROOT, TEMPORARY].map(|name| folder.join(name));
    for folder in [&root, &temporary] {
        std::fs::create_dir(folder).map_err(|error| not_written(&error))?;
    }
    let mut below = Below::open(&root).map_err(|error| not_written(&error))?;
    let servers: HashSet<&Path> = tree
        .entries
        .iter()
        .filter(|entry| entry.content == Content::Servers)
        .map(|entry| Path::new(OsStr::from_bytes(&entry.name)))
        .collect();
    for entry in &tree.entries {
        let name = Path::new(OsStr::from_bytes(&entry.name));
        check_name(name)?;
        // What lies in a folder of the server's is there with that.
        if !name.ancestors().skip(1).any(|above| servers.contains(above)) {
            put(&mut below, &root, entry).map_err(|error| not_written(&error))?;
        }
    }
    let clients_folder = Path::new(OsStr::from_bytes(&tree.folder));
    check_name(clients_folder)?;
    below.folder(clients_folder).map_err(|error| not_written(&error))?;
    let output = folder.join(format!("output{}", job.output_suffix()));
    let dependencies = folder.join("dependencies.d");
    let (arguments, target) = job
        .command_below(root.as_os_str(), output.as_os_str(), dependencies.as_os_str())
        .map_err(|refusal| {
            let text = format!("this command is not run for others here: {refusal}");
            Failure::Refused(Refusal::new(Exit::BAD_ARGUMENTS, text, refusal.hint()))
        })?;
    Ok(LaidOut {
        arguments,
        folder: root.join(clients_folder.strip_prefix("/").unwrap_or(clients_folder)),
        temporary,
        tree: None,
        memory: None,
        root: below.at_rest(),
        object: Output::Own(output.clone()),
        debug: None,
        dependencies: vec![Output::Own(dependencies)],
        own_name: folder.to_owned(),
        repair: Some(Repair { root, output, target }),
    })
}

fn put(below: &mut Below, root: &Path, entry: &TreeEntry) -> std::io::Result<()> {
    let name = Path::new(OsStr::from_bytes(&entry.name));
    match &entry.content {
        Content::File(_) if forces_folder(name) => {
            below.folder(name.parent().unwrap_or(name)).map(drop)
        }
        Content::File(bytes) => below.write(name, bytes),
        Content::Link(target) if target.starts_with(b"/") => {
            let target = OsString::from_vec([root.as_os_str().as_bytes(), target].concat());
            below.link(name, &target)
        }
        Content::Link(target) => below.link(name, OsStr::from_bytes(target)),
        Content::Servers => below.link(name, name.as_os_str()),
        Content::Kept(_) => Err(std::io::ErrorKind::NotFound.into()),
    }
}
