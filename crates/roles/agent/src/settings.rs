//! The environment, read once.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use statedir::StateDir;

/// How long an agent stays without work.
const IDLE: Duration = Duration::from_secs(600);

/// The most memory for files, in bytes, unless it is an eighth of the machine's.
const MOST_BODY_BYTES: usize = 512 << 20;

/// What the environment says.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) state_dir: Option<OsString>,
    pub(crate) home: Option<OsString>,
    /// Where compilers are looked for.
    pub(crate) path: OsString,
    pub(crate) temporary: PathBuf,
    pub(crate) idle: Duration,
    pub(crate) most_body_bytes: usize,
}

impl Settings {
    /// Reads the environment of this process.
    #[must_use]
    pub fn read() -> Settings {
        Settings::from(|name| std::env::var_os(name), memory_bytes())
    }

    /// The user's state folder, or one among the temporary ones.
    ///
    /// # Errors
    /// Neither can be had.
    pub(crate) fn open_state(&self) -> io::Result<StateDir> {
        let (state_dir, home) = (self.state_dir.as_deref(), self.home.as_deref());
        StateDir::open_somewhere(state_dir, home, &self.temporary)
    }

    fn from(variable: impl Fn(&str) -> Option<OsString>, memory: Option<u64>) -> Settings {
        let full = |name: &str| variable(name).filter(|value| !value.is_empty());
        let number = |name: &str| full(name)?.to_str()?.trim().parse::<u64>().ok();
        let eighth = memory.map_or(usize::MAX, |bytes| (bytes / 8) as usize);
        let wished =
            number("DISTCC_AGENT_MEMORY").map(|mib| (mib as usize).saturating_mul(1 << 20));
        Settings {
            state_dir: full("DISTCC_DIR"),
            home: full("HOME"),
            path: full("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()),
            temporary: full("TMPDIR").unwrap_or_else(|| "/tmp".into()).into(),
            idle: number("DISTCC_AGENT_IDLE").map_or(IDLE, Duration::from_secs),
            most_body_bytes: wished.unwrap_or(MOST_BODY_BYTES.min(eighth)),
        }
    }
}

/// The memory of this machine.
fn memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_a_limit_of_its_own() {
        let settings = |pairs: &[(&str, &str)], memory| {
            let find = |name: &str| {
                pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
            };
            Settings::from(find, memory)
        };
        assert_eq!(settings(&[], Some(1 << 30)).most_body_bytes, 128 << 20);
        assert_eq!(settings(&[], Some(1 << 40)).most_body_bytes, 512 << 20);
        assert_eq!(settings(&[("DISTCC_AGENT_MEMORY", "7")], None).most_body_bytes, 7 << 20);
        assert_eq!(settings(&[("DISTCC_AGENT_IDLE", "3")], None).idle, Duration::from_secs(3));
        assert_eq!(settings(&[("DISTCC_AGENT_IDLE", "x")], None).idle, IDLE);
    }
}
