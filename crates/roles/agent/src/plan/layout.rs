//! How a server is to lay out the files of a closure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use compiler_args::Reading;
use foldhash::{HashMap, HashSet, HashSetExt};
use includes::{Closure, FileId, Found};

use super::{Core, Doubt, GroupKey, cannot_travel, gone};
use crate::files::{FileTable, Grounds, NameNumber};
use crate::names::absolute;
use crate::tree::{Places, Route};
use crate::watch::Trail;

/// The name by which an empty folder is sent. Source: the convention of distcc 3.4.
pub(super) const FOLDER_MARK: &[u8] = b"/forcing_technique_271828";

/// The files of a closure, as a server is to lay them out.
pub(crate) struct Layout {
    /// Links and folders, as they travel.
    pub(super) others: Vec<Vec<u8>>,
    /// Files, folder by folder.
    pub(super) files: Vec<(Arc<Route>, FileId)>,
    /// The names by which the scanner knows the files, in order.
    pub(super) names: Vec<NameNumber>,
    /// What it depends on.
    pub(super) grounds: Grounds,
    /// What the names of that lead through.
    pub(super) trail: Trail,
    /// What a compiler has read, as far as that is known to be among the files: the text told last.
    pub(super) approved: Mutex<Vec<u8>>,
    /// The watch's generation since which all of that is watched; 0 before.
    pub(super) generation: AtomicU64,
}

impl Layout {
    /// How many files, links and folders there are.
    pub(crate) fn n_entries(&self) -> usize {
        self.others.len() + self.files.len()
    }

    /// The ways to the files.
    pub(super) fn routes(&self) -> impl Iterator<Item = &Route> {
        self.files.iter().map(|(route, _)| &**route)
    }

    /// Whether the scanner knows a file by that name.
    pub(super) fn has_name(&self, number: NameNumber) -> bool {
        self.names.binary_search(&number).is_ok()
    }

    /// Whether its numbers are those of this table.
    pub(super) fn is_of(&self, files: &FileTable) -> bool {
        self.grounds.age == files.age()
    }

    /// Whether all that it depends on is watched, and nothing was heard of a change since.
    pub(super) fn is_unchanged(&self, generation: u64) -> bool {
        self.generation.load(Ordering::Relaxed) == generation
    }
}

/// What is known of a name in closures of a group, by the place of the name, which is kept for that.
pub(super) type Spots = HashMap<usize, Spot>;

/// Where a name leads.
pub(super) struct Spot {
    _name: Arc<[u8]>,
    number: NameNumber,
    route: Arc<Route>,
    /// The name by which the file is looked at: where no link is on the way, that of its place.
    looked_at: NameNumber,
}

impl Spot {
    fn find(
        name: &Arc<[u8]>,
        folder: &[u8],
        files: &mut FileTable,
        places: &mut Places,
    ) -> Result<Spot, Doubt> {
        let at = absolute(folder, name);
        let number = files.number(&at);
        let route = places.route(&at).ok_or_else(|| gone(&at))?;
        if is_no_place_for_files(&route.end) {
            return Err(Doubt {
                code: "unusual-file",
                text: format!("{} is made by the kernel", String::from_utf8_lossy(&at)),
            });
        }
        let is_elsewhere = route.links.is_empty() && route.end[..] != at[..];
        let looked_at = if is_elsewhere { files.number(&route.end) } else { number };
        Ok(Spot { _name: Arc::clone(name), number, route, looked_at })
    }
}

impl Core {
    /// How the files of a closure are laid out.
    pub(super) fn layout(
        &mut self,
        key: &GroupKey,
        closure: &Arc<Closure>,
        reading: &Reading,
    ) -> Result<Arc<Layout>, Doubt> {
        let number = Arc::as_ptr(closure).addr();
        let known = self.groups.get(key).and_then(|group| group.layouts.get(&number));
        if let Some((_, layout)) = known {
            return Ok(Arc::clone(layout));
        }
        let layout = Arc::new(self.lay_out(key, closure, reading)?);
        if let Some(group) = self.groups.get_mut(key) {
            group.layouts.insert(number, (Arc::clone(closure), Arc::clone(&layout)));
        }
        Ok(layout)
    }

