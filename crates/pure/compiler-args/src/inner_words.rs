//! Words that the driver hands on: `-Wa,`, `-Wp,`, `-Xclang` and the like.

use crate::table::{Effect, Row, Shape, Since, find};

use Shape::{Alone, Joined, JoinedOrSeparate, Separate};

/// Words of the assembler that neither read nor write a file, nor name one in the object.
/// Source: as(1) of binutils 2.40; Clang takes some of them for its own assembler.
pub(crate) const HARMLESS_ASSEMBLER_WORDS: &[(&str, Shape)] = &[
    ("--noexecstack", Alone),
    ("--execstack", Alone),
    ("--32", Alone),
    ("--64", Alone),
    ("--x32", Alone),
    ("--warn", Alone),
    ("--no-warn", Alone),
    ("--fatal-warnings", Alone),
    ("-W", Alone),
    ("--compress-debug-sections", Joined),
    ("--nocompress-debug-sections", Alone),
    ("--divide", Alone),
    ("--keep-locals", Alone),
    ("-L", Alone),
    ("--strip-local-absolute", Alone),
    ("--reduce-memory-overheads", Alone),
    ("--hash-size=", Joined),
    ("--size-check=", Joined),
    ("--elf-stt-common=", Joined),
    ("--generate-missing-build-notes=", Joined),
    ("--traditional-format", Alone),
    ("--no-pad-sections", Alone),
    ("-n", Alone),
    ("-J", Alone),
    ("-m", Joined),
    ("-EL", Alone),
    ("-EB", Alone),
];

/// Words after `-Xclang` that take no value and change code alone.
pub(crate) const HARMLESS_CLANG_WORDS: &[(&str, Shape)] = &[
    ("-disable-O0-optnone", Alone),
    ("-disable-llvm-passes", Alone),
    ("-disable-lifetime-markers", Alone),
    ("-opaque-pointers", Alone),
    ("-no-opaque-pointers", Alone),
    ("-fcolor-diagnostics", Alone),
    ("-mconstructor-aliases", Alone),
    ("-mrelax-relocations=no", Alone),
];

/// Words after `-mllvm` that change code alone.
pub(crate) const HARMLESS_LLVM_WORDS: &[(&str, Shape)] = &[
    ("-inline-threshold=", Joined),
    ("-inlinehint-threshold=", Joined),
    ("-unroll-threshold=", Joined),
    ("-unroll-count=", Joined),
    ("-import-instr-limit=", Joined),
    ("-treat-scalable-fixed-error-as-warning", Joined),
];

/// What `-Xpreprocessor` is with a word that only the preprocessor reads.
static FOR_THE_PREPROCESSOR: Row = harmless("-Xpreprocessor", Effect::Preprocess);
static FOR_CLANG: Row = harmless("-Xclang", Effect::Compile);
static FOR_LLVM: Row = harmless("-mllvm", Effect::Compile);

const fn harmless(name: &'static str, effect: Effect) -> Row {
    let since = Since { gcc: Some(""), clang: Some("") };
    Row { name, shape: Separate, effect, reads: "", writes: "", since }
}

