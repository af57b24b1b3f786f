//! Tokens of the preprocessor, and reading them off a line.

use crate::names::Names;
use crate::text::{Cursor, is_of_name, is_raw_prefix};

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// Whether blanks or a comment stand before it.
    pub(crate) has_space: bool,
    /// Whether it is a name that will never be expanded again.
    pub(crate) is_painted: bool,
    /// The number of its spelling; of a parameter, which one it is.
    pub(crate) word: u32,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Name,
    Number,
    /// A string or a character, quotes and prefix included.
    Quoted,
    /// A name in angles, where the line asks for one.
    Angled,
    Sign,
    /// A parameter, in the body of a macro.
    Parameter,
    /// Nothing, left by an empty argument beside `##`.
    Placemarker,
    /// A number that is not known.
    Unknown,
    /// What nobody knows.
    Poison,
}

/// Signs of more than one byte, the longest first.
const LONG_SIGNS: [&[u8]; 27] = [
    b"%:%:", b"...", b"<<=", b">>=", b"->*", b"<=>", b"##", b"&&", b"||", b"==", b"!=", b"<=",
    b">=", b"<<", b">>", b"->", b"++", b"--", b"::", b"+=", b"-=", b"*=", b"/=", b"%=", b"&=",
    b"|=", b"^=",
];

/// Other spellings of signs.
const DIGRAPHS: [(&[u8], &[u8]); 6] =
    [(b"%:%:", b"##"), (b"%:", b"#"), (b"<:", b"["), (b":>", b"]"), (b"<%", b"{"), (b"%>", b"}")];

/// Reads the tokens up to the end of the line, or of the text.
///
/// With `asks_for_files`, `<` behind `__has_include (` begins the name of a file.
pub(crate) fn tokens(
    cursor: &mut Cursor<'_>,
    words: &mut Names,
    asks_for_files: bool,
) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    loop {
        let before = cursor.at();
        skip_blanks(cursor);
        let has_space = cursor.at() > before;
        let Some(first) = cursor.peek().filter(|byte| *byte != b'\n') else { return tokens };
        let mut spelling = Vec::new();
        let kind = if asks_for_files && first == b'<' && is_behind_question(&tokens, words) {
            match angled(cursor) {
                Some(name) => {
                    spelling = name;
                    Kind::Angled
                }
                None => sign(cursor, &mut spelling),
            }
        } else {
            token(cursor, first, &mut spelling)
        };
        let word = words.number(&spelling);
        tokens.push(Token { kind, has_space, is_painted: false, word });
    }
}

fn skip_blanks(cursor: &mut Cursor<'_>) {
    loop {
        cursor.skip_blanks();
        // The end of a line may have two bytes.
        if cursor.peek() != Some(b'\r') {
            return;
        }
        cursor.next();
    }
}

fn is_behind_question(tokens: &[Token], words: &Names) -> bool {
    let [.., question, open] = tokens else { return false };
    **words.name(open.word) == *b"(" && words.name(question.word).starts_with(b"__has_include")
}

fn angled(cursor: &mut Cursor<'_>) -> Option<Vec<u8>> {
    let mut ahead = *cursor;
    ahead.next();
    let name = ahead.up_to(b'>')?;
    *cursor = ahead;
    Some(name)
}

fn token(cursor: &mut Cursor<'_>, first: u8, spelling: &mut Vec<u8>) -> Kind {
    let second = {
        let mut ahead = *cursor;
        ahead.next();
        ahead.peek()
    };
    match first {
        b'"' | b'\'' => quoted(cursor, spelling),
        b'.' if second.is_some_and(|byte| byte.is_ascii_digit()) => number(cursor, spelling),
        byte if byte.is_ascii_digit() => number(cursor, spelling),
        byte if is_of_name(byte) => {
            *spelling = cursor.name().into_owned();
            match cursor.peek() {
                // No name of a file needs a raw string.
                Some(b'"') if is_raw_prefix(spelling) => {
                    cursor.skip_line();
                    Kind::Poison
                }
                Some(b'"' | b'\'') if matches!(&spelling[..], b"L" | b"u" | b"U" | b"u8") => {
                    quoted(cursor, spelling)
                }
                _ => Kind::Name,
            }
        }
        _ => sign(cursor, spelling),
    }
}

fn quoted(cursor: &mut Cursor<'_>, spelling: &mut Vec<u8>) -> Kind {
    let Some(end) = cursor.next() else { return Kind::Poison };
    spelling.push(end);
    while let Some(byte) = cursor.peek().filter(|byte| *byte != b'\n') {
        cursor.next();
        spelling.push(byte);
        if byte == b'\\' {
            spelling.extend(cursor.peek().filter(|byte| *byte != b'\n'));
            if cursor.peek() != Some(b'\n') {
                cursor.next();
            }
        } else if byte == end {
            return Kind::Quoted;
        }
    }
    // It does not end: one sign, and more of them.
    Kind::Sign
}

fn number(cursor: &mut Cursor<'_>, spelling: &mut Vec<u8>) -> Kind {
    while let Some(byte) = cursor.peek() {
        let is_sign = matches!(byte, b'+' | b'-')
            && matches!(spelling.last(), Some(b'e' | b'E' | b'p' | b'P'));
        // Digits are separated in C++ and C23.
        let is_separator = byte == b'\'' && {
            let mut ahead = *cursor;
            ahead.next();
            ahead.peek().is_some_and(is_of_name)
        };
        if !is_of_name(byte) && byte != b'.' && !is_sign && !is_separator {
            break;
        }
        spelling.push(byte);
        cursor.next();
    }
    Kind::Number
}

fn sign(cursor: &mut Cursor<'_>, spelling: &mut Vec<u8>) -> Kind {
    let take = |cursor: &mut Cursor<'_>, sign: &[u8]| {
        let mut ahead = *cursor;
        let is_it = sign.iter().all(|byte| ahead.take(*byte));
        if is_it {
            *cursor = ahead;
        }
        is_it
    };
    for (digraph, sign) in DIGRAPHS {
        if take(cursor, digraph) {
            spelling.extend(sign);
            return Kind::Sign;
        }
    }
    for sign in LONG_SIGNS {
        if take(cursor, sign) {
            spelling.extend(sign);
            return Kind::Sign;
        }
    }
    spelling.extend(cursor.next());
    Kind::Sign
}
