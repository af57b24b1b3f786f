//! `cargo xtask tidy`: the rules of the tree that the compiler does not know.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::root;

/// The layers from the lowest to the highest. A package may depend on packages of its own layer
/// and of lower ones; on its own layer only where `may_use_siblings` says so.
const LAYERS: [Layer; 4] = [
    Layer { folder: "crates/pure", may_use_siblings: true },
    Layer { folder: "crates/system", may_use_siblings: true },
    Layer { folder: "crates/roles", may_use_siblings: false },
    Layer { folder: "programs", may_use_siblings: false },
];

struct Layer {
    folder: &'static str,
    may_use_siblings: bool,
}

/// A package of the workspace and its place among the layers.
struct Package {
    name: String,
    layer: usize,
    dependencies: BTreeSet<String>,
}

/// Checks that dependencies never point upward, and that the client's dependencies are the
/// checked-in ones.
pub(crate) fn run() -> Result<()> {
    check_layers()?;
    check_client_dependencies()
}

fn check_layers() -> Result<()> {
    let packages = packages()?;
    ensure!(!packages.is_empty(), "no package found below {}", LAYERS[0].folder);
    let mut breaches = Vec::new();
    for package in &packages {
        for other in packages.iter().filter(|other| package.dependencies.contains(&other.name)) {
            let sideways = other.layer == package.layer && !LAYERS[package.layer].may_use_siblings;
            if other.layer > package.layer || sideways {
                breaches.push(format!(
                    "{} ({}) uses {} ({})",
                    package.name,
                    LAYERS[package.layer].folder,
                    other.name,
                    LAYERS[other.layer].folder
                ));
            }
        }
    }
    if !breaches.is_empty() {
        bail!("dependencies point downward only (ARCHITECTURE.md): {}", breaches.join("; "));
    }
    Ok(())
}

fn packages() -> Result<Vec<Package>> {
    let mut packages = Vec::new();
    for (layer, Layer { folder, .. }) in LAYERS.iter().enumerate() {
        let folder = root().join(folder);
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let manifest = entry?.path().join("Cargo.toml");
            if manifest.exists() {
                packages.push(package(&manifest, layer)?);
            }
        }
    }
    Ok(packages)
}

/// Reads what tidy needs of a manifest: the name, and the names below `[dependencies]`. Test
/// dependencies may point anywhere.
fn package(manifest: &Path, layer: usize) -> Result<Package> {
    let text = std::fs::read_to_string(manifest)
        .with_context(|| format!("could not read {}", manifest.display()))?;
    let mut section = "";
    let mut name = None;
    let mut dependencies = BTreeSet::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        } else if let Some((key, value)) = line.split_once('=') {
            let key = key.trim().split('.').next().unwrap_or_default();
            match section {
                "[package]" if key == "name" => name = Some(value.trim().trim_matches('"').into()),
                "[dependencies]" => drop(dependencies.insert(key.to_owned())),
                _ => {}
            }
        }
    }
    let name = name.with_context(|| format!("no name in {}", manifest.display()))?;
    Ok(Package { name, layer, dependencies })
}

/// The client is started once per compile: a new dependency of it has to be a visible line in a
/// review. The list stands in `programs/distcc/dependencies.txt`.
fn check_client_dependencies() -> Result<()> {
    let listed = root().join("programs/distcc/dependencies.txt");
    if !listed.exists() {
        return Ok(());
    }
    let expected = std::fs::read_to_string(&listed)?;
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--package",
            "distcc",
            "--edges",
            "normal,no-proc-macro",
            "--prefix",
            "none",
        ])
        .args(["--format", "{lib}", "--no-dedupe"])
        .current_dir(root())
        .output()
        .context("could not start cargo tree")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout)?;
    let found: BTreeSet<&str> = tree.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let expected: BTreeSet<&str> = expected.lines().filter(|l| !l.starts_with('#')).collect();
    let new: Vec<_> = found.difference(&expected).copied().collect();
    let gone: Vec<_> = expected.difference(&found).copied().collect();
    ensure!(
        new.is_empty() && gone.is_empty(),
        "the client's dependencies changed: new {new:?}, gone {gone:?}; if that is meant, say why \
         in ARCHITECTURE.md and change {}",
        listed.display()
    );
    Ok(())
}
