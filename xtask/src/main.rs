//! The project's chores, in Rust: `cargo xtask test`, `cargo xtask tidy`, `cargo xtask demo`.

mod debian;
mod demo;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

const USAGE: &str = "\
usage: cargo xtask CHORE

  test    set up what the tests need, then format, clippy, tidy, all tests, docs
  demo    build Lua and HarfBuzz on two servers of this machine, and compare every object
  tidy    check the rules of the tree: layers, the client's dependencies
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let result = match words.first().map(String::as_str) {
        Some("test") => test::run(),
        Some("demo") => demo::run(),
        Some("tidy") => tidy::run(),
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
        .status()
        .context("could not start cargo")?;
    ensure!(status.success(), "`cargo {}` failed: {status}", words.join(" "));
    Ok(())
}

/// The folder of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask has a parent").to_path_buf()
}
