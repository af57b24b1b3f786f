//! The command line.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};

use wire::Exit;

use crate::bounds::{JOB_MEMORY_MIB, KEPT_MIB, MOST_KEPT_MIB};
use crate::confinement::Wish;
use crate::log::Level;
use crate::memory::machine_bytes;

/// How the server is to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// `--daemon`: listen.
    Daemon,
    /// `--inetd`: serve the one job on standard input.
    Inetd,
    /// Neither was given.
    #[default]
    Guess,
}

/// The options, with their defaults. Source: distccd(1) 3.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) mode: Mode,
    /// `--no-detach`: stay in the foreground.
    pub(crate) no_detach: bool,
    /// `--port`; default 3632.
    pub(crate) port: u16,
    /// `--listen`: a name or an address; default all.
    pub(crate) listen: Option<String>,
    /// `--allow`, as often as given.
    pub(crate) allow: Vec<String>,
    /// `--allow-private`.
    pub(crate) allow_private: bool,
    /// `--jobs`: how many compilers run at once; default processors + 2.
    pub(crate) n_jobs: usize,
    /// `--job-memory`: how many MiB have to be free for one more compiler beside others.
    pub(crate) job_memory_mib: u64,
    /// `--keep-files`: how many MiB of clients' files are kept for their further jobs.
    pub(crate) keep_files_mib: usize,
    /// `--job-lifetime`: the longest a compiler may run; default no limit.
    pub(crate) job_lifetime: Option<Duration>,
    /// `--nice`: added to the own nice value; default 5.
    pub(crate) nice: i32,
    /// `--user`: who to be instead of root.
    pub(crate) user: Option<String>,
    /// `--pid-file`.
    pub(crate) pid_file: Option<PathBuf>,
    /// `--log-file`.
    pub(crate) log_file: Option<PathBuf>,
    /// `--log-stderr`: wins over a file.
    pub(crate) log_stderr: bool,
    /// `--log-level`; default notice.
    pub(crate) log_level: Level,
    /// `--stats`, `--stats-port`: where to answer with the statistics; default nowhere.
    pub(crate) stats_port: Option<u16>,
    /// `--lifetime`: end after so many seconds; default never.
    pub(crate) lifetime: Option<u32>,
    /// `--no-fork`: no supervisor, all in one process.
    pub(crate) no_fork: bool,
    /// `--zeroconf`: announce the server on the local network.
    pub(crate) zeroconf: bool,
    /// `--make-me-a-botnet`: run whatever compiler is asked for.
    pub(crate) any_compiler: bool,
    /// `--sandbox`: how compilers are confined; default as well as the machine allows.
    pub(crate) sandbox: Wish,
    /// `--compiler-folder`, as often as given: where to look for compilers beside `PATH`.
    pub(crate) compiler_folders: Vec<PathBuf>,
    /// `--target`, as often as given.
    pub(crate) targets: Vec<String>,
    /// `--compiler-whitelist`: the folder of links that name the compilers; default those of
    /// distcc.
    pub(crate) compiler_whitelist: Option<PathBuf>,
    /// What was odd and is left at its default, for the log.
    pub(crate) complaints: Vec<String>,
}

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Serve(Box<Options>),
    /// `--show-compilers`: print which there are and exit; `--json`: for programs.
    ShowCompilers {
        options: Box<Options>,
        json: bool,
    },
    /// `--doctor`: say whether this machine can compile for others, and exit; `--json`: for programs.
    Diagnose {
        options: Box<Options>,
        json: bool,
    },
    /// Print this and exit.
    Print(String),
    /// `--show-principal`: print the name for GSS-API and exit.
    ShowPrincipal,
}

/// What is wrong with the command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) text: String,
    pub(crate) hint: String,
    pub(crate) exit: Exit,
}

impl Usage {
    fn new(text: impl Into<String>, hint: impl Into<String>) -> Usage {
        Usage { text: text.into(), hint: hint.into(), exit: Exit::BAD_ARGUMENTS }
    }
}

