//! Sanitizers and other checks put into the code.

use super::terms::*;

const RECORDS: super::Effect = Stay(Reason::RecordsDetails);

pub(super) const GROUP: Group = Group {
    title: "Sanitizers",
    note: "Most of them put columns of the source into the object, which are others in \
           preprocessed source.",
    phases: Phases::PREPROCESS.and(Phases::COMPILE).and(Phases::LINK),
    rows: &[
        row("-fsanitize=", Joined, super::Effect::Columns),
        // These tell no place in the source.
        row("-fsanitize=thread", Alone, Compile),
        row("-fsanitize=leak", Alone, Compile).since("4.9", ""),
        row("-fsanitize=shadow-call-stack", Alone, Compile).since("12", "7"),
        row("-fsanitize=safe-stack", Alone, Compile).clang(""),
        row("-fsanitize=kcfi", Alone, Compile).clang("16"),
        row("-fsanitize-ignorelist", Joined, Stay(Reason::ReadsFile)).reads("a list").clang("13"),
        row("-fsanitize-blacklist", Joined, Stay(Reason::ReadsFile)).reads("a list").clang(""),
        row("-fsanitize-system-", Family, Stay(Reason::ReadsFile)).reads("a list").clang("8"),
        row("-fsanitize-coverage-allowlist=", Joined, Stay(Reason::ReadsFile))
            .reads("a list")
            .clang("13"),
        row("-fsanitize-coverage-ignorelist=", Joined, Stay(Reason::ReadsFile))
            .reads("a list")
            .clang("13"),
        row("-fsanitize-coverage-whitelist=", Joined, Stay(Reason::ReadsFile))
            .reads("a list")
            .clang("11"),
        row("-fsanitize-coverage-blacklist=", Joined, Stay(Reason::ReadsFile))
            .reads("a list")
            .clang("11"),
        row("-fsanitize-stats", Alone, RECORDS).clang(""),
        row("-fxray-", Family, RECORDS).clang(""),
        row("-fxray-always-instrument=", Joined, Stay(Reason::ReadsFile))
            .reads("a list")
            .clang("5"),
        row("-fxray-never-instrument=", Joined, Stay(Reason::ReadsFile)).reads("a list").clang("5"),
        row("-fxray-attr-list=", Joined, Stay(Reason::ReadsFile)).reads("a list").clang("7"),
        row("-fbasic-block-sections=list=", Joined, Stay(Reason::ReadsFile))
            .reads("a list")
            .clang("11"),
        row("-frandomize-layout-seed-file=", Joined, Stay(Reason::ReadsFile))
            .reads("a seed")
            .clang("15"),
        row("-fms-hotpatch-functions-file=", Joined, Stay(Reason::ReadsFile))
            .reads("a list")
            .clang("21"),
        row("-fms-secure-hotpatch-functions-file=", Joined, Stay(Reason::ReadsFile))
            .reads("a list")
            .clang("21"),
    ],
};
