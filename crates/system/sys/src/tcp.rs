//! What the kernel knows of a TCP connection.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// How the peer's kernel answers ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answers {
    /// How long ago it last acknowledged anything or sent something.
    pub silent: Duration,
    /// How often it has been asked since, or sent something again, without an answer.
    pub n_unanswered: u8,
    /// How long an answer takes.
    pub round_trip: Duration,
}

/// Asks the kernel about `socket` (Linux `tcp(7)`, `TCP_INFO`).
///
/// # Errors
/// Whatever `getsockopt(2)` says, as of what is no TCP socket.
pub fn answers(socket: BorrowedFd<'_>) -> io::Result<Answers> {
    // SAFETY: `tcp_info` is a plain C struct of integers, for which all zeros is a valid value.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: both pointers are valid for the call, which writes at most `length` bytes, the size
    // of `info`, and keeps no pointer. A kernel that knows fewer fields leaves the rest zero.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let silent = info.tcpi_last_ack_recv.min(info.tcpi_last_data_recv);
    Ok(Answers {
        silent: Duration::from_millis(silent.into()),
        n_unanswered: info.tcpi_retransmits.max(info.tcpi_probes),
        round_trip: Duration::from_micros(info.tcpi_rtt.into()),
    })
}

/// How many bytes that were written to `socket` the peer's kernel has not acknowledged yet (Linux
/// `tcp(7)`, `SIOCOUTQ`).
///
/// # Errors
/// Whatever `ioctl(2)` says, as of what is no socket.
pub fn unacknowledged(socket: BorrowedFd<'_>) -> io::Result<usize> {
    let mut n_bytes: libc::c_int = 0;
    // SAFETY: the request, `SIOCOUTQ` by its other name, writes one integer to the pointer, which is
    // valid for the call, and keeps none.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut n_bytes) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(usize::try_from(n_bytes).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    #[test]
    fn a_peer_that_answers_has_no_question_open() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_eq!(answers(ours.as_fd()).unwrap().n_unanswered, 0);
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(answers(file.as_fd()).is_err());
    }

    #[test]
    fn what_is_under_way_is_counted_until_the_peer_has_it() {
        use std::io::{Read, Write};
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        assert_eq!(unacknowledged(ours.as_fd()).unwrap(), 0);
        // More than the peer's kernel takes while nobody reads.
        ours.set_nonblocking(true).unwrap();
        let piece = vec![0; 1 << 20];
        let mut n_sent = 0;
        while let Ok(n_bytes) = ours.write(&piece) {
            n_sent += n_bytes;
        }
        assert!(unacknowledged(ours.as_fd()).unwrap() > 0);
        peer.read_exact(&mut vec![0; n_sent]).unwrap();
        while unacknowledged(ours.as_fd()).unwrap() > 0 {
            std::thread::yield_now();
        }
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(unacknowledged(file.as_fd()).is_err());
    }
}
