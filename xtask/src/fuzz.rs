//! `cargo xtask fuzz`: every target of `fuzz/` for its share of a bounded time.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::root;

/// How long all targets run together when nothing else is said.
pub(crate) const DEFAULT_SECONDS: u32 = 30;

/// The cargo-fuzz that is installed where none is.
const CARGO_FUZZ_VERSION: &str = "0.13.1";

/// Longest time for one input, in seconds. The slowest ones take milliseconds.
const INPUT_SECONDS: u32 = 10;

/// Runs every target for its share of `total_seconds`, and stops at the first crash.
pub(crate) fn run(total_seconds: u32) -> Result<()> {
    install()?;
    eprintln!("xtask: building the fuzz targets (about a minute the first time)");
    let status = cargo_fuzz("build").status().context("could not start cargo fuzz")?;
    ensure!(status.success(), "the fuzz targets do not build: {status}");
    let targets = targets()?;
    ensure!(!targets.is_empty(), "no target found in fuzz/Cargo.toml");
    let seconds = (total_seconds / targets.len() as u32).max(1);
    for target in &targets {
        let summary = run_target(target, seconds)?;
        eprintln!("xtask: fuzz {target}: {summary}");
    }
    Ok(())
}

/// Installs cargo-fuzz unless there is one.
fn install() -> Result<()> {
    let version = Command::new(env!("CARGO"))
        .args(["fuzz", "--version"])
        .stderr(Stdio::null())
        .output()
        .context("could not start cargo")?;
    if version.status.success() {
        return Ok(());
    }
    eprintln!("xtask: installing cargo-fuzz {CARGO_FUZZ_VERSION}");
    let status = Command::new(env!("CARGO"))
        .args(["install", "cargo-fuzz", "--locked", "--version", CARGO_FUZZ_VERSION])
        .status()
        .context("could not start cargo")?;
    ensure!(status.success(), "could not install cargo-fuzz {CARGO_FUZZ_VERSION}: {status}");
    Ok(())
}

/// The names of the targets, as `fuzz/Cargo.toml` lists them.
fn targets() -> Result<Vec<String>> {
    let output = cargo_fuzz("list").output().context("could not start cargo fuzz")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
}

/// Runs one target from its seeds and from what earlier runs found, and sums up in a line.
fn run_target(target: &str, seconds: u32) -> Result<String> {
    let corpus = root().join("fuzz/corpus").join(target);
    let seeds = root().join("fuzz/seeds").join(target);
    std::fs::create_dir_all(&corpus)
        .with_context(|| format!("could not make {}", corpus.display()))?;
    let mut command = cargo_fuzz("run");
    command.arg(target).arg(&corpus);
    if seeds.is_dir() {
        command.arg(&seeds);
    }
    command
        .arg("--")
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={INPUT_SECONDS}"))
        // Looking for leaks needs ptrace, which containers often forbid.
        .arg("-detect_leaks=0")
        .env("ASAN_OPTIONS", "detect_leaks=0")
        // A backtrace takes more memory to write than the targets are allowed.
        .env("RUST_BACKTRACE", "0");
    let output = command.output().context("could not start cargo fuzz")?;
    let log = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{}", failure(target, &output, &log));
    }
    let summary = log.lines().rev().find(|line| line.starts_with("Done "));
    Ok(summary.with_context(|| format!("fuzz {target} made no run:\n{log}"))?.to_owned())
}

/// What to tell about a target that failed: its words, the input, and how to run that again.
fn failure(target: &str, output: &Output, log: &str) -> String {
    let marker = "Test unit written to ";
    let input = log.lines().find_map(|line| line.split_once(marker)).map(|(_, path)| path.trim());
    let Some(input) = input else {
        return format!("fuzz {target} failed without an input: {}\n{log}", output.status);
    };
    let path = Path::new(input);
    let path = path.strip_prefix(root()).unwrap_or(path).display();
    // The lines of progress say nothing any more.
    let words: Vec<_> = log.lines().filter(|line| !line.starts_with('#')).collect();
    format!(
        "{}\nfuzz {target} failed on the input {path}\n\
         hint: to run it again: `RUST_BACKTRACE=0 RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir fuzz {target} {path}`",
        words.join("\n"),
    )
}

/// `cargo fuzz WORD` on our folder. Sanitizers are unstable in Rust; `RUSTC_BOOTSTRAP` lets the
/// stable compiler have them, for these builds alone.
fn cargo_fuzz(word: &str) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(["fuzz", word, "--fuzz-dir", "fuzz"]);
    command.current_dir(root()).env("RUSTC_BOOTSTRAP", "1");
    command
}
