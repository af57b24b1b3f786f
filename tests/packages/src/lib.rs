//! What the tests of packages share: the packages, made once a test program.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use support::{program, workspace};

/// Names in `/usr` and `/etc` that a test machine has of its own, not of a package: programs and
/// folders that somebody put on this machine.
const NOT_OF_A_BARE_MACHINE: [&str; 4] = ["usr/local", "root", "home", "opt"];

/// The package for Debian, of the programs under test.
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn debian_package() -> &'static Path {
    static PACKAGE: OnceLock<PathBuf> = OnceLock::new();
    PACKAGE.get_or_init(|| {
        let folder = program("distccd");
        let folder = folder.parent().expect("a program is in a folder");
        xtask(&["deb", "--programs", &folder.display().to_string()]);
        let all = std::fs::read_dir(workspace().join("target/debian")).expect("it was made");
        let mut packages = all.flatten().map(|entry| entry.path());
        let package = packages.find(|path| path.extension().is_some_and(|end| end == "deb"));
        package.expect("the package is there")
    })
}

/// Runs one of our chores.
///
/// # Panics
/// When it fails.
pub fn xtask(words: &[&str]) {
    must(Command::new(built_xtask()).args(words).current_dir(workspace()));
}

/// The program of our chores, built.
///
/// # Panics
/// When it cannot be.
#[must_use]
pub fn built_xtask() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    let words = ["build", "--quiet", "--package", "xtask", "--message-format", "json"];
    let said = must(command.args(words).current_dir(workspace()));
    // The line about the program, the only one that names an executable.
    let mark = "\"executable\":\"";
    let line = said.lines().find_map(|line| line.split_once(mark)).expect("xtask is a program");
    PathBuf::from(line.1.split('"').next().expect("the name ends"))
}

/// Runs a command of the machine that tests.
///
/// # Panics
/// When it fails: with what it said.
pub fn must(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}{errors}", output.status);
    said
}

/// Fetches packages of Debian's into `folder`.
///
/// # Panics
/// When there is no archive.
pub fn download(folder: &Path, names: &[&str]) {
    let mut command = Command::new("apt-get");
    // As root, so that the folder need not be open to the user that apt becomes for it.
    let words = ["--quiet", "--option", "APT::Sandbox::User=root", "download"];
    must(command.args(words).args(names).current_dir(folder));
}

/// A shell's commands that make the root of a machine bare: neither distcc nor ours, nor what this
/// machine has beside Debian.
#[must_use]
pub fn bare() -> String {
    let mut text = String::from(
        // Nobody reads manual pages there, and indexing them takes longer than all else.
        "rm -f \"$root/var/lib/man-db/auto-update\"\n\
         chroot \"$root\" dpkg --purge distcc-pump distcc >&2\n\
         rm -f \"$root/usr/sbin/policy-rc.d\" \"$root/etc/apt/apt.conf.d/20packagekit\"\n\
         rm -rf \"$root\"/etc/distcc \"$root\"/etc/conf.d \"$root\"/usr/lib/distcc\n\
         cat /etc/hosts > \"$root/etc/hosts\"\n",
    );
    let sources = workspace();
    let sources = sources.strip_prefix("/").unwrap_or(&sources).display().to_string();
    for folder in NOT_OF_A_BARE_MACHINE.into_iter().chain([sources.as_str()]) {
        text.push_str(&format!(
            "if [ -d \"$root/{folder}\" ]; then mount -t tmpfs none \"$root/{folder}\"; fi\n"
        ));
    }
    text
}
