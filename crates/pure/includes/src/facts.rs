//! What one file says of other files, and on what condition.

use std::hash::Hash;
use std::sync::{Arc, LazyLock};

use aho_corasick::{AhoCorasick, Input, MatchKind};
use indexmap::IndexMap;
use indexmap::map::Entry;
use memchr::memmem::Finder;

use crate::branches::Branches;
use crate::condition::Condition;
use crate::text::{Cursor, Part, is_code, is_of_name, part_at};

/// What one file says of other files, each thing once, in the order in which it is said first, and
/// with what has to hold for it to count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The files it names.
    pub includes: Vec<(Include, Arc<Condition>)>,
    /// The macros it defines.
    pub defines: Vec<(Vec<u8>, Arc<Condition>)>,
    /// What in it cannot be followed.
    pub doubts: Vec<(Doubt, Arc<Condition>)>,
}

/// A file that is named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Include {
    /// By what.
    pub kind: IncludeKind,
    /// How.
    pub operand: Operand,
}

/// By what a file is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IncludeKind {
    /// `#include`, `#import`, `__has_include`: the first one that is found.
    First,
    /// `#include_next`, `__has_include_next`: one that comes later.
    Next,
}

/// How a file is named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// `"name"`.
    Quoted(Vec<u8>),
    /// `<name>`.
    Angled(Vec<u8>),
    /// By a macro without arguments, which stands for one of the above.
    Macro(Vec<u8>),
}

/// What cannot be followed: a compile that reads such a file has to be preprocessed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Doubt {
    /// A name that has to be computed by more than one word.
    ComputedInclude,
    /// `#embed`, `__has_embed`.
    Embed,
    /// `.incbin`, `.include` in assembler text.
    AssemblerFile,
    /// `__DATE__`, `__TIME__`, `__TIMESTAMP__`: the time here.
    Time,
    /// `#pragma GCC pch_preprocess`, `#pragma include_alias`, `#pragma GCC dependency`.
    Pragma,
    /// Trigraphs: some dialects have them.
    Trigraph,
    /// Modules: `@import`, `import <x>`, `module x`, `#pragma clang module`.
    Module,
}

/// The other sign of directives.
static DIGRAPH: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("%:"));

/// What is looked for beside the signs of directives.
#[derive(Clone, Copy)]
enum Sought {
    HasInclude,
    /// A word that may begin a line of a module.
    ModuleWord,
    /// What is a doubt wherever it stands outside of comments.
    Doubtful(Doubt),
}

/// Three bytes and more: shorter ones would make the search slow.
const SOUGHT: [(&str, Sought); 14] = [
    ("__has_include", Sought::HasInclude),
    ("import", Sought::ModuleWord),
    ("module", Sought::ModuleWord),
    ("__DATE__", Sought::Doubtful(Doubt::Time)),
    ("__TIME__", Sought::Doubtful(Doubt::Time)),
    ("__TIMESTAMP__", Sought::Doubtful(Doubt::Time)),
    ("__has_embed", Sought::Doubtful(Doubt::Embed)),
    (".incbin", Sought::Doubtful(Doubt::AssemblerFile)),
    (".include", Sought::Doubtful(Doubt::AssemblerFile)),
    ("pch_preprocess", Sought::Doubtful(Doubt::Pragma)),
    ("include_alias", Sought::Doubtful(Doubt::Pragma)),
    ("GCC dependency", Sought::Doubtful(Doubt::Pragma)),
    ("??=", Sought::Doubtful(Doubt::Trigraph)),
    ("??/", Sought::Doubtful(Doubt::Trigraph)),
];

/// Finds all of [`SOUGHT`] in one go, by vectors where the processor has them.
static SEARCH: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let words = SOUGHT.map(|(word, _)| word);
    let search = AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(words);
    search.unwrap_or_else(|_| unreachable!("some short words"))
});

