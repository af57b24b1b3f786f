//! The running of scripts: macros come and go, files are entered, branches are taken; where it
//! cannot be known which, all of them, and macros then have several meanings.

use std::sync::Arc;

use super::expand::{Expansion, Lookup, Meaning, Signs, Unclear};
use super::expression::{Answer, holds, inner, is_asked};
use super::macros::{BUILT_INS, BuiltIn, Macro};
use super::script::{Branch, Dialect, Item, Tables, Test, script};
use super::token::{Kind, Token};
use crate::compile::{Compile, MacroOption, Search, Setting};
use crate::facts::{Include, IncludeKind, Operand};
use crate::files::{FileId, Files};
use crate::known::Known;
use crate::names::{Names, QuickMap};
use crate::places::{Places, Way};

/// How many steps may be made: directives, tokens, and macros that come out differently.
const MOST_WORK: usize = 1_000_000;

/// How deep files may include each other; compilers allow 200.
const MOST_FILES_DEEP: usize = 200;

/// How deep conditionals, files and ways may lie in each other.
const MOST_DEEP: usize = 600;

/// How many ways an expansion may go.
const MOST_WAYS: usize = 32;

/// How many meanings a macro may have before nothing is known of it.
const MOST_MEANINGS: usize = 8;

/// What is behind a name: a code. Others are the numbers of definitions, from [`FIRST_MACRO`] on,
/// or of lists of codes, from [`FIRST_CHOICE`] on.
const UNDEFINED: u32 = 0;
const ANYTHING: u32 = 1;
const FIRST_MACRO: u32 = 2;
const FIRST_CHOICE: u32 = 1 << 31;

/// The definition that is empty, the first.
const DEFINED: u32 = FIRST_MACRO;

/// What the evaluator keeps for a setting.
pub(crate) struct Exact {
    words: Names,
    signs: Signs,
    macros: Vec<Macro>,
    scripts: QuickMap<FileId, Arc<Vec<Item>>>,
    /// What is behind each name before the first file.
    own: Vec<u32>,
    dialect: Dialect,
    is_cpp: bool,
    is_clang: bool,
    answers_files: bool,
    /// Whether nothing can be evaluated here: the compiler's own macros are not known, or the
    /// source is for an assembler.
    is_lost: bool,
}

/// What one evaluation needs.
pub(crate) struct Request<'a> {
    pub(crate) setting: &'a Setting,
    pub(crate) compile: &'a Compile,
    pub(crate) source: u32,
    pub(crate) places: &'a mut Places,
    pub(crate) known: &'a mut Known,
    pub(crate) files: &'a mut dyn Files,
}

/// What an evaluation has found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Places that were entered.
    pub(crate) places: Vec<u32>,
    /// Names that were computed or asked for: the folder, and the number of the include.
    pub(crate) asked: Vec<(u32, u32)>,
}

impl Exact {
    pub(crate) fn new(setting: &Setting, known: &mut Known) -> Exact {
        let mut words = Names::default();
        let signs = Signs::new(&mut words);
        let own_macros = setting.own_macros.clone().unwrap_or_default();
        let mut exact = Exact {
            signs,
            words,
            macros: vec![Macro::Plain(Arc::new([]))],
            scripts: QuickMap::default(),
            own: Vec::new(),
            dialect: Dialect { has_raw_strings: Some(true) },
            is_cpp: false,
            is_clang: false,
            answers_files: false,
            is_lost: setting.own_macros.is_none(),
        };
        for (name, built_in) in BUILT_INS {
            let code = exact.code(Macro::BuiltIn(built_in));
            let name = exact.words.number(name);
            set(&mut exact.own, name, code);
        }
        for item in exact.read(&own_macros, known) {
            if let Item::Define(name, number) = item {
                set(&mut exact.own, name, FIRST_MACRO + number);
            }
        }
        let has = |exact: &Exact, name: &[u8]| exact.own_macro(name).is_some();
        exact.is_cpp = has(&exact, b"__cplusplus");
        exact.is_clang = has(&exact, b"__clang__");
        exact.answers_files = exact.is_clang || exact.own_number(b"__GNUC__") >= Some(5);
        exact.is_lost |= has(&exact, b"__ASSEMBLER__");
        // C has them as an extension of GCC, and of some versions of Clang.
        let is_modern = exact.is_cpp && exact.own_number(b"__cplusplus") >= Some(201_103);
        exact.dialect.has_raw_strings = is_modern.then_some(true);
        exact
    }

