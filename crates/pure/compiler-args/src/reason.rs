//! Why a job has to stay on this machine.

/// What makes a command one that only this machine can run. Each has a stable code that logs and
/// reports use, and where there is one, a remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Neither `-c` nor `-S`: linking, or a question to the compiler.
    NotACompile,
    /// `-E`.
    PreprocessOnly,
    /// `-S`: no one can tell from assembler text whether it is for the right machine.
    AssemblerOutput,
    /// `-M`, `-MM`: only dependencies are wanted.
    DependenciesOnly,
    /// A dependency file that is no ordinary file.
    DependenciesToStream,
    /// `-march=native` and the like.
    NativeTuning,
    /// The same, where debug information tells how the compiler got its options.
    NativeTuningRecorded,
    /// Profiles and coverage: the compiler reads or writes files beside the object.
    Profile,
    /// `-flto`.
    LinkTimeOptimization,
    /// `-gsplit-dwarf`: a second output file.
    SplitDwarf,
    /// The option makes the compiler write files that the protocol cannot carry.
    ExtraOutput,
    /// Plug-ins, specs, `-B`, `-wrapper`: parts of the compiler that only this machine has.
    CompilerParts,
    /// Modules and precompiled headers.
    Modules,
    /// The compiler would read a list or the like that only this machine has.
    ReadsFile,
    /// Code for an accelerator is made as well.
    Offload,
    /// The object would tell columns, macros or the command line, which differ for preprocessed source.
    RecordsDetails,
    /// Debug information tells columns, which only a server that restores the source gets right.
    DebugColumns,
    /// The source asks for the date, the time or its base file, which are this machine's.
    AsksThisMachine,
    /// An option that changes what preprocessed source means.
    PreprocessorDetails,
    /// `-Wa,` with words that are not known to be harmless.
    AssemblerOption,
    /// `-Xclang`, `-mllvm` and the like: words for inner programs.
    InnerOption,
    /// `@file` that cannot be read, or not in one way only.
    ResponseFile,
    /// The source comes from standard input.
    StandardInput,
    /// The output goes to standard output or a device.
    OutputToStream,
    /// More than one output.
    SeveralOutputs,
    /// No source file among the words.
    NoSource,
    /// More than one source file.
    SeveralSources,
    /// A word that is no source file of a known language.
    UnknownInput,
    /// `-x` with a language that cannot leave.
    UnknownLanguage,
    /// Assembler source.
    AssemblerSource,
    /// A `conftest` file: a configure script asks what this machine can do.
    ConfigureTest,
    /// An option that is not in the table.
    UnknownOption,
    /// An option without the value it needs.
    MissingValue,
    /// The preprocessed text names files that the assembler would read.
    AssemblerReadsFiles,
    /// `-g` on preprocessed source that does not say which folder it was made in.
    NoDirectoryLine,
}

impl Reason {
    /// Every reason, for tables in documents and tests.
    pub const ALL: [Reason; 35] = [
        Reason::NotACompile,
        Reason::PreprocessOnly,
        Reason::AssemblerOutput,
        Reason::DependenciesOnly,
        Reason::DependenciesToStream,
        Reason::NativeTuning,
        Reason::NativeTuningRecorded,
        Reason::Profile,
        Reason::LinkTimeOptimization,
        Reason::SplitDwarf,
        Reason::ExtraOutput,
        Reason::CompilerParts,
        Reason::Modules,
        Reason::ReadsFile,
        Reason::Offload,
        Reason::RecordsDetails,
        Reason::DebugColumns,
        Reason::AsksThisMachine,
        Reason::PreprocessorDetails,
        Reason::AssemblerOption,
        Reason::InnerOption,
        Reason::ResponseFile,
        Reason::StandardInput,
        Reason::OutputToStream,
        Reason::SeveralOutputs,
        Reason::NoSource,
        Reason::SeveralSources,
        Reason::UnknownInput,
        Reason::UnknownLanguage,
        Reason::AssemblerSource,
        Reason::ConfigureTest,
        Reason::UnknownOption,
        Reason::MissingValue,
        Reason::AssemblerReadsFiles,
        Reason::NoDirectoryLine,
    ];