impl From<lexopt::Error> for Usage {
    fn from(error: lexopt::Error) -> Usage {
        Usage::new(error.to_string(), "distccd --help lists the options")
    }
}

/// The most compilers that may be asked for at once.
const MOST_JOBS: usize = 10_000;

/// The port of the statistics. Source: distccd(1) 3.4.
const STATS_PORT: u16 = 3633;

const HELP: &str = "\
usage: distccd [--daemon | --inetd] [OPTIONS]

Compiles for other machines, those that --allow names.

  --daemon                 listen on the network
  --inetd                  serve the one job on standard input
  --no-detach              with --daemon: stay in the foreground
  -p, --port N             port to listen on (default 3632)
  --listen ADDRESS         address to listen on (default all)
  -a, --allow ADDRESS[/BITS]  whom to serve; may be repeated
  --allow-private          serve private networks and this machine
  -j, --jobs N             run at most N compilers at once (default processors + 2)
  --job-memory MIB         memory that has to be free for one more compiler beside
                           others (default 256)
  --keep-files MIB         memory for clients' files that further jobs name again
                           (default 256, or a sixteenth of the machine's; 0: none)
  --job-lifetime SECONDS   end compilers that run longer (default 0: never)
  -N, --nice N             lower the priority by N (default 5)
  --user NAME              when started by root: the user to become
                           (default distccd, distcc or nobody)
  -P, --pid-file FILE      where to write the daemon's process id
  --zeroconf               announce the server on the local network (`+zeroconf` finds it)
  --stats                  tell statistics to those who connect to the port for them
  --stats-port N           that port (default 3633)
  --log-file FILE          append the log to FILE (default: syslog)
  --log-stderr             log to standard error
  --log-level LEVEL        log no less than that: critical, error, warning, notice
                           (default), info or debug
  --verbose                the same as --log-level debug
  --compiler-whitelist DIR  folder whose links name the compilers that may run
                           (default /usr/lib/distcc and /usr/local/lib/distcc)
  --sandbox WISH           confine compilers: auto (default: as well as this machine
                           allows), require (or do not serve), off
  --compiler-folder DIR    look for compilers in DIR, too; may be repeated
  --target [NETWORK=]TARGET  for which machine plain names like gcc are,
                           when the client does not say it; may be repeated
  --make-me-a-botnet, --enable-tcp-insecure  run any compiler, listed or not
  --lifetime SECONDS       end the server by SIGALRM after so long (default 0: never)
  --no-fork                all in one process, for debugging
  -W, --wizard             for debugging: --daemon --no-detach --no-fork --log-stderr --verbose
  --show-principal         print DISTCCD_PRINCIPAL, and exit
  --show-compilers [--json]  print the compilers of this machine, which of them may
                           run, and why not; then exit
  --doctor [--json]        say whether this machine can compile for others, and what
                           to do where it cannot; with the options of the server
                           that runs, or those beside it; then exit
  --help, --version
";

/// Reads the words, our own name first.
pub(crate) fn read(args: impl Iterator<Item = OsString>) -> Result<Request, Usage> {
    let mut options = defaults();
    let (mut stats, mut stats_port) = (false, STATS_PORT);
    let (mut shows, mut diagnoses, mut json) = (false, false, false);
    let mut parser = Parser::from_iter(args);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("help") => return Ok(Request::Print(HELP.to_owned())),
            Arg::Long("version") => {
                return Ok(Request::Print(format!(
                    "distccd {} (distcc-rs; speaks the protocols 1, 2 and 3 of distcc 3.4)\n",
                    env!("CARGO_PKG_VERSION")
                )));
            }
            Arg::Long("daemon") => options.mode = with_daemon(options.mode),
            Arg::Long("inetd") => options.mode = Mode::Inetd,
            Arg::Long("no-detach") => options.no_detach = true,
            // Has had no effect for long.
            Arg::Long("no-fifo") => {}
            Arg::Long("port") | Arg::Short('p') => {
                options.port = number(&mut parser, "--port", 1, 65_535)? as u16;
            }
            Arg::Long("listen") => options.listen = Some(text(&mut parser, "--listen")?),
            Arg::Long("allow") | Arg::Short('a') => {
                let value = text(&mut parser, "--allow")?;
                if value.starts_with('-') {
                    return Err(Usage::new(
                        format!("--allow lacks its address: `{value}` came instead"),
                        "name the network to serve, as in --allow 192.168.0.0/24",
                    ));
                }
                options.allow.push(value);
            }
            Arg::Long("allow-private") => options.allow_private = true,
            Arg::Long("jobs") | Arg::Short('j') => {
                options.n_jobs = number(&mut parser, "--jobs", 1, MOST_JOBS as i64)? as usize;
            }
            Arg::Long("job-memory") => {
                options.job_memory_mib = number(&mut parser, "--job-memory", 0, 1 << 30)? as u64;
            }
            Arg::Long("keep-files") => {
                options.keep_files_mib =
                    number(&mut parser, "--keep-files", 0, MOST_KEPT_MIB as i64)? as usize;
            }
            Arg::Long("job-lifetime") => {
                let seconds = number(&mut parser, "--job-lifetime", i32::MIN.into(), i64::MAX)?;
                options.job_lifetime =
                    u64::try_from(seconds).ok().filter(|s| *s > 0).map(Duration::from_secs);
            }
            Arg::Long("nice") | Arg::Short('N') => {
                options.nice = number(&mut parser, "--nice", -40, 40)? as i32;
            }
            Arg::Long("user") => options.user = Some(text(&mut parser, "--user")?),
            Arg::Long("pid-file") | Arg::Short('P') => {
                options.pid_file = Some(value(&mut parser, "--pid-file")?.into());
            }
            Arg::Long("log-file") => {
                options.log_file = Some(value(&mut parser, "--log-file")?.into());
            }
            Arg::Long("zeroconf") => options.zeroconf = true,
            Arg::Long("log-stderr") => options.log_stderr = true,
            Arg::Long("log-level") => {
                let name = text(&mut parser, "--log-level")?;
                match Level::from_name(&name) {
                    Some(level) => options.log_level = level,
                    // As distcc 3.4: no reason not to serve.
                    None => options.complaints.push(format!(
                        "--log-level `{}` is no level; levels are critical, error, warning, \
                         notice, info and debug",
                        name.escape_debug()
                    )),
                }
            }
            Arg::Long("verbose") => options.log_level = Level::Debug,
            Arg::Long("make-me-a-botnet" | "enable-tcp-insecure") => options.any_compiler = true,
            Arg::Long("sandbox") => {
                let name = text(&mut parser, "--sandbox")?;
                options.sandbox = Wish::from_name(&name).ok_or_else(|| {
                    Usage::new(
                        format!(
                            "--sandbox takes auto, require or off, not `{}`",
                            name.escape_debug()
                        ),
                        "without it compilers are confined as well as this machine allows",
                    )
                })?;
            }
            Arg::Long("show-compilers") => shows = true,
            Arg::Long("doctor") => diagnoses = true,
            Arg::Long("json") => json = true,
            Arg::Long("compiler-folder") => {
                options.compiler_folders.push(value(&mut parser, "--compiler-folder")?.into());
            }
            Arg::Long("target") => options.targets.push(text(&mut parser, "--target")?),
            Arg::Long("compiler-whitelist") => {
                options.compiler_whitelist =
                    Some(value(&mut parser, "--compiler-whitelist")?.into());
            }
            Arg::Long("stats") => stats = true,
            Arg::Long("stats-port") => {
                stats_port = number(&mut parser, "--stats-port", 1, 65_535)? as u16;
            }
            Arg::Long("lifetime") => {
                let seconds = number(&mut parser, "--lifetime", i32::MIN.into(), i32::MAX.into())?;
                options.lifetime = u32::try_from(seconds).ok().filter(|seconds| *seconds > 0);
            }
            Arg::Long("no-fork") => options.no_fork = true,
            Arg::Long("wizard") | Arg::Short('W') => {
                options.mode = with_daemon(options.mode);
                options.no_detach = true;
                options.no_fork = true;
                options.log_stderr = true;
                options.log_level = Level::Debug;
            }
            Arg::Long("show-principal") => return Ok(Request::ShowPrincipal),
            Arg::Long(name @ ("auth" | "blacklist" | "whitelist")) => {
                return Err(no_gss_api(name));
            }
            // As distcc 3.4 does, without a word.
            Arg::Value(_) => {}
            other => return Err(other.unexpected().into()),
        }
    }
    options.stats_port = stats.then_some(stats_port);
    let options = Box::new(options);
    match (shows, diagnoses, json) {
        (true, false, json) => Ok(Request::ShowCompilers { options, json }),
        (false, true, json) => Ok(Request::Diagnose { options, json }),
        (true, true, _) => Err(Usage::new(
            "--show-compilers and --doctor are one or the other",
            "the doctor tells of the compilers, too",
        )),
        (false, false, true) => Err(Usage::new(
            "--json goes with --doctor or --show-compilers",
            "distccd --help lists the options",
        )),
        (false, false, false) => Ok(Request::Serve(options)),
    }
}

