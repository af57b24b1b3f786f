//! One row an option: its shape, and what it does to a job.

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

/// What is known of one option, or of all options that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The option, or the beginning of the word for the joined shapes.
    pub name: &'static str,
    /// How its value is written.
    pub shape: Shape,
    /// What it does.
    pub effect: Effect,
}

const fn row(name: &'static str, shape: Shape, effect: Effect) -> Row {
    Row { name, shape, effect }
}

use Effect::{
    AssemblerWords, Compile, Dependencies, DependencyFile, DependencyTarget, Link, Output,
    Preprocess, PreprocessorWords, Stay, Target, ToAssembler, ToObject, ToPreprocessed,
};
use Shape::{Alone, Joined, JoinedOrSeparate, Separate};

const DEBUG: Effect = Effect::Debug { wanted: true };
const NO_DEBUG: Effect = Effect::Debug { wanted: false };

/// Everything known of options. Where several rows fit a word, the longest name counts; a word
/// that none fits is an unknown option and keeps the job here.
///
/// Source: the manuals of GCC 12 ("Option Summary") and Clang 14; what is stripped before
/// sending also distcc(1) 3.4.
pub const TABLE: &[Row] = &[
    // What to make of the source.
    row("-c", Alone, ToObject),
    row("-S", Alone, ToAssembler),
    row("-E", Alone, ToPreprocessed),
    row("-o", JoinedOrSeparate, Output),
    row("-x", JoinedOrSeparate, Effect::Language),
    row("-fsyntax-only", Alone, Stay(Reason::NotACompile)),
    row("-v", Alone, Stay(Reason::NotACompile)),
    row("-###", Alone, Stay(Reason::NotACompile)),
    row("-V", JoinedOrSeparate, Stay(Reason::NotACompile)),
    row("--version", Alone, Stay(Reason::NotACompile)),
    row("--help", Joined, Stay(Reason::NotACompile)),
    row("-print-", Joined, Stay(Reason::NotACompile)),
    row("--print-", Joined, Stay(Reason::NotACompile)),
    row("-dumpversion", Alone, Stay(Reason::NotACompile)),
    row("-dumpfullversion", Alone, Stay(Reason::NotACompile)),
    row("-dumpmachine", Alone, Stay(Reason::NotACompile)),
    row("-dumpspecs", Alone, Stay(Reason::NotACompile)),
    row("-pipe", Alone, Compile),
    row("-pass-exit-codes", Alone, Compile),
    row("-Qunused-arguments", Alone, Compile),
    // What only the preprocessor reads.
    row("-D", JoinedOrSeparate, Preprocess),
    row("-U", JoinedOrSeparate, Preprocess),
    row("-I", JoinedOrSeparate, Preprocess),
    row("-F", JoinedOrSeparate, Preprocess),
    // GCC records these four in its debug information, though only the preprocessor reads them.
    row("-undef", Alone, Compile),
    row("-remap", Alone, Stay(Reason::PreprocessorDetails)),
    row("-A", JoinedOrSeparate, Stay(Reason::PreprocessorDetails)),
    row("-H", Alone, Stay(Reason::ExtraOutput)),
    row("-include", JoinedOrSeparate, Preprocess),
    row("-imacros", JoinedOrSeparate, Preprocess),
    row("-iprefix", JoinedOrSeparate, Preprocess),
    row("-iwithprefix", JoinedOrSeparate, Preprocess),
    row("-iwithprefixbefore", JoinedOrSeparate, Preprocess),
    row("-isystem", JoinedOrSeparate, Preprocess),
    row("-cxx-isystem", JoinedOrSeparate, Preprocess),
    row("-c-isystem", JoinedOrSeparate, Preprocess),
    row("-iquote", JoinedOrSeparate, Preprocess),
    row("-idirafter", JoinedOrSeparate, Preprocess),
    row("-isysroot", JoinedOrSeparate, Preprocess),
    row("-imultilib", JoinedOrSeparate, Preprocess),
    row("-imultiarch", JoinedOrSeparate, Preprocess),
    row("-iframework", JoinedOrSeparate, Preprocess),
    row("--sysroot=", Joined, Preprocess),
    row("--sysroot", Separate, Preprocess),
    row("--gcc-toolchain=", Joined, Preprocess),
    row("-stdlib=", Joined, Preprocess),
    row("-nostdinc", Alone, Preprocess),
    row("-nostdinc++", Alone, Preprocess),
    row("-nostdlibinc", Alone, Preprocess),
    row("-nobuiltininc", Alone, Preprocess),
    row("-no-canonical-prefixes", Alone, Preprocess),
    row("-Wp,", Joined, PreprocessorWords),
    row("-Xpreprocessor", Separate, Stay(Reason::InnerOption)),
    row("-include-pch", Separate, Stay(Reason::Modules)),
    row("-C", Alone, Stay(Reason::PreprocessorDetails)),
    row("-CC", Alone, Stay(Reason::PreprocessorDetails)),
    row("-P", Alone, Stay(Reason::PreprocessorDetails)),
    row("-trigraphs", Alone, Compile),
    row("-traditional", Joined, Stay(Reason::PreprocessorDetails)),
    row("-no-integrated-cpp", Alone, Stay(Reason::CompilerParts)),
    row("-finput-charset", Joined, Stay(Reason::PreprocessorDetails)),
    row("-fpreprocessed", Alone, Stay(Reason::PreprocessorDetails)),
    row("-fno-preprocessed", Alone, Stay(Reason::PreprocessorDetails)),
    row("-fdirectives-only", Alone, Stay(Reason::PreprocessorDetails)),
    row("-frewrite-", Joined, Stay(Reason::PreprocessorDetails)),
    row("-fminimize-whitespace", Alone, Stay(Reason::PreprocessorDetails)),
    row("-fpch-", Joined, Stay(Reason::Modules)),
    // Dependencies: written by the preprocessor run on this machine.
    row("-MD", Alone, Dependencies),
    row("-MMD", Alone, Dependencies),
    row("-MF", JoinedOrSeparate, DependencyFile),
    row("-MT", JoinedOrSeparate, DependencyTarget),
    row("-MQ", JoinedOrSeparate, DependencyTarget),
    row("-MG", Alone, Preprocess),
    row("-MP", Alone, Preprocess),
    row("-M", Joined, Stay(Reason::DependenciesOnly)),
    // What changes the object.
    row("-O", Joined, Compile),
    row("-ObjC", Joined, Stay(Reason::UnknownOption)),
    row("-std=", Joined, Compile),
    row("--std=", Joined, Compile),
    row("-ansi", Alone, Compile),
    row("-f", Joined, Compile),
    row("-p", Alone, Compile),
    row("-pg", Alone, Compile),
    row("-pthread", Alone, Compile),
    row("-pthreads", Alone, Compile),
    row("-pie", Alone, Compile),
    row("-no-pie", Alone, Compile),
    row("-nopie", Alone, Compile),
    row("-static", Alone, Compile),
    row("-static-pie", Alone, Compile),
    row("-shared", Alone, Compile),
    row("-undefined", Separate, Link),
    row("--param", Separate, Compile),
    row("--param=", Joined, Compile),
    row("-m", Joined, Target),
    // Some machine options are accepted only with these: `-mcmodel=kernel -fno-pie`.
    row("-fpic", Alone, Target),
    row("-fPIC", Alone, Target),
    row("-fpie", Alone, Target),
    row("-fPIE", Alone, Target),
    row("-fno-pic", Alone, Target),
    row("-fno-PIC", Alone, Target),
    row("-fno-pie", Alone, Target),
    row("-fno-PIE", Alone, Target),
    row("-EL", Alone, Target),
    row("-EB", Alone, Target),
    row("-target", Separate, Target),
    row("--target=", Joined, Target),
    row("-march=native", Alone, Stay(Reason::NativeTuning)),
    row("-mtune=native", Alone, Stay(Reason::NativeTuning)),
    row("-mcpu=native", Alone, Stay(Reason::NativeTuning)),
    row("-mllvm", Separate, Stay(Reason::InnerOption)),
    row("-arch", Separate, Stay(Reason::UnknownOption)),
    // Warnings and how they look.
    row("-w", Alone, Compile),
    row("-W", Joined, Compile),
    row("-pedantic", Alone, Compile),
    row("-pedantic-errors", Alone, Compile),
    row("-R", Joined, Stay(Reason::ExtraOutput)),
    row("-fdiagnostics-format=", Joined, Stay(Reason::ExtraOutput)),
    // Places in the source to edit, for programs to read: not those of preprocessed source.
    row("-fdiagnostics-parseable-fixits", Alone, Stay(Reason::ExtraOutput)),
    row("-fdiagnostics-generate-patch", Alone, Stay(Reason::ExtraOutput)),
    row("-fdiagnostics-set-output", Joined, Stay(Reason::ExtraOutput)),
    row("-fdiagnostics-add-output", Joined, Stay(Reason::ExtraOutput)),
    // Debug information.
    row("-g", Joined, DEBUG),
    row("-g0", Alone, NO_DEBUG),
    row("-ggdb0", Alone, NO_DEBUG),
    // Ask for no debug information by themselves.
    row("-gno-", Joined, Compile),
    row("-gz", Joined, Compile),
    row("-grecord-gcc-switches", Alone, Compile),
    row("-gstrict-dwarf", Alone, Compile),
    row("-gcolumn-info", Alone, Compile),
    // Record all macros, which are gone from preprocessed source.
    row("-g3", Joined, Stay(Reason::RecordsDetails)),
    row("-ggdb3", Joined, Stay(Reason::RecordsDetails)),
    row("-gstabs3", Joined, Stay(Reason::RecordsDetails)),
    row("-gstabs+3", Joined, Stay(Reason::RecordsDetails)),
    row("-fdebug-macro", Alone, Stay(Reason::RecordsDetails)),
    row("-fembed-", Joined, Stay(Reason::RecordsDetails)),
    row("-gsplit-dwarf", Joined, Stay(Reason::SplitDwarf)),
    row("-grecord-command-line", Alone, Stay(Reason::RecordsDetails)),
    row("-frecord-command-line", Alone, Stay(Reason::RecordsDetails)),
    row("-frecord-gcc-switches", Alone, Stay(Reason::RecordsDetails)),
    row("-fsanitize=", Joined, Stay(Reason::RecordsDetails)),
    // Files beside the object.
    row("-flto", Joined, Stay(Reason::LinkTimeOptimization)),
    row("-fthin", Joined, Stay(Reason::LinkTimeOptimization)),
    row("--coverage", Alone, Stay(Reason::Profile)),
    row("-coverage", Alone, Stay(Reason::Profile)),
    row("-ftest-coverage", Alone, Stay(Reason::Profile)),
    row("-fcoverage-", Joined, Stay(Reason::Profile)),
    row("-fprofile", Joined, Stay(Reason::Profile)),
    row("-fauto-profile", Joined, Stay(Reason::Profile)),
    row("-fbranch-probabilities", Alone, Stay(Reason::Profile)),
    row("-fcs-profile-", Joined, Stay(Reason::Profile)),
    row("-fmemory-profile", Joined, Stay(Reason::Profile)),
    row("-save-temps", Joined, Stay(Reason::ExtraOutput)),
    row("--save-temps", Joined, Stay(Reason::ExtraOutput)),
    row("-d", Joined, Stay(Reason::ExtraOutput)),
    row("-aux", Joined, Stay(Reason::ExtraOutput)),
    row("-time", Joined, Stay(Reason::ExtraOutput)),
    row("-fdump-", Joined, Stay(Reason::ExtraOutput)),
    row("-fopt-info", Joined, Stay(Reason::ExtraOutput)),
    row("-fsave-optimization-record", Joined, Stay(Reason::ExtraOutput)),
    row("-foptimization-record-", Joined, Stay(Reason::ExtraOutput)),
    row("-fstack-usage", Joined, Stay(Reason::ExtraOutput)),
    row("-fcallgraph-info", Joined, Stay(Reason::ExtraOutput)),
    row("-fcompare-debug", Joined, Stay(Reason::ExtraOutput)),
    row("-ftime-", Joined, Stay(Reason::ExtraOutput)),
    row("-fmem-report", Joined, Stay(Reason::ExtraOutput)),
    row("-fpre-ipa-mem-report", Alone, Stay(Reason::ExtraOutput)),
    row("-fpost-ipa-mem-report", Alone, Stay(Reason::ExtraOutput)),
    row("-fproc-stat-report", Joined, Stay(Reason::ExtraOutput)),
    row("-fada-spec", Joined, Stay(Reason::ExtraOutput)),
    row("-fdbg-cnt", Joined, Stay(Reason::ExtraOutput)),
    row("-fself-test", Joined, Stay(Reason::ExtraOutput)),
    row("-frepo", Alone, Stay(Reason::ExtraOutput)),
    row("-fcrash-diagnostics", Joined, Stay(Reason::ExtraOutput)),
    // Parts of the compiler and files that it reads.
    row("-fplugin", Joined, Stay(Reason::CompilerParts)),
    row("-fpass-plugin", Joined, Stay(Reason::CompilerParts)),
    row("-iplugindir", Joined, Stay(Reason::CompilerParts)),
    row("-wrapper", Separate, Stay(Reason::CompilerParts)),
    row("-specs", Joined, Stay(Reason::CompilerParts)),
    row("--specs", Joined, Stay(Reason::CompilerParts)),
    row("-B", JoinedOrSeparate, Stay(Reason::CompilerParts)),
    row("-fuse-ld", Joined, Link),
    row("-foffload", Joined, Stay(Reason::CompilerParts)),
    row("-fmodule", Joined, Stay(Reason::Modules)),
    row("-fno-modules", Alone, Compile),
    row("-fcxx-modules", Alone, Stay(Reason::Modules)),
    row("-fimplicit-module", Joined, Stay(Reason::Modules)),
    row("-fprebuilt-", Joined, Stay(Reason::Modules)),
    row("-fbuild-session-", Joined, Stay(Reason::Modules)),
    row("-fdeps-", Joined, Stay(Reason::Modules)),
    row("-Xclang", Separate, Stay(Reason::InnerOption)),
    row("-fsanitize-ignorelist", Joined, Stay(Reason::RecordsDetails)),
    row("-fsanitize-blacklist", Joined, Stay(Reason::RecordsDetails)),
    row("-fxray-", Joined, Stay(Reason::RecordsDetails)),
    // The assembler.
    row("-Wa,", Joined, AssemblerWords),
    row("-Xassembler", Separate, Stay(Reason::InnerOption)),
    // The linker: without effect on a compile.
    row("-l", JoinedOrSeparate, Link),
    row("-L", JoinedOrSeparate, Link),
    row("-T", JoinedOrSeparate, Link),
    row("-u", Separate, Link),
    row("-e", Separate, Link),
    row("-z", Separate, Link),
    row("-s", Alone, Link),
    row("-r", Alone, Link),
    row("-Wl,", Joined, Link),
    row("-Xlinker", Separate, Link),
    row("-rdynamic", Alone, Link),
    row("-symbolic", Alone, Link),
    row("-nostdlib", Alone, Link),
    row("-nostdlib++", Alone, Link),
    row("-nodefaultlibs", Alone, Link),
    row("-nolibc", Alone, Link),
    row("-nostartfiles", Alone, Link),
    row("-static-libgcc", Alone, Link),
    row("-shared-libgcc", Alone, Link),
    row("-static-libstdc++", Alone, Link),
    row("-static-libasan", Alone, Link),
    row("-rpath", Separate, Link),
];

