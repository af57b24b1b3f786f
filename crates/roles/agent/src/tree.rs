//! The way to a file: the folders and links that have to be there for a name to lead to it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::Arc;

use foldhash::HashMap;
use rustix::fs::FileType;

/// How many links a name may lead through. Linux follows 40.
const MOST_LINKS: usize = 40;

/// What is where, links not followed; each place is looked at once.
#[derive(Default)]
pub(crate) struct Places {
    known: HashMap<Vec<u8>, Place>,
    routes: HashMap<Vec<u8>, Option<Arc<Route>>>,
    /// Numbers of places, none of which is ever given again.
    numbers: HashMap<Vec<u8>, u32>,
    last_number: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Folder,
    Link(Vec<u8>),
    /// A file, or nothing.
    Other,
}

/// The way to a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Route {
    /// Where it is, without links and detours.
    pub(crate) end: Vec<u8>,
    /// Links on the way, with what stands in them.
    pub(crate) links: Vec<(Vec<u8>, Vec<u8>)>,
    /// Folders that are left again by `..`.
    pub(crate) folders: Vec<Vec<u8>>,
    /// The number that all ways to this place share, and no other.
    pub(crate) number: u32,
    /// That of the folder in which the place lies.
    pub(crate) folder: u32,
}

impl Route {
    /// The folder in which the place lies; empty for the root.
    pub(crate) fn folder_name(&self) -> &[u8] {
        let end = self.end.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        &self.end[..end]
    }
}

impl Places {
    /// Forgets what is where.
    pub(crate) fn forget(&mut self) {
        *self = Places { last_number: self.last_number, ..Places::default() };
    }

    fn number(&mut self, place: &[u8]) -> u32 {
        if let Some(number) = self.numbers.get(place) {
            return *number;
        }
        self.last_number += 1;
        self.numbers.insert(place.to_vec(), self.last_number);
        self.last_number
    }

    /// The way that an absolute name leads; `None` where links go round in circles, or the way leads
    /// through something that is no folder.
    pub(crate) fn route(&mut self, name: &[u8]) -> Option<Arc<Route>> {
        if let Some(known) = self.routes.get(name) {
            return known.clone();
        }
        let route = self.walk(name).map(|mut route| {
            (route.number, route.folder) =
                (self.number(&route.end), self.number(route.folder_name()));
            Arc::new(route)
        });
        self.routes.insert(name.to_vec(), route.clone());
        route
    }

    /// Whether a folder is at a path without links.
    pub(crate) fn is_folder(&mut self, path: &[u8]) -> bool {
        path.is_empty() || *self.place(path) == Place::Folder
    }

    fn walk(&mut self, name: &[u8]) -> Option<Route> {
        let mut route = Route::default();
        let mut left: Vec<Vec<u8>> = parts(name).rev().map(<[u8]>::to_vec).collect();
        while let Some(part) = left.pop() {
            if part == b".." {
                let is_new = !route.end.is_empty() && !route.folders.contains(&route.end);
                if is_new {
                    route.folders.push(route.end.clone());
                }
                let parent = route.end.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                route.end.truncate(parent);
                continue;
            }
            let parent = route.end.len();
            route.end.push(b'/');
            route.end.extend_from_slice(&part);
            match self.place(&route.end).clone() {
                Place::Folder => {}
                Place::Link(target) => {
                    if route.links.len() == MOST_LINKS {
                        return None;
                    }
                    left.extend(parts(&target).rev().map(<[u8]>::to_vec));
                    let link = std::mem::take(&mut route.end);
                    if !target.starts_with(b"/") {
                        route.end = link[..parent].to_vec();
                    }
                    let target = if goes_down_and_up(&target) { true_name(&link)? } else { target };
                    route.links.push((link, target));
                }
                Place::Other if left.is_empty() => {}
                Place::Other => return None,
            }
        }
        Some(route)
    }

    fn place(&mut self, path: &[u8]) -> &Place {
        if !self.known.contains_key(path) {
            let place = match rustix::fs::lstat(path) {
                Ok(found) => match FileType::from_raw_mode(found.st_mode) {
                    FileType::Directory => Place::Folder,
                    FileType::Symlink => match rustix::fs::readlink(path, Vec::new()) {
                        Ok(target) => Place::Link(target.into_bytes()),
                        Err(_) => Place::Other,
                    },
                    _ => Place::Other,
                },
                Err(_) => Place::Other,
            };
            self.known.insert(path.to_vec(), place);
        }
        &self.known[path]
    }
}

