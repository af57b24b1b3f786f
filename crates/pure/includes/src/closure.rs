//! The closure: which files a compile may read, by the names under which the compiler opens them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::condition::Condition;
use crate::facts::{Doubt, Facts, Include, IncludeKind, Operand, definitions, operand_of_value};

/// How many macros may stand for each other before that counts as endless.
const MOST_MACROS: usize = 16;

/// Files as the compiler sees them: by names as it would write them, a folder, a slash and the
/// rest. Relative names start in the compile's working folder.
pub trait Files {
    /// What is at `name`, links followed.
    fn look(&mut self, name: &[u8]) -> Found;

    /// The name of a file that [`Files::look`] has found, without links and detours.
    fn true_name(&mut self, name: &[u8]) -> Vec<u8>;

    /// What a file says of others: [`crate::scan`] of its text.
    fn facts(&mut self, file: FileId) -> Arc<Facts>;

    /// Its text.
    fn text(&mut self, file: FileId) -> Arc<[u8]>;
}

/// A file, whatever name leads to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId(pub u64);

/// What is at a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing, or nothing that a compiler could read.
    Missing,
    /// A folder, or something else that is no file.
    Other,
    /// A file.
    File(FileId),
}

/// Where the compiler looks for files, in order: the lists that `gcc -v` and `clang -v` print.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// Folders for names in quotes alone (`-iquote`).
    pub quoted: Vec<Vec<u8>>,
    /// Folders for names in either form (`-I`, `-isystem`, the compiler's own, `-idirafter`).
    pub all: Vec<Vec<u8>>,
}

/// One compile, as far as its files go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compile {
    /// The source.
    pub source: Vec<u8>,
    /// Files of `-include` and `-imacros`, in order.
    pub included: Vec<Vec<u8>>,
    /// Macros of the command line (`-D`): name, value. A value with parameters is left out.
    pub macros: Vec<(Vec<u8>, Vec<u8>)>,
    /// The macros that the compiler defines by itself, by name (`-dM -E`). `None`: not known, and any
    /// may be defined.
    pub own_macros: Option<Arc<HashSet<Vec<u8>>>>,
    /// Where the compiler looks.
    pub search: Search,
}

/// What a compile may read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closure {
    /// The names under which the compiler may open files, each once, the source first.
    pub files: Vec<Vec<u8>>,
    /// Folders in which it may look for a file that is not there. A file that is made in one of
    /// them later may belong to the closure.
    pub missed_in: BTreeSet<Vec<u8>>,
    /// What cannot be followed, and in which file. With one of these, nothing else is certain.
    pub doubts: Vec<(Vec<u8>, ClosureDoubt)>,
}

/// Why a closure is not certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClosureDoubt {
    /// A file says what cannot be followed.
    Told(Doubt),
    /// There is a precompiled header, which may be read instead of the header.
    PrecompiledHeader,
    /// The file, or one of `-include`, is not there.
    Missing,
}

/// The suffixes of precompiled headers.
const PRECOMPILED: [&[u8]; 2] = [b".gch", b".pch"];

impl Closure {
    /// The closure of `compile`.
    pub fn of(compile: &Compile, files: &mut dyn Files) -> Closure {
        let mut walk = Walk {
            compile,
            files,
            closure: Closure::default(),
            seen: HashMap::new(),
            open: Vec::new(),
            defined: compile.macros.iter().map(|(name, _)| name.clone()).collect(),
            asleep: Vec::new(),
            computed: Vec::new(),
            looked: HashMap::new(),
        };
        walk.start();
        while walk.follow() || walk.wake() || walk.compute() {}
        walk.closure
    }
}

