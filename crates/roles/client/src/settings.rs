//! Everything the environment says, read once.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use compiler_args::{FOLDER_VARIABLES, Reason};

use crate::names::LookUp;
use crate::ssh;

/// Variables that change objects, and act on the compiler of this machine alone: nothing of the
/// environment travels. The last two have compilers add a rule to a file, unless they give up at an
/// error; a preprocessor before them would add one of its own. Source: gcc(1); behavior of Clang 14,
/// and its older name for the same.
const COMPILER_VARIABLES: [(&str, Reason); 6] = [
    ("GCC_EXEC_PREFIX", Reason::CompilerParts),
    ("COMPILER_PATH", Reason::CompilerParts),
    ("CCC_OVERRIDE_OPTIONS", Reason::UnknownOption),
    ("QA_OVERRIDE_GCC3_OPTIONS", Reason::UnknownOption),
    ("DEPENDENCIES_OUTPUT", Reason::ExtraOutput),
    ("SUNPRO_DEPENDENCIES", Reason::ExtraOutput),
];

/// The client's settings. Source: distcc(1) 3.4, "ENVIRONMENT VARIABLES".
#[derive(Clone, Debug)]
pub struct Settings {
    /// `DISTCC_HOSTS`: the host list, if it does not come from a file.
    pub hosts: Option<OsString>,
    /// `DISTCC_DIR`: the state folder; default `~/.distcc`.
    pub state_dir: Option<OsString>,
    /// `HOME`.
    pub home: Option<OsString>,
    /// `PATH`: where compilers are looked for.
    pub path: OsString,
    /// `TMPDIR`; default `/tmp`.
    pub temporary: PathBuf,
    /// `DISTCC_VERBOSE`: tell what is done and why.
    pub verbose: bool,
    /// `DISTCC_LOG`: a file for messages; default standard error.
    pub log: Option<PathBuf>,
    /// `DISTCC_FALLBACK`: whether a job that no server did is done here. Default yes.
    pub fallback: bool,
    /// `DISTCC_STRICT`: a compile that stays here fails, whyever it stays; then nothing falls back
    /// either. Default no.
    pub strict: bool,
    /// `DISTCC_BACKOFF_PERIOD`: how long to leave a host alone after a failure there. Zero: never
    /// back off. Default 60 s.
    pub backoff_period: Duration,
    /// `DISTCC_IO_TIMEOUT`: the longest silence of a server; `None`, written 0: no limit. Default
    /// 300 s.
    pub io_timeout: Option<Duration>,
    /// `DISTCC_PAUSE_TIME_MSEC`: the longest pause between two looks for a free slot. Default 1 s.
    pub pause: Duration,
    /// `DISTCC_SKIP_LOCAL_RETRY`: believe what a server's compiler says, and show it as it is,
    /// without the source's lines. Default: whatever it says, the compiler here says it instead.
    pub skip_local_retry: bool,
    /// `DISTCC_NO_REWRITE_CROSS`, whatever its value: servers get the compiler's name as the user
    /// gave it.
    pub keeps_names: bool,
    /// `DISTCC_SSH`: the program for ssh hosts and its first words, separated by spaces. Default
    /// `ssh`.
    pub ssh: Vec<OsString>,
    /// `DISTCC_VERIFY`: of a hundred jobs that servers do, so many are done here as well and compared.
    /// Ours alone.
    pub verify: u64,
    /// `DISTCC_INEXACT_DEBUG`: send jobs with debug information also to hosts that cannot make it
    /// exactly; columns and the recorded options then differ. Default no.
    pub inexact_debug: bool,
    /// `PWD`: the name that compilers have for the working folder, if it is true.
    pub working_folder: Option<OsString>,
    /// `_DISTCC_SAFEGUARD`: how often we are inside ourselves.
    pub recursion: Option<u32>,
    /// `DISTCC_AGENT`: whether an agent may send jobs, so that nothing is preprocessed here; default
    /// true. Ours alone.
    pub agent: bool,
    /// Whether a variable adds folders of headers, `CPATH` or the like.
    pub names_folders: bool,
    /// `DISTCC_PRINCIPAL`: the server's name for GSS-API.
    pub principal: Option<OsString>,
    /// `DISTCC_SAVE_TEMPS`: keep what was sent. Default no.
    pub save_temps: bool,
    /// `UNCACHED_ERR_FD`: an open descriptor for messages where `DISTCC_LOG` is not set, so that
    /// ccache does not keep them.
    pub uncached_errors: Option<i32>,
    /// The first variable that is set of those by which compilers are put together differently or
    /// get more options, and why a compile stays with it.
    pub compiler_variable: Option<(&'static str, Reason)>,
    /// Compilers may color their messages: standard error is a terminal that shows colors, and
    /// `NO_COLOR` is not set.
    pub colors: bool,
    /// Where the system tells how much memory is free: `/proc/meminfo`.
    pub meminfo: PathBuf,
    /// Who looks up the names of hosts. No variable: the way the program was linked decides.
    pub look_up: LookUp,
    /// What was wrong with the above, for the user.
    pub complaints: Vec<String>,
}

impl Settings {
    /// Whether the job at hand is one of those to be verified, by chance.
    pub(crate) fn verifies_one_more(&self) -> bool {
        let random = std::hash::RandomState::new();
        self.verify > 0 && std::hash::BuildHasher::hash_one(&random, 0) % 100 < self.verify
    }

