//! The machine that the object is for.

use super::terms::*;

const NATIVE: super::Effect = Stay(Reason::NativeTuning);

pub(super) const GROUP: Group = Group {
    title: "The machine",
    note: "Sent as they are. The client compiles nothing with the same options here, and takes no \
           object of another kind.",
    phases: Phases::PREPROCESS.and(Phases::COMPILE).and(Phases::LINK),
    rows: &[
        row("-m", Family, Target),
        row("-target", Separate, Target).clang(""),
        row("--target=", Joined, Target).clang(""),
        row("-mthread-model", Separate, Target).clang(""),
        row("-meabi", Separate, Target).clang("4"),
        row("-G", JoinedOrSeparate, Target),
        row("-EL", Alone, Target),
        row("-EB", Alone, Target),
        // Some machine options are accepted only with these: `-mcmodel=kernel -fno-pie`.
        row("-fpic", Alone, Target),
        row("-fPIC", Alone, Target),
        row("-fpie", Alone, Target),
        row("-fPIE", Alone, Target),
        row("-fno-pic", Alone, Target),
        row("-fno-PIC", Alone, Target),
        row("-fno-pie", Alone, Target),
        row("-fno-PIE", Alone, Target),
        // Also `-mcpu=native+nofp`.
        row("-march=native", Family, NATIVE),
        row("-mtune=native", Family, NATIVE),
        row("-mcpu=native", Family, NATIVE),
        row("-arch", Separate, Stay(Reason::CompilerParts)).clang(""),
        row("-b", JoinedOrSeparate, Stay(Reason::CompilerParts)),
        row("-mdump-tune-features", Alone, Stay(Reason::ExtraOutput))
            .writes("a list on standard error")
            .gcc(""),
        row("-mverbose-cost-dump", Alone, Stay(Reason::ExtraOutput))
            .writes("costs in a dump file")
            .gcc(""),
        row("-mdebug", Family, Stay(Reason::ExtraOutput))
            .writes("details on standard error")
            .gcc(""),
        row("-mdevices-csv-file=", Joined, Stay(Reason::ReadsFile)).reads("a table").gcc("10"),
    ],
};
