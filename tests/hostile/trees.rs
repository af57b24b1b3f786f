//! Trees of files that lead elsewhere, cover programs, or do not end.

use anyhow::{Context, Result, ensure};
use wire::{
    Version, encode_request_head, encode_tree_file, encode_tree_head, encode_tree_link, lzo,
};

use crate::Case;
use crate::stand::{Stand, tells_secret};
use crate::talk::{Expect, Talk, words};

/// A file, with what it says, or a link, with where it leads.
enum Entry {
    File(&'static str, &'static str),
    Link(&'static str, &'static str),
}

use Entry::{File, Link};

/// What is sent, and what has to come back.
struct Row {
    name: &'static str,
    folder: &'static str,
    command: &'static str,
    entries: &'static [Entry],
    expect: Expect,
    /// What comes back where all is said to be sent, if it is something else.
    expect_of_whole: Option<Expect>,
    /// Whether it works on distcc 3.4's server.
    works: bool,
}

const GCC: &str = "gcc -c a.c -o a.o";
const WHOLE: &str = "--distcc-whole-tree";

const fn row(name: &'static str, entries: &'static [Entry], expect: Expect) -> Row {
    let (folder, command) = ("/w", GCC);
    Row { name, folder, command, entries, expect, expect_of_whole: None, works: false }
}

impl Row {
    const fn command(self, command: &'static str) -> Row {
        Row { command, ..self }
    }

    const fn folder(self, folder: &'static str) -> Row {
        Row { folder, ..self }
    }

    const fn of_whole(self, expect: Expect) -> Row {
        Row { expect_of_whole: Some(expect), ..self }
    }

    const fn works(self) -> Row {
        Row { works: true, ..self }
    }

    fn bytes(&self, stand: &Stand, is_whole: bool) -> Result<Vec<u8>> {
        let mut command = words(&stand.fill_in(self.command));
        if is_whole {
            command.insert(1, WHOLE.into());
        }
        let folder = stand.fill_in(self.folder);
        let mut bytes = encode_tree_head(folder.as_bytes(), &command, self.entries.len())?;
        for entry in self.entries {
            let (File(name, text) | Link(name, text)) = entry;
            let [name, text] = [name, text].map(|text| stand.fill_in(text));
            bytes.extend(match entry {
                File(..) => encode_tree_file(name.as_bytes(), text.as_bytes())?,
                Link(..) => encode_tree_link(name.as_bytes(), text.as_bytes())?,
            });
        }
        Ok(bytes)
    }

    fn attack(&self, stand: &Stand, is_whole: bool) -> Result<()> {
        let answer = stand.ask(Version::V3, &self.bytes(stand, is_whole)?)?;
        stand.check_secret(&answer)?;
        match self.expect_of_whole {
            Some(expect) if is_whole => expect.check(&answer),
            _ => self.expect.check(&answer),
        }
    }

    /// On distcc 3.4's server.
    fn prove(&self, stand: &Stand) -> Result<()> {
        let answer = stand.ask(Version::V3, &self.bytes(stand, false)?)?;
        ensure!(tells_secret(&answer.bytes()), "nothing came of it: {answer:?}");
        Ok(())
    }
}

const REFUSED: Expect = Expect::Refused(101);
const MALFORMED: Expect = Expect::Refused(109);

/// A source that is harmless.
const PLAIN: Entry = File("/w/a.c", "int x;\n");

