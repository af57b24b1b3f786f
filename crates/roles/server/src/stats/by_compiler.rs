//! Jobs by the compiler that did them.

use crate::whitelist::Known;

/// So many compilers are told apart; a machine with more of them, or whose compilers are replaced
/// that often, counts the rest as one.
const MOST_COMPILERS: usize = 64;

/// The jobs of each compiler, and those of none that is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ByCompiler {
    /// In the order of their first jobs.
    pub(super) known: Vec<(Known, u64)>,
    /// Jobs that were refused or lost before there was a compiler for them, whose compiler does
    /// not say what it is, or for which there was no room.
    pub(super) n_other: u64,
}

impl ByCompiler {
    pub(super) fn note(&mut self, compiler: Option<&Known>) {
        let Some(compiler) = compiler else {
            self.n_other += 1;
            return;
        };
        let has_room = self.known.len() < MOST_COMPILERS;
        match self.known.iter_mut().find(|(known, _)| known == compiler) {
            Some((_, n_jobs)) => *n_jobs += 1,
            None if has_room => self.known.push((compiler.clone(), 1)),
            None => self.n_other += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use inventory::About;
    use toolchain::Family;

    fn gcc(version: usize) -> Known {
        let version = format!("{version}.1.0");
        let about = About { target: "x86_64-linux-gnu".into(), family: Family::Gcc, version };
        Known { name: "gcc".into(), about }
    }

    #[test]
    fn each_job_is_counted_once_and_compilers_are_bounded() {
        let mut jobs = ByCompiler::default();
        for version in 0..1000 {
            jobs.note(Some(&gcc(version)));
            jobs.note(Some(&gcc(0)));
        }
        jobs.note(None);
        assert_eq!(jobs.known.len(), MOST_COMPILERS);
        assert_eq!(jobs.known[0], (gcc(0), 1001));
        let n_known: u64 = jobs.known.iter().map(|(_, n_jobs)| n_jobs).sum();
        assert_eq!(n_known + jobs.n_other, 2001);
    }
}
