//! Where the text of the host list is.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The host list of the whole machine. Source: distcc(1) 3.4.
const SYSTEM_FILE: &str = "/etc/distcc/hosts";

/// The text of a host list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostListText {
    /// Where it was found: `DISTCC_HOSTS`, or a file.
    pub place: String,
    /// What is there.
    pub bytes: Vec<u8>,
}

/// The first list that exists: `hosts` (`$DISTCC_HOSTS`), the file `hosts` of the state folder, the
/// system's. `distcc_dir` is `$DISTCC_DIR`, else the state folder is `.distcc` in `home`.
#[must_use]
pub fn host_list_text(
    hosts: Option<&OsStr>,
    distcc_dir: Option<&OsStr>,
    home: Option<&OsStr>,
) -> Option<HostListText> {
    if let Some(text) = hosts {
        let (place, bytes) = ("DISTCC_HOSTS".to_owned(), text.as_encoded_bytes().to_vec());
        return Some(HostListText { place, bytes });
    }
    let user_file = match (distcc_dir, home) {
        (Some(folder), _) => Some(Path::new(folder).join("hosts")),
        (None, Some(home)) => Some(Path::new(home).join(".distcc/hosts")),
        (None, None) => None,
    };
    [user_file, Some(PathBuf::from(SYSTEM_FILE))].into_iter().flatten().find_map(|path| {
        let bytes = std::fs::read(&path).ok()?;
        Some(HostListText { place: path.display().to_string(), bytes })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::tests::Scratch;

    #[test]
    fn the_variable_comes_before_the_file_of_the_state_folder() {
        let scratch = Scratch::new("host-list");
        let folder = scratch.state.path();
        std::fs::write(folder.join("hosts"), "red\n").unwrap();
        let found = |hosts: Option<&str>| {
            host_list_text(hosts.map(OsStr::new), Some(folder.as_os_str()), None).unwrap()
        };
        assert_eq!(found(None).bytes, b"red\n");
        assert!(found(None).place.ends_with("/hosts"));
        assert_eq!((found(Some("")).bytes, found(Some("")).place), (vec![], "DISTCC_HOSTS".into()));
    }
}
