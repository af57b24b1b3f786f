//! The files of this machine, as far as compiles have asked for them: what is at a name, what a file
//! says of others, and its content as it travels. Nothing is taken for true that was not looked at
//! since a given time.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use includes::{Facts, FileId, Files, Found};
use rustix::fs::{FileType, Mode, OFlags, Stat};
use wire::{Token, TokenName};

use crate::identity::Identity;
use crate::names::{absolute, folder_of};
use crate::tree::{Places, Route};
use crate::watch::{Trail, Watch};

/// The largest file that is sent.
const LARGEST: u64 = 64 << 20;

/// What is known of files.
pub(crate) struct FileTable {
    /// Tells this table from the one before, whose numbers mean nothing here.
    age: u64,
    numbers: HashMap<Arc<[u8]>, NameNumber>,
    /// By their numbers.
    names: Vec<Known>,
    /// Folders in which files were looked for in vain.
    folders: HashMap<Arc<[u8]>, Folder>,
    /// Folders that names lead through, to leave them again by `..`.
    passages: HashMap<Arc<[u8]>, Passage>,
    ids: HashMap<Identity, FileId>,
    contents: HashMap<FileId, Content>,
    /// The last number that was given to a state of a file or folder.
    number: u64,
    /// What the bodies take, in bytes, and what they may.
    body_bytes: usize,
    most_body_bytes: usize,
    clock: u64,
    /// A file that changed, or could not be read, while it was being looked at.
    disturbed: Option<Vec<u8>>,
    watch: Watch,
    room: Room,
}

/// Where contents are read and packed, one after the other.
#[derive(Default)]
struct Room {
    text: Vec<u8>,
    packed: Vec<u8>,
}

/// As much room as stays when it is not used, of each kind.
const MOST_ROOM: usize = 1 << 20;

impl Room {
    fn keep_small(&mut self) {
        for room in [&mut self.text, &mut self.packed] {
            if room.capacity() > MOST_ROOM {
                *room = Vec::new();
            }
        }
    }
}

/// The number of a name, by which it is found without its letters being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NameNumber(u32);

/// What was at a name.
struct Known {
    name: Arc<[u8]>,
    found: Found,
    identity: Option<Identity>,
    looked: Looked,
}

/// When something was looked at.
#[derive(Clone, Copy)]
struct Looked {
    at: Instant,
    /// The watch's generation then, where it is watched.
    generation: Option<u64>,
}

impl Looked {
    fn at(at: Instant) -> Looked {
        Looked { at, generation: None }
    }
}

/// What need not be looked at again: what was looked at since a time, and what has been watched since
/// it was.
#[derive(Clone, Copy)]
struct Since {
    at: Instant,
    generation: u64,
}

impl Since {
    fn is_before(&self, looked: Looked) -> bool {
        looked.at >= self.at || looked.generation == Some(self.generation)
    }
}

/// What came of looking again at what an answer rests on.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// A name at which something else is by now; it may be somebody else who noticed that.
    pub(crate) changed: Option<Vec<u8>>,
    /// Whether nothing of it need be looked at again as long as the watch's generation stays.
    pub(crate) is_watched: bool,
}

struct Folder {
    /// Another one after each change that was noticed in what is looked for there.
    version: u64,
    /// `None` where there is none.
    identity: Option<Identity>,
    /// Whether a change since then would show.
    is_settled: bool,
    looked: Looked,
    /// What was looked for there, and is no file.
    missing: HashSet<NameNumber>,
}

/// What is where a name leads through.
struct Passage {
    /// `None` where no folder is, or a link to one.
    number: Option<Number>,
    looked: Looked,
}

/// Device and inode.
pub(crate) type Number = (u64, u64);

/// What an answer rests on: it holds as long as all of it stays as it is.
#[derive(Debug, Default)]
pub(crate) struct Grounds {
    /// The age of the table that the numbers are of.
    pub(crate) age: u64,
    /// Files, in their states. One that several names lead to is here once.
    pub(crate) files: Vec<(NameNumber, FileId)>,
    /// Folders in which files were looked for in vain, with their versions.
    pub(crate) folders: Vec<(Arc<[u8]>, u64)>,
    /// Folders that those other names lead through.
    pub(crate) passages: Vec<(Arc<[u8]>, Number)>,
}

