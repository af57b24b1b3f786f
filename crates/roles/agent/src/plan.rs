//! What a job reads, and what is sent for it.

mod layout;
mod listing;
mod survey;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::os::unix::ffi::OsStringExt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use agent_wire::{Errand, Keeping, Way};
use compiler_args::{MacroWord, Reading};
use foldhash::{HashMap, HashMapExt};
use includes::{
    Closure, ClosureDoubt, Compile, Doubt as Told, MacroOption, Scanner, Search, prerequisites,
};
use statedir::StateDir;
use wire::{Token, TokenName};

use crate::files::{FileTable, NameNumber, Seen};
use crate::kept::{Kept, Offer};
use crate::names::absolute;
use crate::search::search;
use crate::setting::{Key, Macros, Setting, SettingTable};
use crate::tree::Places;
pub(crate) use layout::Layout;
use layout::{FOLDER_MARK, Spots};
pub(crate) use survey::{Copied, Survey};
use survey::{Headers, Remarks};

/// How long what was looked at counts as looked at, before it is sent. Whatever has changed since is
/// found afterwards; this keeps the waste small that an edited header makes.
const FRESH: Duration = Duration::from_secs(2);

/// How often a job is looked at again that changes meanwhile.
const MOST_TRIES: usize = 3;

/// How many groups of compiles are kept apart, and how many layouts of each.
const MOST_GROUPS: usize = 256;
const MOST_LAYOUTS: usize = 4096;

/// How many names of files are kept.
const MOST_NAMES: usize = 1 << 20;

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
    pub(crate) layout: Arc<Layout>,
    /// What the server gets to keep.
    offer: Offer,
}

/// A piece of a request.
pub(crate) enum Piece {
    /// What stands before a content, and after the one before it.
    Between(Vec<u8>),
    /// The content of a file.
    Body(Arc<[u8]>),
}

impl Piece {
    /// What travels.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Piece::Between(bytes) => bytes,
            Piece::Body(bytes) => bytes,
        }
    }
}

/// Puts a request together.
struct Pieces {
    done: Vec<Piece>,
    between: Vec<u8>,
}

impl Pieces {
    fn after(head: Vec<u8>) -> Pieces {
        Pieces { done: Vec::new(), between: head }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.between.extend_from_slice(bytes);
    }

    fn add_body(&mut self, body: Arc<[u8]>) {
        self.done.push(Piece::Between(std::mem::take(&mut self.between)));
        self.done.push(Piece::Body(body));
    }

    fn all(mut self) -> Vec<Piece> {
        self.done.push(Piece::Between(self.between));
        self.done
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
    groups: HashMap<GroupKey, Group>,
    remarks: Remarks,
    kept: Kept,
}

/// What is known for certain of what a job reads.
struct Settled {
    key: GroupKey,
    closure: Arc<Closure>,
    layout: Arc<Layout>,
}

/// What compiles have in common that search alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct GroupKey {
    folder: Vec<u8>,
    quoted: Vec<Vec<u8>>,
    all: Vec<Vec<u8>>,
    macros: Macros,
    maps_names: bool,
    has_trigraphs: bool,
}

struct Group {
    scanner: Scanner,
    /// By the place of the closure, which is kept for that.
    layouts: HashMap<usize, (Arc<Closure>, Arc<Layout>)>,
    spots: Spots,
}

