//! Whether compilers will find their helpers.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use toolchain::Finder;

/// What compilers look for in `PATH`, unless they have one of their own.
const HELPERS: [&str; 2] = ["as", "ld"];

/// What is wrong with a `PATH`, for the log. systemd does not expand variables in an
/// `EnvironmentFile=`, so `PATH=/opt/arm/bin:$PATH` there loses the folders of the system.
pub(crate) fn complaints(path: &OsStr) -> Vec<String> {
    let mut complaints = Vec::new();
    let shown = path.to_string_lossy();
    let unexpanded =
        path.as_bytes().split(|byte| *byte == b':').find(|part| part.starts_with(b"$"));
    if let Some(part) = unexpanded {
        let part = String::from_utf8_lossy(part);
        complaints.push(format!(
            "PATH has the word `{part}`, which nobody replaced; a unit's EnvironmentFile is read \
             as it stands: write the folders out, as in PATH=/opt/arm/bin:/usr/bin:/bin"
        ));
    }
    let finder = Finder::new(path.to_owned());
    for helper in HELPERS {
        if finder.find(OsStr::new(helper)).is_err() {
            complaints.push(format!(
                "`{helper}` is not in PATH ({shown}): compilers that look for it there will fail; \
                 add its folder, which is /usr/bin as a rule"
            ));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_helper_that_will_not_be_found_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["as", "ld"] {
            std::os::unix::fs::symlink("/bin/true", folder.path().join(name)).unwrap();
        }
        let path = folder.path().to_str().unwrap();
        assert_eq!(complaints(OsStr::new(path)), [""; 0]);
        std::fs::remove_file(folder.path().join("as")).unwrap();
        let said = complaints(OsStr::new(path));
        assert!(said.len() == 1 && said[0].starts_with("`as` is not in PATH"), "{said:?}");
        let said = complaints(OsStr::new("/nonexistent:$PATH"));
        assert!(said.len() == 3 && said[0].contains("`$PATH`"), "{said:?}");
    }
}
