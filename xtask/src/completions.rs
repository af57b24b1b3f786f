//! `cargo xtask completions`: what shells need to complete the options of our programs, made from what
//! each says with `--help`.

mod shells;

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use crate::help::Program;
use crate::root;

/// A shell: the folder of its files below `packaging/completions`, where they belong below a prefix, what a
/// file is called, and who writes it.
pub(crate) struct Shell {
    pub(crate) name: &'static str,
    pub(crate) place: &'static str,
    file: fn(&str) -> String,
    text: fn(&Program) -> String,
}

/// The shells that we serve.
pub(crate) const SHELLS: [Shell; 3] = [
    Shell {
        name: "bash",
        place: "share/bash-completion/completions",
        file: str::to_owned,
        text: shells::bash,
    },
    Shell {
        name: "zsh",
        place: "share/zsh/site-functions",
        file: |program| format!("_{program}"),
        text: shells::zsh,
    },
    Shell {
        name: "fish",
        place: "share/fish/vendor_completions.d",
        file: |program| format!("{program}.fish"),
        text: shells::fish,
    },
];

/// Writes the files anew, of the programs under test; with `--check` compares them.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let checks = match words {
        [] => false,
        [word] if word == "--check" => true,
        _ => bail!("`completions` takes --check, not `{}`", words.join(" ")),
    };
    for name in support::PROGRAMS {
        let program = Program::ask(name)?;
        for shell in &SHELLS {
            let path = folder(shell).join((shell.file)(name));
            let text = (shell.text)(&program);
            if checks {
                let is = std::fs::read_to_string(&path).unwrap_or_default();
                let stale = path.strip_prefix(root()).unwrap_or(&path).display();
                ensure!(is == text, "{stale} is stale: `cargo xtask completions`");
            } else {
                std::fs::create_dir_all(folder(shell))?;
                std::fs::write(&path, text)
                    .with_context(|| format!("could not write {}", path.display()))?;
            }
        }
    }
    Ok(())
}

/// The files for a shell.
pub(crate) fn files(shell: &Shell) -> Vec<PathBuf> {
    support::PROGRAMS.iter().map(|name| folder(shell).join((shell.file)(name))).collect()
}

fn folder(shell: &Shell) -> PathBuf {
    root().join("packaging/completions").join(shell.name)
}
