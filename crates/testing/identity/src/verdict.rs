//! Judging one case.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

use crate::case::{Before, Case, Launch};
use crate::place::{Item, Leavings};
use crate::sources::Tree;
use crate::stand::{Account, Stand, Who};
use crate::summary::Failure;

/// How much of a difference in text is shown.
const LINES_SHOWN: usize = 6;

/// How often the local compiler runs once more, to see whether it repeats itself.
const MOST_REPETITIONS: usize = 3;

/// What came of one case.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// Whether the local compiler succeeded.
    pub(crate) succeeded: bool,
    /// Whether it makes something else each time.
    pub(crate) is_unstable: bool,
    pub(crate) account: Account,
    pub(crate) failure: Option<Failure>,
}

/// Two runs of a case.
struct Pair {
    local: Leavings,
    shared: Leavings,
    account: Account,
    /// In what they differ, and what the local compiler always makes alike.
    differences: BTreeSet<Item>,
    is_unstable: bool,
}

impl Pair {
    fn run(stand: &Stand, case: &Case, trees: &[Tree]) -> Result<Pair> {
        let local = stand.run(case, Who::Compiler, trees)?;
        let shared = stand.run(case, Who::Client, trees)?;
        let account = stand.account()?;
        let mut differences = local.differences(&shared);
        // By -pipe compiler and assembler write at the same time: whose line comes first is chance.
        let is_piped = stand.shown(case).contains("-pipe");
        let mut is_unstable = is_piped
            && sorted_lines(&local.stderr) == sorted_lines(&shared.stderr)
            && differences.remove(&Item::Stderr);
        // -Q writes how long everything took. Short as it is, two runs may agree by chance.
        is_unstable |= stand.shown(case).split(' ').any(|word| word == "-Q")
            && lines_without_times(&local.stderr) == lines_without_times(&shared.stderr)
            && differences.remove(&Item::Stderr);
        for _ in 0..MOST_REPETITIONS {
            if differences.is_empty() {
                break;
            }
            let again = stand.run(case, Who::Compiler, trees)?;
            let unstable = local.differences(&again);
            is_unstable |= !unstable.is_empty();
            differences.retain(|item| !unstable.contains(item));
        }
        Ok(Pair { local, shared, account, differences, is_unstable })
    }
}

fn sorted_lines(text: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    lines.sort_unstable();
    lines
}

/// The lines that hold no share of a time.
fn lines_without_times(text: &[u8]) -> Vec<&[u8]> {
    let is_time = |line: &&[u8]| line.windows(2).any(|pair| pair == b"%)");
    text.split(|byte| *byte == b'\n').filter(|line| !is_time(line)).collect()
}

/// Runs a case with the local compiler and with servers, and compares. What differs is kept below
/// `failures`; `again` is the command that runs this case alone.
pub(crate) fn judge(
    stand: &Stand,
    case: &Case,
    trees: &[Tree],
    failures: &Path,
    again: &str,
) -> Result<Verdict> {
    let pair = Pair::run(stand, case, trees)?;
    let mut verdict = Verdict {
        succeeded: pair.local.code == 0,
        is_unstable: pair.is_unstable,
        account: pair.account.clone(),
        failure: None,
    };
    if pair.differences.is_empty() {
        return Ok(verdict);
    }
    let kept = failures.join(case.number.to_string());
    crate::place::clear(&kept)?;
    pair.local.keep(&kept.join("local"))?;
    pair.shared.keep(&kept.join("shared"))?;
    let (small, small_pair) = shrink(stand, case, trees, pair)?;
    let place = match small_pair.account.n_remote {
        0 => format!("done here: {}", small_pair.account.stayed.join(", ")),
        _ => "done by a server".to_owned(),
    };
    let mut text = format!(
        "case {}: {}\n  command: {}\n  shrunk{}: {}\n  in {}, {place}\n",
        case.number,
        listed(&small_pair.differences),
        stand.shown(case),
        if small.launch == Launch::Masquerade { " (by a link)" } else { "" },
        stand.shown(&small),
        stand.root.display(),
    );
    for item in &small_pair.differences {
        text += &shown(item, &small_pair.local, &small_pair.shared);
    }
    text += &format!("  kept in {}\n  again: {again}", kept.display());
    verdict.failure = Some(Failure { number: case.number, text });
    Ok(verdict)
}

fn listed(items: &BTreeSet<Item>) -> String {
    items.iter().map(Item::to_string).collect::<Vec<_>>().join(", ")
}

/// Leaves out of a case what does not matter to its differences.
fn shrink(stand: &Stand, case: &Case, trees: &[Tree], pair: Pair) -> Result<(Case, Pair)> {
    let (mut best, mut best_pair) = (case.clone(), pair);
    let attempt = |smaller: Case, best: &mut Case, best_pair: &mut Pair| -> Result<bool> {
        let found = Pair::run(stand, &smaller, trees)?;
        let counts = found.differences.iter().any(|item| is_like(item, &best_pair.differences));
        if counts {
            (*best, *best_pair) = (smaller, found);
        }
        Ok(counts)
    };
    let plain = Case { launch: Launch::Distcc, before: Before::Nothing, ..best.clone() };
    attempt(plain, &mut best, &mut best_pair)?;
    let mut unfiled = best.clone();
    unfiled.groups.iter_mut().for_each(|group| group.in_file = false);
    attempt(unfiled, &mut best, &mut best_pair)?;
    let mut index = 0;
    while index < best.groups.len() {
        let mut smaller = best.clone();
        if !smaller.groups.remove(index).is_needed && attempt(smaller, &mut best, &mut best_pair)? {
            continue;
        }
        index += 1;
    }
    // The first names the locale.
    while best.environment.len() > 1 {
        let mut smaller = best.clone();
        smaller.environment.pop();
        if !attempt(smaller, &mut best, &mut best_pair)? {
            break;
        }
    }
    Ok((best, best_pair))
}

/// Whether a difference is the same as one of those before, though its file may have another name.
fn is_like(item: &Item, others: &BTreeSet<Item>) -> bool {
    let is_file = |item: &Item| matches!(item, Item::File(_));
    others.contains(item) || (is_file(item) && others.iter().any(is_file))
}

/// A few lines about a difference.
fn shown(item: &Item, local: &Leavings, shared: &Leavings) -> String {
    let texts = |left: &[u8], right: &[u8]| {
        let (left, right) = (String::from_utf8_lossy(left), String::from_utf8_lossy(right));
        let n_same = left.lines().zip(right.lines()).take_while(|(left, right)| left == right);
        let n_same = n_same.count();
        let mut text = String::new();
        for (mark, side) in [('-', left), ('+', right)] {
            for line in side.lines().skip(n_same).take(LINES_SHOWN) {
                text += &format!("    {mark} {line}\n");
            }
        }
        text
    };
    match item {
        Item::Stdout => texts(&local.stdout, &shared.stdout),
        Item::Stderr => texts(&local.stderr, &shared.stderr),
        Item::ExitStatus => format!("    exit status {} and {}\n", local.code, shared.code),
        Item::TemporaryFiles => {
            format!("    temporary files: {} and {}\n", local.n_temporary, shared.n_temporary)
        }
        Item::File(path) => {
            let kind = |side: &Leavings| match side.files.get(path) {
                None => "missing".to_owned(),
                Some(crate::place::Entry::File { mode, bytes }) => {
                    format!("{} bytes, mode {mode:o}", bytes.len())
                }
                Some(entry) => format!("{entry:?}"),
            };
            format!("    {}: {} and {}\n", path.display(), kind(local), kind(shared))
        }
    }
}