    /// The stable code: lower case, hyphens.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.texts().0
    }

    /// Why, as the end of a sentence that begins with the word in question.
    #[must_use]
    pub fn because(self) -> &'static str {
        self.texts().1
    }

    /// What the user may do about it; empty where nothing is to be done.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        self.texts().2
    }

    fn texts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Reason::NotACompile => ("not-a-compile", "has neither -c nor a source to compile", ""),
            Reason::PreprocessOnly => ("preprocess-only", "only preprocesses", ""),
            Reason::AssemblerOutput => (
                "assembler-output",
                "makes assembler text, which cannot be checked for the right machine",
                "",
            ),
            Reason::DependenciesOnly => ("dependencies-only", "only lists dependencies", ""),
            Reason::DependenciesToStream => (
                "dependencies-to-stream",
                "writes dependencies to something that is no file",
                "name a file with -MF",
            ),
            Reason::NativeTuning => (
                "native-tuning",
                "means the processor of whichever machine runs the compiler, which did not say what \
                 that is",
                "name the processor instead, as in -march=x86-64-v2",
            ),
            Reason::NativeTuningRecorded => (
                "native-tuning-recorded",
                "stands for options that debug information lists in another order when they are \
                 given by name",
                "-gno-record-gcc-switches leaves that list out",
            ),
            Reason::Profile => ("profile", "reads or writes profile data beside the object", ""),
            Reason::LinkTimeOptimization => (
                "link-time-optimization",
                "makes an object that only this very compiler can link",
                "build without -flto to share the compiles",
            ),
            Reason::SplitDwarf => (
                "split-dwarf",
                "makes a second file that the protocol cannot carry",
                "use -g without -gsplit-dwarf to share the compiles",
            ),
            Reason::ExtraOutput => {
                ("extra-output", "makes output that the protocol cannot carry", "")
            }
            Reason::CompilerParts => {
                ("compiler-parts", "names parts of the compiler that only this machine has", "")
            }
            Reason::Modules => ("modules", "needs module files or precompiled headers", ""),
            Reason::ReadsFile => {
                ("reads-file", "has the compiler read a file that only this machine has", "")
            }
            Reason::Offload => (
                "offload",
                "makes code for an accelerator as well, by tools that only this machine has",
                "",
            ),
            Reason::RecordsDetails => (
                "records-details",
                "puts columns, macros or the command line into the object, which differ elsewhere",
                "",
            ),
            Reason::DebugColumns => (
                "debug-columns",
                "asks for code or debug information that tells columns, which differ after preprocessing",
                "run a distccd of distcc-rs on the hosts, with GCC 11 or later; or accept the \
                 other columns: DISTCC_INEXACT_DEBUG=1",
            ),
            Reason::AsksThisMachine => {
                ("asks-this-machine", "has another value on every machine", "")
            }
            Reason::PreprocessorDetails => {
                ("preprocessor-details", "changes what preprocessed source means", "")
            }
            Reason::AssemblerOption => {
                ("assembler-option", "hands the assembler words that may name files", "")
            }
            Reason::InnerOption => {
                ("inner-option", "is for an inner program and not understood here", "")
            }
            Reason::ResponseFile => {
                ("response-file", "is no response file that all compilers read alike", "")
            }
            Reason::StandardInput => ("standard-input", "reads standard input", ""),
            Reason::OutputToStream => {
                ("output-to-stream", "is no ordinary file to write an object to", "")
            }
            Reason::SeveralOutputs => ("several-outputs", "is one output too many", ""),
            Reason::NoSource => ("no-source", "names no source file", ""),
            Reason::SeveralSources => (
                "several-sources",
                "is one source too many for one job",
                "compile each source with a command of its own",
            ),
            Reason::UnknownInput => {
                ("unknown-input", "is no source file of a language known here", "")
            }
            Reason::UnknownLanguage => ("unknown-language", "is no language that can leave", ""),
            Reason::AssemblerSource => ("assembler-source", "is assembler source", ""),
            Reason::ConfigureTest => {
                ("configure-test", "asks what this machine can do, and is quicker done here", "")
            }
            Reason::UnknownOption => ("unknown-option", "is an option not known here", ""),
            Reason::MissingValue => ("missing-value", "lacks its value", ""),
            Reason::AssemblerReadsFiles => {
                ("assembler-reads-files", "has the assembler read a file of this machine", "")
            }
            Reason::NoDirectoryLine => (
                "no-directory-line",
                "does not say which folder its debug information is to name",
                "",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_unique_and_spelled_alike() {
        let codes: HashSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        for code in codes {
            assert!(code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{code}");
        }
    }
}
