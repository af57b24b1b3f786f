//! `cargo xtask soundness`: the include scanner against what compilers read of real code.

use ::soundness::CodeBase;
use anyhow::{Context, Result, bail, ensure};

use crate::{debian, root};

/// How many units of each code base are judged when nothing else is said.
const DEFAULT_UNITS: usize = 600;

/// Judges the code bases that the words of the command ask for, and fails where a file was missed.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let (mut most, mut only) = (DEFAULT_UNITS, None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("`{word}` lacks its value"))?;
        match word.as_str() {
            "--sources" => {
                most = value.parse().with_context(|| format!("`{value}` is no number"))?;
            }
            "--only" => only = Some(value.as_str()),
            _ => bail!("`{word}` is no option of this chore"),
        }
    }
    let code_bases = code_bases()?;
    let wanted = code_bases.iter().filter(|code| only.is_none_or(|only| only == code.name));
    let (mut n_judged, mut failures) = (0, Vec::new());
    for code_base in wanted {
        let tally = ::soundness::judge(code_base, most)?;
        println!("{tally}");
        n_judged += tally.n_judged();
        failures.extend(tally.check().err());
    }
    ensure!(n_judged > 0, "there is no such code base");
    println!("{n_judged} units judged");
    for failure in &failures {
        eprintln!("{failure:#}");
    }
    ensure!(failures.is_empty(), "{} code bases have something missed", failures.len());
    Ok(())
}

/// Fetches all code bases.
pub(crate) fn code_bases() -> Result<Vec<CodeBase>> {
    debian::install(&::soundness::DEBIAN_PACKAGES)?;
    let folder = root().join("target/soundness");
    std::fs::create_dir_all(&folder)?;
    ::soundness::all(&folder, &|text| eprintln!("soundness: {text}"))
}
