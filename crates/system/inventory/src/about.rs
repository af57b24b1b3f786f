//! What a compiler says of itself, read.

use std::fmt;

use toolchain::{CompilerVersion, Family};

/// What a compiler is, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// For which machine it compiles: what `-dumpmachine` says.
    pub target: String,
    /// Which compiler it is.
    pub family: Family,
    /// Its whole version, such as `12.2.0`, as it writes it into objects.
    pub version: String,
}

/// Why a compiler is not known: it did not say what it is, for this reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown(pub String);

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The longest name of a target, and the longest version, that is believed.
const LONGEST: usize = 64;

impl About {
    /// The target that Clang's answer to `--version` names: it then need not be asked for it.
    #[must_use]
    pub fn named_target(version: &str) -> Option<&str> {
        let is_clang = version.lines().next()?.contains("clang version ");
        version.lines().find_map(|line| line.strip_prefix("Target: ")).filter(|_| is_clang)
    }

    /// Reads the answers to `-dumpmachine` and `--version`.
    ///
    /// # Errors
    /// When they are not those of a compiler of a known family.
    pub fn read(machine: &str, version: &str) -> Result<About, Unknown> {
        let target = machine.trim();
        if !is_target(target) {
            return Err(Unknown("what it answers to -dumpmachine is no target".to_owned()));
        }
        let line = version.lines().next().unwrap_or_default();
        // As it stands in objects: `GCC: (Debian 12.2.0-14) 12.2.0`.
        let comment = match line.split_once(" (") {
            Some((_, rest)) if version.contains("Free Software Foundation") => {
                format!("GCC: ({rest}")
            }
            _ => line.to_owned(),
        };
        let known = CompilerVersion::of_comment(&comment)
            .and_then(|known| Some((Family::from_name(known.family)?, known.version)));
        match known {
            Some((family, version)) if is_version(&version) => {
                Ok(About { target: target.to_owned(), family, version })
            }
            _ => Err(Unknown("what it answers to --version is neither GCC's nor clang's".into())),
        }
    }
}

fn is_target(text: &str) -> bool {
    text.len() <= LONGEST
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn is_version(text: &str) -> bool {
    text.len() <= LONGEST
        && text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(machine: &str, version: &str, expected: Option<(&str, Family, &str)>) {
        let about = About::read(machine, version).ok();
        let got = about.as_ref().map(|a| (a.target.as_str(), a.family, a.version.as_str()));
        assert_eq!(got, expected);
    }

    const GNU: &str = "\nCopyright (C) 2022 Free Software Foundation, Inc.\n";

    #[test]
    fn compilers_tell_target_family_and_version() {
        check(
            "x86_64-linux-gnu\n",
            &format!("gcc (Debian 12.2.0-14+deb12u1) 12.2.0{GNU}"),
            Some(("x86_64-linux-gnu", Family::Gcc, "12.2.0")),
        );
        check(
            "aarch64-unknown-linux-gnu\n",
            &format!("aarch64-unknown-linux-gnu-g++ (GCC) 13.1.1 20230429{GNU}"),
            Some(("aarch64-unknown-linux-gnu", Family::Gcc, "13.1.1")),
        );
        check(
            "x86_64-pc-linux-gnu",
            "Debian clang version 14.0.6\nTarget: x86_64-pc-linux-gnu\n",
            Some(("x86_64-pc-linux-gnu", Family::Clang, "14.0.6")),
        );
        check(
            "x86_64-pc-linux-gnu",
            "Ubuntu clang version 14.0.0-1ubuntu1\n",
            Some(("x86_64-pc-linux-gnu", Family::Clang, "14.0.0")),
        );
    }

    #[test]
    fn clang_names_its_target_along_with_its_version() {
        let clang = "Debian clang version 14.0.6\nTarget: x86_64-pc-linux-gnu\n";
        assert_eq!(About::named_target(clang), Some("x86_64-pc-linux-gnu"));
        assert_eq!(About::named_target(&format!("gcc (GCC) 12.2.0{GNU}Target: x")), None);
        assert_eq!(About::named_target(""), None);
    }

    #[test]
    fn what_is_no_answer_of_a_compiler_is_not_believed() {
        check("", &format!("gcc (GCC) 12.2.0{GNU}"), None);
        check("two words", &format!("gcc (GCC) 12.2.0{GNU}"), None);
        check("../x", &format!("gcc (GCC) 12.2.0{GNU}"), None);
        check("x86_64-linux-gnu", "", None);
        check("x86_64-linux-gnu", "tcc version 0.9.27 (x86_64 Linux)\n", None);
        check("x86_64-linux-gnu", &format!("gcc (GCC) x;y{GNU}"), None);
        check("x86_64-linux-gnu", &format!("gcc (GCC) {}{GNU}", "1".repeat(65)), None);
    }
}