/// One state of a file.
struct Content {
    /// A name that leads to it.
    name: Arc<[u8]>,
    facts: Option<Arc<Facts>>,
    /// As it travels.
    body: Option<Arc<[u8]>>,
    /// Its text, where a change after it was read might not show.
    unsettled: Option<Arc<[u8]>>,
    used: u64,
}

impl Content {
    /// Whether a change since it was read would show.
    fn is_certain(&self) -> bool {
        self.unsettled.is_none()
    }
}

impl FileTable {
    pub(crate) fn new(most_body_bytes: usize) -> FileTable {
        FileTable {
            age: 0,
            numbers: HashMap::new(),
            names: Vec::new(),
            folders: HashMap::new(),
            passages: HashMap::new(),
            ids: HashMap::new(),
            contents: HashMap::new(),
            number: 0,
            body_bytes: 0,
            most_body_bytes,
            clock: 0,
            disturbed: None,
            watch: Watch::after(0),
            room: Room::default(),
        }
    }

    /// How many names, and how many bytes of bodies are kept.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.names.len(), self.body_bytes)
    }

    /// How many places are watched, and how often something was heard that may matter.
    pub(crate) fn watched(&self) -> (usize, u64) {
        self.watch.size()
    }

    /// Forgets everything, when it has become too much.
    pub(crate) fn keep_small(&mut self, most_names: usize) -> bool {
        let is_too_large = self.names.len() > most_names;
        if is_too_large {
            let watch = Watch::after(self.watch.generation());
            let (number, age) = (self.number, self.age + 1);
            *self = FileTable { number, age, watch, ..FileTable::new(self.most_body_bytes) };
        }
        is_too_large
    }

    /// The files as a compiler sees them that works in `folder`.
    pub(crate) fn seen_from<'a>(
        &'a mut self,
        folder: &'a [u8],
        places: &'a mut Places,
    ) -> View<'a> {
        View { table: self, folder, places }
    }

    /// The file whose looking-at failed since this was asked last.
    pub(crate) fn take_disturbed(&mut self) -> Option<Vec<u8>> {
        self.disturbed.take()
    }

    /// Notes that a file is not what it was a moment ago.
    pub(crate) fn disturb(&mut self, name: &[u8]) {
        self.disturbed.get_or_insert_with(|| name.to_vec());
    }

    /// Device and inode of the folder at an absolute name.
    pub(crate) fn folder_number(&mut self, name: &[u8]) -> Option<Number> {
        self.folder(name).identity.map(|identity| identity.number())
    }

    /// Which table this is: each that forgets everything is another.
    pub(crate) fn age(&self) -> u64 {
        self.age
    }

    /// What is at an absolute name.
    pub(crate) fn look(&mut self, name: &[u8]) -> Found {
        let number = self.number(name);
        self.found(number)
    }

    /// The number of an absolute name, which is looked at if it never was.
    pub(crate) fn number(&mut self, name: &[u8]) -> NameNumber {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let name: Arc<[u8]> = name.into();
        match self.folder(folder_of(&name)).identity {
            Some(_) => self.look_anew(&name),
            None => self.put(&name, None, Instant::now()),
        }
    }

    /// The number of an absolute name, if that was looked at.
    pub(crate) fn known_number(&self, name: &[u8]) -> Option<NameNumber> {
        self.numbers.get(name).copied()
    }

    /// The name with a number of this table.
    pub(crate) fn name(&self, number: NameNumber) -> &Arc<[u8]> {
        &self.names[number.0 as usize].name
    }

    /// What was at a name when it was looked at last.
    pub(crate) fn found(&self, number: NameNumber) -> Found {
        self.names[number.0 as usize].found
    }

    /// Looks at a name, whatever is known of it.
    fn look_anew(&mut self, name: &Arc<[u8]>) -> NameNumber {
        // First the folder: what comes after it shows there.
        self.folder(folder_of(name));
        let at = Instant::now();
        self.put(name, stat_file(name).as_ref(), at)
    }

    fn put(&mut self, name: &Arc<[u8]>, stat: Option<&Stat>, at: Instant) -> NameNumber {
        let identity = stat.filter(|stat| is_file(stat)).map(Identity::of);
        let found = match (identity, stat) {
            (Some(identity), _) => Found::File(self.id(identity, name)),
            (None, Some(_)) => Found::Other,
            (None, None) => Found::Missing,
        };
        self.watch.heed(name);
        let known = Known { name: Arc::clone(name), found, identity, looked: Looked::at(at) };
        let number = match self.numbers.get(name) {
            Some(number) => {
                self.names[number.0 as usize] = known;
                *number
            }
            None => {
                let number = NameNumber(self.names.len() as u32);
                self.names.push(known);
                self.numbers.insert(Arc::clone(name), number);
                number
            }
        };
        if identity.is_none() {
            self.folder(folder_of(name)).missing.insert(number);
        }
        number
    }

    fn id(&mut self, identity: Identity, name: &Arc<[u8]>) -> FileId {
        if let Some(id) = self.ids.get(&identity) {
            return *id;
        }
        self.number += 1;
        let id = FileId(self.number);
        self.ids.insert(identity, id);
        let content = Content {
            name: Arc::clone(name),
            facts: None,
            body: None,
            unsettled: None,
            used: self.clock,
        };
        self.contents.insert(id, content);
        id
    }

    fn folder(&mut self, name: &[u8]) -> &mut Folder {
        if !self.folders.contains_key(name) {
            let at = Instant::now();
            let (identity, is_settled) = look_at_folder(name);
            self.number += 1;
            let version = self.number;
            self.watch.heed_all(name);
            let looked = Looked::at(at);
            let folder = Folder { version, identity, is_settled, looked, missing: HashSet::new() };
            self.folders.insert(name.into(), folder);
        }
        self.folders.get_mut(name).unwrap_or_else(|| unreachable!("it was just put there"))
    }

    /// What tells the state of a folder, as far as files were looked for in it in vain.
    pub(crate) fn folder_version(&mut self, name: &[u8]) -> u64 {
        self.folder(name).version
    }

    /// Device and inode of the folder at an absolute name; `None` where there is none, or a link.
    pub(crate) fn passage(&mut self, name: &[u8]) -> Option<Number> {
        if let Some(passage) = self.passages.get(name) {
            return passage.number;
        }
        let (at, number) = (Instant::now(), number_of_folder(name));
        self.watch.heed_all(name);
        self.passages.insert(name.into(), Passage { number, looked: Looked::at(at) });
        number
    }

    /// Takes note of the changes that the kernel has told of. Gives what stays the same until the next.
    pub(crate) fn catch_up(&mut self) -> u64 {
        self.watch.catch_up()
    }

    /// Watches all that names lead through, and the files where they end, from now on; or says that
    /// this cannot be had.
    pub(crate) fn follow<'a>(
        &mut self,
        trail: &Trail,
        files: impl Iterator<Item = (&'a Route, FileId)>,
    ) -> bool {
        let device = |id: FileId| {
            let number = self.numbers.get(&self.contents.get(&id)?.name)?;
            Some(self.names[number.0 as usize].identity?.number().0)
        };
        self.watch.follow(trail, files, device)
    }

    /// Looks again at what an answer rests on, as far as nobody has since `since`. `is_watched`: all
    /// of it has been watched since then at least.
    pub(crate) fn look_over(
        &mut self,
        grounds: &Grounds,
        since: Instant,
        is_watched: bool,
    ) -> Seen {
        let generation = self.watch.generation();
        let since = Since { at: since, generation };
        // Whatever is looked at now is so from now on.
        let now = Looked { at: Instant::now(), generation: is_watched.then_some(generation) };
        let mut seen = Seen { changed: None, is_watched };
        if grounds.age != self.age {
            seen.changed = Some(b"what was known of files".to_vec());
            return seen;
        }
        for (number, id) in &grounds.files {
            if self.found_since(*number, since, now) != Found::File(*id) {
                seen.changed.get_or_insert_with(|| self.name(*number).to_vec());
            }
            seen.is_watched &= self.is_certain(*id);
        }
        for (folder, version) in &grounds.folders {
            let newcomer = self.find_newcomer(folder, since, now);
            if newcomer.is_some() || self.folder_version(folder) != *version {
                seen.changed.get_or_insert_with(|| newcomer.unwrap_or_else(|| folder.to_vec()));
            }
        }
        for (folder, number) in &grounds.passages {
            if self.look_at_passage(folder, since, now) != Some(*number) {
                seen.changed.get_or_insert_with(|| folder.to_vec());
            }
        }
        seen
    }

    fn look_at_passage(&mut self, name: &Arc<[u8]>, since: Since, now: Looked) -> Option<Number> {
        let known = self.passages.get(name);
        if let Some(known) = known.filter(|known| since.is_before(known.looked)) {
            return known.number;
        }
        let was = known.and_then(|known| known.number);
        let number = number_of_folder(name);
        self.watch.heed_all(name);
        self.passages.insert(Arc::clone(name), Passage { number, looked: now });
        if number != was {
            let leads_through = |other: &[u8]| {
                other.strip_prefix(&name[..]).is_some_and(|rest| rest.starts_with(b"/"))
            };
            self.look_again(|other, _| leads_through(other));
        }
        number
    }

    /// Looks again at all names that may lead elsewhere by now.
    fn look_again(&mut self, may_have_changed: impl Fn(&[u8], Found) -> bool) {
        let names = self.names.iter().filter(|known| may_have_changed(&known.name, known.found));
        let names: Vec<Arc<[u8]>> = names.map(|known| Arc::clone(&known.name)).collect();
        for name in names {
            self.look_anew(&name);
        }
    }

    /// Looks again at a file, if it is known.
    pub(crate) fn refresh(&mut self, name: &[u8]) {
        if let Some(number) = self.known_number(name) {
            let now = Instant::now();
            let since = Since { at: now, generation: self.watch.generation() };
            self.found_since(number, since, Looked::at(now));
        }
    }

    /// What is at a name: looked at now, unless somebody has since `since`.
    fn found_since(&mut self, number: NameNumber, since: Since, now: Looked) -> Found {
        let known = &mut self.names[number.0 as usize];
        let found = known.found;
        if since.is_before(known.looked) {
            return found;
        }
        let stat = stat_file(&known.name);
        let identity = stat.as_ref().filter(|stat| is_file(stat)).map(Identity::of);
        if identity == known.identity {
            let Found::File(id) = found else {
                known.looked = now;
                return found;
            };
            let is_certain = self.contents.get(&id).is_some_and(Content::is_certain);
            known.looked = if is_certain { now } else { Looked::at(now.at) };
            if !self.has_unseen_change(id) {
                return found;
            }
            // Where it cannot be read it is as good as none.
            return Some(self.found(number)).filter(|is| *is != found).unwrap_or(Found::Other);
        }
        let name = Arc::clone(&known.name);
        match stat {
            Some(_) => self.put(&name, stat.as_ref(), now.at),
            None => self.look_anew(&name),
        };
        let is = self.found(number);
        if matches!(found, Found::File(_)) {
            // Its other names.
            self.look_again(|_, other| other == found);
        }
        is
    }

    /// Whether a file has another content although it looks the same.
    fn has_unseen_change(&mut self, id: FileId) -> bool {
        let Some(content) = self.contents.get_mut(&id) else { return false };
        let Some(text) = content.unsettled.clone() else { return false };
        let before = SystemTime::now();
        let Ok((now, identity)) = read(&content.name, &mut self.room.text) else { return true };
        if now == &text[..] {
            if identity.is_settled(before) {
                content.unsettled = None;
            }
            return false;
        }
        // The same identity is another content from now on.
        let name = Arc::clone(&content.name);
        self.forget(id);
        self.ids.remove(&identity);
        let id = self.id(identity, &name);
        for known in self.names.iter_mut().filter(|known| known.identity == Some(identity)) {
            known.found = Found::File(id);
        }
        true
    }

    fn forget(&mut self, id: FileId) {
        if let Some(content) = self.contents.remove(&id) {
            self.body_bytes -= content.body.map_or(0, |body| body.len());
        }
    }

    /// Looks for files that were missing in a folder and are there now.
    fn find_newcomer(&mut self, name: &Arc<[u8]>, since: Since, now: Looked) -> Option<Vec<u8>> {
        let folder = self.folder(name);
        if since.is_before(folder.looked) {
            return None;
        }
        let (identity, is_settled) = look_at_folder(name);
        let is_same = identity == folder.identity && folder.is_settled;
        let number = |identity: Option<Identity>| identity.map(|identity| identity.number());
        let is_another = number(identity) != number(folder.identity);
        (folder.identity, folder.is_settled, folder.looked) = (identity, is_settled, now);
        if is_same {
            return None;
        }
        let missing = std::mem::take(&mut folder.missing);
        let mut newcomer = None;
        for number in missing {
            let (name, was) = (Arc::clone(self.name(number)), self.found(number));
            self.put(&name, stat_file(&name).as_ref(), now.at);
            if was != self.found(number) {
                newcomer.get_or_insert_with(|| name.to_vec());
            }
        }
        let newcomer = newcomer.or_else(|| is_another.then(|| name.to_vec()));
        if newcomer.is_some() {
            self.number += 1;
            let number = self.number;
            self.folder(name).version = number;
        }
        newcomer
    }

    /// Reads what is not known of a file. Where it is not what it was, that is noted.
    fn fetch(&mut self, id: FileId) -> Option<(Arc<Facts>, Arc<[u8]>)> {
        self.clock += 1;
        let content = self.contents.get_mut(&id)?;
        content.used = self.clock;
        if let (Some(facts), Some(body)) = (&content.facts, &content.body) {
            return Some((Arc::clone(facts), Arc::clone(body)));
        }
        let name = Arc::clone(&content.name);
        let before = SystemTime::now();
        let Room { text, packed } = &mut self.room;
        let fetched = read(&name, text).ok().filter(|known| self.ids.get(&known.1) == Some(&id));
        let Some((text, identity)) = fetched else {
            self.disturbed.get_or_insert_with(|| name.to_vec());
            return None;
        };
        let content = self.contents.get_mut(&id)?;
        if !identity.is_settled(before) {
            content.unsettled = Some(text.into());
        }
        let facts = content.facts.get_or_insert_with(|| Arc::new(includes::scan(text)));
        let body = pack(text, packed);
        content.body = Some(Arc::clone(&body));
        self.body_bytes += body.len();
        let fetched = (Arc::clone(facts), body);
        self.room.keep_small();
        self.make_room();
        Some(fetched)
    }

    /// Lets go of the bodies that were used longest ago.
    fn make_room(&mut self) {
        if self.body_bytes <= self.most_body_bytes {
            return;
        }
        let mut kept: Vec<(u64, FileId)> = self
            .contents
            .iter()
            .filter(|(_, content)| content.body.is_some())
            .map(|(id, content)| (content.used, *id))
            .collect();
        kept.sort_unstable_by_key(|(used, _)| *used);
        for (_, id) in kept {
            if self.body_bytes <= self.most_body_bytes / 4 * 3 {
                return;
            }
            if let Some(body) = self.contents.get_mut(&id).and_then(|content| content.body.take()) {
                self.body_bytes -= body.len();
            }
        }
    }

    /// Whether a content is certainly the only one that looks like that.
    fn is_certain(&self, id: FileId) -> bool {
        self.contents.get(&id).is_some_and(Content::is_certain)
    }

    /// Whether a content was read and is certainly the only one that looks like that.
    pub(crate) fn is_settled(&self, id: FileId) -> bool {
        let content = self.contents.get(&id);
        content.is_some_and(|content| content.body.is_some() && content.is_certain())
    }

    /// The content of a file as it travels.
    pub(crate) fn body(&mut self, id: FileId) -> Option<Arc<[u8]>> {
        self.fetch(id).map(|(_, body)| body)
    }
}

