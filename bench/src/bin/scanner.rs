//! What the closure of a source costs the include scanner in processor time: the first of a build, a further source
//! of the same headers, and one that was asked for before.
//!
//! The headers are those of Debian packages: libstdc++, `libboost-dev`, `libeigen3-dev`,
//! `llvm-14-dev`.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use includes::Scanner;
use rustix::time::{ClockId, clock_gettime};
use soundness::{Disk, Settings, Unit};

/// What a further source may cost, one whose names have to be computed, and one that was asked for
/// before.
const MOST_FURTHER: Duration = Duration::from_micros(150);
const MOST_COMPUTED: Duration = Duration::from_millis(8);
const MOST_UNCHANGED: Duration = Duration::from_micros(20);

const N_SOURCES: usize = 40;
const N_ROUNDS: usize = 200;

struct Set {
    name: &'static str,
    options: &'static [&'static str],
    headers: &'static [&'static str],
    /// Whether names have to be computed.
    is_computed: bool,
}

const SETS: [Set; 4] = [
    Set {
        name: "libstdc++",
        options: &["-std=c++17"],
        headers: &["algorithm", "chrono", "functional", "iostream", "map", "memory", "regex"],
        is_computed: false,
    },
    Set {
        name: "Eigen",
        options: &["-I/usr/include/eigen3"],
        headers: &["Eigen/Dense", "Eigen/Sparse", "iostream"],
        is_computed: false,
    },
    Set {
        name: "LLVM",
        options: &["-std=c++17", "-I/usr/lib/llvm-14/include"],
        headers: &[
            "llvm/IR/IRBuilder.h",
            "llvm/IR/Module.h",
            "llvm/Passes/PassBuilder.h",
            "llvm/Support/CommandLine.h",
        ],
        is_computed: false,
    },
    Set {
        name: "Boost",
        options: &["-std=c++17"],
        headers: &["boost/asio.hpp", "boost/multi_index_container.hpp", "boost/variant.hpp"],
        is_computed: true,
    },
];

fn main() -> Result<ExitCode> {
    println!("{:12}{:>8}{:>12}{:>12}{:>12}", "headers", "files", "first", "further", "unchanged");
    let mut is_kept = true;
    for set in &SETS {
        let (n_files, n_doubts, [first, further, unchanged]) = measure(set)?;
        let shown = [first, further, unchanged].map(|time| format!("{:.1} µs", micros(time)));
        print!("{:12}{n_files:>8}{:>12}{:>12}{:>12}", set.name, shown[0], shown[1], shown[2]);
        println!("{}", if n_doubts > 0 { format!("  ({n_doubts} doubts)") } else { String::new() });
        let most = if set.is_computed { MOST_COMPUTED } else { MOST_FURTHER };
        is_kept &= further < most && unchanged < MOST_UNCHANGED;
    }
    if !is_kept {
        println!(
            "promised: {} µs further, {} µs where names are computed, {} µs unchanged",
            MOST_FURTHER.as_micros(),
            MOST_COMPUTED.as_micros(),
            MOST_UNCHANGED.as_micros()
        );
    }
    Ok(if is_kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What this thread has cost so far: others may be busy.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The size of a closure, its doubts, and the medians of what it costs.
fn measure(set: &Set) -> Result<(usize, usize, [Duration; 3])> {
    let folder = tempfile::tempdir()?;
    let units: Vec<Unit> = (0..N_SOURCES)
        .map(|index| {
            let source = format!("{index}.cc");
            let mut text = format!("// Source {index}.\n");
            for header in set.headers {
                let _ = writeln!(text, "#include <{header}>");
            }
            std::fs::write(folder.path().join(&source), text)?;
            Ok(Unit {
                compiler: "g++",
                options: Arc::new(set.options.iter().map(|&word| word.to_owned()).collect()),
                source,
                folder: Arc::new(folder.path().to_owned()),
            })
        })
        .collect::<Result<_>>()?;
    let setting = Settings::default().of(&units[0])?;
    let mut disk = Disk::new(folder.path());
    // What reading and scanning costs is paid once for each content; it is not asked here.
    let warm = Scanner::new((*setting).clone()).closure(&units[0].compile(), &mut disk);
    let (mut first, mut further, mut unchanged) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..N_ROUNDS / N_SOURCES {
        let mut scanner = Scanner::new((*setting).clone());
        for (index, unit) in units.iter().enumerate() {
            let compile = unit.compile();
            let before = processor_time();
            let closure = scanner.closure(&compile, &mut disk);
            let list = if index == 0 { &mut first } else { &mut further };
            list.push(processor_time() - before);
            assert_eq!(closure.files.len(), warm.files.len());
        }
        for unit in &units {
            let compile = unit.compile();
            let before = processor_time();
            let _ = scanner.closure(&compile, &mut disk);
            unchanged.push(processor_time() - before);
        }
    }
    let medians = [first, further, unchanged].map(|mut times| {
        times.sort();
        times[times.len() / 2]
    });
    Ok((warm.files.len(), warm.doubts.len(), medians))
}
