//! The row of a word, found in a few steps: the client asks for each word of each command.

use super::{GROUPS, N_ROWS, Row, Shape, TABLE};

/// The places of the rows in [`TABLE`], ordered by name.
static ORDER: [u16; N_ROWS] = sorted();

/// For each place in [`ORDER`], one more than the place of the longest other name that this name
/// begins with; 0 when there is none.
static SHORTER: [u16; N_ROWS] = shorter();

/// The row for `word`, if its option is known: among the rows that fit, the one with the longest
/// name.
///
/// The names that `word` begins with all stand at or before the place where `word` would stand,
/// and each of them begins the name that stands there, so it is enough to follow `SHORTER`.
#[must_use]
pub fn find(word: &[u8]) -> Option<&'static Row> {
    let mut place = ORDER.partition_point(|row| TABLE[usize::from(*row)].name.as_bytes() <= word);
    while place > 0 {
        let row = &TABLE[usize::from(ORDER[place - 1])];
        let name = row.name.as_bytes();
        let fits = match row.shape {
            Shape::Alone | Shape::Separate => word == name,
            Shape::Joined | Shape::JoinedOrSeparate | Shape::Family => word.starts_with(name),
        };
        if fits {
            return Some(row);
        }
        place = usize::from(SHORTER[place - 1]);
    }
    None
}

pub(super) const fn n_rows() -> usize {
    let mut n = 0;
    let mut group = 0;
    while group < GROUPS.len() {
        n += GROUPS[group].rows.len();
        group += 1;
    }
    n
}

pub(super) const fn rows() -> [Row; N_ROWS] {
    let mut rows = [GROUPS[0].rows[0]; N_ROWS];
    let (mut n, mut group) = (0, 0);
    while group < GROUPS.len() {
        let mut row = 0;
        while row < GROUPS[group].rows.len() {
            rows[n] = GROUPS[group].rows[row];
            n += 1;
            row += 1;
        }
        group += 1;
    }
    rows
}

/// Heap sort: the loops of a sort by insertion are too many for the compiler's patience.
const fn sorted() -> [u16; N_ROWS] {
    let rows = rows();
    let mut order = [0; N_ROWS];
    let mut place = 0;
    while place < N_ROWS {
        #[expect(clippy::cast_possible_truncation, reason = "there are fewer rows than 65536")]
        {
            order[place] = place as u16;
        }
        place += 1;
    }
    let mut root = N_ROWS / 2;
    while root > 0 {
        root -= 1;
        order = sunk(order, &rows, root, N_ROWS);
    }
    let mut end = N_ROWS;
    while end > 1 {
        end -= 1;
        (order[0], order[end]) = (order[end], order[0]);
        order = sunk(order, &rows, 0, end);
    }
    order
}

/// The heap below `end` after the row at `root` has sunk to its place.
const fn sunk(
    mut order: [u16; N_ROWS],
    rows: &[Row; N_ROWS],
    mut root: usize,
    end: usize,
) -> [u16; N_ROWS] {
    while 2 * root + 1 < end {
        let mut child = 2 * root + 1;
        if child + 1 < end && is_before(rows, order[child], order[child + 1]) {
            child += 1;
        }
        if !is_before(rows, order[root], order[child]) {
            break;
        }
        (order[root], order[child]) = (order[child], order[root]);
        root = child;
    }
    order
}

const fn is_before(rows: &[Row; N_ROWS], left: u16, right: u16) -> bool {
    let (left, right) = (rows[left as usize].name.as_bytes(), rows[right as usize].name.as_bytes());
    let common = n_common(left, right);
    match (common == left.len(), common == right.len()) {
        (false, false) => left[common] < right[common],
        (is_prefix, is_whole) => is_prefix && !is_whole,
    }
}

/// How many bytes at the start are the same.
const fn n_common(left: &[u8], right: &[u8]) -> usize {
    let mut n = 0;
    while n < left.len() && n < right.len() && left[n] == right[n] {
        n += 1;
    }
    n
}

const fn shorter() -> [u16; N_ROWS] {
    let rows = rows();
    let order = sorted();
    let mut shorter = [0; N_ROWS];
    let mut place = 1;
    while place < N_ROWS {
        let name = rows[order[place] as usize].name.as_bytes();
        let mut other = place;
        while other > 0 {
            let candidate = rows[order[other - 1] as usize].name.as_bytes();
            if n_common(name, candidate) == candidate.len() {
                break;
            }
            other = shorter[other - 1] as usize;
        }
        #[expect(clippy::cast_possible_truncation, reason = "there are fewer rows than 65536")]
        {
            shorter[place] = other as u16;
        }
        place += 1;
    }
    shorter
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(word: &str, expected: &str) {
        assert_eq!(find(word.as_bytes()).map(|row| row.name), Some(expected));
    }

    #[test]
    fn the_longest_name_counts() {
        check("-march=native", "-march=native");
        check("-march=x86-64", "-m");
        check("-Wa,-a", "-Wa,");
        check("-Wall", "-W");
        check("-MDx", "-M");
        check("-MMD", "-MMD");
        check("-isystem/usr/include", "-isystem");
        check("-include-pch", "-include-pch");
        check("-gsplit-dwarf=single", "-gsplit-dwarf=");
        check("-fplugin-arg-x-y", "-fplugin");
        check("-fprofile-use=/x", "-fprofile");
        check("-fno-plt", "-f");
        check("--include=x", "--include=");
    }

    /// As [`find`], row by row.
    fn find_slowly(word: &[u8]) -> Option<&'static Row> {
        let fits = |row: &&Row| match row.shape {
            Shape::Alone | Shape::Separate => word == row.name.as_bytes(),
            _ => word.starts_with(row.name.as_bytes()),
        };
        TABLE.iter().filter(fits).max_by_key(|row| row.name.len())
    }

    proptest! {
        #[test]
        fn the_index_finds_what_a_walk_through_the_table_finds(
            row in 0..N_ROWS,
            n_cut in 0..6_usize,
            tail in "[-=a-z,/]{0,4}",
        ) {
            let name = TABLE[row].name;
            let word = [&name[..name.len().saturating_sub(n_cut)], &tail].concat();
            prop_assert_eq!(find(word.as_bytes()), find_slowly(word.as_bytes()));
        }
    }
}
