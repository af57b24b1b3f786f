//! What servers keep of the files that they were sent, as far as that is known.

use std::net::SocketAddr;

use foldhash::{HashMap, HashMapExt, HashSet};
use includes::FileId;
use rustix::rand::{GetRandomFlags, getrandom};
use wire::FileKey;

/// How many servers are remembered, and how many files of each.
const MOST_SERVERS: usize = 256;
const MOST_FILES: usize = 1 << 18;

/// After how many losses a server is sent everything: several machines may share its address.
const MOST_LOSSES: u32 = 20;

/// What servers keep.
pub(crate) struct Kept {
    /// What this agent calls itself, so that nobody else's files have its keys: nobody can guess it.
    /// `None`: nothing is kept.
    agent: Option<[u8; 16]>,
    by_server: HashMap<SocketAddr, AtServer>,
}

/// What one server keeps.
#[derive(Default)]
struct AtServer {
    files: HashSet<FileId>,
    n_losses: u32,
}

/// Files that a server gets for the first time. Whether it has them is known when it has answered.
#[derive(Debug, Default)]
pub(crate) struct Offer {
    server: Option<SocketAddr>,
    files: Vec<FileId>,
}

impl Offer {
    pub(crate) fn to(server: Option<SocketAddr>) -> Offer {
        Offer { server, files: Vec::new() }
    }

    pub(crate) fn add(&mut self, file: FileId) {
        self.files.push(file);
    }
}

/// The files that a server should have.
pub(crate) struct Had<'a> {
    agent: [u8; 16],
    files: &'a HashSet<FileId>,
}

impl Had<'_> {
    /// The key of a file, if it is one of them.
    pub(crate) fn key(&self, file: FileId) -> Option<FileKey> {
        self.files.contains(&file).then(|| FileKey::new(self.agent, file.0))
    }
}

impl Kept {
    /// Nothing yet.
    pub(crate) fn new() -> Kept {
        let mut agent = [0; 16];
        let n_bytes = getrandom(&mut agent, GetRandomFlags::empty());
        let agent = n_bytes.is_ok_and(|n_bytes| n_bytes == agent.len()).then_some(agent);
        Kept { agent, by_server: HashMap::new() }
    }

    /// What servers call a file's content.
    pub(crate) fn key(&self, file: FileId) -> Option<FileKey> {
        Some(FileKey::new(self.agent?, file.0))
    }

    /// The files that a server should have.
    pub(crate) fn had_by(&self, server: SocketAddr) -> Option<Had<'_>> {
        Some(Had { agent: self.agent?, files: &self.by_server.get(&server)?.files })
    }

    /// Notes that a server has what it was offered.
    pub(crate) fn note(&mut self, offer: &Offer) {
        let Some(server) = offer.server.filter(|_| !offer.files.is_empty()) else { return };
        if self.by_server.len() >= MOST_SERVERS && !self.by_server.contains_key(&server) {
            self.by_server.clear();
        }
        let files = &mut self.by_server.entry(server).or_default().files;
        if files.len() > MOST_FILES {
            files.clear();
        }
        files.extend(&offer.files);
    }

    /// Notes that a server has lost what it had.
    pub(crate) fn forget(&mut self, server: SocketAddr) {
        if let Some(at_server) = self.by_server.get_mut(&server)
            && !std::mem::take(&mut at_server.files).is_empty()
        {
            at_server.n_losses += 1;
        }
    }

    /// Whether it is worth while to have a server keep files.
    pub(crate) fn is_worth_it(&self, server: SocketAddr) -> bool {
        self.by_server.get(&server).is_none_or(|at_server| at_server.n_losses < MOST_LOSSES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_loses_everything_again_and_again_is_sent_everything() {
        let mut kept = Kept::new();
        let server: SocketAddr = "10.0.0.1:3632".parse().unwrap();
        let mut offer = Offer::to(Some(server));
        offer.add(FileId(7));
        let has = |kept: &Kept| kept.had_by(server).is_some_and(|had| had.key(FileId(7)).is_some());
        for _ in 0..MOST_LOSSES {
            assert!(kept.is_worth_it(server));
            kept.note(&offer);
            assert!(has(&kept));
            // Of many jobs at once each notices.
            kept.forget(server);
            kept.forget(server);
            assert!(!has(&kept));
        }
        assert!(!kept.is_worth_it(server));
        assert!(kept.is_worth_it("10.0.0.2:3632".parse().unwrap()));
    }
}