/// Each place at which something of [`SOUGHT`] begins. No two of them begin at the same.
fn sought(text: &[u8]) -> impl Iterator<Item = (usize, Sought)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let found = SEARCH.find(Input::new(text).range(from..))?;
        from = found.start() + 1;
        Some((found.start(), SOUGHT[found.pattern().as_usize()].1))
    })
}

/// Finds out what `text` says of other files.
#[must_use]
pub fn scan(text: &[u8]) -> Facts {
    let mut scan = Scan {
        text,
        branches: Branches::of(text),
        includes: Told::default(),
        defines: Told::default(),
        doubts: Told::default(),
    };
    for at in memchr::memchr_iter(b'#', text) {
        scan.directive(at, 1);
    }
    for at in DIGRAPH.find_iter(text) {
        scan.directive(at, 2);
    }
    for (at, what) in sought(text) {
        match what {
            Sought::HasInclude => scan.has_include(at),
            Sought::ModuleWord => scan.module_line(at),
            Sought::Doubtful(doubt) => {
                if !scan.doubts.is_certain(&doubt) && scan.is_doubtful(at, doubt) {
                    scan.doubts.add(doubt, Arc::new(Condition::Maybe));
                }
            }
        }
    }
    Facts {
        includes: scan.includes.list(),
        defines: scan.defines.list(),
        doubts: scan.doubts.list(),
    }
}

struct Scan<'a> {
    text: &'a [u8],
    branches: Branches,
    includes: Told<Include>,
    defines: Told<Vec<u8>>,
    doubts: Told<Doubt>,
}

/// Things that are told, each once.
struct Told<T> {
    things: IndexMap<T, Arc<Condition>, foldhash::fast::RandomState>,
}

impl<T> Default for Told<T> {
    fn default() -> Told<T> {
        Told { things: IndexMap::default() }
    }
}

impl<T: Eq + Hash> Told<T> {
    /// Adds a thing. Told again, it counts on either condition.
    fn add(&mut self, thing: T, condition: Arc<Condition>) {
        if *condition == Condition::Never {
            return;
        }
        match self.things.entry(thing) {
            Entry::Occupied(known) => {
                let known = known.into_mut();
                if *known != condition {
                    *known = Arc::new(Condition::clone(known).or(Condition::clone(&condition)));
                }
            }
            Entry::Vacant(place) => drop(place.insert(condition)),
        }
    }

    /// Whether a thing was told that counts on no condition.
    fn is_certain(&self, thing: &T) -> bool {
        self.things.get(thing).is_some_and(|condition| **condition == Condition::Maybe)
    }

    fn list(self) -> Vec<(T, Arc<Condition>)> {
        self.things.into_iter().collect()
    }
}

