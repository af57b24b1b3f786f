//! What a content does as far as files and macros go: its directives, as a tree.

use std::sync::Arc;

use super::macros::{Macro, definition};
use super::token::{Kind, Token, tokens};
use crate::facts::{Include, IncludeKind, Operand};
use crate::known::Known;
use crate::names::Names;
use crate::text::{Cursor, is_blank, is_of_name, is_raw_prefix};

/// One thing that a content does.
#[derive(Debug)]
pub(crate) enum Item {
    /// The name, and the number of the definition.
    Define(u32, u32),
    Undefine(u32),
    /// Branches, of which the first that holds counts.
    Conditional(Vec<Branch>),
    /// A file that is named as it is.
    Include {
        include: u32,
        is_import: bool,
    },
    /// A file that has to be computed.
    Computed {
        kind: IncludeKind,
        is_import: bool,
        line: Arc<[Token]>,
    },
    /// `#pragma once`.
    Once,
    PushMacro(u32),
    PopMacro(u32),
    /// `#line` with a name.
    OtherName,
    /// What is not followed here.
    Doubt,
}

/// A branch of a conditional.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) test: Test,
    pub(crate) items: Vec<Item>,
}

/// What decides about a branch.
#[derive(Debug)]
pub(crate) enum Test {
    Defined(u32),
    NotDefined(u32),
    Line(Arc<[Token]>),
    Else,
    /// Dialects differ on it.
    Unknown,
}

/// How deep conditionals may be.
const MOST_DEPTH: usize = 200;

/// The dialect, as far as it changes what is a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// Whether there are raw strings; `None`: it is not known.
    pub(crate) has_raw_strings: Option<bool>,
}

/// Where what is read gets its numbers.
pub(crate) struct Tables<'a> {
    pub(crate) words: &'a mut Names,
    pub(crate) macros: &'a mut Vec<Macro>,
    pub(crate) known: &'a mut Known,
}

/// Reads the directives of a text.
pub(crate) fn script(text: &[u8], dialect: Dialect, tables: Tables<'_>) -> Vec<Item> {
    let cursor = Cursor::new(text, 0);
    let Tables { words, macros, known } = tables;
    let mut reader = Reader { text, cursor, dialect, words, macros, known, open: Vec::new() };
    let mut top = Vec::new();
    if memchr::memmem::find(text, b"push_macro").is_some()
        || memchr::memmem::find(text, b"pop_macro").is_some()
        || memchr::memmem::find(text, b"once").is_some()
    {
        // By this operator, macros and strings could do what a pragma does.
        if memchr::memmem::find(text, b"_Pragma").is_some() && has_pragma_operator(text) {
            top.push(Item::Doubt);
        }
    }
    reader.read(&mut top);
    top
}

/// Whether a pragma that matters may be written with the operator.
fn has_pragma_operator(text: &[u8]) -> bool {
    let is_near = |word: &[u8]| {
        memchr::memmem::find_iter(text, word).any(|at| {
            let line = text[..at].rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
            let line = line.trim_ascii_start();
            !(line.starts_with(b"#") && memchr::memmem::find(line, b"pragma").is_some())
                && (line.contains(&b'"') || line.contains(&b'('))
        })
    };
    is_near(b"push_macro") || is_near(b"pop_macro") || is_near(b"\"once")
}

struct Reader<'a, 'w> {
    text: &'a [u8],
    cursor: Cursor<'a>,
    dialect: Dialect,
    words: &'w mut Names,
    macros: &'w mut Vec<Macro>,
    known: &'w mut Known,
    /// Conditionals that are open: their earlier branches, and the current one.
    open: Vec<(Vec<Branch>, Branch)>,
}

impl Reader<'_, '_> {
    fn read(&mut self, top: &mut Vec<Item>) {
        while self.go_to_directive() {
            self.directive(top);
        }
        if self.cursor.peek().is_some() {
            self.add(top, Item::Doubt);
        }
        // A conditional that is not closed ends with the text.
        while let Some((mut branches, last)) = self.open.pop() {
            branches.push(last);
            self.add(top, Item::Conditional(branches));
        }
    }

    fn add(&mut self, top: &mut Vec<Item>, item: Item) {
        match self.open.last_mut() {
            Some((_, branch)) => branch.items.push(item),
            None => top.push(item),
        }
    }

