//! Names of files, and what an include means in a folder. All of it is void once anything changes.

use std::sync::Arc;

use crate::compile::Search;
use crate::facts::{Include, IncludeKind, Operand};
use crate::files::{FileId, Files, Found};
use crate::names::{Names, QuickMap};

/// The suffixes of precompiled headers.
const PRECOMPILED: [&[u8]; 2] = [b".gch", b".pch"];

/// What was looked for, and what was there.
#[derive(Default)]
pub(crate) struct Places {
    names: Names,
    places: Vec<Place>,
    folders: Names,
    /// By folder: the number of its true name.
    true_folders: Vec<Option<u32>>,
    true_names: Names,
    /// By the number of an include: what it means without the includer's folder.
    in_lists: QuickMap<u32, Arc<Resolution>>,
    precompiled: QuickMap<(u32, u32), Arc<Precompiled>>,
    /// By folder and number of an include: what the evaluator finds.
    firsts: QuickMap<(u32, u32), Option<(u32, Way)>>,
    /// Files and their places by shorter true names.
    shorter: QuickMap<u32, Option<u32>>,
}

/// What is at a name.
pub(crate) struct Place {
    found: Found,
    folder: u32,
    /// What each group of the content's includes means here.
    pub(crate) groups: Vec<Option<Arc<Resolution>>>,
}

/// What an include means.
#[derive(Debug, Default)]
pub(crate) struct Resolution {
    /// Places of files. Empty: nothing is found.
    pub(crate) targets: Vec<u32>,
    /// Folders in which was looked in vain.
    pub(crate) missed: Vec<u32>,
}

impl Resolution {
    fn take_in(&mut self, other: &Resolution) {
        self.targets.extend(&other.targets);
        self.missed.extend(&other.missed);
    }

    /// Leaves each thing once.
    pub(crate) fn settle(&mut self) {
        let mut seen = Vec::new();
        self.targets.retain(|target| !seen.contains(target) && (seen.push(*target), true).1);
        self.missed.sort_unstable();
        self.missed.dedup();
    }
}

/// Whether a precompiled header may be read for an include.
#[derive(Debug, Default)]
pub(crate) struct Precompiled {
    /// The name of the header that it stands for.
    pub(crate) header: Option<Arc<[u8]>>,
    pub(crate) missed: Vec<u32>,
}

/// How one compiler finds files.
pub(crate) struct Rules<'a> {
    pub(crate) search: &'a Search,
    /// Whether system headers may be opened by their true names.
    pub(crate) shortens: bool,
}

impl Places {
    /// The number of the place `name`, looked at once.
    pub(crate) fn place(&mut self, name: &[u8], files: &mut dyn Files) -> u32 {
        match self.names.known(name) {
            Some(number) => number,
            None => self.enter(name, files.look(name)),
        }
    }

    /// The number of the place `name`, looked at anew, if it is a file.
    pub(crate) fn fresh(&mut self, name: &[u8], files: &mut dyn Files) -> Option<(u32, FileId)> {
        let found = files.look(name);
        let number = match self.names.known(name) {
            Some(number) => number,
            None => self.enter(name, found),
        };
        let place = &mut self.places[number as usize];
        if place.found != found {
            place.found = found;
            place.groups.clear();
        }
        self.file(number).map(|file| (number, file))
    }

    fn enter(&mut self, name: &[u8], found: Found) -> u32 {
        let folder = self.folders.number(folder_of(name));
        self.places.push(Place { found, folder, groups: Vec::new() });
        self.names.number(name)
    }

    /// The file at a place.
    pub(crate) fn file(&self, number: u32) -> Option<FileId> {
        match self.places[number as usize].found {
            Found::File(file) => Some(file),
            Found::Missing | Found::Other => None,
        }
    }

    pub(crate) fn name(&self, number: u32) -> &Arc<[u8]> {
        self.names.name(number)
    }

    pub(crate) fn place_mut(&mut self, number: u32) -> &mut Place {
        &mut self.places[number as usize]
    }

    /// The folder of a place.
    pub(crate) fn folder(&self, number: u32) -> u32 {
        self.places[number as usize].folder
    }

    pub(crate) fn folder_number(&mut self, folder: &[u8]) -> u32 {
        self.folders.number(folder)
    }

    pub(crate) fn folder_name(&self, number: u32) -> &Arc<[u8]> {
        self.folders.name(number)
    }

