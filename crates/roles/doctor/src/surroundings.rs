//! The environment, read once.

use std::ffi::OsString;
use std::path::PathBuf;

use statedir::{HostListText, StateDir, host_list_text};

/// What the environment says of the build that would be started here.
#[derive(Clone, Debug)]
pub struct Surroundings {
    pub(crate) hosts: Option<OsString>,
    pub(crate) state_dir: Option<OsString>,
    pub(crate) home: Option<OsString>,
    pub(crate) path: OsString,
    pub(crate) temporary: PathBuf,
    /// `CCACHE_PREFIX`: what ccache puts before compilers.
    pub(crate) ccache_prefix: String,
    /// `CC` and `CXX`, as far as they are set.
    pub(crate) compilers: Vec<String>,
}

impl Surroundings {
    /// Reads the environment of this process.
    #[must_use]
    pub fn read() -> Surroundings {
        let full = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let text = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Surroundings {
            hosts: std::env::var_os("DISTCC_HOSTS"),
            state_dir: full("DISTCC_DIR"),
            home: full("HOME"),
            path: full("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()),
            temporary: full("TMPDIR").unwrap_or_else(|| "/tmp".into()).into(),
            ccache_prefix: text("CCACHE_PREFIX").unwrap_or_default(),
            compilers: ["CC", "CXX"].into_iter().filter_map(text).collect(),
        }
    }

    /// The text of the host list that a build would use.
    pub(crate) fn host_list(&self) -> Option<HostListText> {
        host_list_text(self.hosts.as_deref(), self.state_dir.as_deref(), self.home.as_deref())
    }

    /// The state folder of clients.
    pub(crate) fn state_folder(&self) -> Option<PathBuf> {
        StateDir::place(self.state_dir.as_deref(), self.home.as_deref())
    }
}
