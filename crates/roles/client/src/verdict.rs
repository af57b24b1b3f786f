//! What a server's reply means.

use wire::Reply;

use crate::exit::Exit;
use crate::remote::Trouble;

/// What a reply means to the user.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The compiler did its work: take the object.
    Object,
    /// The compiler found errors in the source: show them once.
    SourceErrors(Exit),
    /// The compiler failed with `exit`, and preprocessing may be why: only compiling here tells.
    Unclear { why: &'static str, exit: Exit },
    /// The server did not do the job.
    Trouble(Trouble),
}

/// Words of compilers that fail for want of something, not for errors in the source.
const FAULTS: [&[u8]; 9] = [
    b"No space left on device",
    b"Cannot allocate memory",
    b"cannot allocate memory",
    b"out of memory",
    b"memory exhausted",
    b"error writing to",
    b"cannot execute",
    b"internal compiler error",
    b"Killed signal terminated",
];

/// Words of compilers that do not know an option which ours knows.
const OTHER_COMPILER: [&[u8]; 4] = [
    b"unrecognized command-line option",
    b"unrecognized command line option",
    b"unrecognized debug output level",
    b"unknown argument:",
];

/// Warnings that became errors. Preprocessed source can give rise to warnings that the source
/// itself does not, where they depend on whether code comes from a macro.
const WARNINGS_AS_ERRORS: [&[u8]; 2] = [b"[-Werror", b"warnings being treated as errors"];

/// How GCC ends after an internal error.
const INTERNAL_ERROR: u8 = 4;

/// Judges a reply by its status and its messages. The object is judged elsewhere.
pub(crate) fn of(reply: &Reply) -> Verdict {
    if reply.status.is_success() {
        return Verdict::Object;
    }
    let Some(code) = reply.status.code() else {
        let signal = reply.status.signal().unwrap_or_default();
        return Verdict::Trouble(Trouble::Killed { signal });
    };
    if let Some(exit) = Exit::own(code) {
        return Verdict::Trouble(Trouble::refused(exit, &reply.stderr));
    }
    if code > 128 {
        return Verdict::Trouble(Trouble::Killed { signal: code - 128 });
    }
    if let Some(line) = line_with(&reply.stderr, &FAULTS) {
        return Verdict::Trouble(Trouble::Fault(line));
    }
    if code == INTERNAL_ERROR {
        return Verdict::Trouble(Trouble::Fault("internal compiler error".to_owned()));
    }
    let exit = Exit::compiler(code);
    if line_with(&reply.stderr, &OTHER_COMPILER).is_some() {
        return Verdict::Unclear { why: "its compiler does not know an option", exit };
    }
    if line_with(&reply.stderr, &WARNINGS_AS_ERRORS).is_some() {
        return Verdict::Unclear { why: "its compiler took warnings for errors", exit };
    }
    Verdict::SourceErrors(exit)
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
        let got = match of(&reply) {
            Verdict::Object => "object".to_owned(),
            Verdict::SourceErrors(exit) => format!("errors {exit}"),
            Verdict::Unclear { why, exit } => format!("{why} ({exit})"),
            Verdict::Trouble(trouble) => trouble.says(),
        };
        assert_eq!(got, expected);
    }

    #[test]
    fn errors_in_the_source_are_a_result() {
        check(WaitStatus::exited(0), "a.c:1: warning: x", "object");
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
            WaitStatus::exited(4),
            "",
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
    fn what_preprocessing_may_have_caused_is_unclear() {
        check(
            WaitStatus::exited(1),
            "a.c:1:2: error: self-comparison [-Werror=tautological-compare]",
            "its compiler took warnings for errors (1)",
        );
        check(
            WaitStatus::exited(1),
            "gcc: error: unrecognized command-line option '-fnew'",
            "its compiler does not know an option (1)",
        );
    }
}