/// A content as it travels, its length before it. A file is never too long for that.
fn pack(text: &[u8], room: &mut Vec<u8>) -> Arc<[u8]> {
    let token = |n_bytes| Token { name: TokenName::File, param: n_bytes }.encode();
    room.clear();
    room.extend_from_slice(&token(0));
    *room = wire::lzo::compress_behind(text, std::mem::take(room));
    let n_bytes = room.len() - Token::LEN;
    room[..Token::LEN].copy_from_slice(&token(n_bytes as u32));
    room.as_slice().into()
}

/// [`FileTable`] for compiles in one folder.
pub(crate) struct View<'a> {
    table: &'a mut FileTable,
    folder: &'a [u8],
    places: &'a mut Places,
}

impl Files for View<'_> {
    fn look(&mut self, name: &[u8]) -> Found {
        self.table.look(&absolute(self.folder, name))
    }

    fn true_name(&mut self, name: &[u8]) -> Vec<u8> {
        let absolute = absolute(self.folder, name);
        match self.places.route(&absolute) {
            Some(route) if route.end.is_empty() => b"/".to_vec(),
            Some(route) => route.end.clone(),
            None => absolute.into_owned(),
        }
    }

    fn facts(&mut self, file: FileId) -> Arc<Facts> {
        if let Some(facts) =
            self.table.contents.get(&file).and_then(|content| content.facts.clone())
        {
            return facts;
        }
        self.table.fetch(file).map_or_else(Arc::default, |(facts, _)| facts)
    }

    fn text(&mut self, file: FileId) -> Arc<[u8]> {
        let Some(name) = self.table.contents.get(&file).map(|content| Arc::clone(&content.name))
        else {
            return Arc::default();
        };
        match read(&name, &mut self.table.room.text) {
            Ok((text, identity)) if self.table.ids.get(&identity) == Some(&file) => text.into(),
            _ => {
                self.table.disturbed.get_or_insert_with(|| name.to_vec());
                Arc::default()
            }
        }
    }
}

