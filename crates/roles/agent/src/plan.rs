//! What a job reads, and what is sent for it.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use agent_wire::Errand;
use compiler_args::Reading;
use includes::{Closure, ClosureDoubt, Compile, Doubt as Told, FileId, Found, Search};

use wire::{Token, TokenName};

use crate::files::FileTable;
use crate::names::absolute;
use crate::search::search;
use crate::setting::{Key, Setting, SettingTable};
use crate::tree::{Places, Tree};

/// How long what was looked at counts as looked at, before it is sent. Whatever has changed since is
/// found afterwards; this keeps the waste small that an edited header makes.
const FRESH: Duration = Duration::from_millis(500);

/// How often a job is looked at again that changes meanwhile.
const MOST_TRIES: usize = 3;

/// How many names of files are kept.
const MOST_NAMES: usize = 1 << 20;

/// The name by which an empty folder is sent. Source: the convention of distcc 3.4.
const FOLDER_MARK: &[u8] = b"/forcing_technique_271828";

/// Why a job is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Doubt {
    pub(crate) code: &'static str,
    pub(crate) text: String,
}

/// What is sent for a job.
pub(crate) struct Plan {
    /// The pieces of the request, in order.
    pub(crate) pieces: Vec<Piece>,
    /// How many files, links and folders there are.
    pub(crate) n_files: usize,
    files: Vec<Arc<[u8]>>,
    folders: Vec<Arc<[u8]>>,
}

/// A piece of a request.
pub(crate) enum Piece {
    Own(Vec<u8>),
    /// Of all requests that send the same file.
    Shared(Arc<[u8]>),
}

impl Piece {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Piece::Own(bytes) => bytes,
            Piece::Shared(bytes) => bytes,
        }
    }
}

/// Whether an answer counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Judgment {
    Holds,
    Changed(Vec<u8>),
    Missed(Vec<u8>),
}

/// What the agent knows.
pub(crate) struct Knowledge {
    settings: SettingTable,
    core: Mutex<Core>,
}

struct Core {
    files: FileTable,
    places: Places,
}

impl Knowledge {
    pub(crate) fn new(most_body_bytes: usize) -> Knowledge {
        let core = Core { files: FileTable::new(most_body_bytes), places: Places::default() };
        Knowledge { settings: SettingTable::default(), core: Mutex::new(core) }
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many names, and how many bytes of bodies are kept.
    pub(crate) fn size(&self) -> (usize, usize) {
        self.core().files.size()
    }

    /// What is to be sent for a job.
    pub(crate) fn plan(&self, errand: &Errand) -> Result<Plan, Doubt> {
        let words: Vec<OsString> =
            errand.command.iter().map(|word| OsString::from_vec(word.clone())).collect();
        let reading = Reading::of(&words).map_err(|word| Doubt {
            code: "unclear-option",
            text: format!("`{}` leaves open what is read", word.display()),
        })?;
        let name = words.first().map_or(OsStr::new(""), OsString::as_os_str);
        let setting = Key::of(&errand.compiler, name, &errand.path, &errand.folder, &reading)
            .map_err(|error| error.to_string())
            .and_then(|key| self.settings.get(&key))
            .map_err(|text| Doubt { code: "compiler-silent", text })?;
        let mut core = self.core();
        if core.files.keep_small(MOST_NAMES) {
            core.places.forget();
        }
        core.plan(errand, &reading, &setting)
    }

    /// Whether what a compiler has read, as a dependency file tells it, was sent and is the same.
    pub(crate) fn judge(&self, plan: &Plan, folder: &[u8], dependencies: &[u8]) -> Judgment {
        let now = Instant::now();
        let known: HashSet<&[u8]> = plan.files.iter().map(|name| &name[..]).collect();
        for name in crate::dependencies::prerequisites(dependencies) {
            let name = absolute(folder, &name);
            if !known.contains(&name[..]) {
                return Judgment::Missed(name);
            }
        }
        let mut core = self.core();
        match core.files.find_change(&plan.files, &plan.folders, now) {
            Some(name) => {
                core.places.forget();
                Judgment::Changed(name)
            }
            None => Judgment::Holds,
        }
    }
}

impl Core {
    fn plan(
        &mut self,
        errand: &Errand,
        reading: &Reading,
        setting: &Setting,
    ) -> Result<Plan, Doubt> {
        let mut changed = Vec::new();
        for _ in 0..MOST_TRIES {
            let search = self.search(errand, reading, setting);
            let closure = self.closure(errand, reading, setting, &search);
            if let Some(name) = self.files.take_disturbed() {
                self.places.forget();
                changed = name;
                continue;
            }
            if let Some((name, doubt)) = closure.doubts.first() {
                return Err(Doubt {
                    code: doubt_code(doubt),
                    text: format!("{}: {doubt:?}", String::from_utf8_lossy(name)),
                });
            }
            let folder = &errand.folder;
            let files: Vec<Arc<[u8]>> =
                closure.files.iter().map(|name| absolute(folder, name).into()).collect();
            let searched = search.quoted.iter().chain(&search.all).chain(&reading.all);
            let folders: HashSet<Arc<[u8]>> = closure
                .missed_in
                .iter()
                .chain(searched)
                .map(|name| absolute(folder, name).into())
                .collect();
            let folders: Vec<Arc<[u8]>> = folders.into_iter().collect();
            let fresh = Instant::now().checked_sub(FRESH).unwrap_or_else(Instant::now);
            if let Some(name) = self.files.find_change(&files, &folders, fresh) {
                self.places.forget();
                changed = name;
                continue;
            }
            return self.gather(errand, &search, files, folders);
        }
        let name = String::from_utf8_lossy(&changed).into_owned();
        Err(Doubt { code: "files-change", text: format!("{name} changes all the time") })
    }

