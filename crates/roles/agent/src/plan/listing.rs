//! What is sent for a job, for people to read.

use wire::{Token, TokenName};

use super::{FOLDER_MARK, Layout};

impl Layout {
    /// A line a thing: what it is in ten columns, and its name. Source: `--scan-includes` of distcc
    /// 3.4, observed.
    pub(crate) fn listing(&self) -> Vec<u8> {
        let mut lines = Vec::new();
        for (entry, content) in &self.entries {
            let (name, rest) = parted(entry);
            let (kind, name) = match (content, name.strip_suffix(FOLDER_MARK)) {
                (None, _) if rest.starts_with(TokenName::Link.bytes()) => ("SYMLINK   ", name),
                (None, Some(folder)) => ("DIRECTORY ", folder),
                _ => ("FILE      ", name),
            };
            lines.extend_from_slice(kind.as_bytes());
            lines.extend_from_slice(name);
            lines.push(b'\n');
        }
        lines
    }
}

/// The name of an entry as it travels, and what stands behind it.
fn parted(entry: &[u8]) -> (&[u8], &[u8]) {
    let mut rest = entry;
    let length = match Token::decode(&mut rest) {
        Ok(Some(token)) => token.param as usize,
        _ => 0,
    };
    rest.split_at_checked(length).unwrap_or((rest, b""))
}
