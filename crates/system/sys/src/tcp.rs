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
}
