//! Those who are turned away: one thread tells them all why, and waits for none.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use wire::{Limits, RequestDecoder, Version};

use crate::bounds::{DOOR_PATIENCE, LAST_WORDS_BYTES, LAST_WORDS_PATIENCE, MOST_AT_THE_DOOR};
use crate::refusal::Refusal;

/// Takes clients that are not to be served.
#[derive(Debug)]
pub(crate) struct Door {
    guests: SyncSender<Guest>,
    bell: Arc<OwnedFd>,
}

/// One who is turned away.
#[derive(Debug)]
struct Guest {
    stream: TcpStream,
    refusal: Refusal,
    /// The version of its request is not known as long as there is a decoder.
    decoder: Option<RequestDecoder>,
    deadline: Instant,
    n_dropped: u64,
}

impl Door {
    /// Opens the door: starts its thread.
    pub(crate) fn open() -> io::Result<Door> {
        let (sender, receiver) = sync_channel(MOST_AT_THE_DOOR);
        let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let keeper = Keeper { bell: Arc::clone(&bell), coming: receiver, guests: Vec::new() };
        std::thread::Builder::new().name("door".to_owned()).spawn(move || keeper.run())?;
        Ok(Door { guests: sender, bell })
    }

    /// Tells a client why it is not served.
    pub(crate) fn turn_away(&self, stream: TcpStream, refusal: Refusal) {
        if stream.set_nonblocking(true).is_err() {
            return;
        }
        let guest = Guest {
            stream,
            refusal,
            decoder: Some(RequestDecoder::new(Limits::DEFAULT)),
            deadline: Instant::now() + DOOR_PATIENCE,
            n_dropped: 0,
        };
        match self.guests.try_send(guest) {
            Ok(()) => {
                let _ = rustix::io::write(&*self.bell, &1_u64.to_ne_bytes());
            }
            // Too many: whoever asked in the first version reads it.
            Err(TrySendError::Full(mut guest) | TrySendError::Disconnected(mut guest)) => {
                guest.tell(Version::V1);
            }
        }
    }
}

/// Who stands at the door.
struct Keeper {
    bell: Arc<OwnedFd>,
    coming: Receiver<Guest>,
    guests: Vec<Guest>,
}

impl Keeper {
    /// For as long as the process lives.
    fn run(mut self) -> ! {
        loop {
            let n_free = MOST_AT_THE_DOOR.saturating_sub(self.guests.len());
            self.guests.extend(self.coming.try_iter().take(n_free));
            self.wait();
            let _ = rustix::io::read(&*self.bell, &mut [0; 8]);
            self.guests.retain_mut(Guest::go_on);
        }
    }

    /// Waits until somebody comes, says something, or has been here too long.
    fn wait(&self) {
        let now = Instant::now();
        let next = self.guests.iter().map(|guest| guest.deadline).min();
        let left = next.map(|deadline| deadline.saturating_duration_since(now));
        // A little more, so that the time is over then.
        let left = left.map(|left| left + Duration::from_millis(1));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let mut ends = Vec::with_capacity(self.guests.len() + 1);
        ends.push(PollFd::from_borrowed_fd(self.bell.as_fd(), PollFlags::IN));
        ends.extend(self.guests.iter().map(|guest| PollFd::new(&guest.stream, PollFlags::IN)));
        if poll(&mut ends, timeout.as_ref()).is_err() {
            // Interrupted, or no memory: not to be asked again at once.
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Guest {
    /// Reads what is there. False when it is done with.
    fn go_on(&mut self) -> bool {
        let mut buffer = [0; 4096];
        loop {
            let n_bytes = match self.stream.read(&mut buffer) {
                Ok(0) => {
                    // It hears an answer that it can still read.
                    self.tell_in_its_version();
                    return false;
                }
                Ok(n_bytes) => n_bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return false,
            };
            let Some(decoder) = &mut self.decoder else {
                self.n_dropped += n_bytes as u64;
                if self.n_dropped > LAST_WORDS_BYTES {
                    return false;
                }
                continue;
            };
            let is_wrong = decoder.push(&mut &buffer[..n_bytes]).is_err();
            if is_wrong || decoder.version().is_some() {
                self.tell_in_its_version();
            }
        }
        if Instant::now() < self.deadline {
            return true;
        }
        let had_its_say = self.decoder.is_none();
        self.tell_in_its_version();
        !had_its_say
    }

    /// Says why, once, and that nothing more comes: the guest may read it for a while.
    fn tell_in_its_version(&mut self) {
        let Some(decoder) = self.decoder.take() else { return };
        self.tell(decoder.version().unwrap_or(Version::V1));
        self.deadline = Instant::now() + LAST_WORDS_PATIENCE;
    }

    fn tell(&mut self, version: Version) {
        // It fits into what the system keeps for a connection that was sent nothing yet.
        let _ = self.stream.write(&self.refusal.encode(version));
        let _ = self.stream.shutdown(Shutdown::Write);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use wire::{Exit, ReplyDecoder};

    fn turned_away(door: &Door) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        door.turn_away(listener.accept().unwrap().0, Refusal::new(Exit::BUSY, "full", ""));
        client
    }

    fn said(client: &mut TcpStream, version: Version) -> Option<u8> {
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        let mut decoder = ReplyDecoder::new(version, Limits::DEFAULT);
        decoder.push(&mut &answer[..]).unwrap()?.status.code()
    }

    #[test]
    fn each_is_told_in_the_version_it_speaks() {
        let door = Door::open().unwrap();
        let mut clients: Vec<TcpStream> = (0..10).map(|_| turned_away(&door)).collect();
        for client in &mut clients[..5] {
            client.write_all(b"DIST00000002").unwrap();
        }
        for client in &mut clients[..5] {
            assert_eq!(said(client, Version::V2), Some(114));
        }
        // The others say nothing.
        for client in &mut clients[5..] {
            assert_eq!(said(client, Version::V1), Some(114));
        }
    }

    #[test]
    fn more_than_fit_are_told_in_a_hurry() {
        let door = Door::open().unwrap();
        let mut clients: Vec<TcpStream> =
            (0..3 * MOST_AT_THE_DOOR).map(|_| turned_away(&door)).collect();
        for client in &mut clients {
            assert_eq!(said(client, Version::V1), Some(114));
        }
    }
}
