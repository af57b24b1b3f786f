//! `--stats-port`: answers everybody who connects and may, in one thread that nobody can hold up.

use std::collections::VecDeque;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::machine::Observer;
use super::peer::Peer;
use super::site::Site;
use crate::Context;
use crate::log::Level;

/// How many may be there. When another comes the oldest is hung up on.
const MOST_PEERS: usize = 64;

/// The pause when the system has no descriptor for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The longest sleep: the disks want to be looked at now and then.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

/// How long a server that is being stopped still says so; the worker is gone before that.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// Starts to answer at the port, until the worker is gone.
pub(crate) fn start(context: &Arc<Context>, listener: &TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    context.statistics.note_shown();
    let observer = Observer::new(&context.environment.temporary);
    let mut port = Port {
        listener: listener.try_clone()?,
        site: Site::new(Arc::clone(context), observer),
        peers: VecDeque::new(),
        context: Arc::clone(context),
        stopping_until: None,
    };
    std::thread::Builder::new().name("stats".to_owned()).spawn(move || {
        if let Err(error) = port.serve() {
            let text = format!("no statistics any more: {error}");
            port.context.log.write(Level::Error, "stats", &text);
        }
    })?;
    Ok(())
}

struct Port {
    context: Arc<Context>,
    listener: TcpListener,
    site: Site,
    /// Those who are here, the oldest first.
    peers: VecDeque<Peer>,
    /// Since the stop rang: when to end.
    stopping_until: Option<Instant>,
}

impl Port {
    fn serve(&mut self) -> io::Result<()> {
        loop {
            self.site.watch_disks(Instant::now());
            let (has_rung, has_guest) = self.wait()?;
            let now = Instant::now();
            if has_rung {
                self.stopping_until.get_or_insert(now + LAST_ANSWERS);
            }
            if self.stopping_until.is_some_and(|until| now >= until) {
                return Ok(());
            }
            let site = &mut self.site;
            self.peers.retain_mut(|peer| peer.go_on(now, &mut |request| site.answer(request, now)));
            if has_guest {
                self.accept(now);
            }
        }
    }

    /// Waits until there is something to do. Whether the stop rang, and whether somebody came.
    fn wait(&self) -> io::Result<(bool, bool)> {
        let ends = self.peers.iter().map(Peer::until).chain(self.stopping_until);
        let sleep = ends.min().map_or(LONGEST_SLEEP, |until| {
            // A little more, so that the time is over then.
            let left = until.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
            left.min(LONGEST_SLEEP)
        });
        let rung = self.context.stop.rung();
        // It stays rung.
        let for_stop =
            if self.stopping_until.is_some() { PollFlags::empty() } else { PollFlags::IN };
        let mut ends =
            vec![PollFd::new(&rung, for_stop), PollFd::new(&self.listener, PollFlags::IN)];
        ends.extend(self.peers.iter().map(|peer| PollFd::new(peer.stream(), peer.wanted())));
        match poll(&mut ends, Timespec::try_from(sleep).ok().as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok((!ends[0].revents().is_empty(), !ends[1].revents().is_empty()))
    }

    fn accept(&mut self, now: Instant) {
        match self.listener.accept() {
            Ok((stream, address)) => {
                if !self.context.access.lets_in(address.ip()) {
                    let client = format!("{}:{}", address.ip().to_canonical(), address.port());
                    let text = format!("connection from client '{client}' denied by access list");
                    self.context.log.write(Level::Error, "dcc_check_client", &text);
                    return;
                }
                let site = &mut self.site;
                if self.peers.len() == MOST_PEERS
                    && let Some(oldest) = self.peers.pop_front()
                {
                    oldest.hurry(&mut |request| site.answer(request, now));
                }
                // Who is gone already needs no answer.
                self.peers.extend(Peer::new(stream, now));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                self.context.log.write(Level::Error, "stats", &error.to_string());
                self.peers.clear();
                std::thread::sleep(ACCEPT_PAUSE);
            }
        }
    }
}
