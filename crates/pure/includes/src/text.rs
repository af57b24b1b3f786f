//! Reading source as the preprocessor does, as far as the names of included files need it.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;

static COMMENT_END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("*/"));

/// Reads bytes of source with joined lines joined: a backslash before the end of a line, blanks
/// between the two included, is no byte of the source (C11 5.1.1.2, phase 2; GCC and Clang allow
/// the blanks).
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a [u8], at: usize) -> Cursor<'a> {
        let mut cursor = Cursor { text, at };
        cursor.join();
        cursor
    }

    /// Where it stands in the text.
    pub(crate) fn at(self) -> usize {
        self.at
    }

    /// The next byte; `None` at the end.
    pub(crate) fn peek(self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Takes the next byte.
    pub(crate) fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        self.join();
        Some(byte)
    }

    /// Takes the next byte if it is `wanted`.
    pub(crate) fn take(&mut self, wanted: u8) -> bool {
        let is_it = self.peek() == Some(wanted);
        if is_it {
            self.next();
        }
        is_it
    }

    /// Passes over blanks and comments. Stands at the end of the line or at the next word then.
    pub(crate) fn skip_blanks(&mut self) {
        loop {
            let before = *self;
            match self.peek() {
                Some(byte) if is_blank(byte) => drop(self.next()),
                Some(b'/') => {
                    self.next();
                    if self.take(b'*') {
                        let _ = self.skip_comment();
                    } else if self.take(b'/') {
                        self.skip_line();
                    } else {
                        *self = before;
                        return;
                    }
                }
                _ => return,
            }
        }
    }

    /// Passes over the rest of a comment that `/*` began. False if it does not end.
    pub(crate) fn skip_comment(&mut self) -> bool {
        let rest = self.rest();
        if let Some(length) = COMMENT_END.find(rest)
            && memchr::memchr(b'\\', &rest[..length]).is_none()
        {
            self.at += length + 2;
            self.join();
            return true;
        }
        let mut was_star = false;
        loop {
            if !was_star {
                self.skip_to(b'*');
            }
            let Some(byte) = self.next() else { return false };
            if was_star && byte == b'/' {
                return true;
            }
            was_star = byte == b'*';
        }
    }

    /// Goes on to a byte, or to a `\` before it.
    fn skip_to(&mut self, wanted: u8) {
        let rest = self.rest();
        self.at += memchr::memchr2(wanted, b'\\', rest).unwrap_or(rest.len());
        self.join();
    }

    fn rest(&self) -> &'a [u8] {
        &self.text[self.at.min(self.text.len())..]
    }

    /// Passes over a string or character whose first quote was taken. It does not go beyond its
    /// line.
    pub(crate) fn skip_quoted(&mut self, end: u8) {
        while let Some(byte) = self.peek().filter(|byte| *byte != b'\n') {
            self.next();
            match byte {
                b'\\' => drop(self.next()),
                byte if byte == end => return,
                _ => {}
            }
        }
    }

    /// Goes on to the end of the line.
    pub(crate) fn skip_line(&mut self) {
        self.skip_to(b'\n');
        while self.peek().is_some_and(|byte| byte != b'\n') {
            self.next();
            self.skip_to(b'\n');
        }
    }

    /// Takes the name that stands here; empty if there is none.
    pub(crate) fn name(&mut self) -> Cow<'a, [u8]> {
        let rest = self.rest();
        let length = rest.iter().position(|byte| !is_of_name(*byte)).unwrap_or(rest.len());
        if rest.get(length) != Some(&b'\\') {
            self.at += length;
            return Cow::Borrowed(&rest[..length]);
        }
        let mut name = Vec::new();
        while let Some(byte) = self.peek().filter(|byte| is_of_name(*byte)) {
            name.push(byte);
            self.next();
        }
        Cow::Owned(name)
    }

    /// Takes everything up to `end`, and `end`. `None` where the line ends before.
    pub(crate) fn up_to(&mut self, end: u8) -> Option<Vec<u8>> {
        let mut found = Vec::new();
        loop {
            match self.next()? {
                b'\n' => return None,
                byte if byte == end => return Some(found),
                byte => found.push(byte),
            }
        }
    }

    /// Passes over joints of lines.
    fn join(&mut self) {
        while self.text.get(self.at) == Some(&b'\\') {
            let after = &self.text[self.at + 1..];
            let n_blanks = after.iter().take_while(|byte| is_blank(**byte)).count();
            match after.get(n_blanks) {
                Some(b'\n') => self.at += n_blanks + 2,
                Some(b'\r') if after.get(n_blanks + 1) == Some(&b'\n') => self.at += n_blanks + 3,
                _ => return,
            }
        }
    }
}