impl Knowledge {
    /// Nothing but what `memos` hold of compilers.
    pub(crate) fn new(most_body_bytes: usize, memos: Option<StateDir>) -> Knowledge {
        let core = Core {
            files: FileTable::new(most_body_bytes),
            places: Places::default(),
            groups: HashMap::new(),
            remarks: Remarks::default(),
            kept: Kept::new(),
        };
        Knowledge { settings: SettingTable::new(memos), core: Mutex::new(core) }
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many names, and how many bytes of bodies are kept.
    pub(crate) fn size(&self) -> (usize, usize) {
        self.core().files.size()
    }

    /// How many places are watched, and how often something was heard that may matter.
    pub(crate) fn watched(&self) -> (usize, u64) {
        self.core().files.watched()
    }

    /// What is to be sent for a job, to a server at this address, if it has one.
    pub(crate) fn plan(&self, errand: &Errand, server: Option<SocketAddr>) -> Result<Plan, Doubt> {
        let (reading, setting) = self.read(errand)?;
        let mut core = self.core();
        core.keep_small();
        core.plan(errand, &reading, &setting, server)
    }

    /// What the command says, and what its compiler has by itself.
    fn read(&self, errand: &Errand) -> Result<(Reading, Arc<Setting>), Doubt> {
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
        Ok((reading, setting))
    }

    /// Whether what a compiler has read, as a dependency file tells it, was sent and is the same.
    pub(crate) fn judge(&self, plan: &Plan, folder: &[u8], dependencies: &[u8]) -> Judgment {
        let layout = &plan.layout;
        let mut core = self.core();
        // The server has answered, so it had all of it.
        core.kept.note(&plan.offer);
        let mut approved = layout.approved.lock().unwrap_or_else(PoisonError::into_inner);
        // What names another table is of is changed, below.
        let is_read_from = layout.is_of(&core.files);
        if is_read_from && **approved != *dependencies {
            for name in prerequisites(dependencies) {
                let name = absolute(folder, &name);
                let number = core.files.known_number(&name);
                let is_layouts = number.is_some_and(|number| layout.has_name(number));
                if !is_layouts && !core.is_sent(layout, &name) {
                    return Judgment::Missed(name.into_owned());
                }
            }
            *approved = dependencies.to_vec();
        }
        match core.find_change(layout) {
            Some(name) => {
                core.forget();
                Judgment::Changed(name)
            }
            None => Judgment::Holds,
        }
    }
}

impl Core {
    /// Whether a file was sent, whichever name leads to it. Clang tells a folder by the first name that
    /// it met.
    fn is_sent(&mut self, layout: &Layout, name: &[u8]) -> bool {
        let Some(route) = self.places.route(name) else { return false };
        layout.files.iter().any(|(sent, _)| sent.end == route.end)
    }

    /// Looks whether anything is not as it was sent any more, and watches it from now on.
    fn find_change(&mut self, layout: &Layout) -> Option<Vec<u8>> {
        let generation = self.files.catch_up();
        if layout.is_unchanged(generation) {
            return None;
        }
        let files = layout.files.iter().map(|(route, id)| (&**route, *id));
        let is_watched = self.files.follow(&layout.trail, files);
        let seen = self.files.look_over(&layout.grounds, Instant::now(), is_watched);
        if seen.is_watched && seen.changed.is_none() {
            layout.generation.store(generation, Ordering::Relaxed);
        }
        seen.changed
    }

    /// Forgets what names mean, when a file or folder has changed.
    fn forget(&mut self) {
        self.places.forget();
        for group in self.groups.values_mut() {
            group.scanner.forget();
            group.layouts.clear();
            group.spots.clear();
        }
    }

    fn keep_small(&mut self) {
        if self.files.keep_small(MOST_NAMES) {
            self.places.forget();
            self.groups.clear();
        }
        if self.groups.len() > MOST_GROUPS {
            self.groups.clear();
        }
        for group in self.groups.values_mut().filter(|group| group.layouts.len() > MOST_LAYOUTS) {
            group.layouts.clear();
            group.spots.clear();
        }
    }

    fn plan(
        &mut self,
        errand: &Errand,
        reading: &Reading,
        setting: &Setting,
        server: Option<SocketAddr>,
    ) -> Result<Plan, Doubt> {
        let fresh = Instant::now().checked_sub(FRESH).unwrap_or_else(Instant::now);
        let settled = self.settle(errand, reading, setting, fresh)?;
        match errand.way {
            Way::Whole | Way::NamingFolders => self.gather(errand, setting, settled.layout, server),
            Way::Below => self.gather_below(errand, reading, setting, settled),
        }
    }