const ROWS: &[Row] = &[
    row(
        "a_link_that_climbs_out",
        &[
            File("/w/a.c", "#include \"../e/secret\"\nint x;\n"),
            Link("/e", "../../../../../../../../../../../../../../../..{bait}"),
        ],
        MALFORMED,
    )
    .works(),
    row(
        "a_folder_that_is_said_to_be_the_servers_own",
        &[
            File("/w/a.c", "#include <secret>\nint x;\n"),
            Link("{bait}", "../../../../../../../../../../../../../../../..{bait}"),
        ],
        Expect::CompilerError,
    )
    .command("gcc -I{bait} -c a.c -o a.o")
    .of_whole(REFUSED)
    .works(),
    row(
        "an_absolute_link_out",
        &[File("/w/a.c", "#include \"../e/secret\"\nint x;\n"), Link("/e", "{bait}")],
        Expect::CompilerError,
    ),
    row(
        "a_link_to_all_files_of_a_process",
        &[
            File("/w/a.c", "#include \"../e{bait}/secret\"\nint x;\n"),
            Link("/e", "/proc/self/root"),
        ],
        Expect::CompilerError,
    ),
    row(
        "an_include_of_the_servers_file",
        &[File("/w/a.c", "#include \"{bait}/secret\"\nint x;\n")],
        Expect::CompilerError,
    )
    .works(),
    row(
        "an_incbin_of_the_servers_file",
        &[File("/w/a.c", "asm(\".incbin \\\"{bait}/secret\\\"\");\n")],
        Expect::CompilerError,
    )
    .works(),
    row(
        "an_incbin_by_the_processes",
        &[File("/w/a.c", "asm(\".incbin \\\"/proc/1/root{bait}/secret\\\"\");\n")],
        Expect::CompilerError,
    ),
    row("a_name_that_climbs_out", &[PLAIN, File("/../../../../../..{out}/x", "x")], MALFORMED),
    row("a_name_with_a_detour", &[PLAIN, File("/w/../..{out}/x", "x")], MALFORMED),
    row("a_name_that_is_not_absolute", &[PLAIN, File("x", "x")], MALFORMED),
    row("a_name_with_a_nul", &[PLAIN, File("/w/x\0y", "x")], MALFORMED),
    row("the_root_as_a_file", &[PLAIN, File("/", "x")], MALFORMED),
    row("a_name_below_a_link", &[PLAIN, Link("/l", "{out}"), File("/l/x", "x")], MALFORMED),
    row("a_name_below_a_link_to_come", &[PLAIN, File("/l/x", "x"), Link("/l", "{out}")], MALFORMED),
    row("a_link_in_place_of_a_file", &[PLAIN, Link("/w/a.c", "{bait}/secret")], MALFORMED),
    row("a_file_twice", &[PLAIN, PLAIN], MALFORMED),
    row("a_working_folder_that_climbs_out", &[PLAIN], MALFORMED).folder("/../../..{out}"),
    row(
        "a_working_folder_that_is_a_link",
        &[File("/a.c", "int x;\n"), Link("/w", "/")],
        Expect::CompilerError,
    )
    .command("gcc -c a.c -o usr/x.o"),
    row(
        "a_file_over_the_compiler",
        &[PLAIN, File("/usr/lib/gcc/x86_64-linux-gnu/12/cc1", "x")],
        REFUSED,
    ),
    row(
        "rules_for_the_compiler",
        &[
            PLAIN,
            File("/usr/lib/gcc/x86_64-linux-gnu/12/specs", "*cc1:\n-fplugin={bait}/plugin.so\n"),
        ],
        REFUSED,
    ),
    row("an_assembler", &[PLAIN, File("/usr/x86_64-linux-gnu/bin/as", "x")], REFUSED),
    row("a_library", &[PLAIN, File("/usr/lib/x86_64-linux-gnu/libz.so.1", "x")], REFUSED),
    row("a_library_beside_the_loader", &[PLAIN, File("/lib64/libc.so.6", "x")], REFUSED),
    row("a_list_of_libraries", &[PLAIN, File("/etc/ld.so.preload", "{bait}/plugin.so\n")], REFUSED),
    row("a_link_over_all_programs", &[PLAIN, Link("/usr", "{bait}")], REFUSED),
    row("a_link_over_a_folder_of_libraries", &[PLAIN, Link("/lib", "{bait}")], REFUSED),
    row("a_link_over_devices", &[PLAIN, Link("/dev", "/w")], REFUSED),
    row("a_folder_of_headers_that_is_a_file", &[PLAIN, File("/usr/include", "x")], REFUSED),
    row(
        "a_precompiled_header",
        &[File("/w/a.c", "#include \"h.h\"\n"), File("/w/h.h.gch", "gpch.014")],
        REFUSED,
    ),
    row("a_plugin_in_the_tree", &[PLAIN, File("/w/plugin.so", "x")], REFUSED)
        .command("gcc -fplugin=/w/plugin.so -c a.c -o a.o"),
    row("rules_in_the_tree", &[PLAIN, File("/w/specs", "x")], REFUSED)
        .command("gcc -specs=/w/specs -c a.c -o a.o"),
    row("programs_in_the_tree", &[PLAIN, File("/w/as", "x")], REFUSED)
        .command("gcc -B/w -c a.c -o a.o"),
    row("words_in_the_tree", &[PLAIN, File("/w/words", "-fplugin={bait}/plugin.so")], REFUSED)
        .command("gcc @/w/words -c a.c -o a.o"),
    row(
        "words_by_the_preprocessor",
        &[PLAIN, File("/w/words", "-fplugin={bait}/plugin.so")],
        REFUSED,
    )
    .command("gcc -Wp,-D,@/w/words -c a.c -o a.o"),
    row("a_plugin_by_the_preprocessor", &[PLAIN], REFUSED)
        .command("gcc -Wp,-isystem-after,-fplugin={bait}/plugin.so -c a.c -o a.o"),
    row("an_object_elsewhere", &[PLAIN], Expect::Served).command("gcc -c a.c -o {out}/x.o"),
    row("an_object_among_programs", &[PLAIN], REFUSED).command("gcc -c a.c -o /usr/bin/x.o"),
    row("an_object_by_a_link", &[PLAIN, Link("/w/l", "{out}")], Expect::Served)
        .command("gcc -c a.c -o l/x.o"),
    row("dependencies_elsewhere", &[PLAIN], Expect::Served)
        .command("gcc -MD -MF {out}/x.d -c a.c -o a.o"),
    row("dependencies_for_the_loader", &[PLAIN], REFUSED)
        .command("gcc -MD -MF /etc/ld.so.preload -c a.c -o a.o"),
    row("dependencies_by_a_link", &[PLAIN, Link("/w/l", "{out}")], Expect::Served)
        .command("gcc -Wp,-MD,l/x.d -c a.c -o a.o"),
    row("no_source", &[], Expect::CompilerError),
    row(
        "a_source_that_is_a_link_in_a_ring",
        &[Link("/w/a.c", "b.c"), Link("/w/b.c", "a.c")],
        Expect::CompilerError,
    ),
    row(
        "a_source_that_includes_itself",
        &[File("/w/a.c", "#include \"a.c\"\n")],
        Expect::CompilerError,
    ),
];

