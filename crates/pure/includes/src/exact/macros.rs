//! Macros, and what they expand to.

use std::sync::Arc;

use super::token::{Kind, Token, tokens};
use crate::names::Names;
use crate::text::Cursor;

/// A macro's definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Macro {
    /// One that stands for its body.
    Plain(Arc<[Token]>),
    /// One with parameters.
    Function(Function),
    /// One that the compiler answers to.
    BuiltIn(BuiltIn),
    /// One whose body is not understood.
    Poison,
}

/// A macro with parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) n_parameters: usize,
    /// Whether the last parameter takes all the rest.
    pub(crate) is_variadic: bool,
    pub(crate) body: Arc<[Token]>,
}

/// What the compiler answers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BuiltIn {
    /// `__FILE__`.
    File,
    /// `__BASE_FILE__`.
    BaseFile,
    /// A number that is not known: `__LINE__`, `__COUNTER__`.
    Number,
    /// Other text that is not known.
    Text,
}

/// Names of the compiler's own, and what they are.
pub(crate) const BUILT_INS: [(&[u8], BuiltIn); 9] = [
    (b"__FILE__", BuiltIn::File),
    (b"__BASE_FILE__", BuiltIn::BaseFile),
    (b"__LINE__", BuiltIn::Number),
    (b"__COUNTER__", BuiltIn::Number),
    (b"__INCLUDE_LEVEL__", BuiltIn::Number),
    (b"__DATE__", BuiltIn::Text),
    (b"__TIME__", BuiltIn::Text),
    (b"__TIMESTAMP__", BuiltIn::Text),
    (b"__FILE_NAME__", BuiltIn::Text),
];

/// Reads what stands behind `#define`: the name and the definition.
pub(crate) fn definition(cursor: &mut Cursor<'_>, words: &mut Names) -> Option<(u32, Macro)> {
    let name = cursor.name();
    if name.is_empty() || name[0].is_ascii_digit() || cursor.peek() == Some(b'\\') {
        return None;
    }
    let name = words.number(&name);
    let has_parameters = cursor.peek() == Some(b'(');
    let mut line = tokens(cursor, words, false);
    if !has_parameters {
        if let Some(first) = line.first_mut() {
            first.has_space = false;
        }
        let is_poison = line.iter().any(|token| token.kind == Kind::Poison);
        return Some((name, if is_poison { Macro::Poison } else { Macro::Plain(line.into()) }));
    }
    let function = function(&line, words);
    Some((name, function.map_or(Macro::Poison, Macro::Function)))
}

fn function(line: &[Token], words: &mut Names) -> Option<Function> {
    let (dots, comma, close) = (words.number(b"..."), words.number(b","), words.number(b")"));
    let rest = words.number(b"__VA_ARGS__");
    let end = line.iter().position(|token| token.word == close)?;
    let mut parameters = Vec::new();
    let mut is_variadic = false;
    for parameter in line.get(1..end)?.split(|token| token.word == comma) {
        match parameter {
            [] if end == 1 => {}
            [name] if name.kind == Kind::Name => parameters.push(name.word),
            [only] if only.word == dots => {
                is_variadic = true;
                parameters.push(rest);
            }
            [name, last] if name.kind == Kind::Name && last.word == dots => {
                is_variadic = true;
                parameters.push(name.word);
            }
            _ => return None,
        }
    }
    let mut body = line[end + 1..].to_vec();
    let optional = words.number(b"__VA_OPT__");
    for token in &mut body {
        if token.kind == Kind::Poison || token.word == optional && token.kind == Kind::Name {
            return None;
        }
        if token.kind != Kind::Name {
            continue;
        }
        if let Some(index) = parameters.iter().position(|parameter| *parameter == token.word) {
            token.kind = Kind::Parameter;
            token.word = u32::try_from(index).ok()?;
        }
    }
    if let Some(first) = body.first_mut() {
        first.has_space = false;
    }
    Some(Function { n_parameters: parameters.len(), is_variadic, body: body.into() })
}
