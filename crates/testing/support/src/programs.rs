//! Where our programs are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// All programs of ours: those that people get.
pub const PROGRAMS: [&str; 9] = [
    "distcc",
    "distcc-agent",
    "distcc-doctor",
    "distccd",
    "distccmon",
    "distccmon-text",
    "lsdistcc",
    "pump",
    "update-distcc-symlinks",
];

/// The folder of the workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(3).unwrap_or(own).to_path_buf()
}

/// One of our programs: in the folder that `DISTCC_RS_BIN_DIR` names, or built once per process.
///
/// # Panics
/// When it is neither there nor can be built.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| match std::env::var_os("DISTCC_RS_BIN_DIR") {
        Some(folder) => workspace().join(folder),
        None => build(),
    });
    let program = folder.join(name);
    assert!(program.exists(), "{} is missing", program.display());
    program
}

fn build() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release"])
        .args(PROGRAMS.iter().flat_map(|name| ["--package", name]))
        .current_dir(workspace())
        .status()
        .expect("cargo can be started");
    assert!(status.success(), "our programs cannot be built");
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    workspace().join(target).join("release")
}