fn head(n_entries: usize) -> Vec<u8> {
    encode_tree_head(b"/w", &words(GCC), n_entries).expect("it is small")
}

/// A request made in some other way.
struct Bytes {
    name: &'static str,
    bytes: fn() -> Vec<u8>,
    ends: bool,
    expect: Expect,
}

const fn bytes(name: &'static str, bytes: fn() -> Vec<u8>, expect: Expect) -> Bytes {
    Bytes { name, bytes, ends: false, expect }
}

/// Files with these names and nothing in them, and the source.
fn files(names: impl Iterator<Item = String>) -> Vec<u8> {
    let files: Vec<Vec<u8>> = names
        .map(|name| encode_tree_file(name.as_bytes(), b"").expect("it is small"))
        .chain([encode_tree_file(b"/w/a.c", b"int x;\n").expect("it is small")])
        .collect();
    [head(files.len()), files.concat()].concat()
}

/// A file of blanks, packed: about 250 times smaller.
fn bomb(n_bytes: usize) -> Vec<u8> {
    let packed = lzo::compress(&vec![b' '; n_bytes]);
    let token = format!("NAME00000004/w/bFILE{:08x}", packed.len());
    [head(1), token.into_bytes(), packed].concat()
}

/// A name, and a key that nobody else has.
fn keyed(name: &str, token: &str) -> Vec<u8> {
    format!("NAME{:08x}{name}{token}00000018{:024}", name.len(), 7).into_bytes()
}

/// Has a file kept, and names it until it would fill more than a job may.
fn name_a_kept_file_often(stand: &Stand) -> Result<()> {
    let packed = lzo::compress(&vec![b' '; 64 << 10]);
    let file = [format!("FILE{:08x}", packed.len()).into_bytes(), packed].concat();
    let source = encode_tree_file(b"/w/a.c", b"int x;\n")?;
    let keep = [head(2), source.clone(), keyed("/w/0", "KEEP"), file].concat();
    Expect::Served.check(&stand.ask(Version::V3, &keep)?)?;
    let names = |n_names: usize| (0..n_names).flat_map(|n| keyed(&format!("/w/{n}"), "KEPT"));
    for (n_names, expect) in [(1, Expect::Served), (9000, MALFORMED)] {
        let bytes = [head(n_names + 1), source.clone(), names(n_names).collect()].concat();
        expect.check(&stand.ask(Version::V3, &bytes)?).with_context(|| format!("{n_names}"))?;
    }
    Ok(())
}

