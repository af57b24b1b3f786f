//! The monitor: what the clients that share one state folder are doing.
//!
//! [`main`] is `distccmon-text`: arguments, lines and exit codes are those of distcc 3.4.
//! [`live`] is `distccmon`: it gathers a `snapshot` again and again, and shows it.
//!
//! All that is read was written by other processes, of any version and perhaps hostile: names go
//! through `clean` before anything else sees them.

mod clean;
mod gather;
mod json;
mod line;
mod live;
mod options;
mod screen;
mod snapshot;
mod trace;
mod web;

pub use live::live;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use statedir::{Running, StateDir};
use wire::Exit;

/// What distcc 3.4 prints for a wrong command line. `--help` is none of its options.
const USAGE: &str = "\
usage: distccmon-text [DELAY]

Displays current compilation jobs in text form.

If delay is specified, repeatedly updates after that many (fractional)
seconds.  Otherwise, runs just once.
";

/// The exit code for a wrong command line, as in distcc 3.4.
const USAGE_EXIT: u8 = 1;

/// What the environment says.
#[derive(Clone, Debug)]
pub struct Environment {
    /// `DISTCC_DIR`.
    pub distcc_dir: Option<OsString>,
    /// `HOME`: where the state folder is, as `.distcc`, unless `DISTCC_DIR` names it.
    pub home: Option<OsString>,
    /// `DISTCC_HOSTS`: which hosts there are, for [`live`].
    pub hosts: Option<OsString>,
    /// `DISTCC_BACKOFF_PERIOD`: how long clients leave a host alone after a failure there; what is no
    /// number is left at the default, 60 s, as by clients.
    pub backoff_period: Duration,
    /// `NO_COLOR` is set to something.
    pub no_color: bool,
    /// `TERM`: nothing can be drawn on one that is missing or `dumb`.
    pub term: Option<OsString>,
    /// The locale writes UTF-8.
    pub is_utf8: bool,
}

impl Environment {
    /// Reads the environment.
    #[must_use]
    pub fn read() -> Environment {
        let variable = std::env::var_os;
        Environment {
            distcc_dir: variable("DISTCC_DIR"),
            home: variable("HOME"),
            hosts: variable("DISTCC_HOSTS"),
            backoff_period: backoff_period(variable("DISTCC_BACKOFF_PERIOD").as_deref()),
            no_color: variable("NO_COLOR").is_some_and(|value| !value.is_empty()),
            term: variable("TERM"),
            is_utf8: ["LC_ALL", "LC_CTYPE", "LANG"]
                .into_iter()
                .filter_map(variable)
                .find(|value| !value.is_empty())
                .is_some_and(|locale| {
                    let locale = locale.to_string_lossy().to_lowercase();
                    locale.contains("utf-8") || locale.contains("utf8")
                }),
        }
    }
}

/// How long clients leave a host alone after a failure there, where the variable is `value`.
fn backoff_period(value: Option<&OsStr>) -> Duration {
    let number = value.and_then(OsStr::to_str).and_then(|text| text.trim().parse().ok());
    number.map_or(statedir::BACKOFF_PERIOD, Duration::from_secs)
}

/// Runs the command whose words (our own name first) are `args`, and says how to exit.
pub fn main(args: impl Iterator<Item = OsString>, environment: Environment) -> ExitCode {
    let Some(delay) = delay(args.skip(1)) else {
        eprint!("{USAGE}");
        return ExitCode::from(USAGE_EXIT);
    };
    let (distcc_dir, home) = (environment.distcc_dir.as_deref(), environment.home.as_deref());
    if distcc_dir.or(home).is_none() {
        complain("ERROR", "HOME is not set, so that there is no ~/.distcc; set DISTCC_DIR");
        return Exit::BAD_ARGUMENTS.into();
    }
    let watched = StateDir::open(distcc_dir, home).and_then(|state| watch(&state, delay));
    match watched {
        Ok(()) => Exit::SUCCESS.into(),
        Err(error) => {
            // Whoever stops reading knows it.
            if error.kind() != io::ErrorKind::BrokenPipe {
                complain("ERROR", &format!("could not show the state of jobs: {error}"));
            }
            Exit::IO_ERROR.into()
        }
    }
}

/// Shows all jobs once, or again and again.
fn watch(state: &StateDir, delay: Duration) -> io::Result<()> {
    let mut doubted = BTreeSet::new();
    loop {
        let running = state.running()?;
        tell_doubts(&running, &mut doubted);
        let lines: String = running.jobs.iter().map(line::of).collect();
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{lines}")?;
        stdout.flush()?;
        if delay.is_zero() {
            return Ok(());
        }
        std::thread::sleep(delay);
    }
}

/// Tells of each file once that looks like a job's and is none.
fn tell_doubts(running: &Running, told: &mut BTreeSet<PathBuf>) {
    for (path, error) in &running.doubts {
        if told.insert(path.clone()) {
            let path = path.to_string_lossy();
            complain("Warning", &format!("passing over `{}`: {error}", path.escape_debug()));
        }
    }
}

fn complain(level: &str, text: &str) {
    eprintln!("distccmon-text[{}] {level}: {text}", std::process::id());
}

/// The pause between two looks that the command line asks for, zero for a single look; `None` when
/// it makes no sense.
fn delay(mut words: impl Iterator<Item = OsString>) -> Option<Duration> {
    let (word, more) = (words.next(), words.next());
    match (word.as_deref().map(OsStr::to_str), more) {
        (None, _) | (Some(Some("")), None) => Some(Duration::ZERO),
        (Some(Some(text)), None) => {
            let seconds: f64 = text.trim_start().parse().ok()?;
            // No negative ones, no infinity and none that is no number.
            Duration::try_from_secs_f64(seconds).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(words: &[&str], expected: Option<f64>) {
        let delay = delay(words.iter().map(OsString::from));
        assert_eq!(delay.map(|delay| delay.as_secs_f64()), expected, "{words:?}");
    }

    #[test]
    fn a_delay_is_a_number_of_seconds() {
        check(&[], Some(0.0));
        check(&["0"], Some(0.0));
        check(&[""], Some(0.0));
        check(&["1"], Some(1.0));
        check(&["0.25"], Some(0.25));
        check(&[" .5"], Some(0.5));
        check(&["1e-1"], Some(0.1));
    }

    #[test]
    fn anything_else_is_no_delay() {
        for words in [&["soon"][..], &["1x"], &["1 "], &["-1"], &["nan"], &["inf"], &["1e300"]] {
            check(words, None);
        }
        check(&["1", "2"], None);
        check(&["--help"], None);
    }
}