/// Whether a name goes down before it goes up: servers take no such links.
fn goes_down_and_up(target: &[u8]) -> bool {
    parts(target).skip_while(|part| *part == b"..").any(|part| part == b"..")
}

fn true_name(link: &[u8]) -> Option<Vec<u8>> {
    let found = std::fs::canonicalize(OsStr::from_bytes(link)).ok()?;
    Some(found.into_os_string().into_vec())
}

/// The parts of a name that lead somewhere.
pub(crate) fn parts(name: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    name.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".")
}

/// A tree of files, for a server to lay out.
#[derive(Debug, Default)]
pub(crate) struct Tree<F> {
    pub(crate) files: BTreeMap<Vec<u8>, F>,
    pub(crate) links: BTreeMap<Vec<u8>, Vec<u8>>,
    folders: BTreeSet<Vec<u8>>,
}

impl<F> Tree<F> {
    pub(crate) fn new() -> Tree<F> {
        Tree { files: BTreeMap::new(), links: BTreeMap::new(), folders: BTreeSet::new() }
    }

    /// Adds a file, with the way to it.
    pub(crate) fn add_file(&mut self, route: &Route, file: F) {
        self.files.insert(route.end.clone(), file);
        self.add_way(route);
    }

    /// Adds a folder that has to be there, with the way to it.
    pub(crate) fn add_folder(&mut self, route: &Route) {
        if !route.end.is_empty() {
            self.folders.insert(route.end.clone());
        }
        self.add_way(route);
    }

    fn add_way(&mut self, route: &Route) {
        self.links.extend(route.links.iter().cloned());
        self.folders.extend(route.folders.iter().cloned());
    }

    /// The folders that are not there because of a file in them.
    pub(crate) fn empty_folders(&self) -> impl Iterator<Item = &[u8]> {
        let names = || self.files.keys().chain(self.links.keys());
        let mut implied = BTreeSet::new();
        for name in names() {
            let mut rest = &name[..];
            while let Some(at) = rest.iter().rposition(|byte| *byte == b'/') {
                rest = &rest[..at];
                if !implied.insert(rest) {
                    break;
                }
            }
        }
        self.folders.iter().map(Vec::as_slice).filter(move |folder| !implied.contains(folder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_and_detours_are_part_of_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::create_dir_all(root.join("c")).unwrap();
        std::fs::write(root.join("a/x.h"), "").unwrap();
        symlink("../a", root.join("c/link")).unwrap();
        symlink(root.join("a/x.h"), root.join("c/y.h")).unwrap();
        symlink("round", root.join("round")).unwrap();
        let mut places = Places::default();
        let at = |name: &str| root.join(name).as_os_str().as_bytes().to_vec();
        let route = places.route(&at("c/link/b/../x.h")).unwrap();
        assert_eq!(route.end, at("a/x.h"));
        assert_eq!(route.links, [(at("c/link"), b"../a".to_vec())]);
        // The link's own way leaves a folder too.
        assert_eq!(route.folders, [at("c"), at("a/b")]);
        let route = places.route(&at("./c//y.h")).unwrap();
        assert_eq!(route.end, at("a/x.h"));
        assert_eq!(route.links, [(at("c/y.h"), at("a/x.h"))]);
        assert_eq!(places.route(&at("round/x")), None);
        assert_eq!(places.route(&at("a/x.h/y")), None);
        assert_eq!(places.route(b"/..").unwrap().end, b"");
    }

    #[test]
    fn folders_with_files_need_no_mention() {
        let mut tree = Tree::new();
        let route = |end: &[u8]| Route { end: end.to_vec(), ..Route::default() };
        tree.add_file(&route(b"/a/b/x.h"), ());
        tree.add_folder(&route(b"/a"));
        tree.add_folder(&route(b"/a/c"));
        tree.add_folder(&route(b""));
        assert_eq!(tree.empty_folders().collect::<Vec<_>>(), [b"/a/c"]);
    }
}
