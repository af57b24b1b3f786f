//! The scanner: which files a compile may read, by the names under which the compiler opens them.

use std::sync::Arc;

use crate::compile::{Closure, ClosureDoubt, Compile, MacroOption, Setting};
use crate::exact::{Exact, Request};
use crate::facts::{Doubt, Include, IncludeKind, Operand, operand_of_value, own_macro_names};
use crate::files::{FileId, Files};
use crate::known::{Group, Known};
use crate::names::{NumberSet, QuickMap};
use crate::places::{Places, Precompiled, Resolution, Rules};
use crate::text::is_of_name;

/// How many macros may stand for each other before that counts as endless.
const MOST_MACROS: usize = 16;

/// By how many names of a folder what stands in it is followed.
const MOST_NAMES: usize = 64;

/// How much is kept of contents: things told. A file tells of some dozens.
const MOST_KNOWN: usize = 8_000_000;

/// How many names of places are kept.
const MOST_PLACES: usize = 2_000_000;

/// How many names may stand in kept closures.
const MOST_REMEMBERED: usize = 4_000_000;

/// Finds closures of compiles in one setting, and keeps what it learns.
///
/// What a file says is learned once for each content, what a name means in a folder once until
/// something changes, and a closure that was asked for before is the same one. All of it is
/// bounded: what would grow beyond a limit is dropped as a whole, and learned again.
pub struct Scanner {
    setting: Setting,
    /// Whether system headers may be opened by their true names: only Clang never does that.
    shortens: bool,
    /// Whether trigraphs may count.
    has_trigraphs: bool,
    known: Known,
    places: Places,
    /// The compiler's own macros.
    own: NumberSet,
    remembered: QuickMap<(FileId, Compile), Arc<Closure>>,
    n_remembered: usize,
    marks: Marks,
    exact: Option<Exact>,
}

/// The doubt that the evaluator can settle.
const COMPUTED: ClosureDoubt = ClosureDoubt::Told(Doubt::ComputedInclude);

/// What the walk of the moment has seen: an entry is marked if it has the walk's number.
#[derive(Default)]
struct Marks {
    walk: u32,
    places: Vec<u32>,
    folders: Vec<u32>,
    contents: Vec<u32>,
    /// Folders by the names and by the true names under which files were found in them.
    named_folders: Vec<u32>,
    true_folders: Vec<u32>,
    /// How many names true folders have.
    n_names: Vec<usize>,
    is_admitted: NumberSet,
    defined: NumberSet,
}

impl Marks {
    /// Marks entry `number` of `list`. True if it was not.
    fn mark(list: &mut Vec<u32>, walk: u32, number: u32) -> bool {
        let index = number as usize;
        if index >= list.len() {
            list.resize(index + 1, 0);
        }
        std::mem::replace(&mut list[index], walk) != walk
    }
}

impl Scanner {
    /// A scanner that knows nothing yet.
    #[must_use]
    pub fn new(setting: Setting) -> Scanner {
        let own_macros = setting.own_macros.as_deref().unwrap_or_default();
        let is_own = |wanted: &[u8]| own_macro_names(own_macros).any(|name| name == wanted);
        let mut scanner = Scanner {
            shortens: !is_own(b"__clang__"),
            has_trigraphs: setting.has_trigraphs
                || setting.own_macros.is_none()
                || is_own(b"__STRICT_ANSI__"),
            setting,
            known: Known::default(),
            places: Places::default(),
            own: NumberSet::default(),
            remembered: QuickMap::default(),
            n_remembered: 0,
            marks: Marks::default(),
            exact: None,
        };
        scanner.start_afresh();
        scanner
    }

    /// The closure of `compile`.
    pub fn closure(&mut self, compile: &Compile, files: &mut dyn Files) -> Arc<Closure> {
        self.bound();
        let Some((source, file)) = self.places.fresh(&compile.source, files) else {
            let doubt = (compile.source.as_slice().into(), ClosureDoubt::Missing);
            return Arc::new(Closure { doubts: vec![doubt], ..Closure::default() });
        };
        let key = (file, compile.clone());
        if let Some(closure) = self.remembered.get(&key) {
            return closure.clone();
        }
        let closure = Arc::new(self.find(compile, source, files));
        self.n_remembered += closure.files.len() + closure.missed_in.len();
        self.remembered.insert(key, closure.clone());
        closure
    }

    /// Walks until no definition was passed over that somebody asks for in the end.
    fn find(&mut self, compile: &Compile, source: u32, files: &mut dyn Files) -> Closure {
        loop {
            let n_surprises = self.known.n_surprises();
            let closure = Walk::new(self, compile, files).closure(source);
            if self.known.n_surprises() == n_surprises {
                return closure;
            }
            self.next_walk();
        }
    }

