//! The command line.

use std::ffi::OsString;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A build, from its first word on.
    Run(Vec<OsString>),
    Startup,
    Shutdown,
    Print(String),
}

const HELP: &str = "\
usage: pump COMMAND [ARGUMENTS...]
       pump --startup
       pump --shutdown
       pump --help | --version

Runs COMMAND, such as `make -j20`, with distcc first in PATH, and has servers preprocess the sources
as well where they can. distcc does that by itself; pump has its agent there from the first compile, can
put the host list together, and serves clients of distcc 3.4.

  --startup   print the variables for a shell to set, as in
              `eval \"$(pump --startup)\"; make -j20; pump --shutdown`
  --shutdown  end what --startup has started

  DISTCC_POTENTIAL_HOSTS   machines of which those that answer become DISTCC_HOSTS
  LSDISTCC_ARGS            more words for lsdistcc, which asks them
  DISTCC_LOCATION          the folder of distcc; default pump's own
";

/// Reads the words, our own name first.
///
/// # Errors
/// What is wrong with them.
pub(crate) fn read(args: impl Iterator<Item = OsString>) -> Result<Request, String> {
    let mut words: Vec<OsString> = args.skip(1).collect();
    let alone = |request| if words.len() == 1 { Ok(request) } else { Err(too_many(&words)) };
    let Some(first) = words.first() else { return Ok(Request::Print(HELP.to_owned())) };
    match first.to_str() {
        Some("-h" | "--help") => Ok(Request::Print(HELP.to_owned())),
        Some("--version") => {
            Ok(Request::Print(format!("pump {} (distcc-rs)\n", env!("CARGO_PKG_VERSION"))))
        }
        Some("--startup") => alone(Request::Startup),
        Some("--shutdown") => alone(Request::Shutdown),
        Some("--") if words.len() > 1 => Ok(Request::Run(words.split_off(1))),
        Some(word) if word.starts_with('-') => Err(format!("`{word}` is no option")),
        _ => Ok(Request::Run(words)),
    }
}

fn too_many(words: &[OsString]) -> String {
    format!("`{}` takes no more words", words[0].display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(command: &str, expected: Result<Request, &str>) {
        let words = command.split(' ').map(OsString::from);
        assert_eq!(read(words), expected.map_err(str::to_owned), "{command}");
    }

    #[test]
    fn a_command_keeps_its_own_options() {
        let run = |words: &[&str]| Ok(Request::Run(words.iter().map(OsString::from).collect()));
        check("pump make -j4 --help", run(&["make", "-j4", "--help"]));
        check("pump -- -x", run(&["-x"]));
        check("pump --startup", Ok(Request::Startup));
        check("pump --shutdown", Ok(Request::Shutdown));
        check("pump --startup make", Err("`--startup` takes no more words"));
        check("pump --start", Err("`--start` is no option"));
        assert!(matches!(read(["pump".into()].into_iter()), Ok(Request::Print(_))));
    }
}
