//! What changes the language and the code.

use super::terms::*;

pub(super) const GROUP: Group = Group {
    title: "Language and code",
    note: "Read by preprocessor and compiler alike: sent as they are.",
    phases: Phases::PREPROCESS.and(Phases::COMPILE),
    rows: &[
        row("-std=", Joined, Compile),
        row("--std=", Joined, Compile),
        row("--std", Separate, Compile),
        row("-ansi", Alone, Compile),
        row("--ansi", Alone, Compile),
        row("-O", Family, Compile),
        row("--optimize", Alone, Compile),
        row("--optimize=", Joined, Compile),
        row("-f", Family, Compile),
        row("--param", Separate, Compile),
        row("--param=", Joined, Compile),
        row("-p", Alone, Compile),
        row("--profile", Alone, Compile),
        row("-pg", Alone, Compile),
        row("-pthread", Alone, Compile),
        row("-pthreads", Alone, Compile).gcc(""),
        row("-no-pthread", Alone, Compile).clang(""),
        row("-pie", Alone, Compile),
        row("--pie", Alone, Compile).gcc(""),
        row("-no-pie", Alone, Compile).since("6", ""),
        row("--no-pie", Alone, Compile).gcc("6"),
        row("-nopie", Alone, Compile).clang(""),
        row("-static", Alone, Compile),
        row("--static", Alone, Compile),
        row("-static-pie", Alone, Compile).since("8", "7"),
        row("--static-pie", Alone, Compile).gcc("8"),
        row("-shared", Alone, Compile),
        row("--shared", Alone, Compile),
        row("-Qn", Alone, Compile),
        row("-Qy", Alone, Compile),
        // Names in values, which are used as text and never opened.
        row("-frandom-seed=", Joined, Compile).since("", "21"),
        row("-fmacro-prefix-map=", Joined, Compile).since("8", "10"),
        row("-ffile-prefix-map=", Joined, Compile).since("8", "10"),
        row("-ffile-compilation-dir=", Joined, Compile).clang("12"),
        row("-finstrument-functions-exclude-file-list=", Joined, Compile).gcc(""),
        // Looks for the source file, which a server does not have.
        row("-fcanon-prefix-map", Alone, Stay(Reason::RecordsDetails)).gcc("13"),
        row("-integrated-as", Alone, Compile).clang(""),
        row("-no-integrated-as", Alone, Compile).clang(""),
        row("-via-file-asm", Alone, Stay(Reason::CompilerParts)).clang(""),
        row("--via-file-asm", Alone, Stay(Reason::CompilerParts)).clang(""),
        row(
            "-enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang",
            Alone,
            Compile,
        )
        .clang("8"),
    ],
};