    /// The number that all names of a folder share.
    pub(crate) fn true_folder(&mut self, folder: u32, files: &mut dyn Files) -> u32 {
        let index = folder as usize;
        if let Some(Some(known)) = self.true_folders.get(index) {
            return *known;
        }
        let name = match &**self.folders.name(folder) {
            b"" => b".",
            name => name,
        };
        let number = self.true_names.number(&files.true_name(name));
        if index >= self.true_folders.len() {
            self.true_folders.resize(index + 1, None);
        }
        self.true_folders[index] = Some(number);
        number
    }

    /// How many places are known.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// Adds to `told` what an include in a file of `folder` may mean. False when that is nothing.
    pub(crate) fn resolve(
        &mut self,
        folder: u32,
        (number, include): (u32, &Include),
        rules: &Rules<'_>,
        files: &mut dyn Files,
        told: &mut Resolution,
    ) -> bool {
        let (name, is_quoted) = match &include.operand {
            Operand::Quoted(name) => (name, true),
            Operand::Angled(name) => (name, false),
            Operand::Macro(_) => return false,
        };
        if name.starts_with(b"/") {
            return self.try_at(name, rules, files, told);
        }
        let mut is_beside = false;
        if is_quoted {
            let beside = joined(self.folders.name(folder), name);
            is_beside = self.try_at(&beside, rules, files, told);
            // After a file that was found by itself, the next is looked for as the first is.
            if is_beside && include.kind == IncludeKind::First {
                return true;
            }
        }
        let in_lists = match self.in_lists.get(&number) {
            Some(known) => known.clone(),
            None => {
                let found = Arc::new(self.look_in_lists(include, name, is_quoted, rules, files));
                self.in_lists.insert(number, found.clone());
                found
            }
        };
        told.take_in(&in_lists);
        is_beside || !in_lists.targets.is_empty()
    }

    fn look_in_lists(
        &mut self,
        include: &Include,
        name: &[u8],
        is_quoted: bool,
        rules: &Rules<'_>,
        files: &mut dyn Files,
    ) -> Resolution {
        let mut told = Resolution::default();
        let Search { quoted, all } = rules.search;
        match include.kind {
            IncludeKind::First => {
                let quoted = quoted.iter().filter(|_| is_quoted);
                let mut folders = quoted.chain(all);
                folders.any(|folder| self.try_at(&joined(folder, name), rules, files, &mut told));
            }
            // Which one it is depends on where the includer was found: all of them, then.
            IncludeKind::Next => {
                for folder in quoted.iter().chain(all) {
                    self.try_at(&joined(folder, name), rules, files, &mut told);
                }
            }
        }
        told
    }

    fn try_at(
        &mut self,
        name: &[u8],
        rules: &Rules<'_>,
        files: &mut dyn Files,
        told: &mut Resolution,
    ) -> bool {
        let number = self.place(name, files);
        if self.file(number).is_none() {
            told.missed.push(self.folder(number));
            return false;
        }
        // GCC opens a system header by its true name where that is shorter, and goes on from
        // there (`-fcanonical-system-headers`). Which headers those are depends on how they were
        // found: any may be.
        if rules.shortens {
            told.targets.extend(self.shorter(number, files));
        }
        told.targets.push(number);
        true
    }

    /// Whether there is a precompiled header for an include of the source, or for a file of
    /// `-include`: only those can have one. It need not have the header beside it.
    pub(crate) fn precompiled(
        &mut self,
        folder: u32,
        (number, include): (u32, &Include),
        search: &Search,
        files: &mut dyn Files,
    ) -> Arc<Precompiled> {
        if let Some(known) = self.precompiled.get(&(folder, number)) {
            return known.clone();
        }
        let found = Arc::new(self.look_for_precompiled(folder, include, search, files));
        self.precompiled.insert((folder, number), found.clone());
        found
    }