    /// Goes on behind the sign of the next directive. False at the end, or where nobody knows how
    /// to go on.
    fn go_to_directive(&mut self) -> bool {
        let mut is_first = true;
        while let Some(byte) = self.cursor.peek() {
            match byte {
                b'\n' => {
                    is_first = true;
                    self.cursor.next();
                }
                b'#' if is_first => {
                    self.cursor.next();
                    return true;
                }
                b'%' if is_first => {
                    self.cursor.next();
                    if self.cursor.take(b':') {
                        return true;
                    }
                    is_first = false;
                }
                byte if is_blank(byte) || byte == b'\r' => drop(self.cursor.next()),
                b'/' => {
                    self.cursor.next();
                    if self.cursor.take(b'*') {
                        let _ = self.cursor.skip_comment();
                    } else if self.cursor.take(b'/') {
                        self.cursor.skip_line();
                    } else {
                        is_first = false;
                    }
                }
                // A mark of the encoding.
                0xef if self.cursor.at() == 0 && self.text.starts_with(&[0xef, 0xbb, 0xbf]) => {
                    for _ in 0..3 {
                        self.cursor.next();
                    }
                }
                byte => {
                    is_first = false;
                    if !self.skip_token(byte) {
                        return false;
                    }
                }
            }
        }
        false
    }

    /// Passes over a token of text that is no directive. False if nobody knows where it ends.
    fn skip_token(&mut self, byte: u8) -> bool {
        match byte {
            b'"' | b'\'' => {
                self.cursor.next();
                self.cursor.skip_quoted(byte);
            }
            byte if byte.is_ascii_digit() => {
                while let Some(byte) = self.cursor.peek() {
                    let mut ahead = self.cursor;
                    ahead.next();
                    let is_separator = byte == b'\'' && ahead.peek().is_some_and(is_of_name);
                    if !is_of_name(byte) && byte != b'.' && !is_separator {
                        break;
                    }
                    self.cursor = ahead;
                }
            }
            byte if is_of_name(byte) => {
                let start = self.cursor.at();
                while self.cursor.peek().is_some_and(is_of_name) {
                    self.cursor.next();
                }
                let name = &self.text[start..self.cursor.at()];
                // It may be spliced; a prefix is short.
                if self.cursor.peek() == Some(b'"') && is_raw_prefix(name) {
                    return self.skip_raw();
                }
            }
            _ => drop(self.cursor.next()),
        }
        true
    }

    fn skip_raw(&mut self) -> bool {
        match self.dialect.has_raw_strings {
            None => return false,
            Some(false) => return true,
            Some(true) => {}
        }
        let start = self.cursor.at() + 1;
        let rest = &self.text[start..];
        let Some(open) = rest.iter().take(17).position(|byte| *byte == b'(') else { return false };
        let end = [b")", &rest[..open], b"\""].concat();
        match memchr::memmem::find(&rest[open..], &end) {
            Some(at) => {
                self.cursor = Cursor::new(self.text, start + open + at + end.len());
                true
            }
            None => false,
        }
    }

    fn directive(&mut self, top: &mut Vec<Item>) {
        self.cursor.skip_blanks();
        let word = self.cursor.name();
        match word.as_ref() {
            b"if" => {
                let test = self.test();
                self.begin(top, test);
            }
            b"ifdef" | b"ifndef" => {
                let test = self.test_name(*word == *b"ifdef");
                self.begin(top, test);
            }
            b"elif" => {
                let test = self.test();
                self.next_branch(test);
            }
            b"else" => self.next_branch(Test::Else),
            // Older dialects do not have them; then the branch before goes on.
            b"elifdef" | b"elifndef" => {
                self.next_branch(Test::Unknown);
                self.add(top, Item::Doubt);
            }
            b"endif" => {
                if let Some((mut branches, last)) = self.open.pop() {
                    branches.push(last);
                    self.add(top, Item::Conditional(branches));
                }
            }
            word => {
                if let Some(item) = self.item(word) {
                    self.add(top, item);
                }
            }
        }
        self.skip_rest_of_line();
    }

    fn begin(&mut self, top: &mut Vec<Item>, test: Test) {
        if self.open.len() >= MOST_DEPTH {
            self.add(top, Item::Doubt);
        }
        self.open.push((Vec::new(), Branch { test, items: Vec::new() }));
    }

