//! Which branch of which conditionals each line of a text is in.

use crate::condition::{Condition, Test};
use crate::text::{Cursor, is_blank, is_raw, name_before};

/// The branches of a text: from where on which condition holds.
#[derive(Debug)]
pub(crate) struct Branches {
    /// Each begins where the one before ends. `None`: nothing is known of this text.
    starts: Option<Vec<(usize, Condition)>>,
}

impl Branches {
    /// Reads the conditionals of `text`.
    pub(crate) fn of(text: &[u8]) -> Branches {
        Branches { starts: read(text) }
    }

    /// What has to hold for what stands at `place` to count.
    pub(crate) fn at(&self, place: usize) -> Condition {
        let Some(starts) = &self.starts else { return Condition::Maybe };
        let index = starts.partition_point(|(start, _)| *start <= place);
        index.checked_sub(1).map_or(Condition::Maybe, |index| starts[index].1.clone())
    }
}

/// `None` where dialects read the text differently, or it does not come to an end.
fn read(text: &[u8]) -> Option<Vec<(usize, Condition)>> {
    let mut starts = Vec::new();
    // What has to hold for the next branch of each conditional to be tried, and in its current one.
    let mut open: Vec<(Condition, Condition)> = Vec::new();
    for place in directives(text)? {
        let mut cursor = Cursor::new(text, place + 1);
        cursor.skip_blanks();
        let word = cursor.name();
        cursor.skip_blanks();
        let test = match word.as_ref() {
            b"if" | b"elif" => Test::read(&mut cursor),
            b"ifdef" | b"elifdef" => name_test(&mut cursor),
            b"ifndef" | b"elifndef" => name_test(&mut cursor).not(),
            b"else" | b"endif" => Test::UNKNOWN,
            _ => continue,
        };
        let tried = match word.as_ref() {
            b"if" | b"ifdef" | b"ifndef" => {
                open.last().map_or(Condition::Maybe, |(_, branch)| branch.clone())
            }
            b"endif" => {
                open.pop()?;
                let outside = open.last().map_or(Condition::Maybe, |(_, branch)| branch.clone());
                starts.push((place, outside));
                continue;
            }
            _ => open.pop()?.0,
        };
        let branch = tried.clone().and(test.holds);
        open.push((tried.and(test.fails), branch.clone()));
        starts.push((place, branch));
    }
    open.is_empty().then_some(starts)
}

/// That the name that stands here is defined.
fn name_test(cursor: &mut Cursor<'_>) -> Test {
    let name = cursor.name();
    // A letter written by its number goes on with the name.
    if cursor.peek() == Some(b'\\') { Test::UNKNOWN } else { Test::defined(&name) }
}

