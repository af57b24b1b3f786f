//! Which names get a link.

use toolchain::CompilerName;

/// Compilers with names of their own kind that Debian's program makes links for as well.
const OTHERS: [&str; 1] = ["nvcc"];

/// Whether a program of this name is a compiler that distcc may be asked for. Source: what
/// Debian's `update-distcc-symlinks` 3.4 makes links for, and the cross compilers of others.
pub(crate) fn is_compiler(name: &str) -> bool {
    OTHERS.contains(&name) || CompilerName::parse(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_compilers_get_links_and_those_of_tools_do_not() {
        for name in ["gcc", "c++", "c89-gcc", "g++-12", "clang-19", "nvcc", "arm-none-eabi-gcc"] {
            assert!(is_compiler(name), "{name}");
        }
        for name in ["cpp", "c99", "f77", "gcc-ar", "ld", "distcc", "bin"] {
            assert!(!is_compiler(name), "{name}");
        }
    }
}
