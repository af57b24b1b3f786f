//! Whether a conditional can come true at all, by the names of the macros that are ever defined.
//!
//! A macro that no file, option or compiler defines anywhere is never defined: what stands behind
//! `#ifdef _MSC_VER` is dead on a system where nobody defines that. So most of what is there for
//! other systems falls away, without a macro being expanded.

use crate::text::{Cursor, is_of_name};

/// What has to hold for a branch to count. Where it cannot be known it may be true.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// It may be true, whatever is defined.
    Maybe,
    /// It is never true.
    Never,
    /// Only if this macro is defined somewhere.
    Defined(Vec<u8>),
    /// Only if all of these.
    All(Vec<Condition>),
    /// Only if one of these.
    Any(Vec<Condition>),
}

/// How deep parentheses may go before nothing more is known.
const MOST_DEPTH: usize = 32;

/// Names that the compiler itself answers to, without their being among the macros that it lists.
const BUILT_IN: [&[u8]; 12] = [
    b"__FILE__",
    b"__LINE__",
    b"__BASE_FILE__",
    b"__INCLUDE_LEVEL__",
    b"__COUNTER__",
    b"__DATE__",
    b"__TIME__",
    b"__TIMESTAMP__",
    b"_Pragma",
    b"__identifier",
    b"__building_module",
    b"__MODULE__",
];

impl Condition {
    /// Whether it may be true where `is_defined` knows the macros that are ever defined.
    pub fn may_hold(&self, is_defined: &impl Fn(&[u8]) -> bool) -> bool {
        match self {
            Condition::Maybe => true,
            Condition::Never => false,
            Condition::Defined(name) => is_defined(name),
            Condition::All(parts) => parts.iter().all(|part| part.may_hold(is_defined)),
            Condition::Any(parts) => parts.iter().any(|part| part.may_hold(is_defined)),
        }
    }

    /// That `name` is defined.
    pub(crate) fn defined(name: &[u8]) -> Condition {
        let is_known = BUILT_IN.contains(&name)
            || [&b"__has_"[..], b"__is_"].iter().any(|begin| name.starts_with(begin));
        match name.is_empty() || is_known {
            true => Condition::Maybe,
            false => Condition::Defined(name.to_vec()),
        }
    }

    pub(crate) fn and(self, other: Condition) -> Condition {
        match (self, other) {
            (Condition::Never, _) | (_, Condition::Never) => Condition::Never,
            (Condition::Maybe, other) | (other, Condition::Maybe) => other,
            (Condition::All(mut parts), other) => {
                parts.push(other);
                Condition::All(parts)
            }
            (one, other) => Condition::All(vec![one, other]),
        }
    }

    pub(crate) fn or(self, other: Condition) -> Condition {
        match (self, other) {
            (one, other) if one == other => one,
            (Condition::Maybe, _) | (_, Condition::Maybe) => Condition::Maybe,
            (Condition::Never, other) | (other, Condition::Never) => other,
            (Condition::Any(mut parts), other) => {
                parts.push(other);
                Condition::Any(parts)
            }
            (one, other) => Condition::Any(vec![one, other]),
        }
    }
}

/// What has to hold for a conditional to be true, and what for it to be false.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Test {
    pub(crate) holds: Condition,
    pub(crate) fails: Condition,
}

impl Test {
    /// Nothing is known of it.
    pub(crate) const UNKNOWN: Test = Test { holds: Condition::Maybe, fails: Condition::Maybe };

    /// That `name` is defined.
    pub(crate) fn defined(name: &[u8]) -> Test {
        Test { holds: Condition::defined(name), fails: Condition::Maybe }
    }

    /// What stands behind `#if` or `#elif`, to the end of the line.
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Test {
        let Some(words) = words(cursor) else { return Test::UNKNOWN };
        let mut reader = Reader { words: &words, depth: 0 };
        let test = reader.any();
        if reader.words.is_empty() { test } else { Test::UNKNOWN }
    }

    /// The contrary.
    pub(crate) fn not(self) -> Test {
        Test { holds: self.fails, fails: self.holds }
    }

    fn and(self, other: Test) -> Test {
        Test { holds: self.holds.and(other.holds), fails: self.fails.or(other.fails) }
    }