impl Scan<'_> {
    fn doubt(&mut self, at: usize, doubt: Doubt) {
        self.doubts.add(doubt, self.branches.at(at));
    }

    fn add(&mut self, at: usize, kind: IncludeKind, operand: Operand) {
        self.includes.add(Include { kind, operand }, self.branches.at(at));
    }

    /// Whether the word at `at` is no tail of another, and stands in code.
    fn is_word(&self, at: usize) -> bool {
        let is_tail = at > 0 && is_of_name(self.text[at - 1]) && is_of_name(self.text[at]);
        !is_tail && is_code(self.text, at)
    }

    /// Whether a word of [`DOUBTFUL`] that stands at `at` is what it seems.
    fn is_doubtful(&self, at: usize, doubt: Doubt) -> bool {
        match doubt {
            Doubt::Trigraph => true,
            Doubt::AssemblerFile => self.is_assembler(at),
            _ => self.is_word(at),
        }
    }

    /// Whether the word at `at` may be one of the assembler's: in a string, or in a source for it.
    /// It is none where it is a member of something.
    fn is_assembler(&self, at: usize) -> bool {
        let part = part_at(self.text, at);
        let mut after = Cursor::new(self.text, at + 1);
        let _ = after.name();
        after.skip_blanks();
        let before = self.text[..at].trim_ascii_end().last();
        let is_member = match part {
            Part::Code => {
                before.is_some_and(|byte| is_of_name(*byte) || b")]>".contains(byte))
                    && !self.begins_in_its_line(at)
                    || matches!(after.peek(), Some(b'=' | b'.' | b'[' | b')' | b',' | b';'))
            }
            // `\n` and the like stand before it.
            Part::Quoted | Part::Unknown => {
                let is_escape = self.text[..at].iter().rev().nth(1) == Some(&b'\\');
                at > 0 && is_of_name(self.text[at - 1]) && !is_escape
            }
            Part::Comment => true,
        };
        !is_member
    }

    fn begins_in_its_line(&self, at: usize) -> bool {
        let line = self.text[..at].rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        line.trim_ascii().is_empty()
    }

    /// Looks at what may be a directive: its sign, so many bytes long, stands at `at`.
    fn directive(&mut self, at: usize, n_sign: usize) {
        if !begins_line(self.text, at) {
            return;
        }
        let mut cursor = Cursor::new(self.text, at + n_sign);
        cursor.skip_blanks();
        match cursor.name().as_ref() {
            b"include" | b"import" => self.operand(at, IncludeKind::First, &mut cursor),
            b"include_next" => self.operand(at, IncludeKind::Next, &mut cursor),
            b"pragma" => self.pragma(at, &mut cursor),
            b"embed" if is_code(self.text, at) => self.doubt(at, Doubt::Embed),
            b"define" => {
                cursor.skip_blanks();
                self.defines.add(cursor.name().into_owned(), self.branches.at(at));
            }
            _ => {}
        }
    }

    /// Pragmas that name files, and those that ask for modules.
    fn pragma(&mut self, at: usize, cursor: &mut Cursor<'_>) {
        cursor.skip_blanks();
        let first = cursor.name();
        cursor.skip_blanks();
        let second = cursor.name();
        let doubt = match (first.as_ref(), second.as_ref()) {
            (b"clang", b"module") => Doubt::Module,
            (b"GCC", b"dependency" | b"pch_preprocess") => Doubt::Pragma,
            (b"include_alias" | b"hdrstop", _) | (b"clang", b"include_alias") => Doubt::Pragma,
            _ => return,
        };
        if is_code(self.text, at) {
            self.doubt(at, doubt);
        }
    }

    /// A line that brings in a module, or begins one: `import x;`, `export module x;`.
    fn module_line(&mut self, at: usize) {
        if !is_behind_export(&self.text[..at]) || !is_code(self.text, at) {
            return;
        }
        let mut cursor = Cursor::new(self.text, at);
        let word = cursor.name();
        if !matches!(word.as_ref(), b"import" | b"module") {
            return;
        }
        cursor.skip_blanks();
        let is_name =
            cursor.peek().is_some_and(|byte| is_of_name(byte) || b"<\":;".contains(&byte));
        // What is declared, assigned or called has another sign behind the word or the next one.
        let names_it = match cursor.peek() {
            Some(b'<' | b'"') => *word == *b"import",
            _ => {
                let _ = cursor.name();
                cursor.skip_blanks();
                matches!(cursor.peek(), Some(b';' | b'.' | b':' | b'['))
            }
        };
        if is_name && names_it {
            self.doubt(at, Doubt::Module);
        }
    }

    fn operand(&mut self, at: usize, kind: IncludeKind, cursor: &mut Cursor<'_>) {
        cursor.skip_blanks();
        let plain = match cursor.peek() {
            Some(b'"') => cursor.next().and_then(|_| cursor.up_to(b'"')).map(Operand::Quoted),
            Some(b'<') => cursor.next().and_then(|_| cursor.up_to(b'>')).map(Operand::Angled),
            Some(byte) if is_of_name(byte) => return self.computed(at, kind, cursor),
            _ => None,
        };
        // What is no name is an error of the source, if it counts at all.
        if let Some(operand) = plain {
            self.add(at, kind, operand);
        }
    }

    /// A name that a macro stands for.
    fn computed(&mut self, at: usize, kind: IncludeKind, cursor: &mut Cursor<'_>) {
        let name = cursor.name().into_owned();
        cursor.skip_blanks();
        if !is_code(self.text, at) {
            return;
        }
        if matches!(cursor.peek(), None | Some(b'\n' | b'\r')) {
            self.add(at, kind, Operand::Macro(name));
        } else {
            self.doubt(at, Doubt::ComputedInclude);
        }
    }

    /// `__has_include ( OPERAND )`, and `__has_include_next`. What asks whether there is such a
    /// question at all has no parenthesis behind it.
    fn has_include(&mut self, at: usize) {
        let mut cursor = Cursor::new(self.text, at);
        let kind = match cursor.name().as_ref() {
            b"__has_include" | b"__has_include__" => IncludeKind::First,
            b"__has_include_next" | b"__has_include_next__" => IncludeKind::Next,
            _ => return,
        };
        cursor.skip_blanks();
        if !self.is_word(at) || !cursor.take(b'(') {
            return;
        }
        cursor.skip_blanks();
        match cursor.peek() {
            Some(b'"' | b'<') => self.operand(at, kind, &mut cursor),
            // A macro around it, as in `#define HAS(x) __has_include(x)`.
            Some(_) => self.doubt(at, Doubt::ComputedInclude),
            None => {}
        }
    }
}