    fn next_branch(&mut self, test: Test) {
        if let Some((branches, last)) = self.open.last_mut() {
            branches.push(std::mem::replace(last, Branch { test, items: Vec::new() }));
        }
    }

    /// Comments may go on in the next line.
    fn skip_rest_of_line(&mut self) {
        while let Some(byte) = self.cursor.peek().filter(|byte| *byte != b'\n') {
            match byte {
                b'"' | b'\'' => {
                    self.cursor.next();
                    self.cursor.skip_quoted(byte);
                }
                b'/' => {
                    self.cursor.next();
                    if self.cursor.take(b'*') {
                        let _ = self.cursor.skip_comment();
                    } else if self.cursor.take(b'/') {
                        self.cursor.skip_line();
                    }
                }
                _ => drop(self.cursor.next()),
            }
        }
    }

    fn name(&mut self) -> Option<u32> {
        self.cursor.skip_blanks();
        let name = self.cursor.name();
        let is_name = !name.is_empty() && self.cursor.peek() != Some(b'\\');
        is_name.then(|| self.words.number(&name))
    }

    fn test_name(&mut self, is_positive: bool) -> Test {
        match self.name() {
            Some(name) if is_positive => Test::Defined(name),
            Some(name) => Test::NotDefined(name),
            None => Test::Unknown,
        }
    }

    fn test(&mut self) -> Test {
        let line = tokens(&mut self.cursor, self.words, true);
        let spelled: Vec<&[u8]> = line.iter().map(|token| &**self.words.name(token.word)).collect();
        let is_name = |at: usize| line.get(at).is_some_and(|token| token.kind == Kind::Name);
        match spelled.as_slice() {
            [b"defined", _] if is_name(1) => Test::Defined(line[1].word),
            [b"defined", b"(", _, b")"] if is_name(2) => Test::Defined(line[2].word),
            [b"!", b"defined", _] if is_name(2) => Test::NotDefined(line[2].word),
            [b"!", b"defined", b"(", _, b")"] if is_name(3) => Test::NotDefined(line[3].word),
            _ => Test::Line(line.into()),
        }
    }

    fn item(&mut self, word: &[u8]) -> Option<Item> {
        match word {
            b"define" => {
                self.cursor.skip_blanks();
                let (name, meaning) = definition(&mut self.cursor, self.words)?;
                let number = u32::try_from(self.macros.len()).ok()?;
                self.macros.push(meaning);
                Some(Item::Define(name, number))
            }
            b"undef" => self.name().map(Item::Undefine),
            b"include" => self.include(IncludeKind::First, false),
            b"import" => self.include(IncludeKind::First, true),
            b"include_next" => self.include(IncludeKind::Next, false),
            b"pragma" => self.pragma(),
            b"line" => Some(Item::OtherName),
            word if word.first().is_some_and(u8::is_ascii_digit) => Some(Item::OtherName),
            _ => None,
        }
    }

    fn include(&mut self, kind: IncludeKind, is_import: bool) -> Option<Item> {
        self.cursor.skip_blanks();
        let operand = match self.cursor.peek()? {
            b'"' => {
                self.cursor.next();
                Operand::Quoted(self.cursor.up_to(b'"')?)
            }
            b'<' => {
                self.cursor.next();
                Operand::Angled(self.cursor.up_to(b'>')?)
            }
            _ => {
                let line = tokens(&mut self.cursor, self.words, false).into();
                return Some(Item::Computed { kind, is_import, line });
            }
        };
        let include = self.known.include_number(&Include { kind, operand });
        Some(Item::Include { include, is_import })
    }

    fn pragma(&mut self) -> Option<Item> {
        self.cursor.skip_blanks();
        let word = self.cursor.name();
        if *word == *b"once" {
            return Some(Item::Once);
        }
        let is_push = match word.as_ref() {
            b"push_macro" => true,
            b"pop_macro" => false,
            _ => return None,
        };
        let line = tokens(&mut self.cursor, self.words, false);
        let name = line.iter().find(|token| token.kind == Kind::Quoted)?;
        let spelled = self.words.name(name.word).clone();
        let name = self.words.number(spelled.get(1..spelled.len() - 1)?.trim_ascii());
        Some(if is_push { Item::PushMacro(name) } else { Item::PopMacro(name) })
    }
}