fn is_file(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

fn stat_file(name: &[u8]) -> Option<Stat> {
    rustix::fs::stat(name).ok()
}

/// Device and inode of a folder that is no link to one.
fn number_of_folder(name: &[u8]) -> Option<Number> {
    let stat = rustix::fs::lstat(name).ok()?;
    let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    is_folder.then(|| Identity::of(&stat).number())
}

/// A folder's state, and whether a change from now on would show.
fn look_at_folder(name: &[u8]) -> (Option<Identity>, bool) {
    let before = SystemTime::now();
    let stat = stat_file(name);
    let is_folder = |stat: &Stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    let identity = stat.filter(is_folder).map(|stat| Identity::of(&stat));
    // One that is not there is seen to come.
    (identity, identity.is_none_or(|identity| identity.is_settled(before)))
}

/// Reads a file that stays the same meanwhile. Its text is at the beginning of `room`.
fn read<'a>(name: &[u8], room: &'a mut Vec<u8>) -> io::Result<(&'a [u8], Identity)> {
    // A file may have become a pipe.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file: OwnedFd = rustix::fs::open(name, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&file)?;
    let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
    if !is_file(&stat) || size > LARGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let n_asked = size as usize + 1;
    if room.len() < n_asked {
        room.resize(n_asked, 0);
    }
    // Of a file, less than was asked for is all.
    let n_bytes = rustix::io::read(&file, &mut room[..n_asked])?;
    let identity = Identity::of(&stat);
    if n_bytes as u64 != size || Identity::of(&rustix::fs::fstat(&file)?) != identity {
        return Err(io::Error::other("it changed while it was read"));
    }
    Ok((&room[..n_bytes], identity))
}
