//! The command line of `distccmon`.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::web;

/// What `--help` says, and a wrong command line is told.
pub(crate) const USAGE: &str = "\
usage: distccmon [--interval SECONDS]
       distccmon --json [--once] [--interval SECONDS]
       distccmon --web [ADDRESS] [--interval SECONDS]
       distccmon --trace FILE

Shows what the distcc clients of this user are doing, and what became of the
last build.

Without one of these, on a screen: `?` tells the keys, `q` quits.

  --json               write one JSON object a line, again and again
  --once               write one object and no more
  --web [ADDRESS]      serve a page for browsers; ADDRESS, PORT or ADDRESS:PORT to
                       listen on, else 127.0.0.1:3634
  --trace FILE         write the last build for Perfetto and Chrome's DevTools; `-`:
                       to standard output
  --interval SECONDS   how often to look (default 1; fractions are understood)
  --help, --version
";

/// How often to look unless told otherwise.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);

/// What an interval may be: more often would show nothing new and keep a processor busy.
const INTERVALS: std::ops::RangeInclusive<f64> = 0.05..=3600.0;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Help,
    Version,
    Show { how: How, interval: Duration },
}

/// How to show it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// On a terminal's screen.
    Screen,
    /// As JSON, once or again and again.
    Json { once: bool },
    /// As a page, served at this address; `None`: the usual one.
    Web(Option<SocketAddr>),
    /// As a trace of the last build, into this file.
    Trace(PathBuf),
}

impl Asked {
    /// Reads the words behind the command's name.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn read(words: impl IntoIterator<Item = OsString>) -> Result<Asked, String> {
        use lexopt::Arg::{Long, Value};
        let mut words = lexopt::Parser::from_args(words);
        let (mut how, mut once, mut interval) = (None, false, DEFAULT_INTERVAL);
        while let Some(word) = words.next().map_err(|error| error.to_string())? {
            match word {
                Long("help") => return Ok(Asked::Help),
                Long("version") => return Ok(Asked::Version),
                Long("json") => decide(&mut how, How::Json { once: false })?,
                Long("trace") => decide(&mut how, How::Trace(value(&mut words)?.into()))?,
                Long("web") => {
                    let word = words.optional_value();
                    decide(&mut how, How::Web(web_address(word)?))?;
                }
                Value(word) if how == Some(How::Web(None)) => {
                    how = Some(How::Web(web_address(Some(word))?));
                }
                Long("once") => once = true,
                Long("interval") => interval = seconds(&value(&mut words)?)?,
                other => return Err(other.unexpected().to_string()),
            }
        }
        let how = match (how, once) {
            (Some(How::Json { .. }), once) => How::Json { once },
            (_, true) => return Err("`--once` goes with `--json` alone".to_owned()),
            (Some(how), false) => how,
            (None, false) => How::Screen,
        };
        Ok(Asked::Show { how, interval })
    }
}

/// Notes how to show it, once.
fn decide(how: &mut Option<How>, word: How) -> Result<(), String> {
    match how.replace(word) {
        None => Ok(()),
        Some(_) => Err("there is one way to show it at a time".to_owned()),
    }
}

fn web_address(word: Option<OsString>) -> Result<Option<SocketAddr>, String> {
    let word = word.map(|word| word.to_string_lossy().into_owned());
    web::address(word.as_deref())
}

fn value(words: &mut lexopt::Parser) -> Result<OsString, String> {
    words.value().map_err(|error| error.to_string())
}

fn seconds(word: &std::ffi::OsStr) -> Result<Duration, String> {
    let number = word.to_str().and_then(|text| text.parse::<f64>().ok());
    let number = number.filter(|seconds| INTERVALS.contains(seconds));
    number.map(Duration::from_secs_f64).ok_or_else(|| {
        let (least, most) = INTERVALS.into_inner();
        format!("`{}` is no number of seconds from {least} to {most}", word.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Asked, String> {
        Asked::read(words.iter().map(OsString::from))
    }

    #[test]
    fn json_comes_once_or_again_and_again() {
        let show = |once, interval| {
            Ok(Asked::Show { how: How::Json { once }, interval: Duration::from_millis(interval) })
        };
        assert_eq!(read(&["--json"]), show(false, 1000));
        assert_eq!(read(&["--json", "--once"]), show(true, 1000));
        assert_eq!(read(&["--interval=0.25", "--json"]), show(false, 250));
    }

    #[test]
    fn a_screen_is_what_one_gets() {
        let interval = DEFAULT_INTERVAL;
        assert_eq!(read(&[]), Ok(Asked::Show { how: How::Screen, interval }));
        assert!(read(&["--once"]).is_err());
    }

    #[test]
    fn a_page_may_have_an_address() {
        let interval = DEFAULT_INTERVAL;
        let web = |address: Option<&str>| {
            let how = How::Web(address.map(|address| address.parse().unwrap()));
            Ok(Asked::Show { how, interval })
        };
        assert_eq!(read(&["--web"]), web(None));
        assert_eq!(read(&["--web", "8000"]), web(Some("127.0.0.1:8000")));
        assert_eq!(read(&["--web=0.0.0.0:80"]), web(Some("0.0.0.0:80")));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for words in [
            &["--interval", "0", "--json"][..],
            &["--interval", "nan", "--json"],
            &["--interval"],
            &["--json=yes"],
            &["--gnome"],
            &["--web", "tower"],
            &["--web", "1", "2"],
            &["--json", "1"],
            &["--json", "--trace", "x"],
            &["--trace"],
            &["--trace", "x", "--once"],
            &["1"],
        ] {
            assert!(read(words).is_err(), "{words:?}");
        }
    }
}
