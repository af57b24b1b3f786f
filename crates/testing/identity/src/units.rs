//! Cases that are translation units of code bases: what builds of them would run.

use std::path::Path;

use soundness::{CodeBase, Unit};
use support::Kind;

use crate::case::{Before, Case, Group, Launch};

/// The options that a unit is compiled with besides its own, in turn. `ROOT` stands for the folder
/// of the case, as an absolute name.
const MANNERS: [&str; 4] = [
    "-MD -MF ROOT/out.d",
    "-g -O2 -MD -MF ROOT/out.d",
    "-O2 -MMD -MP -MF ROOT/out.d",
    "-O1 -Wall -Wextra -MD -MT target -MF ROOT/out.d",
];

/// The same for GCC and servers of 3.4. Those are given to preprocess what GCC compiles without
/// dependency file, nothing of Clang's, and no job at all that has GCC write debug information
/// (COMPATIBILITY.md).
const MANNERS_FOR_ORIGINAL: [&str; 6] = ["", "-O1", "-MD -MF ROOT/out.d", "-O2", "", "-O1 -Wall"];

/// Units that were chosen out of code bases.
#[derive(Debug)]
pub struct Units {
    chosen: Vec<Chosen>,
    /// The words of the chore by which the same are chosen.
    words: String,
}

#[derive(Debug)]
struct Chosen {
    code_base: &'static str,
    unit: Unit,
    manner: &'static str,
}

impl Units {
    /// Chooses `n_units`, or all where they are fewer: of each code base as many as of the others
    /// as long as it has some left, spread over it, and with both compilers; for servers of 3.4
    /// mostly with GCC. `only` is the name of the one code base to take them from.
    #[must_use]
    pub fn choose(
        code_bases: &[CodeBase],
        n_units: usize,
        only: Option<&str>,
        server: Kind,
    ) -> Units {
        let wanted = code_bases.iter().filter(|code| only.is_none_or(|only| only == code.name));
        let wanted: Vec<&CodeBase> = wanted.collect();
        let spread = Spread::of(server);
        let sizes: Vec<usize> =
            wanted.iter().map(|code_base| spread.most(code_base.units.len())).collect();
        let shares = shares(&sizes, n_units);
        let mut chosen = Vec::new();
        for (code_base, share) in wanted.iter().zip(shares) {
            let (mut for_gcc, mut for_clang) =
                (manners(server).iter().cycle(), MANNERS.iter().cycle());
            for index in spread.indexes(code_base.units.len(), share) {
                let unit = code_base.units[index].clone();
                let manners = if unit.compiler == "gcc" { &mut for_gcc } else { &mut for_clang };
                let manner = manners.next().expect("a cycle has no end");
                chosen.push(Chosen { code_base: code_base.name, unit, manner });
            }
        }
        let only = only.map_or_else(String::new, |name| format!(" --of '{name}'"));
        Units { chosen, words: format!("--units {n_units}{only}") }
    }

    /// How many were chosen.
    #[must_use]
    pub fn n_units(&self) -> usize {
        self.chosen.len()
    }

    pub(crate) fn words(&self) -> &str {
        &self.words
    }

    /// Makes case `number`, for a folder that gets what it makes.
    pub(crate) fn case(&self, number: usize, root: &Path) -> Case {
        let Chosen { code_base, unit, manner } = &self.chosen[number];
        let root = root.display().to_string();
        let needed = |words: &[&str]| Group {
            words: words.iter().map(|&word| word.to_owned()).collect(),
            in_file: false,
            is_needed: true,
        };
        let mut groups = vec![needed(&["-c", &unit.source, "-o", &format!("{root}/out.o")])];
        groups.extend(grouped(manner.replace("ROOT", &root).split_whitespace()));
        groups.extend(grouped(unit.options.iter().map(String::as_str)));
        Case {
            number,
            origin: code_base,
            launch: Launch::Distcc,
            compiler: unit.compiler.to_owned(),
            groups,
            environment: vec![("LC_ALL", "C.UTF-8".to_owned())],
            directory: (*unit.folder).clone(),
            trees: Vec::new(),
            before: Before::Nothing,
        }
    }
}

