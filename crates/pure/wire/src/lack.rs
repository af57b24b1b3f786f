//! What a server lacks that refuses to compile: for programs, where the refusal's text is for
//! people.

/// What a server has not got that a job takes.
///
/// It travels as the standard output of a refusal, whose standard error holds the text. Only
/// clients that asked for a compiler by what it is, or for kept files, get to see it, so that
/// distcc 3.4 never prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// A compiler for the client's machine.
    Target,
    /// One of the client's version; it has others for that machine.
    Version,
    /// A folder in its `PATH`: the compiler is there, and it does not find it.
    Path,
    /// A file that the client takes for kept.
    Files,
}

const PREFIX: &str = "distcc-rs:lacks-";

impl Lack {
    const ALL: [Lack; 4] = [Lack::Target, Lack::Version, Lack::Path, Lack::Files];

    /// As it travels.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        format!("{PREFIX}{}\n", self.name()).into_bytes()
    }

    /// Reads the standard output of a refusal.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Lack> {
        let name = std::str::from_utf8(bytes).ok()?.strip_prefix(PREFIX)?.strip_suffix('\n')?;
        Lack::ALL.into_iter().find(|lack| lack.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Lack::Target => "target",
            Lack::Version => "version",
            Lack::Path => "path",
            Lack::Files => "files",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_survives_the_way() {
        for lack in Lack::ALL {
            assert_eq!(Lack::from_bytes(&lack.to_bytes()), Some(lack));
        }
        for bytes in [&b""[..], b"distcc-rs:lacks-target", b"distcc-rs:lacks-x\n", b"\xff"] {
            assert_eq!(Lack::from_bytes(bytes), None);
        }
    }
}