fn defaults() -> Options {
    let n_processors = std::thread::available_parallelism().map_or(1, usize::from);
    Options {
        mode: Mode::Guess,
        no_detach: false,
        port: 3632,
        listen: None,
        allow: Vec::new(),
        allow_private: false,
        n_jobs: (n_processors + 2).min(MOST_JOBS),
        job_memory_mib: JOB_MEMORY_MIB,
        keep_files_mib: KEPT_MIB.min(((machine_bytes() / 16) >> 20) as usize),
        job_lifetime: None,
        nice: 5,
        user: None,
        pid_file: None,
        log_file: None,
        log_stderr: false,
        log_level: Level::Notice,
        stats_port: None,
        lifetime: None,
        no_fork: false,
        zeroconf: false,
        any_compiler: false,
        sandbox: Wish::Auto,
        compiler_folders: Vec::new(),
        targets: Vec::new(),
        compiler_whitelist: None,
        complaints: Vec::new(),
    }
}

/// Why an option of distcc 3.4's builds with GSS-API is refused: who relies on it to keep people
/// out has to hear that it does not.
fn no_gss_api(name: &str) -> Usage {
    Usage {
        text: format!("--{name} needs GSS-API, which this server does not have"),
        hint: "leave it out, and say with --allow who may connect".to_owned(),
        exit: Exit::GSS_API,
    }
}