    /// How much is kept.
    pub(crate) fn len(&self) -> usize {
        self.macros.len() + self.words.len()
    }

    fn code(&mut self, meaning: Macro) -> u32 {
        self.macros.push(meaning);
        FIRST_MACRO + u32::try_from(self.macros.len() - 1).expect("memory ends before")
    }

    fn read(&mut self, text: &[u8], known: &mut Known) -> Vec<Item> {
        let tables = Tables { words: &mut self.words, macros: &mut self.macros, known };
        script(text, self.dialect, tables)
    }

    fn own_macro(&self, name: &[u8]) -> Option<&Macro> {
        let code = *self.own.get(self.words.known(name)? as usize)?;
        self.macros.get(code.checked_sub(FIRST_MACRO)? as usize)
    }

    /// The value of one of the compiler's own macros that is a plain number.
    fn own_number(&self, name: &[u8]) -> Option<u64> {
        let Some(Macro::Plain(body)) = self.own_macro(name) else { return None };
        let [token] = &**body else { return None };
        let spelling = self.words.name(token.word);
        let end = spelling.iter().position(|b| !b.is_ascii_digit()).unwrap_or(spelling.len());
        std::str::from_utf8(&spelling[..end]).ok()?.parse().ok()
    }

    /// Carries out a compile. `None` where something is not certain, or too much.
    pub(crate) fn run(&mut self, request: Request<'_>) -> Option<Found> {
        let options = options_text(request.compile);
        // A line that ends inside of an option is read differently.
        let n_lines = options.iter().filter(|byte| **byte == b'\n').count();
        if self.is_lost || n_lines != request.compile.macros.len() {
            return None;
        }
        let options = self.read(&options, request.known);
        let state = State {
            macros: &mut self.macros,
            codes: self.own.clone(),
            choices: Vec::new(),
            known_choices: QuickMap::default(),
            journal: Vec::new(),
            n_journals: 0,
            pushed: QuickMap::default(),
            taken: Vec::new(),
            n_taken: 0,
            search: &request.setting.search,
            shortens: !self.is_clang,
            is_clang: self.is_clang,
            answers_files: self.answers_files,
            maps_names: request.setting.maps_names,
            places: request.places,
            known: request.known,
            files: request.files,
            source: request.source,
            frames: Vec::new(),
            found: Found::default(),
            entered: QuickMap::default(),
            asked: QuickMap::default(),
            n_work: 0,
            is_failed: false,
        };
        let mut run = Run {
            state,
            words: &mut self.words,
            signs: self.signs,
            scripts: &mut self.scripts,
            dialect: self.dialect,
            is_cpp: self.is_cpp,
            once_names: QuickMap::default(),
            n_deep: 0,
        };
        run.items(&options);
        run.compile(request.compile);
        (!run.state.is_failed).then_some(run.state.found)
    }
}

/// Makes of what was kept on one way what was kept on any of two.
fn join_pushed(one: &mut QuickMap<u32, Option<Vec<u32>>>, other: &QuickMap<u32, Option<Vec<u32>>>) {
    let names: Vec<u32> = one.keys().chain(other.keys()).copied().collect();
    for name in names {
        let kept = |map: &QuickMap<u32, Option<Vec<u32>>>| {
            map.get(&name).cloned().unwrap_or_else(|| Some(Vec::new()))
        };
        if kept(one) != kept(other) {
            one.insert(name, None);
        }
    }
}

/// The macros of the command line as directives.
fn options_text(compile: &Compile) -> Vec<u8> {
    let mut text = Vec::new();
    for option in &compile.macros {
        match option {
            MacroOption::Define(definition) => {
                let mut halves = definition.splitn(2, |byte| *byte == b'=');
                let (name, value) = (halves.next().unwrap_or_default(), halves.next());
                text.extend([b"#define ", name, b" ", value.unwrap_or(b"1"), b"\n"].concat());
            }
            MacroOption::Undefine(name) => text.extend([b"#undef ", &name[..], b"\n"].concat()),
        }
    }
    text
}

