//! `cargo xtask identity`: thousands of generated commands, and units of real code, with and without
//! servers.

use ::identity::{Cases, Plan, Units};
use anyhow::{Context, Result, bail, ensure};
use support::Kind;

use crate::{debian, root, soundness};

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
    let (mut seed, mut n_cases, mut first, mut only, mut server) = (1, None, 0, None, Kind::Ours);
    let (mut n_units, mut code_base, mut pump) = (None, None, None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("`{word}` lacks its value"))?;
        let number = || value.parse().with_context(|| format!("`{value}` is no number"));
        match word.as_str() {
            "--seed" => seed = number()? as u64,
            "--units" => n_units = Some(number()?),
            "--of" => code_base = Some(value.as_str()),
            "--cases" => n_cases = Some(number()?),
            "--from" => first = number()?,
            "--only" => only = Some(number()?),
            "--server" => {
                server = match value.as_str() {
                    "ours" => Kind::Ours,
                    "original" => Kind::Original,
                    _ => bail!("`{value}` is neither `ours` nor `original`"),
                };
            }
            "--mode" => {
                pump = match value.as_str() {
                    "plain" => Some(false),
                    "pump" => Some(true),
                    _ => bail!("`{value}` is neither `plain` nor `pump`"),
                };
            }
            _ => bail!("`{word}` is no option of this chore"),
        }
    }
    ensure!(code_base.is_none() || n_units.is_some(), "`--of` is for `--units`");
    let end = |n_all: usize| n_cases.map_or(n_all, |n_cases| first + n_cases);
    let (cases, numbers, pump) = match n_units {
        None => (Cases::Generated { seed }, first..end(first + DEFAULT_CASES), pump == Some(true)),
        Some(n_units) => {
            let units = Units::choose(&soundness::code_bases()?, n_units, code_base, server);
            let n_units = units.n_units();
            ensure!(n_units > 0, "there is no such code base");
            let numbers = first..end(n_units).min(n_units);
            (Cases::Units(units), numbers, pump != Some(false))
        }
    };
    let numbers = only.map_or(numbers, |only| only..only + 1);
    Ok(Plan { cases, numbers, server, pump })
}
