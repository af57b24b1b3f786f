//! What a compiler's account of itself rests on, so that it need be asked again only when that has changed.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::time::SystemTime;

use crate::identity::Identity;
use crate::names::{absolute, folder_of};

/// Where nothing is installed, and folders change all the time.
const NO_WITNESSES: [&[u8]; 3] = [b"/dev", b"/proc", b"/sys"];

/// The state of every place that a `-v` message names, and of the folder that each lies in: the programs that the
/// driver runs, the installations that it has found, the folders that are searched and those that would be if they
/// were there. What is put beside one of them (a `specs` file, another version of GCC) shows in its folder. A name
/// that is not absolute is one in `folder`. `None` where one of them may have changed since `before`.
pub(super) fn states(errors: &[u8], folder: &[u8], before: SystemTime) -> Option<String> {
    let mut places: BTreeSet<Vec<u8>> = BTreeSet::new();
    for name in errors.split(|byte| *byte == b'\n').flat_map(names) {
        let place = absolute(folder, name).into_owned();
        if NO_WITNESSES.iter().any(|none| Path::new(as_text(&place)).starts_with(as_text(none))) {
            continue;
        }
        places.insert(folder_of(&place).to_vec());
        places.insert(place);
    }
    let mut states = String::new();
    for place in &places {
        let state = rustix::fs::stat(&place[..]).ok().map(|stat| Identity::of(&stat));
        if state.is_some_and(|state| !state.is_settled(before)) {
            return None;
        }
        let _ = writeln!(states, "{} {state:?}", place.escape_ascii());
    }
    Some(states)
}

fn as_text(place: &[u8]) -> &std::ffi::OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(place)
}

/// The names in a line: its absolute words, and the whole rest of one that tells a folder.
fn names(line: &[u8]) -> Vec<&[u8]> {
    let ignored = line.strip_prefix(b"ignoring nonexistent directory \"");
    if let Some(name) = ignored.and_then(|rest| rest.strip_suffix(b"\"")) {
        return vec![name];
    }
    // Of the lists; the command of GCC's driver begins likewise.
    let listed = line.strip_prefix(b" ").filter(|rest| rest.starts_with(b"/")).into_iter();
    let words = line.split(|byte| b" \"'".contains(byte)).filter(|word| word.starts_with(b"/"));
    listed.filter(|rest| !rest.contains(&b' ')).chain(words).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::time::Duration;

    #[test]
    fn what_comes_goes_or_changes_shows() {
        let world = tempfile::tempdir().unwrap();
        let root = world.path().canonicalize().unwrap();
        let at = |name: &str| root.join(name).display().to_string();
        fs::create_dir_all(root.join("lib/12")).unwrap();
        fs::create_dir(root.join("include")).unwrap();
        fs::write(root.join("lib/12/cc1"), "").unwrap();
        let errors = format!(
            "ignoring nonexistent directory \"{}\"\nignoring nonexistent directory \"sub\"\n {} -E -o /dev/null\n {}\n",
            at("local/include"),
            at("lib/12/cc1"),
            at("include"),
        );
        let states = || {
            let later = SystemTime::now() + Duration::from_secs(60);
            states(errors.as_bytes(), root.as_os_str().as_bytes(), later).unwrap()
        };
        let mut last = states();
        assert!(!last.contains("/dev"));
        let mut check = |what: &str| {
            let now = states();
            assert_ne!(now, last, "{what}");
            last = now;
        };
        fs::create_dir_all(root.join("local/include")).unwrap();
        check("a folder that was missing");
        fs::create_dir(root.join("sub")).unwrap();
        check("one by a name that is not absolute");
        fs::write(root.join("lib/12/cc1"), "new").unwrap();
        check("a program");
        fs::write(root.join("lib/12/specs"), "").unwrap();
        check("what lies beside a program");
        fs::remove_dir(root.join("include")).unwrap();
        check("a folder of the list");
        assert_eq!(states(), last);
        let at_once = super::states(errors.as_bytes(), b"/", SystemTime::now());
        assert_eq!(at_once, None, "they were changed just now");
    }
}
