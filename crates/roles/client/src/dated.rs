//! Memos that hold for a while: the second in which they were written, and the text on the lines below.

use std::time::{Duration, SystemTime};

/// The memo that says `text` as of `now`.
pub(crate) fn written(text: &str, now: SystemTime) -> String {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    format!("{seconds}\n{text}")
}

/// The age and the text of a memo; `None` where it is none, or from a time that is still to come: the
/// clock was set back.
pub(crate) fn read(memo: &[u8], now: SystemTime) -> Option<(Duration, &str)> {
    let (seconds, text) = std::str::from_utf8(memo).ok()?.split_once('\n')?;
    let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds.parse().ok()?))?;
    Some((now.duration_since(at).ok()?, text))
}
