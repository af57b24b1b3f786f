//! The environment, read once.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// What the environment says. Source: pump(1) of distcc 3.4.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `DISTCC_LOCATION`: the folder of distcc; default our own.
    location: PathBuf,
    /// The folder of our own program.
    own_folder: PathBuf,
    /// `PATH`.
    path: OsString,
    /// `DISTCC_POTENTIAL_HOSTS`: machines that may become the host list.
    pub(crate) potential_hosts: Option<OsString>,
    /// `LSDISTCC_ARGS`: more words for lsdistcc.
    pub(crate) lsdistcc_args: Option<OsString>,
    /// `INCLUDE_SERVER_ARGS`: words for the include server of distcc 3.4, which ours has no use for.
    pub(crate) include_server_args: Option<OsString>,
    /// `DISTCC_MAX_DISCREPANCY`: how many jobs may fail on servers alone until a client of distcc 3.4
    /// goes back to plain mode.
    pub(crate) max_discrepancy: Option<OsString>,
    /// `DISTCC_HOSTS`.
    pub(crate) hosts: Option<OsString>,
    /// `TMPDIR`, where the include server's folder is, if its name has one part alone.
    pub(crate) temporary: Option<PathBuf>,
    /// `DISTCC_VERBOSE`: tell what is done.
    pub(crate) verbose: bool,
    /// `DISTCC_AGENT`: whether our client uses an agent.
    pub(crate) agent: bool,
    /// `INCLUDE_SERVER_PID`, `INCLUDE_SERVER_DIR`: what `--startup` has started.
    pub(crate) include_server_pid: Option<i32>,
    pub(crate) include_server_dir: Option<PathBuf>,
}

impl Settings {
    /// Reads the environment of this process.
    #[must_use]
    pub fn read() -> Settings {
        let own = std::env::current_exe().ok();
        let own_folder = own.as_deref().and_then(Path::parent).unwrap_or(Path::new("/usr/bin"));
        Settings::from(|name| std::env::var_os(name), own_folder)
    }

    fn from(variable: impl Fn(&str) -> Option<OsString>, own_folder: &Path) -> Settings {
        let full = |name: &str| variable(name).filter(|value| !value.is_empty());
        let flag = |name: &str| full(name).map(|value| value != "0");
        let number = |name: &str| full(name)?.to_str()?.trim().parse::<i32>().ok();
        Settings {
            location: full("DISTCC_LOCATION").map_or(own_folder.to_owned(), PathBuf::from),
            own_folder: own_folder.to_owned(),
            path: full("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()),
            potential_hosts: full("DISTCC_POTENTIAL_HOSTS"),
            lsdistcc_args: full("LSDISTCC_ARGS"),
            include_server_args: full("INCLUDE_SERVER_ARGS"),
            max_discrepancy: full("DISTCC_MAX_DISCREPANCY"),
            hosts: variable("DISTCC_HOSTS"),
            temporary: full("TMPDIR").map(PathBuf::from),
            verbose: flag("DISTCC_VERBOSE").unwrap_or(false),
            agent: flag("DISTCC_AGENT").unwrap_or(true),
            include_server_pid: number("INCLUDE_SERVER_PID").filter(|pid| *pid > 1),
            include_server_dir: full("INCLUDE_SERVER_DIR").map(PathBuf::from),
        }
    }

    /// One of distcc's programs: in `DISTCC_LOCATION`, else beside us, else in `PATH`.
    pub(crate) fn program(&self, name: &str) -> OsString {
        let places = [&self.location, &self.own_folder].map(|folder| folder.join(name));
        let found = places.into_iter().find(|program| program.exists());
        found.map_or_else(|| name.into(), PathBuf::into_os_string)
    }

    /// `PATH` with the folder of distcc first.
    pub(crate) fn path_for_builds(&self) -> OsString {
        [self.location.as_os_str(), &self.path].join(OsStr::new(":"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let find = |name: &str| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        };
        Settings::from(find, Path::new("/own"))
    }

    #[test]
    fn distcc_comes_first_in_path() {
        let path = |pairs| settings(pairs).path_for_builds();
        assert_eq!(path(&[("PATH", "/a:/b")]), "/own:/a:/b");
        assert_eq!(path(&[("PATH", "/a"), ("DISTCC_LOCATION", "/x")]), "/x:/a");
        assert_eq!(settings(&[]).program("sh"), "sh");
        assert_eq!(settings(&[("DISTCC_LOCATION", "/bin")]).program("sh"), "/bin/sh");
    }

    #[test]
    fn what_is_empty_is_not_there() {
        let settings = settings(&[("DISTCC_POTENTIAL_HOSTS", ""), ("INCLUDE_SERVER_PID", "1")]);
        assert_eq!(settings.potential_hosts, None);
        assert_eq!(settings.include_server_pid, None);
        assert!(settings.agent);
    }
}