/// How GCC's units are compiled for such servers.
fn manners(server: Kind) -> &'static [&'static str] {
    match server {
        Kind::Ours => &MANNERS,
        Kind::Original => &MANNERS_FOR_ORIGINAL,
    }
}

/// Options, each with the value that follows it.
fn grouped<'a>(words: impl Iterator<Item = &'a str>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for word in words {
        match groups.last_mut() {
            Some(group) if !word.starts_with('-') => group.words.push(word.to_owned()),
            _ => {
                let words = vec![word.to_owned()];
                groups.push(Group { words, in_file: false, is_needed: false });
            }
        }
    }
    groups
}

/// How many to take of each of the sizes: as equal as they allow, `n_wanted` in all.
fn shares(sizes: &[usize], n_wanted: usize) -> Vec<usize> {
    let mut smallest_first: Vec<usize> = (0..sizes.len()).collect();
    smallest_first.sort_by_key(|index| sizes[*index]);
    let mut shares = vec![0; sizes.len()];
    let mut n_left = n_wanted;
    for (n_done, index) in smallest_first.into_iter().enumerate() {
        shares[index] = sizes[index].min(n_left / (sizes.len() - n_done));
        n_left -= shares[index];
    }
    shares
}

/// Which units of a code base to take. They stand in pairs: a source with GCC, and with Clang.
#[derive(Clone, Copy)]
struct Spread {
    /// Every how manieth is one with Clang.
    clang_once_in: usize,
}

impl Spread {
    fn of(server: Kind) -> Spread {
        let clang_once_in = match server {
            Kind::Ours => 2,
            Kind::Original => 4,
        };
        Spread { clang_once_in }
    }

    /// How many of so many units can be taken. Only where compilers take turns a source is taken
    /// with both.
    fn most(self, n_units: usize) -> usize {
        if self.clang_once_in == 2 { n_units } else { n_units / 2 }
    }

    fn indexes(self, n_units: usize, n_wanted: usize) -> impl Iterator<Item = usize> {
        let n_pairs = n_units / 2;
        (0..n_wanted).map(move |count| {
            let is_clang = count % self.clang_once_in == self.clang_once_in - 1;
            count * n_pairs / n_wanted * 2 + usize::from(is_clang)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_small_code_base_lacks_comes_from_the_others() {
        assert_eq!(shares(&[100, 4, 50], 34), [15, 4, 15]);
        assert_eq!(shares(&[10, 4], 100), [10, 4]);
        assert!(shares(&[], 100).is_empty());
    }

    #[test]
    fn units_are_spread_over_both_compilers_and_none_is_taken_twice() {
        for (server, clang_once_in) in [(Kind::Ours, 2), (Kind::Original, 4)] {
            let spread = Spread::of(server);
            for n_wanted in 1..=spread.most(40) {
                let mut taken: Vec<usize> = spread.indexes(40, n_wanted).collect();
                let n_clang = taken.iter().filter(|index| *index % 2 == 1).count();
                assert_eq!(n_clang, n_wanted / clang_once_in);
                taken.sort_unstable();
                taken.dedup();
                assert_eq!(taken.len(), n_wanted);
                assert!(taken[n_wanted - 1] < 40, "{taken:?}");
            }
        }
    }

    #[test]
    fn values_stay_with_their_options() {
        let groups = grouped(["-O2", "-MF", "x.d", "-include", "y.h", "-I."].into_iter());
        let words: Vec<String> = groups.iter().map(|group| group.words.join(" ")).collect();
        assert_eq!(words, ["-O2", "-MF x.d", "-include y.h", "-I."]);
    }
}
