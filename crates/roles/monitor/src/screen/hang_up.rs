//! The end of the terminal, as when its window is shut or its ssh breaks.

use std::io;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags};

/// The exit code of a command whose terminal has hung up: that of SIGHUP.
const HUNG_UP: i32 = 128 + 1;

/// Ends the process when the terminal on its standard input hangs up, whatever it does then: reading keys
/// of such a terminal has no end (crossterm 0.29), and nothing is left to be restored.
pub(super) fn end_with_the_terminal() {
    std::thread::spawn(|| {
        let stdin = io::stdin();
        loop {
            // Without wishes it tells of the end alone.
            let mut fds = [PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::empty())];
            match rustix::event::poll(&mut fds, None) {
                Ok(_) if fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR) => {
                    std::process::exit(HUNG_UP);
                }
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    });
}
