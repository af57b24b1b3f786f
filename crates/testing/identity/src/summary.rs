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
    /// Why servers did not preprocess what they were to: reason codes, and how many.
    pub detours: BTreeMap<String, usize>,
    /// Why the others were done here: reason codes, and how many.
    pub stayed: BTreeMap<String, usize>,
    /// Those in which the local compiler itself makes something else each time. What it always
    /// makes alike was compared.
    pub n_unstable: usize,
    /// What came of the sources of each project.
    pub origins: BTreeMap<&'static str, Share>,
    /// Of a hundred cases in which the local compiler succeeds so many have to be preprocessed by
    /// servers.
    pub(crate) least_percent_pumped: usize,
    /// Those that differ.
    pub failures: Vec<Failure>,
}

/// What came of a part of the cases.
#[derive(Clone, Copy, Debug, Default)]
pub struct Share {
    /// How many cases ran.
    pub n_cases: usize,
    /// In how many the local compiler succeeded.
    pub n_succeeded: usize,
    /// How many were done by servers.
    pub n_remote: usize,
    /// How many of those servers have preprocessed as well.
    pub n_pumped: usize,
    /// How many differ.
    pub n_different: usize,
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
    pub(crate) fn take(&mut self, origin: &'static str, verdict: Verdict) {
        self.origins.entry(origin).or_default().take(&verdict);
        self.n_cases += 1;
        self.n_succeeded += usize::from(verdict.succeeded);
        self.n_unstable += usize::from(verdict.is_unstable);
        for code in verdict.account.detours {
            *self.detours.entry(code).or_default() += 1;
        }
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

    pub(crate) fn progress(&self) -> String {
        let Summary { n_cases, n_remote, n_pumped, .. } = self;
        format!(
            "{n_cases} cases, {n_remote} done by servers, {n_pumped} preprocessed there, {} differ",
            self.failures.len()
        )
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
        let (percent, least) =
            (self.n_pumped * 100 / self.n_succeeded.max(1), self.least_percent_pumped);
        ensure!(
            self.n_cases < ENOUGH_CASES || percent >= least,
            "servers preprocessed only {percent} of a hundred commands, not {least}"
        );
        Ok(())
    }
}

impl Share {
    fn take(&mut self, verdict: &Verdict) {
        self.n_cases += 1;
        self.n_succeeded += usize::from(verdict.succeeded);
        self.n_remote += usize::from(verdict.account.n_remote > 0);
        self.n_pumped += usize::from(verdict.account.n_pumped > 0);
        self.n_different += usize::from(verdict.failure.is_some());
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
        for (code, count) in most_first(&self.detours) {
            writeln!(f, "{count:>6} preprocessed here instead: {code}")?;
        }
        for (code, count) in most_first(&self.stayed) {
            writeln!(f, "{count:>6} done here: {code}")?;
        }
        let n_unstable = self.n_unstable;
        writeln!(
            f,
            "{n_unstable:>6} that the local compiler does not repeat: compared where it does"
        )?;
        writeln!(f, "{:>6} that differ", self.failures.len())?;
        write!(
            f,
            "{:18}{:>9}{:>9}{:>9}{:>14}{:>10}",
            "sources of", "commands", "succeed", "servers", "preprocessed", "different"
        )?;
        for (origin, share) in &self.origins {
            let Share { n_cases, n_succeeded, n_remote, n_pumped, n_different } = share;
            write!(
                f,
                "\n{origin:18}{n_cases:>9}{n_succeeded:>9}{n_remote:>9}{n_pumped:>14}\
                 {n_different:>10}"
            )?;
        }
        Ok(())
    }
}

fn most_first(counts: &BTreeMap<String, usize>) -> Vec<(&String, &usize)> {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    counts
}
