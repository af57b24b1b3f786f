//! Which branch of which conditionals each line of a text is in.

use std::sync::Arc;

use crate::condition::{Condition, Test};
use crate::text::{Cursor, before_blanks, is_raw, name_before};

/// The branches of a text: from where on which condition holds.
#[derive(Debug)]
pub(crate) struct Branches {
    /// Each begins where the one before ends.
    starts: Vec<(usize, Arc<Condition>)>,
    /// What has to hold before the first, and everywhere where nothing is known of the text.
    maybe: Arc<Condition>,
}

impl Branches {
    /// Reads the conditionals of `text`.
    pub(crate) fn of(text: &[u8]) -> Branches {
        let maybe = Arc::new(Condition::Maybe);
        Branches { starts: read(text, &maybe).unwrap_or_default(), maybe }
    }

    /// What has to hold for what stands at `place` to count.
    pub(crate) fn at(&self, place: usize) -> Arc<Condition> {
        let index = self.starts.partition_point(|(start, _)| *start <= place);
        let condition = index.checked_sub(1).map_or(&self.maybe, |index| &self.starts[index].1);
        Arc::clone(condition)
    }
}

/// `None` where dialects read the text differently, or it does not come to an end.
fn read(text: &[u8], maybe: &Arc<Condition>) -> Option<Vec<(usize, Arc<Condition>)>> {
    let mut starts = Vec::new();
    // What has to hold for the next branch of each conditional to be tried, and in its current one.
    let mut open: Vec<(Condition, Arc<Condition>)> = Vec::new();
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
                open.last().map_or(Condition::Maybe, |(_, branch)| Condition::clone(branch))
            }
            b"endif" => {
                open.pop()?;
                let outside = Arc::clone(open.last().map_or(maybe, |(_, branch)| branch));
                starts.push((place, outside));
                continue;
            }
            _ => open.pop()?.0,
        };
        let branch = match tried.clone().and(test.holds) {
            Condition::Maybe => Arc::clone(maybe),
            branch => Arc::new(branch),
        };
        open.push((tried.and(test.fails), Arc::clone(&branch)));
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
    let mut passage = Passage { cursor: Cursor::new(text, 0), text, comment: None };
    for at in memchr::memchr2_iter(b'#', b'%', text) {
        if !passage.reaches(at)? || !passage.is_first(at) {
            continue;
        }
        if text[at] == b'#' {
            found.push(at);
            continue;
        }
        // The other sign of directives.
        let mut sign = Cursor::new(text, at);
        sign.next();
        if sign.peek() == Some(b':') {
            return None;
        }
    }
    passage.reaches(text.len())?;
    Some(found)
}

/// The way through a text from one comment, string and character to the next.
struct Passage<'a> {
    text: &'a [u8],
    cursor: Cursor<'a>,
    /// Where the last comment of more than a line ended, and whether it stood first in its line.
    comment: Option<(usize, bool)>,
}

impl Passage<'_> {
    /// Goes on to `at`, which lies ahead. False where it lies in a comment, a string or a character; `None`
    /// where dialects read the text before it differently, or a comment does not end.
    fn reaches(&mut self, at: usize) -> Option<bool> {
        while let Some(length) = self.text.get(self.cursor.at()..at).and_then(next_beginning) {
            let start = self.cursor.at() + length;
            let mut cursor = Cursor::new(self.text, start);
            match cursor.next() {
                Some(b'/') if cursor.take(b'*') => {
                    let is_first = self.is_first(start);
                    if !cursor.skip_comment() {
                        return None;
                    }
                    self.comment = Some((cursor.at(), is_first));
                }
                Some(b'/') if cursor.take(b'/') => cursor.skip_line(),
                Some(b'"') if is_raw(self.text, start) => return None,
                Some(b'"') => cursor.skip_quoted(b'"'),
                // Behind other names it separates digits, or is an apostrophe.
                Some(b'\'') => match name_before(self.text, start)? {
                    b"" | b"L" | b"u" | b"U" | b"u8" => cursor.skip_quoted(b'\''),
                    _ => {}
                },
                _ => {}
            }
            self.cursor = cursor;
        }
        let is_there = self.cursor.at() <= at;
        if is_there {
            self.cursor = Cursor::new(self.text, at);
        }
        Some(is_there)
    }

    /// Whether nothing but blanks and comments stands before `at` in its line.
    fn is_first(&self, at: usize) -> bool {
        let (end, was_first) = self.comment.unwrap_or((0, true));
        let rest = before_blanks(self.text, at);
        if rest <= end { was_first } else { self.text[rest - 1] == b'\n' }
    }
}

/// How far it is to what may begin a comment, a string or a character.
fn next_beginning(text: &[u8]) -> Option<usize> {
    memchr::memchr3(b'/', b'"', b'\'', text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{is_blank, is_of_name};
    use proptest::prelude::*;

    /// Each `@` of a text with what has to hold there.
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let branches = Branches::of(text.as_bytes());
        let found: Vec<String> = text
            .match_indices('@')
            .map(|(at, _)| match Condition::clone(&branches.at(at)) {
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
