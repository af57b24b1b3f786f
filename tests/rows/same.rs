//! Whether a command that ours sends leaves what the compiler alone leaves: files, exit code,
//! messages.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command as Process;
use std::time::Duration;

use anyhow::{Result, ensure};
use compiler_args::{Decision, decide};
use support::{Kind, Outcome, SYSTEM_PATH, Server, ServerOptions, World, program, run};

use crate::commands::Command;

/// Long enough for the slowest compile on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// A source that every dialect takes. No macro stands in its code: with `-g` the columns of such
/// a line differ (COMPATIBILITY.md).
const SOURCE: &str = "#include \"in.h\"
#define TWICE(x) ((x) + (x))
static int count, table[TWICE(2)];
int f(const char *text, int n)
{
  char copy[20];
  int i, sum = 0;
  for (i = 0; i < n; i++) {
    copy[i % 20] = text[i];
    sum += copy[n % 20] / (n + 1);
  }
  count++;
  table[n & 3] = sum;
  return one(sum) + count;
}
";

const FILES: [(&str, &str); 13] = [
    ("in.h", "static int one(int x) { return x + 1; }\n"),
    ("a.c", SOURCE),
    ("b.c", "int g(int x)\n{\n  return x / 3;\n}\n"),
    ("a.cc", SOURCE),
    ("a.cpp", SOURCE),
    ("a.cxx", SOURCE),
    ("a.m", SOURCE),
    ("a.mm", SOURCE),
    ("a.i", "# 1 \"a.c\"\nint h(int x) { return x; }\n"),
    ("a.ii", "# 1 \"a.cc\"\nint h(int x) { return x; }\n"),
    ("a.mi", "# 1 \"a.m\"\nint h(int x) { return x; }\n"),
    ("args", "-O2 a.c\n"),
    ("value", "#define VALUE 1\n"),
];

/// Whether ours would send a command, by the table.
pub(crate) fn leaves(command: &Command) -> bool {
    let words: Vec<OsString> = command.words.iter().map(OsString::from).collect();
    matches!(decide(&words), Decision::Distribute(_))
}

/// Compiles with our client and a server, and alone, and compares.
pub(crate) fn check(command: &Command, server: &Server) -> Result<()> {
    let world = World::new();
    let mut ours = Process::new(program("distcc"));
    ours.args(&command.words)
        .env_clear()
        .env("DISTCC_HOSTS", server.host(",lzo"))
        .env("DISTCC_DIR", world.folder("state"));
    let mut alone = Process::new(&command.words[0]);
    alone.args(&command.words[1..]).env_clear();
    let ours = compile(&world, &mut ours)?;
    let alone = compile(&world, &mut alone)?;
    let (got, expected) = (&ours.0, &alone.0);
    let said = String::from_utf8_lossy(&got.stderr);
    ensure!(got.code == expected.code, "exit {} instead of {}: {said}", got.code, expected.code);
    ensure!(got.stdout == expected.stdout, "another standard output");
    let names = |files: &Files| files.keys().cloned().collect::<Vec<_>>();
    let (made, expected_names) = (names(&ours.1), names(&alone.1));
    ensure!(made == expected_names, "made {made:?} instead of {expected_names:?}");
    for (name, content) in &alone.1 {
        ensure!(ours.1.get(name) == Some(content), "{} differs", name.display());
    }
    let (got, expected) = (messages(got), messages(expected));
    ensure!(got == expected, "said\n{}\ninstead of\n{}", got.join("\n"), expected.join("\n"));
    Ok(())
}

type Files = BTreeMap<OsString, Vec<u8>>;

fn compile(world: &World, command: &mut Process) -> Result<(Outcome, Files)> {
    let work = world.folder("work");
    std::fs::remove_dir_all(&work)?;
    std::fs::create_dir(&work)?;
    for (name, content) in FILES {
        std::fs::write(work.join(name), content)?;
    }
    command
        .current_dir(&work)
        .env("PATH", SYSTEM_PATH)
        .env("LC_ALL", "C.UTF-8")
        .env("TMPDIR", world.folder("tmp"));
    let outcome = run(command, LIMIT);
    let mut made = Files::new();
    for entry in std::fs::read_dir(&work)? {
        let entry = entry?;
        if !FILES.iter().any(|(name, _)| entry.file_name() == *name) {
            made.insert(entry.file_name(), std::fs::read(entry.path())?);
        }
    }
    Ok((outcome, made))
}

/// Warnings and errors without columns, which preprocessed source does not have.
fn messages(outcome: &Outcome) -> Vec<String> {
    let text = String::from_utf8_lossy(&outcome.stderr);
    let is_message = |line: &&str| line.contains("warning:") || line.contains("error:");
    let mut messages: Vec<String> = text.lines().filter(is_message).map(without_column).collect();
    messages.sort();
    messages
}

fn without_column(line: &str) -> String {
    let mut parts: Vec<&str> = line.splitn(4, ':').collect();
    if parts.len() == 4 && parts[1..3].iter().all(|part| part.parse::<u32>().is_ok()) {
        parts.remove(2);
    }
    parts.join(":")
}

/// A server for all commands, with its files in `folder`.
pub(crate) fn start_server(folder: &Path) -> Server {
    let mut options = ServerOptions::new(Kind::Ours);
    options.compilers.extend(["clang", "clang++"].map(str::to_owned));
    Server::start(folder, &options)
}