    /// Forgets what names mean: a file or a folder has changed, come or gone. What is known of
    /// contents stays.
    pub fn forget(&mut self) {
        self.places = Places::default();
        self.remembered = QuickMap::default();
        self.n_remembered = 0;
        for list in [
            &mut self.marks.places,
            &mut self.marks.folders,
            &mut self.marks.named_folders,
            &mut self.marks.true_folders,
        ] {
            list.clear();
        }
    }

    /// Keeps what is kept within its limits.
    fn bound(&mut self) {
        let n_exact = self.exact.as_ref().map_or(0, Exact::len);
        if self.known.len() + n_exact > MOST_KNOWN || self.places.len() > MOST_PLACES {
            self.forget();
            self.start_afresh();
        }
        if self.n_remembered > MOST_REMEMBERED {
            self.remembered = QuickMap::default();
            self.n_remembered = 0;
        }
        self.next_walk();
    }

    fn next_walk(&mut self) {
        self.marks.walk = self.marks.walk.wrapping_add(1);
        if self.marks.walk == 0 {
            self.marks = Marks { walk: 1, ..Marks::default() };
        }
    }

    fn start_afresh(&mut self) {
        self.known = Known::default();
        self.exact = None;
        self.own = NumberSet::default();
        let own_macros = self.setting.own_macros.clone().unwrap_or_default();
        for name in own_macro_names(&own_macros) {
            self.own.add(self.known.macros.number(name));
        }
    }
}

/// The finding of one closure.
struct Walk<'a> {
    scanner: &'a mut Scanner,
    compile: &'a Compile,
    files: &'a mut dyn Files,
    found: Vec<u32>,
    missed: Vec<u32>,
    doubts: Vec<(Arc<[u8]>, ClosureDoubt)>,
    /// Places whose own includes have not been followed.
    open: Vec<u32>,
    /// Whether macros were defined since those who sleep were looked at.
    is_fresh: bool,
    /// Groups that do not count as long as no more macros are defined, and where they stand.
    asleep: Vec<Asleep>,
    /// Includes by macros: the place that has it, and the macro.
    computed: Vec<(u32, IncludeKind, u32)>,
    source: u32,
}

/// A group that does not count yet.
struct Asleep {
    place: u32,
    groups: Arc<Vec<Group>>,
    index: usize,
}

impl<'a> Walk<'a> {
    fn new(scanner: &'a mut Scanner, compile: &'a Compile, files: &'a mut dyn Files) -> Self {
        scanner.marks.defined.copy(&scanner.own);
        for (name, ..) in compile.macros.iter().filter_map(MacroOption::definition) {
            scanner.marks.defined.add(scanner.known.macros.number(name));
        }
        Walk {
            scanner,
            compile,
            files,
            found: Vec::new(),
            missed: Vec::new(),
            doubts: Vec::new(),
            open: Vec::new(),
            is_fresh: false,
            asleep: Vec::new(),
            computed: Vec::new(),
            source: 0,
        }
    }

    fn closure(mut self, source: u32) -> Closure {
        self.source = source;
        self.visit(source);
        self.start();
        while self.follow() || self.wake() || self.compute() {}
        if self.has_computed_doubt() {
            self.evaluate();
        }
        let places = &self.scanner.places;
        Closure {
            files: self.found.iter().map(|place| places.name(*place).clone()).collect(),
            missed_in: self.missed.iter().map(|at| places.folder_name(*at).clone()).collect(),
            doubts: self.doubts,
        }
    }

    fn has_computed_doubt(&self) -> bool {
        self.doubts.iter().any(|(_, doubt)| *doubt == COMPUTED)
    }

    /// Has the names computed that the walk cannot follow.
    fn evaluate(&mut self) {
        let scanner = &mut *self.scanner;
        let exact =
            scanner.exact.get_or_insert_with(|| Exact::new(&scanner.setting, &mut scanner.known));
        let found = exact.run(Request {
            setting: &scanner.setting,
            compile: self.compile,
            source: self.source,
            places: &mut scanner.places,
            known: &mut scanner.known,
            files: self.files,
        });
        let Some(found) = found else { return };
        for place in found.places {
            self.visit(place);
        }
        for (folder, number) in found.asked {
            let include = self.scanner.known.include(number).clone();
            if folder == self.scanner.places.folder(self.source) {
                self.look_for_precompiled(folder, include.kind, &include.operand);
            }
            self.resolve(folder, include.kind, include.operand);
        }
        while self.follow() || self.wake() || self.compute() {}
        self.doubts.retain(|(_, doubt)| *doubt != COMPUTED);
    }

    /// Takes in what is read besides the source.
    fn start(&mut self) {
        let working_folder = self.scanner.places.folder_number(b"");
        // GCC reads it before everything else, where the system has it.
        let predefinitions = Operand::Angled(b"stdc-predef.h".to_vec());
        self.resolve(working_folder, IncludeKind::First, predefinitions);
        for name in self.compile.macro_files.iter().chain(&self.compile.included) {
            // In the working folder first, not in the source's.
            let operand = Operand::Quoted(name.clone());
            self.look_for_precompiled(working_folder, IncludeKind::First, &operand);
            if !self.resolve(working_folder, IncludeKind::First, operand) {
                self.doubt(name.as_slice().into(), ClosureDoubt::Missing);
            }
        }
    }

