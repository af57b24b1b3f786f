//! What writes more than the object.

use super::terms::*;

const EXTRA: super::Effect = Stay(Reason::ExtraOutput);
const PROFILE: super::Effect = Stay(Reason::Profile);

pub(super) const GROUP: Group = Group {
    title: "More files, more output",
    note: "The protocol carries one object and the messages.",
    phases: Phases::COMPILE,
    rows: &[
        row("-save-temps", Joined, EXTRA).writes("`.i`, `.s`"),
        row("--save-temps", Joined, EXTRA).writes("`.i`, `.s`"),
        row("-save-stats", Joined, EXTRA).writes("`.stats`").clang("4"),
        row("--save-stats", Joined, EXTRA).writes("`.stats`").clang("4"),
        row("-d", Family, EXTRA).writes("dump files"),
        row("--dump", Separate, EXTRA).writes("dump files"),
        row("--dump=", Joined, EXTRA).writes("dump files"),
        row("-dumpdir", Separate, EXTRA).gcc(""),
        row("--dumpdir", Separate, EXTRA).gcc(""),
        row("-dumpbase", Separate, EXTRA).gcc(""),
        row("--dumpbase", Separate, EXTRA).gcc(""),
        row("-dumpbase-ext", Separate, EXTRA).gcc("11"),
        row("--dumpbase-ext", Separate, EXTRA).gcc("11"),
        row("-fdump-", Family, EXTRA).writes("dump files"),
        row("-aux-info", Separate, EXTRA).writes("declarations").gcc(""),
        row("-aux-info=", Joined, EXTRA).writes("declarations").gcc(""),
        row("-fopt-info", Joined, EXTRA).writes("remarks").gcc(""),
        row("-fsave-optimization-record", Joined, EXTRA).writes("a record").since("9", "4"),
        row("-foptimization-record-", Family, EXTRA).writes("a record").clang("4"),
        row("-fstack-usage", Alone, EXTRA).writes("`.su`").since("", "11"),
        row("-fcallgraph-info", Joined, EXTRA).writes("`.ci`").gcc("10"),
        row("-fada-spec", Family, EXTRA).writes("Ada source").gcc(""),
        row("-frepo", Alone, EXTRA).writes("`.rpo`").gcc(""),
        row("-fcompare-debug", Joined, EXTRA).writes("dump files").gcc(""),
        row("-fvtv-", Family, EXTRA).writes("log files").gcc(""),
        row("-fdbg-cnt", Family, EXTRA).writes("counters on standard error").gcc(""),
        row("-fdebug-pass-", Family, EXTRA).writes("passes on standard error").clang(""),
        row("-fira-verbose=", Joined, EXTRA).writes("details on standard error").gcc(""),
        row("-fsched-verbose=", Joined, EXTRA).writes("details on standard error").gcc(""),
        row("-fself-test", Joined, EXTRA).gcc("6"),
        row("-index-", Family, EXTRA).writes("an index store").clang(""),
        row("-objcmt-", Family, EXTRA).writes("edits").clang(""),
        row("-arcmt-", Family, EXTRA).writes("edits").clang(""),
        // How long the compiler took, and how much memory.
        row("-Q", Alone, EXTRA).writes("statistics on standard error").gcc(""),
        row("-time", Joined, EXTRA).writes("times"),
        row("--time", Joined, EXTRA).writes("times").gcc(""),
        row("-ftime-", Family, EXTRA).writes("times, `.json`"),
        row("-fmem-report", Family, EXTRA).writes("statistics on standard error").gcc(""),
        row("-fpre-ipa-mem-report", Alone, EXTRA).writes("statistics on standard error").gcc(""),
        row("-fpost-ipa-mem-report", Alone, EXTRA).writes("statistics on standard error").gcc(""),
        row("-fstats", Alone, EXTRA).writes("statistics on standard error").gcc(""),
        row("-fproc-stat-report", Joined, EXTRA).writes("statistics").clang("12"),
    ],
};

pub(super) const PROFILES: Group = Group {
    title: "Profiles and coverage",
    note: "Objects name the files for their counts, and the compiler reads and writes such files \
           beside the object.",
    phases: Phases::COMPILE.and(Phases::LINK),
    rows: &[
        row("--coverage", Alone, PROFILE).writes("`.gcno`"),
        row("-coverage", Alone, PROFILE).writes("`.gcno`"),
        row("-ftest-coverage", Alone, PROFILE).writes("`.gcno`"),
        row("-fcondition-coverage", Alone, PROFILE).writes("`.gcno`").gcc("14"),
        row("-fpath-coverage", Alone, PROFILE).writes("`.gcno`").gcc("15"),
        row("-fcoverage-", Family, PROFILE).clang(""),
        row("-fprofile", Family, PROFILE).reads("a profile"),
        row("-fauto-profile", Family, PROFILE).reads("a profile").since("5", "5"),
        row("-fbranch-probabilities", Alone, PROFILE).reads("`.gcda`").gcc(""),
        row("-fcs-profile-", Family, PROFILE).reads("a profile").clang("9"),
        row("-fmemory-profile", Family, PROFILE).reads("a profile").clang("12"),
        row("-fcodegen-data-", Family, PROFILE).reads("a profile").clang("20"),
        row("-forder-file-instrumentation", Alone, PROFILE).clang("9"),
        // Say something about profiles, and without one nothing.
        row("-fprofile-update=", Joined, Compile).since("7", "9"),
        row("-fprofile-prefix-map=", Joined, Compile).gcc("11"),
    ],
};