/// Whether nothing but blanks, and perhaps the end of a comment, stands before `at` in its line.
fn begins_line(text: &[u8], at: usize) -> bool {
    let mut before = &text[..at];
    loop {
        match before {
            [] | [.., b'\n'] => return true,
            [rest @ .., b' ' | b'\t' | 0x0b | 0x0c | b'\r'] => before = rest,
            [.., b'*', b'/'] => return true,
            // A mark of the encoding.
            [0xef, 0xbb, 0xbf] => return true,
            _ => return false,
        }
    }
}

/// Whether a word may begin a line of a module: nothing, `export`, or Objective-C's sign before it.
fn is_behind_export(before: &[u8]) -> bool {
    let line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
    line.is_empty() || line == b"@" || line == b"export" || line.ends_with(b";")
}

/// The values that `text` gives the macro `name`, if it has no parameters: what stands behind the
/// name in each `#define`, without blanks around it.
#[must_use]
pub fn definitions(text: &[u8], name: &[u8]) -> Definitions {
    let mut found = Definitions::default();
    for at in memchr::memmem::find_iter(text, b"define") {
        let mut cursor = Cursor::new(text, at);
        if *cursor.name() != *b"define" || !is_behind_sign(&text[..at]) {
            continue;
        }
        cursor.skip_blanks();
        if *cursor.name() != *name {
            continue;
        }
        if cursor.peek() == Some(b'(') {
            found.has_parameters = true;
            continue;
        }
        cursor.skip_blanks();
        let mut value = Vec::new();
        while let Some(byte) = cursor.peek().filter(|byte| *byte != b'\n') {
            value.push(byte);
            cursor.next();
        }
        let value = value.trim_ascii().to_vec();
        if !found.values.contains(&value) {
            found.values.push(value);
        }
    }
    found
}

/// The names of the macros that `-dM -E` has printed.
pub(crate) fn own_macro_names(printed: &[u8]) -> impl Iterator<Item = &[u8]> {
    printed.split(|byte| *byte == b'\n').filter_map(|line| {
        let rest = line.strip_prefix(b"#define ")?;
        let end = rest.iter().position(|byte| !is_of_name(*byte)).unwrap_or(rest.len());
        Some(&rest[..end])
    })
}

/// Whether the sign of a directive, or what may hide one, stands before a word.
fn is_behind_sign(before: &[u8]) -> bool {
    let before = before.trim_ascii_end();
    [&b"#"[..], b"%:", b"*/", b"\\"].iter().any(|sign| before.ends_with(sign))
}

/// What a text says a macro stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definitions {
    /// Its values, each once.
    pub values: Vec<Vec<u8>>,
    /// Whether it is also defined with parameters.
    pub has_parameters: bool,
}