const BYTES: &[Bytes] = &[
    bytes(
        "four_billion_files",
        || [&head(0)[..head(0).len() - 8], b"ffffffff"].concat(),
        MALFORMED,
    ),
    bytes("a_name_of_a_gigabyte", || [&head(1)[..], b"NAME40000000"].concat(), MALFORMED),
    bytes(
        "a_link_of_a_gigabyte",
        || [&head(1)[..], b"NAME00000002/aLINK40000000"].concat(),
        MALFORMED,
    ),
    bytes(
        "a_file_of_four_gigabytes",
        || [&head(1)[..], b"NAME00000002/aFILEffffffff"].concat(),
        MALFORMED,
    ),
    bytes("a_working_folder_of_a_gigabyte", || b"DIST00000003CDIR40000000".to_vec(), MALFORMED),
    bytes("a_bomb", || bomb(600 << 20), MALFORMED),
    bytes(
        "noise_for_a_file",
        || [&head(1)[..], b"NAME00000002/aFILE00000004\xff\xff\xff\xff"].concat(),
        MALFORMED,
    ),
    bytes(
        "a_key_of_a_gigabyte",
        || [&head(1)[..], b"NAME00000002/aKEPT40000000"].concat(),
        MALFORMED,
    ),
    bytes(
        "a_key_and_no_file",
        || [&head(1)[..], &keyed("/w/a.c", "KEEP"), b"LINK00000001x"].concat(),
        MALFORMED,
    ),
    bytes(
        "a_file_that_nobody_has_sent",
        || [&head(1)[..], &keyed("/w/a.c", "KEPT")].concat(),
        Expect::Refused(100),
    ),
    bytes("a_source_in_place_of_files", || [&head(1)[..], b"DOTI00000000"].concat(), MALFORMED),
    bytes("a_link_without_a_name", || [&head(1)[..], b"LINK00000001x"].concat(), MALFORMED),
    bytes(
        "plain_mode_in_version_3",
        || encode_request_head(Version::V3, &words(GCC)).expect("it is small"),
        MALFORMED,
    ),
    bytes(
        "names_that_lie_too_deep",
        || files([format!("/w{}", "/d".repeat(70))].into_iter()),
        REFUSED,
    ),
    bytes(
        "a_hundred_thousand_folders",
        || files((0..20_000).map(|n| format!("/w/{n}/a/b/c/d/e"))),
        Expect::Refused(107),
    ),
    bytes(
        "a_thousand_folders_of_headers",
        || files((0..1_000).map(|n| format!("/usr/lib/{n}/include/x.h"))),
        REFUSED,
    ),
    Bytes { ends: true, ..bytes("a_tree_without_its_end", || head(9), Expect::Closed) },
    bytes(
        "thousands_of_files",
        || files((0..5_000).map(|n| format!("/w/{}/{n}.h", n % 50))),
        Expect::Served,
    ),
];

impl Bytes {
    fn attack(&self, stand: &Stand) -> Result<()> {
        let mut talk = Talk::connect(stand.port())?;
        talk.send(&(self.bytes)());
        if self.ends {
            talk.end();
        }
        self.expect.check(&talk.answer(Version::V3)?).context("the answer")
    }
}

/// Sends a part of a tree and leaves.
fn leave(stand: &Stand, part: usize, resets: bool) -> Result<()> {
    let all = files((0..40).map(|n| format!("/w/h/{n}.h")));
    let mut talk = Talk::connect(stand.port())?;
    talk.send(&all[..all.len() * part / 8]);
    std::thread::sleep(std::time::Duration::from_millis(5));
    if resets { talk.reset() } else { Ok(()) }
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for row in ROWS {
        for is_whole in [false, true] {
            let kind = if is_whole { "whole_tree" } else { "tree" };
            let name = format!("trees::{}::{kind}", row.name);
            let attack = Case::new(name, move |stand| row.attack(stand, is_whole));
            cases.push(Case { needs_sandbox: true, ..attack });
        }
    }
    for row in BYTES {
        cases.push(Case::new(format!("trees::{}", row.name), |stand| row.attack(stand)));
    }
    cases.push(Case::new("trees::a_kept_file_often".to_owned(), name_a_kept_file_often));
    for part in 1..=8 {
        for (way, resets) in [("close", false), ("reset", true)] {
            let name = format!("trees::leaving_after_{part}_eighths::{way}");
            cases.push(Case::new(name, move |stand| leave(stand, part, resets)));
        }
    }
    cases
}

pub(crate) fn proofs() -> Vec<Case> {
    let case =
        |row: &'static Row| Case::new(format!("trees::{}", row.name), |stand| row.prove(stand));
    ROWS.iter().filter(|row| row.works).map(case).collect()
}
