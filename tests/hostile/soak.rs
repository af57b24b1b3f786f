//! Good and hostile clients together, for a long time: nothing grows.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::stand::{Role, Stand};
use crate::{Case, arguments, bytes, leaving, names, sources};

/// How much more memory than after the warm-up the worker may have at the end.
const MOST_GROWTH_KIB: u64 = 5 << 10;

/// How many clients of each kind are at it.
const N_GOOD: usize = 2;
const N_HOSTILE: usize = 3;

/// The part of the time after which what is there counts as what has to be there.
const WARM_UP: u32 = 5;

/// What came of a stretch of load.
#[derive(Debug, Default)]
struct Load {
    n_good: AtomicUsize,
    n_hostile: AtomicUsize,
    complaints: Mutex<Vec<String>>,
}

impl Load {
    fn complain(&self, text: String) {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }
}

/// Runs for so many seconds, prints the figures, and fails when a bar is missed.
pub(crate) fn run(seconds: u64) -> Result<()> {
    let is_root = rustix::process::geteuid().is_root();
    let mut stand = Stand::start(if is_root { Role::AsRoot } else { Role::AsUser });
    let all = Duration::from_secs(seconds);
    let warm_up = load(&stand, all / WARM_UP);
    stand.take_measure()?;
    let before = stand.memory_kib();
    let real = load(&stand, all - all / WARM_UP);
    stand.check_idle()?;
    let after = stand.memory_kib();
    let marks = stand.take_marks();
    let complaints: Vec<String> = [warm_up.complaints, real.complaints]
        .into_iter()
        .flat_map(|complaints| complaints.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect();
    println!("good jobs        {}", real.n_good.into_inner());
    println!("attacks          {}", real.n_hostile.into_inner());
    println!("wrong answers    {}", complaints.len());
    println!("memory           {before} KiB after the warm-up, {after} KiB at the end");
    println!("descriptors      as after the warm-up");
    println!("left behind      no process, no file; marks of attacks: {}", marks.len());
    ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
    ensure!(marks.is_empty(), "attacks have made {marks:?}");
    ensure!(after <= before + MOST_GROWTH_KIB, "memory grew by {} KiB", after - before);
    Ok(())
}

/// Has all clients at work for a while.
fn load(stand: &Stand, time: Duration) -> Load {
    let load = Load::default();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..N_GOOD {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    if let Err(error) = stand.check_good_job() {
                        load.complain(format!("a good job: {error:#}"));
                    }
                    load.n_good.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for first in 0..N_HOSTILE {
            let (load, is_over) = (&load, &is_over);
            scope.spawn(move || {
                let cases = cases();
                // Each from another place on, so that they differ.
                let mut turn = first * cases.len() / N_HOSTILE;
                while !is_over.load(Ordering::Relaxed) {
                    let case = &cases[turn % cases.len()];
                    if let Err(error) = (case.attack)(stand).context(case.name.clone()) {
                        load.complain(format!("{error:#}"));
                    }
                    load.n_hostile.fetch_add(1, Ordering::Relaxed);
                    turn += 1;
                }
            });
        }
        let end = Instant::now() + time;
        while Instant::now() < end {
            std::thread::sleep(Duration::from_millis(50));
        }
        is_over.store(true, Ordering::Relaxed);
    });
    load
}

/// The attacks that do not keep others from being served.
fn cases() -> Vec<Case> {
    let all =
        [bytes::cases(), arguments::cases(), names::cases(), leaving::cases(), sources::cases()];
    all.into_iter().flatten().collect()
}
