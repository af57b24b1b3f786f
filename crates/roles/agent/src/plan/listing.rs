//! What is sent for a job, for people to read.

use wire::{Token, TokenName};

use super::Layout;
use super::layout::FOLDER_MARK;

impl Layout {
    /// A line a thing: what it is in ten columns, and its name. Source: `--scan-includes` of distcc
    /// 3.4, observed.
    pub(crate) fn listing(&self) -> Vec<u8> {
        let mut lines = Vec::new();
        let mut add = |kind: &str, name: &[u8]| {
            lines.extend_from_slice(kind.as_bytes());
            lines.extend_from_slice(name);
            lines.push(b'\n');
        };
        for other in &self.others {
            let (name, rest) = parted(other);
            match name.strip_suffix(FOLDER_MARK) {
                _ if rest.starts_with(TokenName::Link.bytes()) => add("SYMLINK   ", name),
                folder => add("DIRECTORY ", folder.unwrap_or(name)),
            }
        }
        self.routes().for_each(|route| add("FILE      ", &route.end));
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
