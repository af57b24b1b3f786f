//! What preprocessed source itself says about leaving this machine.

use std::ffi::OsStr;

use memchr::memmem;

use crate::{Job, Reason, Stay};

/// How many lines at the start may come before the one that names the working directory.
const N_HEAD_LINES: usize = 8;

/// Why the preprocessed source of `job` keeps it here, if it does: it has the assembler read
/// files of this machine, or wants debug information without naming the folder for it.
///
/// The search for assembler directives is for their letters alone, so a string that merely
/// mentions one stays here too.
#[must_use]
pub fn stay_for_text(job: &Job, text: &[u8]) -> Option<Stay> {
    if memmem::find(text, b".incbin").is_some() {
        return Some(Stay::new(Reason::AssemblerReadsFiles, OsStr::new(".incbin")));
    }
    if includes_in_assembler(text) {
        return Some(Stay::new(Reason::AssemblerReadsFiles, OsStr::new(".include")));
    }
    if job.debug && !names_its_directory(text) {
        return Some(Stay::new(Reason::NoDirectoryLine, &job.source));
    }
    None
}

/// Whether `.include` stands there as the assembler would read it, and not as a member's name.
fn includes_in_assembler(text: &[u8]) -> bool {
    memmem::find_iter(text, b".include")
        .any(|at| matches!(text.get(at + b".include".len()), Some(b' ' | b'\t' | b'"' | b'\\')))
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
        check("-O2", "int f(struct s x) { return x.include(1); }", None);
    }

    #[test]
    fn debug_information_needs_a_folder() {
        check("-g", "# 0 \"a.c\"\n# 1 \"/home/me//\"\nint x;\n", None);
        check("-g", "# 1 \"a.c\"\nint x;\n", Some("no-directory-line"));
        check("-O2", "# 1 \"a.c\"\nint x;\n", None);
    }
}
