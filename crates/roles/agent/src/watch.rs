//! What the kernel tells of changes, so that what was looked at need not be looked at again.
//!
//! A name leads through folders and links to a file. Where all those folders are watched, and the file
//! too (a change by way of a further link to it shows only there), an event comes before the system
//! call returns that makes the change. So as long as no event has come, whatever was looked at since
//! the watch began is still so.
//!
//! Not all changes make events: none do that come from another machine, or from below a file system
//! that is put together from others. So only those file systems are watched of which it is known that
//! they are whole and of this machine. A file that is changed through memory, or by requests to the kernel
//! that it carries out later (io_submit), makes its event when its writer ends or lets go of it; until then
//! even its time of change need not tell.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use includes::FileId;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::fs::{Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::names::folder_of;
use crate::tree::{Places, Route, parts};

/// The part of what its user may watch in all that an agent takes at most: editors need some too.
const SHARE: usize = 8;

/// Where the kernel tells how much a user may watch. Source: inotify(7).
const MOST_WATCHES: &str = "/proc/sys/fs/inotify/max_user_watches";

/// Where the kernel tells that something is mounted elsewhere. Source: `proc_pid_mounts(5)`.
const MOUNTS: &str = "/proc/self/mountinfo";

/// A watch that ends sooner costs more than it saves.
const WORTHWHILE: Duration = Duration::from_secs(1);

/// How long nothing is watched after one that was not worth it, or could not be had.
const REST: Duration = Duration::from_secs(if cfg!(test) { 0 } else { 10 });

/// File systems whose changes are all made on this machine, and all make events: ext2 to ext4, XFS,
/// Btrfs, F2FS, tmpfs. Source: statfs(2).
const WHOLE: [u32; 5] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x0102_1994];

/// The watch over what was looked at.
pub(crate) struct Watch {
    /// What has begun, if anything has.
    eye: Option<Eye>,
    /// Another one after each event that may concern something that was looked at.
    generation: u64,
    heeded: Heeded,
    rests_until: Option<Instant>,
}

/// The parts of all names that were looked at. Events of others are no news. There are folders in which
/// upper and lower case are the same.
#[derive(Default)]
struct Heeded {
    /// In lower case.
    parts: HashSet<Box<[u8]>>,
}

impl Heeded {
    /// Has the events of a name count in its folder.
    fn add(&mut self, name: &[u8]) {
        let Some(last) = name.rsplit(|byte| *byte == b'/').next() else { return };
        let last = in_lower_case(last);
        if !self.parts.contains(&*last) {
            self.parts.insert((*last).into());
        }
    }

    /// Whether an event of this name in a folder is news.
    fn has(&self, name: &[u8]) -> bool {
        // What is one letter in two cases, only the file system knows.
        !name.is_ascii() || self.parts.contains(&*in_lower_case(name))
    }
}

fn in_lower_case(name: &[u8]) -> Cow<'_, [u8]> {
    match name.iter().any(u8::is_ascii_uppercase) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => Cow::Borrowed(name),
    }
}

/// What is being watched.
struct Eye {
    events: OwnedFd,
    mounts: OwnedFd,
    watched: HashSet<Box<[u8]>>,
    /// Files among these, by the numbers of their places.
    watched_files: HashSet<u32>,
    /// What cannot be watched.
    refused: HashSet<Box<[u8]>>,
    /// Whether all changes on a device make events.
    devices: HashMap<u64, bool>,
    most: usize,
    begun: Instant,
}

/// What has happened, by its consequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum News {
    Nothing,
    /// What was looked at may be another by now.
    Changed,
    /// What is watched may be none of what was looked at by now.
    Moved,
}

/// The folders and links that names lead through.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    folders: BTreeSet<Vec<u8>>,
    links: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The folder that was added last.
    last: Vec<u8>,
}

impl Trail {
    /// Adds the way to a file.
    pub(crate) fn add(&mut self, route: &Route) {
        // Files of a folder come one after another as a rule.
        let folder = folder_of(&route.end);
        if self.last != folder {
            self.last = folder.to_vec();
            self.add_folders_of(&route.end);
        }
        for (link, target) in &route.links {
            self.add_folders_of(link);
            if !self.links.contains_key(link) {
                self.links.insert(link.clone(), target.clone());
            }
        }
        for folder in &route.folders {
            self.add_with_folders(folder);
        }
    }

