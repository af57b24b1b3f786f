//! One row an option: its shape, and what it does to a job.
//!
//! The rows are grouped by subject, a file a group, in an order to read. [`find`] looks words up
//! in an index over them that is made when this crate is compiled.

mod accelerators;
mod code;
mod debug;
mod dependencies;
mod files;
mod index;
mod inner;
mod instruments;
mod linker;
mod machine;
mod messages;
mod modes;
mod modules;
mod parts;
mod preprocessor;

pub use index::find;

use crate::Reason;

/// How an option and its value share words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The word alone, no value: `-c`.
    Alone,
    /// The value is the next word: `-Xlinker VALUE`.
    Separate,
    /// The value is the rest of the word, and may be empty: `-std=VALUE`.
    Joined,
    /// The rest of the word or, when that is empty, the next word: `-o VALUE`, `-oVALUE`.
    JoinedOrSeparate,
    /// All options that begin like this and have no row of their own: `-fwrapv`, `-falign-loops=8`.
    /// One that leaves this machine names no file: a word with a slash in it is an unknown option.
    Family,
}

/// What an option does, as far as it matters to where a job can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Changes how source is compiled, and may change how it is preprocessed.
    Compile,
    /// As [`Effect::Compile`], and may decide for which machine the object is.
    Target,
    /// Asks for debug information, or takes the wish back.
    Debug {
        /// Whether it is wished for from here on.
        wanted: bool,
    },
    /// As [`Effect::Compile`], and puts columns of the source into the object: right only where
    /// the compiler sees the source's own lines.
    Columns,
    /// Has debug information written to a file of its own, beside the object: only for servers
    /// that restore the source and can send two files.
    SplitDebug,
    /// Changes preprocessing alone: not sent.
    Preprocess,
    /// Changes linking alone: not sent.
    Link,
    /// Compile to an object: `-c`.
    ToObject,
    /// Compile to assembler text: `-S`.
    ToAssembler,
    /// Preprocess only: `-E`.
    ToPreprocessed,
    /// Names the output: `-o`.
    Output,
    /// Names the language of the sources that follow: `-x`.
    Language,
    /// Has dependencies written beside the object: `-MD`, `-MMD`.
    Dependencies,
    /// Names the file for them: `-MF`.
    DependencyFile,
    /// Names their target: `-MT`, `-MQ`.
    DependencyTarget,
    /// Words for the assembler, separated by commas: `-Wa,`.
    AssemblerWords,
    /// Words for the preprocessor, separated by commas: `-Wp,`.
    PreprocessorWords,
    /// Keeps the job on this machine.
    Stay(Reason),
}

/// The steps of a compile that an option changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases(u8);

impl Phases {
    /// No step in particular: what the driver itself does.
    pub const DRIVER: Phases = Phases(0);
    /// What the preprocessor makes of the source.
    pub const PREPROCESS: Phases = Phases(1);
    /// What the compiler makes of preprocessed source.
    pub const COMPILE: Phases = Phases(2);
    /// What the assembler makes of that.
    pub const ASSEMBLE: Phases = Phases(4);
    /// What the linker makes of objects.
    pub const LINK: Phases = Phases(8);

    /// Both of them.
    #[must_use]
    pub const fn and(self, other: Phases) -> Phases {
        Phases(self.0 | other.0)
    }

    /// Whether all steps of `other` are among these.
    #[must_use]
    pub const fn contain(self, other: Phases) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Which compilers know an option: the first version, `""` for the oldest that matter here
/// (GCC 4.8, Clang 3.9), `None` for those that do not know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// The first GCC.
    pub gcc: Option<&'static str>,
    /// The first Clang.
    pub clang: Option<&'static str>,
}

/// What is known of one option, or of all options that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The option, or the beginning of the word for the joined shapes.
    pub name: &'static str,
    /// How its value is written.
    pub shape: Shape,
    /// What it does.
    pub effect: Effect,
    /// What is read because of it beside source and headers; empty: nothing.
    pub reads: &'static str,
    /// What is written because of it beside the object; empty: nothing.
    pub writes: &'static str,
    /// Who knows it.
    pub since: Since,
}

/// Rows about one subject.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The subject.
    pub title: &'static str,
    /// What there is to say about all of them.
    pub note: &'static str,
    /// The steps that they change, where their effect does not say it.
    pub phases: Phases,
    /// The rows.
    pub rows: &'static [Row],
}