/// `--inetd` wins over `--daemon`.
fn with_daemon(mode: Mode) -> Mode {
    if mode == Mode::Inetd { mode } else { Mode::Daemon }
}

fn value(parser: &mut Parser, option: &str) -> Result<OsString, Usage> {
    parser
        .value()
        .map_err(|_| Usage::new(format!("{option} lacks its value"), "distccd --help shows it"))
}

fn text(parser: &mut Parser, option: &str) -> Result<String, Usage> {
    value(parser, option)?
        .string()
        .map_err(|_| Usage::new(format!("the value of {option} is not UTF-8"), ""))
}

fn number(parser: &mut Parser, option: &str, least: i64, most: i64) -> Result<i64, Usage> {
    let value = value(parser, option)?;
    let parsed = OsStr::to_str(&value).and_then(|text| text.parse::<i64>().ok());
    parsed.filter(|number| (least..=most).contains(number)).ok_or_else(|| {
        let shown = value.to_string_lossy();
        let range = if most == i64::MAX {
            "a number of seconds".to_owned()
        } else {
            format!("a number from {least} to {most}")
        };
        Usage::new(format!("{option} takes {range}, not `{}`", shown.escape_debug()), "")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(command: &str) -> impl Iterator<Item = OsString> {
        std::iter::once(OsString::from("distccd"))
            .chain(command.split_whitespace().map(OsString::from))
    }

    fn options(command: &str) -> Options {
        match read(words(command)) {
            Ok(Request::Serve(options)) => *options,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn refuses(command: &str, expected: &str) {
        assert_eq!(read(words(command)).unwrap_err().text, expected);
    }

    #[test]
    fn options_take_their_value_in_both_spellings() {
        let options = options(
            "--daemon --no-detach --port=4000 -j 7 --allow 10.0.0.0/8 -a ::1 --nice=-5 \
             --log-level info --job-lifetime 30 --user me -P /run/x --log-file=/log stray",
        );
        assert_eq!(options.mode, Mode::Daemon);
        assert_eq!((options.port, options.n_jobs, options.nice), (4000, 7, -5));
        assert_eq!(options.allow, ["10.0.0.0/8", "::1"]);
        assert_eq!(options.job_lifetime, Some(Duration::from_secs(30)));
        assert_eq!(options.log_level, Level::Info);
        assert_eq!(options.pid_file, Some("/run/x".into()));
    }

    #[test]
    fn inetd_wins() {
        assert_eq!(options("--inetd --daemon").mode, Mode::Inetd);
        assert_eq!(options("--daemon --inetd").mode, Mode::Inetd);
        assert_eq!(options("").mode, Mode::Guess);
    }

    #[test]
    fn a_negative_lifetime_is_none() {
        assert_eq!(options("--job-lifetime=-1").job_lifetime, None);
        assert_eq!(options("--job-lifetime 0").job_lifetime, None);
    }

    #[test]
    fn the_stripped_walk_through_is_told_what_is_missing() {
        refuses("--allow --jobs 20", "--allow lacks its address: `--jobs` came instead");
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        refuses("--jobs 0", "--jobs takes a number from 1 to 10000, not `0`");
        refuses("--port 65536", "--port takes a number from 1 to 65535, not `65536`");
        refuses("--stats-port 0", "--stats-port takes a number from 1 to 65535, not `0`");
        refuses("--jobs", "--jobs lacks its value");
        refuses(
            "--lifetime x",
            "--lifetime takes a number from -2147483648 to 2147483647, not `x`",
        );
        refuses("--frobnicate", "invalid option '--frobnicate'");
    }

    #[test]
    fn a_level_that_is_none_is_complained_of_and_kept() {
        let options = options("--log-level info --log-level loud");
        assert_eq!(options.log_level, Level::Info);
        assert!(options.complaints[0].starts_with("--log-level `loud` is no level"));
    }

    #[test]
    fn the_port_of_statistics_alone_does_nothing() {
        assert_eq!(options("--stats").stats_port, Some(3633));
        assert_eq!(options("--stats-port 4000").stats_port, None);
        assert_eq!(options("--stats-port 4000 --stats").stats_port, Some(4000));
    }

    #[test]
    fn a_wizard_is_five_options() {
        let long = "--daemon --no-detach --no-fork --log-stderr --verbose";
        assert_eq!(options("-W"), options(long));
        assert_eq!(options("--wizard"), options(long));
    }

    #[test]
    fn what_needs_gss_api_is_refused_with_its_code() {
        for option in ["--auth", "--blacklist=/x", "--whitelist /x", "--auth --blacklist x"] {
            assert_eq!(read(words(option)).unwrap_err().exit, Exit::GSS_API, "{option}");
        }
        assert_eq!(read(words("--port 9 --show-principal")), Ok(Request::ShowPrincipal));
    }

    proptest! {
        #[test]
        fn no_words_make_it_panic(command in "[-a-z0-9= /.]{0,40}") {
            let _ = read(words(&command));
        }
    }
}
