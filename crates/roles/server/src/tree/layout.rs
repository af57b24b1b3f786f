//! A client's files at the client's own names, in a root of the job's own.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use compiler_args::TreeJob;
use sandbox::{Layer, LayerKind, Tree};
use wire::{Content, Exit};

use super::below::Below;
use super::ground::{Ground, Place, header_folders, innermost, is_header, shortest};
use super::{LaidOut, Output, ROOT, TEMPORARY, check_name, forces_folder, not_written, refused};
use crate::bounds::MOST_COVERED;
use crate::conversation::Failure;
use crate::refusal::Refusal;

/// What is to join the system's files, in the job's folder.
const JOINING: &str = "joining";

/// Lays `tree` out in `memory`, which is to lie upon `folder`, the job's own, for the compiler
/// `program` in a sandbox that lays out trees.
pub(crate) fn lay_out(
    job: &TreeJob,
    tree: &wire::Tree,
    folder: &Path,
    ground: Ground,
    program: &Path,
    memory: OwnedFd,
) -> Result<LaidOut, Failure> {
    let working_folder = Path::new(OsStr::from_bytes(&tree.folder)).to_owned();
    let [root, joining, temporary] = [ROOT, JOINING, TEMPORARY].map(|name| folder.join(name));
    std::fs::create_dir(&temporary).map_err(|error| not_written(&error))?;
    let new = |name: &str| Below::new_in(&memory, name).map_err(|error| not_written(&error));
    drop(new(TEMPORARY)?);
    let mut layout = Layout {
        ground,
        is_whole: job.is_whole(),
        root: new(ROOT)?,
        joining: new(JOINING)?,
        covered: BTreeMap::new(),
        joined: BTreeSet::new(),
    };
    for entry in &tree.entries {
        layout.add(Path::new(OsStr::from_bytes(&entry.name)), &entry.content)?;
    }
    if job.is_whole() {
        layout.hide_own_headers(program)?;
        for named in job.folders() {
            layout.hide_named(&shortest(&working_folder, Path::new(named)))?;
        }
    }
    layout.enter(&working_folder)?;
    let mut output = |name: &OsStr| layout.output(&working_folder, Path::new(name));
    let object = output(job.output())?;
    let debug = job.debug_file().map(|name| output(&name)).transpose()?;
    let mut dependencies = Vec::new();
    for name in job.dependency_files() {
        dependencies.push(output(name)?);
    }
    let own = temporary.join("dependencies.d");
    let arguments = match job.is_whole() {
        true => job.command(own.as_os_str()),
        false => job.command_as_original(own.as_os_str()),
    };
    if !job.is_whole() || !job.asks_for_dependencies() {
        dependencies.insert(0, Output::Own(own));
    }
    let layers = layout.layers(&root, &joining)?;
    Ok(LaidOut {
        arguments,
        folder: working_folder,
        tree: Some(Tree { root, temporary: temporary.clone(), layers }),
        temporary,
        memory: Some(memory),
        root: layout.root.at_rest(),
        object,
        debug,
        dependencies,
        own_name: folder.to_owned(),
        repair: None,
    })
}

struct Layout {
    ground: Ground,
    is_whole: bool,
    /// The client's files.
    root: Below,
    /// Those that join the system's, and folders to cover them in.
    joining: Below,
    /// The folders of the system that are covered, by their true names, and how.
    covered: BTreeMap<PathBuf, LayerKind>,
    /// What joins the system's files, by true names.
    joined: BTreeSet<PathBuf>,
}

impl Layout {
    fn add(&mut self, name: &Path, content: &Content) -> Result<(), Failure> {
        check_name(name)?;
        if *content == Content::Servers {
            return match self.is_whole {
                true => Err(refused(name, "is to be the server's, though all is said to be sent")),
                // It is seen there anyway.
                false => Ok(()),
            };
        }
        match self.ground.place(name) {
            Place::Free => self.write(name, content),
            Place::Headers { folder } => {
                let kind = if self.is_whole { LayerKind::Hiding } else { LayerKind::Merged };
                self.write_covering(name, content, &folder, kind)
            }
            Place::Sources { folder } => {
                self.write_covering(name, content, &folder, LayerKind::Writable)
            }
            Place::System => self.join(name, content),
            Place::Closed => Err(refused(name, "lies in a folder that is closed to clients")),
        }
    }

    fn write(&mut self, name: &Path, content: &Content) -> Result<(), Failure> {
        put(&mut self.root, name, content)
    }

    fn write_covering(
        &mut self,
        name: &Path,
        content: &Content,
        folder: &Path,
        kind: LayerKind,
    ) -> Result<(), Failure> {
        let true_name = self.cover(folder, kind)?.ok_or_else(|| refused(name, HIDES))?;
        let rest = name.strip_prefix(folder).unwrap_or(name);
        self.write(&true_name.join(rest), content)
    }

    /// Has a folder of the system covered, and gives its true name; `None` where that must not be.
    fn cover(&mut self, folder: &Path, kind: LayerKind) -> Result<Option<PathBuf>, Failure> {
        let Some(name) = self.ground.true_name(folder) else { return Ok(None) };
        self.covered.insert(name.clone(), kind);
        if self.covered.len() > MOST_COVERED {
            return Err(refused(folder, "is one of too many folders of this server's"));
        }
        self.root.folder(&name).map_err(|error| not_written(&error))?;
        Ok(Some(name))
    }

