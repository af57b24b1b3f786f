//! Asking whether anybody is at work behind an address.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::Shutdown;

/// A question that every server answers, whatever it speaks: a connection on which nothing will
/// be said. A server that is at work closes it; the kernel of one that has been stopped takes it,
/// and that is all.
#[derive(Debug)]
pub struct Probe {
    /// `None` once it is known that somebody answered.
    socket: Option<OwnedFd>,
    is_connected: bool,
}

impl Probe {
    /// Asks. Never waits.
    #[must_use]
    pub fn new(address: SocketAddr) -> Probe {
        Probe { socket: crate::connect::begin(address).ok(), is_connected: false }
    }

    /// Whether there was an answer by now: the connection was closed, refused, or used. Never
    /// waits.
    pub fn is_answered(&mut self) -> bool {
        let Some(socket) = &self.socket else { return true };
        if !self.is_connected {
            if !is_ready(socket, PollFlags::OUT) {
                return false;
            }
            self.is_connected = true;
            if rustix::net::shutdown(socket, Shutdown::Write).is_err() {
                // It could not be connected: somebody refused.
                self.socket = None;
                return true;
            }
        }
        match rustix::io::read(socket, &mut [0; 16]) {
            Err(Errno::AGAIN | Errno::INTR) => false,
            // Nobody is there.
            Err(Errno::TIMEDOUT | Errno::HOSTUNREACH | Errno::HOSTDOWN | Errno::NETUNREACH) => {
                false
            }
            _ => {
                self.socket = None;
                true
            }
        }
    }
}

fn is_ready(socket: &OwnedFd, flags: PollFlags) -> bool {
    let mut ends = [PollFd::new(socket, flags)];
    matches!(poll(&mut ends, Some(&Timespec::default())), Ok(1..))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn wait_for_answer(probe: &mut Probe) {
        while !probe.is_answered() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    #[test]
    fn somebody_who_closes_has_answered_and_a_kernel_alone_has_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut probe = Probe::new(listener.local_addr().unwrap());
        while !probe.is_connected {
            assert!(!probe.is_answered());
        }
        assert!(!probe.is_answered());
        drop(listener.accept().unwrap());
        wait_for_answer(&mut probe);
        assert!(probe.is_answered());
    }

    #[test]
    fn a_refusal_is_an_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        wait_for_answer(&mut Probe::new(address));
    }
}