/// The row for an option that hands on `value`: another than `row` if the value is known to be
/// harmless.
pub(crate) fn judged_by_value(row: &'static Row, value: &[u8]) -> &'static Row {
    match row.name {
        "-Xpreprocessor" if is_whole_preprocessor_word(value) => &FOR_THE_PREPROCESSOR,
        "-Xclang" if is_among(HARMLESS_CLANG_WORDS, value) => &FOR_CLANG,
        "-mllvm" if is_among(HARMLESS_LLVM_WORDS, value) => &FOR_LLVM,
        _ => row,
    }
}

fn is_among(words: &[(&str, Shape)], word: &[u8]) -> bool {
    words.iter().any(|(name, shape)| match shape {
        Alone | Separate => word == name.as_bytes(),
        _ => word.starts_with(name.as_bytes()),
    })
}

/// Whether a word is an option that only the preprocessor reads, with its value in it.
fn is_whole_preprocessor_word(word: &[u8]) -> bool {
    !word.starts_with(b"-M")
        && find(word).is_some_and(|row| {
            let has_value = row.shape == JoinedOrSeparate && word.len() > row.name.len();
            row.effect == Effect::Preprocess && (has_value || matches!(row.shape, Alone | Joined))
        })
}

/// Whether the words of one `-Wa,` option (its value, with the commas) are all harmless.
pub(crate) fn assembler_words_are_harmless(words: &[u8]) -> bool {
    words.split(|byte| *byte == b',').all(|word| is_among(HARMLESS_ASSEMBLER_WORDS, word))
}

/// Whether the words of one `-Wp,` option (its value, with the commas) are read by the
/// preprocessor alone or have dependencies written to a file, which preprocessing here takes
/// care of.
pub(crate) fn preprocessor_words_are_known(words: &[u8]) -> bool {
    let mut words = words.split(|byte| *byte == b',');
    while let Some(word) = words.next() {
        let Some(row) = find(word) else { return false };
        let takes_next = match row.effect {
            Effect::Preprocess => match row.shape {
                Separate => true,
                JoinedOrSeparate => word.len() == row.name.len(),
                _ => false,
            },
            // Behind the driver these two name the file themselves.
            Effect::Dependencies => true,
            Effect::DependencyFile | Effect::DependencyTarget => word.len() == row.name.len(),
            _ => return false,
        };
        let is_file = !matches!(row.effect, Effect::Preprocess | Effect::DependencyTarget);
        let value = match takes_next {
            true => words.next(),
            false => Some(&word[row.name.len()..]),
        };
        if !value.is_some_and(|value| !is_file || (!value.is_empty() && !is_stream(value))) {
            return false;
        }
    }
    true
}

/// Whether an output name is no ordinary file.
pub(crate) fn is_stream(name: &[u8]) -> bool {
    name == b"-" || name.starts_with(b"/dev/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assembler_words_that_write_files_are_not_harmless() {
        assert!(assembler_words_are_harmless(b"--noexecstack,-mrelax-relocations=no"));
        for words in [&b"-al=/tmp/x"[..], b"--MD,x", b"--noexecstack,-a", b"", b"-I,/etc", b"-g"] {
            assert!(!assembler_words_are_harmless(words), "{}", words.escape_ascii());
        }
    }

    #[test]
    fn preprocessor_words_are_macros_headers_and_dependency_files() {
        for words in [
            &b"-D_FORTIFY_SOURCE=2"[..],
            b"-D,X",
            b"-MD,.x.o.d",
            b"-MMD,x,-MP,-MT,y",
            b"-MD,x,-MFy",
            b"-include,x.h,-nostdinc",
            b"-isystem,/x,-Iy",
        ] {
            assert!(preprocessor_words_are_known(words), "{}", words.escape_ascii());
        }
        for words in [
            &b"-MD"[..],
            b"-MD,-",
            b"-MF,/dev/stdout",
            b"-MD,",
            b"-fplugin=x",
            b"-undef",
            b"-include",
            b"-O2",
            b"",
            b"x",
        ] {
            assert!(!preprocessor_words_are_known(words), "{}", words.escape_ascii());
        }
    }

    #[test]
    fn one_word_for_the_preprocessor_has_its_value_in_it() {
        for word in [&b"-DX"[..], b"-Ix", b"-nostdinc", b"--include=x.h"] {
            assert!(is_whole_preprocessor_word(word), "{}", word.escape_ascii());
        }
        for word in [&b"-D"[..], b"-MD", b"-MG", b"-fopenmp", b"-include", b"--sysroot", b"", b"x"]
        {
            assert!(!is_whole_preprocessor_word(word), "{}", word.escape_ascii());
        }
    }
}
