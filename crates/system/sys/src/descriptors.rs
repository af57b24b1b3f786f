//! Descriptors that are known by their number alone.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Writes all of `bytes` to a descriptor that somebody else opened for us and told us the number
/// of, as ccache does.
///
/// # Errors
/// When there is no such descriptor, or it cannot be written.
pub fn write_to(descriptor: RawFd, bytes: &[u8]) -> io::Result<()> {
    let mut left = bytes;
    while !left.is_empty() {
        // SAFETY: The call reads `left.len()` bytes from where `left` is. A number that is no open
        // descriptor is an error of the call.
        let n_written = unsafe { libc::write(descriptor, left.as_ptr().cast(), left.len()) };
        match usize::try_from(n_written) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n_written) => left = left.get(n_written..).unwrap_or_default(),
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
    Ok(())
}

/// A copy of a descriptor that the caller of this program opened for it and told it the number of, as
/// systemd does. The original stays, and is no longer inherited by others; nor is the copy.
///
/// # Errors
/// When there is no such descriptor.
pub fn inherited(descriptor: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: The calls touch no memory; a number that is no open descriptor is an error of theirs.
    let copy = unsafe {
        if libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) == -1 {
            return Err(io::Error::last_os_error());
        }
        libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 3)
    };
    if copy == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: The descriptor is new, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn what_is_open_is_written_and_what_is_not_is_an_error() {
        let path = std::env::temp_dir().join(format!("distcc-rs-fd-{}", std::process::id()));
        let mut options = std::fs::OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        write_to(file.as_raw_fd(), b"text").unwrap();
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");
        assert!(write_to(-1, b"text").is_err());
    }

    #[test]
    fn an_inherited_descriptor_is_copied() {
        let (reader, mut writer) = io::pipe().unwrap();
        let mut copy = io::PipeReader::from(inherited(reader.as_raw_fd()).unwrap());
        io::Write::write_all(&mut writer, b"x").unwrap();
        let mut text = [0];
        copy.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"x");
        assert!(inherited(-1).is_err());
    }
}