    fn or(self, other: Test) -> Test {
        Test { holds: self.holds.or(other.holds), fails: self.fails.and(other.fails) }
    }
}

/// A word of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Name(Vec<u8>),
    /// A number, and whether it is zero.
    Number {
        is_zero: bool,
    },
    /// Everything else: one byte, or one of the two-byte operators.
    Sign(&'static [u8]),
}

const SIGNS: [&[u8]; 17] = [
    b"&&", b"||", b"==", b"!=", b">=", b"<=", b"!", b"(", b")", b">", b"<", b"-", b"+", b",", b"?",
    b":", b"*",
];

/// The words up to the end of the line; `None` where there is something else.
fn words(cursor: &mut Cursor<'_>) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    loop {
        cursor.skip_blanks();
        match cursor.peek() {
            None | Some(b'\n' | b'\r') => return Some(words),
            Some(byte) if byte.is_ascii_digit() => {
                let number = cursor.name();
                let digits = number.strip_prefix(b"0x").unwrap_or(&number);
                let digits = digits.trim_ascii_end();
                let end =
                    digits.iter().position(|b| !b.is_ascii_hexdigit()).unwrap_or(digits.len());
                let is_zero = digits[..end].iter().all(|digit| *digit == b'0');
                // Digits may be separated in C++.
                if cursor.peek() == Some(b'\'') {
                    return None;
                }
                words.push(Word::Number { is_zero });
            }
            Some(byte) if is_of_name(byte) => {
                words.push(Word::Name(cursor.name().into_owned()));
                // A letter written by its number goes on with the name.
                if cursor.peek() == Some(b'\\') {
                    return None;
                }
            }
            Some(_) => words.push(Word::Sign(sign(cursor)?)),
        }
    }
}

fn sign(cursor: &mut Cursor<'_>) -> Option<&'static [u8]> {
    let found = SIGNS.into_iter().find(|sign| {
        let mut ahead = *cursor;
        sign.iter().all(|byte| ahead.take(*byte))
    })?;
    for _ in found {
        cursor.next();
    }
    Some(found)
}

struct Reader<'a> {
    words: &'a [Word],
    depth: usize,
}

impl Reader<'_> {
    fn take(&mut self, sign: &[u8]) -> bool {
        match self.words {
            [Word::Sign(first), rest @ ..] if *first == sign => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }

    fn any(&mut self) -> Test {
        let mut test = self.all();
        while self.take(b"||") {
            test = test.or(self.all());
        }
        test
    }

    fn all(&mut self) -> Test {
        let mut test = self.one();
        while self.take(b"&&") {
            test = test.and(self.one());
        }
        test
    }

    /// What stands between `&&` and `||`.
    fn one(&mut self) -> Test {
        let is_contrary = self.take(b"!");
        let test = self.simple();
        match self.words {
            [] => {}
            [Word::Sign(sign), ..] if matches!(*sign, b"&&" | b"||" | b")") => {}
            // It is part of something else.
            _ => return self.unknown(),
        }
        if is_contrary { test.not() } else { test }
    }

    fn simple(&mut self) -> Test {
        match self.words {
            [Word::Name(word), Word::Name(name), rest @ ..] if word == b"defined" => {
                self.words = rest;
                Test::defined(name)
            }
            [
                Word::Name(word),
                Word::Sign(open),
                Word::Name(name),
                Word::Sign(close),
                rest @ ..,
            ] if word == b"defined" && *open == b"(" && *close == b")" => {
                self.words = rest;
                Test::defined(name)
            }
            [Word::Sign(open), rest @ ..] if *open == b"(" && self.depth < MOST_DEPTH => {
                self.words = rest;
                self.depth += 1;
                let inner = self.any();
                self.depth -= 1;
                if self.take(b")") { inner } else { self.unknown() }
            }
            // A macro that is not defined is 0.
            [Word::Name(name), Word::Sign(sign), Word::Number { is_zero }, rest @ ..]
                if is_false_for_zero(sign, *is_zero) =>
            {
                self.words = rest;
                macro_test(name)
            }
            [Word::Number { is_zero }, rest @ ..] => {
                self.words = rest;
                let always = Test { holds: Condition::Maybe, fails: Condition::Never };
                if *is_zero { always.not() } else { always }
            }
            [Word::Name(name), rest @ ..] => {
                self.words = rest;
                macro_test(name)
            }
            _ => self.unknown(),
        }
    }

    /// Passes over what is not understood, up to the next operator on the same level.
    fn unknown(&mut self) -> Test {
        let mut depth = 0_usize;
        while let [word, rest @ ..] = self.words {
            match word {
                Word::Sign(b"(") => depth += 1,
                Word::Sign(b")") if depth == 0 => break,
                Word::Sign(b")") => depth -= 1,
                Word::Sign(b"&&" | b"||") if depth == 0 => break,
                // Changes what belongs together.
                Word::Sign(b"?" | b":" | b",") if depth == 0 => {
                    self.words = &[Word::Sign(b"?")];
                    break;
                }
                _ => {}
            }
            self.words = rest;
        }
        Test::UNKNOWN
    }
}

