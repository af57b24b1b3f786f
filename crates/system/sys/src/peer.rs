//! Who is at the other end of a Unix socket. (`rustix` has no place for a process that cannot be seen.)

use std::io;
use std::mem::size_of;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

/// A process, as it was when it connected.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// `None` where it is outside of our process namespace.
    pub pid: Option<u32>,
    /// Its effective user.
    pub user: u32,
}

/// The process that connected `stream`, by `SO_PEERCRED` of unix(7).
///
/// # Errors
/// It is no connected socket.
pub fn of(stream: &UnixStream) -> io::Result<Peer> {
    let mut peer = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut n_bytes = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: The kernel writes at most n_bytes bytes, of numbers for which every value is valid.
    let outcome = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut n_bytes,
        )
    };
    if outcome != 0 || n_bytes as usize != size_of::<libc::ucred>() {
        return Err(io::Error::last_os_error());
    }
    let pid = u32::try_from(peer.pid).ok().filter(|pid| *pid > 0);
    Ok(Peer { pid, user: peer.uid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_of_our_own_is_ourselves() {
        let (one, _other) = UnixStream::pair().unwrap();
        let peer = of(&one).unwrap();
        assert_eq!(peer.pid, Some(std::process::id()));
        // SAFETY: geteuid takes nothing and cannot fail.
        assert_eq!(peer.user, unsafe { libc::geteuid() });
    }
}