    fn doubt(&mut self, name: Arc<[u8]>, doubt: ClosureDoubt) {
        let doubt = (name, doubt);
        if !self.doubts.contains(&doubt) {
            self.doubts.push(doubt);
        }
    }

    fn visit(&mut self, place: u32) {
        let marks = &mut self.scanner.marks;
        if Marks::mark(&mut marks.places, marks.walk, place) {
            self.found.push(place);
            if self.is_admitted(self.scanner.places.folder(place)) {
                self.open.push(place);
            }
        }
    }

    /// Whether what files of a folder name is followed by this name of the folder. By others it
    /// is the same files, and detours and links to folders have no end.
    fn is_admitted(&mut self, folder: u32) -> bool {
        let true_folder = self.scanner.places.true_folder(folder, self.files);
        let marks = &mut self.scanner.marks;
        if !Marks::mark(&mut marks.named_folders, marks.walk, folder) {
            return marks.is_admitted.has(folder);
        }
        if Marks::mark(&mut marks.true_folders, marks.walk, true_folder) {
            let index = true_folder as usize;
            if index >= marks.n_names.len() {
                marks.n_names.resize(index + 1, 0);
            }
            marks.n_names[index] = 0;
        }
        let n_names = &mut marks.n_names[true_folder as usize];
        *n_names += 1;
        let is_admitted = *n_names <= MOST_NAMES;
        if is_admitted {
            marks.is_admitted.add(folder);
        } else {
            marks.is_admitted.remove(folder);
        }
        is_admitted
    }

    fn miss(&mut self, folder: u32) {
        let marks = &mut self.scanner.marks;
        if Marks::mark(&mut marks.folders, marks.walk, folder) {
            self.missed.push(folder);
        }
    }

    fn take_in(&mut self, resolution: &Resolution) {
        // The first to be followed is the one that is named first.
        for target in resolution.targets.iter().rev() {
            self.visit(*target);
        }
        for folder in &resolution.missed {
            self.miss(*folder);
        }
    }

    /// Follows the includes of the file that was found last. False when there is none.
    fn follow(&mut self) -> bool {
        let Some(place) = self.open.pop() else { return false };
        let Some(file) = self.scanner.places.file(place) else { return true };
        let content = self.scanner.known.content(file, self.files);
        let marks = &mut self.scanner.marks;
        Marks::mark(&mut marks.contents, marks.walk, content);
        let groups = self.scanner.known.groups(content);
        for index in 0..groups.len() {
            if self.may_hold(&groups[index]) {
                self.hear(place, &groups[index]);
            } else {
                self.asleep.push(Asleep { place, groups: groups.clone(), index });
            }
        }
        true
    }

    /// Hears what counts now that more macros are defined. False when there is nothing.
    fn wake(&mut self) -> bool {
        if !std::mem::take(&mut self.is_fresh) {
            return false;
        }
        let asleep = std::mem::take(&mut self.asleep);
        let n_before = asleep.len();
        for sleeper in asleep {
            let group = &sleeper.groups[sleeper.index];
            if self.may_hold(group) {
                self.hear(sleeper.place, group);
            } else {
                self.asleep.push(sleeper);
            }
        }
        self.asleep.len() < n_before
    }

    fn may_hold(&self, group: &Group) -> bool {
        self.scanner.setting.own_macros.is_none() || group.on.may_hold(&self.scanner.marks.defined)
    }

    /// Takes in what a group of the file at `place` says.
    fn hear(&mut self, place: u32, group: &Group) {
        for name in &group.defines {
            self.is_fresh |= self.scanner.marks.defined.add(*name);
        }
        let has_trigraphs = self.scanner.has_trigraphs;
        for doubt in group.doubts.iter().filter(|it| has_trigraphs || **it != Doubt::Trigraph) {
            let name = self.scanner.places.name(place).clone();
            self.doubt(name, ClosureDoubt::Told(*doubt));
        }
        self.computed.extend(group.computed.iter().map(|(kind, name)| (place, *kind, *name)));
        if !group.includes.is_empty() {
            let resolution = self.resolution(place, group);
            self.take_in(&resolution);
        }
        if place == self.source {
            for number in &group.includes {
                let include = self.scanner.known.include(*number).clone();
                let folder = self.scanner.places.folder(place);
                self.look_for_precompiled(folder, include.kind, &include.operand);
            }
        }
    }

