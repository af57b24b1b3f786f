//! Names that are like another.

/// The names of other machines that this one knows (`/etc/hosts`), those most like `name` first;
/// none that is like it no more than by chance.
pub(crate) fn similar(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    most_like(name, &text)
}

fn most_like(name: &str, hosts: &str) -> Vec<String> {
    let mut found: Vec<(usize, &str)> = hosts
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .filter(|line| !line.starts_with("127.") && !line.starts_with("::1"))
        .flat_map(|line| line.split_ascii_whitespace().skip(1))
        .map(|other| (distance(name.as_bytes(), other.as_bytes()), other))
        .filter(|(distance, other)| *distance <= 1 + other.len() / 4)
        .collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().map(|(_, other)| other.to_owned()).take(4).collect()
}

/// How many letters have to be put in, left out or changed to get from one word to the other.
fn distance(from: &[u8], to: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, letter) in from.iter().enumerate() {
        let mut corner = row[0];
        row[0] = above + 1;
        for (left, other) in to.iter().enumerate() {
            let changed = corner + usize::from(letter != other);
            corner = row[left + 1];
            row[left + 1] = changed.min(row[left] + 1).min(corner + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_that_was_meant_comes_first() {
        let hosts = "127.0.0.1 localhost\n10.0.0.2 red red.home # old\n10.0.0.3 rod green\n";
        assert_eq!(most_like("redd", hosts), ["red"]);
        assert_eq!(most_like("rd", hosts), ["red", "rod"]);
        assert_eq!(most_like("localhos", hosts), [""; 0]);
        assert_eq!(most_like("blue", hosts), [""; 0]);
    }
}
