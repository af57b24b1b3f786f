//! Folders in memory for the trees of jobs: files are made there many times faster than on a disk,
//! and are gone with the job.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount,
    fsopen,
};

/// An empty folder in memory that is in no place yet, for so many bytes and files.
pub(crate) fn make(n_bytes: u64, n_files: u64) -> io::Result<OwnedFd> {
    let memory = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let options = [
        ("size", n_bytes.to_string()),
        ("nr_inodes", n_files.to_string()),
        ("mode", "0700".to_owned()),
    ];
    for (name, value) in options {
        fsconfig_set_string(memory.as_fd(), name, value)?;
    }
    fsconfig_create(memory.as_fd())?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    Ok(fsmount(memory.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}