/// Where directives begin: each sign that stands first in its line, comments left out.
fn directives(text: &[u8]) -> Option<Vec<usize>> {
    let mut found = Vec::new();
    let mut cursor = Cursor::new(text, 0);
    let mut is_first = true;
    while let Some(byte) = cursor.peek() {
        let at = cursor.at();
        cursor.next();
        match byte {
            b'\n' => is_first = true,
            byte if is_blank(byte) || byte == b'\r' => {}
            b'/' if cursor.take(b'*') => {
                if !cursor.skip_comment() {
                    return None;
                }
            }
            b'/' if cursor.take(b'/') => cursor.skip_line(),
            b'#' if is_first => {
                found.push(at);
                is_first = false;
            }
            // The other sign of directives.
            b'%' if is_first && cursor.peek() == Some(b':') => return None,
            b'"' if is_raw(text, at) => return None,
            b'"' => {
                cursor.skip_quoted(b'"');
                is_first = false;
            }
            b'\'' => {
                is_first = false;
                // Behind other names it separates digits, or is an apostrophe.
                match name_before(text, at)? {
                    b"" | b"L" | b"u" | b"U" | b"u8" => cursor.skip_quoted(b'\''),
                    _ => {}
                }
            }
            _ => {
                is_first = false;
                cursor.skip_words();
            }
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::is_of_name;
    use proptest::prelude::*;

    /// Each `@` of a text with what has to hold there.
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let branches = Branches::of(text.as_bytes());
        let found: Vec<String> = text
            .match_indices('@')
            .map(|(at, _)| match branches.at(at) {
                Condition::Maybe => "?".to_owned(),
                Condition::Never => "0".to_owned(),
                Condition::Defined(name) => String::from_utf8(name).unwrap(),
                Condition::All(parts) => format!("{} parts", parts.len()),
                Condition::Any(parts) => format!("one of {}", parts.len()),
            })
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn branches_have_their_conditions() {
        let text =
            "@\n#ifdef A\n@\n# if B > 2\n@\n#else\n@\n#endif\n@\n#elif C\n@\n#else\n@\n#endif\n@";
        check(text, &["?", "A", "2 parts", "A", "A", "C", "?", "?"]);
        check("#if 0\n@\n#ifdef A\n@\n#endif\n#endif\n@", &["0", "0", "?"]);
        check("#ifndef A\n@\n#elifdef B\n@\n#elifndef C\n@\n#endif", &["?", "2 parts", "A"]);
        check("#ifndef A\n@\n#else\n@\n#endif\n@", &["?", "A", "?"]);
        check("#if 1\n@\n#else\n@\n#endif\n@", &["?", "0", "?"]);
        check("#ifdef A\\u00e9\n@\n#endif", &["?"]);
    }

    #[test]
    fn what_is_no_directive_opens_nothing() {
        check("/*\n#if 0\n*/ @", &["?"]);
        check("// \\\n#if 0\n@", &["?"]);
        check("char *s = \"\\\n#if 0\\\n\";\n@", &["?"]);
        check("don't\n#ifdef A\nit's\n@\n#endif\n@", &["A", "?"]);
        check("int c = L'\"';\n#ifdef A\n@\n#endif", &["A"]);
        check("int n = 0x1'0;\n#ifdef A\n@\n#endif", &["A"]);
        check("/* x */ #ifdef A\n@\n#endif", &["A"]);
        check("x #ifdef A\n@", &["?"]);
    }

    #[test]
    fn nothing_is_known_of_what_does_not_end_or_is_read_differently() {
        for text in [
            "#if 0\n@",
            "@\n#endif",
            "#if 0\n@\n#endif\n/*",
            "#if 0\n@\n#endif\nauto s = R\"(\n)\";",
            "%:if 0\n@\n%:endif\n#if 0\n#endif",
            "#else\n#if 0\n@\n#endif",
        ] {
            check(text, &["?"]);
        }
    }

    /// Where directives begin, a byte at a time.
    fn directives_by_bytes(text: &[u8]) -> Option<Vec<usize>> {
        let mut found = Vec::new();
        let mut cursor = Cursor::new(text, 0);
        let (mut is_first, mut name_start) = (true, None);
        while let Some(byte) = cursor.peek() {
            let at = cursor.at();
            cursor.next();
            let name = name_start.take().map(|start| &text[start..at]);
            match byte {
                b'\n' => is_first = true,
                byte if is_blank(byte) || byte == b'\r' => {}
                b'/' if cursor.take(b'*') => {
                    let mut before = 0;
                    loop {
                        match cursor.next()? {
                            b'/' if before == b'*' => break,
                            byte => before = byte,
                        }
                    }
                }
                b'/' if cursor.take(b'/') => {
                    while cursor.peek().is_some_and(|byte| byte != b'\n') {
                        cursor.next();
                    }
                }
                b'#' if is_first => {
                    found.push(at);
                    is_first = false;
                }
                b'%' if is_first && cursor.peek() == Some(b':') => return None,
                b'"' if is_raw(text, at) => return None,
                b'"' => {
                    cursor.skip_quoted(b'"');
                    is_first = false;
                }
                b'\'' if name_before(text, at).is_none() => return None,
                b'\'' if matches!(name, None | Some(b"L" | b"u" | b"U" | b"u8")) => {
                    cursor.skip_quoted(b'\'');
                    is_first = false;
                }
                byte => {
                    is_first = false;
                    if is_of_name(byte) {
                        name_start = Some(at - name.map_or(0, <[u8]>::len));
                    }
                }
            }
        }
        Some(found)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn passing_over_many_bytes_at_once_changes_nothing(
            text in "([#\n\\\\/*\"'aLuU8R() .\r%:?;]|\\\\\n|u8'|/\\*|\\*/|//|#if|\n#){0,40}",
        ) {
            prop_assert_eq!(directives(text.as_bytes()), directives_by_bytes(text.as_bytes()));
        }
    }
}
