//! What servers keep of the files that they were sent, as far as that is known.

use std::net::SocketAddr;

use foldhash::{HashMap, HashMapExt, HashSet};
use includes::FileId;
use rustix::rand::{GetRandomFlags, getrandom};
use wire::FileKey;

/// How many servers are remembered, and how many files of each.
const MOST_SERVERS: usize = 256;
const MOST_FILES: usize = 1 << 18;

/// What servers keep.
pub(crate) struct Kept {
    /// What this agent calls itself, so that nobody else's files have its keys: nobody can guess it.
    /// `None`: nothing is kept.
    agent: Option<[u8; 16]>,
    by_server: HashMap<SocketAddr, HashSet<FileId>>,
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

    /// The key of a file that a server should have.
    pub(crate) fn had(&self, server: Option<SocketAddr>, file: FileId) -> Option<FileKey> {
        let files = self.by_server.get(&server?)?;
        if files.contains(&file) { self.key(file) } else { None }
    }

    /// Notes that a server has what it was offered.
    pub(crate) fn note(&mut self, offer: &Offer) {
        let Some(server) = offer.server.filter(|_| !offer.files.is_empty()) else { return };
        if self.by_server.len() >= MOST_SERVERS && !self.by_server.contains_key(&server) {
            self.by_server.clear();
        }
        let files = self.by_server.entry(server).or_default();
        if files.len() > MOST_FILES {
            files.clear();
        }
        files.extend(&offer.files);
    }

    /// Notes that a server has lost what it had.
    pub(crate) fn forget(&mut self, server: SocketAddr) {
        self.by_server.remove(&server);
    }
}
