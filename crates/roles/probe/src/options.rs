//! The command line.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use wire::Version;

use crate::names::{Format, Names};

/// What to do, with the defaults of distcc 3.4. Source: lsdistcc(1) and the program's behavior.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Whom to ask.
    pub(crate) names: Names,
    /// `-l`: tell how long each server took, in milliseconds.
    pub(crate) latency: bool,
    /// `-n`: print addresses, not names.
    pub(crate) numeric: bool,
    /// `-x`: print hosts that do not answer, with `,down`.
    pub(crate) mark_down: bool,
    /// `-t`: the whole search ends after so long. Zero: when everybody was asked.
    pub(crate) time_limit: Option<Duration>,
    /// `-h`: a name that was not found after so long is looked up again. Zero: never.
    pub(crate) lookup_patience: Duration,
    /// `-c`: the longest wait for a connection. Zero: names that can be looked up are enough.
    pub(crate) connect_limit: Duration,
    /// `-k`: the longest wait for the compile. Zero: a connection is enough.
    pub(crate) compile_limit: Duration,
    /// `-m`: so many bits of each address are those of the first host's.
    pub(crate) n_common_bits: u32,
    /// `-o`: names looked up beyond the one that is waited for.
    pub(crate) n_ahead: usize,
    /// `-g`: names of a format that may be missing before the search ends.
    pub(crate) n_gaps: usize,
    /// `-r`: the port of the servers.
    pub(crate) port: u16,
    /// `-P`: the protocol to ask in, which is also that of the host options that are printed.
    pub(crate) version: Version,
    /// `-p`: the compiler to ask for.
    pub(crate) compiler: Option<String>,
    /// `-d`: our own domain is part of the names.
    pub(crate) add_domain: bool,
    /// `-v`: tell on standard error what is done.
    pub(crate) verbose: bool,
    /// `--zeroconf`: find those that announce themselves instead.
    pub(crate) zeroconf: bool,
    /// `--keep-in=FOLDER`: of our client, which wants those that zeroconf finds in this state
    /// folder.
    pub(crate) keep_in: Option<PathBuf>,
}

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Help(&'static str),
    Probe(Box<Options>),
}

/// What is wrong with the command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) text: String,
    pub(crate) hint: String,
}

impl Usage {
    fn new(text: impl Into<String>, hint: impl Into<String>) -> Usage {
        Usage { text: text.into(), hint: hint.into() }
    }
}

const HELP: &str = "\
usage: lsdistcc [OPTIONS] [FORMAT]
       lsdistcc [OPTIONS] HOST...
       lsdistcc --zeroconf [-tSECONDS] [-v]

Prints the hosts on which a distcc server listens, for a host list: those named, or those whose
names FORMAT makes (default distcc%d: distcc1, distcc2 ... up to the first that does not exist).

  -l           print the milliseconds until each one's answer
  -n           print addresses, not names
  -x           print hosts that do not answer too, with `,down` behind them
  -tSECONDS    end the search after so long (default 7)
  -hMS         look up a name again after so many milliseconds (default 500)
  -cMS         the longest wait for a connection (default 900; 0: do not connect)
  -kMS         the longest wait for a compile (default 1500; 0: do not compile)
  -mBITS       so many bits of each address have to be those of the first one's (default 0)
  -oN          look up N names ahead (default 1)
  -gN          of a format, pass over N names that do not exist (default 0)
  -rPORT       the port of the servers (default 3632)
  -PVERSION    the protocol to ask in, 1 to 3 (default 1)
  -pCOMPILER   ask each server to compile something with this compiler
  -d           add this machine's domain to the names
  -v           tell what is done, on standard error
  --zeroconf   print the servers that announce themselves on this network, with their slots,
               if their gcc is that of this machine; -t: listen for so long (default 1.5)
  --help       print how it is used

Values follow their letter directly. The exit status is 0 if a server was found, else 1.
";

/// Milliseconds and seconds beyond this are taken for this: a day.
const LONGEST: u64 = 86_400_000;

/// Reads the words, our own name first.
pub(crate) fn read(args: impl Iterator<Item = OsString>) -> Result<Request, Usage> {
    let mut options = Options {
        names: Names::Format(Format::default()),
        latency: false,
        numeric: false,
        mark_down: false,
        time_limit: None,
        lookup_patience: Duration::from_millis(500),
        connect_limit: Duration::from_millis(900),
        compile_limit: Duration::from_millis(1500),
        n_common_bits: 0,
        n_ahead: 1,
        n_gaps: 0,
        port: 3632,
        version: Version::V1,
        compiler: None,
        add_domain: false,
        verbose: false,
        zeroconf: false,
        keep_in: None,
    };
    let mut names = Vec::new();
    for word in args.skip(1) {
        if let Some(folder) = word.as_bytes().strip_prefix(b"--keep-in=") {
            options.keep_in = Some(OsStr::from_bytes(folder).into());
            continue;
        }
        let word = word.into_string().map_err(|word| {
            let word = word.to_string_lossy().into_owned();
            Usage::new(format!("`{}` is not UTF-8 text", word.escape_debug()), "")
        })?;
        match word.strip_prefix('-') {
            Some("-help") => return Ok(Request::Help(HELP)),
            Some("-zeroconf") => options.zeroconf = true,
            Some(letters) => take(&mut options, &word, letters)?,
            None => names.push(word),
        }
    }
    if options.zeroconf && !names.is_empty() {
        return Err(Usage::new("--zeroconf takes no hosts: it finds them", ""));
    }
    if let Some(named) = Names::of(names).map_err(|text| Usage::new(text, FORMAT_HINT))? {
        options.names = named;
    }
    Ok(Request::Probe(Box::new(options)))
}

