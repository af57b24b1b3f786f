//! How many compilers this machine's memory takes.

use std::path::Path;

/// What a compiler that runs here may need: most C++ sources take less, few take more.
const BYTES_A_JOB: u64 = 512 << 20;

/// How many more compilers the memory takes that is free according to `meminfo`, a file like
/// `/proc/meminfo`; at least one, and any number where nothing is known.
pub(crate) fn n_jobs(meminfo: &Path) -> u32 {
    let text = std::fs::read_to_string(meminfo).unwrap_or_default();
    match available_bytes(&text) {
        Some(n_bytes) => (n_bytes / BYTES_A_JOB).clamp(1, u64::from(u32::MAX)) as u32,
        None => u32::MAX,
    }
}

/// Source of the format: proc(5), `MemAvailable`.
fn available_bytes(meminfo: &str) -> Option<u64> {
    let rest = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = rest.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_available_is_read() {
        let text = "MemTotal:       8000000 kB\nMemFree: 1 kB\nMemAvailable:    2097152 kB\n";
        assert_eq!(available_bytes(text), Some(2 << 30));
        for odd in ["", "MemAvailable: x kB\n", "MemAvailable: 1 GB\n", "MemFree: 1 kB\n"] {
            assert_eq!(available_bytes(odd), None, "{odd}");
        }
        assert_eq!(available_bytes("MemAvailable: 99999999999999999999 kB\n"), None);
        assert!(n_jobs(Path::new("/proc/meminfo")) >= 1);
        assert_eq!(n_jobs(Path::new("/nowhere")), u32::MAX);
    }
}
