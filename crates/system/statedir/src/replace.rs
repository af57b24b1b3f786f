//! A finished file takes the place of another.

use std::io;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};

/// Gives the file `finished` the name `place`, in one step: whoever looks finds the old file or the new
/// one. After an error `finished` is still there, and what was at `place` too.
///
/// Where there is an old file the two change places, and that one is removed. ext4 and its like write
/// a file to the disk at once that is renamed over another, which costs more than all the rest of a compile
/// here (2 ms for 700 kB); compilers do not wait for that either.
///
/// # Errors
/// When it cannot be renamed.
pub fn replace(finished: &Path, place: &Path) -> io::Result<()> {
    let exchange = || renameat_with(CWD, finished, CWD, place, RenameFlags::EXCHANGE);
    if exchange().is_err() {
        // There is none, or the file system cannot do that.
        return std::fs::rename(finished, place);
    }
    std::fs::remove_file(finished).inspect_err(|_| {
        // It was a folder.
        let _ = exchange();
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_file_goes() {
        let folder = std::env::temp_dir().join(format!("distcc-rs-replace-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let [new, place] = ["new", "place"].map(|name| folder.join(name));
        for text in ["one", "two"] {
            std::fs::write(&new, text).unwrap();
            replace(&new, &place).unwrap();
            assert_eq!(std::fs::read_to_string(&place).unwrap(), text);
            assert!(!new.exists());
        }
        // A link is replaced itself.
        std::os::unix::fs::symlink("elsewhere", folder.join("link")).unwrap();
        std::fs::write(&new, "three").unwrap();
        replace(&new, &folder.join("link")).unwrap();
        assert!(!folder.join("link").is_symlink() && !new.exists());
        assert!(replace(&new, &place).is_err());
        assert_eq!(std::fs::read_to_string(&place).unwrap(), "two");
        std::fs::write(&new, "four").unwrap();
        assert!(replace(&new, &folder.join("missing/place")).is_err());
        assert!(new.exists());
        std::fs::create_dir(folder.join("folder")).unwrap();
        assert!(replace(&new, &folder.join("folder")).is_err());
        assert!(new.is_file() && folder.join("folder").is_dir());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
