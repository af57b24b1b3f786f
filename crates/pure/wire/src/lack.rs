//! What a server lacks that refuses to compile: for programs, where the refusal's text is for
//! people.

/// What kind of compiler a server has not got.
///
/// It travels as the standard output of a refusal, whose standard error holds the text. Only
/// clients that asked for a compiler by what it is get to see it, so that distcc 3.4 never prints
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// None for the client's machine.
    Target,
    /// Some for that machine, and none of the client's version.
    Version,
}

const PREFIX: &str = "distcc-rs:lacks-";

impl Lack {
    /// As it travels.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        format!("{PREFIX}{}\n", self.name()).into_bytes()
    }

    /// Reads the standard output of a refusal.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Lack> {
        let name = std::str::from_utf8(bytes).ok()?.strip_prefix(PREFIX)?.strip_suffix('\n')?;
        [Lack::Target, Lack::Version].into_iter().find(|lack| lack.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Lack::Target => "target",
            Lack::Version => "version",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_survives_the_way() {
        for lack in [Lack::Target, Lack::Version] {
            assert_eq!(Lack::from_bytes(&lack.to_bytes()), Some(lack));
        }
        for bytes in [&b""[..], b"distcc-rs:lacks-target", b"distcc-rs:lacks-x\n", b"\xff"] {
            assert_eq!(Lack::from_bytes(bytes), None);
        }
    }
}
