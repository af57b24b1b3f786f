//! What the name of a compiler says.

use std::fmt;

/// Compilers that are one program in many versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// The GNU compilers.
    Gcc,
    /// LLVM's.
    Clang,
}

impl Family {
    /// The family as objects name it: `GCC` or `clang`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Family::Gcc => "GCC",
            Family::Clang => "clang",
        }
    }

    /// The family by that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Family> {
        [Family::Gcc, Family::Clang].into_iter().find(|family| family.name() == name)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which of a compiler's two programs a name is: they take the same source for another language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Driver {
    /// `gcc`, `cc`, `clang`.
    C,
    /// `g++`, `c++`, `clang++`.
    Cxx,
}

/// The name of a compiler in its parts: `aarch64-linux-gnu-g++-12`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompilerName<'a> {
    /// What stands in front: a target, or a word such as `c99`.
    pub prefix: Option<&'a str>,
    /// `gcc`, `g++`, `cc`, `c++`, `clang` or `clang++`.
    pub base: &'a str,
    /// The version behind it.
    pub version: Option<&'a str>,
}

/// The longest name that is looked at.
const LONGEST: usize = 128;

const BASES: [&str; 6] = ["clang++", "clang", "gcc", "g++", "c++", "cc"];

/// Words in front of a compiler's name that have no hyphen, as targets have: standards, a
/// packager's word, and machines without a system.
const SHORT_PREFIXES: [&str; 4] = ["c89", "c99", "llvm", "avr"];

impl<'a> CompilerName<'a> {
    /// Reads the name of a file. `None` for everything that is no C or C++ compiler of the
    /// families of GCC and Clang, going by the name.
    #[must_use]
    pub fn parse(name: &'a str) -> Option<CompilerName<'a>> {
        if name.len() > LONGEST {
            return None;
        }
        let (rest, version) = match name.rsplit_once('-') {
            Some((rest, version)) if is_version(version) => (rest, Some(version)),
            _ => (name, None),
        };
        BASES.into_iter().find_map(|base| {
            let before = rest.strip_suffix(base)?;
            let base = &rest[before.len()..];
            if before.is_empty() {
                return Some(CompilerName { prefix: None, base, version });
            }
            let prefix = before.strip_suffix('-').filter(|prefix| is_prefix(prefix))?;
            Some(CompilerName { prefix: Some(prefix), base, version })
        })
    }

    /// The program that the name is of.
    #[must_use]
    pub fn driver(&self) -> Driver {
        if self.base.ends_with("++") { Driver::Cxx } else { Driver::C }
    }

    /// The family, where the name says it: `cc` may be anything.
    #[must_use]
    pub fn family(&self) -> Option<Family> {
        match self.base {
            "gcc" | "g++" => Some(Family::Gcc),
            "clang" | "clang++" => Some(Family::Clang),
            _ => None,
        }
    }

    /// Whether a file that has both names may do the same by both: a C and a C++ compiler may be one
    /// file, as Clang's are, and so may those of two families be behind a wrapper.
    #[must_use]
    pub fn may_be_same(&self, other: &CompilerName<'_>) -> bool {
        let is_family = match (self.family(), other.family()) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        self.driver() == other.driver() && is_family
    }

    /// The target that stands in front.
    #[must_use]
    pub fn target(&self) -> Option<&'a str> {
        self.prefix.filter(|prefix| prefix.contains('-'))
    }
}

fn is_version(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
}

fn is_prefix(text: &str) -> bool {
    let is_target = text.contains('-')
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    is_target || SHORT_PREFIXES.contains(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: (Option<&str>, &str, Option<&str>)) {
        let got = CompilerName::parse(name).map(|name| (name.prefix, name.base, name.version));
        assert_eq!(got, Some(expected), "{name}");
    }

    #[test]
    fn a_name_has_a_target_a_program_and_a_version() {
        check("gcc", (None, "gcc", None));
        check("c++", (None, "c++", None));
        check("g++-12", (None, "g++", Some("12")));
        check("gcc-4.9.2", (None, "gcc", Some("4.9.2")));
        check("clang++-14", (None, "clang++", Some("14")));
        check("aarch64-linux-gnu-gcc", (Some("aarch64-linux-gnu"), "gcc", None));
        check("x86_64-w64-mingw32-g++", (Some("x86_64-w64-mingw32"), "g++", None));
        check("arm-none-eabi-gcc-10.2.1", (Some("arm-none-eabi"), "gcc", Some("10.2.1")));
        check("aarch64-linux-gnu-cc", (Some("aarch64-linux-gnu"), "cc", None));
        check("c99-gcc", (Some("c99"), "gcc", None));
        check("llvm-clang-19", (Some("llvm"), "clang", Some("19")));
    }

    #[test]
    fn what_is_no_compiler_has_no_such_name() {
        for name in [
            "",
            "cpp",
            "gcc-ar",
            "gcc-ar-12",
            "x86_64-linux-gnu-gcc-nm",
            "clang-cpp-14",
            "tcc",
            "gcc-",
            "-gcc",
            "c99",
            "distcc",
            "ccache",
            "clang-format",
            "lsdistcc",
            "afl-",
            "bad/target-gcc",
            "gcc-12-extra words",
        ] {
            assert_eq!(CompilerName::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_name_tells_family_and_driver_where_it_can() {
        let of = |name| {
            let name = CompilerName::parse(name).unwrap();
            (name.family(), name.driver(), name.target())
        };
        assert_eq!(of("gcc"), (Some(Family::Gcc), Driver::C, None));
        assert_eq!(of("c99-gcc"), (Some(Family::Gcc), Driver::C, None));
        assert_eq!(of("clang++-14"), (Some(Family::Clang), Driver::Cxx, None));
        assert_eq!(of("arm-none-eabi-c++"), (None, Driver::Cxx, Some("arm-none-eabi")));
    }

    #[test]
    fn c_and_cxx_compilers_are_not_the_same() {
        let check = |one, other, expected| {
            let [one, other] = [one, other].map(|name| CompilerName::parse(name).unwrap());
            assert_eq!(one.may_be_same(&other), expected);
        };
        check("gcc", "x86_64-linux-gnu-gcc-12", true);
        check("cc", "gcc", true);
        check("clang", "clang++", false);
        check("gcc", "clang", false);
    }
}
