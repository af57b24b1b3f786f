//! What the demo shows: a line of progress, and a table at the end.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// What became of one project.
pub(super) struct Report {
    pub(super) project: &'static str,
    pub(super) n_objects: usize,
    /// Each server and how many files it compiled.
    pub(super) servers: Vec<(String, usize)>,
    /// How many files the servers have preprocessed as well.
    pub(super) n_pumped: usize,
    /// Why commands stayed here, and how many.
    pub(super) stayed: BTreeMap<String, usize>,
    pub(super) shared_time: Duration,
    pub(super) local_time: Duration,
    /// The objects that differ from the local compiler's.
    pub(super) different: Vec<String>,
}

impl Report {
    pub(super) fn n_remote(&self) -> usize {
        self.servers.iter().map(|(_, n_compiled)| n_compiled).sum()
    }
}

/// Counts the reasons in a client's log.
pub(super) fn reasons(log: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in log.lines().filter(|line| line.contains("running it here")) {
        let bracketed = line.strip_suffix(']').and_then(|line| line.rsplit_once('['));
        let code = bracketed.map_or("other", |(_, code)| code);
        *counts.entry(code.to_owned()).or_insert(0) += 1;
    }
    counts
}

/// One line that is written over on a terminal, and written once elsewhere.
pub(super) struct Progress {
    what: String,
    n_all: usize,
    terminal: bool,
}

impl Progress {
    pub(super) fn new(what: String, n_all: usize) -> Progress {
        Progress { what, n_all, terminal: std::io::stderr().is_terminal() }
    }

    pub(super) fn show(&self, n_done: usize) {
        if self.terminal {
            eprint!("\rdemo: {} {n_done}/{}", self.what, self.n_all);
            let _ = std::io::stderr().flush();
        }
    }

    pub(super) fn end(&self, n_done: usize) {
        let start = if self.terminal { "\r" } else { "" };
        eprintln!("{start}demo: {} {n_done}/{}", self.what, self.n_all);
    }
}

/// Prints the table on standard output.
pub(super) fn print(reports: &[Report]) {
    for report in reports {
        println!("\n{}: {} objects", report.project, report.n_objects);
        for (server, n_compiled) in &report.servers {
            println!("  compiled by {server:<26} {n_compiled:>5}");
        }
        println!("  of these preprocessed there    {:>8}", report.n_pumped);
        if report.stayed.is_empty() {
            println!("  stayed here {:>32}", 0);
        }
        for (reason, count) in &report.stayed {
            println!("  stayed here: {reason:<25} {count:>5}");
        }
        println!("  wall time on the two servers {:>13.1} s", report.shared_time.as_secs_f64());
        println!("  wall time of plain gcc       {:>13.1} s", report.local_time.as_secs_f64());
        let n_equal = report.n_objects - report.different.len();
        println!("  objects equal to the local ones {n_equal:>6} of {}", report.n_objects);
        for object in &report.different {
            println!("  DIFFERENT: {object}");
        }
    }
    println!("\n(Both servers share this machine's processors: the times show the cost of");
    println!("distributing, not the gain of more machines.)");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_by_their_code() {
        let log = "distcc[1] running it here: the command has neither [not-a-compile]\n\
                   distcc[2] compiled a.c on red\n\
                   distcc[3] running it here: the preprocessor ended with exit status: 1\n";
        let counts: Vec<_> = reasons(log).into_iter().collect();
        assert_eq!(counts, [("not-a-compile".to_owned(), 1), ("other".to_owned(), 1)]);
    }
}