/// Where nothing but blanks and joints of lines stands from there up to `at`.
pub(crate) fn before_blanks(text: &[u8], at: usize) -> usize {
    let mut at = at;
    loop {
        match text[..at].last() {
            Some(b'\r') => at -= 1,
            Some(byte) if is_blank(*byte) => at -= 1,
            Some(b'\n') => match joint_before(&text[..at]) {
                Some(joint) => at = joint,
                None => return at,
            },
            _ => return at,
        }
    }
}

/// Where the joint of lines begins that `text` ends with.
fn joint_before(text: &[u8]) -> Option<usize> {
    let line = text.strip_suffix(b"\n")?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let end = line.iter().rposition(|byte| !is_blank(*byte))?;
    (line[end] == b'\\').then_some(end)
}

pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0b | 0x0c)
}

/// Whether a byte can stand in a name. Bytes above ASCII are parts of letters.
pub(crate) fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// What a place in a text is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Code,
    /// It cannot be known: not all dialects have raw strings.
    Unknown,
    Comment,
    /// A string or a character.
    Quoted,
}

/// What `place` is part of.
pub(crate) fn part_at(text: &[u8], place: usize) -> Part {
    let mut cursor = Cursor::new(text, 0);
    let mut is_in_name = false;
    let mut last = Part::Code;
    while cursor.at() < place {
        let before = cursor;
        let Some(byte) = cursor.next() else { return Part::Code };
        let was_in_name = std::mem::replace(&mut is_in_name, is_of_name(byte));
        last = Part::Quoted;
        match byte {
            b'/' if cursor.take(b'*') => {
                last = Part::Comment;
                let _ = cursor.skip_comment();
            }
            b'/' if cursor.take(b'/') => {
                last = Part::Comment;
                cursor.skip_line();
            }
            // Not all dialects have those, so that nobody knows what comes after.
            b'"' if is_raw(text, before.at()) => return Part::Unknown,
            b'"' => cursor.skip_quoted(b'"'),
            // In C++ and C23 also a separator of digits.
            b'\'' if !was_in_name => cursor.skip_quoted(b'\''),
            _ => last = Part::Code,
        }
    }
    // Whatever began before it ended behind it.
    if cursor.at() == place { Part::Code } else { last }
}

/// Whether what stands at `place` may be source: it is no part of a comment, a string or a
/// character for sure.
pub(crate) fn is_code(text: &[u8], place: usize) -> bool {
    matches!(part_at(text, place), Part::Code | Part::Unknown)
}

/// Whether the quote at `at` begins a raw string: `R"`, `u8R"` ...
pub(crate) fn is_raw(text: &[u8], at: usize) -> bool {
    let start = text[..at].iter().rposition(|byte| !is_of_name(*byte)).map_or(0, |at| at + 1);
    is_raw_prefix(&text[start..at])
}

/// The name that ends at `at`; `None` where a joint of lines stands before it, and perhaps more of it
/// before that.
pub(crate) fn name_before(text: &[u8], at: usize) -> Option<&[u8]> {
    let start = text[..at].iter().rposition(|byte| !is_of_name(*byte)).map_or(0, |at| at + 1);
    match joint_before(&text[..start]) {
        Some(_) => None,
        None => Some(&text[start..at]),
    }
}

/// Whether a quote behind this name begins a raw string.
pub(crate) fn is_raw_prefix(name: &[u8]) -> bool {
    matches!(name, b"R" | b"LR" | b"uR" | b"UR" | b"u8R")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined() {
        let mut cursor = Cursor::new(b"in\\\ncl\\ \t\r\nude x", 0);
        assert_eq!(*cursor.name(), *b"include");
    }

    #[test]
    fn blanks_and_comments_are_passed_over() {
        let mut cursor = Cursor::new(b" \t/* a \n * b */ /\\\n* c */x", 0);
        cursor.skip_blanks();
        assert_eq!(cursor.peek(), Some(b'x'));
        let mut cursor = Cursor::new(b" // x \\\n y\nz", 0);
        cursor.skip_blanks();
        assert_eq!(cursor.peek(), Some(b'\n'));
        let mut cursor = Cursor::new(b"/x", 0);
        cursor.skip_blanks();
        assert_eq!(cursor.peek(), Some(b'/'));
    }

    #[track_caller]
    fn check(text: &str, is: bool) {
        let place = text.find('#').unwrap();
        assert_eq!(is_code(text.as_bytes(), place), is, "{text}");
    }

    #[test]
    fn comments_and_strings_are_no_code() {
        check("int x;\n#include X", true);
        check("/* a\n#include X */", false);
        check("/* a */\n#include X", true);
        check("// a \\\n#include X", false);
        check("// a\n#include X", true);
        check("char *s = \"#include\";", false);
        check("char *s = \"\\\"#include\";", false);
        check("char c = '\"';\n#include X", true);
        check("int n = 1'000;\n#include X", true);
        check("auto s = u8R\"x()\"\n#include X)x\";", true);
        check("auto s = FOOR\"(\";\n#include X", true);
        // Text that is left out need be no C.
        check("don't\n#include X", true);
    }
}
