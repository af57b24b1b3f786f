//! `cargo xtask identity`: thousands of generated commands with and without servers.

use ::identity::Plan;
use anyhow::{Context, Result, bail};
use support::Kind;

use crate::{debian, root};

/// How many commands run when nothing else is said.
const DEFAULT_CASES: usize = 2000;

/// Runs the cases that the words of the command ask for, and fails where one differs.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let plan = plan(words)?;
    debian::install(&::identity::DEBIAN_PACKAGES)?;
    if plan.server == Kind::Original {
        debian::install(&["distcc"])?;
    }
    if std::env::var_os("DISTCC_RS_BIN_DIR").is_none() {
        crate::build::run()?;
    }
    let show = |text: &str| eprintln!("identity: {text}");
    let summary = ::identity::run(&plan, &root().join("target/identity"), &show)?;
    println!("{summary}");
    summary.check()
}

fn plan(words: &[String]) -> Result<Plan> {
    let (mut seed, mut n_cases, mut first, mut server) = (1, DEFAULT_CASES, 0, Kind::Ours);
    let mut pump = false;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("`{word}` lacks its value"))?;
        let number = || value.parse().with_context(|| format!("`{value}` is no number"));
        match word.as_str() {
            "--seed" => seed = number()? as u64,
            "--cases" => n_cases = number()?,
            "--from" => first = number()?,
            "--only" => (first, n_cases) = (number()?, 1),
            "--server" => {
                server = match value.as_str() {
                    "ours" => Kind::Ours,
                    "original" => Kind::Original,
                    _ => bail!("`{value}` is neither `ours` nor `original`"),
                };
            }
            "--mode" => {
                pump = match value.as_str() {
                    "plain" => false,
                    "pump" => true,
                    _ => bail!("`{value}` is neither `plain` nor `pump`"),
                };
            }
            _ => bail!("`{word}` is no option of this chore"),
        }
    }
    Ok(Plan { seed, cases: first..first + n_cases, server, pump })
}