/// Reads the value of a macro as what `#include` would make of it; `None`: more has to be computed.
#[must_use]
pub fn operand_of_value(value: &[u8]) -> Option<Operand> {
    let mut cursor = Cursor::new(value, 0);
    let operand = match cursor.peek()? {
        b'"' => cursor.next().and_then(|_| cursor.up_to(b'"')).map(Operand::Quoted),
        b'<' => cursor.next().and_then(|_| cursor.up_to(b'>')).map(Operand::Angled),
        byte if is_of_name(byte) => Some(Operand::Macro(cursor.name().into_owned())),
        _ => None,
    }?;
    cursor.skip_blanks();
    cursor.peek().is_none().then_some(operand)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(facts: &Facts) -> String {
        let include = |(include, _): &(Include, Arc<Condition>)| {
            let (open, name, close) = match &include.operand {
                Operand::Quoted(name) => ("\"", name, "\""),
                Operand::Angled(name) => ("<", name, ">"),
                Operand::Macro(name) => ("", name, ""),
            };
            let sign = if include.kind == IncludeKind::Next { "+" } else { "" };
            format!("{sign}{open}{}{close}", String::from_utf8_lossy(name))
        };
        let includes = facts.includes.iter().map(include);
        let doubts = facts.doubts.iter().map(|(doubt, _)| format!("{doubt:?}"));
        includes.chain(doubts).collect::<Vec<_>>().join(" ")
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(shown(&scan(text.as_bytes())), expected, "{text}");
    }

    #[test]
    fn names_are_found_in_all_their_forms() {
        check("#include \"a.h\"\n  #  include <b/c.h> // x\n", "\"a.h\" <b/c.h>");
        check("#include<a>\n#import \"b\"\n#include_next <a>", "<a> \"b\" +<a>");
        check("/* x\n */ #/**/include/*\n*/ \"a.h\"", "\"a.h\"");
        check("#in\\\nclu\\ \r\nde \"a\\\n.h\"", "\"a.h\"");
        check("\u{feff}#include \"a.h\"", "\"a.h\"");
        check("%:include \"a.h\"", "\"a.h\"");
        check("#include \"ä b@.h\"\r\n#include \"A.h\"", "\"ä b@.h\" \"A.h\"");
        check("#if A\n#include \"a.h\"\n#include \"a.h\"\n#endif", "\"a.h\"");
        check("#if 0\n#include \"a.h\"\n#endif", "");
    }

    #[test]
    fn what_is_no_directive_names_nothing() {
        check("x #include \"a.h\"\nchar *s = \"#include <b>\";", "");
        check("#includes \"a.h\"\n#define include \"x\"\n#include\n#include <a\n", "");
        check("/* see\n # include the other file */", "");
    }

    #[test]
    fn a_name_may_be_a_macro_and_no_more() {
        check("#include HEADER\n#include HEADER /* x */", "HEADER");
        check("#include HEADER(x)", "ComputedInclude");
        check("#include A B", "ComputedInclude");
    }

    #[test]
    fn questions_for_a_file_name_it() {
        let text = "#if defined(__has_include) && __has_include(<a>) || __has_include ( \"b\" )";
        check(text, "<a> \"b\"");
        check("#ifdef __has_include\n#if __has_include_next(<a>)", "+<a>");
        check("#define HAS(x) __has_include(x)", "ComputedInclude");
        check("// __has_include(x)", "");
    }

    #[test]
    fn what_cannot_be_followed_is_a_doubt() {
        check("const char *t = __TIME__;", "Time");
        check("// __TIME__\nint my__TIME__;", "");
        for text in [
            "asm(\".incbin \\\"x\\\"\");",
            "asm(\"\\n.include \\\"x\\\"\\n\");",
            "asm(\"a: .include \\\"x\\\"\");",
            "asm(TEXT(.incbin \"x\"));",
            "\t.incbin \"x\"",
            "a)\n.include \"x\"",
            "1: .include FILE",
            "auto r = R\"(x)\"; asm(\"a\\n.include \\\"x\\\"\");",
        ] {
            check(text, "AssemblerFile");
        }
        for text in [
            "x.include = 1;",
            "a[k].include(x);",
            "struct a b = { .include = 1 };",
            "// asm(\".include x\")",
            "/* .incbin \"x\" */",
            "char *s = \"x.include\";",
        ] {
            check(text, "");
        }
        check("#embed <x>", "Embed");
        check("a ??= b", "Trigraph");
        check("long t = __TIMESTAMP__[0];", "Time");
        check("#if __has_embed(<x>)\n#endif", "Embed");
        check("#pragma GCC dependency \"x\"", "Pragma");
        check("# pragma  GCC /**/ dependency \"x\"", "Pragma");
        check("#pragma include_alias(\"a\", \"b\")", "Pragma");
        check("#pragma GCC pch_preprocess \"x\"", "Pragma");
        check("#pragma clang module import X", "Module");
        check("@import X;", "Module");
        check("import std;\n", "Module");
        check("export module a.b;", "Module");
        check("module;\n#include <a>", "<a> Module");
        check("export import :part;", "Module");
        check("import <a>;", "Module");
        for text in [
            "int import = 1, module;",
            "module *m = import(x);",
            "module_init(x);",
            "struct module x;",
            "// import x;",
            "module = import;",
            "#pragma once",
            "#pragma GCC system_header",
        ] {
            check(text, "");
        }
    }

    #[test]
    fn what_is_told_twice_counts_on_either_condition() {
        let text = b"#ifdef A\n#include <x>\n#define M\n#endif\n#ifdef B\n#include <x>\n#endif";
        let facts = scan(text);
        let holds = |name: &'static [u8]| facts.includes[0].1.may_hold(&|other| other == name);
        assert!(holds(b"A") && holds(b"B") && !holds(b"C"));
        assert_eq!(facts.defines, [(b"M".to_vec(), Arc::new(Condition::defined(b"A")))]);
    }

    #[test]
    fn the_values_of_a_macro_are_found() {
        let text = b"// define A as needed\n#/**/define A <a.h>\n# define A \"b.h\" // x\n#define A(x) x\n#define AB c\n";
        let found = definitions(text, b"A");
        assert_eq!(found.values, [&b"<a.h>"[..], b"\"b.h\" // x"]);
        assert!(found.has_parameters);
        let operand = |value: &str| operand_of_value(value.as_bytes());
        assert_eq!(operand("\"b.h\" // x"), Some(Operand::Quoted(b"b.h".to_vec())));
        assert_eq!(operand("B"), Some(Operand::Macro(b"B".to_vec())));
        assert_eq!(operand("B(x)"), None);
        assert_eq!(operand("<a> <b>"), None);
        assert_eq!(operand(""), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[#%:in clude<>\"\\\\/*\n\r_has(x)'R?=.]{0,80}") {
            let facts = scan(text.as_bytes());
            let _ = definitions(text.as_bytes(), b"x");
            for (include, _) in facts.includes {
                prop_assert!(include.operand != Operand::Macro(Vec::new()));
            }
        }

        /// Whatever stands before a directive's line, short of a comment, a string or a joint that is
        /// not closed, the directive is found.
        #[test]
        fn a_directive_is_found_wherever_it_stands(
            before in "([a-z0-9 +;'\n#]{0,20}\n)?",
            blanks in "[ \t]{0,3}",
            joint in prop::sample::select(vec!["", "\\\n", "\\ \n", "/* x */", "/*\n*/"]),
        ) {
            let text = format!("{before}{blanks}#{joint}include{joint} \"a.h\"\nint x;\n");
            let facts = scan(text.as_bytes());
            let wanted = Include {
                kind: IncludeKind::First,
                operand: Operand::Quoted(b"a.h".to_vec()),
            };
            let is_found = facts.includes.iter().any(|(include, _)| *include == wanted);
            prop_assert!(is_found, "{:?} {:?}", text, facts);
        }
    }
}
