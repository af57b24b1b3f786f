//! The processor of this machine, as far as compilers tune for it.

use std::fs::File;
use std::io::{self, BufRead, BufReader};

/// What tells processors apart, in the words of Linux for x86, ARM, POWER, RISC-V and others.
/// Not among them: clock rates and numbers of cores.
const TELLING: [&str; 20] = [
    "vendor_id",
    "cpu family",
    "model",
    "model name",
    "stepping",
    "microcode",
    "cache size",
    "flags",
    "clflush size",
    "Features",
    "CPU implementer",
    "CPU architecture",
    "CPU variant",
    "CPU part",
    "CPU revision",
    "cpu",
    "revision",
    "isa",
    "uarch",
    "cpu model",
];

/// A text that changes when this machine gets another processor, other microcode, or a kernel
/// that lets programs use other parts of it.
///
/// # Errors
/// When the kernel does not tell: `/proc` is not there.
pub fn processor() -> io::Result<String> {
    let mut text = telling(BufReader::with_capacity(4096, File::open("/proc/cpuinfo")?))?;
    for index in 0..4 {
        let cache = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/size");
        text.push_str(std::fs::read_to_string(cache).unwrap_or_default().trim_end());
        text.push('\n');
    }
    Ok(text)
}

/// The telling lines, each once. All processors of an x86 are alike in them, and to read of each
/// takes the kernel long, so there the first counts; others may have several kinds.
fn telling(cpuinfo: impl BufRead) -> io::Result<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut is_x86 = false;
    for line in cpuinfo.lines() {
        let line = line?;
        if line.is_empty() && is_x86 {
            break;
        }
        let name = line.split(':').next().unwrap_or_default().trim_end();
        is_x86 |= name == "flags";
        if TELLING.contains(&name) && !lines.contains(&line) {
            lines.push(line);
        }
    }
    match lines.is_empty() {
        true => Err(io::Error::new(io::ErrorKind::InvalidData, "/proc/cpuinfo tells nothing")),
        false => Ok(lines.join("\n") + "\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cpuinfo: &str, expected: &str) {
        assert_eq!(telling(cpuinfo.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn the_first_processor_of_an_x86_counts() {
        check(
            "processor\t: 0\nmodel name\t: A\ncpu MHz\t: 1.0\nflags\t: sse\n\nprocessor\t: 1\n\
             model name\t: B\nflags\t: avx\n",
            "model name\t: A\nflags\t: sse\n",
        );
    }

    #[test]
    fn all_kinds_of_processors_of_another_machine_count() {
        check(
            "processor\t: 0\nBogoMIPS\t: 1\nFeatures\t: fp\nCPU part\t: 0xd05\n\nprocessor\t: 1\n\
             Features\t: fp\nCPU part\t: 0xd0b\n",
            "Features\t: fp\nCPU part\t: 0xd05\nCPU part\t: 0xd0b\n",
        );
        assert!(telling(&b"nothing\n"[..]).is_err());
    }

    #[test]
    fn this_machine_has_a_processor() {
        assert!(!processor().unwrap().contains("MHz"));
    }
}
