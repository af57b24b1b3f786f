//! Words for the programs behind the driver.

use super::terms::*;

const INNER: super::Effect = Stay(Reason::InnerOption);

pub(super) const GROUP: Group = Group {
    title: "Words for inner programs",
    note: "The assembler's words leave if all of them are known to be harmless; of the others few \
           are: see [below](#harmless-inner-words).",
    phases: Phases::COMPILE.and(Phases::ASSEMBLE),
    rows: &[
        row("-Wa,", Joined, AssemblerWords),
        row("-Xassembler", Separate, AssemblerWords),
        row("--for-assembler", Separate, Stay(Reason::AssemblerOption)).gcc(""),
        row("--for-assembler=", Joined, Stay(Reason::AssemblerOption)).gcc(""),
        row("-Xclang", Separate, INNER).clang(""),
        row("-Xclang=", Joined, INNER).clang("17"),
        row("-mllvm", Separate, INNER).clang(""),
        row("-mllvm=", Joined, INNER).clang("16"),
        row("-mmlir", Separate, INNER).clang("15"),
        row("-Xanalyzer", Separate, INNER).clang(""),
        row("-Xarch_", Family, INNER).clang(""),
        row("-X", Family, INNER),
    ],
};
