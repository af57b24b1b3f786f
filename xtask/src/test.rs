//! `cargo xtask test`: everything that has to hold before a commit lands.

use anyhow::Result;

use crate::{build, cargo, deb, debian, fuzz, soak, tidy};

/// What the suites need of Debian: the original at the other end, compilers, makepkg, networks,
/// a terminal and a browser.
const PACKAGES: &[&str] = &[
    "distcc",
    "distcc-pump",
    "liblzo2-2",
    "makepkg",
    "fakeroot",
    "libarchive-tools",
    "make",
    "gcc",
    "g++",
    "clang",
    "gcc-aarch64-linux-gnu",
    "g++-aarch64-linux-gnu",
    "libc6-dev-arm64-cross",
    "g++-arm-linux-gnueabihf",
    "libc6-dev-armhf-cross",
    "qemu-user",
    "iproute2",
    "faketime",
    "avahi-daemon",
    "avahi-utils",
    "dbus",
    "nftables",
    "procps",
    "prometheus",
    "openssh-client",
    "openssh-server",
    "systemd",
    "lintian",
    "pacman-package-manager",
    "bash-completion",
    "zsh",
    "fish",
    "groff-base",
    "tmux",
    "chromium",
    // The build tools of docs/guide/build-tools.md.
    "cmake",
    "meson",
    "ninja-build",
    "ccache",
];

/// The workspaces beside the main one.
const OTHER_WORKSPACES: [&str; 2] = ["bench/Cargo.toml", "fuzz/Cargo.toml"];

/// Runs format, clippy, tidy, all tests, the documentation and the fuzzers for a while, and stops
/// at the first that fails.
pub(crate) fn run() -> Result<()> {
    debian::install(PACKAGES)?;
    debian::install(&identity::DEBIAN_PACKAGES)?;
    debian::install(&soundness::SHORT_DEBIAN_PACKAGES)?;
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    for manifest in OTHER_WORKSPACES {
        cargo(&["fmt", "--manifest-path", manifest, "--check"])?;
        let whole = ["--locked", "--all-targets", "--", "-D", "warnings"];
        cargo(&[&["clippy", "--manifest-path", manifest][..], &whole].concat())?;
    }
    tidy::run()?;
    build::run()?;
    deb::install_cargo_deb()?;
    cargo(&["test", "--workspace"])?;
    soak::run(soak::TEST_SECONDS)?;
    cargo(&["doc", "--workspace", "--no-deps"])?;
    fuzz::run(fuzz::DEFAULT_SECONDS)
}
