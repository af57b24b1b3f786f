//! Source that makes the compiler or the assembler read what is not the client's, and source that
//! tries to make it write.
//!
//! Reading is text that a compiler carries out, and no check of words prevents it: only a compiler
//! that does not see the file. These are tried as soon as our server has `--sandbox`.

use std::process::Command;

use anyhow::{Result, ensure};
use support::run;
use wire::Version;

use crate::Case;
use crate::stand::{Stand, tells_secret};
use crate::talk::{PATIENCE, request, words};

/// A source, the command that compiles it, and what it is after.
struct Row {
    name: &'static str,
    command: &'static str,
    source: &'static str,
    /// Whether it reads, which only a confined compiler does not do.
    reads: bool,
    /// Whether it works where nothing prevents it.
    works: bool,
}

const fn reads(name: &'static str, command: &'static str, source: &'static str) -> Row {
    Row { name, command, source, reads: true, works: true }
}

/// What compilers refuse, or take for something harmless, by themselves.
const fn in_vain(name: &'static str, command: &'static str, source: &'static str) -> Row {
    Row { name, command, source, reads: false, works: false }
}

const GCC: &str = "gcc -c a.c -o a.o";
const CLANG: &str = "clang -c a.c -o a.o";
const KEPT_MACROS: &str = "gcc -fdirectives-only -c a.c -o a.o";
const RESTORED: &str = "gcc --distcc-restored-in=/home/me -g -c a.c -o a.o";

const ROWS: &[Row] = &[
    reads("incbin", GCC, "asm(\".incbin \\\"{bait}/secret\\\"\");\n"),
    reads("incbin_of_clang", CLANG, "asm(\".incbin \\\"{bait}/secret\\\"\");\n"),
    reads(
        "incbin_by_a_macro_of_the_assembler",
        GCC,
        "asm(\".macro m a b\\n.\\\\a\\\\b \\\"{bait}/secret\\\"\\n.endm\\nm inc bin\");\n",
    ),
    reads("incbin_in_pieces", GCC, "asm(\".inc\" \"bin \\\"{bait}/sec\" \"ret\\\"\");\n"),
    reads("incbin_by_its_octal_codes", GCC, "asm(\".\\151ncbin \\\"{bait}/secret\\\"\");\n"),
    reads(
        "incbin_behind_a_name",
        GCC,
        "extern int g asm(\"g\\n.incbin \\\"{bait}/secret\\\"\\n#\"); int *f = &g;\n",
    ),
    reads(
        "incbin_behind_a_section",
        GCC,
        "int f __attribute__((section(\".data\\n.incbin \\\"{bait}/secret\\\"\\n#\"))) = 1;\n",
    ),
    reads("include_of_the_assembler", GCC, "asm(\".include \\\"{bait}/secret\\\"\");\n"),
    reads("include_of_clangs_assembler", CLANG, "asm(\".include \\\"{bait}/secret\\\"\");\n"),
    reads("include_in_source_with_macros", KEPT_MACROS, "#include \"{bait}/secret\"\nint x;\n"),
    reads("include_in_restored_source", RESTORED, "#include \"{bait}/secret\"\nint x;\n"),
    reads(
        "include_by_a_macro_in_restored_source",
        RESTORED,
        "#define F \"{bait}/secret\"\n#include F\nint x;\n",
    ),
    reads(
        "include_by_digraph_in_restored_source",
        RESTORED,
        "%:include \"{bait}/secret\"\nint x;\n",
    ),
    reads(
        "include_over_two_lines_in_restored_source",
        RESTORED,
        "#inc\\\nlude \"{bait}/secret\"\nint x;\n",
    ),
    reads("line_marker_to_a_file_that_an_error_shows", GCC, "# 1 \"{bait}/secret\"\nint x = y;\n"),
    in_vain(
        "line_marker_to_a_file_that_clangs_error_shows",
        CLANG,
        "# 1 \"{bait}/secret\"\nint x = y;\n",
    ),
    in_vain("include_in_preprocessed_source", GCC, "#include \"{bait}/secret\"\nint x;\n"),
    reads("include_in_clangs_preprocessed_source", CLANG, "#include \"{bait}/secret\"\nint x;\n"),
    in_vain("dependency_pragma", GCC, "#pragma GCC dependency \"{bait}/secret\"\nint x;\n"),
    in_vain(
        "precompiled_header_pragma",
        GCC,
        "#pragma GCC pch_preprocess \"{bait}/secret\"\nint x;\n",
    ),
    in_vain(
        "precompiled_header_pragma_of_itself",
        GCC,
        "#pragma GCC pch_preprocess \"a.i\"\nint x;\n",
    ),
    in_vain(
        "plugin_by_a_pragma",
        GCC,
        "#pragma GCC optimize(\"-fplugin={bait}/plugin.so\")\nint f(void) { return 1; }\n",
    ),
    in_vain(
        "dump_by_a_pragma",
        GCC,
        "#pragma GCC optimize(\"-fdump-tree-all={out}/x\")\nint f(void) { return 1; }\n",
    ),
    in_vain(
        "dump_by_an_attribute",
        GCC,
        "__attribute__((optimize(\"-fdump-tree-all={out}/x\"))) int f(void) { return 1; }\n",
    ),
    in_vain(
        "remarks_by_an_attribute",
        GCC,
        "__attribute__((optimize(\"-fopt-info-all={out}/x\"))) int f(void) { return 1; }\n",
    ),
    in_vain(
        "stack_usage_by_an_attribute",
        GCC,
        "# 1 \"{out}/x.c\"\n__attribute__((optimize(\"stack-usage\"))) int f(void) { return 1; }\n",
    ),
    in_vain(
        "target_by_an_attribute",
        GCC,
        "__attribute__((target(\"fplugin={bait}/plugin.so\"))) int f(void) { return 1; }\n",
    ),
    in_vain(
        "line_marker_to_a_file_to_write",
        GCC,
        "# 1 \"{out}/x.c\"\nint f(void) { return 1; }\n",
    ),
    in_vain("file_of_the_assembler_to_write", GCC, "asm(\".file \\\"{out}/x.c\\\"\");\nint x;\n"),
    in_vain("module_pragma_of_clang", CLANG, "#pragma clang module import m\nint x;\n"),
    in_vain("import_of_cxx", "clang++ -std=c++20 -c a.cc -o a.o", "import \"{bait}/secret\";\n"),
    in_vain("dump_of_clangs_assembler", CLANG, "asm(\".dump \\\"{out}/x\\\"\");\nint x;\n"),
    in_vain("end_of_the_source_by_a_nul", GCC, "int x;\0#include \"{bait}/secret\"\n"),
    in_vain("noise", GCC, "\x01\x02\x03#@!\\\n%:%:??=\"\n"),
    in_vain("a_hundred_thousand_parentheses", GCC, "{parentheses}"),
    in_vain("an_option_as_source", GCC, "-fplugin={bait}/plugin.so\n"),
];