fn set(codes: &mut Vec<u32>, name: u32, code: u32) -> u32 {
    let index = name as usize;
    if index >= codes.len() {
        codes.resize(index + 1, UNDEFINED);
    }
    std::mem::replace(&mut codes[index], code)
}

/// A file that is being read.
#[derive(Clone, Copy, Debug)]
struct Frame {
    place: u32,
    way: Way,
    /// Another place by whose name it may have been opened.
    shorter: Option<u32>,
    /// Whether `__FILE__` may be another name.
    has_other_name: bool,
}

/// What may have become of the macros, and where files are.
struct State<'a> {
    macros: &'a mut Vec<Macro>,
    codes: Vec<u32>,
    /// Lists of codes.
    choices: Vec<Vec<u32>>,
    known_choices: QuickMap<Vec<u32>, u32>,
    /// Changes of codes, oldest first: the name, and the code before.
    journal: Vec<(u32, u32)>,
    n_journals: usize,
    /// What `push_macro` has kept of a name; `None`: it cannot be known.
    pushed: QuickMap<u32, Option<Vec<u32>>>,
    /// For the expansion that is going on: which of the codes of a name is taken, and how many
    /// there are.
    taken: Vec<(u32, usize, usize)>,
    n_taken: usize,
    search: &'a Search,
    shortens: bool,
    is_clang: bool,
    answers_files: bool,
    maps_names: bool,
    places: &'a mut Places,
    known: &'a mut Known,
    files: &'a mut dyn Files,
    source: u32,
    frames: Vec<Frame>,
    found: Found,
    entered: QuickMap<u32, ()>,
    asked: QuickMap<(u32, u32), ()>,
    n_work: usize,
    is_failed: bool,
}