    /// Adds to the system's files what hides none of them and is taken for no program, library or
    /// rule by anybody.
    fn join(&mut self, name: &Path, content: &Content) -> Result<(), Failure> {
        if let Content::Link(target) = content
            && std::fs::read_link(name).is_ok_and(|own| own.as_os_str().as_bytes() == target)
        {
            return Ok(());
        }
        let is_folder = forces_folder(name) && matches!(content, Content::File(_));
        let joining = if is_folder { name.parent().unwrap_or(name) } else { name };
        if is_folder && joining.is_dir() {
            return Ok(());
        }
        let true_name = self.ground.joining(joining).ok_or_else(|| refused(name, HIDES))?;
        // With the system's own files in the same folder it would not be the client's any more.
        let joins_others =
            matches!(content, Content::File(_)) && true_name.parent().is_some_and(Path::is_dir);
        let is_there = std::fs::symlink_metadata(&true_name).is_ok();
        if is_there || !is_folder && (joins_others || !is_header(&true_name)) {
            return Err(refused(name, HIDES));
        }
        self.joined.insert(true_name.clone());
        if self.joined.len() > MOST_COVERED {
            return Err(refused(name, "is one of too many in this server's folders"));
        }
        match is_folder {
            true => self.joining.folder(&true_name).map(drop).map_err(|error| not_written(&error)),
            false => put(&mut self.joining, &true_name, content),
        }
    }

    /// Hides the headers that the compiler would find by itself: what the client has of them it has
    /// sent.
    fn hide_own_headers(&mut self, program: &Path) -> Result<(), Failure> {
        let program = program.canonicalize().unwrap_or_else(|_| program.to_owned());
        for folder in header_folders(program.ancestors().nth(2)) {
            if let Place::Headers { folder } = self.ground.place_of_folder(&folder)
                && self.cover(&folder, LayerKind::Hiding)?.is_none()
            {
                let text = format!("the headers in {} cannot be hidden here", folder.display());
                return Err(Failure::Refused(Refusal::new(Exit::FAILED, text, "")));
            }
        }
        Ok(())
    }

    /// Hides a folder of the system that is to be looked into for headers, though the client has
    /// sent nothing in it.
    fn hide_named(&mut self, folder: &Path) -> Result<(), Failure> {
        if !folder.is_dir() {
            return Ok(());
        }
        match self.ground.place_of_folder(folder) {
            Place::Free | Place::Closed | Place::Sources { .. } => Ok(()),
            Place::Headers { folder: named } => match self.cover(&named, LayerKind::Hiding)? {
                Some(_) => Ok(()),
                None => Err(refused(folder, HIDES)),
            },
            Place::System => Err(refused(folder, "is looked into for headers, and another here")),
        }
    }

    /// Makes the working folder.
    fn enter(&mut self, folder: &Path) -> Result<(), Failure> {
        check_name(folder)?;
        self.check_writable(folder, self.ground.place_of_folder(folder))?;
        self.root.make_way(&folder.join("x")).map_err(|error| not_written(&error))
    }

    /// Where something is written that the compiler calls `name` in `folder`.
    fn output(&mut self, folder: &Path, name: &Path) -> Result<Output, Failure> {
        let path = folder.join(name);
        check_name(&path)?;
        let short = shortest(folder, name);
        self.check_writable(&path, self.ground.place(&short))?;
        self.root.make_way(&path).map_err(|error| not_written(&error))?;
        Ok(Output::Clients(path))
    }

    fn check_writable(&mut self, name: &Path, place: Place) -> Result<(), Failure> {
        match place {
            Place::Free => Ok(()),
            Place::Sources { folder } => match self.cover(&folder, LayerKind::Writable)? {
                Some(true_name) if true_name == folder => Ok(()),
                _ => Err(refused(name, HIDES)),
            },
            Place::Headers { .. } | Place::System | Place::Closed => {
                Err(refused(name, "lies where no compiler may write here"))
            }
        }
    }

    /// What covers the system's folders: first what adds to them, from the outside to the inside.
    fn layers(&mut self, root: &Path, joining: &Path) -> Result<Vec<Layer>, Failure> {
        let below =
            |folder: &Path, name: &Path| folder.join(name.strip_prefix("/").unwrap_or(name));
        let mut covering = Vec::new();
        for (name, kind) in &self.covered {
            let is_covered = name.ancestors().skip(1).any(|above| self.covered.contains_key(above));
            if is_covered {
                continue;
            }
            let kind = match kind {
                // There is nothing to be merged with.
                LayerKind::Merged if !name.is_dir() => LayerKind::Hiding,
                kind => *kind,
            };
            if !name.is_dir() {
                self.joining.folder(name).map_err(|error| not_written(&error))?;
                self.joined.insert(name.clone());
            }
            let source = below(root, name);
            covering.push(Layer { kind, folder: name.clone(), source });
        }
        let added: BTreeSet<&Path> =
            self.joined.iter().map(|name| innermost(name.parent().unwrap_or(name))).collect();
        let outermost =
            |folder: &&Path| !folder.ancestors().skip(1).any(|above| added.contains(above));
        let added = added.iter().copied().filter(outermost).map(|folder| Layer {
            kind: LayerKind::Added,
            folder: folder.to_owned(),
            source: below(joining, folder),
        });
        Ok(added.chain(covering).collect())
    }
}

/// Why a client's file may not lie among the system's.
const HIDES: &str = "would lie among programs and libraries of this server";

fn put(below: &mut Below, name: &Path, content: &Content) -> Result<(), Failure> {
    let written = match content {
        Content::File(_) if forces_folder(name) => {
            below.folder(name.parent().unwrap_or(name)).map(drop)
        }
        Content::File(bytes) => below.write(name, bytes),
        Content::Link(target) => below.link(name, OsStr::from_bytes(target)),
        Content::Servers => Ok(()),
        Content::Kept(_) => Err(std::io::ErrorKind::NotFound.into()),
    };
    written.map_err(|error| not_written(&error))
}