    /// The setting by which nothing falls back, where [`Settings::fallback`] is off.
    pub(crate) fn forbids_fallback(&self) -> &'static str {
        if self.strict { "DISTCC_STRICT=1" } else { "DISTCC_FALLBACK=0" }
    }

    /// Reads the environment. Values that mean nothing are complained of and left at their
    /// defaults: a build should not fail for them.
    #[must_use]
    pub fn from_env(look_up: LookUp) -> Settings {
        let on_terminal = std::io::stderr().is_terminal();
        Settings { look_up, ..Settings::read(|name| std::env::var_os(name), on_terminal) }
    }

    pub(crate) fn read(variable: impl Fn(&str) -> Option<OsString>, on_terminal: bool) -> Settings {
        let mut complaints = Vec::new();
        let mut number = |name: &str| -> Option<u64> {
            let text = variable(name)?;
            match text.to_str().map(|text| u64::from_str(text.trim())) {
                Some(Ok(number)) => Some(number),
                _ => {
                    complaints.push(format!(
                        "{name}=`{}` is no number; using the default",
                        text.to_string_lossy().escape_debug()
                    ));
                    None
                }
            }
        };
        let backoff_period =
            number("DISTCC_BACKOFF_PERIOD").map_or(statedir::BACKOFF_PERIOD, Duration::from_secs);
        let io_timeout = match number("DISTCC_IO_TIMEOUT").unwrap_or(300) {
            0 => None,
            seconds => Some(Duration::from_secs(seconds)),
        };
        let pause = Duration::from_millis(number("DISTCC_PAUSE_TIME_MSEC").unwrap_or(1000));
        let path_of = |name: &str| variable(name).filter(|value| !value.is_empty());
        let flag = |name: &str| path_of(name).map(|value| value != "0");
        let verify = match path_of("DISTCC_VERIFY") {
            None => 0,
            Some(text) => {
                let number = text.to_str().map(|text| text.trim().trim_end_matches('%').parse());
                match number {
                    Some(Ok(number @ 0..=100)) => number,
                    _ => {
                        let text = text.to_string_lossy().escape_debug().to_string();
                        let word = format!("DISTCC_VERIFY=`{text}` is no number from 0 to 100");
                        complaints.push(format!("{word}; verifying everything"));
                        100
                    }
                }
            }
        };
        let strict = flag("DISTCC_STRICT").unwrap_or(false);
        let recursion = variable("_DISTCC_SAFEGUARD")
            .map(|value| value.to_str().and_then(|text| text.parse().ok()).unwrap_or(1));
        Settings {
            hosts: variable("DISTCC_HOSTS"),
            state_dir: path_of("DISTCC_DIR"),
            home: path_of("HOME"),
            path: path_of("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()),
            temporary: path_of("TMPDIR").unwrap_or_else(|| "/tmp".into()).into(),
            verbose: flag("DISTCC_VERBOSE").unwrap_or(false),
            log: path_of("DISTCC_LOG").map(PathBuf::from),
            fallback: flag("DISTCC_FALLBACK").unwrap_or(true) && !strict,
            strict,
            backoff_period,
            io_timeout,
            pause,
            skip_local_retry: flag("DISTCC_SKIP_LOCAL_RETRY").unwrap_or(false),
            verify,
            inexact_debug: flag("DISTCC_INEXACT_DEBUG").unwrap_or(false),
            working_folder: path_of("PWD"),
            keeps_names: variable("DISTCC_NO_REWRITE_CROSS").is_some(),
            ssh: ssh::words(variable("DISTCC_SSH")),
            recursion,
            agent: flag("DISTCC_AGENT").unwrap_or(true),
            names_folders: FOLDER_VARIABLES.into_iter().any(|name| path_of(name).is_some()),
            principal: path_of("DISTCC_PRINCIPAL"),
            save_temps: flag("DISTCC_SAVE_TEMPS").unwrap_or(false),
            uncached_errors: variable("UNCACHED_ERR_FD")
                .and_then(|text| text.to_str()?.trim().parse().ok())
                .filter(|fd| *fd >= 0),
            compiler_variable: COMPILER_VARIABLES
                .into_iter()
                .find(|(name, _)| path_of(name).is_some()),
            colors: on_terminal
                // Set to nothing, it tells gcc to print none.
                && variable("GCC_COLORS").is_none_or(|colors| !colors.is_empty())
                && path_of("NO_COLOR").is_none()
                && path_of("TERM").is_some_and(|term| term != "dumb"),
            meminfo: "/proc/meminfo".into(),
            look_up: LookUp::OUTSIDE,
            complaints,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let variable = |name: &str| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        };
        Settings::read(variable, true)
    }

    #[test]
    fn empty_is_as_good_as_unset() {
        let settings = settings(&[("DISTCC_FALLBACK", ""), ("DISTCC_SKIP_LOCAL_RETRY", "")]);
        assert_eq!((settings.fallback, settings.skip_local_retry), (true, false));
    }

    #[test]
    fn colors_are_for_terminals_that_show_them() {
        assert!(settings(&[("TERM", "xterm")]).colors);
        assert!(!settings(&[("TERM", "dumb")]).colors);
        assert!(!settings(&[]).colors);
        assert!(!settings(&[("TERM", "xterm"), ("NO_COLOR", "1")]).colors);
        assert!(!settings(&[("TERM", "xterm"), ("GCC_COLORS", "")]).colors);
        assert!(settings(&[("TERM", "xterm"), ("GCC_COLORS", "error=31")]).colors);
    }

    #[test]
    fn defaults_are_distccs() {
        let settings = settings(&[]);
        assert_eq!(settings.backoff_period, Duration::from_secs(60));
        assert_eq!(settings.io_timeout, Some(Duration::from_secs(300)));
        assert_eq!(settings.pause, Duration::from_secs(1));
        assert!(settings.fallback && !settings.verbose && settings.complaints.is_empty());
        assert_eq!((settings.skip_local_retry, settings.recursion), (false, None));
    }

    #[test]
    fn strict_leaves_no_way_back() {
        let settings = settings(&[("DISTCC_STRICT", "1"), ("DISTCC_FALLBACK", "1")]);
        assert!(settings.strict && !settings.fallback);
    }

    #[test]
    fn zero_has_its_meaning() {
        let settings = settings(&[
            ("DISTCC_FALLBACK", "0"),
            ("DISTCC_IO_TIMEOUT", "0"),
            ("DISTCC_VERBOSE", "0"),
            ("DISTCC_SKIP_LOCAL_RETRY", "0"),
        ]);
        assert!(!settings.fallback && !settings.verbose);
        assert_eq!((settings.io_timeout, settings.skip_local_retry), (None, false));
    }

    #[test]
    fn what_is_no_number_is_complained_of() {
        let settings = settings(&[("DISTCC_IO_TIMEOUT", "soon")]);
        assert_eq!(settings.io_timeout, Some(Duration::from_secs(300)));
        assert_eq!(
            settings.complaints,
            ["DISTCC_IO_TIMEOUT=`soon` is no number; using the default"]
        );
    }
}