    fn lay_out(
        &mut self,
        key: &GroupKey,
        closure: &Closure,
        reading: &Reading,
    ) -> Result<Layout, Doubt> {
        let mut nowhere = Spots::default();
        let spots = self.groups.get_mut(key).map_or(&mut nowhere, |group| &mut group.spots);
        let n_files = closure.files.len();
        let mut looked_at = Vec::with_capacity(n_files);
        let mut names = Vec::with_capacity(n_files);
        let mut files = Vec::with_capacity(n_files);
        let mut ends = HashSet::with_capacity(n_files);
        let mut passages: HashSet<&Vec<u8>> = HashSet::new();
        // Detours and links on the way.
        let mut unusual = Vec::new();
        for name in &closure.files {
            let address = Arc::as_ptr(name).addr();
            let spot = match spots.get(&address) {
                Some(spot) => spot,
                None => {
                    let spot = Spot::find(name, &key.folder, &mut self.files, &mut self.places)?;
                    spots.entry(address).or_insert(spot)
                }
            };
            let Found::File(id) = self.files.found(spot.number) else { return Err(gone(name)) };
            if self.files.found(spot.looked_at) != Found::File(id) {
                for number in [spot.number, spot.looked_at] {
                    let name = Arc::clone(self.files.name(number));
                    self.files.refresh(&name);
                }
                let name = Arc::clone(self.files.name(spot.number));
                self.files.disturb(&name);
            }
            looked_at.push((spot.looked_at, id));
            names.push(spot.number);
            if ends.insert(spot.route.number) {
                files.push((Arc::clone(&spot.route), id));
            }
            if !spot.route.links.is_empty() || !spot.route.folders.is_empty() {
                unusual.push((Arc::clone(&spot.route), spot.looked_at != spot.number));
            }
        }
        names.sort_unstable();
        looked_at.sort_unstable_by_key(|(number, _)| *number);
        looked_at.dedup();
        for (route, _) in unusual.iter().filter(|(_, is_elsewhere)| *is_elsewhere) {
            passages.extend(&route.folders);
        }
        let missed = closure.missed_in.iter().map(|name| &name[..]);
        let searched = || key.quoted.iter().chain(&key.all).map(Vec::as_slice);
        let wished = reading.all.iter().chain(&reading.quoted).chain(&reading.system);
        let wished = wished.chain(&reading.after).map(Vec::as_slice);
        let folders: HashSet<Arc<[u8]>> = missed
            .chain(searched().chain(wished))
            .map(|name| Arc::from(&*absolute(&key.folder, name)))
            .collect();
        let mut trail = Trail::default();
        let mut others = Others::default();
        let holding = sort_by_folder(&mut files);
        holding.iter().for_each(|folder| trail.add_with_folders(folder));
        for (route, _) in &unusual {
            trail.add(route);
            others.add_way(route);
        }
        for name in searched().chain([&key.folder[..]]) {
            let at = absolute(&key.folder, name);
            let route = self.places.route(&at).ok_or_else(|| gone(&at))?;
            others.folders.insert(route.end.clone());
            others.add_way(&route);
        }
        for name in folders.iter().map(|name| &name[..]).chain([&key.folder[..]]) {
            trail.add_folder(name, &mut self.places);
        }
        let version = |name: Arc<[u8]>| (Arc::clone(&name), self.files.folder_version(&name));
        let folders = folders.into_iter().map(version).collect();
        let mut ways = Vec::with_capacity(passages.len());
        for name in passages {
            let number = self.files.passage(name).ok_or_else(|| gone(name))?;
            ways.push((name.as_slice().into(), number));
        }
        let age = self.files.age();
        Ok(Layout {
            others: others.encode(&holding)?,
            files,
            names,
            grounds: Grounds { age, files: looked_at, folders, passages: ways },
            trail,
            approved: Mutex::default(),
            generation: AtomicU64::new(0),
        })
    }
}

/// Sorts files by their folders, so that a server makes one after the other. Gives those folders.
fn sort_by_folder(files: &mut [(Arc<Route>, FileId)]) -> Vec<Vec<u8>> {
    let mut folders: Vec<&Arc<Route>> = files.iter().map(|(route, _)| route).collect();
    folders.sort_unstable_by_key(|route| route.folder);
    folders.dedup_by_key(|route| route.folder);
    folders.sort_unstable_by_key(|route| route.folder_name());
    let ranks: HashMap<u32, usize> =
        folders.iter().enumerate().map(|(rank, route)| (route.folder, rank)).collect();
    let folders = folders.iter().map(|route| route.folder_name().to_vec()).collect();
    files.sort_by_key(|(route, _)| ranks[&route.folder]);
    folders
}

/// Links, and folders that have to be there.
#[derive(Default)]
struct Others {
    links: BTreeMap<Vec<u8>, Vec<u8>>,
    folders: BTreeSet<Vec<u8>>,
}

impl Others {
    fn add_way(&mut self, route: &Route) {
        self.links.extend(route.links.iter().cloned());
        self.folders.extend(route.folders.iter().cloned());
    }

    /// As they travel: all but the folders that are there because of a file or a link in them.
    fn encode(&self, holding: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Doubt> {
        let mut others = Vec::new();
        for (name, target) in &self.links {
            let link = wire::encode_tree_link(name, target);
            others.push(link.map_err(|error| cannot_travel(&error))?);
        }
        let is_implied = |folder: &[u8]| {
            let lies_in = |name: &Vec<u8>| {
                let rest = name.strip_prefix(folder);
                rest.is_some_and(|rest| rest.starts_with(b"/"))
            };
            holding.iter().any(|other| other == folder || lies_in(other))
                || self.links.keys().any(lies_in)
        };
        for folder in self.folders.iter().filter(|name| !name.is_empty() && !is_implied(name)) {
            let file = wire::encode_tree_file(&[folder, FOLDER_MARK].concat(), b"");
            others.push(file.map_err(|error| cannot_travel(&error))?);
        }
        Ok(others)
    }
}

/// Whether what lies there says something else on another machine.
fn is_no_place_for_files(name: &[u8]) -> bool {
    [&b"/proc/"[..], b"/sys/", b"/dev/"].iter().any(|folder| name.starts_with(folder))
}