    /// What the includes of a group mean at a place.
    fn resolution(&mut self, place: u32, group: &Group) -> Arc<Resolution> {
        let known = self.scanner.places.place_mut(place);
        if let Some(Some(resolution)) = known.groups.get(group.index) {
            return resolution.clone();
        }
        let folder = self.scanner.places.folder(place);
        let mut told = Resolution::default();
        for number in &group.includes {
            let include = self.scanner.known.include(*number);
            let rules =
                Rules { search: &self.scanner.setting.search, shortens: self.scanner.shortens };
            let files = &mut *self.files;
            self.scanner.places.resolve(folder, (*number, include), &rules, files, &mut told);
        }
        told.settle();
        let told = Arc::new(told);
        let groups = &mut self.scanner.places.place_mut(place).groups;
        if groups.len() <= group.index {
            groups.resize(group.index + 1, None);
        }
        groups[group.index] = Some(told.clone());
        told
    }

    /// Takes in what a name may mean in a folder. False when that is nothing.
    fn resolve(&mut self, folder: u32, kind: IncludeKind, operand: Operand) -> bool {
        let include = Include { kind, operand };
        let number = self.scanner.known.include_number(&include);
        let rules = Rules { search: &self.scanner.setting.search, shortens: self.scanner.shortens };
        let mut told = Resolution::default();
        let include = (number, &include);
        let is_found = self.scanner.places.resolve(folder, include, &rules, self.files, &mut told);
        self.take_in(&told);
        is_found
    }

    fn look_for_precompiled(&mut self, folder: u32, kind: IncludeKind, operand: &Operand) {
        let include = Include { kind, operand: operand.clone() };
        let number = self.scanner.known.include_number(&include);
        let search = &self.scanner.setting.search;
        let places = &mut self.scanner.places;
        let found = places.precompiled(folder, (number, &include), search, self.files);
        let Precompiled { header, missed } = &*found;
        for folder in missed {
            self.miss(*folder);
        }
        if let Some(header) = header {
            self.doubt(header.clone(), ClosureDoubt::PrecompiledHeader);
        }
    }

    /// Adds what includes by macros may mean, by all values that any file of the closure gives
    /// the macros. False when that is nothing new.
    fn compute(&mut self) -> bool {
        for (place, kind, name) in self.computed.clone() {
            let mut values = Values::default();
            self.values(name, place, &mut values);
            if values.is_endless {
                let name = self.scanner.places.name(place).clone();
                self.doubt(name, ClosureDoubt::Told(Doubt::ComputedInclude));
            }
            let folder = self.scanner.places.folder(place);
            for operand in values.operands {
                if place == self.source {
                    self.look_for_precompiled(folder, kind, &operand);
                }
                self.resolve(folder, kind, operand);
            }
        }
        !self.open.is_empty()
    }

    /// Collects what the macro `name` may come to in the file at `place`.
    fn values(&mut self, name: u32, place: u32, found: &mut Values) {
        let text = self.scanner.known.macros.name(name).clone();
        let file_of_name = match &*text {
            b"__FILE__" => Some(place),
            b"__BASE_FILE__" => Some(self.source),
            _ => None,
        };
        if let Some(file) = file_of_name {
            found.is_endless |= self.scanner.setting.maps_names;
            let name = self.scanner.places.name(file).to_vec();
            return found.operands.push(Operand::Quoted(name));
        }
        if found.names.contains(&name) {
            return;
        }
        if found.names.len() >= MOST_MACROS {
            found.is_endless = true;
            return;
        }
        found.names.push(name);
        for value in self.told_values(name, found) {
            match operand_of_value(&value) {
                Some(Operand::Macro(next)) => {
                    let next = self.scanner.known.macros.number(&next);
                    self.values(next, place, found);
                }
                Some(operand) => {
                    found.is_endless |= self.may_change(&operand);
                    found.operands.push(operand);
                }
                // Empty, as in a guard, it is no name; more than that would have to be computed.
                None => found.is_endless |= !value.is_empty(),
            }
        }
    }

    /// The values that options and files give a macro.
    fn told_values(&mut self, name: u32, found: &mut Values) -> Vec<Vec<u8>> {
        let mut values = Vec::new();
        for (given, value, has_parameters) in
            self.compile.macros.iter().filter_map(MacroOption::definition)
        {
            if self.scanner.known.macros.known(given) == Some(name) {
                found.is_endless |= has_parameters;
                values.push(value.to_vec());
            }
        }
        let marks = &self.scanner.marks;
        let is_here = |content: &u32| marks.contents.get(*content as usize) == Some(&marks.walk);
        let definers: Vec<u32> =
            self.scanner.known.definers(name).iter().copied().filter(is_here).collect();
        for content in definers {
            let told = self.scanner.known.values(content, name, self.files);
            found.is_endless |= told.has_parameters;
            values.extend(told.values.iter().cloned());
        }
        values
    }

