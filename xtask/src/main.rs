//! The project's chores, in Rust: `cargo xtask build`, `install`, `test`, `tidy`, `fuzz`, `demo`, `identity`, `soundness`, `reasons`, `completions`,
//! `manual`, `picture`.

mod build;
mod completions;
mod deb;
mod debian;
mod demo;
mod fuzz;
mod help;
mod identity;
mod install;
mod manual;
mod picture;
mod soak;
mod soundness;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use client::ReasonPage;

const USAGE: &str = "\
usage: cargo xtask CHORE

  build           build all programs into target/release; distcc, where it is possible, statically
  install [--prefix DIR] [--destdir DIR] [--no-build | --programs DIR]
                  build, then install below DIR (default /usr/local) programs and man pages, with
                  /usr and /usr/local also units for systemd and their settings (/etc/conf.d);
                  with sudo where that takes root
  deb [--no-build | --programs DIR]
                  build, then make the package for Debian in target/debian, with cargo-deb; of the
                  programs in DIR, where it is given
  test            set up what the tests need, then format, clippy, tidy, all tests, docs, fuzz
  tidy            check the rules of the tree: layers, the client's dependencies
  demo            build Lua and HarfBuzz on two servers of this machine, compare every object
  picture         write docs/distccmon.svg anew: the monitor in the middle of a build; as root
  identity [--cases N] [--seed S] [--only N] [--from N] [--server ours|original] [--mode plain|pump]
                  run generated commands with and without servers, compare all they leave
  identity --units N [--of NAME] [--only N] [--from N] [--cases N] [--server ours|original]
                  [--mode plain|pump]
                  the same with N translation units of the code bases of soundness
  soundness [--sources N] [--only NAME]
                  compare the include scanner with what compilers read of real code, at most N
                  sources of each code base (default 600)
  soak [--seconds N]
                  good and hostile clients on our server together (default 30 minutes);
                  prints what grew, and fails where something did
  reasons         write docs/reasons.md, the heads of docs/reasons/*.md, and docs/guide/troubleshooting.md
                  anew from the code
  completions [--check]
                  write packaging/completions anew from what the programs say with --help
  manual [--check]
                  write the heads of the options in docs/man anew from what the programs say with
                  --help; one that the page lacks is added, one that is no more is told
  options         write docs/options.md anew from the table of options
  fuzz [SECONDS]  run all fuzz targets, for so long together (default 30)
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let result = match words.first().map(String::as_str) {
        Some("build") => build::run(),
        Some("install") => install::run(&words[1..]),
        Some("deb") => deb::run(&words[1..]),
        Some("test") => test::run(),
        Some("demo") => demo::run(),
        Some("picture") => picture::run(),
        Some("tidy") => tidy::run(),
        Some("identity") => identity::run(&words[1..]),
        Some("soundness") => soundness::run(&words[1..]),
        Some("soak") => soak::run_words(&words[1..]),
        Some("reasons") => write_reasons(),
        Some("completions") => completions::run(&words[1..]),
        Some("manual") => manual::run(&words[1..]),
        Some("options") => write_options(),
        Some("fuzz") => seconds(words.get(1)).and_then(fuzz::run),
        Some("--help" | "-h") => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs cargo in the workspace.
fn cargo(words: &[&str]) -> Result<()> {
    eprintln!("xtask: cargo {}", words.join(" "));
    let status = Command::new(env!("CARGO"))
        .args(words)
        .current_dir(root())
        .env("RUSTDOCFLAGS", "-D warnings")
        .env("DISTCC_RS_BIN_DIR", "target/release")
        .status()
        .context("could not start cargo")?;
    ensure!(status.success(), "`cargo {}` failed: {status}", words.join(" "));
    Ok(())
}

/// The time to fuzz for, from the word after the chore.
fn seconds(word: Option<&String>) -> Result<u32> {
    word.map_or(Ok(fuzz::DEFAULT_SECONDS), |word| {
        word.parse().with_context(|| format!("`{word}` is no number of seconds"))
    })
}

/// Writes the pages of reason codes anew; tests of `client` and `e2e` compare them with the code.
fn write_reasons() -> Result<()> {
    let write = |name: &str, text: &str| {
        std::fs::write(root().join(name), text).with_context(|| format!("could not write {name}"))
    };
    write("docs/reasons.md", &client::reasons_page())?;
    let page_of = |page: &ReasonPage| {
        let path = root().join("docs/reasons").join(page.code).with_extension("md");
        // One of a new code is not there yet.
        page.over(&std::fs::read_to_string(path).unwrap_or_default())
    };
    for page in client::reason_pages() {
        write(&format!("docs/reasons/{}.md", page.code), &page_of(&page))?;
    }
    let page = client::troubleshooting_page(|page| Ok::<_, String>(page_of(page)));
    write("docs/guide/troubleshooting.md", &page.map_err(anyhow::Error::msg)?)
}

/// Writes the page of compiler options anew; a test of `e2e` compares it with the table.
fn write_options() -> Result<()> {
    std::fs::write(root().join("docs/options.md"), compiler_args::options_page())
        .context("could not write docs/options.md")
}

/// The folder of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask has a parent").to_path_buf()
}