const FORMAT_HINT: &str = "a format stands alone and has one %d, as in `farm%d` or `farm%02d`";

/// Takes the letters of one word: any number of those without a value, then perhaps one with.
fn take(options: &mut Options, word: &str, letters: &str) -> Result<(), Usage> {
    if letters.is_empty() || letters.starts_with('-') {
        return Err(unknown(word));
    }
    for (position, letter) in letters.char_indices() {
        let value = &letters[position + letter.len_utf8()..];
        let number = |least: u64, most: u64| number(letter, value, least, most);
        match letter {
            'l' => options.latency = true,
            'n' => options.numeric = true,
            'x' => options.mark_down = true,
            'd' => options.add_domain = true,
            'v' => options.verbose = true,
            't' => options.time_limit = Some(Duration::from_secs(number(0, LONGEST / 1000)?)),
            'h' => options.lookup_patience = Duration::from_millis(number(0, LONGEST)?),
            'c' => options.connect_limit = Duration::from_millis(number(0, LONGEST)?),
            'k' => options.compile_limit = Duration::from_millis(number(0, LONGEST)?),
            'm' => options.n_common_bits = number(0, 31)? as u32,
            'o' => options.n_ahead = number(0, 1000)? as usize,
            'g' => options.n_gaps = number(0, 1000)? as usize,
            'r' => options.port = number(1, 65_535)? as u16,
            'P' => {
                options.version = match number(1, 3)? {
                    1 => Version::V1,
                    2 => Version::V2,
                    _ => Version::V3,
                };
            }
            'p' if value.is_empty() => {
                return Err(Usage::new("-p lacks its compiler", "write it as in -pgcc"));
            }
            'p' => options.compiler = Some(value.to_owned()),
            _ => return Err(unknown(word)),
        }
        if !"lnxdv".contains(letter) {
            break;
        }
    }
    Ok(())
}

fn unknown(word: &str) -> Usage {
    Usage::new(
        format!("`{}` is no option of lsdistcc", word.escape_debug()),
        "lsdistcc --help lists the options",
    )
}

fn number(letter: char, value: &str, least: u64, most: u64) -> Result<u64, Usage> {
    if value.is_empty() {
        return Err(Usage::new(
            format!("-{letter} lacks its value"),
            format!("the value follows directly, as in -{letter}{most}"),
        ));
    }
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = value.parse().ok().filter(|number| digits && (least..=most).contains(number));
    parsed.ok_or_else(|| {
        Usage::new(
            format!("-{letter} takes a number from {least} to {most}, not `{}`", {
                value.escape_debug()
            }),
            "",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(command: &str) -> Options {
        let words = command.split_whitespace().map(OsString::from);
        match read(std::iter::once("lsdistcc".into()).chain(words)) {
            Ok(Request::Probe(options)) => *options,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn refuses(command: &str, expected: &str) {
        let words = command.split_whitespace().map(OsString::from);
        let got = read(std::iter::once("lsdistcc".into()).chain(words));
        assert_eq!(got.unwrap_err().text, expected);
    }

    #[test]
    fn letters_may_be_joined() {
        let options = options("-lnx -vt5 red");
        assert!(options.latency && options.numeric && options.mark_down && options.verbose);
        assert_eq!(options.time_limit, Some(Duration::from_secs(5)));
        assert_eq!(options.names, Names::List(vec!["red".to_owned()]));
    }

    #[test]
    fn options_may_follow_hosts() {
        assert!(options("red -x blue").mark_down);
    }

    #[test]
    fn without_names_they_are_distcc_and_a_number() {
        let Names::Format(format) = options("-pgcc").names else { panic!() };
        assert_eq!(format.name(12), "distcc12");
    }

    #[test]
    fn values_have_ranges() {
        refuses("--zeroconf red", "--zeroconf takes no hosts: it finds them");
        refuses("-P4", "-P takes a number from 1 to 3, not `4`");
        refuses("-r0", "-r takes a number from 1 to 65535, not `0`");
        refuses("-m32", "-m takes a number from 0 to 31, not `32`");
        refuses("-tx", "-t takes a number from 0 to 86400, not `x`");
        refuses("-c+5", "-c takes a number from 0 to 86400000, not `+5`");
        refuses("-c 900", "-c lacks its value");
        refuses("-p", "-p lacks its compiler");
        refuses("-q", "`-q` is no option of lsdistcc");
        refuses("-", "`-` is no option of lsdistcc");
        refuses("--", "`--` is no option of lsdistcc");
    }
}
