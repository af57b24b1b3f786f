//! Words that make a compiler do more than compile.
//!
//! In a row, `{bait}` is a folder of the server with files that somebody else put there, and
//! `{out}` a folder that everybody can write.

use std::process::Command;

use anyhow::{Result, ensure};
use support::run;
use wire::Version;

use crate::Case;
use crate::stand::{Stand, tells_secret};
use crate::talk::{Expect, PATIENCE, request, words};

/// Where an attack is known to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// With the compiler itself.
    Compiler,
    /// On distcc 3.4's server, over the network.
    Original,
    /// With a version of a compiler that this machine does not have, or in a way that is not tried
    /// here.
    Elsewhere,
}

/// One attack: a command whose compiler is told more than to compile.
struct Row {
    name: &'static str,
    compiler: &'static str,
    /// The words between the compiler and `-c a.c -o a.o`.
    words: &'static str,
    source: &'static str,
    proof: Proof,
    expect: Expect,
}

const SOURCE: &str = "int x;\n";
const FUNCTION: &str = "int f(int x) { return x + 1; }\n";

const fn row(name: &'static str, proof: Proof, command: &'static str) -> Row {
    let (compiler, words) = match command.as_bytes() {
        [b'g', b'+', b'+', b' ', ..] => command.split_at(3),
        [b'g', b'c', b'c', b' ', ..] => command.split_at(3),
        [b'c', b'l', b'a', b'n', b'g', b' ', ..] => command.split_at(5),
        _ => panic!("a compiler that no row has"),
    };
    Row { name, compiler, words, source: SOURCE, proof, expect: Expect::Refused(101) }
}

impl Row {
    const fn source(self, source: &'static str) -> Row {
        Row { source, ..self }
    }

    /// The word is left out: it means nothing to preprocessed source.
    const fn left_out(self) -> Row {
        Row { expect: Expect::Served, ..self }
    }

    fn words(&self, stand: &Stand) -> Vec<Vec<u8>> {
        let words = stand.fill_in(self.words);
        let operand = if self.has_operand() { "" } else { " a.c" };
        let output = if self.words.contains("{out}/object") { "" } else { " -o a.o" };
        let mode =
            if self.words.contains(" -E") || self.words.contains(" -S") { "" } else { " -c" };
        self::words(&format!("{}{words}{mode}{operand}{output}", self.compiler))
    }

    fn has_operand(&self) -> bool {
        self.words.contains(" a.c")
            || self.words.ends_with(" -")
            || self.words.contains("/secret.c")
    }

    fn attack(&self, stand: &Stand) -> Result<()> {
        let bytes = request(Version::V1, &self.words(stand), stand.fill_in(self.source).as_bytes());
        let answer = stand.ask(Version::V1, &bytes)?;
        stand.check_secret(&answer)?;
        self.expect.check(&answer)
    }

    /// Tries the attack where it is said to work.
    fn prove(&self, stand: &Stand) -> Result<()> {
        let source = stand.fill_in(self.source);
        let (what, has_told) = match self.proof {
            Proof::Elsewhere => return Ok(()),
            Proof::Original => {
                let bytes = request(Version::V1, &self.words(stand), source.as_bytes());
                let answer = stand.ask(Version::V1, &bytes)?;
                (
                    String::from_utf8_lossy(&answer.bytes()).into_owned(),
                    tells_secret(&answer.bytes()),
                )
            }
            Proof::Compiler => {
                let folder = stand.scratch();
                std::fs::write(folder.join("a.c"), source)?;
                let words: Vec<String> = self
                    .words(stand)
                    .into_iter()
                    .map(String::from_utf8)
                    .collect::<Result<_, _>>()?;
                let mut command = Command::new(&words[0]);
                let outcome = run(command.args(&words[1..]).current_dir(&folder), PATIENCE);
                let object = std::fs::read(folder.join("a.o")).unwrap_or_default();
                let all = [&outcome.stderr[..], &outcome.stdout, &object].concat();
                (String::from_utf8_lossy(&outcome.stderr).into_owned(), tells_secret(&all))
            }
        };
        let marks = stand.take_marks();
        ensure!(has_told || !marks.is_empty(), "nothing came of it: {what}");
        Ok(())
    }
}

