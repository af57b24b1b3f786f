//! By what name a client calls a content that a server keeps for it.

/// A client's name for one content of a file: whoever keeps contents finds it again by that.
///
/// The client makes it up, of numbers that nobody can guess and that it never gives to another
/// content; so nobody else gets at what a server keeps for it, and nothing has to be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileKey([u8; FileKey::LEN]);

impl FileKey {
    /// Its length, in bytes.
    pub const LEN: usize = 24;

    /// The key of the content `number` of the client that calls itself `client`, which is random.
    #[must_use]
    pub fn new(client: [u8; 16], number: u64) -> FileKey {
        let mut bytes = [0; FileKey::LEN];
        bytes[..16].copy_from_slice(&client);
        bytes[16..].copy_from_slice(&number.to_be_bytes());
        FileKey(bytes)
    }

    /// Reads it; `None` when the length is another.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<FileKey> {
        bytes.try_into().ok().map(FileKey)
    }

    /// As it travels.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