    fn look_for_precompiled(
        &mut self,
        folder: u32,
        include: &Include,
        search: &Search,
        files: &mut dyn Files,
    ) -> Precompiled {
        let mut found = Precompiled::default();
        let (name, n_quoted) = match &include.operand {
            Operand::Quoted(name) => (name, search.quoted.len()),
            Operand::Angled(name) => (name, 0),
            Operand::Macro(_) => return found,
        };
        let is_quoted = matches!(include.operand, Operand::Quoted(_));
        let own = self.folders.name(folder).to_vec();
        let beside = std::iter::once(&own).filter(|_| is_quoted);
        let folders = beside.chain(&search.quoted[..n_quoted]).chain(&search.all);
        let headers: Vec<Vec<u8>> = match name.starts_with(b"/") {
            true => vec![name.clone()],
            false => folders.map(|folder| joined(folder, name)).collect(),
        };
        for header in headers {
            for suffix in PRECOMPILED {
                let place = self.place(&[&header, suffix].concat(), files);
                if self.places[place as usize].found != Found::Missing {
                    found.header = Some(header.as_slice().into());
                    return found;
                }
                found.missed.push(self.folder(place));
            }
            let place = self.place(&header, files);
            if self.file(place).is_some() {
                break;
            }
            found.missed.push(self.folder(place));
        }
        found.missed.sort_unstable();
        found.missed.dedup();
        found
    }
}

/// The folder of a name, as the compiler writes it: empty for the working folder.
pub(crate) fn folder_of(name: &[u8]) -> &[u8] {
    match name.iter().rposition(|byte| *byte == b'/') {
        Some(0) => b"/",
        Some(at) => &name[..at],
        None => b"",
    }
}

/// The name of a file in a folder, as the compiler writes it.
pub(crate) fn joined(folder: &[u8], name: &[u8]) -> Vec<u8> {
    match folder {
        b"" => name.to_vec(),
        [.., b'/'] => [folder, name].concat(),
        _ => [folder, b"/", name].concat(),
    }
}

impl Places {
    /// Where the compiler finds a file first that is named in a file of `folder`.
    pub(crate) fn first(
        &mut self,
        folder: u32,
        (number, include): (u32, &Include),
        search: &Search,
        files: &mut dyn Files,
    ) -> Option<(u32, Way)> {
        if let Some(known) = self.firsts.get(&(folder, number)) {
            return *known;
        }
        let found = self.look_for_first(folder, &include.operand, search, files);
        self.firsts.insert((folder, number), found);
        found
    }

    fn look_for_first(
        &mut self,
        folder: u32,
        operand: &Operand,
        search: &Search,
        files: &mut dyn Files,
    ) -> Option<(u32, Way)> {
        let (Operand::Quoted(name) | Operand::Angled(name)) = operand else { return None };
        if name.starts_with(b"/") {
            let place = self.place(name, files);
            return self.file(place).map(|_| (place, Way::Named));
        }
        if matches!(operand, Operand::Quoted(_)) {
            let beside = joined(self.folders.name(folder), name);
            let place = self.place(&beside, files);
            if self.file(place).is_some() {
                return Some((place, Way::Beside));
            }
            return self.next_after(None, operand, search, files);
        }
        let n_quoted = u32::try_from(search.quoted.len()).ok()?;
        self.next_after(n_quoted.checked_sub(1), operand, search, files)
    }

    /// Where the compiler finds a file in its lists, behind the folder at a place in them.
    pub(crate) fn next_after(
        &mut self,
        at: Option<u32>,
        operand: &Operand,
        search: &Search,
        files: &mut dyn Files,
    ) -> Option<(u32, Way)> {
        let (Operand::Quoted(name) | Operand::Angled(name)) = operand else { return None };
        if name.starts_with(b"/") {
            let place = self.place(name, files);
            return self.file(place).map(|_| (place, Way::Named));
        }
        let start = at.map_or(0, |at| at as usize + 1);
        let folders = search.quoted.iter().chain(&search.all).enumerate().skip(start);
        for (index, folder) in folders {
            let place = self.place(&joined(folder, name), files);
            if self.file(place).is_some() {
                return Some((place, Way::InList(u32::try_from(index).ok()?)));
            }
        }
        None
    }

    /// The place of a file by its true name, where that is shorter.
    pub(crate) fn shorter(&mut self, place: u32, files: &mut dyn Files) -> Option<u32> {
        if let Some(known) = self.shorter.get(&place) {
            return *known;
        }
        let name = self.names.name(place).clone();
        let true_name = files.true_name(&name);
        let found = match self.places[place as usize].found {
            found @ Found::File(_) if true_name.len() < name.len() => {
                Some(match self.names.known(&true_name) {
                    Some(known) => known,
                    None => self.enter(&true_name, found),
                })
            }
            _ => None,
        };
        self.shorter.insert(place, found);
        found
    }
}

/// How a file was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// It is the source, or was named from the root.
    Named,
    /// In the folder of the file that names it.
    Beside,
    /// In a folder of the lists, counted through both.
    InList(u32),
}
