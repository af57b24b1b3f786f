//! How we were called.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What the words of our command line ask for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Invocation {
    /// A question to distcc itself.
    Own(OwnCommand),
    /// A compiler's command, the compiler first.
    Compile(Vec<OsString>),
    /// The same, by a link whose name is the compiler's.
    Masquerade(Vec<OsString>),
    /// `--doctor` and the words after it.
    Doctor(Vec<OsString>),
    /// `--explain` and the words after it.
    Explain(Vec<OsString>),
    /// `--scan-includes` and the words after it.
    ScanIncludes(Vec<OsString>),
    /// `--report` and the words after it.
    Report(Vec<OsString>),
    /// Nothing that makes sense, and why.
    Usage(String),
}

/// Questions to distcc itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnCommand {
    Help,
    Version,
    ShowHosts,
    Slots,
    ShowPrincipal,
}

/// The compiler that `distcc ARGS...` without a compiler means. Source: distcc(1) 3.4.
const IMPLIED_COMPILER: &str = "cc";

/// Reads the words, our own name first.
pub(crate) fn read(args: impl Iterator<Item = OsString>) -> Invocation {
    let mut words: Vec<OsString> = args.collect();
    let own_name = words.first().map(|word| base_name(word)).unwrap_or_default();
    if !own_name.is_empty() && !own_name.as_bytes().starts_with(b"distcc") {
        // A masquerade link: its name is the compiler's.
        words[0] = own_name;
        return Invocation::Masquerade(words);
    }
    let Some(first) = words.get(1) else {
        return Invocation::Usage("no command given".to_owned());
    };
    let command = match first.as_bytes() {
        b"--help" => OwnCommand::Help,
        b"--version" => OwnCommand::Version,
        b"--show-hosts" => OwnCommand::ShowHosts,
        b"-j" => OwnCommand::Slots,
        b"--doctor" => return Invocation::Doctor(words.split_off(2)),
        b"--explain" => return Invocation::Explain(words.split_off(2)),
        b"--report" => return Invocation::Report(words.split_off(2)),
        b"--show-principal" => OwnCommand::ShowPrincipal,
        b"--scan-includes" if words.len() > 2 => {
            return Invocation::ScanIncludes(words.split_off(2));
        }
        b"--scan-includes" => {
            return Invocation::Usage("`--scan-includes` lacks its command".to_owned());
        }
        _ => {
            let command = command(&words[1..]).unwrap_or_default();
            return Invocation::Compile(command);
        }
    };
    Invocation::Own(command)
}

/// The command that `words` (without our own name) are, the compiler first; `None` when there are
/// no words.
pub(crate) fn command(words: &[OsString]) -> Option<Vec<OsString>> {
    let is_implied = match words.first()?.as_bytes() {
        [b'-', ..] | [] => true,
        name => is_file_of_a_compile(name),
    };
    let compiler = is_implied.then(|| IMPLIED_COMPILER.into());
    Some(compiler.into_iter().chain(words.iter().cloned()).collect())
}

fn base_name(word: &OsStr) -> OsString {
    Path::new(word).file_name().unwrap_or_default().to_owned()
}

/// Whether a word in the compiler's place is a source or an object instead.
fn is_file_of_a_compile(name: &[u8]) -> bool {
    const EXTENSIONS: [&str; 18] = [
        "c", "cc", "cpp", "cxx", "cp", "c++", "C", "i", "ii", "m", "mm", "mi", "mii", "M", "s",
        "S", "o", "a",
    ];
    let extension = Path::new(OsStr::from_bytes(name)).extension();
    extension.is_some_and(|found| EXTENSIONS.iter().any(|known| found == *known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(command: &str, expected: &str) {
        let got = match read(command.split(' ').map(OsString::from)) {
            Invocation::Compile(words) | Invocation::Masquerade(words) => {
                words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
            }
            other => format!("{other:?}"),
        };
        assert_eq!(got, expected);
    }

    #[test]
    fn the_compiler_is_named_implied_or_our_own_name() {
        check("/usr/bin/distcc gcc -c a.c", "gcc -c a.c");
        check("distcc -c a.c", "cc -c a.c");
        check("distcc a.c -c", "cc a.c -c");
        check("/usr/lib/distcc/g++-12 -c a.cc", "g++-12 -c a.cc");
        check("distcc /opt/x/gcc.real -c a.c", "/opt/x/gcc.real -c a.c");
    }

    #[test]
    fn questions_are_no_compiles() {
        check("distcc --version", "Own(Version)");
        check("distcc -j", "Own(Slots)");
        check("distcc --doctor --json", "Doctor([\"--json\"])");
        check("distcc --report --json", "Report([\"--json\"])");
        check("gcc --version", "gcc --version");
        check("distcc --show-principal", "Own(ShowPrincipal)");
        check("distcc --scan-includes gcc -c a.c", "ScanIncludes([\"gcc\", \"-c\", \"a.c\"])");
        check("distcc --scan-includes", "Usage(\"`--scan-includes` lacks its command\")");
        check("distcc", "Usage(\"no command given\")");
    }
}
