//! What is left of a test.

use std::path::Path;
use std::time::{Duration, Instant};

/// The processes that work in `folder` or have its name in their environment, as the compilers of
/// a server have whose `TMPDIR` lies there.
#[must_use]
pub fn processes_using(folder: &Path) -> Vec<String> {
    let name = folder.as_os_str().as_encoded_bytes();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let process = entry.path();
        let cwd = std::fs::read_link(process.join("cwd"));
        let environment = std::fs::read(process.join("environ")).unwrap_or_default();
        let words = std::fs::read(process.join("cmdline")).unwrap_or_default();
        let is_numbered = entry.file_name().to_string_lossy().parse::<u32>().is_ok();
        if is_numbered
            && entry.file_name().to_string_lossy() != std::process::id().to_string()
            && (cwd.is_ok_and(|cwd| cwd.starts_with(folder))
                || environment.windows(name.len()).any(|part| part == name))
        {
            let words = String::from_utf8_lossy(&words).replace('\0', " ");
            found.push(format!("{} {words}", entry.file_name().display()));
        }
    }
    found
}

/// Waits until `is_so`, for ten minutes at most: long enough for the slowest machine, and never
/// needed in full where all is well.
///
/// # Panics
/// When it does not become so; `what` says what was waited for.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(600);
    while !is_so() {
        assert!(Instant::now() < deadline, "gave up waiting until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
