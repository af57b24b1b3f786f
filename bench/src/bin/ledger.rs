//! What a job's line in the ledger costs, against one plain append of as many bytes.
//!
//! Both open the file, write a line and close it, as each client does once. They take turns in one
//! run. The ledger is put aside several times meanwhile, as in real life.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use statedir::{Attempt, Place, Record, StateDir, Times};

/// How many lines each side writes: enough to put the ledger aside a few times.
const ROUNDS: usize = 100_000;

/// What the ledger may cost a job.
const MOST: Duration = Duration::from_micros(50);

fn main() -> Result<()> {
    let world = tempfile::tempdir()?;
    let state = StateDir::open(Some(world.path().join("state").as_os_str()), None)?;
    let plain = world.path().join("plain");
    let record = record();
    let line = record.to_line();
    let (mut ours, mut appends) = (Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS));
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        state.record(&record)?;
        ours.push(begun.elapsed());

        let begun = Instant::now();
        OpenOptions::new().append(true).create(true).open(&plain)?.write_all(line.as_bytes())?;
        appends.push(begun.elapsed());
    }
    ensure!(world.path().join("state/ledger.1").exists(), "the ledger was never put aside");
    let ledger = state.ledger()?;
    ensure!(ledger.n_skipped == 0, "{} lines are torn", ledger.n_skipped);

    let mean = |times: &[Duration]| micros(times.iter().sum::<Duration>()) / times.len() as f64;
    println!("a line of {} bytes      median     99 %     mean", line.len());
    for (name, times) in [("ledger", &mut ours), ("plain append", &mut appends)] {
        times.sort_unstable();
        let (median, late) = (times[ROUNDS / 2], times[ROUNDS * 99 / 100]);
        println!(
            "{name:<22} {:>6.1} µs {:>6.1} µs {:>6.1} µs",
            micros(median),
            micros(late),
            mean(times)
        );
    }
    let ratio = mean(&ours) / mean(&appends);
    println!("ratio of the means     {ratio:>6.2}");
    ensure!(mean(&ours) < micros(MOST), "a job's line costs more than {MOST:?}");
    Ok(())
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// A job as most are, with one failed attempt.
fn record() -> Record {
    let time = Duration::from_micros(123_456);
    Record {
        started: Duration::from_micros(1_700_000_000_123_456),
        took: 4 * time,
        session: 12_345,
        place: Place::Host("192.168.0.2:3632".into()),
        code: "distributed".into(),
        exit: 0,
        source: b"expression_evaluator.cpp".to_vec(),
        compiler: b"x86_64-linux-gnu-g++-12".to_vec(),
        times: Times {
            waiting: time,
            preprocessing: time,
            compiling: 2 * time,
            ..Times::default()
        },
        n_sent: 123_456,
        n_received: 234_567,
        attempts: vec![Attempt { host: "red:3632".into(), code: "connection-refused".into() }],
        slot: Some(3),
        placed_after: time,
    }
}
