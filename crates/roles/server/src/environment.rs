//! Everything the environment says, read once.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

/// The server's environment. Source: distccd(1) 3.4, "ENVIRONMENT VARIABLES".
#[derive(Clone, Debug)]
pub struct Environment {
    /// `DISTCCD_PATH`, else `PATH`: where compilers are looked for, and what they get as `PATH`.
    pub path: OsString,
    /// `TMPDIR`; default `/tmp`.
    pub temporary: PathBuf,
    /// `DISTCC_CMDLIST`: a file that lists the compilers instead of the whitelist folders.
    pub command_list: Option<PathBuf>,
    /// `DISTCC_CMDLIST_NUMWORDS`: how many path parts have to agree with a line of it. Default 1.
    pub n_command_words: usize,
    /// `DISTCC_IO_TIMEOUT`: the longest silence of a client; written 0: no limit. Default 300 s.
    pub io_timeout: Duration,
    /// `DISTCC_SAVE_TEMPS`: leave the folders of jobs where they are.
    pub save_temps: bool,
    /// `DISTCCD_PRINCIPAL`: the server's name for GSS-API, which `--show-principal` shows.
    pub principal: Option<OsString>,
    /// What a service manager handed over, and where it listens. Source: sd_listen_fds(3) and
    /// sd_notify(3).
    pub service_manager: ServiceManager,
    /// What compilers get to see of the rest.
    pub for_compilers: Vec<(OsString, OsString)>,
    /// What was wrong with the above, for the log.
    pub complaints: Vec<String>,
}

/// The words of a service manager.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceManager {
    /// `LISTEN_PID`: to whom the descriptors are handed over.
    pub listen_pid: Option<u32>,
    /// `LISTEN_FDS`: how many, beginning with number 3.
    pub n_listen_fds: usize,
    /// `LISTEN_FDNAMES`: their names.
    pub listen_fd_names: Vec<String>,
    /// `NOTIFY_SOCKET`: whom to tell that we are ready.
    pub notify_socket: Option<OsString>,
}

/// Variables that compilers get. Others could change what they make: `CPATH`, `GCC_EXEC_PREFIX`,
/// `SOURCE_DATE_EPOCH`, `LD_PRELOAD` ...
const PASSED_ON: [&str; 7] =
    ["HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "LD_LIBRARY_PATH", "TZ"];

impl Environment {
    /// Reads the process's environment. Values that mean nothing are complained of and left at
    /// their defaults.
    #[must_use]
    pub fn read() -> Environment {
        Environment::from(std::env::vars_os().collect())
    }

    /// The same of the environment of a process.
    pub(crate) fn from(variables: Vec<(OsString, OsString)>) -> Environment {
        let variable = |name: &str| -> Option<&OsStr> {
            let found = variables.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_os_str()).filter(|value| !value.is_empty())
        };
        let mut complaints = Vec::new();
        let mut number = |name: &str, default: u64| -> u64 {
            let Some(text) = variable(name) else { return default };
            match text.to_str().map(str::parse) {
                Some(Ok(number)) => number,
                _ => {
                    let text = text.to_string_lossy();
                    complaints.push(format!(
                        "{name}=`{}` is no number; using {default}",
                        text.escape_debug()
                    ));
                    default
                }
            }
        };
        let io_timeout = match number("DISTCC_IO_TIMEOUT", 300) {
            0 => Duration::MAX,
            seconds => Duration::from_secs(seconds),
        };
        let n_command_words = number("DISTCC_CMDLIST_NUMWORDS", 1).clamp(1, 1000) as usize;
        let path = variable("DISTCCD_PATH").or(variable("PATH"));
        let path = path.unwrap_or(OsStr::new("/usr/local/bin:/usr/bin:/bin")).to_owned();
        let word = |name: &str| variable(name).and_then(OsStr::to_str);
        let service_manager = ServiceManager {
            listen_pid: word("LISTEN_PID").and_then(|pid| pid.parse().ok()),
            n_listen_fds: word("LISTEN_FDS").and_then(|number| number.parse().ok()).unwrap_or(0),
            listen_fd_names: word("LISTEN_FDNAMES")
                .map(|names| names.split(':').map(str::to_owned).collect())
                .unwrap_or_default(),
            notify_socket: variable("NOTIFY_SOCKET").map(OsStr::to_owned),
        };
        let is_passed_on = |name: &OsString| {
            PASSED_ON.iter().any(|passed| name == passed)
                || name.as_encoded_bytes().starts_with(b"LC_")
        };
        let for_compilers = variables.iter().filter(|(name, _)| is_passed_on(name)).cloned();
        Environment {
            path,
            temporary: variable("TMPDIR").unwrap_or(OsStr::new("/tmp")).into(),
            command_list: variable("DISTCC_CMDLIST").map(PathBuf::from),
            n_command_words,
            io_timeout,
            save_temps: variable("DISTCC_SAVE_TEMPS").is_some_and(|value| value != "0"),
            principal: variable("DISTCCD_PRINCIPAL").map(OsStr::to_owned),
            service_manager,
            for_compilers: for_compilers.collect(),
            complaints,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment::from(pairs.iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    #[test]
    fn compilers_see_nothing_that_changes_objects() {
        let environment = environment(&[
            ("PATH", "/bin"),
            ("CPATH", "/x"),
            ("LD_PRELOAD", "/x.so"),
            ("SOURCE_DATE_EPOCH", "0"),
            ("LC_ALL", "C"),
            ("HOME", "/root"),
        ]);
        let names: Vec<_> =
            environment.for_compilers.iter().map(|(name, _)| name.to_str().unwrap()).collect();
        assert_eq!(names, ["LC_ALL", "HOME"]);
    }

    #[test]
    fn distccd_path_replaces_path() {
        let environment = environment(&[("PATH", "/bin"), ("DISTCCD_PATH", "/x"), ("TMPDIR", "")]);
        assert_eq!(environment.path, "/x");
        assert_eq!(environment.temporary, PathBuf::from("/tmp"));
    }

    #[test]
    fn what_is_no_number_is_complained_of() {
        let environment = environment(&[("DISTCC_IO_TIMEOUT", "-1")]);
        assert_eq!(environment.io_timeout, Duration::from_secs(300));
        assert_eq!(environment.complaints, ["DISTCC_IO_TIMEOUT=`-1` is no number; using 300"]);
    }
}
