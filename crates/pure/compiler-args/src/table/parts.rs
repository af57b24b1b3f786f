//! Parts of the compiler.

use super::terms::*;

const PARTS: super::Effect = Stay(Reason::CompilerParts);

pub(super) const GROUP: Group = Group {
    title: "Parts of the compiler",
    note: "They name programs to run and libraries to load. A server refuses them from everybody.",
    phases: Phases::DRIVER,
    rows: &[
        row("-fplugin", Joined, PARTS).reads("a library"),
        row("-fpass-plugin", Joined, PARTS).reads("a library").clang("6"),
        row("-iplugindir", Joined, PARTS).reads("libraries").gcc(""),
        row("-wrapper", Separate, PARTS).reads("a program").gcc(""),
        row("-specs", Joined, PARTS).reads("rules for the driver"),
        row("--specs", Joined, PARTS).reads("rules for the driver"),
        row("-B", JoinedOrSeparate, PARTS).reads("programs"),
        row("--prefix", Separate, PARTS).reads("programs"),
        row("--prefix=", Joined, PARTS).reads("programs"),
        row("-no-integrated-cpp", Alone, PARTS).gcc(""),
        row("--no-integrated-cpp", Alone, PARTS).gcc(""),
        row("--config", Joined, PARTS).reads("options").clang("6"),
        row("--rsp-quoting=", Joined, Stay(Reason::ResponseFile)).clang("4"),
        row("--no-default-config", Alone, Compile).clang("15"),
        row("--use-integrated-", Family, PARTS).clang(""),
    ],
};