    /// Adds the way to a folder, as far as there is one, and the folder itself.
    pub(crate) fn add_folder(&mut self, name: &[u8], places: &mut Places) {
        let mut name = name;
        loop {
            if let Some(route) = places.route(name) {
                self.add(&route);
                if places.is_folder(&route.end) {
                    self.add_with_folders(&route.end);
                }
                return;
            }
            name = folder_of(name);
        }
    }

    /// Adds a folder that is no link, and those that it lies in.
    pub(crate) fn add_with_folders(&mut self, folder: &[u8]) {
        let folder: &[u8] = if folder.is_empty() { b"/" } else { folder };
        if !self.folders.contains(folder) {
            self.folders.insert(folder.to_vec());
            self.add_folders_of(folder);
        }
    }

    fn add_folders_of(&mut self, path: &[u8]) {
        let mut path = path;
        while path.len() > 1 {
            path = folder_of(path);
            if self.folders.contains(path) {
                return;
            }
            self.folders.insert(path.to_vec());
        }
    }
}

impl Watch {
    /// A watch over nothing, after one with this generation.
    pub(crate) fn after(generation: u64) -> Watch {
        Watch {
            eye: None,
            generation: generation + 1,
            heeded: Heeded::default(),
            rests_until: None,
        }
    }

    /// The state of the world, as far as it is watched: what was watched and looked at is the same
    /// as long as this is.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// How many places are watched, and how often something was heard that may matter.
    pub(crate) fn size(&self) -> (usize, u64) {
        (self.eye.as_ref().map_or(0, |eye| eye.watched.len()), self.generation - 1)
    }

    /// Has the events of a name count from now on, in its folder.
    pub(crate) fn heed(&mut self, name: &[u8]) {
        self.heeded.add(name);
    }

    /// Has the events of all parts of a name count from now on.
    pub(crate) fn heed_all(&mut self, name: &[u8]) {
        parts(name).for_each(|part| self.heeded.add(part));
    }

    /// Takes note of what has happened, and gives the generation.
    pub(crate) fn catch_up(&mut self) -> u64 {
        let Some(eye) = &self.eye else { return self.generation };
        match eye.news(&self.heeded) {
            News::Nothing => {}
            News::Changed => self.generation += 1,
            News::Moved => {
                self.generation += 1;
                if eye.begun.elapsed() < WORTHWHILE {
                    self.rests_until = Some(Instant::now() + REST);
                }
                self.eye = None;
            }
        }
        self.generation
    }

    /// Watches all that names lead through and the files where they end, from now on; or says that
    /// this cannot be had. What is looked at afterwards holds as long as the generation does. `device` gives that of
    /// a file, as far as it is known.
    pub(crate) fn follow<'a>(
        &mut self,
        trail: &Trail,
        mut files: impl Iterator<Item = (&'a Route, FileId)>,
        device: impl Fn(FileId) -> Option<u64>,
    ) -> bool {
        if self.eye.is_none() {
            if self.rests_until.is_some_and(|end| Instant::now() < end) {
                return false;
            }
            self.eye = Eye::open();
            self.rests_until = self.eye.is_none().then(|| Instant::now() + REST);
        }
        let Some(eye) = &mut self.eye else { return false };
        let heeded = &mut self.heeded;
        trail.links.keys().for_each(|link| heeded.add(link));
        let is_same = |(link, target): (&Vec<u8>, &Vec<u8>)| {
            let found = rustix::fs::readlink(&link[..], Vec::new());
            found.is_ok_and(|found| found.as_bytes() == &target[..])
        };
        // Each folder after the one that it lies in: whatever is exchanged from then on is seen.
        trail.folders.iter().all(|folder| eye.watch_folder(folder, heeded))
            && trail.links.iter().all(is_same)
            && files.all(|(route, id)| eye.watch_file(route, || device(id), heeded))
    }
}

/// What is told of a folder: what comes and goes in it, and who may enter it. That something is written
/// there, its files tell. A folder in which everybody has files, such as `/tmp`, stays open: to be told of that,
/// the kernel would have to mark each of the thousands of names that it knows there, which takes it
/// many milliseconds.
fn folder_events(found: &Stat) -> WatchFlags {
    let is_everybodys = Mode::from_raw_mode(found.st_mode).contains(Mode::SVTX);
    if is_everybodys { COMES_AND_GOES } else { COMES_AND_GOES.union(WatchFlags::ATTRIB) }
}

const COMES_AND_GOES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR)
    .union(WatchFlags::DONT_FOLLOW);

