//! One command for several sources, as the commands for one each that do the same.

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use crate::language::{Kind, Language, base_name, is_clang_driver, without_extension};
use crate::parse::{Item, items};
use crate::{Effect, Reason};

/// The most commands that one is taken apart into.
const MOST_PARTS: usize = 1000;

/// The part of a command that compiles one of its sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The source.
    pub source: OsString,
    /// Its command, the compiler first.
    pub words: Vec<OsString>,
}

/// Takes a command that makes an object of each of several sources apart, the compiler first.
///
/// `None` when it is no such command, or when one after the other would not do the same: two
/// sources for one object, one dependency file for all, inputs that are no sources, the compiler's
/// own exit codes.
#[must_use]
pub fn split(words: &[OsString]) -> Option<Vec<Part>> {
    let (compiler, rest) = words.split_first()?;
    if rest.iter().any(|word| word == "--" || word.as_bytes().ends_with(b"-pass-exit-codes")) {
        return None;
    }
    let items = items(rest, is_clang_driver(compiler.as_bytes()));
    let mut sources: Vec<&OsString> = Vec::new();
    let mut objects = HashSet::new();
    let mut language = None;
    let mut compiles = false;
    for item in &items {
        match *item {
            Item::Odd(..) => return None,
            Item::Operand(name) => {
                let kind = language.unwrap_or_else(|| Kind::of_name(name.as_bytes()));
                let is_source = matches!(kind, Kind::Source(_) | Kind::Preprocessed(_));
                let object = base_name(without_extension(name.as_bytes()));
                if !is_source || !objects.insert(object) {
                    return None;
                }
                sources.push(name);
            }
            Item::Option { row, value, .. } => match row.effect {
                Effect::ToObject => compiles = true,
                Effect::Language => language = Language::from_option(value),
                Effect::ToAssembler
                | Effect::ToPreprocessed
                | Effect::Output
                | Effect::DependencyFile => return None,
                Effect::PreprocessorWords if value.starts_with(b"-M") => return None,
                Effect::Stay(reason) if reason != Reason::NativeTuning => return None,
                _ => {}
            },
        }
    }
    if !compiles || sources.len() < 2 || sources.len() > MOST_PARTS {
        return None;
    }
    let parts = sources.iter().enumerate().map(|(own, source)| {
        let mut n_operands = 0;
        let mut words = vec![compiler.clone()];
        for item in &items {
            match *item {
                // GCC warns of a language that nothing follows.
                Item::Option { row, .. } if row.effect == Effect::Language && n_operands > own => {}
                Item::Option { words: option, .. } => words.extend_from_slice(option),
                Item::Operand(name) => {
                    if n_operands == own {
                        words.push(name.clone());
                    }
                    n_operands += 1;
                }
                Item::Odd(..) => {}
            }
        }
        Part { source: (*source).clone(), words }
    });
    Some(parts.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(command: &str, expected: &[&str]) {
        let words: Vec<OsString> = command.split(' ').map(OsString::from).collect();
        let parts = split(&words).unwrap_or_default();
        let parts: Vec<String> = parts
            .iter()
            .map(|part| {
                let words: Vec<_> = part.words.iter().map(|word| word.to_string_lossy()).collect();
                words.join(" ")
            })
            .collect();
        assert_eq!(parts, expected, "{command}");
    }

    #[test]
    fn each_source_gets_all_options() {
        check(
            "gcc -O2 a.c -I inc -c d/b.c -MD -march=native",
            &[
                "gcc -O2 a.c -I inc -c -MD -march=native",
                "gcc -O2 -I inc -c d/b.c -MD -march=native",
            ],
        );
    }

    #[test]
    fn a_language_stays_before_the_sources_that_it_is_for() {
        check(
            "gcc -c a.c -x c++ b.c -x none c.i",
            &["gcc -c a.c", "gcc -c -x c++ b.c", "gcc -c -x c++ -x none c.i"],
        );
        check("gcc -c -x assembler a.s b.s", &[]);
    }

    #[test]
    fn what_is_one_thing_for_all_stays_one_command() {
        for command in [
            "gcc",
            "gcc -c a.c",
            "gcc a.c b.c",
            "gcc -S a.c b.c",
            "gcc -c a.c b.c -o x.o",
            "gcc -c a.c b.o",
            "gcc -c a.c b.s",
            "gcc -c a.c d/a.c",
            "gcc -c a.c a.cc",
            "gcc -c -MD -MF x a.c b.c",
            "gcc -c -Wp,-MD,x a.c b.c",
            "gcc -c -save-temps a.c b.c",
            "gcc -c -pass-exit-codes a.c b.c",
            "clang -c -- a.c b.c",
            "gcc -c a.c -",
            "gcc -c -Zodd a.c b.c",
        ] {
            check(command, &[]);
        }
    }
}
