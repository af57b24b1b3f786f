//! Debian packages that a fresh machine lacks.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Installs those of `packages` that are missing, as root or with sudo, and says so first. Does
/// nothing when all are there.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let missing: Vec<&str> = packages.iter().copied().filter(|name| !is_installed(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let is_root = rustix::process::geteuid().is_root();
    let with = if is_root { "as root" } else { "with sudo" };
    eprintln!("xtask: installing Debian packages {with}: {}", missing.join(" "));
    apt_get(is_root, &["update", "--quiet"])?;
    let mut words = vec!["install", "--quiet", "--yes", "--no-install-recommends"];
    words.extend(&missing);
    apt_get(is_root, &words)
}

fn is_installed(package: &str) -> bool {
    let output = Command::new("dpkg-query")
        .args(["--show", "--showformat", "${db:Status-Status}", package])
        .stderr(Stdio::null())
        .output();
    output.is_ok_and(|output| output.stdout == b"installed")
}

fn apt_get(is_root: bool, words: &[&str]) -> Result<()> {
    let mut command = if is_root {
        Command::new("apt-get")
    } else {
        let mut command = Command::new("sudo");
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        command
    };
    let status = command
        .args(words)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .status()
        .context("could not start apt-get: the tests and the demo need Debian and root or sudo")?;
    ensure!(status.success(), "`apt-get {}` failed: {status}", words.join(" "));
    Ok(())
}
