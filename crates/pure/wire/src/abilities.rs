//! What a server can do beyond distcc 3.4, and how a client finds out.
//!
//! The question is a job whose command is one word that no compiler is called. distcc 3.4 refuses
//! it like any compiler that it does not know: it hangs up. Our server answers with a successful
//! reply that has a line a word on its standard output. So no version number is needed, and
//! nobody who does not ask notices anything.

use crate::{Reply, WaitStatus};

/// The one word of the question's command.
pub const ABILITIES_QUESTION: &[u8] = b"distcc-rs:abilities";

/// How the answer begins.
const HEADLINE: &str = "distcc-rs";

/// What a server can do beyond distcc 3.4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abilities {
    /// It compiles source that was only freed of its directives as the source itself, under the
    /// client's names (see `compiler_args::restore`).
    pub restores_source: bool,
    /// It sends debug information that is split off the object along with it (see
    /// [`crate::part_two_files`]).
    pub splits_debug: bool,
    /// It takes the compiler that a client means by what it is, whatever it is called there (see
    /// `compiler_args::WantedCompiler`).
    pub picks_compiler: bool,
    /// In version 3 it shows a compile the client's files at their own absolute names, and none of
    /// its own headers, when told that they are all there (see `compiler_args::WHOLE_TREE`).
    pub lays_out_trees: bool,
    /// It keeps files for further requests that a client gives a key (see [`crate::FileKey`]).
    pub keeps_files: bool,
    /// How many compilers it runs at once, if it tells: further jobs wait there.
    pub n_jobs: Option<u32>,
}

/// How the line begins that tells the number of jobs.
const JOBS: &str = "jobs ";

impl Abilities {
    /// The abilities and their names, as they travel.
    fn named(self) -> [(&'static str, bool); 5] {
        [
            ("restores-source", self.restores_source),
            ("splits-debug", self.splits_debug),
            ("picks-compiler", self.picks_compiler),
            ("lays-out-trees", self.lays_out_trees),
            ("keeps-files", self.keeps_files),
        ]
    }

    /// The answer to the question.
    #[must_use]
    pub fn reply(self) -> Reply {
        Reply {
            status: WaitStatus::exited(0),
            stdout: self.to_text().into_bytes(),
            ..Reply::default()
        }
    }

    /// What the answer says; `None` when it is none, as from a server that took the question for
    /// a job.
    #[must_use]
    pub fn of_reply(reply: &Reply) -> Option<Abilities> {
        if !reply.status.is_success() {
            return None;
        }
        Abilities::from_text(std::str::from_utf8(&reply.stdout).ok()?)
    }

    /// The abilities as text, to be kept: see [`Abilities::from_text`].
    #[must_use]
    pub fn to_text(self) -> String {
        let names = self.named().into_iter().filter(|(_, can)| *can);
        let lines = std::iter::once(HEADLINE).chain(names.map(|(name, _)| name));
        let mut text: String = lines.map(|line| format!("{line}\n")).collect();
        if let Some(n_jobs) = self.n_jobs {
            text.push_str(&format!("{JOBS}{n_jobs}\n"));
        }
        text
    }

    /// Reads them back. Names that are not known here are passed over: a newer server has more.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Abilities> {
        let mut lines = text.lines();
        if lines.next()? != HEADLINE {
            return None;
        }
        let mut abilities = Abilities::default();
        for line in lines {
            match line {
                "restores-source" => abilities.restores_source = true,
                "splits-debug" => abilities.splits_debug = true,
                "picks-compiler" => abilities.picks_compiler = true,
                "lays-out-trees" => abilities.lays_out_trees = true,
                "keeps-files" => abilities.keeps_files = true,
                line => {
                    if let Some(number) = line.strip_prefix(JOBS) {
                        abilities.n_jobs = number.parse().ok().filter(|n_jobs| *n_jobs > 0);
                    }
                }
            }
        }
        Some(abilities)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abilities_survive_the_way() {
        for number in 0..32 {
            let [restores_source, splits_debug, picks_compiler, lays_out_trees, keeps_files] =
                [1, 2, 4, 8, 16].map(|bit| number & bit != 0);
            let abilities = Abilities {
                restores_source,
                splits_debug,
                picks_compiler,
                lays_out_trees,
                keeps_files,
                n_jobs: (number % 2 == 0).then_some(number + 1),
            };
            assert_eq!(Abilities::of_reply(&abilities.reply()), Some(abilities));
        }
    }

    #[test]
    fn what_is_no_answer_says_nothing() {
        let said = |status, stdout: &str| {
            let reply = Reply { status, stdout: stdout.into(), ..Reply::default() };
            Abilities::of_reply(&reply)
        };
        assert_eq!(said(WaitStatus::exited(1), "distcc-rs\nrestores-source\n"), None);
        assert_eq!(said(WaitStatus::exited(0), ""), None);
        assert_eq!(said(WaitStatus::exited(0), "restores-source\n"), None);
        let newer = said(WaitStatus::exited(0), "distcc-rs\nflies\nrestores-source\n");
        assert_eq!(newer, Some(Abilities { restores_source: true, ..Abilities::default() }));
        for nonsense in ["jobs 0", "jobs -1", "jobs", "jobs 99999999999", "jobs 1 2"] {
            let said = said(WaitStatus::exited(0), &format!("distcc-rs\n{nonsense}\n"));
            assert_eq!(said, Some(Abilities::default()), "{nonsense}");
        }
    }
}
