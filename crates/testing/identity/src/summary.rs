//! What came of all cases, counted.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Result, ensure};

use crate::verdict::Verdict;

/// Of a hundred cases so many have to be done by servers: else little was compared.
const LEAST_PERCENT_REMOTE: usize = 25;

/// Fewer cases than this may all stay by chance.
const ENOUGH_CASES: usize = 100;

/// What came of a run.
#[derive(Debug, Default)]
pub struct Summary {
    /// How many cases ran.
    pub n_cases: usize,
    /// In how many the local compiler succeeded.
    pub n_succeeded: usize,
    /// How many were done by servers, after the client's ledger.
    pub n_remote: usize,
    /// How many of those servers have preprocessed as well.
    pub n_pumped: usize,
    /// How many compiles the servers say they have done.
    pub n_compiled_by_servers: usize,
    /// Why the others were done here: reason codes, and how many.
    pub stayed: BTreeMap<String, usize>,
    /// Those in which the local compiler itself makes something else each time. What it always
    /// makes alike was compared.
    pub n_unstable: usize,
    /// Those that differ.
    pub failures: Vec<Failure>,
}

/// A case in which servers made a difference.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its number in the run.
    pub number: usize,
    /// All there is to say about it.
    pub text: String,
}

impl Summary {
    pub(crate) fn take(&mut self, verdict: Verdict) {
        self.n_cases += 1;
        self.n_succeeded += usize::from(verdict.succeeded);
        self.n_unstable += usize::from(verdict.is_unstable);
        if verdict.account.n_remote > 0 {
            self.n_remote += 1;
            self.n_pumped += usize::from(verdict.account.n_pumped > 0);
        } else {
            let codes = verdict.account.stayed;
            let code = codes.first().map_or("no-record", String::as_str);
            *self.stayed.entry(code.to_owned()).or_default() += 1;
        }
        self.failures.extend(verdict.failure);
    }

    /// Checks that nothing differs, and that servers did enough for that to mean something.
    ///
    /// # Errors
    /// When it is not so.
    pub fn check(&self) -> Result<()> {
        ensure!(self.failures.is_empty(), "{} commands differ", self.failures.len());
        let percent = self.n_remote * 100 / self.n_cases.max(1);
        ensure!(
            self.n_cases < ENOUGH_CASES || percent >= LEAST_PERCENT_REMOTE,
            "servers did only {percent} of a hundred commands"
        );
        Ok(())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { n_cases, n_succeeded, n_remote, n_compiled_by_servers, .. } = self;
        writeln!(
            f,
            "{n_cases:>6} commands, of which the local compiler succeeds at {n_succeeded}"
        )?;
        writeln!(
            f,
            "{n_remote:>6} done by servers (their logs: {n_compiled_by_servers} compiles)"
        )?;
        if self.n_pumped > 0 {
            writeln!(f, "{:>6} of these preprocessed there as well", self.n_pumped)?;
        }
        let mut stayed: Vec<_> = self.stayed.iter().collect();
        stayed.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (code, count) in stayed {
            writeln!(f, "{count:>6} done here: {code}")?;
        }
        let n_unstable = self.n_unstable;
        writeln!(
            f,
            "{n_unstable:>6} that the local compiler does not repeat: compared where it does"
        )?;
        write!(f, "{:>6} that differ", self.failures.len())
    }
}