use Proof::{Compiler, Elsewhere, Original};

const ROWS: &[Row] = &[
    // Programs.
    row("wrapper", Original, "gcc -wrapper {bait}/run"),
    row("wrapper_of_gxx", Original, "g++ -wrapper {bait}/run"),
    row("prefix_joined", Original, "gcc -B{bait}/parts/"),
    row("prefix_separate", Original, "gcc -B {bait}/parts/"),
    row("prefix_long_joined", Original, "gcc --prefix={bait}/parts/"),
    row("prefix_long_separate", Original, "gcc --prefix {bait}/parts/"),
    row("prefix_of_clang", Compiler, "clang -fno-integrated-as -B{bait}/parts/"),
    row("module_mapper", Original, "g++ -std=c++20 -fmodules-ts -fmodule-mapper=|{bait}/run")
        .source("export module m;\n"),
    row("other_gcc_of_clang", Elsewhere, "clang -ccc-gcc-name {bait}/run"),
    row("ptxas_of_clang", Elsewhere, "clang --ptxas-path={bait}/run"),
    row("integrated_cc1_of_clang", Elsewhere, "clang -fno-integrated-as --use-integrated-x"),
    // Libraries.
    row("plugin", Compiler, "gcc -fplugin={bait}/plugin.so"),
    row("plugin_by_folder", Compiler, "gcc -iplugindir={bait} -fplugin=plugin"),
    row("plugin_behind_wp", Compiler, "gcc -Wp,-fplugin={bait}/plugin.so"),
    row("plugin_behind_xpreprocessor", Compiler, "gcc -Xpreprocessor -fplugin={bait}/plugin.so"),
    row("plugin_argument", Elsewhere, "gcc -fplugin-arg-x-y"),
    row("plugin_of_clang", Compiler, "clang -fplugin={bait}/plugin.so"),
    row("pass_plugin_of_clang", Compiler, "clang -fpass-plugin={bait}/plugin.so"),
    row("load_behind_xclang", Compiler, "clang -Xclang -load -Xclang {bait}/plugin.so"),
    row("load_behind_joined_xclang", Elsewhere, "clang -Xclang=-load -Xclang={bait}/plugin.so"),
    row("load_behind_mllvm", Elsewhere, "clang -mllvm -load={bait}/plugin.so"),
    row("load_behind_joined_mllvm", Elsewhere, "clang -mllvm=-load={bait}/plugin.so"),
    row("plugin_behind_xarch", Elsewhere, "clang -Xarch_host -fplugin={bait}/plugin.so"),
    // Rules and words from files.
    row("specs", Compiler, "gcc -specs={bait}/specs"),
    row("specs_separate", Original, "gcc -specs {bait}/specs"),
    row("specs_two_dashes", Original, "gcc --specs={bait}/specs"),
    row("specs_two_dashes_separate", Original, "gcc --specs {bait}/specs"),
    row("specs_cut_short", Elsewhere, "gcc --spec={bait}/specs"),
    row("response_file", Original, "gcc @{bait}/response"),
    row("response_file_for_clang", Compiler, "clang @{bait}/response"),
    row("response_file_as_a_value", Compiler, "gcc --std @a.c").source("c11 -wrapper {bait}/run\n"),
    row("response_file_as_a_parameter", Compiler, "gcc --param @a.c")
        .source("max-gcse-memory=9999 -wrapper {bait}/run\n"),
    row("response_file_as_a_target", Compiler, "clang -target @a.c")
        .source("x86_64-linux-gnu -fplugin={bait}/plugin.so\n"),
    row("response_file_as_a_small_data_size", Elsewhere, "gcc -G @a.c").source("8\n"),
    row("response_file_as_a_thread_model", Compiler, "clang -mthread-model @a.c")
        .source("posix -fplugin={bait}/plugin.so\n"),
    row("response_file_as_a_folder", Compiler, "clang -fdebug-compilation-dir @a.c")
        .source("/x -fplugin={bait}/plugin.so\n"),
    row("response_file_as_a_left_out_value", Compiler, "gcc -D @a.c")
        .source("X -wrapper {bait}/run\n"),
    row("response_file_as_an_output", Compiler, "gcc -o @a.c").source("a.o -wrapper {bait}/run\n"),
    row("response_file_of_the_assembler", Compiler, "gcc -Wa,@{bait}/as-response"),
    row("response_file_behind_xassembler", Compiler, "gcc -Xassembler @{bait}/as-response"),
    row("config_of_clang", Compiler, "clang --config {bait}/clang.cfg"),
    row("config_of_clang_joined", Elsewhere, "clang --config={bait}/clang.cfg"),
    row("driver_mode", Elsewhere, "clang --driver-mode=cl"),
    row("cc1_behind_the_driver", Elsewhere, "clang -cc1"),
    row("cc1as_behind_the_driver", Elsewhere, "clang -cc1as"),
    // Outputs.
    row("output_twice", Compiler, "gcc -o b.o -o {out}/object"),
    row("output_joined_twice", Compiler, "gcc -o b.o -o{out}/object"),
    row("output_elsewhere", Compiler, "gcc --output={out}/object").left_out(),
    row("output_elsewhere_separate", Compiler, "gcc --output {out}/object").left_out(),
    row("output_elsewhere_joined", Compiler, "gcc -o{out}/object").left_out(),
    row("output_to_a_device", Elsewhere, "gcc -o /dev/stdout -o{out}/object"),
    row("output_cut_short", Elsewhere, "gcc --outp={out}/object"),
    row("output_behind_wa", Elsewhere, "gcc -Wa,-o,{out}/object"),
    row("output_behind_xclang", Elsewhere, "clang -Xclang -o -Xclang {out}/object"),
    row("declarations", Original, "gcc -aux-info {out}/x"),
    row("declarations_joined", Elsewhere, "gcc -aux-info={out}/x"),
    row("tree_dumps", Original, "gcc -fdump-tree-all={out}/x"),
    row("one_tree_dump", Compiler, "gcc -fdump-tree-optimized={out}/x").source(FUNCTION),
    row("code_dumps", Compiler, "gcc -fdump-rtl-all={out}/x").source(FUNCTION),
    row("go_dump", Original, "gcc -fdump-go-spec={out}/x"),
    row("final_dump", Original, "gcc -fdump-final-insns={out}/x"),
    row("ada_dump", Elsewhere, "gcc -fdump-ada-spec"),
    row("dumps_by_letters", Elsewhere, "gcc -da"),
    row("kept_temporaries", Original, "gcc -dumpdir {out}/ -save-temps"),
    row("kept_temporaries_long", Compiler, "gcc -dumpdir {out}/ --save-temps"),
    row("kept_temporaries_elsewhere", Elsewhere, "gcc -save-temps=obj"),
    row("dump_base", Elsewhere, "gcc -dumpbase {out}/x"),
    row("dump_folder_two_dashes", Elsewhere, "gcc --dumpdir {out}/"),
    row("stack_usage", Original, "gcc -fstack-usage -dumpdir {out}/"),
    row("call_graph", Original, "gcc -fcallgraph-info -dumpdir {out}/"),
    row("split_debug_information", Original, "gcc -g -gsplit-dwarf -dumpdir {out}/"),
    row("coverage_notes", Compiler, "gcc -ftest-coverage -dumpdir {out}/"),
    row("coverage", Compiler, "gcc --coverage -dumpdir {out}/"),
    row("remarks", Original, "gcc -O2 -fopt-info-all={out}/x"),
    row("times", Original, "gcc -time={out}/x"),
    row("comparison_of_dumps", Elsewhere, "gcc -fcompare-debug -dumpdir {out}/"),
    row("listing", Compiler, "gcc -Wa,-al={out}/x"),
    row("listing_behind_others", Compiler, "gcc -Wa,--noexecstack,-al={out}/x"),
    row("listing_behind_xassembler", Original, "gcc -Xassembler -al={out}/x"),
    row("listing_by_long_option", Elsewhere, "gcc --for-assembler=-al={out}/x"),
    row("assemblers_dependencies", Compiler, "gcc -Wa,--MD,{out}/x"),
    row("assemblers_dependencies_joined", Original, "gcc -Xassembler --MD={out}/x"),
    row("dependencies", Compiler, "gcc -MD -MF {out}/x").left_out(),
    row("dependencies_joined", Compiler, "gcc -MMD -MF{out}/x").left_out(),
    row("dependencies_behind_wp", Compiler, "gcc -Wp,-MD,{out}/x").left_out(),
    row("dependencies_behind_wp_in_two", Compiler, "gcc -Wp,-MMD,{out}/x,-MT,y").left_out(),
    row("dumps_behind_wp", Compiler, "gcc -Wp,-fdump-tree-all={out}/x"),
    row(
        "dependencies_behind_xpreprocessor",
        Compiler,
        "gcc -Xpreprocessor -MD -Xpreprocessor {out}/x",
    ),
    row("dumps_behind_xpreprocessor", Compiler, "gcc -Xpreprocessor -fdump-tree-all={out}/x"),
    row("messages_to_a_file", Elsewhere, "gcc -fdiagnostics-set-output=sarif:file={out}/x"),
    row("more_messages_to_a_file", Elsewhere, "gcc -fdiagnostics-add-output=sarif:file={out}/x"),
    row("clangs_messages_to_a_file", Compiler, "clang -serialize-diagnostics {out}/x"),
    row("clangs_messages_to_a_file_long", Compiler, "clang --serialize-diagnostics {out}/x"),
    row(
        "clangs_messages_to_a_file_behind_xclang",
        Compiler,
        "clang -Xclang -serialize-diagnostic-file -Xclang {out}/x",
    ),
    row("compilation_database", Compiler, "clang -MJ {out}/x"),
    row("compilation_database_joined", Compiler, "clang -MJ{out}/x"),
    row("time_trace", Elsewhere, "clang -ftime-trace={out}/x"),
    row(
        "optimization_record",
        Compiler,
        "clang -O2 -fsave-optimization-record -foptimization-record-file={out}/x",
    ),
    row("process_report", Compiler, "clang -fproc-stat-report={out}/x"),
    row("crash_report", Compiler, "clang -fcrash-diagnostics-dir={out} -gen-reproducer"),
    row("dependency_graph", Compiler, "clang -Xclang -dependency-dot -Xclang {out}/x"),
    row(
        "dependency_file_behind_xclang",
        Compiler,
        "clang -Xclang -dependency-file -Xclang {out}/x -Xclang -MT -Xclang y",
    ),
    row("statistics", Compiler, "clang -mllvm -stats -mllvm -info-output-file={out}/x"),
    row("module_cache", Compiler, "clang -fmodules -fmodules-cache-path={out}"),
    row(
        "coverage_notes_behind_xclang",
        Compiler,
        "clang -fprofile-arcs -ftest-coverage -Xclang -coverage-notes-file={out}/x",
    ),
    row("index_store", Elsewhere, "clang -index-store-path {out}"),
    row("saved_statistics", Elsewhere, "clang -save-stats=obj"),
    row("edits", Elsewhere, "clang -rewrite-objc"),
    // Inputs.
    row("source_as_it_is", Original, "gcc -fno-preprocessed")
        .source("#include \"{bait}/secret\"\n"),
    row("forced_header", Compiler, "gcc -include {bait}/secret").left_out(),
    row("forced_macros", Elsewhere, "gcc -imacros {bait}/secret").left_out(),
    row("another_source", Elsewhere, "gcc -S {bait}/secret.c a.c"),
    row("standard_input", Elsewhere, "gcc -x c -"),
    row("ignore_list", Compiler, "clang -fsanitize=address -fsanitize-blacklist={bait}/secret"),
    row(
        "coverage_list",
        Compiler,
        "clang -fsanitize-coverage=func,trace-pc -fsanitize-coverage-allowlist={bait}/secret",
    ),
    row("trace_list", Compiler, "clang -fxray-instrument -fxray-attr-list={bait}/secret"),
    row("profile_list", Compiler, "clang -fprofile-instr-generate -fprofile-list={bait}/secret"),
    row("profile", Elsewhere, "gcc -fprofile-use={bait}/secret"),
    row("automatic_profile", Elsewhere, "gcc -fauto-profile={bait}/secret"),
    row("profile_of_clang", Elsewhere, "clang -fprofile-instr-use={bait}/secret"),
    row("section_list", Elsewhere, "clang -fbasic-block-sections=list={bait}/secret"),
    row("embedded_object", Elsewhere, "clang -fembed-offload-object={bait}/secret"),
    row("link_time_index", Elsewhere, "clang -fthinlto-index={bait}/secret"),
    row("precompiled_header", Elsewhere, "clang -include-pch {bait}/secret"),
    row("module_map", Elsewhere, "clang -fmodule-map-file={bait}/secret"),
    row("map_of_files", Elsewhere, "clang -ivfsoverlay {bait}/secret").left_out(),
    row("self_test", Elsewhere, "gcc -fself-test={bait}"),
    row("other_working_folder", Elsewhere, "clang -working-directory={bait}"),
    row("assembler_source", Elsewhere, "gcc -x assembler").source(".incbin \"{bait}/secret\"\n"),
    row("assembler_source_with_macros", Compiler, "gcc -x assembler-with-cpp")
        .source(".incbin \"{bait}/secret\"\n"),
    row("header_as_source", Elsewhere, "gcc -x c-header"),
    row("intermediate_code_as_source", Elsewhere, "clang -x ir"),
    row("preprocessing_only", Compiler, "gcc -E").source("#include \"{bait}/secret\"\n"),
    row("an_option_behind_two_dashes", Elsewhere, "clang -- -fplugin={bait}/plugin.so"),
    row("abilities_with_more_words", Elsewhere, "gcc distcc-rs:abilities"),
    row("an_option_as_a_parameter", Elsewhere, "gcc --param -fplugin={bait}/plugin.so"),
    row("an_option_as_a_target", Elsewhere, "gcc -target -fplugin={bait}/plugin.so"),
    row("an_option_as_a_thread_model", Elsewhere, "gcc -mthread-model -wrapper"),
    row("a_mode_as_a_value", Elsewhere, "clang -ftrapv-handler"),
    row("a_mode_as_a_value_of_gcc", Elsewhere, "gcc -fintrinsic-modules-path"),
    row("a_path_as_a_target", Elsewhere, "clang --target=../../{bait}/x"),
    row("unknown_option", Elsewhere, "gcc --distcc-rs-no-such-option"),
];

/// Every attack on our server.
pub(crate) fn cases() -> Vec<Case> {
    let case = |row: &'static Row| {
        Case::new(format!("arguments::{}", row.name), |stand| row.attack(stand))
    };
    ROWS.iter().map(case).collect()
}

/// The attacks where they work.
pub(crate) fn proofs() -> Vec<Case> {
    let case =
        |row: &'static Row| Case::new(format!("arguments::{}", row.name), |stand| row.prove(stand));
    ROWS.iter().filter(|row| row.proof != Elsewhere).map(case).collect()
}
