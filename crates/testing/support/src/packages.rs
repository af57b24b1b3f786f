//! Sources of other projects, out of packages of crates.io that carry them. None is committed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// A package by its name, and what stands behind the name in a manifest.
pub type Wanted<'a> = (&'a str, &'a str);

/// Packages that were fetched.
#[derive(Debug)]
pub struct Packages(serde_json::Value);

impl Packages {
    /// Has cargo fetch packages; `folder` is for a manifest that asks for them.
    ///
    /// # Errors
    /// When cargo cannot fetch one.
    pub fn fetch(folder: &Path, wanted: &[Wanted<'_>]) -> Result<Packages> {
        std::fs::create_dir_all(folder)?;
        let mut manifest = String::from(
            "[package]\nname = \"sources\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\
             [lib]\npath = \"lib.rs\"\n[workspace]\n[dependencies]\n",
        );
        for (name, requirement) in wanted {
            writeln!(manifest, "{name} = {requirement}")?;
        }
        std::fs::write(folder.join("Cargo.toml"), manifest)?;
        std::fs::write(folder.join("lib.rs"), "")?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--quiet", "--format-version", "1", "--manifest-path"])
            .arg(folder.join("Cargo.toml"))
            .output()
            .context("could not start cargo metadata")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(Packages(serde_json::from_slice(&output.stdout)?))
    }

    /// The folder of one of them.
    ///
    /// # Errors
    /// When it was not asked for.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let packages = self.0["packages"].as_array().context("no packages")?;
        let package = packages.iter().find(|package| package["name"] == name);
        let manifest = package.and_then(|package| package["manifest_path"].as_str());
        let folder = manifest.and_then(|path| Path::new(path).parent());
        Ok(folder.with_context(|| format!("cargo did not fetch {name}"))?.to_owned())
    }
}