impl Row {
    fn source(&self, stand: &Stand) -> String {
        let deep = || format!("int x = {}1;\n", "(".repeat(100_000));
        match self.source {
            "{parentheses}" => deep(),
            source => stand.fill_in(source),
        }
    }

    fn attack(&self, stand: &Stand) -> Result<()> {
        let source = self.source(stand);
        let bytes = request(Version::V1, &words(self.command), source.as_bytes());
        // The compiler may say about it what it likes.
        stand.check_secret(&stand.ask(Version::V1, &bytes)?)
    }

    /// With the compiler itself, on preprocessed source as a server has it.
    fn prove(&self, stand: &Stand) -> Result<()> {
        let folder = stand.scratch();
        let is_source = self.command == RESTORED;
        let input = if is_source { "a.c" } else { "a.i" };
        std::fs::write(folder.join(input), self.source(stand))?;
        let command: Vec<&str> = self
            .command
            .split(' ')
            .filter(|word| !word.starts_with("--distcc"))
            .map(|word| if word == "a.c" { input } else { word })
            .collect();
        let outcome =
            run(Command::new(command[0]).args(&command[1..]).current_dir(&folder), PATIENCE);
        let object = std::fs::read(folder.join("a.o")).unwrap_or_default();
        let all = [&outcome.stderr[..], &outcome.stdout, &object].concat();
        let said = String::from_utf8_lossy(&outcome.stderr);
        ensure!(tells_secret(&all), "nothing came of it: {said}");
        Ok(())
    }
}

pub(crate) fn cases() -> Vec<Case> {
    let case = |row: &'static Row| Case {
        needs_sandbox: row.reads,
        ..Case::new(format!("sources::{}", row.name), |stand| row.attack(stand))
    };
    ROWS.iter().map(case).collect()
}

pub(crate) fn proofs() -> Vec<Case> {
    let case =
        |row: &'static Row| Case::new(format!("sources::{}", row.name), |stand| row.prove(stand));
    ROWS.iter().filter(|row| row.works).map(case).collect()
}
