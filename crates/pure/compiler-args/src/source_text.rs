//! What preprocessed source itself says about leaving this machine.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use memchr::memmem;

use crate::{Form, Job, Reason, Stay};

/// How many lines at the start may come before the one that names the working directory.
const N_HEAD_LINES: usize = 8;

/// Why the preprocessed source of `job` keeps it here, if it does: it has the assembler read
/// files of this machine, tells columns, would be read otherwise the second time, or wants debug
/// information without naming the folder for it.
///
/// The search for assembler directives is for their letters alone, so a string that merely
/// mentions one stays here too.
#[must_use]
pub fn stay_for_text(job: &Job, text: &[u8]) -> Option<Stay> {
    if let Some(directive) = reads_in_assembler(text) {
        return Some(Stay::new(Reason::AssemblerReadsFiles, OsStr::from_bytes(directive)));
    }
    if reads_trigraphs(job) && has_trigraph(text) {
        return Some(Stay::new(Reason::PreprocessorDetails, OsStr::new("??")));
    }
    match job.form {
        Form::Directives => stay_for_macros(text),
        Form::Expanded => stay_for_columns(job, text),
    }
}

/// The macros whose value comes from the machine that replaces them.
const MACROS_OF_THIS_MACHINE: [&str; 4] =
    ["__DATE__", "__TIME__", "__TIMESTAMP__", "__BASE_FILE__"];

fn stay_for_macros(text: &[u8]) -> Option<Stay> {
    let name = MACROS_OF_THIS_MACHINE
        .into_iter()
        .find(|name| memmem::find(text, name.as_bytes()).is_some())?;
    Some(Stay::new(Reason::AsksThisMachine, OsStr::new(name)))
}

fn stay_for_columns(job: &Job, text: &[u8]) -> Option<Stay> {
    for name in COLUMN_NAMES {
        if memmem::find(text, name.as_bytes()).is_some() {
            return Some(Stay::new(Reason::RecordsDetails, OsStr::new(name)));
        }
    }
    if maps_file_names(job) && memmem::find(text, b"__builtin_FILE").is_some() {
        return Some(Stay::new(Reason::RecordsDetails, OsStr::new("__builtin_FILE")));
    }
    if job.debug && !names_its_directory(text) {
        return Some(Stay::new(Reason::NoDirectoryLine, &job.source));
    }
    None
}

/// What gives a program the column of a place in its source, which is another one after
/// preprocessing. `<source_location>` has it.
const COLUMN_NAMES: [&str; 2] = ["__builtin_source_location", "__builtin_COLUMN"];

/// Whether file names in the object are to be others than those in the text: Clang does that to
/// source that it preprocesses itself, and to no other.
fn maps_file_names(job: &Job) -> bool {
    let is_map = |word: &[u8]| {
        word.starts_with(b"-fmacro-prefix-map=") || word.starts_with(b"-ffile-prefix-map=")
    };
    job.preprocess.iter().flatten().any(|word| is_map(word.as_bytes()))
}

/// Whether the options may ask for trigraphs, as the strict dialects before C++17 do.
fn reads_trigraphs(job: &Job) -> bool {
    job.remote.iter().any(|word| {
        let word = word.as_bytes();
        let dialect = word.strip_prefix(b"--std=").or_else(|| word.strip_prefix(b"-std="));
        let is_strict = |dialect: &[u8]| {
            let is_without =
                [&b"gnu"[..], b"c++17", b"c++1z", b"c++2"].iter().any(|d| dialect.starts_with(d));
            !is_without
        };
        word == b"-trigraphs" || word == b"-ansi" || dialect.is_some_and(is_strict)
    })
}

/// Whether a trigraph is left after preprocessing: joining two lines may make one, which Clang
/// would replace when it reads the text again.
fn has_trigraph(text: &[u8]) -> bool {
    memmem::find_iter(text, b"??").any(|at| {
        let end = text[at..].iter().position(|byte| *byte != b'?').map(|length| at + length);
        end.is_some_and(|end| b"=/'()!<>-".contains(&text[end]))
    })
}

