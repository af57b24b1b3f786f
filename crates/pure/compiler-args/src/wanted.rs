//! Which compiler a client means, beyond its name.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

/// The word that our client puts behind the compiler when it says which one it means. Only sent to
/// servers that said they understand it, and refused by all others as an option that nobody knows.
pub const COMPILER_MARK: &str = "--distcc-compiler=";

/// The longest part of such a word that is believed.
const LONGEST: usize = 64;

/// A compiler by what it is: `gcc` is another program on each kind of machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WantedCompiler {
    target: String,
    family: String,
    version: String,
}

impl WantedCompiler {
    /// The compiler of `family`, `GCC` or `clang`, in its whole `version`, such as `12.2.0`, that
    /// compiles for `target`, such as `aarch64-linux-gnu`. `None` when these are no such words.
    #[must_use]
    pub fn new(target: &str, family: &str, version: &str) -> Option<WantedCompiler> {
        let is_word = |text: &str| {
            text.len() <= LONGEST
                && text.starts_with(|first: char| first.is_ascii_alphanumeric())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte))
        };
        let [target, family, version] = [target, family, version];
        (is_word(target) && is_word(family) && is_word(version)).then(|| WantedCompiler {
            target: target.to_owned(),
            family: family.to_owned(),
            version: version.to_owned(),
        })
    }

    /// The word as it travels: behind the compiler, before everything else.
    #[must_use]
    pub fn to_word(&self) -> OsString {
        let WantedCompiler { target, family, version } = self;
        format!("{COMPILER_MARK}{target},{family},{version}").into()
    }

    /// Reads it from the command in which it stands.
    #[must_use]
    pub fn of_command(words: &[OsString]) -> Option<WantedCompiler> {
        let mark = words.get(1)?.as_bytes().strip_prefix(COMPILER_MARK.as_bytes())?;
        let mut parts = std::str::from_utf8(mark).ok()?.split(',');
        let wanted = WantedCompiler::new(parts.next()?, parts.next()?, parts.next()?)?;
        parts.next().is_none().then_some(wanted)
    }

    /// For which machine it compiles, in its own words.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// `GCC` or `clang`.
    #[must_use]
    pub fn family(&self) -> &str {
        &self.family
    }

    /// Its whole version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }
}

impl fmt::Display for WantedCompiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} for {}", self.family, self.version, self.target)
    }
}

/// Whether a command says itself for which machine it compiles: Clang's `-target` wins over what
/// the compiler would do by itself.
#[must_use]
pub fn names_target(words: &[OsString]) -> bool {
    words.iter().any(|word| {
        let word = word.as_bytes();
        word == b"-target" || word == b"--target" || word.starts_with(b"--target=")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn the_compiler_that_is_meant_survives_the_way() {
        let wanted = WantedCompiler::new("aarch64-linux-gnu", "GCC", "12.2.0").unwrap();
        assert_eq!(wanted.to_string(), "GCC 12.2.0 for aarch64-linux-gnu");
        let command = ["gcc".into(), wanted.to_word(), "-c".into()];
        assert_eq!(WantedCompiler::of_command(&command), Some(wanted));
    }

    #[test]
    fn what_is_no_mark_means_nothing() {
        for command in [
            "gcc",
            "gcc -c a.c",
            "gcc --distcc-compiler=",
            "gcc --distcc-compiler=arm-none-eabi,GCC",
            "gcc --distcc-compiler=arm-none-eabi,GCC,12,3",
            "gcc --distcc-compiler=../x,GCC,12",
            "gcc --distcc-compiler=-x,GCC,12",
            "gcc -c --distcc-compiler=arm-none-eabi,GCC,12",
        ] {
            assert_eq!(WantedCompiler::of_command(&words(command)), None, "{command}");
        }
        assert_eq!(WantedCompiler::new(&"x".repeat(65), "GCC", "12"), None);
    }

    #[test]
    fn a_command_may_name_its_target() {
        assert!(names_target(&words("clang -c a.c -target arm-none-eabi")));
        assert!(names_target(&words("clang --target=arm-none-eabi -c a.c")));
        assert!(!names_target(&words("clang -c target.c")));
    }
}
