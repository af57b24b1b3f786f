//! How much a peer may send.

/// Bounds on what a decoder accepts. Every length from the wire is compared with one of these
/// before memory is set aside for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Arguments of one command.
    pub n_arguments: u32,
    /// All arguments of one command together, in bytes. Linux itself allows about 2 MiB.
    pub argument_bytes: usize,
    /// One bulk body as it travels (compressed in version 2), in bytes.
    pub body_bytes: usize,
    /// One bulk body unpacked, in bytes: the guard against small bodies that unpack to huge ones.
    pub unpacked_bytes: usize,
    /// Files and links of one tree. The two bounds before this one are also those of all its files
    /// together.
    pub n_entries: u32,
    /// All names of one tree and all targets of its links together, in bytes.
    pub name_bytes: usize,
}

impl Limits {
    /// What both ends use unless told otherwise: large enough for any compile we have seen
    /// (a 200 MB object of a debug build), small enough that one peer cannot take a machine down.
    pub const DEFAULT: Limits = Limits {
        n_arguments: 16_384,
        argument_bytes: 2 << 20,
        body_bytes: 512 << 20,
        unpacked_bytes: 1 << 30,
        n_entries: 65_536,
        name_bytes: 16 << 20,
    };
}

impl Default for Limits {
    fn default() -> Limits {
        Limits::DEFAULT
    }
}
