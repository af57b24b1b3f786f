//! `cargo xtask soak`: good and hostile load on our server for a long time.

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::root;

/// How long when nothing else is said: by hand.
const DEFAULT_SECONDS: u64 = 30 * 60;

/// How long as a part of all tests.
pub(crate) const TEST_SECONDS: u64 = 60;

/// Runs for as long as the words of the command say.
pub(crate) fn run_words(words: &[String]) -> Result<()> {
    let seconds = match words {
        [] => DEFAULT_SECONDS,
        [option, seconds] if option == "--seconds" => {
            seconds.parse().with_context(|| format!("`{seconds}` is no number of seconds"))?
        }
        _ => bail!("usage: cargo xtask soak [--seconds N]"),
    };
    if std::env::var_os("DISTCC_RS_BIN_DIR").is_none() {
        crate::build::run()?;
    }
    run(seconds)
}

/// Runs for so many seconds.
pub(crate) fn run(seconds: u64) -> Result<()> {
    eprintln!("xtask: soak for {seconds} s");
    let folder = std::env::var("DISTCC_RS_BIN_DIR").unwrap_or("target/release".to_owned());
    let status = Command::new(env!("CARGO"))
        .args(["test", "--quiet", "--package", "hostile", "--test", "hostile"])
        .current_dir(root())
        .env("DISTCC_RS_BIN_DIR", folder)
        .env("DISTCC_RS_SOAK_SECONDS", seconds.to_string())
        .status()
        .context("could not start cargo")?;
    ensure!(status.success(), "the soak failed: {status}");
    Ok(())
}
