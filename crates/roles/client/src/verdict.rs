//! What a server's reply means.

use wire::{Exit, Reply};

use crate::remote::Trouble;

/// What a reply means, and whether to believe it.
#[derive(Debug)]
pub(crate) struct Judgment {
    pub(crate) verdict: Verdict,
    /// Why the verdict may be an artefact of preprocessing: then only compiling here tells.
    pub(crate) doubt: Option<&'static str>,
}

/// What a reply means to the user.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The compiler did its work: take the object.
    Object,
    /// The compiler found errors in the source: show them once.
    SourceErrors(Exit),
    /// The server did not do the job.
    Trouble(Trouble),
}

/// Words of compilers that fail for want of something, not for errors in the source.
const FAULTS: [&[u8]; 11] = [
    b"No space left on device",
    b"Cannot allocate memory",
    b"cannot allocate memory",
    b"out of memory",
    b"memory exhausted",
    b"error writing to",
    b"cannot execute",
    b"internal compiler error",
    // Clang without the machine that `-target` names.
    b"unable to create target",
    b"unknown target triple",
    b"Killed signal terminated",
];

/// Words of compilers that do not know an option which ours knows.
const OTHER_COMPILER: [&[u8]; 4] = [
    b"unrecognized command-line option",
    b"unrecognized command line option",
    b"unrecognized debug output level",
    b"unknown argument:",
];

/// Warnings that depend on comments, or on whether code comes from a macro: of preprocessed source
/// they may be given where the source itself would give none. Source: the manuals of GCC and Clang,
/// and `tests/e2e`, "warnings are those of the source".
const WARNINGS_OF_PREPROCESSING: [&[u8]; 13] = [
    b"[-Wimplicit-fallthrough",
    b"[-Wtautological",
    b"[-Wself-assign",
    b"[-Wself-compare",
    b"[-Wlogical-op",
    b"[-Wint-in-bool-context",
    b"[-Wmisleading-indentation",
    b"[-Wduplicated",
    b"[-Wempty-body",
    b"[-Wunused-value",
    b"[-Wparentheses-equality",
    b"[-Wconstant-logical-operand",
    b"[-Wextra-semi",
];

/// Warnings that became errors, whichever they were.
const WARNINGS_AS_ERRORS: [&[u8]; 2] = [b"[-Werror", b"warnings being treated as errors"];

/// How GCC ends after an internal error.
const INTERNAL_ERROR: u8 = 4;

/// Judges a reply by its status and its messages. The object is judged elsewhere.
pub(crate) fn of(reply: &Reply) -> Judgment {
    let verdict = verdict(reply);
    let doubt = match verdict {
        Verdict::Object => line_with(&reply.stderr, &WARNINGS_OF_PREPROCESSING)
            .map(|_| "its compiler gave warnings that the source may not"),
        Verdict::SourceErrors(_) => line_with(&reply.stderr, &OTHER_COMPILER)
            .map(|_| "its compiler does not know an option")
            .or_else(|| {
                line_with(&reply.stderr, &WARNINGS_AS_ERRORS)
                    .map(|_| "its compiler took warnings for errors")
            }),
        Verdict::Trouble(_) => None,
    };
    Judgment { verdict, doubt }
}

fn verdict(reply: &Reply) -> Verdict {
    if reply.status.is_success() {
        return Verdict::Object;
    }
    let Some(code) = reply.status.code() else {
        let signal = reply.status.signal().unwrap_or_default();
        return Verdict::Trouble(Trouble::Killed { signal });
    };
    if let Some(exit) = Exit::own(code) {
        return Verdict::Trouble(Trouble::refused(exit, reply));
    }
    if code > 128 {
        return Verdict::Trouble(Trouble::Killed { signal: code - 128 });
    }
    if let Some(line) = line_with(&reply.stderr, &FAULTS) {
        return Verdict::Trouble(Trouble::Fault(line));
    }
    // A full disk takes the compiler's messages as well.
    if reply.stderr.is_empty() && reply.stdout.is_empty() {
        let text = format!("it ended with exit status {code} and said nothing");
        return Verdict::Trouble(Trouble::Fault(text));
    }
    if code == INTERNAL_ERROR {
        return Verdict::Trouble(Trouble::Fault("internal compiler error".to_owned()));
    }
    Verdict::SourceErrors(Exit::compiler(code))
}

/// The first line with one of `words` in it.
fn line_with(text: &[u8], words: &[&[u8]]) -> Option<String> {
    text.split(|byte| *byte == b'\n')
        .find(|line| words.iter().any(|word| line.windows(word.len()).any(|found| found == *word)))
        .map(|line| String::from_utf8_lossy(line).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::WaitStatus;

    #[track_caller]
    fn check(status: WaitStatus, stderr: &str, expected: &str) {
        let reply = Reply { status, stderr: stderr.into(), ..Reply::default() };
        let judgment = of(&reply);
        let got = match (judgment.doubt, judgment.verdict) {
            (Some(doubt), _) => doubt.to_owned(),
            (None, Verdict::Object) => "object".to_owned(),
            (None, Verdict::SourceErrors(exit)) => format!("errors {exit}"),
            (None, Verdict::Trouble(trouble)) => trouble.says(),
        };
        assert_eq!(got, expected);
    }

    #[test]
    fn errors_in_the_source_are_a_result() {
        check(WaitStatus::exited(0), "a.c:1: warning: x [-Wunused-variable]", "object");
        check(WaitStatus::exited(1), "a.c:1: error: expected ';'", "errors 1");
    }

    #[test]
    fn what_is_not_the_sources_fault_is_no_result() {
        check(
            WaitStatus::exited(1),
            "cc1: error: x\n/tmp/x.s: No space left on device\n",
            "its compiler could not do its work: /tmp/x.s: No space left on device",
        );
        check(
            WaitStatus::exited(1),
            "",
            "its compiler could not do its work: it ended with exit status 1 and said nothing",
        );
        check(
            WaitStatus::exited(4),
            "a.c:1: x",
            "its compiler could not do its work: internal compiler error",
        );
        check(WaitStatus::signaled(9), "", "its compiler was ended by signal 9");
        check(WaitStatus::exited(139), "", "its compiler was ended by signal 11");
        check(
            WaitStatus::exited(113),
            "distccd[1] ERROR: not you\nhint: x\n",
            "it refused: not you",
        );
        check(WaitStatus::exited(110), "", "it refused with code 110");
    }

    #[test]
    fn what_preprocessing_may_have_caused_is_doubted() {
        check(
            WaitStatus::exited(0),
            "a.c:1:2: warning: this statement may fall through [-Wimplicit-fallthrough=]",
            "its compiler gave warnings that the source may not",
        );
        check(
            WaitStatus::exited(1),
            "a.c:1:2: error: self-comparison [-Werror=tautological-compare]",
            "its compiler took warnings for errors",
        );
        check(
            WaitStatus::exited(1),
            "gcc: error: unrecognized command-line option '-fnew'",
            "its compiler does not know an option",
        );
    }
}
