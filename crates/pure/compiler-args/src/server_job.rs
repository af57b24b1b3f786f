//! The server's question: is this stranger's command one to run, and how?

use std::ffi::{OsStr, OsString};
use std::fmt;

use crate::parse::{Command, Item, Product};
use crate::table::Effect;
use crate::{Reason, Stay};

/// A command that a server may run on preprocessed source, with names of its own choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerJob {
    compiler: OsString,
    input_name: OsString,
    input_suffix: &'static str,
    product: Product,
    /// The words after the compiler, with gaps for the two names.
    words: Vec<Word>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Own(OsString),
    Input,
}

/// Why a server does not run a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    stay: Stay,
}

impl Refusal {
    /// The reason behind it.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.stay.reason
    }

    /// What the user at the client may do about it; empty where nothing is to be done.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        self.stay.reason.remedy()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stay.fmt(f)
    }
}

impl std::error::Error for Refusal {}

/// Judges a command as it came from a client, the compiler first. What only preprocessing and
/// linking read is dropped: the source has been preprocessed.
///
/// # Errors
/// A [`Refusal`] for every command that is not one compile of one source with known, harmless
/// options.
pub fn server_job(words: &[OsString]) -> Result<ServerJob, Refusal> {
    let command = Command::read(words).map_err(|stay| Refusal { stay })?;
    let mut sent = Vec::with_capacity(command.items.len());
    for item in &command.items {
        match item {
            Item::Operand(_) => sent.push(Word::Input),
            Item::Option { row, words, .. } => match row.effect {
                Effect::Compile
                | Effect::Target
                | Effect::Debug { .. }
                | Effect::ToObject
                | Effect::ToAssembler
                | Effect::AssemblerWords => sent.extend(words.iter().cloned().map(Word::Own)),
                Effect::Preprocess
                | Effect::Link
                | Effect::ToPreprocessed
                | Effect::Output
                | Effect::Language
                | Effect::Dependencies
                | Effect::DependencyFile
                | Effect::DependencyTarget
                | Effect::PreprocessorWords
                | Effect::Stay(_) => {}
            },
            Item::Odd(..) => {}
        }
    }
    Ok(ServerJob {
        compiler: command.compiler.clone(),
        input_name: command.source.name.clone(),
        input_suffix: command.source.language.preprocessed_suffix(),
        product: command.product,
        words: sent,
    })
}

impl ServerJob {
    /// The compiler as the client named it.
    #[must_use]
    pub fn compiler(&self) -> &OsStr {
        &self.compiler
    }

    /// The source as the client named it: for the log.
    #[must_use]
    pub fn input_name(&self) -> &OsStr {
        &self.input_name
    }

    /// The suffix that makes the compiler take the input for what it is: `.i`, `.ii`, `.mi` or
    /// `.mii`.
    #[must_use]
    pub fn input_suffix(&self) -> &'static str {
        self.input_suffix
    }

    /// The suffix of what is made: `.o`, or `.s` with `-S`.
    #[must_use]
    pub fn output_suffix(&self) -> &'static str {
        match self.product {
            Product::Object => ".o",
            Product::Assembler => ".s",
        }
    }

    /// The words after the compiler that compile `input` to `output`.
    #[must_use]
    pub fn command(&self, input: &OsStr, output: &OsStr) -> Vec<OsString> {
        let mut command: Vec<OsString> = self
            .words
            .iter()
            .map(|word| match word {
                Word::Own(word) => word.clone(),
                Word::Input => input.to_owned(),
            })
            .collect();
        command.extend(["-o".into(), output.to_owned()]);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(command: &str) -> Result<ServerJob, Refusal> {
        let words: Vec<OsString> = command.split(' ').map(OsString::from).collect();
        server_job(&words)
    }

    #[track_caller]
    fn check(command: &str, suffix: &str, expected: &str) {
        let job = judge(command).unwrap();
        let words = job.command(OsStr::new("IN"), OsStr::new("OUT"));
        let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
        assert_eq!((job.input_suffix(), words.join(" ").as_str()), (suffix, expected));
    }

    #[test]
    fn names_are_replaced_and_nothing_else() {
        check("gcc -O2 -c dir/a.c -o b.o -Wall", ".i", "-O2 -c IN -Wall -o OUT");
        check("g++ -c a.c", ".ii", "-c IN -o OUT");
        check("gcc --compile a.c --output=x", ".i", "--compile IN -o OUT");
        check("gcc -S a.c -o a.s", ".i", "-S IN -o OUT");
        check("gcc -c conftest.c -o conftest.o", ".i", "-c IN -o OUT");
    }

    #[test]
    fn a_language_option_becomes_the_suffix() {
        check("gcc -x c++ -c a.c -o a.o", ".ii", "-c IN -o OUT");
    }

    #[test]
    fn tricks_of_strangers_are_refused() {
        for command in [
            "gcc -wrapper sh,-c,id -c a.c",
            "gcc -fplugin=x.so -c a.c",
            "gcc --specs=x -c a.c",
            "gcc -specs x -c a.c",
            "gcc @file -c a.c",
            "gcc -B dir/ -c a.c",
            "g++ -fmodule-mapper=|id -c a.cc",
            "gcc -no-integrated-cpp -c a.c",
            "gcc -Xassembler -al=x -c a.c",
            "gcc -fno-preprocessed -c a.c",
            "gcc --output=x -o y -c a.c",
            "gcc -aux-info x -c a.c",
            "gcc -fdump-tree-all=x -c a.c",
            "gcc -dumpdir x -save-temps -c a.c",
            "gcc -fopt-info-all=x -c a.c",
            "gcc -time=x -c a.c",
            "gcc -Wa,-al=x -c a.c",
            "gcc -o a.o -o b.o -c a.c",
            "gcc -c a.c /etc/passwd",
            "gcc -E a.c",
            "sh -c id",
            "gcc",
        ] {
            assert!(judge(command).is_err(), "{command}");
        }
    }

    #[test]
    fn a_refusal_names_the_word_and_the_remedy() {
        let refusal = judge("gcc -gsplit-dwarf -c a.c").unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "`-gsplit-dwarf` makes a second file that the protocol cannot carry"
        );
        assert_eq!(refusal.hint(), "use -g without -gsplit-dwarf to share the compiles");
    }
}
