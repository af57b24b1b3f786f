//! Debug information, and what else the object tells of the source.

use super::terms::*;

const DEBUG: super::Effect = super::Effect::Debug { wanted: true };
const NO_DEBUG: super::Effect = super::Effect::Debug { wanted: false };
const RECORDS: super::Effect = Stay(Reason::RecordsDetails);

pub(super) const GROUP: Group = Group {
    title: "Debug information",
    note: "The last of `-g...` and `-g0` counts. Debug information needs preprocessed source that \
           names its folder, which GCC's does.",
    phases: Phases::COMPILE,
    rows: &[
        row("-g", Family, DEBUG),
        row("--debug", Alone, DEBUG),
        row("-g0", Alone, NO_DEBUG),
        row("-ggdb0", Alone, NO_DEBUG),
        // Ada's, some with a value.
        row("-gnat", Family, Stay(Reason::UnknownLanguage)).gcc(""),
        // Ask for no debug information by themselves.
        row("-gno-", Family, Compile),
        row("-gz", Joined, Compile).since("5", "5"),
        row("-grecord-gcc-switches", Alone, Compile).gcc(""),
        row("-gstrict-dwarf", Alone, Compile),
        row("-gcolumn-info", Alone, Compile).since("8", ""),
        row("-fdebug-prefix-map=", Joined, Compile).since("", ""),
        row("-fdebug-compilation-dir", Separate, Compile).clang(""),
        row("-fdebug-compilation-dir=", Joined, Compile).clang("13"),
        // Record all macros, which are gone from preprocessed source.
        row("-g3", Family, RECORDS),
        row("-ggdb3", Family, RECORDS),
        row("-gstabs3", Family, RECORDS).gcc(""),
        row("-gstabs+3", Family, RECORDS).gcc(""),
        row("-gvms3", Family, RECORDS).gcc(""),
        row("-gxcoff3", Family, RECORDS).gcc(""),
        row("-fdebug-macro", Alone, RECORDS).clang("4"),
        row("-gembed-source", Alone, RECORDS).reads("the source again").clang("6"),
        row("-gmodules", Alone, Stay(Reason::Modules)).reads("module files").clang(""),
        row("-gsplit-dwarf", Alone, super::Effect::SplitDebug).writes("`.dwo`"),
        row("-gsplit-dwarf=", Joined, Stay(Reason::SplitDwarf)).writes("`.dwo`").clang("9"),
        // The command line, which is another one elsewhere, and the source itself.
        row("-grecord-command-line", Alone, RECORDS).clang("9"),
        row("-frecord-command-line", Alone, RECORDS).clang("9"),
        row("-frecord-gcc-switches", Alone, RECORDS),
        row("-object-file-name=", Joined, RECORDS).clang("13"),
        row("-fembed-", Family, RECORDS).clang(""),
        // A violated contract tells its text, and its column in newer versions.
        row("-fcontract", Family, RECORDS).gcc("13"),
        row("--verify-debug-info", Alone, Stay(Reason::ExtraOutput)).clang(""),
        row("-fverify-debuginfo-preserve", Family, Stay(Reason::ExtraOutput))
            .writes("a report")
            .clang("14"),
        row("-dsym-dir", Separate, Stay(Reason::ExtraOutput)).writes("a bundle").clang(""),
    ],
};
