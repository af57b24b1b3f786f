//! The `distcc` command. Everything it does is in the `client` crate.

use std::process::ExitCode;

use client::{LookUp, Settings};

/// What is installed is linked statically (`cargo xtask build`), for the sake of its start-up. A
/// static glibc must not look up names, so another program does.
const IS_STATIC_GLIBC: bool = cfg!(all(target_feature = "crt-static", target_env = "gnu"));

fn main() -> ExitCode {
    let look_up = if IS_STATIC_GLIBC { LookUp::OUTSIDE } else { LookUp::inside() };
    client::main(std::env::args_os(), Settings::from_env(look_up))
}
