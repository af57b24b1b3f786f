//! What `openat2` does with `RESOLVE_IN_ROOT`, a step at a time, where that call is missing: systemd takes it
//! from services that may make no set-user-ID files, which no `DynamicUser=` may.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags, openat, readlinkat};
use rustix::io::Errno;

use super::below::{FOLDER, parts};

/// How many links one name may lead through. Source: the kernel's own limit.
const MOST_LINKS: usize = 40;

/// Opens `name` as a process sees it that has `root` for its root. The kernel follows no link and goes up
/// nowhere: both are done here, from the folders on the way, which stay open. So whoever changes the tree meanwhile
/// leads nowhere else either.
pub(super) fn open_in_root(root: &OwnedFd, name: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    // What is still to be gone, the next part last.
    let mut to_go: Vec<OsString> = backwards(name);
    let mut way: Vec<OwnedFd> = Vec::new();
    let mut n_links = 0;
    while let Some(part) = to_go.pop() {
        let at = way.last().map_or(root.as_fd(), AsFd::as_fd);
        if part == ".." {
            way.pop();
            continue;
        }
        if to_go.is_empty() && flags.contains(OFlags::NOFOLLOW) {
            return openat(at, &part, flags, Mode::empty());
        }
        match openat(at, &part, FOLDER, Mode::empty()) {
            Ok(folder) => way.push(folder),
            // A link, or no folder.
            Err(error @ (Errno::NOTDIR | Errno::LOOP)) => {
                let target = readlinkat(at, &part, Vec::new()).map_err(|_| error)?;
                n_links += 1;
                if n_links > MOST_LINKS {
                    return Err(Errno::LOOP);
                }
                let target = Path::new(OsStr::from_bytes(target.as_bytes()));
                if target.is_absolute() {
                    way.clear();
                }
                to_go.extend(backwards(target));
            }
            Err(error) => return Err(error),
        }
    }
    let at = way.last().map_or(root.as_fd(), AsFd::as_fd);
    openat(at, ".", flags, Mode::empty())
}

fn backwards(name: &Path) -> Vec<OsString> {
    let mut parts: Vec<OsString> = parts(name).map(OsStr::to_owned).collect();
    parts.reverse();
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, ResolveFlags, openat2};

    const READ: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
    const STAND: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

    /// What is there, told apart by its number on the disk.
    fn number(opened: Result<OwnedFd, Errno>) -> Result<u64, Errno> {
        opened.map(|file| rustix::fs::fstat(&file).unwrap().st_ino)
    }

    #[test]
    fn every_name_leads_where_openat2_leads() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("a/b/c")).unwrap();
        std::fs::create_dir(root.join("outside")).unwrap();
        std::fs::create_dir(folder.path().join("outside")).unwrap();
        std::fs::write(root.join("a/file"), "inside").unwrap();
        for (link, target) in [
            ("absolute", "/a/b"),
            ("climbing", "../../../outside"),
            ("outside/up", ".."),
            ("a/to_file", "file"),
            ("a/through", "/absolute/../file"),
            ("dangling", "nothing/there"),
            ("circle", "circle"),
            ("chain", "a/../absolute"),
            ("a/b/root", "/"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        let names = [
            "/",
            "a",
            "/a/b",
            "a/./b//c",
            "a/b/../..",
            "../../../../a",
            "absolute/c",
            "climbing",
            "climbing/up/up",
            "a/to_file",
            "a/file",
            "a/file/x",
            "a/through",
            "dangling",
            "circle",
            "circle/x",
            "chain",
            "chain/c",
            "a/b/root/a/b/root",
            "nothing",
            "a/nothing/b",
            "absolute/../file",
            "outside/up/a/file",
        ];
        let root = openat(CWD, &root, FOLDER, Mode::empty()).unwrap();
        let rules = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        for name in names {
            for flags in [READ, STAND] {
                let expected = number(openat2(&root, name, flags, Mode::empty(), rules));
                let got = number(open_in_root(&root, Path::new(name), flags));
                assert_eq!(got, expected, "{name} {flags:?}");
            }
        }
        let mut text = String::new();
        let file = open_in_root(&root, Path::new("/chain/../file"), READ).unwrap();
        File::from(file).read_to_string(&mut text).unwrap();
        assert_eq!(text, "inside");
    }
}
