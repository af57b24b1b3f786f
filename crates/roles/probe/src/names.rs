//! Whom to ask: names given, or names that a format makes.

use std::iter;

/// The names to look up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// These, all of them.
    List(Vec<String>),
    /// Those that the format makes, up to the first that does not exist.
    Format(Format),
}

/// A name with a place for a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    before: String,
    /// The number has at least so many digits, by zeros in front.
    n_digits: usize,
    after: String,
}

impl Default for Format {
    fn default() -> Format {
        Format { before: "distcc".to_owned(), n_digits: 0, after: String::new() }
    }
}

/// The most digits that a number in a name is filled up to.
const MOST_DIGITS: usize = 20;

impl Names {
    /// What the words of a command line mean; `None` for no words.
    pub(crate) fn of(words: Vec<String>) -> Result<Option<Names>, String> {
        let Some(first) = words.first() else { return Ok(None) };
        match Format::read(first)? {
            Some(_) if words.len() > 1 => {
                Err(format!("`{}` has words after it", { first.escape_debug() }))
            }
            Some(format) => Ok(Some(Names::Format(format))),
            None => Ok(Some(Names::List(words))),
        }
    }

    /// The names in order, with `domain` added.
    pub(crate) fn iter(&self, domain: &str) -> Box<dyn Iterator<Item = String> + '_> {
        let with_domain = {
            let domain = domain.to_owned();
            move |name: String| if domain.is_empty() { name } else { format!("{name}.{domain}") }
        };
        match self {
            Names::List(names) => Box::new(names.iter().cloned().map(with_domain)),
            Names::Format(format) => {
                let mut number = 0_u64;
                let numbers = iter::from_fn(move || {
                    number += 1;
                    Some(number)
                });
                Box::new(numbers.map(|number| format.name(number)).map(with_domain))
            }
        }
    }
}

impl Format {
    /// Reads `NAME%dNAME` or `NAME%0Nd`; `None` for a name without `%`.
    fn read(text: &str) -> Result<Option<Format>, String> {
        let Some((before, rest)) = text.split_once('%') else { return Ok(None) };
        let n_digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = rest.split_at(n_digits);
        let wrong = || format!("`{}` is no format of names", text.escape_debug());
        let after = rest.strip_prefix('d').ok_or_else(wrong)?;
        let n_digits = match digits.strip_prefix('0') {
            None if digits.is_empty() => Ok(0),
            // Blanks in front, which printf(3) would put there, are in no name.
            None => return Err(wrong()),
            Some(digits) => digits.parse(),
        };
        match n_digits {
            Ok(n_digits) if n_digits <= MOST_DIGITS && !after.contains('%') => {
                Ok(Some(Format { before: before.to_owned(), n_digits, after: after.to_owned() }))
            }
            _ => Err(wrong()),
        }
    }

    pub(crate) fn name(&self, number: u64) -> String {
        format!("{}{number:0width$}{}", self.before, self.after, width = self.n_digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(words: &[&str], domain: &str, expected: &str) {
        let got = match Names::of(words.iter().map(|word| (*word).to_owned()).collect()) {
            Ok(Some(names)) => names.iter(domain).take(3).collect::<Vec<_>>().join(" "),
            Ok(None) => "none".to_owned(),
            Err(text) => text,
        };
        assert_eq!(got, expected);
    }

    #[test]
    fn formats_make_names() {
        check(&[], "", "none");
        check(&["farm%d"], "", "farm1 farm2 farm3");
        check(
            &["farm%02d.example.org"],
            "",
            "farm01.example.org farm02.example.org farm03.example.org",
        );
        check(&["n%d"], "example.org", "n1.example.org n2.example.org n3.example.org");
    }

    #[test]
    fn lists_are_themselves() {
        check(&["red", "blue"], "", "red blue");
        check(&["red"], "example.org", "red.example.org");
    }

    #[test]
    fn what_is_no_format_is_said() {
        check(&["farm%s"], "", "`farm%s` is no format of names");
        check(&["%d%d"], "", "`%d%d` is no format of names");
        check(
            &["%099999999999999999999999d"],
            "",
            "`%099999999999999999999999d` is no format of names",
        );
        check(&["%05000000d"], "", "`%05000000d` is no format of names");
        check(&["%5d"], "", "`%5d` is no format of names");
        check(&["f%d", "red"], "", "`f%d` has words after it");
    }
}