/// Words after `-Wa,` that neither read nor write a file: the beginning of the word, and whether
/// more may follow. Source: as(1) of binutils 2.40.
const HARMLESS_ASSEMBLER_WORDS: &[(&str, Shape)] = &[
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
    ("-m", Joined),
    ("-EL", Alone),
    ("-EB", Alone),
];

/// The row for `word`, if its option is known.
pub(crate) fn find(word: &[u8]) -> Option<&'static Row> {
    TABLE
        .iter()
        .filter(|row| {
            let name = row.name.as_bytes();
            match row.shape {
                Alone | Separate => word == name,
                Joined | JoinedOrSeparate => word.starts_with(name),
            }
        })
        .max_by_key(|row| row.name.len())
}

/// Whether the words of one `-Wa,` option (its value, with the commas) are all harmless.
pub(crate) fn assembler_words_are_harmless(words: &[u8]) -> bool {
    words.split(|byte| *byte == b',').all(|word| {
        HARMLESS_ASSEMBLER_WORDS.iter().any(|(name, shape)| match shape {
            Joined | JoinedOrSeparate => word.starts_with(name.as_bytes()),
            Alone | Separate => word == name.as_bytes(),
        })
    })
}

/// Whether the words of one `-Wp,` option (its value, with the commas) only define macros or
/// have dependencies written to a file, which preprocessing here takes care of.
pub(crate) fn preprocessor_words_are_known(words: &[u8]) -> bool {
    let mut words = words.split(|byte| *byte == b',');
    while let Some(word) = words.next() {
        let known = match word {
            b"-MD" | b"-MMD" | b"-MT" | b"-MQ" | b"-MF" => match words.next() {
                Some(value) => !value.is_empty() && !is_stream(value),
                None => false,
            },
            b"-MP" | b"-MG" => true,
            b"-D" | b"-U" | b"-I" => words.next().is_some(),
            _ => [b"-D", b"-U", b"-I"].iter().any(|name| word.starts_with(*name)),
        };
        if !known {
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

    #[track_caller]
    fn check(word: &str, expected: &str) {
        assert_eq!(find(word.as_bytes()).map(|row| row.name), Some(expected));
    }

    #[test]
    fn the_longest_name_counts() {
        check("-march=native", "-march=native");
        check("-march=native2", "-m");
        check("-Wa,-a", "-Wa,");
        check("-Wall", "-W");
        check("-MDx", "-M");
        check("-MMD", "-MMD");
        check("-isystem/usr/include", "-isystem");
        check("-include-pch", "-include-pch");
        check("-gsplit-dwarf=single", "-gsplit-dwarf");
        check("-fplugin-arg-x-y", "-fplugin");
        check("-fprofile-use=/x", "-fprofile");
        check("-fno-plt", "-f");
    }

    #[test]
    fn no_name_has_two_rows() {
        for (index, row) in TABLE.iter().enumerate() {
            assert!(TABLE[index + 1..].iter().all(|other| other.name != row.name), "{}", row.name);
        }
    }

    #[test]
    fn assembler_words_that_write_files_are_not_harmless() {
        assert!(assembler_words_are_harmless(b"--noexecstack,-mrelax-relocations=no"));
        for words in [&b"-al=/tmp/x"[..], b"--MD,x", b"--noexecstack,-a", b"", b"-I,/etc"] {
            assert!(!assembler_words_are_harmless(words), "{}", words.escape_ascii());
        }
    }

    #[test]
    fn preprocessor_words_are_macros_and_dependency_files() {
        assert!(preprocessor_words_are_known(b"-D_FORTIFY_SOURCE=2"));
        assert!(preprocessor_words_are_known(b"-MD,.x.o.d"));
        for words in [&b"-MD"[..], b"-MD,-", b"-fplugin=x", b"-include,x.h", b""] {
            assert!(!preprocessor_words_are_known(words), "{}", words.escape_ascii());
        }
    }
}
