//! `cargo xtask test`: everything that has to hold before a commit lands.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{root, tidy};

/// Runs format, clippy, tidy, all tests and the documentation, and stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    tidy::run()?;
    cargo(&["test", "--workspace"])?;
    cargo(&["doc", "--workspace", "--no-deps"])
}

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