/// The first directive that has the assembler read a file, in letters of either case, which are
/// the same to it. `.include` counts where the assembler would read it, and not as a member's name.
fn reads_in_assembler(text: &[u8]) -> Option<&[u8]> {
    let directive = |at: usize| {
        let end = at + b".incbin".len();
        let word = text.get(at..end)?;
        if word.eq_ignore_ascii_case(b".incbin") {
            return Some(word);
        }
        let after = text.get(end + 1)?;
        let word = &text[at..=end];
        let is_read = word.eq_ignore_ascii_case(b".include") && b" \t\"\\".contains(after);
        is_read.then_some(word)
    };
    memchr::memchr_iter(b'.', text).find_map(directive)
}

/// Whether the text begins with the line that GCC's preprocessor writes for debug information:
/// `# 1 "/the/folder//"`. Source: the manual of GCC, `-fworking-directory`.
fn names_its_directory(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n')
        .take(N_HEAD_LINES)
        .any(|line| line.starts_with(b"# ") && line.ends_with(b"//\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decision, decide};

    #[track_caller]
    fn check(option: &str, text: &str, code: Option<&str>) {
        let command = ["gcc", option, "-c", "a.c"].map(Into::into);
        let Decision::Distribute(job) = decide(&command) else { panic!("stays") };
        let stay = stay_for_text(&job, text.as_bytes());
        assert_eq!(stay.map(|stay| stay.reason.code()), code);
    }

    #[test]
    fn assembler_text_that_reads_files_stays() {
        check("-O2", "asm(\".incbin \\\"/etc/passwd\\\"\");", Some("assembler-reads-files"));
        check("-O2", "asm(\".include \\\"/etc/passwd\\\"\");", Some("assembler-reads-files"));
        check("-O2", "asm(\".IncBin \\\"/etc/passwd\\\"\");", Some("assembler-reads-files"));
        check("-O2", "asm(\".INCLUDE\\t\\\"x\\\"\");", Some("assembler-reads-files"));
        check("-O2", "f(.1, x.inclu", None);
        check("-O2", "x.includes(); x.inc", None);
        check("-O2", "int f(struct s x) { return x.include(1); }", None);
    }

    #[test]
    fn what_tells_columns_or_mapped_names_stays() {
        check("-O2", "int x = __builtin_COLUMN();", Some("records-details"));
        check("-O2", "f(p = __builtin_source_location());", Some("records-details"));
        check("-O2", "s = __builtin_FILE();", None);
        check("-ffile-prefix-map=a=b", "s = __builtin_FILE();", Some("records-details"));
    }

    #[test]
    fn kept_macros_of_this_machine_stay() {
        let command = ["gcc", "-fsanitize=undefined", "-c", "a.c"].map(Into::into);
        let Decision::Distribute(mut job) = decide(&command) else { panic!("stays") };
        job.keep_macros();
        let code = |text: &str| stay_for_text(&job, text.as_bytes()).map(|s| s.reason.code());
        assert_eq!(code("int x = __builtin_COLUMN();"), None);
        assert_eq!(code("char d[] = __DATE__;"), Some("asks-this-machine"));
        assert_eq!(code("char d[] = __BASE_FILE__;"), Some("asks-this-machine"));
    }

    #[test]
    fn trigraphs_are_not_replaced_twice() {
        check("-std=c99", "char s[] = \"???=\";", Some("preprocessor-details"));
        check("-std=gnu99", "char s[] = \"??=\";", None);
        check("-std=c99", "char s[] = \"what??\";", None);
    }

    #[test]
    fn debug_information_needs_a_folder() {
        check("-g", "# 0 \"a.c\"\n# 1 \"/home/me//\"\nint x;\n", None);
        check("-g", "# 1 \"a.c\"\nint x;\n", Some("no-directory-line"));
        check("-O2", "# 1 \"a.c\"\nint x;\n", None);
    }
}