    fn search(&mut self, errand: &Errand, reading: &Reading, setting: &Setting) -> Search {
        search(reading, &setting.folders, setting.is_clang(), &mut |name| {
            self.files.folder_number(&absolute(&errand.folder, name))
        })
    }

    fn closure(
        &mut self,
        errand: &Errand,
        reading: &Reading,
        setting: &Setting,
        search: &Search,
    ) -> Closure {
        let own_macros: HashSet<Vec<u8>> = setting
            .macros
            .lines()
            .filter_map(|line| line.strip_prefix("#define "))
            .filter_map(|rest| rest.split([' ', '(']).next())
            .map(|name| name.as_bytes().to_vec())
            .collect();
        let macros = reading.macros.iter();
        let compile = Compile {
            source: reading.source.clone(),
            included: reading.included.clone(),
            macros: macros
                .filter_map(|(name, value)| Some((name.clone(), value.clone()?)))
                .collect(),
            own_macros: Some(Arc::new(own_macros)),
            search: search.clone(),
        };
        Closure::of(&compile, &mut self.files.seen_from(&errand.folder))
    }

    /// Gathers what is sent.
    fn gather(
        &mut self,
        errand: &Errand,
        search: &Search,
        files: Vec<Arc<[u8]>>,
        folders: Vec<Arc<[u8]>>,
    ) -> Result<Plan, Doubt> {
        let mut tree: Tree<FileId> = Tree::new();
        for name in &files {
            let Found::File(id) = self.files.look(name) else { return Err(gone(name)) };
            let route = self.places.route(name).ok_or_else(|| gone(name))?;
            if is_no_place_for_files(&route.end) {
                return Err(Doubt {
                    code: "unusual-file",
                    text: format!("{} is made by the kernel", String::from_utf8_lossy(name)),
                });
            }
            tree.add_file(route, id);
        }
        for name in search.quoted.iter().chain(&search.all).chain([&errand.folder]) {
            let name = absolute(&errand.folder, name);
            let route = self.places.route(&name).ok_or_else(|| gone(&name))?;
            tree.add_folder(route);
        }
        let empty: Vec<Vec<u8>> =
            tree.empty_folders().map(|folder| [folder, FOLDER_MARK].concat()).collect();
        let n_files = tree.files.len() + tree.links.len() + empty.len();
        let words: Vec<&[u8]> = errand.sent.iter().map(Vec::as_slice).collect();
        let broken = |error: wire::WireError| Doubt {
            code: "unusual-file",
            text: format!("it cannot be sent: {error}"),
        };
        let head = wire::encode_tree_head(&errand.folder, &words, n_files).map_err(broken)?;
        let mut pieces = vec![Piece::Own(head)];
        for (name, target) in &tree.links {
            pieces.push(Piece::Own(wire::encode_tree_link(name, target).map_err(broken)?));
        }
        for name in &empty {
            pieces.push(Piece::Own(wire::encode_tree_file(name, b"").map_err(broken)?));
        }
        for (name, id) in &tree.files {
            let body = self.files.body(*id).ok_or_else(|| gone(name))?;
            pieces.push(Piece::Own(file_head(name, body.len())));
            pieces.push(Piece::Shared(body));
        }
        Ok(Plan { pieces, n_files, files, folders })
    }
}

/// What stands before a file's body of so many bytes: lengths fit, since nothing longer is kept.
fn file_head(name: &[u8], n_bytes: usize) -> Vec<u8> {
    let token = |name, length: usize| Token { name, param: length as u32 }.encode();
    let name_token = token(TokenName::Name, name.len());
    [&name_token[..], name, &token(TokenName::File, n_bytes)].concat()
}

fn gone(name: &[u8]) -> Doubt {
    let name = String::from_utf8_lossy(name);
    Doubt { code: "files-change", text: format!("{name} changed while it was being read") }
}

fn doubt_code(doubt: &ClosureDoubt) -> &'static str {
    match doubt {
        ClosureDoubt::Told(Told::ComputedInclude) => "computed-include",
        ClosureDoubt::Told(Told::Embed) => "embedded-file",
        ClosureDoubt::Told(Told::AssemblerFile) => "assembler-file",
        ClosureDoubt::Told(Told::Time) => "tells-time",
        ClosureDoubt::Told(Told::Pragma) => "unusual-pragma",
        ClosureDoubt::Told(Told::Trigraph) => "trigraph",
        ClosureDoubt::PrecompiledHeader => "precompiled-header",
        ClosureDoubt::Missing => "missing-file",
    }
}

/// Whether what lies there says something else on another machine.
fn is_no_place_for_files(name: &[u8]) -> bool {
    [&b"/proc/"[..], b"/sys/", b"/dev/"].iter().any(|folder| name.starts_with(folder))
}