    /// What a job reads, as it has been since `since`.
    fn settle(
        &mut self,
        errand: &Errand,
        reading: &Reading,
        setting: &Setting,
        since: Instant,
    ) -> Result<Settled, Doubt> {
        self.files.catch_up();
        // What people edit most. The scanner sees by itself that it is another one.
        self.files.refresh(&absolute(&errand.folder, &reading.source));
        let compile = compile(reading);
        let mut changed = Vec::new();
        for _ in 0..MOST_TRIES {
            let key = self.group_key(errand, reading, setting);
            let closure = self.closure(&key, &compile);
            if let Some(name) = self.files.take_disturbed() {
                self.forget();
                changed = name;
                continue;
            }
            if let Some((name, doubt)) = closure.doubts.first() {
                return Err(Doubt {
                    code: doubt_code(doubt),
                    text: String::from_utf8_lossy(name).into_owned(),
                });
            }
            let layout = self.layout(&key, &closure, reading)?;
            if let Some(name) = self.files.take_disturbed() {
                self.forget();
                changed = name;
                continue;
            }
            let generation = self.files.catch_up();
            let seen = match layout.is_unchanged(generation) {
                true => Seen::default(),
                false => self.files.look_over(&layout.grounds, since, false),
            };
            if let Some(name) = seen.changed {
                self.forget();
                changed = name;
                continue;
            }
            return Ok(Settled { key, closure, layout });
        }
        let name = String::from_utf8_lossy(&changed).into_owned();
        Err(Doubt { code: "files-change", text: format!("{name} changes all the time") })
    }

    fn group_key(&mut self, errand: &Errand, reading: &Reading, setting: &Setting) -> GroupKey {
        let Search { quoted, all } =
            search(reading, &setting.folders, setting.is_clang, &mut |name| {
                self.files.folder_number(&absolute(&errand.folder, name))
            });
        let macros = setting.macros.clone();
        let folder = errand.folder.clone();
        GroupKey {
            folder,
            quoted,
            all,
            macros,
            maps_names: reading.maps_names,
            has_trigraphs: reading.has_trigraphs,
        }
    }

    fn closure(&mut self, key: &GroupKey, compile: &Compile) -> Arc<Closure> {
        if !self.groups.contains_key(key) {
            self.groups.insert(key.clone(), Group::new(key));
        }
        let group =
            self.groups.get_mut(key).unwrap_or_else(|| unreachable!("it was just put there"));
        group.scanner.closure(compile, &mut self.files.seen_from(&key.folder, &mut self.places))
    }

    /// Gathers what is sent.
    fn gather(
        &mut self,
        errand: &Errand,
        setting: &Setting,
        layout: Arc<Layout>,
        server: Option<SocketAddr>,
    ) -> Result<Plan, Doubt> {
        let words = sent_words(errand, setting, &layout, &self.files)?;
        let head = wire::encode_tree_head(&errand.folder, &words, layout.n_entries())
            .map_err(|error| cannot_travel(&error))?;
        let mut pieces = Pieces::after(head);
        let keeps = |server: &SocketAddr| {
            errand.keeping != Keeping::Nothing && self.kept.is_worth_it(*server)
        };
        let server = server.filter(keeps);
        if let (Some(server), Keeping::Anew) = (server, errand.keeping) {
            self.kept.forget(server);
        }
        let mut offer = Offer::to(server);
        let had = server.and_then(|server| self.kept.had_by(server));
        layout.others.iter().for_each(|other| pieces.add(other));
        for (route, id) in &layout.files {
            let id = *id;
            let name = Token { name: TokenName::Name, param: route.end.len() as u32 };
            pieces.add(&name.encode());
            pieces.add(&route.end);
            if let Some(key) = had.as_ref().and_then(|had| had.key(id)) {
                pieces.add(&wire::encode_kept(&key));
                continue;
            }
            let body = self.files.body(id).ok_or_else(|| gone(&route.end))?;
            if server.is_some()
                && self.files.is_settled(id)
                && let Some(key) = self.kept.key(id)
            {
                pieces.add(&wire::encode_keep(&key));
                offer.add(id);
            }
            pieces.add_body(body);
        }
        Ok(Plan { pieces: pieces.all(), layout, offer })
    }

