//! The table of options as a page to read.

use std::fmt::Write as _;

use crate::inner_words::{HARMLESS_ASSEMBLER_WORDS, HARMLESS_CLANG_WORDS, HARMLESS_LLVM_WORDS};
use crate::{Effect, GROUPS, Group, Phases, Row, Shape};

const HEAD: &str = "\
# Options of compilers

<!-- Made from the table: `cargo xtask options` writes this page. -->

What distcc knows of the options of GCC 4.8 to 15 and Clang 3.9 to 21 for C, C++, Objective-C and
assembler. A word that fits several rows is of the one with the longest name; a word that fits none
keeps its job here, reason `unknown-option`. `distcc --explain COMMAND...` tells the row of each
word of a command.

- *Value*: `=` the rest of the word, `_` the next word, `=_` the rest of the word or, if there is
  none, the next; `…` stands for all options that begin like this and have no row of their own.
  Such a word that would leave is an unknown option if it has a `/` in it.
- *Changes*: what preprocessor (P), compiler (C), assembler (A) and linker (L) make; nothing: the
  driver alone.
- *The job*: \"sent\": the option goes to the server; \"not sent\": the server needs no such option;
  else the [reason](reasons.md) why it stays.
- *GCC*, *Clang*: the first version that knows it; ✓ those from the oldest on; – none.
";

const TABLE_HEAD: &str = "\
| option | value | changes | the job | reads | writes | GCC | Clang |
|---|---|---|---|---|---|---|---|
";

/// The page `docs/options.md`: every row, by subject.
#[must_use]
pub fn options_page() -> String {
    let mut page = HEAD.to_owned();
    for group in &GROUPS {
        let _ = write!(page, "\n## {}\n\n{}\n\n{TABLE_HEAD}", group.title, group.note);
        for row in group.rows {
            write_row(&mut page, group, row);
        }
    }
    page.push_str(
        "\n## Harmless inner words\n\nAfter these options the following words leave.\n\n",
    );
    for (option, words) in [
        ("-Wa,", HARMLESS_ASSEMBLER_WORDS),
        ("-Xassembler", HARMLESS_ASSEMBLER_WORDS),
        ("-Xclang", HARMLESS_CLANG_WORDS),
        ("-mllvm", HARMLESS_LLVM_WORDS),
    ] {
        let words: Vec<String> =
            words.iter().map(|(name, shape)| format!("`{name}{}`", rest(*shape))).collect();
        let _ = writeln!(page, "- `{option}`: {}", words.join(", "));
    }
    page.push_str(
        "- `-Xpreprocessor`: what only the preprocessor reads, with its value in the word\n\
         - `-Wp,`: what only the preprocessor reads, and the options of dependency files; `-MD` \
         and `-MMD` are followed by the file\n",
    );
    page
}

fn write_row(page: &mut String, group: &Group, row: &Row) {
    let value = match row.shape {
        Shape::Alone => "",
        Shape::Separate => "_",
        Shape::Joined => "=",
        Shape::JoinedOrSeparate => "=_",
        Shape::Family => "…",
    };
    let _ = writeln!(
        page,
        "| `{}` | {value} | {} | {} | {} | {} | {} | {} |",
        row.name,
        letters(group.phases_of(row)),
        fate(row.effect),
        row.reads,
        row.writes,
        version(row.since.gcc),
        version(row.since.clang),
    );
}

fn rest(shape: Shape) -> &'static str {
    if shape == Shape::Joined { "…" } else { "" }
}

fn letters(phases: Phases) -> String {
    [
        (Phases::PREPROCESS, 'P'),
        (Phases::COMPILE, 'C'),
        (Phases::ASSEMBLE, 'A'),
        (Phases::LINK, 'L'),
    ]
    .into_iter()
    .filter_map(|(phase, letter)| phases.contain(phase).then_some(letter))
    .collect()
}

fn fate(effect: Effect) -> String {
    match effect {
        Effect::Compile
        | Effect::Columns
        | Effect::Target
        | Effect::Debug { .. }
        | Effect::ToObject
        | Effect::Output => "sent".to_owned(),
        Effect::Preprocess
        | Effect::Link
        | Effect::Dependencies
        | Effect::DependencyFile
        | Effect::DependencyTarget => "not sent".to_owned(),
        Effect::Language => "sent as the name of the source".to_owned(),
        Effect::AssemblerWords => "sent, or `assembler-option`".to_owned(),
        Effect::PreprocessorWords => "not sent, or `preprocessor-details`".to_owned(),
        Effect::SplitDebug => "sent to our servers, or `split-dwarf`".to_owned(),
        Effect::ToAssembler => "`assembler-output`".to_owned(),
        Effect::ToPreprocessed => "`preprocess-only`".to_owned(),
        Effect::Stay(reason) => format!("`{}`", reason.code()),
    }
}

fn version(since: Option<&str>) -> &str {
    match since {
        None => "–",
        Some("") => "✓",
        Some(version) => version,
    }
}
