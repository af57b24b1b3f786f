//! Warnings, and how messages look.

use super::terms::*;

const PROGRAMS_READ_IT: super::Effect = Stay(Reason::ExtraOutput);

pub(super) const GROUP: Group = Group {
    title: "Warnings and messages",
    note: "Sent as they are. Warnings that preprocessing may have made or hidden have the job \
           compiled again here.",
    phases: Phases::PREPROCESS.and(Phases::COMPILE),
    rows: &[
        row("-W", Family, Compile),
        row("--all-warnings", Alone, Compile),
        row("--extra-warnings", Alone, Compile),
        row("--warn-", Family, Compile),
        row("-w", Alone, Compile),
        row("--no-warnings", Alone, Compile),
        row("-pedantic", Alone, Compile),
        row("--pedantic", Alone, Compile),
        row("-pedantic-errors", Alone, Compile),
        row("--pedantic-errors", Alone, Compile),
        row("-no-pedantic", Alone, Compile).clang(""),
        row("--no-pedantic", Alone, Compile).clang(""),
        row("--warning-suppression-mappings=", Joined, Stay(Reason::ReadsFile))
            .reads("a list")
            .clang("20"),
        row("-R", Joined, PROGRAMS_READ_IT).writes("remarks on standard error"),
        // Formats for programs: places in the source to edit, not those of preprocessed source.
        row("-fdiagnostics-format=", Joined, PROGRAMS_READ_IT).writes("messages for programs"),
        row("-fdiagnostics-format=text", Alone, Compile).gcc("9"),
        row("-fdiagnostics-format=clang", Alone, Compile).clang(""),
        row("-fdiagnostics-parseable-fixits", Alone, PROGRAMS_READ_IT)
            .writes("edits on standard error"),
        row("-fdiagnostics-print-source-range-info", Alone, PROGRAMS_READ_IT)
            .writes("places on standard error")
            .clang(""),
        row("-fdiagnostics-generate-patch", Alone, PROGRAMS_READ_IT)
            .writes("a patch on standard error")
            .gcc("7"),
        row("-fdiagnostics-set-output", Joined, PROGRAMS_READ_IT)
            .writes("messages in a file")
            .gcc("15"),
        row("-fdiagnostics-add-output", Joined, PROGRAMS_READ_IT)
            .writes("messages in a file")
            .gcc("15"),
        row("-serialize-diagnostics", Separate, PROGRAMS_READ_IT)
            .writes("messages in a file")
            .clang(""),
        row("--serialize-diagnostics", Separate, PROGRAMS_READ_IT)
            .writes("messages in a file")
            .clang(""),
        row("-fcrash-diagnostics-dir=", Joined, PROGRAMS_READ_IT)
            .writes("a report of a crash")
            .clang(""),
        row("-fcrash-diagnostics", Joined, PROGRAMS_READ_IT)
            .writes("a report of a crash")
            .clang("15"),
        row("-gen-reproducer", Joined, PROGRAMS_READ_IT).writes("a report of a crash").clang(""),
    ],
};
