//! How a command is read, word by word, for people who want to know.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use crate::language::is_clang_driver;
use crate::parse::{Item, items};
use crate::{Effect, Reason, Row, Shape};

/// One option with its value, or one operand, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Its one or two words.
    pub words: Vec<OsString>,
    /// What they were taken for.
    pub role: Role,
}

/// What a word was taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The first word: the compiler.
    Compiler,
    /// An option that this row of the table describes.
    Option(&'static Row),
    /// `--`, after which clang takes every word for a file name.
    EndOfOptions,
    /// A file name.
    Operand,
    /// Something that keeps a job on this machine for itself.
    Odd(Reason),
}

/// Reads a command, the compiler first, as [`crate::decide`] does, and tells what it takes each
/// word for.
#[must_use]
pub fn explain(words: &[OsString]) -> Vec<Explained> {
    let Some((compiler, rest)) = words.split_first() else { return Vec::new() };
    let mut explained = vec![Explained { words: vec![compiler.clone()], role: Role::Compiler }];
    let mut rest = rest;
    for item in items(rest, is_clang_driver(compiler.as_bytes())) {
        let (words, role) = match &item {
            Item::Option { row, words, .. } => (*words, Role::Option(row)),
            Item::Operand(word) => (std::slice::from_ref(*word), Role::Operand),
            Item::Odd(word, reason) => (std::slice::from_ref(*word), Role::Odd(*reason)),
        };
        // The word that ends the options is no item.
        if let [mark, after @ ..] = rest
            && words.first() != Some(mark)
        {
            explained.push(Explained { words: vec![mark.clone()], role: Role::EndOfOptions });
            rest = after;
        }
        rest = rest.get(words.len()..).unwrap_or_default();
        explained.push(Explained { words: words.to_vec(), role });
    }
    explained
}

impl Role {
    /// What it is, in a few words.
    #[must_use]
    pub fn says(self) -> &'static str {
        match self {
            Role::Compiler => "the compiler",
            Role::Option(row) => row.effect.says(),
            Role::EndOfOptions => "only file names follow",
            Role::Operand => "a file",
            Role::Odd(reason) => reason.because(),
        }
    }
}

impl Shape {
    /// How an option and its value share words, in a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Shape::Alone => "alone",
            Shape::Separate => "separate",
            Shape::Joined => "joined",
            Shape::Family => "family",
            Shape::JoinedOrSeparate => "joined-or-separate",
        }
    }
}

impl Effect {
    /// What the option does to a job, in a few words.
    #[must_use]
    pub fn says(self) -> &'static str {
        match self {
            Effect::Compile => "changes compiling: used here and sent",
            Effect::Columns => {
                "puts columns of the source into the object: used here, sent with the macros kept"
            }
            Effect::SplitDebug => {
                "splits debug information off: used here, sent to servers that can send two files"
            }
            Effect::Target => "may decide for which machine the object is: used here and sent",
            Effect::Debug { wanted: true } => "asks for debug information: used here and sent",
            Effect::Debug { wanted: false } => "wants no debug information: used here and sent",
            Effect::Preprocess => "changes preprocessing alone: used here",
            Effect::Link => "changes linking alone: not sent",
            Effect::ToObject => "compiles to an object",
            Effect::ToAssembler => "compiles to assembler text",
            Effect::ToPreprocessed => "only preprocesses",
            Effect::Output => "names the output",
            Effect::Language => "names the language of the sources after it",
            Effect::Dependencies => "has dependencies written: done here",
            Effect::DependencyFile => "names the file of dependencies: used here",
            Effect::DependencyTarget => "names the target of dependencies: used here",
            Effect::AssemblerWords => "words for the assembler: sent if they are harmless",
            Effect::PreprocessorWords => "words for the preprocessor: used here",
            Effect::Stay(reason) => reason.because(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_told_once_and_in_order() {
        let words: Vec<OsString> =
            "gcc -O2 -I inc -DX=1 -march=native -c a.c -o a.o -Zodd @more -o"
                .split(' ')
                .map(OsString::from)
                .collect();
        let explained = explain(&words);
        let again: Vec<OsString> = explained.iter().flat_map(|part| part.words.clone()).collect();
        assert_eq!(again, words);
        let roles: Vec<String> = explained
            .iter()
            .map(|part| match part.role {
                Role::Compiler => "compiler".to_owned(),
                Role::Option(row) => row.name.to_owned(),
                Role::EndOfOptions => "--".to_owned(),
                Role::Operand => "file".to_owned(),
                Role::Odd(reason) => reason.code().to_owned(),
            })
            .collect();
        let [compiler, rest @ ..] = &roles[..] else { panic!("no word") };
        assert_eq!(compiler, "compiler");
        assert!(rest.contains(&"-march=native".to_owned()), "{rest:?}");
        assert!(rest.contains(&"unknown-option".to_owned()), "{rest:?}");
        assert_eq!(rest.last().unwrap(), "missing-value");
        assert!(explain(&[]).is_empty());
        let words = ["clang", "-c", "--", "a.c", "-b.c"].map(OsString::from);
        let roles: Vec<Role> = explain(&words).into_iter().map(|part| part.role).collect();
        assert!(
            matches!(roles[2..], [Role::EndOfOptions, Role::Operand, Role::Odd(_)]),
            "{roles:?}"
        );
    }
}