    /// Whether a name in angles that a macro stands for may be another one once it is expanded.
    fn may_change(&mut self, operand: &Operand) -> bool {
        let Operand::Angled(name) = operand else { return false };
        let is_plain = |byte: &u8| is_of_name(*byte) || b"./+-".contains(byte);
        if !name.iter().all(is_plain) || memchr::memmem::find(name, b"//").is_some() {
            return true;
        }
        let is_any = self.scanner.setting.own_macros.is_none();
        let words = name.split(|byte| !is_of_name(*byte));
        words.filter(|word| !word.is_empty()).fold(is_any, |is_defined, word| {
            let number = self.scanner.known.macros.number(word);
            self.scanner.known.ask(number);
            is_defined || self.scanner.marks.defined.has(number)
        })
    }
}

/// What a macro may come to.
#[derive(Default)]
struct Values {
    /// The macros on the way.
    names: Vec<u32>,
    operands: Vec<Operand>,
    /// Whether it may be more than that.
    is_endless: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Facts, Found, Search, scan};

    /// Files in memory.
    struct Tree(Vec<(&'static str, &'static str)>);

    impl Files for Tree {
        fn look(&mut self, name: &[u8]) -> Found {
            let name = std::str::from_utf8(name).unwrap();
            match self.0.iter().position(|(path, _)| *path == name) {
                Some(index) => Found::File(FileId(index as u64)),
                None if self.0.iter().any(|(path, _)| path.starts_with(&format!("{name}/"))) => {
                    Found::Other
                }
                None => Found::Missing,
            }
        }

        fn true_name(&mut self, name: &[u8]) -> Vec<u8> {
            let mut parts: Vec<&[u8]> = Vec::new();
            for part in name.split(|byte| *byte == b'/') {
                match part {
                    b".." => drop(parts.pop()),
                    part => parts.push(part),
                }
            }
            parts.join(&b'/')
        }

        fn facts(&mut self, file: FileId) -> Arc<Facts> {
            Arc::new(scan(&self.text(file)))
        }

        fn text(&mut self, file: FileId) -> Arc<[u8]> {
            self.0[file.0 as usize].1.as_bytes().into()
        }
    }

    /// A setting, and a compile in it.
    struct Case {
        setting: Setting,
        compile: Compile,
    }

    fn compile(source: &str, quoted: &[&str], all: &[&str]) -> Case {
        let list = |folders: &[&str]| folders.iter().map(|f| f.as_bytes().to_vec()).collect();
        Case {
            setting: Setting {
                search: Search { quoted: list(quoted), all: list(all) },
                ..Setting::default()
            },
            compile: Compile { source: source.into(), ..Compile::default() },
        }
    }

    fn closure(case: &Case, tree: &[(&'static str, &'static str)]) -> Arc<Closure> {
        Scanner::new(case.setting.clone()).closure(&case.compile, &mut Tree(tree.to_vec()))
    }

    /// Checks files and doubts.
    #[track_caller]
    fn check(case: &Case, tree: &[(&'static str, &'static str)], expected: &str) -> Arc<Closure> {
        let closure = closure(case, tree);
        let mut files: Vec<_> =
            closure.files.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        files[1..].sort();
        files.extend(
            closure
                .doubts
                .iter()
                .map(|(name, doubt)| format!("{}:{doubt:?}", String::from_utf8_lossy(name))),
        );
        assert_eq!(files.join(" "), expected);
        closure
    }

    #[test]
    fn quotes_begin_beside_the_includer_and_angles_do_not() {
        let tree = [
            ("src/a.c", "#include \"x.h\"\n#include <x.h>\n#include \"y.h\"\n"),
            ("src/x.h", ""),
            ("inc/x.h", ""),
            ("quote/y.h", ""),
            ("inc/y.h", ""),
        ];
        let closure = check(
            &compile("src/a.c", &["quote"], &["none", "inc"]),
            &tree,
            "src/a.c inc/x.h quote/y.h src/x.h",
        );
        let missed: Vec<_> =
            closure.missed_in.iter().map(|f| std::str::from_utf8(f).unwrap()).collect();
        // `none` for x.h; for the predefinitions and precompiled headers the others.
        assert!(missed.contains(&"none") && missed.contains(&"src"), "{missed:?}");
    }

    #[test]
    fn folders_are_those_of_the_name_that_was_opened() {
        let tree = [
            ("a.c", "#include <lib/x.h>"),
            ("inc/lib/x.h", "#include \"../y.h\"\n#include \"/abs/z.h\""),
            ("inc/lib/../y.h", ""),
            ("/abs/z.h", "#include \"w.h\""),
            ("/abs/w.h", ""),
        ];
        check(
            &compile("a.c", &[], &["inc/"]),
            &tree,
            "a.c /abs/w.h /abs/z.h inc/lib/../y.h inc/lib/x.h inc/y.h",
        );
    }

    #[test]
    fn the_next_one_may_be_any() {
        let tree = [
            ("a.c", "#include <x.h>"),
            ("one/x.h", "#include_next <x.h>"),
            ("two/x.h", ""),
            ("three/x.h", ""),
        ];
        check(
            &compile("a.c", &[], &["one", "two", "three"]),
            &tree,
            "a.c one/x.h three/x.h two/x.h",
        );
    }

    #[test]
    fn macros_are_followed_by_all_their_values() {
        let tree = [
            ("a.c", "#define HEADER OTHER\n#include HEADER\n#include GIVEN\n#include __FILE__"),
            ("x.h", "#define OTHER <y.h>\n"),
            ("inc/y.h", "#include NOT_DEFINED\n"),
            ("inc/z.h", "#define OTHER \"w.h\"\n"),
            ("w.h", ""),
        ];
        let mut compile = compile("a.c", &[], &["inc"]);
        compile.setting.own_macros = Some(Arc::from(&b""[..]));
        compile.compile.macros = vec![MacroOption::Define(b"GIVEN=<z.h>".to_vec())];
        compile.compile.included = vec![b"x.h".to_vec()];
        check(&compile, &tree, "a.c inc/y.h inc/z.h w.h x.h");
    }

    #[test]
    fn what_has_to_be_computed_is_a_doubt() {
        let told = "a.c:Told(ComputedInclude)";
        let tree = [("a.c", "#define H(x) <x>\n#define A H(a.h)\n#include A\n")];
        check(&compile("a.c", &[], &[]), &tree, &format!("a.c {told}"));
        let tree = [("a.c", "#define A A\n#include A\n")];
        check(&compile("a.c", &[], &[]), &tree, "a.c");
        let tree = [("a.c", "#include A(x)\n")];
        check(&compile("a.c", &[], &[]), &tree, &format!("a.c {told}"));
    }

    #[test]
    fn precompiled_headers_and_missing_files_are_doubts() {
        let tree = [("a.c", "#include \"x.h\""), ("x.h", ""), ("inc/p.h.gch/one", "")];
        check(&compile("a.c", &[], &[]), &tree, "a.c x.h");
        let mut with_pch = compile("a.c", &[], &["inc"]);
        with_pch.compile.included = vec![b"p.h".to_vec()];
        check(&with_pch, &tree, "a.c x.h inc/p.h:PrecompiledHeader p.h:Missing");
        let closure = closure(&compile("b.c", &[], &[]), &tree);
        assert_eq!(closure.doubts, [(b"b.c"[..].into(), ClosureDoubt::Missing)]);
    }

    #[test]
    fn what_nobody_defines_leads_nowhere() {
        let tree = [
            ("a.c", "#ifdef OTHER_SYSTEM\n#include <other.h>\n#endif\n#include <this.h>\n"),
            ("inc/other.h", ""),
            ("inc/this.h", "#if HERE > 1\n#define LATE\n#include <late.h>\n#endif\n"),
            ("inc/late.h", "#ifdef LATE\n#define GIVEN_LATE 1\n#endif\n"),
        ];
        let mut compile = compile("a.c", &[], &["inc"]);
        check(&compile, &tree, "a.c inc/late.h inc/other.h inc/this.h");
        compile.setting.own_macros = Some(Arc::from(&b""[..]));
        check(&compile, &tree, "a.c inc/this.h");
        compile.setting.own_macros = Some(Arc::from(&b"#define HERE 2\n"[..]));
        check(&compile, &tree, "a.c inc/late.h inc/this.h");
        // Defined behind it, in another file: it may come before it.
        compile.compile.macros = vec![MacroOption::Define(b"X".to_vec())];
        let tree = [
            ("a.c", "#if defined(A) && X\n#include <other.h>\n#endif\n#include <this.h>\n"),
            ("inc/other.h", ""),
            ("inc/this.h", "#define A\n"),
        ];
        check(&compile, &tree, "a.c inc/other.h inc/this.h");
    }

    #[test]
    fn trigraphs_are_a_doubt_where_they_may_count() {
        let tree = [("a.c", "??=include <x.h>")];
        let mut case = compile("a.c", &[], &[]);
        check(&case, &tree, "a.c a.c:Told(Trigraph)");
        case.setting.own_macros = Some(Arc::from(&b"#define __STRICT_ANSI__ 1\n"[..]));
        check(&case, &tree, "a.c a.c:Told(Trigraph)");
        case.setting.own_macros = Some(Arc::from(&b""[..]));
        check(&case, &tree, "a.c");
        case.setting.has_trigraphs = true;
        check(&case, &tree, "a.c a.c:Told(Trigraph)");
    }

    #[test]
    fn the_systems_own_definitions_belong_to_it() {
        let tree = [("a.c", ""), ("inc/stdc-predef.h", "")];
        check(&compile("a.c", &[], &["inc"]), &tree, "a.c inc/stdc-predef.h");
    }

    #[test]
    fn a_closure_is_found_once_until_something_changes() {
        let case = compile("a.c", &[], &["inc"]);
        let mut scanner = Scanner::new(case.setting.clone());
        let tree = [("a.c", "#include <x.h>"), ("inc/y.h", "")];
        let first = scanner.closure(&case.compile, &mut Tree(tree.to_vec()));
        let again = scanner.closure(&case.compile, &mut Tree(tree.to_vec()));
        assert!(Arc::ptr_eq(&first, &again));
        assert!(first.missed_in.contains(&Arc::from(&b"inc"[..])));
        let tree = [("a.c", "#include <x.h>"), ("inc/y.h", ""), ("inc/x.h", "")];
        scanner.forget();
        let after = scanner.closure(&case.compile, &mut Tree(tree.to_vec()));
        assert_eq!(after.files, [Arc::from(&b"a.c"[..]), Arc::from(&b"inc/x.h"[..])]);
    }

    #[test]
    fn a_changed_source_is_noticed_by_itself() {
        let case = compile("a.c", &[], &[]);
        let mut scanner = Scanner::new(case.setting.clone());
        let tree = [("a.c", "#include \"x.h\""), ("x.h", "")];
        assert_eq!(scanner.closure(&case.compile, &mut Tree(tree.to_vec())).files.len(), 2);
        let tree = [("b.c", ""), ("x.h", ""), ("a.c", "")];
        assert_eq!(scanner.closure(&case.compile, &mut Tree(tree.to_vec())).files.len(), 1);
    }

    #[test]
    fn every_place_that_was_tried_in_vain_lies_in_a_folder_that_is_told() {
        let case = compile("src/a.c", &["quote"], &["inc", "dir"]);
        let tree = [("src/a.c", "#include \"sub/../x.h\"\n#include \"f.h\""), ("dir/f.h/y", "")];
        let closure = closure(&case, &tree);
        for folder in
            ["src", "quote", "inc", "dir", "src/sub/..", "quote/sub/..", "inc/sub/..", "dir/sub/.."]
        {
            assert!(closure.missed_in.contains(&folder.as_bytes().into()), "{folder}");
        }
    }

    #[test]
    fn names_that_go_round_in_circles_have_an_end() {
        let tree = [
            ("a.c", "#include \"inc/x.h\""),
            ("inc/x.h", "#include \"../inc/y.h\"\n#include \"./y.h\"\n"),
            ("inc/y.h", "#include \"../inc/x.h\"\n#include \"./x.h\"\n"),
        ];
        struct Round(Tree);
        let plain = |name: &[u8]| {
            let mut parts: Vec<&[u8]> = Vec::new();
            for part in name.split(|byte| *byte == b'/') {
                match part {
                    b"." => {}
                    b".." => drop(parts.pop()),
                    part => parts.push(part),
                }
            }
            parts.join(&b'/')
        };
        impl Files for Round {
            fn look(&mut self, name: &[u8]) -> Found {
                let name = self.true_name(name);
                self.0.look(&name)
            }
            fn true_name(&mut self, name: &[u8]) -> Vec<u8> {
                self.0.true_name(
                    &name
                        .split(|b| *b == b'/')
                        .filter(|part| part != b".")
                        .collect::<Vec<_>>()
                        .join(&b'/'),
                )
            }
            fn facts(&mut self, file: FileId) -> Arc<Facts> {
                self.0.facts(file)
            }
            fn text(&mut self, file: FileId) -> Arc<[u8]> {
                self.0.text(file)
            }
        }
        let case = compile("a.c", &[], &[]);
        let mut files = Round(Tree(tree.to_vec()));
        let closure = Scanner::new(case.setting).closure(&case.compile, &mut files);
        assert!(closure.files.len() < 400, "{}", closure.files.len());
        assert!(closure.files.iter().any(|name| plain(name) == b"inc/y.h"));
    }

    /// Checks which of `x1.h`, `x2.h`, `x3.h` a source is found to read, with GCC's macros.
    #[track_caller]
    fn check_computed(text: &'static str, expected: &str) {
        let mut case = compile("a.c", &[], &["inc"]);
        case.setting.own_macros = Some(Arc::from(&b"#define __GNUC__ 12\n#define ONE 1\n"[..]));
        case.compile.macros = vec![MacroOption::Define(b"TEXT(x)=#x".to_vec())];
        let tree = [("a.c", text), ("inc/x1.h", ""), ("inc/x2.h", ""), ("x3.h", "")];
        let closure = closure(&case, &tree);
        let mut found: Vec<_> =
            closure.files[1..].iter().map(|name| String::from_utf8_lossy(name)).collect();
        found.sort();
        let doubts = closure.doubts.iter().map(|(_, doubt)| format!("{doubt:?}").into());
        found.extend(doubts);
        assert_eq!(found.join(" "), expected, "{text}");
    }

    #[test]
    fn names_are_computed_as_the_compiler_does() {
        check_computed("#define F(x) <x>\n#include F(x1.h)", "inc/x1.h");
        check_computed("#include TEXT(x2.h)\n#include TEXT(  x3.h )", "inc/x2.h x3.h");
        check_computed("#define C(a, b) a ## b\n#define H TEXT\n#include H(x1.h)", "inc/x1.h");
        check_computed("#define C(a, b) <a ## b.h>\n#include C(x, 1)", "inc/x1.h");
        check_computed("#define C(a, ...) <a ## __VA_ARGS__.h>\n#include C(x, 2)", "inc/x2.h");
        check_computed("#define E\n#define C(a) TEXT(a)\n#include E C(x3.h)", "x3.h");
        check_computed("#define x x1\n#define F(a) <a.h>\n#include F(x)", "inc/x1.h");
        check_computed("#define x1 x2\n#define A <x1.h>\n#include A", "inc/x1.h inc/x2.h");
    }

    #[test]
    fn what_is_not_reached_is_not_computed() {
        check_computed("#if ONE == 2\n#include F(x1.h)\n#endif\n#include TEXT(x3.h)", "x3.h");
        check_computed(
            "#define N (ONE + 1) * 2 - 1\n#if N == 3 && !defined F\n#include TEXT(x1.h)\n\
             #elif 1\n#include TEXT(x2.h)\n#else\n#include TEXT(x3.h)\n#endif",
            "inc/x1.h",
        );
        check_computed("#if 1 / 0\n#include TEXT(x1.h)\n#endif", "inc/x1.h");
    }

    #[test]
    fn what_only_the_compiler_knows_goes_both_ways() {
        check_computed(
            "#if __has_builtin(x)\n#define H TEXT(x1.h)\n#else\n#define H TEXT(x2.h)\n#endif\n\
             #include H",
            "inc/x1.h inc/x2.h",
        );
        check_computed("#if __COUNTER__ > 3\n#include TEXT(x1.h)\n#endif", "inc/x1.h");
        check_computed(
            "#define H TEXT(x1.h)\n#if __has_feature(x)\n#pragma push_macro(\"H\")\n#undef H\n\
             #define H TEXT(x2.h)\n#pragma pop_macro(\"H\")\n#endif\n#include H",
            "inc/x1.h",
        );
        check_computed("#include __DATE__ TEXT(x1.h)", "Told(ComputedInclude) Told(Time)");
        check_computed(
            "#define F(x, ...) __VA_OPT__(<x>)\n#include F(x1.h, 1)",
            "Told(ComputedInclude)",
        );
    }

    #[test]
    fn questions_by_macros_are_answered() {
        let text = "#define HAS(x) __has_include(x)\n#if HAS(<x1.h>) && !HAS(\"none.h\")\n\
                    #include TEXT(x2.h)\n#endif";
        check_computed(text, "inc/x1.h inc/x2.h");
    }

    /// Files of any text.
    struct Two([Vec<u8>; 2]);

    impl Files for Two {
        fn look(&mut self, name: &[u8]) -> Found {
            let at = [&b"a.c"[..], b"b"].iter().position(|known| *known == self.true_name(name));
            at.map_or(Found::Missing, |at| Found::File(FileId(at as u64)))
        }

        fn true_name(&mut self, name: &[u8]) -> Vec<u8> {
            let parts = name.split(|byte| *byte == b'/');
            parts.filter(|part| *part != b".").collect::<Vec<_>>().join(&b'/')
        }

        fn facts(&mut self, file: FileId) -> Arc<Facts> {
            Arc::new(scan(&self.text(file)))
        }

        fn text(&mut self, file: FileId) -> Arc<[u8]> {
            self.0[file.0 as usize].as_slice().into()
        }
    }

    /// Lines of directives, whole and broken.
    fn text() -> impl proptest::strategy::Strategy<Value = String> {
        let start = "(#|%:| # |)(include|include_next|import|define|undef|if|ifdef|ifndef|elif|else\
                     |endif|pragma|line)? ?";
        let words = "(A|B|F|F\\(|\\(|\\)|,|##|#|x|1|0x2u|\"b\"|<b>|<|>|b|\\.\\.\\.|__VA_ARGS__|defined|!|&&\\
                     |\\|\\||\\?|:|-|/|%|<<|__has_include|__has_builtin|__FILE__|__COUNTER__|once\\
                     |push_macro|pop_macro|\"A\"|R\"|'|\"|//|/\\*|\\*/| |\\\\\n|\\./b|é){0,9}";
        let words = words.replace("\\\n                     ", "");
        proptest::string::string_regex(&format!("({start}{words}\n){{0,9}}")).unwrap()
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(48))]
        #[test]
        fn any_text_has_a_closure(one in text(), two in text()) {
            let mut files = Two([one.into_bytes(), two.into_bytes()]);
            let mut case = compile("a.c", &[], &["."]);
            case.setting.own_macros = Some(Arc::from(&b"#define A 1\n#define __cplusplus 201703L"[..]));
            case.compile.macros = vec![MacroOption::Define(b"F(x, ...)=x ## __VA_ARGS__ <b>".to_vec())];
            let closure = Scanner::new(case.setting).closure(&case.compile, &mut files);
            assert_eq!(&*closure.files[0], b"a.c");
        }
    }
}