    /// Gathers what is sent to a server that lays the files out below a folder of its own.
    fn gather_below(
        &mut self,
        errand: &Errand,
        reading: &Reading,
        setting: &Setting,
        settled: Settled,
    ) -> Result<Plan, Doubt> {
        let words = sent_words(errand, setting, &settled.layout, &self.files)?;
        let survey = self.survey(&settled, reading, setting, Headers::Sent, &mut |_| false)?;
        let n_entries = survey.files.len() + survey.links.len() + survey.folders.len();
        let head = wire::encode_tree_head(&errand.folder, &words, n_entries)
            .map_err(|error| cannot_travel(&error))?;
        let mut pieces = Pieces::after(head);
        for (name, target) in &survey.links {
            let link = wire::encode_tree_link(name, target);
            pieces.add(&link.map_err(|error| cannot_travel(&error))?);
        }
        for folder in &survey.folders {
            let file = wire::encode_tree_file(&[folder, FOLDER_MARK].concat(), b"");
            pieces.add(&file.map_err(|error| cannot_travel(&error))?);
        }
        for (copied, content) in survey.files {
            let content = content.ok_or_else(|| gone(&copied.place))?;
            let token = |name, length: usize| Token { name, param: length as u32 }.encode();
            let name = token(TokenName::Name, copied.place.len());
            let file = token(TokenName::File, content.len());
            pieces.add(&[&name[..], &copied.place, &file].concat());
            pieces.add_body(content);
        }
        Ok(Plan { pieces: pieces.all(), layout: settled.layout, offer: Offer::to(None) })
    }
}

impl Group {
    fn new(key: &GroupKey) -> Group {
        let search = Search { quoted: key.quoted.clone(), all: key.all.clone() };
        let own_macros = Some(Arc::clone(&key.macros.0));
        let setting = includes::Setting {
            search,
            own_macros,
            maps_names: key.maps_names,
            has_trigraphs: key.has_trigraphs,
        };
        Group { scanner: Scanner::new(setting), layouts: HashMap::new(), spots: Spots::default() }
    }
}

/// What the compiler reads before everything else, where the system has it.
const FIRST_HEADER: &[u8] = b"stdc-predef.h";

/// How the words begin that only our servers understand.
const OWN_MARK: &[u8] = b"--distcc-";

/// The command to send. Where the server's compiler is to look into this one's folders, it has to be
/// told them, and what GCC reads first: it does not do that by itself then.
fn sent_words<'a>(
    errand: &'a Errand,
    setting: &'a Setting,
    layout: &Layout,
    files: &FileTable,
) -> Result<Vec<&'a [u8]>, Doubt> {
    let mut words: Vec<&[u8]> = errand.sent.iter().map(Vec::as_slice).collect();
    if errand.way == Way::Whole {
        return Ok(words);
    }
    if setting.is_clang {
        let text = "Clang of another place has other headers of its own".to_owned();
        return Err(Doubt { code: "other-folders", text });
    }
    let is_first = |number: &NameNumber| {
        let name = files.name(*number);
        let folder = name.strip_suffix(FIRST_HEADER).and_then(|rest| rest.strip_suffix(b"/"));
        folder.is_some_and(|folder| setting.folders.iter().any(|own| own == folder))
    };
    if layout.names.iter().any(is_first) {
        let place = 1 + words.iter().skip(1).take_while(|word| word.starts_with(OWN_MARK)).count();
        words.splice(place..place, [&b"-include"[..], FIRST_HEADER]);
    }
    words.push(b"-nostdinc");
    words.extend(setting.folders.iter().flat_map(|folder| [&b"-isystem"[..], folder]));
    Ok(words)
}

fn compile(reading: &Reading) -> Compile {
    let macros = reading.macros.iter().map(|word| match word {
        MacroWord::Define(text) => MacroOption::Define(text.clone()),
        MacroWord::Undefine(name) => MacroOption::Undefine(name.clone()),
    });
    Compile {
        source: reading.source.clone(),
        macro_files: reading.macro_files.clone(),
        included: reading.included.clone(),
        macros: macros.collect(),
    }
}

fn cannot_travel(error: &wire::WireError) -> Doubt {
    Doubt { code: "unusual-file", text: format!("it cannot be sent: {error}") }
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
        ClosureDoubt::Told(Told::Module) => "module",
        ClosureDoubt::PrecompiledHeader => "precompiled-header",
        ClosureDoubt::Missing => "missing-file",
    }
}