/// A name that has to be something else than 0.
fn macro_test(name: &[u8]) -> Test {
    match name {
        b"true" | b"and" | b"or" | b"not" | b"defined" => Test::UNKNOWN,
        name => Test::defined(name),
    }
}

/// Whether 0 compared by `sign` with a number is false for sure.
fn is_false_for_zero(sign: &[u8], is_zero: bool) -> bool {
    match sign {
        b"==" | b">=" => !is_zero,
        b">" => true,
        b"!=" => is_zero,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(condition: &Condition) -> String {
        let list = |parts: &[Condition], sign: &str| {
            format!("({})", parts.iter().map(shown).collect::<Vec<_>>().join(sign))
        };
        match condition {
            Condition::Maybe => "?".to_owned(),
            Condition::Never => "0".to_owned(),
            Condition::Defined(name) => String::from_utf8_lossy(name).into_owned(),
            Condition::All(parts) => list(parts, "&"),
            Condition::Any(parts) => list(parts, "|"),
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let test = Test::read(&mut Cursor::new(text.as_bytes(), 0));
        assert_eq!(shown(&test.holds), expected, "{text}");
    }

    #[test]
    fn what_needs_a_macro_is_known() {
        check("defined(A)", "A");
        check("defined A && (defined(B) || defined (C)) // x", "(A&(B|C))");
        check("A", "A");
        check("A > 3 && B == 1 && C >= 0x10", "(A&B&C)");
        check("(A >= 3)", "A");
        check("defined(A) && A < 3", "A");
        check("0", "0");
        check("0 && defined(A) || defined(B)", "B");
        check("1", "?");
        check("defined(A) || A(x) > 2", "?");
        check("defined(A) && \\\n  defined(B)", "(A&B)");
    }

    #[test]
    fn what_needs_a_macro_to_be_false_is_known() {
        let check = |text: &str, expected: &str| {
            let test = Test::read(&mut Cursor::new(text.as_bytes(), 0));
            assert_eq!(shown(&test.fails), expected, "{text}");
        };
        check("!defined(A)", "A");
        check("!(defined(A) || B)", "(A|B)");
        check("!defined(A) || !defined(B)", "(A&B)");
        check("!defined(A) && C < 3", "?");
        check("defined(A)", "?");
        check("1", "0");
        check("0", "?");
        check("!A == 0", "?");
    }

    #[test]
    fn what_may_be_true_without_it_is_not_taken_for_dead() {
        for text in [
            "!defined(A)",
            "A < 3",
            "A == 0",
            "A >= 0",
            "A - 1",
            "A ? B : C",
            "defined(A) ? 1 : 0",
            "-A",
            "3 > A",
            "A == B",
            "A(x)",
            "not A",
            "true",
            "__has_include(<a>)",
            "defined(__has_include)",
            "defined __COUNTER__",
            "A != 1",
            "",
            "'a' == 97",
            "(defined(A)",
            "defined(A) == 0",
            "A + 1 || 0",
            "A\\u00e9",
            "defined(A\\u00e9)",
        ] {
            check(text, "?");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[AB01 ()&|!<>=?:+'defined]{0,40}") {
            let test = Test::read(&mut Cursor::new(text.as_bytes(), 0));
            // One of the two has to be possible.
            prop_assert!(test.holds.may_hold(&|_| true) || test.fails.may_hold(&|_| true));
        }
    }
}