struct Walk<'a> {
    compile: &'a Compile,
    files: &'a mut dyn Files,
    closure: Closure,
    /// The names in the closure.
    seen: HashMap<Vec<u8>, FileId>,
    /// Those whose own includes have not been followed.
    open: Vec<(Vec<u8>, FileId)>,
    /// Macros that are defined somewhere.
    defined: HashSet<Vec<u8>>,
    /// What does not count as long as no more macros are defined, and where it stands.
    asleep: Vec<(Vec<u8>, Said, Condition)>,
    /// Includes by macros: the file that has it, and the macro.
    computed: Vec<(Vec<u8>, Include)>,
    /// What was looked for already.
    looked: HashMap<Vec<u8>, Found>,
}

/// One thing that a file says.
#[derive(Clone, Debug)]
enum Said {
    Include(Include),
    Define(Vec<u8>),
    Doubt(Doubt),
}

impl Walk<'_> {
    fn start(&mut self) {
        let source = self.compile.source.clone();
        match self.look(&source) {
            Found::File(file) => {
                self.add(source.clone(), file);
                for (include, _) in &self.files.facts(file).includes {
                    self.look_for_precompiled(&source, include);
                }
            }
            Found::Missing | Found::Other => self.doubt(&source, ClosureDoubt::Missing),
        }
        // GCC reads it before everything else, where the system has it.
        self.first_of(b"stdc-predef.h", &self.compile.search.all);
        for name in &self.compile.included {
            // In the working folder first, not in the source's.
            let include =
                Include { kind: IncludeKind::First, operand: Operand::Quoted(name.clone()) };
            self.look_for_precompiled(b"", &include);
            if !self.resolve(b"", &include) {
                self.doubt(name, ClosureDoubt::Missing);
            }
        }
    }

    fn doubt(&mut self, name: &[u8], doubt: ClosureDoubt) {
        let doubt = (name.to_vec(), doubt);
        if !self.closure.doubts.contains(&doubt) {
            self.closure.doubts.push(doubt);
        }
    }

    fn add(&mut self, name: Vec<u8>, file: FileId) {
        if self.seen.insert(name.clone(), file).is_none() {
            self.closure.files.push(name.clone());
            self.open.push((name, file));
        }
    }

    fn look(&mut self, name: &[u8]) -> Found {
        if let Some(found) = self.looked.get(name) {
            return *found;
        }
        let found = self.files.look(name);
        if found == Found::Missing {
            self.closure.missed_in.insert(folder_of(name).to_vec());
        }
        self.looked.insert(name.to_vec(), found);
        found
    }

    /// Follows the includes of the files that were added last. False when there are none.
    fn follow(&mut self) -> bool {
        let Some((name, file)) = self.open.pop() else { return false };
        let facts = self.files.facts(file);
        let defines = facts.defines.iter().map(|(name, on)| (Said::Define(name.clone()), on));
        let doubts = facts.doubts.iter().map(|(doubt, on)| (Said::Doubt(*doubt), on));
        let includes =
            facts.includes.iter().map(|(include, on)| (Said::Include(include.clone()), on));
        for (said, condition) in defines.chain(doubts).chain(includes) {
            if self.may_hold(condition) {
                self.hear(&name, &said);
            } else {
                self.asleep.push((name.clone(), said, condition.clone()));
            }
        }
        true
    }

    /// Hears what counts now that more macros are defined. False when there is nothing.
    fn wake(&mut self) -> bool {
        let asleep = std::mem::take(&mut self.asleep);
        let n_before = asleep.len();
        for (name, said, condition) in asleep {
            if self.may_hold(&condition) {
                self.hear(&name, &said);
            } else {
                self.asleep.push((name, said, condition));
            }
        }
        self.asleep.len() < n_before
    }

    fn may_hold(&self, condition: &Condition) -> bool {
        let Some(own) = &self.compile.own_macros else { return *condition != Condition::Never };
        condition.may_hold(&|name| self.defined.contains(name) || own.contains(name))
    }

    /// Takes in what the file `name` says.
    fn hear(&mut self, name: &[u8], said: &Said) {
        match said {
            Said::Define(defined) => drop(self.defined.insert(defined.clone())),
            Said::Doubt(doubt) => self.doubt(name, ClosureDoubt::Told(*doubt)),
            Said::Include(include) => match include.operand {
                Operand::Macro(_) => self.computed.push((name.to_vec(), include.clone())),
                Operand::Quoted(_) | Operand::Angled(_) => drop(self.resolve(name, include)),
            },
        }
    }

    /// Adds what `include`, which stands in `includer`, may mean. False when there is nothing.
    fn resolve(&mut self, includer: &[u8], include: &Include) -> bool {
        let (name, is_quoted) = match &include.operand {
            Operand::Quoted(name) => (name, true),
            Operand::Angled(name) => (name, false),
            Operand::Macro(_) => return false,
        };
        if name.starts_with(b"/") {
            return self.try_at(name.clone());
        }
        let search = &self.compile.search;
        match include.kind {
            IncludeKind::First => {
                let beside = joined(folder_of(includer), name);
                if is_quoted && (self.try_at(beside) || self.first_of(name, &search.quoted)) {
                    return true;
                }
                self.first_of(name, &search.all)
            }
            // Which one it is depends on where the includer was found: all of them, then.
            IncludeKind::Next => {
                let folders = search.quoted.iter().chain(&search.all);
                folders.fold(false, |found, folder| self.try_at(joined(folder, name)) | found)
            }
        }
    }

    fn first_of(&mut self, name: &[u8], folders: &[Vec<u8>]) -> bool {
        folders.iter().any(|folder| self.try_at(joined(folder, name)))
    }

    fn try_at(&mut self, name: Vec<u8>) -> bool {
        match self.look(&name) {
            Found::File(file) => {
                // GCC opens a system header by its true name where that is shorter, and goes on
                // from there (`-fcanonical-system-headers`). Which headers those are depends on
                // how they were found: any may be.
                let true_name = self.files.true_name(&name);
                if true_name.len() < name.len() {
                    self.add(true_name, file);
                }
                self.add(name, file);
                true
            }
            Found::Missing | Found::Other => false,
        }
    }

    /// A precompiled header can only stand for a header that the source, or the command line,
    /// names itself. It need not have the header beside it.
    fn look_for_precompiled(&mut self, includer: &[u8], include: &Include) {
        let (Operand::Quoted(name) | Operand::Angled(name)) = &include.operand else { return };
        let search = &self.compile.search;
        let own = folder_of(includer);
        let folders = search.quoted.iter().chain(&search.all).map(Vec::as_slice);
        for folder in std::iter::once(own).chain(folders) {
            let place = joined(folder, name);
            let is_there = PRECOMPILED.iter().any(|suffix| {
                let name = [&place, *suffix].concat();
                self.look(&name) != Found::Missing
            });
            if is_there {
                return self.doubt(&place, ClosureDoubt::PrecompiledHeader);
            }
            if self.look(&place) != Found::Missing {
                return;
            }
        }
    }

    /// Adds what includes by macros may mean, by all values that any file of the closure gives
    /// the macros. False when that is nothing new.
    fn compute(&mut self) -> bool {
        for (includer, include) in self.computed.clone() {
            let Operand::Macro(name) = &include.operand else { continue };
            let mut values = Values::default();
            self.values(name, &includer, &mut values);
            if values.is_endless {
                self.doubt(&includer, ClosureDoubt::Told(Doubt::ComputedInclude));
            }
            for operand in values.operands {
                self.resolve(&includer, &Include { kind: include.kind, operand });
            }
        }
        !self.open.is_empty()
    }

    /// Collects what the macro `name` may come to in `includer`.
    fn values(&mut self, name: &[u8], includer: &[u8], found: &mut Values) {
        match name {
            b"__FILE__" => return found.operands.push(Operand::Quoted(includer.to_vec())),
            b"__BASE_FILE__" => {
                return found.operands.push(Operand::Quoted(self.compile.source.clone()));
            }
            _ => {}
        }
        if found.names.iter().any(|known| known == name) {
            return;
        }
        if found.names.len() >= MOST_MACROS {
            found.is_endless = true;
            return;
        }
        found.names.push(name.to_vec());
        let given = self.compile.macros.iter().filter(|(known, _)| known == name);
        let mut values: Vec<Vec<u8>> = given.map(|(_, value)| value.clone()).collect();
        for file in self.closure.files.clone() {
            let Some(id) = self.seen.get(&file).copied() else { continue };
            let told = definitions(&self.files.text(id), name);
            found.is_endless |= told.has_parameters;
            values.extend(told.values);
        }
        for value in values {
            match operand_of_value(&value) {
                Some(Operand::Macro(next)) => self.values(&next, includer, found),
                Some(operand) => found.operands.push(operand),
                // Empty, as in a guard, it is no name; more than that would have to be computed.
                None => found.is_endless |= !value.is_empty(),
            }
        }
    }
}

