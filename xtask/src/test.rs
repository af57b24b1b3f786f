//! `cargo xtask test`: everything that has to hold before a commit lands.

use anyhow::Result;

use crate::{cargo, tidy};

/// Runs format, clippy, tidy, all tests and the documentation, and stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    tidy::run()?;
    cargo(&["test", "--workspace"])?;
    cargo(&["doc", "--workspace", "--no-deps"])
}
