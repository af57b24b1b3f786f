//! Units judged: is everything that the compiler reads in the closure?

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Result, ensure};
use includes::{Closure, ClosureDoubt, Files, Scanner, Setting};

use crate::code_base::CodeBase;
use crate::disk::Disk;
use crate::unit::{Settings, Unit, as_in_rule};

/// What became of one unit.
#[derive(Debug)]
pub enum Verdict {
    /// The compiler itself does not get through it.
    NotCompiled,
    /// The closure says that it is not certain.
    Doubted(Vec<ClosureDoubt>),
    /// Everything is in the closure: how many files are, and how many the compiler reads.
    Covered {
        /// Files of the closure.
        n_closure: usize,
        /// Files that are read.
        n_read: usize,
    },
    /// Names that are not in the closure.
    Missed(Vec<String>),
}

/// Judges units, and keeps what it learns.
#[derive(Default)]
pub struct Judge {
    settings: Settings,
    scanners: HashMap<*const Setting, (Arc<Setting>, Scanner)>,
    disk: Disk,
}

impl Judge {
    /// Forgets what is where: files have changed.
    pub fn forget(&mut self) {
        self.disk.forget();
        for (_, scanner) in self.scanners.values_mut() {
            scanner.forget();
        }
    }

    /// The closure of a unit.
    ///
    /// # Errors
    /// When a compiler cannot be asked.
    pub fn closure(&mut self, unit: &Unit) -> Result<Arc<Closure>> {
        let setting = self.settings.of(unit)?;
        self.disk.go_to(&unit.folder);
        let (_, scanner) = self.scanners.entry(Arc::as_ptr(&setting)).or_insert_with(|| {
            let scanner = Scanner::new((*setting).clone());
            (setting, scanner)
        });
        Ok(scanner.closure(&unit.compile(), &mut self.disk))
    }

    /// Judges one unit.
    ///
    /// # Errors
    /// When a compiler cannot be asked.
    pub fn judge(&mut self, unit: &Unit) -> Result<Verdict> {
        let Some(read) = unit.opened()? else { return Ok(Verdict::NotCompiled) };
        self.compare(unit, &read)
    }

    /// Judges one unit that reads these files.
    ///
    /// # Errors
    /// When a compiler cannot be asked.
    pub fn compare(&mut self, unit: &Unit, read: &BTreeSet<Vec<u8>>) -> Result<Verdict> {
        let closure = self.closure(unit)?;
        if !closure.doubts.is_empty() {
            let mut doubts: Vec<_> = closure.doubts.iter().map(|(_, doubt)| *doubt).collect();
            doubts.dedup();
            return Ok(Verdict::Doubted(doubts));
        }
        let named: HashSet<&[u8]> = closure.files.iter().map(|name| as_in_rule(name)).collect();
        let mut missed: Vec<_> =
            read.iter().filter(|name| !named.contains(name.as_slice())).collect();
        if unit.compiler.starts_with("clang") && !missed.is_empty() {
            // Clang calls a folder by the name by which it came to it first.
            let mut true_names = closure.files.iter().map(|name| self.disk.true_name(name));
            let true_names: HashSet<_> = true_names.by_ref().collect();
            missed.retain(|name| !true_names.contains(&self.disk.true_name(name)));
        }
        let missed: Vec<_> =
            missed.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        if missed.is_empty() {
            Ok(Verdict::Covered { n_closure: named.len(), n_read: read.len() })
        } else {
            Ok(Verdict::Missed(missed))
        }
    }
}

/// What became of the units of a code base.
#[derive(Debug, Default)]
pub struct Tally {
    name: &'static str,
    n_units: usize,
    n_not_compiled: usize,
    doubts: BTreeMap<String, usize>,
    n_doubted: usize,
    /// Files of the closure for each file that is read.
    ratios: Vec<f64>,
    /// The command, and what was missed.
    missed: Vec<String>,
}

impl Tally {
    fn count(&mut self, unit: &Unit, verdict: Verdict) {
        self.n_units += 1;
        match verdict {
            Verdict::NotCompiled => self.n_not_compiled += 1,
            Verdict::Covered { n_closure, n_read } => {
                self.ratios.push(n_closure as f64 / n_read.max(1) as f64);
            }
            Verdict::Doubted(doubts) => {
                self.n_doubted += 1;
                let mut reasons: Vec<_> = doubts.iter().map(|doubt| format!("{doubt:?}")).collect();
                reasons.sort();
                reasons.dedup();
                for reason in reasons {
                    *self.doubts.entry(reason).or_default() += 1;
                }
            }
            Verdict::Missed(names) => self.missed.push(format!(
                "{} {} {} in {}: {}",
                unit.compiler,
                unit.options.join(" "),
                unit.source,
                unit.folder.display(),
                names.join(" ")
            )),
        }
    }

    fn quantile(&self, part: f64) -> f64 {
        let mut ratios = self.ratios.clone();
        ratios.sort_by(f64::total_cmp);
        let index = (ratios.len() as f64 * part) as usize;
        ratios.get(index.min(ratios.len().saturating_sub(1))).copied().unwrap_or(0.0)
    }

    /// Fails where anything was missed, or nothing was judged.
    ///
    /// # Errors
    /// Then.
    pub fn check(&self) -> Result<()> {
        let (name, missed) = (self.name, self.missed.join("\n"));
        ensure!(missed.is_empty(), "{name}: not in the closure:\n{missed}");
        ensure!(!self.ratios.is_empty(), "{name}: no unit was judged: {self}");
        Ok(())
    }

    /// How many units were judged.
    #[must_use]
    pub fn n_judged(&self) -> usize {
        self.ratios.len() + self.missed.len() + self.n_doubted
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:18}{:>6} units, {:>4} do not compile, {:>5} covered, {} missed; closure/read {:.2} \
             (95 %: {:.2}); {} doubts",
            self.name,
            self.n_units,
            self.n_not_compiled,
            self.ratios.len(),
            self.missed.len(),
            self.quantile(0.5),
            self.quantile(0.95),
            self.n_doubted,
        )?;
        for (reason, n) in &self.doubts {
            write!(f, ", {n} {reason}")?;
        }
        Ok(())
    }
}

/// Judges at most `most` units of a code base, spread over it, on two threads.
///
/// # Errors
/// When a compiler cannot be asked.
pub fn judge(code_base: &CodeBase, most: usize) -> Result<Tally> {
    let n_units = code_base.units.len();
    let n_chosen = most.min(n_units);
    let next = AtomicUsize::new(0);
    let tally = Mutex::new(Tally { name: code_base.name, ..Tally::default() });
    let work = || -> Result<()> {
        let mut judge = Judge::default();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= n_chosen {
                return Ok(());
            }
            // Sources stand in pairs, one for each compiler: an odd step takes both kinds.
            let unit = &code_base.units[index * n_units / n_chosen];
            let verdict = judge.judge(unit)?;
            tally.lock().expect("no thread has panicked").count(unit, verdict);
        }
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(work);
        let own = work();
        other.join().expect("no thread panics").and(own)
    })?;
    Ok(tally.into_inner().expect("no thread has panicked"))
}
