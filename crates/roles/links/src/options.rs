//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::{Arg, Parser};

/// What to do, with its defaults.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// `--dir`: the folder of the whitelist; default `/usr/lib/distcc`.
    pub(crate) folder: PathBuf,
    /// `--distcc`: what the links lead to; default the one beside this program, else
    /// `/usr/bin/distcc`.
    pub(crate) distcc: Option<PathBuf>,
    /// `--compiler-folder`, as often as given: where to look beside the system's folders.
    pub(crate) more: Vec<PathBuf>,
    /// `--dry-run`: say what would be done, and do nothing.
    pub(crate) dry_run: bool,
}

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Update(Options),
    Print(String),
}

const HELP: &str = "\
usage: update-distcc-symlinks [OPTIONS]

Makes the links that name the compilers of this machine: in /usr/lib/distcc those that
distccd may run for others, in /usr/lib/distcc/bin those to put first in PATH. Removes its
own links of compilers that are gone. Says what it does.

  -n, --dry-run            say what would be done, and do nothing
  --dir DIR                another folder than /usr/lib/distcc
  --compiler-folder DIR    look for compilers in DIR, too; may be repeated
  --distcc PATH            what the links lead to
                           (default: the distcc beside this program, or /usr/bin/distcc)
  --help, --version
";

/// Reads the words, our own name first.
///
/// # Errors
/// What is wrong with them.
pub(crate) fn read(args: impl Iterator<Item = OsString>) -> Result<Request, String> {
    let mut options = Options {
        folder: "/usr/lib/distcc".into(),
        distcc: None,
        more: Vec::new(),
        dry_run: false,
    };
    let mut parser = Parser::from_iter(args);
    let text = |error: lexopt::Error| error.to_string();
    while let Some(argument) = parser.next().map_err(text)? {
        match argument {
            Arg::Long("help") => return Ok(Request::Print(HELP.to_owned())),
            Arg::Long("version") => {
                let version = env!("CARGO_PKG_VERSION");
                return Ok(Request::Print(format!(
                    "update-distcc-symlinks {version} (distcc-rs)\n"
                )));
            }
            Arg::Long("dry-run") | Arg::Short('n') => options.dry_run = true,
            Arg::Long("dir") => options.folder = absolute(&mut parser, "--dir")?,
            Arg::Long("distcc") => options.distcc = Some(absolute(&mut parser, "--distcc")?),
            Arg::Long("compiler-folder") => {
                options.more.push(absolute(&mut parser, "--compiler-folder")?);
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    Ok(Request::Update(options))
}

/// A path that links can be made of.
fn absolute(parser: &mut Parser, option: &str) -> Result<PathBuf, String> {
    let value = parser.value().map_err(|_| format!("{option} lacks its value"))?;
    std::path::absolute(&value).map_err(|error| format!("{option}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn read(command: &str) -> Result<Request, String> {
        let words = command.split(' ').filter(|word| !word.is_empty()).map(OsString::from);
        super::read(std::iter::once("update-distcc-symlinks".into()).chain(words))
    }

    #[test]
    fn options_have_values_and_defaults() {
        let Ok(Request::Update(options)) = read("") else { panic!("{:?}", read("")) };
        assert_eq!(options.folder, PathBuf::from("/usr/lib/distcc"));
        let words = "-n --dir /x --compiler-folder=/a --compiler-folder /b --distcc /y/distcc";
        let Ok(Request::Update(options)) = read(words) else { panic!("{:?}", read(words)) };
        assert_eq!(options.more, [PathBuf::from("/a"), PathBuf::from("/b")]);
        assert_eq!(options.distcc, Some("/y/distcc".into()));
        assert!(options.dry_run && options.folder == Path::new("/x"));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (words, part) in [("--dir", "--dir"), ("--dir=", "--dir"), ("-x", "-x"), ("gcc", "gcc")]
        {
            assert!(read(words).unwrap_err().contains(part), "{words}");
        }
    }
}
