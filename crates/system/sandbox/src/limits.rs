//! How much of the machine one process of a job may take.

use rustix::io;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Level;

/// How much of the machine one process of a job may take. What the server itself may not have
/// more of, a job cannot either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of address space.
    pub address_space_bytes: u64,
    /// Seconds on a processor.
    pub cpu_seconds: u64,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Open files.
    pub n_files: u64,
    /// Processes and threads of the whole job. Only where the job has a user of its own
    /// ([`Level::Namespaces`]): elsewhere the system counts all processes of the server's user.
    pub n_processes: u64,
}

impl Limits {
    /// Sets them for this process and those it starts.
    pub(crate) fn set(&self, level: Level) -> io::Result<()> {
        let limits = [
            (Resource::As, self.address_space_bytes),
            (Resource::Cpu, self.cpu_seconds),
            (Resource::Fsize, self.file_bytes),
            (Resource::Nofile, self.n_files),
            (Resource::Core, 0),
            (Resource::Memlock, 64 << 10),
            (Resource::Msgqueue, 0),
        ];
        limits.into_iter().try_for_each(|(resource, most)| lower(resource, most))?;
        match level {
            Level::Namespaces => lower(Resource::Nproc, self.n_processes),
            Level::Landlock | Level::Filter => Ok(()),
        }
    }
}

fn lower(resource: Resource, most: u64) -> io::Result<()> {
    let most = getrlimit(resource).maximum.map_or(most, |maximum| maximum.min(most));
    setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
}
