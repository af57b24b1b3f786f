//! Where the text of the host list is.

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::StateDir;

/// The host list of the whole machine. Source: distcc(1) 3.4.
const SYSTEM_FILE: &str = "/etc/distcc/hosts";

/// The text of a host list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostListText {
    /// The file that it stands in; `None`: `DISTCC_HOSTS`.
    pub file: Option<PathBuf>,
    /// What is there.
    pub bytes: Vec<u8>,
}

impl HostListText {
    /// Where it was found, for people: `DISTCC_HOSTS`, or a file.
    #[must_use]
    pub fn place(&self) -> String {
        self.file.as_ref().map_or("DISTCC_HOSTS".to_owned(), |file| file.display().to_string())
    }
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
        return Some(HostListText { file: None, bytes: text.as_encoded_bytes().to_vec() });
    }
    let user_file = StateDir::place(distcc_dir, home).map(|folder| folder.join("hosts"));
    [user_file, Some(PathBuf::from(SYSTEM_FILE))].into_iter().flatten().find_map(|file| {
        let bytes = std::fs::read(&file).ok()?;
        Some(HostListText { file: Some(file), bytes })
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
        assert!(found(None).place().ends_with("/hosts"));
        assert_eq!(
            (found(Some("")).bytes, found(Some("")).place()),
            (vec![], "DISTCC_HOSTS".into())
        );
    }
}
