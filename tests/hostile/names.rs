//! Names that lead elsewhere, or look like something else.

use anyhow::Result;
use wire::Version;

use crate::Case;
use crate::stand::Stand;
use crate::talk::{Expect, request};

/// The words of a command and what has to come back. In a word, `{bait}` and `{out}` are folders
/// of the server, and `\0` is a NUL.
struct Row {
    name: &'static str,
    words: &'static [&'static str],
    expect: Expect,
}

const fn row(name: &'static str, words: &'static [&'static str], expect: Expect) -> Row {
    Row { name, words, expect }
}

const LONG: &str = concat!(
    "0123456789012345678901234567890123456789012345678901234567890123456789",
    "0123456789012345678901234567890123456789012345678901234567890123456789",
    "0123456789012345678901234567890123456789012345678901234567890123456789",
    "0123456789012345678901234567890123456789012345678901234567890123456789",
    "0123456789.c"
);

use Expect::{Anything, NotServed, Refused, Served};

/// What our own client puts in front of source that is restored.
const RESTORED_IN_TMP: &str = "--distcc-restored-in=/tmp";

const ROWS: &[Row] = &[
    row("source_above", &["gcc", "-c", "../../../../../../../../{out}/x.c"], Served),
    row("source_elsewhere", &["gcc", "-c", "{out}/x.c"], Served),
    row("source_with_a_nul", &["gcc", "-c", "a\0b.c"], Refused(101)),
    row("source_with_lines", &["gcc", "-c", "a\nCOMPILE_OK\n.c"], Served),
    row("source_with_terminal_codes", &["gcc", "-c", "\x1b]0;x\x07.c"], Served),
    row("source_with_formats", &["gcc", "-c", "%s%n%s.c"], Served),
    row("source_for_a_shell", &["gcc", "-c", "$(touch {out}/x).c"], Served),
    row("source_for_another_shell", &["gcc", "-c", ";touch x;`touch y`|z.c"], Served),
    row("source_that_looks_like_an_option", &["gcc", "-c", "-fplugin=x.c"], Refused(101)),
    row("source_that_looks_like_an_option_below", &["gcc", "-c", "x/-fplugin=x.c"], Served),
    row("source_that_looks_like_a_response_file", &["gcc", "-c", "@x.c"], Refused(101)),
    row("source_that_looks_like_a_response_file_below", &["gcc", "-c", "x/@x.c"], Served),
    row("source_of_a_clang_behind_two_dashes", &["clang", "-c", "--", "-x.c"], Refused(101)),
    row("source_without_a_stem", &["gcc", "-c", "x/.c"], Anything),
    row("source_of_dots", &["gcc", "-c", "....c"], Served),
    row("source_that_is_a_folder", &["gcc", "-c", "x.c/"], Anything),
    row("source_that_is_the_root", &["gcc", "-c", "/"], Refused(101)),
    row("source_with_a_very_long_name", &["gcc", "-c", LONG], Served),
    row("source_called_like_our_files", &["gcc", "-c", "output.c"], Served),
    row("source_called_like_our_lock", &["gcc", "-c", "lock.c"], Served),
    row("no_source", &["gcc", "-c"], Refused(101)),
    row("an_empty_source", &["gcc", "-c", ""], Refused(101)),
    row("a_pipe_as_source", &["gcc", "-c", "/dev/stdin"], Refused(101)),
    row("output_above", &["gcc", "-c", "a.c", "-o", "../../../../{out}/x"], Served),
    row("output_with_a_nul", &["gcc", "-c", "a.c", "-o", "{out}/x\0.o"], Refused(101)),
    row("output_that_is_a_stream", &["gcc", "-c", "a.c", "-o", "-"], Refused(101)),
    row("output_that_is_a_device", &["gcc", "-c", "a.c", "-o", "/dev/full"], Refused(101)),
    row("output_that_is_empty", &["gcc", "-c", "a.c", "-o", ""], Refused(101)),
    row("output_that_looks_like_an_option", &["gcc", "-c", "a.c", "-o", "-fplugin=x"], Anything),
    row("compiler_elsewhere", &["{bait}/run", "-c", "a.c"], Refused(110)),
    row("compiler_above", &["../../../{bait}/run", "-c", "a.c"], Refused(110)),
    row(
        "compiler_through_the_usual_folder",
        &["/usr/bin/../..{bait}/run", "-c", "a.c"],
        Refused(110),
    ),
    row("compiler_that_is_a_shell", &["sh", "-c", "touch {out}/x"], Refused(110)),
    row("compiler_that_is_a_shell_by_folder", &["/bin/sh", "-c", "touch {out}/x"], Refused(110)),
    row("compiler_for_a_shell", &["gcc;touch {out}/x", "-c", "a.c"], Refused(110)),
    row("compiler_with_a_blank", &["gcc -wrapper {bait}/run", "-c", "a.c"], Refused(110)),
    row("compiler_with_a_nul", &["gcc\0x", "-c", "a.c"], Refused(110)),
    row("compiler_with_a_line", &["gcc\n", "-c", "a.c"], Refused(110)),
    row("compiler_that_is_empty", &["", "-c", "a.c"], Refused(110)),
    row("compiler_that_is_a_dot", &[".", "-c", "a.c"], Refused(110)),
    row("compiler_that_is_two_dots", &["..", "-c", "a.c"], Refused(110)),
    row("compiler_that_is_an_option", &["-c", "a.c", "-c"], Refused(110)),
    row("compiler_that_is_a_response_file", &["@{bait}/response", "-c", "a.c"], Refused(110)),
    row("compiler_with_a_very_long_name", &[LONG, "-c", "a.c"], Refused(110)),
    row("compiler_in_capitals", &["GCC", "-c", "a.c"], Refused(110)),
    row(
        "likeness_that_leads_out",
        &["gcc", "--distcc-restored-in=/../..", "-c", "a.c"],
        Refused(101),
    ),
    row(
        "likeness_that_is_relative",
        &["gcc", "--distcc-restored-in=..", "-c", "a.c"],
        Refused(101),
    ),
    row("likeness_of_nothing", &["gcc", "--distcc-restored-in=", "-c", "a.c"], Refused(101)),
    row("likeness_with_a_nul", &["gcc", "--distcc-restored-in=/a\0", "-c", "a.c"], Refused(101)),
    row(
        "likeness_whose_source_leads_out",
        &["gcc", RESTORED_IN_TMP, "-c", "../../../../../{out}/x.c"],
        Refused(101),
    ),
    row("likeness_of_the_same", &["gcc", RESTORED_IN_TMP, "-c", "{out}/x.c"], Served),
    row("likeness_of_system_headers", &["gcc", RESTORED_IN_TMP, "-c", "/usr/include/x.c"], Served),
    row("likeness_with_a_very_long_name", &["gcc", RESTORED_IN_TMP, "-c", LONG], NotServed),
    row("likeness_in_another_place", &["gcc", "-c", RESTORED_IN_TMP, "a.c"], Refused(101)),
    row("likeness_twice", &["gcc", RESTORED_IN_TMP, RESTORED_IN_TMP, "-c", "a.c"], Refused(101)),
    row("likeness_with_a_response_file_below", &["gcc", RESTORED_IN_TMP, "-c", "x/@x.c"], Served),
];

impl Row {
    fn attack(&self, stand: &Stand) -> Result<()> {
        let words: Vec<Vec<u8>> =
            self.words.iter().map(|word| stand.fill_in(word).into_bytes()).collect();
        let answer = stand.ask(Version::V1, &request(Version::V1, &words, b"int x;\n"))?;
        stand.check_secret(&answer)?;
        self.expect.check(&answer)
    }
}

/// A likeness of more folders than any source has.
fn deep_likeness(stand: &Stand) -> Result<()> {
    let folder = format!("--distcc-restored-in=/{}", "a/".repeat(5000));
    let name = format!("{}x.c", "b/".repeat(5000));
    let words = ["gcc", &folder, "-c", &name].map(|word| word.as_bytes().to_vec());
    let answer = stand.ask(Version::V1, &request(Version::V1, &words, b"int x;\n"))?;
    NotServed.check(&answer)
}

pub(crate) fn cases() -> Vec<Case> {
    let case =
        |row: &'static Row| Case::new(format!("names::{}", row.name), |stand| row.attack(stand));
    let mut cases: Vec<Case> = ROWS.iter().map(case).collect();
    cases.push(Case::new("names::likeness_of_ten_thousand_folders", deep_likeness));
    cases
}
