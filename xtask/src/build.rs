//! `cargo xtask build`: the programs that people get.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{cargo, root};

/// Builds all programs, and the client so that it starts quickly: it is started once per compile, and
/// loading libraries is most of what its start costs.
pub(crate) fn run() -> Result<()> {
    let packages = support::PROGRAMS.map(|name| ["--package", name]);
    cargo(&[&["build", "--release"][..], packages.as_flattened()].concat())?;
    let folder = folder();
    let client = folder.join("distcc");
    match why_not_static()? {
        Some(why) => {
            eprintln!("xtask: {} loads its libraries when it starts: {why}", client.display())
        }
        None => {
            let words = ["rustc", "--release", "--package", "distcc", "--bin", "distcc"];
            cargo(&[&words[..], &["--", "-C", "target-feature=+crt-static"]].concat())?;
            eprintln!("xtask: {} is linked statically, as a PIE", client.display());
        }
    }
    eprintln!("xtask: {} has {}", folder.display(), support::PROGRAMS.join(", "));
    Ok(())
}

/// Where the programs are once they are built.
pub(crate) fn folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    root().join(target).join("release")
}

/// What keeps the client from being linked statically.
fn why_not_static() -> Result<Option<String>> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = Command::new(rustc).arg("-vV").output().context("could not start rustc")?;
    ensure!(said.status.success(), "`rustc -vV` failed: {}", said.status);
    let said = String::from_utf8(said.stdout)?;
    let target = said.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    if !is_glibc(target) {
        return Ok(Some(format!("only with glibc is it known how to link it, not for `{target}`")));
    }
    let said = Command::new("cc").arg("-print-file-name=libc.a").output();
    let said = said.context("could not start cc")?;
    let library = String::from_utf8(said.stdout)?;
    // The name alone: it was not found.
    let is_there = library.contains('/') && Path::new(library.trim_end()).exists();
    Ok((!is_there).then(|| {
        "there is no libc.a (Debian: libc6-dev; Arch Linux: glibc; Fedora: glibc-static)".to_owned()
    }))
}

fn is_glibc(target: &str) -> bool {
    target.contains("-linux-gnu")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glibc_is_known_by_the_target() {
        assert!(is_glibc("x86_64-unknown-linux-gnu"));
        assert!(is_glibc("armv7-unknown-linux-gnueabihf"));
        assert!(!is_glibc("x86_64-unknown-linux-musl"));
    }
}