impl State<'_> {
    fn code(&self, name: u32) -> u32 {
        self.codes.get(name as usize).copied().unwrap_or(UNDEFINED)
    }

    fn set(&mut self, name: u32, code: u32) {
        let before = set(&mut self.codes, name, code);
        if self.n_journals > 0 {
            self.journal.push((name, before));
        }
    }

    /// The codes that a name may have.
    fn codes_of(&self, name: u32) -> Vec<u32> {
        match self.code(name) {
            code if code >= FIRST_CHOICE => self.choices[(code - FIRST_CHOICE) as usize].clone(),
            code => vec![code],
        }
    }

    /// The code for any of `codes`.
    fn choice(&mut self, mut codes: Vec<u32>) -> u32 {
        codes.sort_unstable();
        codes.dedup();
        match codes.as_slice() {
            [only] => *only,
            [] => UNDEFINED,
            many if many.len() > MOST_MEANINGS || many.contains(&ANYTHING) => ANYTHING,
            _ => {
                if let Some(known) = self.known_choices.get(&codes) {
                    return *known;
                }
                let number = u32::try_from(self.choices.len()).expect("memory ends before");
                self.choices.push(codes.clone());
                self.known_choices.insert(codes, FIRST_CHOICE + number);
                FIRST_CHOICE + number
            }
        }
    }

    /// Of the codes that a name may have, the one that is taken now.
    fn taken_code(&mut self, name: u32) -> u32 {
        let code = self.code(name);
        if code < FIRST_CHOICE {
            return code;
        }
        let codes = &self.choices[(code - FIRST_CHOICE) as usize];
        let known = self.taken[..self.n_taken].iter().find(|(known, ..)| *known == name);
        if let Some((_, index, _)) = known {
            return codes[*index];
        }
        match self.taken.get(self.n_taken) {
            Some((_, index, _)) => {
                self.n_taken += 1;
                codes[*index]
            }
            None => {
                self.taken.push((name, 0, codes.len()));
                self.n_taken += 1;
                codes[0]
            }
        }
    }

    /// Goes on to the next way of an expansion. False when all were gone.
    fn next_way(&mut self) -> bool {
        self.n_taken = 0;
        while let Some((name, index, n)) = self.taken.pop() {
            if index + 1 < n {
                self.taken.push((name, index + 1, n));
                return true;
            }
        }
        false
    }

    /// Whether a code means that a name is defined.
    fn answer(&self, code: u32, spelling: &[u8]) -> Answer {
        match code {
            UNDEFINED if spelling.starts_with(b"__has_include") && self.answers_files => Some(true),
            UNDEFINED if is_asked(spelling) => None,
            UNDEFINED => Some(false),
            ANYTHING => None,
            _ => Some(true),
        }
    }

    /// Where a file may be that is named in the current one.
    fn candidates(&mut self, number: u32) -> Vec<(u32, Way)> {
        let Some(frame) = self.frames.last().copied() else {
            let folder = self.places.folder_number(b"");
            return self.first(folder, number);
        };
        let own = self.places.folder(frame.place);
        let mut found = self.first_or_next(frame, own, number);
        if let Some(shorter) = frame.shorter {
            let folder = self.places.folder(shorter);
            for other in self.first_or_next(frame, folder, number) {
                let is_same =
                    found.iter().any(|(at, _)| self.places.file(*at) == self.places.file(other.0));
                if !is_same {
                    found.push(other);
                }
            }
        }
        found
    }

    fn first_or_next(&mut self, frame: Frame, folder: u32, number: u32) -> Vec<(u32, Way)> {
        let is_next = self.known.include(number).kind == IncludeKind::Next;
        match frame.way {
            Way::InList(at) if is_next => self.next_after(Some(at), number),
            // GCC goes on with the lists then; Clang begins as for the first one.
            Way::Beside if is_next && !self.is_clang => self.next_after(None, number),
            _ => self.first(folder, number),
        }
    }

    fn first(&mut self, folder: u32, number: u32) -> Vec<(u32, Way)> {
        let include = self.known.include(number);
        let found = self.places.first(folder, (number, include), self.search, self.files);
        found.into_iter().collect()
    }

    fn next_after(&mut self, at: Option<u32>, number: u32) -> Vec<(u32, Way)> {
        let operand = &self.known.include(number).operand;
        let found = self.places.next_after(at, operand, self.search, self.files);
        found.into_iter().collect()
    }

    fn ask(&mut self, number: u32) {
        let folder = self.frames.last().map_or(self.source, |frame| frame.place);
        let folder = self.places.folder(folder);
        if self.asked.insert((folder, number), ()).is_none() {
            self.found.asked.push((folder, number));
        }
    }
}

impl Lookup for State<'_> {
    fn meaning(&mut self, name: u32) -> Meaning<'_> {
        match self.taken_code(name) {
            UNDEFINED => Meaning::Undefined,
            ANYTHING => Meaning::Unclear,
            code => match self.macros.get((code - FIRST_MACRO) as usize) {
                Some(meaning) => Meaning::Defined(meaning),
                None => Meaning::Unclear,
            },
        }
    }

    fn is_defined(&mut self, name: u32, spelling: &[u8]) -> Answer {
        let code = self.taken_code(name);
        self.answer(code, spelling)
    }

    fn has_file(&mut self, include: &Include) -> Answer {
        let number = self.known.include_number(include);
        self.ask(number);
        Some(!self.candidates(number).is_empty())
    }

    fn file_name(&self, built_in: BuiltIn) -> Option<Vec<u8>> {
        if self.maps_names {
            return None;
        }
        match built_in {
            BuiltIn::BaseFile => Some(self.places.name(self.source).to_vec()),
            BuiltIn::File => {
                let frame = self.frames.last()?;
                let is_known = !frame.has_other_name && frame.shorter.is_none();
                is_known.then(|| self.places.name(frame.place).to_vec())
            }
            BuiltIn::Number | BuiltIn::Text => None,
        }
    }

    fn work(&mut self) -> Result<(), Unclear> {
        self.n_work += 1;
        self.is_failed |= self.n_work > MOST_WORK;
        if self.is_failed { Err(Unclear) } else { Ok(()) }
    }
}

