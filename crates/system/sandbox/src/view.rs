//! The files that a job can see.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount,
    mount_bind_recursive, mount_change, mount_remount, move_mount, open_tree, unmount,
};
use rustix::process::{chdir, pivot_root};

use crate::kernel;
use crate::message::is_in;

/// What compilers of a system need. What is not there is left out.
const SYSTEM: [&str; 12] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/gnu/store",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/localtime",
];

/// The devices that programs expect.
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

/// Where the devices are.
const DEVICES_FOLDER: &str = "/dev";

/// The files that a job can see: those of the system's compilers, further ones, and its own
/// folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Folders and files to be read besides the system's own.
    pub more: Vec<PathBuf>,
    /// The folder in which jobs have theirs, by its true name. A job sees its own there, and no
    /// other.
    pub jobs: PathBuf,
}

/// What must not happen on a mount.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) is_read_only: bool,
    pub(crate) runs_nothing: bool,
}

impl View {
    /// Everything to be read, each once: what lies in another of them is left out.
    #[must_use]
    pub fn readable(&self) -> Vec<PathBuf> {
        let more = self.more.iter().map(PathBuf::as_path);
        let mut paths: Vec<&Path> = SYSTEM.iter().map(Path::new).chain(more).collect();
        // Folders before what lies in them.
        paths.sort_by_key(|path| path.components().count());
        let mut found: Vec<PathBuf> = Vec::new();
        for path in paths {
            let is_there = std::fs::symlink_metadata(path).is_ok();
            let is_name = path.is_absolute() && path != Path::new("/") && is_in(path, path);
            if is_there && is_name && !found.iter().any(|other| path.starts_with(other)) {
                found.push(path.to_owned());
            }
        }
        found
    }

    /// The devices, with their folder.
    pub(crate) fn devices() -> impl Iterator<Item = PathBuf> {
        DEVICES.iter().map(|name| Path::new(DEVICES_FOLDER).join(name))
    }

    /// Makes a tree of only those files the root of this process, which has a mount namespace of
    /// its own. The folder of jobs is in it, to be hidden by [`View::show_own`].
    pub(crate) fn enter(&self) -> io::Result<()> {
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        let jobs = tree(&self.jobs)?;
        // Any folder would do to stand on; this one is there.
        let root = self.jobs.as_path();
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount("tmpfs", root, "tmpfs", flags, c"mode=0755,size=256k")?;
        for path in self.readable() {
            show(root, &path)?;
        }
        std::fs::create_dir(below(root, Path::new(DEVICES_FOLDER)))?;
        for device in View::devices().filter(|device| device.exists()) {
            let place = below(root, &device);
            File::create(&place)?;
            mount_bind_recursive(&device, &place)?;
        }
        // A job's own one is put upon it. It has to be there, because the system shows a process
        // only what it could see before.
        let processes = below(root, Path::new("/proc"));
        std::fs::create_dir(&processes)?;
        mount_bind_recursive("/proc", &processes)?;
        let place = below(root, &self.jobs);
        std::fs::create_dir_all(&place)?;
        put(&jobs, &place)?;
        let temporary = below(root, Path::new("/tmp"));
        std::fs::create_dir_all(temporary)?;
        chdir(root)?;
        pivot_root(".", ".")?;
        unmount(".", UnmountFlags::DETACH)?;
        chdir("/")?;
        restrict(Path::new("/"), Rules { is_read_only: true, runs_nothing: false }, false)?;
        Ok(())
    }

    /// Hides all jobs but the one whose folder is `own`. The process has a mount namespace of its
    /// own, a copy of that of [`View::enter`].
    pub(crate) fn show_own(&self, own: &Path) -> io::Result<()> {
        if own.parent() != Some(&self.jobs) || !is_in(own, &self.jobs) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let folder = tree(own)?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount("tmpfs", &self.jobs, "tmpfs", flags, c"mode=0755,size=16k,nr_inodes=8")?;
        std::fs::create_dir(own)?;
        put(&folder, own)?;
        restrict(own, Rules { is_read_only: false, runs_nothing: true }, false)?;
        restrict(&self.jobs, Rules { is_read_only: true, runs_nothing: true }, false)
    }
}

/// Shows the processes of this process's own namespace; no information about the machine beyond
/// them where the system can leave that out. Where it does not allow that, there are none.
pub(crate) fn show_own_processes() -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let mounted = mount("proc", "/proc", "proc", flags, c"subset=pid")
        .or_else(|_| mount("proc", "/proc", "proc", flags, None));
    match mounted {
        Ok(()) => Ok(()),
        Err(_) => Ok(mount(
            "tmpfs",
            "/proc",
            "tmpfs",
            flags | MountFlags::RDONLY,
            c"size=4k,nr_inodes=2",
        )?),
    }
}

/// Where an absolute path lies below `root`.
pub(crate) fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Shows a file, folder or link of the machine at the same place below `root`, read-only.
fn show(root: &Path, path: &Path) -> io::Result<()> {
    let place = below(root, path);
    if let Some(folder) = place.parent() {
        std::fs::create_dir_all(folder)?;
        std::fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    }
    let kind = std::fs::symlink_metadata(path)?.file_type();
    if kind.is_symlink() {
        return symlink(std::fs::read_link(path)?, &place);
    }
    if kind.is_dir() {
        std::fs::create_dir(&place)?;
    } else {
        File::create(&place)?;
    }
    mount_bind_recursive(path, &place)?;
    restrict(&place, Rules { is_read_only: true, runs_nothing: false }, true)
}

/// A mount of `path`, in no place yet.
pub(crate) fn tree(path: &Path) -> io::Result<rustix::fd::OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    Ok(open_tree(CWD, path, flags)?)
}

/// A mount of `path` with all mounts in it, in no place yet.
pub(crate) fn clone_all(path: &Path) -> io::Result<rustix::fd::OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    Ok(open_tree(CWD, path, flags | OpenTreeFlags::AT_RECURSIVE)?)
}

pub(crate) fn put(tree: &rustix::fd::OwnedFd, place: &Path) -> io::Result<()> {
    Ok(move_mount(tree, "", CWD, place, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}

/// Adds rules to a mount, and with `all` to those below it.
pub(crate) fn restrict(place: &Path, rules: Rules, all: bool) -> io::Result<()> {
    let mut attributes = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    let mut flags = MountFlags::BIND | MountFlags::NOSUID | MountFlags::NODEV;
    if rules.is_read_only {
        attributes |= libc::MOUNT_ATTR_RDONLY;
        flags |= MountFlags::RDONLY;
    }
    if rules.runs_nothing {
        attributes |= libc::MOUNT_ATTR_NOEXEC;
        flags |= MountFlags::NOEXEC;
    }
    match kernel::set_mount_attributes(place, attributes, all) {
        // Linux before 5.12: the folder itself, then.
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => {
            Ok(mount_remount(place, flags, c"")?)
        }
        set => set,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_another_folder_is_left_out_whichever_comes_first() {
        let view =
            |more: [&str; 2]| View { more: more.map(PathBuf::from).to_vec(), jobs: "/tmp".into() };
        for more in [["/var/lib/dpkg", "/var/lib"], ["/var/lib", "/var/lib/dpkg"]] {
            let found = view(more).readable();
            assert!(found.contains(&"/var/lib".into()), "{found:?}");
            assert!(!found.contains(&"/var/lib/dpkg".into()), "{found:?}");
        }
    }
}
