//! Modules and precompiled headers.

use super::terms::*;

const MODULES: super::Effect = Stay(Reason::Modules);

pub(super) const GROUP: Group = Group {
    title: "Modules and precompiled headers",
    note: "Files of one compiler on one machine. A header as the source, as with `-x c-header`, \
           is one of them.",
    phases: Phases::PREPROCESS.and(Phases::COMPILE),
    rows: &[
        row("-include-pch", Separate, MODULES).reads("a precompiled header").clang(""),
        row("--output-pch=", Joined, MODULES).writes("a precompiled header").gcc(""),
        row("-relocatable-pch", Alone, MODULES).clang(""),
        row("--relocatable-pch", Alone, MODULES).clang(""),
        row("-verify-pch", Alone, MODULES).reads("a precompiled header").clang(""),
        row("-fpch-", Family, MODULES).reads("a precompiled header"),
        row("-fvalidate-ast-", Family, MODULES).clang("11"),
        row("-fmodule", Family, MODULES).reads("module files").writes("module files"),
        row("-fno-modules", Alone, Compile),
        row("-fcxx-modules", Alone, MODULES).clang(""),
        row("-fsystem-module", Alone, MODULES).clang("9"),
        row("-fimplicit-module", Family, MODULES).reads("module maps").clang(""),
        row("-fbuiltin-module-map", Alone, MODULES).reads("module maps").clang(""),
        row("-fbuiltin-headers-in-system-modules", Alone, MODULES).clang("18"),
        row("-fprebuilt-", Family, MODULES).reads("module files").clang("5"),
        row("-fbuild-session-", Family, MODULES).reads("a time stamp").clang(""),
        row("-fapinotes", Family, MODULES).reads("notes beside headers").clang("19"),
        row("-iapinotes-modules", JoinedOrSeparate, MODULES).reads("notes").clang("19"),
        row("-flang-info-", Family, MODULES).gcc("11"),
        row("-fdeps-", Family, MODULES).writes("dependencies of modules").gcc("14"),
        row("-fdepscan", Family, MODULES).clang("15"),
        row("-module-", Family, MODULES).writes("module files").clang(""),
        row("--precompile", Alone, MODULES).writes("module files").clang("5"),
        row("-headerUnit", Family, MODULES).reads("module files").clang("13"),
    ],
};