struct Run<'a> {
    state: State<'a>,
    words: &'a mut Names,
    signs: Signs,
    scripts: &'a mut QuickMap<FileId, Arc<Vec<Item>>>,
    dialect: Dialect,
    is_cpp: bool,
    /// Files that are not to be read again, at least on one way.
    once_names: QuickMap<FileId, u32>,
    n_deep: usize,
}

impl Run<'_> {
    fn compile(&mut self, compile: &Compile) {
        for name in compile.macro_files.iter().chain(&compile.included) {
            let include =
                Include { kind: IncludeKind::First, operand: Operand::Quoted(name.clone()) };
            let number = self.state.known.include_number(&include);
            let candidates = self.state.candidates(number);
            self.enter_one_of(&candidates, false);
        }
        let source = self.state.source;
        self.enter(source, Way::Named, false);
    }

    fn items(&mut self, items: &[Item]) {
        self.n_deep += 1;
        if self.n_deep > MOST_DEEP {
            self.state.is_failed = true;
        }
        for item in items {
            self.state.n_work += 1;
            if self.state.is_failed || self.state.n_work > MOST_WORK {
                self.state.is_failed = true;
                break;
            }
            self.item(item);
        }
        self.n_deep -= 1;
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Define(name, number) => self.state.set(*name, FIRST_MACRO + number),
            Item::Undefine(name) => self.state.set(*name, UNDEFINED),
            Item::Conditional(branches) => self.conditional(branches),
            Item::Include { include, is_import } => {
                let candidates = self.state.candidates(*include);
                self.enter_one_of(&candidates, *is_import);
            }
            Item::Computed { kind, is_import, line } => self.computed(*kind, *is_import, line),
            Item::Once => {
                let place = self.state.frames.last().map(|frame| frame.place);
                if let Some(file) = place.and_then(|place| self.state.places.file(place)) {
                    let name = self.once_name(file);
                    self.state.set(name, DEFINED);
                }
            }
            Item::PushMacro(name) => {
                let code = self.state.code(*name);
                let kept = self.state.pushed.entry(*name).or_insert_with(|| Some(Vec::new()));
                if let Some(kept) = kept {
                    kept.push(code);
                }
            }
            Item::PopMacro(name) => match self.state.pushed.get_mut(name) {
                None => {}
                Some(None) => self.state.set(*name, ANYTHING),
                Some(Some(kept)) => {
                    if let Some(code) = kept.pop() {
                        self.state.set(*name, code);
                    }
                }
            },
            Item::OtherName => {
                if let Some(frame) = self.state.frames.last_mut() {
                    frame.has_other_name = true;
                }
            }
            Item::Doubt => self.state.is_failed = true,
        }
    }

    fn conditional(&mut self, branches: &[Branch]) {
        let Some((first, others)) = branches.split_first() else { return };
        match self.test(&first.test) {
            Some(true) => self.items(&first.items),
            Some(false) => self.conditional(others),
            None => {
                let name = match first.test {
                    Test::Defined(name) => Some((name, true)),
                    Test::NotDefined(name) => Some((name, false)),
                    _ => None,
                };
                self.all_ways(2, &mut |run, way| {
                    // Each way knows what it supposes.
                    if let Some((name, is_defined)) = name {
                        run.suppose(name, is_defined == (way == 0));
                    }
                    match way {
                        0 => run.items(&first.items),
                        _ => run.conditional(others),
                    }
                });
            }
        }
    }

    fn suppose(&mut self, name: u32, is_defined: bool) {
        let codes = self.state.codes_of(name);
        let fitting: Vec<u32> = codes
            .iter()
            .copied()
            .filter(|code| *code == ANYTHING || (*code != UNDEFINED) == is_defined)
            .collect();
        if !fitting.is_empty() && fitting.len() < codes.len() {
            let code = self.state.choice(fitting);
            self.state.set(name, code);
        }
    }

    fn test(&mut self, test: &Test) -> Answer {
        match test {
            Test::Defined(name) => self.is_defined(*name),
            Test::NotDefined(name) => self.is_defined(*name).map(|it| !it),
            Test::Else => Some(true),
            Test::Unknown => None,
            Test::Line(line) => self.line_holds(line),
        }
    }

    fn is_defined(&self, name: u32) -> Answer {
        let spelling = self.words.name(name);
        let answer = |code| self.state.answer(code, spelling);
        match self.state.code(name) {
            code if code < FIRST_CHOICE => answer(code),
            code => {
                let codes = &self.state.choices[(code - FIRST_CHOICE) as usize];
                let first = answer(*codes.first()?)?;
                codes.iter().all(|code| answer(*code) == Some(first)).then_some(first)
            }
        }
    }

    fn line_holds(&mut self, line: &Arc<[Token]>) -> Answer {
        self.state.taken.clear();
        self.state.n_taken = 0;
        let mut first = None;
        for _ in 0..MOST_WAYS {
            let expansion = Expansion::new(line.clone(), &mut self.state, self.words, self.signs);
            let answer = holds(expansion, self.signs, self.is_cpp)?;
            if first.is_some_and(|first| first != answer) {
                return None;
            }
            first = Some(answer);
            if !self.state.next_way() {
                return first;
            }
        }
        None
    }

    /// Goes several ways from here, and brings together what comes of them.
    fn all_ways(&mut self, n: usize, go: &mut dyn FnMut(&mut Self, usize)) {
        self.n_deep += 1;
        let start = self.state.journal.len();
        self.state.n_journals += 1;
        let pushed = self.state.pushed.clone();
        let other_name = self.state.frames.last().is_some_and(|frame| frame.has_other_name);
        let mut has_other_name = other_name;
        let mut outcomes: Vec<QuickMap<u32, u32>> = Vec::new();
        let mut pushed_after = None;
        for way in 0..n {
            if self.state.is_failed {
                break;
            }
            go(self, way);
            let state = &mut self.state;
            state.n_work += 10 * (state.journal.len() - start + 1);
            let changed = state.journal[start..].iter().map(|(name, _)| *name);
            outcomes.push(changed.map(|name| (name, state.codes[name as usize])).collect());
            for (name, code) in state.journal.drain(start..).rev() {
                state.codes[name as usize] = code;
            }
            let after = std::mem::replace(&mut state.pushed, pushed.clone());
            match &mut pushed_after {
                None => pushed_after = Some(after),
                Some(pushed) => join_pushed(pushed, &after),
            }
            if let Some(frame) = state.frames.last_mut() {
                has_other_name |= frame.has_other_name;
                frame.has_other_name = other_name;
            }
        }
        self.state.n_journals -= 1;
        self.state.pushed = pushed_after.unwrap_or(pushed);
        if let Some(frame) = self.state.frames.last_mut() {
            frame.has_other_name = has_other_name;
        }
        self.join(&outcomes);
        self.n_deep -= 1;
    }

    fn join(&mut self, outcomes: &[QuickMap<u32, u32>]) {
        let mut names: Vec<u32> = outcomes.iter().flat_map(|it| it.keys().copied()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let before = self.state.code(name);
            let mut codes = Vec::new();
            for outcome in outcomes {
                match outcome.get(&name).copied().unwrap_or(before) {
                    code if code >= FIRST_CHOICE => {
                        codes.extend(&self.state.choices[(code - FIRST_CHOICE) as usize]);
                    }
                    code => codes.push(code),
                }
            }
            let code = self.state.choice(codes);
            self.state.set(name, code);
        }
    }

    /// The name that is defined when a file is not to be read again.
    fn once_name(&mut self, file: FileId) -> u32 {
        let words = &mut *self.words;
        let make = || words.number(format!("once {}", file.0).as_bytes());
        *self.once_names.entry(file).or_insert_with(make)
    }

    fn computed(&mut self, kind: IncludeKind, is_import: bool, line: &Arc<[Token]>) {
        self.state.taken.clear();
        self.state.n_taken = 0;
        let mut numbers = Vec::new();
        let mut n_ways = 0;
        loop {
            let expansion = Expansion::new(line.clone(), &mut self.state, self.words, self.signs);
            let Ok(tokens) = expansion.all() else { return self.state.is_failed = true };
            let Some(operands) = self.operands(&tokens) else {
                return self.state.is_failed = true;
            };
            for operand in operands {
                let number = self.state.known.include_number(&Include { kind, operand });
                if !numbers.contains(&number) {
                    numbers.push(number);
                }
            }
            n_ways += 1;
            if !self.state.next_way() {
                break;
            }
            if n_ways >= MOST_WAYS {
                return self.state.is_failed = true;
            }
        }
        let mut candidates = Vec::new();
        for number in numbers {
            self.state.ask(number);
            candidates.extend(self.state.candidates(number));
        }
        self.enter_one_of(&candidates, is_import);
    }

    /// What an expanded line may name; `None`: it cannot be known. Empty: it is an error.
    fn operands(&self, tokens: &[Token]) -> Option<Vec<Operand>> {
        let spelling = |token: &Token| self.words.name(token.word).clone();
        match tokens {
            [first, ..] if first.kind == Kind::Quoted => {
                let name = spelling(first);
                Some(inner(&name).map(|name| Operand::Quoted(name.to_vec())).into_iter().collect())
            }
            [first, rest @ ..] if first.kind == Kind::Sign && first.word == self.signs.less => {
                let end = rest.iter().position(|token| token.word == self.signs.greater);
                let Some(end) = end else { return Some(Vec::new()) };
                let (mut spaced, mut tight) = (Vec::new(), Vec::new());
                let mut n_spaces = 0;
                for token in &rest[..end] {
                    if token.kind == Kind::Unknown {
                        return None;
                    }
                    if token.has_space {
                        spaced.push(b' ');
                        n_spaces += 1;
                    }
                    spaced.extend_from_slice(&spelling(token));
                    tight.extend_from_slice(&spelling(token));
                }
                // Compilers differ in which blanks they keep.
                match n_spaces + usize::from(rest[end].has_space) {
                    0 => Some(vec![Operand::Angled(tight)]),
                    1 => Some(vec![Operand::Angled(tight), Operand::Angled(spaced)]),
                    _ => None,
                }
            }
            [first, ..] if first.kind == Kind::Unknown => None,
            _ => Some(Vec::new()),
        }
    }

    fn enter_one_of(&mut self, candidates: &[(u32, Way)], is_import: bool) {
        match candidates {
            // It is an error of the source.
            [] => {}
            [(place, way)] => self.enter(*place, *way, is_import),
            many => {
                let many = many.to_vec();
                self.all_ways(many.len(), &mut |run, at| {
                    run.enter(many[at].0, many[at].1, is_import);
                });
            }
        }
    }

    fn enter(&mut self, place: u32, way: Way, is_import: bool) {
        let Some(file) = self.state.places.file(place) else { return };
        if self.state.frames.len() >= MOST_FILES_DEEP {
            self.state.is_failed = true;
            return;
        }
        let is_first = self.state.entered.insert(place, ()).is_none();
        if is_first {
            self.state.found.places.push(place);
        }
        let shorter = match self.state.shortens && way != Way::Named {
            true => self.state.places.shorter(place, self.state.files),
            false => None,
        };
        let once = self.once_names.get(&file).copied();
        let is_once = once.map_or(Some(false), |once| self.is_defined(once));
        let frame = Frame { place, way, shorter, has_other_name: false };
        match is_once {
            // The same content may be another file, which compilers tell apart differently.
            Some(true) if !is_first => {}
            Some(false) if is_import && is_first => {
                let name = self.once_name(file);
                self.state.set(name, DEFINED);
                self.read(file, frame);
            }
            Some(false) if !is_import => self.read(file, frame),
            _ => self.all_ways(2, &mut |run, at| {
                if at == 0 {
                    run.read(file, frame);
                }
            }),
        }
    }

    fn read(&mut self, file: FileId, frame: Frame) {
        let script = match self.scripts.get(&file) {
            Some(script) => script.clone(),
            None => {
                let text = self.state.files.text(file);
                let tables = Tables {
                    words: self.words,
                    macros: self.state.macros,
                    known: self.state.known,
                };
                let script = Arc::new(script(&text, self.dialect, tables));
                self.scripts.insert(file, script.clone());
                script
            }
        };
        self.state.frames.push(frame);
        self.items(&script);
        self.state.frames.pop();
    }
}