/// What is told of a file.
const FILE_EVENTS: WatchFlags = WatchFlags::MODIFY
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::DONT_FOLLOW);

/// After these, what is watched may be somewhere else.
const MOVES: ReadFlags = ReadFlags::CREATE
    .union(ReadFlags::DELETE)
    .union(ReadFlags::MOVED_FROM)
    .union(ReadFlags::MOVED_TO)
    .union(ReadFlags::DELETE_SELF)
    .union(ReadFlags::MOVE_SELF)
    .union(ReadFlags::QUEUE_OVERFLOW)
    .union(ReadFlags::UNMOUNT)
    .union(ReadFlags::IGNORED);

impl Eye {
    fn open() -> Option<Eye> {
        let most = std::fs::read_to_string(MOST_WATCHES).ok()?.trim().parse::<usize>().ok()?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let mounts = rustix::fs::open(MOUNTS, flags, Mode::empty()).ok()?;
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
        Some(Eye {
            events,
            mounts,
            watched: HashSet::new(),
            watched_files: HashSet::new(),
            refused: HashSet::new(),
            devices: HashMap::new(),
            most: most / SHARE,
            begun: Instant::now(),
        })
    }

    /// Watches a folder from now on, or says that this cannot be had.
    fn watch_folder(&mut self, folder: &[u8], heeded: &mut Heeded) -> bool {
        self.watch(folder, heeded, || {
            let found = rustix::fs::lstat(folder).ok()?;
            Some((found.st_dev, folder_events(&found)))
        })
    }

    /// Likewise a file, on this device.
    fn watch_file(
        &mut self,
        file: &Route,
        device: impl Fn() -> Option<u64>,
        heeded: &mut Heeded,
    ) -> bool {
        if self.watched_files.contains(&file.number) {
            return true;
        }
        let is_watched = self.watch(&file.end, heeded, || Some((device()?, FILE_EVENTS)));
        if is_watched {
            self.watched_files.insert(file.number);
        }
        is_watched
    }

    /// Watches a place, of which `about` tells the device and what is wanted.
    fn watch(
        &mut self,
        place: &[u8],
        heeded: &mut Heeded,
        about: impl Fn() -> Option<(u64, WatchFlags)>,
    ) -> bool {
        if self.watched.contains(place) {
            return true;
        }
        if self.watched.len() >= self.most || self.refused.contains(place) {
            return false;
        }
        heeded.add(place);
        let is_watched = about().is_some_and(|(device, wanted)| {
            *self.devices.entry(device).or_insert_with(|| is_whole(place))
                && inotify::add_watch(&self.events, place, wanted).is_ok()
        });
        let places = if is_watched { &mut self.watched } else { &mut self.refused };
        places.insert(place.into());
        is_watched
    }

    /// What has happened since this was asked last.
    fn news(&self, heeded: &Heeded) -> News {
        let mut ends =
            [PollFd::new(&self.events, PollFlags::IN), PollFd::new(&self.mounts, PollFlags::PRI)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        match poll(&mut ends, Some(&at_once)) {
            Ok(0) => return News::Nothing,
            Ok(_) if ends[1].revents().is_empty() => {}
            _ => return News::Moved,
        }
        let mut buffer = [MaybeUninit::uninit(); 16 << 10];
        let mut reader = inotify::Reader::new(&self.events, &mut buffer);
        let mut news = News::Nothing;
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return news,
                Err(_) => return News::Moved,
            };
            let name = event.file_name();
            let is_heeded = name.is_none_or(|name| heeded.has(name.to_bytes()));
            if is_heeded {
                let is_move = event.events().intersects(MOVES);
                news = news.max(if is_move { News::Moved } else { News::Changed });
            }
        }
    }
}

/// Whether all changes at a place make events.
pub(crate) fn is_whole(place: impl rustix::path::Arg) -> bool {
    rustix::fs::statfs(place).is_ok_and(|found| WHOLE.contains(&(found.f_type as u32)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_heeded_in_either_case() {
        let mut heeded = Heeded::default();
        heeded.add(b"/usr/include/X11/Xlib.h");
        for (name, is_news) in [
            ("Xlib.h", true),
            ("XLIB.H", true),
            ("xlib.o", false),
            ("X11", false),
            ("\u{e9}.o", true),
        ] {
            assert_eq!(heeded.has(name.as_bytes()), is_news, "{name}");
        }
    }
}
