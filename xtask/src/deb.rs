//! `cargo xtask deb`: the package for Debian, by cargo-deb, of what `cargo xtask install` installs.
//!
//! What the package says of itself stands in `programs/distccd/Cargo.toml`, its scripts and Debian's
//! settings in `packaging/debian`.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::{build, install, root};

/// The cargo-deb that is installed where none is.
const CARGO_DEB_VERSION: &str = "3.8.0";

/// What Debian has under another name or in another folder, below `usr`.
const MOVES: [(&str, &str); 3] = [
    ("bin/pump", "bin/distcc-pump"),
    ("bin/update-distcc-symlinks", "sbin/update-distcc-symlinks"),
    ("share/zsh/site-functions", "share/zsh/vendor-completions"),
];

/// What is known by a second name as well, below `usr`: the name, and where it leads.
const LINKS: [(&str, &str); 5] = [
    // As 3.4 has it where it does not come from Debian.
    ("bin/pump", "distcc-pump"),
    ("share/man/man1/distcc-pump.1", "pump.1"),
    ("share/bash-completion/completions/distcc-pump", "pump"),
    ("share/fish/vendor_completions.d/distcc-pump.fish", "pump.fish"),
    // By this name Debian's distcc is started and stopped.
    ("lib/systemd/system/distcc.service", "distccd.service"),
];

/// Files of Debian's own, below `packaging/debian`; their places below `usr`, and their modes.
const FILES: [(&str, &str, &str); 4] = [
    ("default", "share/distcc-rs/default", "644"),
    ("distccd-with-settings", "libexec/distcc-rs/distccd-with-settings", "755"),
    ("debian.conf", "lib/systemd/system/distccd.service.d/debian.conf", "644"),
    ("lintian-overrides", "share/lintian/overrides/distcc-rs", "644"),
];

/// Builds the package into `target/debian`, and says where it is.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let programs = match words {
        [] => {
            build::run()?;
            build::folder()
        }
        [word] if word == "--no-build" => build::folder(),
        [word, folder] if word == "--programs" => folder.into(),
        _ => bail!("`deb` takes --no-build or --programs DIR, not `{}`", words.join(" ")),
    };
    let programs = programs.canonicalize();
    let programs = programs.context("there are no built programs: `cargo xtask build`")?;
    install_cargo_deb()?;
    let folder = root().join("target/debian");
    let tree = folder.join("tree");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    lay_out(&tree, &programs)?;
    let words = ["deb", "--package", "distccd", "--no-build", "--no-strip", "--output"];
    let mut command = Command::new(env!("CARGO"));
    command.args(words).arg(&folder).current_dir(root());
    let output = command.stderr(Stdio::inherit()).output().context("could not start cargo deb")?;
    ensure!(output.status.success(), "`cargo deb` failed: {}", output.status);
    print!("{}", String::from_utf8(output.stdout)?);
    Ok(())
}

/// Installs cargo-deb unless there is one.
pub(crate) fn install_cargo_deb() -> Result<()> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["deb", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    if command.status().context("could not start cargo")?.success() {
        return Ok(());
    }
    eprintln!("xtask: installing cargo-deb {CARGO_DEB_VERSION} (some minutes)");
    crate::cargo(&["install", "cargo-deb", "--locked", "--version", CARGO_DEB_VERSION])
}

/// Puts all that the package has below `tree`.
fn lay_out(tree: &Path, programs: &Path) -> Result<()> {
    let words = ["--prefix=/usr".to_owned(), format!("--destdir={}", tree.display())];
    let more = [format!("--programs={}", programs.display())];
    install::run(&[&words[..], &more].concat())?;
    // The settings of Arch.
    std::fs::remove_dir_all(tree.join("etc"))?;
    let usr = tree.join("usr");
    for entry in std::fs::read_dir(usr.join("bin"))? {
        run_tool(Command::new("strip").arg(entry?.path()))?;
    }
    for (from, to) in MOVES {
        let to = usr.join(to);
        make_folder_of(&to)?;
        std::fs::rename(usr.join(from), &to).with_context(|| format!("could not move {from}"))?;
    }
    for (name, leads_to) in LINKS {
        symlink(leads_to, usr.join(name)).with_context(|| format!("could not make {name}"))?;
    }
    for (name, place, mode) in FILES {
        let from = root().join("packaging/debian").join(name);
        let mut install = Command::new("install");
        run_tool(install.args(["-D", "--mode", mode]).args([from, usr.join(place)]))?;
    }
    Ok(())
}

fn make_folder_of(file: &Path) -> Result<()> {
    let folder = file.parent().map(PathBuf::from).unwrap_or_default();
    std::fs::create_dir_all(&folder).with_context(|| format!("could not make {}", folder.display()))
}

fn run_tool(command: &mut Command) -> Result<()> {
    let status = command.status();
    let status =
        status.with_context(|| format!("could not start {command:?} (Debian: binutils)"))?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}