/// Everything known of options, by subject. Where several rows fit a word, the longest name
/// counts; a word that none fits is an unknown option and keeps the job here.
///
/// Source: the manuals of GCC 4.8 to 15 and Clang 3.9 to 21, what GCC 12 and Clang 14 answer to
/// the word, and for what is stripped before sending also distcc(1) 3.4.
pub const GROUPS: [Group; 16] = [
    modes::GROUP,
    preprocessor::GROUP,
    dependencies::GROUP,
    code::GROUP,
    machine::GROUP,
    messages::GROUP,
    debug::GROUP,
    files::GROUP,
    files::PROFILES,
    instruments::GROUP,
    modules::GROUP,
    parts::GROUP,
    inner::GROUP,
    accelerators::GROUP,
    linker::LINK_TIME,
    linker::GROUP,
];

/// All rows of all groups.
pub static TABLE: [Row; N_ROWS] = index::rows();

/// How many rows there are.
pub(crate) const N_ROWS: usize = index::n_rows();

impl Group {
    /// The steps that a row of this group changes.
    #[must_use]
    pub fn phases_of(&self, row: &Row) -> Phases {
        match row.effect {
            Effect::Preprocess
            | Effect::PreprocessorWords
            | Effect::Dependencies
            | Effect::DependencyFile
            | Effect::DependencyTarget => Phases::PREPROCESS,
            Effect::Link => Phases::LINK,
            Effect::AssemblerWords => Phases::ASSEMBLE,
            Effect::ToObject
            | Effect::ToAssembler
            | Effect::ToPreprocessed
            | Effect::Output
            | Effect::Language => Phases::DRIVER,
            Effect::Compile
            | Effect::Columns
            | Effect::Target
            | Effect::Debug { .. }
            | Effect::SplitDebug
            | Effect::Stay(_) => self.phases,
        }
    }
}

impl Row {
    /// Says what is read because of it.
    const fn reads(self, reads: &'static str) -> Row {
        Row { reads, ..self }
    }

    /// Says what is written because of it.
    const fn writes(self, writes: &'static str) -> Row {
        Row { writes, ..self }
    }

    /// Known to GCC alone, since a version.
    const fn gcc(self, version: &'static str) -> Row {
        Row { since: Since { gcc: Some(version), clang: None }, ..self }
    }

    /// Known to Clang alone, since a version.
    const fn clang(self, version: &'static str) -> Row {
        Row { since: Since { gcc: None, clang: Some(version) }, ..self }
    }

    /// Known to both, since a version of each.
    const fn since(self, gcc: &'static str, clang: &'static str) -> Row {
        Row { since: Since { gcc: Some(gcc), clang: Some(clang) }, ..self }
    }
}

const fn row(name: &'static str, shape: Shape, effect: Effect) -> Row {
    let since = Since { gcc: Some(""), clang: Some("") };
    Row { name, shape, effect, reads: "", writes: "", since }
}

/// What the files of the groups use.
mod terms {
    pub(super) use super::Effect::{
        AssemblerWords, Compile, Dependencies, DependencyFile, DependencyTarget, Language, Link,
        Output, Preprocess, PreprocessorWords, Stay, Target, ToAssembler, ToObject, ToPreprocessed,
    };
    pub(super) use super::Shape::{Alone, Family, Joined, JoinedOrSeparate, Separate};
    pub(super) use super::{Group, Phases, row};
    pub(super) use crate::Reason;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::DIRECTIVES_ONLY;
    use crate::server_job;
    use std::ffi::OsString;

    #[test]
    fn no_name_has_two_rows() {
        for (index, row) in TABLE.iter().enumerate() {
            assert!(TABLE[index + 1..].iter().all(|other| other.name != row.name), "{}", row.name);
        }
    }

    #[test]
    fn what_reads_or_writes_files_while_compiling_stays() {
        for row in &TABLE {
            let leaves = matches!(
                row.effect,
                Effect::Compile | Effect::Columns | Effect::Target | Effect::Debug { .. }
            );
            let is_alone = row.reads.is_empty() && row.writes.is_empty();
            assert!(!leaves || is_alone, "{}", row.name);
        }
    }

    #[test]
    fn no_server_runs_what_keeps_a_job_at_home() {
        let stays = |row: &&Row| matches!(row.effect, Effect::Stay(_));
        // Our own client adds this one: it says what kind of source comes.
        let is_own = |row: &&Row| row.name == DIRECTIVES_ONLY;
        for row in TABLE.iter().filter(stays).filter(|row| !is_own(row)) {
            let mut words: Vec<OsString> = vec!["gcc".into(), row.name.into()];
            match row.shape {
                Shape::Alone | Shape::Family => {}
                Shape::Joined => words[1].push("value"),
                Shape::Separate | Shape::JoinedOrSeparate => words.push("value".into()),
            }
            words.extend(["-c".into(), "a.c".into()]);
            assert!(server_job(&words).is_err(), "{}", row.name);
        }
    }

    #[test]
    fn everybody_knows_some_option() {
        for row in &TABLE {
            assert!(row.since.gcc.is_some() || row.since.clang.is_some(), "{}", row.name);
        }
    }
}
