//! Dependency files.

use super::terms::*;

pub(super) const GROUP: Group = Group {
    title: "Dependency files",
    note: "The preprocessor of this machine writes them while it works, so none of these is sent. \
           A dependency file that is a stream keeps the job here.",
    phases: Phases::PREPROCESS,
    rows: &[
        row("-MD", Alone, Dependencies).writes("a dependency file"),
        row("--write-dependencies", Alone, Dependencies).writes("a dependency file"),
        row("-MMD", Alone, Dependencies).writes("a dependency file"),
        row("--write-user-dependencies", Alone, Dependencies).writes("a dependency file"),
        row("-MF", JoinedOrSeparate, DependencyFile).writes("a dependency file"),
        row("-MT", JoinedOrSeparate, DependencyTarget),
        row("-MQ", JoinedOrSeparate, DependencyTarget),
        row("-MG", Alone, Preprocess),
        row("--print-missing-file-dependencies", Alone, Preprocess),
        row("-MP", Alone, Preprocess),
        row("-MV", Alone, Preprocess).clang(""),
        row("-Mno-modules", Alone, Preprocess).gcc("11"),
        row("-Mmodules", Alone, Preprocess).gcc("11"),
        row("-MJ", JoinedOrSeparate, Stay(Reason::ExtraOutput))
            .writes("an entry of a compilation database")
            .clang("5"),
        row("-gen-cdb-fragment-path", Separate, Stay(Reason::ExtraOutput))
            .writes("an entry of a compilation database")
            .clang("13"),
        row("-dependency-file", Separate, Stay(Reason::ExtraOutput))
            .writes("a dependency file")
            .clang(""),
        row("-dependency-dot", Separate, Stay(Reason::ExtraOutput)).writes("a graph").clang(""),
        row("-M", Family, Stay(Reason::DependenciesOnly)),
        row("--dependencies", Alone, Stay(Reason::DependenciesOnly)),
        row("--user-dependencies", Alone, Stay(Reason::DependenciesOnly)),
    ],
};