/// What a macro may come to.
#[derive(Default)]
struct Values {
    /// The macros on the way.
    names: Vec<Vec<u8>>,
    operands: Vec<Operand>,
    /// Whether it may be more than that.
    is_endless: bool,
}

/// The folder of a name, as the compiler writes it: empty for the working folder.
fn folder_of(name: &[u8]) -> &[u8] {
    match name.iter().rposition(|byte| *byte == b'/') {
        Some(0) => b"/",
        Some(at) => &name[..at],
        None => b"",
    }
}

/// The name of a file in a folder, as the compiler writes it.
fn joined(folder: &[u8], name: &[u8]) -> Vec<u8> {
    match folder {
        b"" => name.to_vec(),
        [.., b'/'] => [folder, name].concat(),
        _ => [folder, b"/", name].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan;

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

    fn compile(source: &str, quoted: &[&str], all: &[&str]) -> Compile {
        let list = |folders: &[&str]| folders.iter().map(|f| f.as_bytes().to_vec()).collect();
        Compile {
            source: source.into(),
            search: Search { quoted: list(quoted), all: list(all) },
            ..Compile::default()
        }
    }

    /// Checks files and doubts.
    #[track_caller]
    fn check(compile: &Compile, tree: &[(&'static str, &'static str)], expected: &str) -> Closure {
        let closure = Closure::of(compile, &mut Tree(tree.to_vec()));
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
        compile.macros = vec![(b"GIVEN".to_vec(), b"<z.h>".to_vec())];
        compile.included = vec![b"x.h".to_vec()];
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
        with_pch.included = vec![b"p.h".to_vec()];
        check(&with_pch, &tree, "a.c x.h inc/p.h:PrecompiledHeader p.h:Missing");
        let closure = Closure::of(&compile("b.c", &[], &[]), &mut Tree(tree.to_vec()));
        assert_eq!(closure.doubts, [(b"b.c".to_vec(), ClosureDoubt::Missing)]);
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
        compile.own_macros = Some(Arc::default());
        check(&compile, &tree, "a.c inc/this.h");
        compile.own_macros = Some(Arc::new(HashSet::from([b"HERE".to_vec()])));
        check(&compile, &tree, "a.c inc/late.h inc/this.h");
        // Defined behind it, in another file: it may come before it.
        compile.macros = vec![(b"X".to_vec(), b"1".to_vec())];
        let tree = [
            ("a.c", "#if defined(A) && X\n#include <other.h>\n#endif\n#include <this.h>\n"),
            ("inc/other.h", ""),
            ("inc/this.h", "#define A\n"),
        ];
        check(&compile, &tree, "a.c inc/other.h inc/this.h");
    }

    #[test]
    fn the_systems_own_definitions_belong_to_it() {
        let tree = [("a.c", ""), ("inc/stdc-predef.h", "")];
        check(&compile("a.c", &[], &["inc"]), &tree, "a.c inc/stdc-predef.h");
    }
}
