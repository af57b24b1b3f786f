//! What the closure of a source costs the include scanner: the first of a build, a further source
//! of the same headers, and one that was asked for before.
//!
//! The headers are those of Debian packages: libstdc++, `libboost-dev`, `libeigen3-dev`,
//! `llvm-14-dev`.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use includes::Scanner;
use soundness::{Disk, Settings, Unit};

/// What a further source may cost, and one that was asked for before.
const MOST_FURTHER: Duration = Duration::from_micros(150);
const MOST_UNCHANGED: Duration = Duration::from_micros(20);

const N_SOURCES: usize = 40;
const N_ROUNDS: usize = 200;

struct Set {
    name: &'static str,
    options: &'static [&'static str],
    headers: &'static [&'static str],
}

const SETS: [Set; 4] = [
    Set {
        name: "libstdc++",
        options: &["-std=c++17"],
        headers: &["algorithm", "chrono", "functional", "iostream", "map", "memory", "regex"],
    },
    Set {
        name: "Eigen",
        options: &["-I/usr/include/eigen3"],
        headers: &["Eigen/Dense", "Eigen/Sparse", "iostream"],
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
    },
    Set {
        name: "Boost",
        options: &["-std=c++17"],
        headers: &["boost/asio.hpp", "boost/multi_index_container.hpp", "boost/variant.hpp"],
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
        is_kept &= further < MOST_FURTHER && unchanged < MOST_UNCHANGED;
    }
    if !is_kept {
        println!(
            "promised: {} µs further, {} µs unchanged",
            MOST_FURTHER.as_micros(),
            MOST_UNCHANGED.as_micros()
        );
    }
    Ok(if is_kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
            let before = Instant::now();
            let closure = scanner.closure(&compile, &mut disk);
            let list = if index == 0 { &mut first } else { &mut further };
            list.push(before.elapsed());
            assert_eq!(closure.files.len(), warm.files.len());
        }
        for unit in &units {
            let compile = unit.compile();
            let before = Instant::now();
            let _ = scanner.closure(&compile, &mut disk);
            unchanged.push(before.elapsed());
        }
    }
    let medians = [first, further, unchanged].map(|mut times| {
        times.sort();
        times[times.len() / 2]
    });
    Ok((warm.files.len(), warm.doubts.len(), medians))
}
