//! A question to a server, and its answer.

use std::io;
use std::time::{Duration, Instant};

use transport::Connection;
use wire::{Limits, Reply, ReplyDecoder, Version};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends a job, and receives the answer; `None`: the server hung up without a word.
///
/// # Errors
/// When the connection fails, or what comes is no answer.
pub(super) fn ask(
    connection: &Connection,
    words: &[Vec<u8>],
    source: &[u8],
) -> io::Result<Option<Reply>> {
    let deadline = Instant::now() + PATIENCE;
    let left = || deadline.saturating_duration_since(Instant::now());
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let head = wire::encode_request_head(Version::V1, &words).map_err(io::Error::other)?;
    let (mark, body) = wire::encode_source(Version::V1, source).map_err(io::Error::other)?;
    // Who refuses may have hung up already; what it said can be read.
    let _ = connection.send(&[&head, &mark, &body], left());
    ReplyDecoder::new(Version::V1, Limits::default()).receive(|buffer| {
        match connection.receive(buffer, left()) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(0),
            received => received,
        }
    })
}

/// The line of what a server or compiler said that tells most.
pub(super) fn error_line(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let errors = said.lines().find(|line| line.contains("ERROR: ") || line.contains("error:"));
    let line = errors.or(said.lines().next()).unwrap_or("it does not say why");
    let text = line.split_once("ERROR: ").map_or(line, |(_, text)| text);
    text.chars().take(LONGEST_LINE).collect()
}

const LONGEST_LINE: usize = 240;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_was_said_the_error_is_told() {
        assert_eq!(error_line(b"distccd[7] x\ndistccd[7] ERROR: no\nhint: y\n"), "no");
        assert_eq!(error_line(b"a.c:1: error: what\n"), "a.c:1: error: what");
        assert_eq!(error_line(b""), "it does not say why");
    }
}
