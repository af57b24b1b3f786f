//! What `#if` asks: arithmetic, `defined`, and questions for files.

use super::expand::{Expansion, Signs, Unclear};
use super::token::{Kind, Token};
use crate::facts::{Include, IncludeKind, Operand};

/// Whether something holds; `None`: it cannot be known.
pub(crate) type Answer = Option<bool>;

/// How deep an expression may be.
const MOST_DEPTH: usize = 100;

/// A value: its bits, and whether it is unsigned. Bits that are `None` are not known.
#[derive(Clone, Copy, Debug)]
struct Value {
    bits: Option<u64>,
    is_unsigned: bool,
}

impl Value {
    const UNKNOWN: Value = Value { bits: None, is_unsigned: false };

    fn of(answer: Answer) -> Value {
        Value { bits: answer.map(u64::from), is_unsigned: false }
    }

    fn answer(self) -> Answer {
        self.bits.map(|bits| bits != 0)
    }
}

/// Whether what stands behind `#if` holds. What is no expression is an error of the source.
pub(crate) fn holds(expansion: Expansion<'_>, signs: Signs, is_cpp: bool) -> Answer {
    let mut reader = Reader { expansion, signs, is_cpp, ahead: None, depth: 0 };
    let value = reader.conditional().ok()?;
    match reader.peek() {
        Ok(None) => value.answer(),
        _ => None,
    }
}

struct Reader<'a> {
    expansion: Expansion<'a>,
    signs: Signs,
    is_cpp: bool,
    /// The token that was read ahead.
    ahead: Option<Token>,
    depth: usize,
}

/// Operators, which have their places here as numbers, and how strongly those of two sides bind.
pub(crate) const OPERATORS: [(&[u8], u8); 32] = [
    (b"||", 1),
    (b"or", 1),
    (b"&&", 2),
    (b"and", 2),
    (b"|", 3),
    (b"bitor", 3),
    (b"^", 4),
    (b"xor", 4),
    (b"&", 5),
    (b"bitand", 5),
    (b"==", 6),
    (b"!=", 6),
    (b"not_eq", 6),
    (b"<", 7),
    (b">", 7),
    (b"<=", 7),
    (b">=", 7),
    (b"<<", 8),
    (b">>", 8),
    (b"+", 9),
    (b"-", 9),
    (b"*", 10),
    (b"/", 10),
    (b"%", 10),
    (b"!", 0),
    (b"not", 0),
    (b"~", 0),
    (b"compl", 0),
    (b"(", 0),
    (b")", 0),
    (b"?", 0),
    (b":", 0),
];

impl Reader<'_> {
    fn peek(&mut self) -> Result<Option<Token>, Unclear> {
        if self.ahead.is_none() {
            self.ahead = self.expansion.next()?;
        }
        Ok(self.ahead)
    }

    fn take(&mut self) -> Result<Token, Unclear> {
        self.peek()?;
        self.ahead.take().ok_or(Unclear)
    }

    /// The operator that a token is: in C++ some are names.
    fn operator(&self, token: Token) -> Option<(&'static [u8], u8)> {
        let may_be = token.kind == Kind::Sign || self.is_cpp && token.kind == Kind::Name;
        OPERATORS.get(token.word as usize).copied().filter(|_| may_be)
    }

    /// The next token, which is not expanded. Nothing may have been read ahead.
    fn take_raw(&mut self) -> Result<Token, Unclear> {
        if self.ahead.is_some() {
            return Err(Unclear);
        }
        self.expansion.next_raw()?.ok_or(Unclear)
    }

    fn expect(&mut self, sign: u32) -> Result<(), Unclear> {
        if self.take()?.word == sign { Ok(()) } else { Err(Unclear) }
    }

    fn conditional(&mut self) -> Result<Value, Unclear> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err(Unclear);
        }
        let condition = self.binary(1)?;
        let value = match self.peek()?.and_then(|token| self.operator(token)) {
            Some((b"?", _)) => {
                self.take()?;
                let yes = self.conditional()?;
                let colon = self.take()?;
                if !matches!(self.operator(colon), Some((b":", _))) {
                    return Err(Unclear);
                }
                let no = self.conditional()?;
                let is_unsigned = yes.is_unsigned || no.is_unsigned;
                let bits = match condition.answer() {
                    Some(true) => yes.bits,
                    Some(false) => no.bits,
                    None => yes.bits.filter(|bits| Some(*bits) == no.bits),
                };
                Value { bits, is_unsigned }
            }
            _ => condition,
        };
        self.depth -= 1;
        Ok(value)
    }

    /// Reads what operators bind at least so strongly.
    fn binary(&mut self, least: u8) -> Result<Value, Unclear> {
        let mut left = self.unary()?;
        while let Some(token) = self.peek()? {
            let Some((sign, strength)) = self.operator(token) else { break };
            if strength < least {
                break;
            }
            self.take()?;
            let right = self.binary(strength + 1)?;
            left = combined(sign, left, right);
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Value, Unclear> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err(Unclear);
        }
        let token = self.take()?;
        let value = match self.operator(token) {
            Some((b"!" | b"not", _)) => Value::of(self.unary()?.answer().map(|it| !it)),
            Some((b"~" | b"compl", _)) => map(self.unary()?, |bits| !bits),
            Some((b"-", _)) => map(self.unary()?, u64::wrapping_neg),
            Some((b"+", _)) => self.unary()?,
            Some((b"(", _)) => {
                let inner = self.conditional()?;
                self.expect(self.signs.close)?;
                inner
            }
            _ => self.operand(token)?,
        };
        self.depth -= 1;
        Ok(value)
    }

    fn operand(&mut self, token: Token) -> Result<Value, Unclear> {
        if token.kind == Kind::Name && token.word == self.signs.defined {
            return self.defined();
        }
        let spelling = &*self.expansion.spelling(token);
        match token.kind {
            Kind::Number => number(spelling).ok_or(Unclear),
            Kind::Quoted => Ok(character(spelling)),
            Kind::Unknown => Ok(Value::UNKNOWN),
            Kind::Name => self.named(spelling),
            _ => Err(Unclear),
        }
    }

    /// A name that is no macro.
    fn named(&mut self, spelling: &[u8]) -> Result<Value, Unclear> {
        match spelling {
            b"__has_include" | b"__has_include__" => self.has_file(IncludeKind::First),
            b"__has_include_next" | b"__has_include_next__" => self.has_file(IncludeKind::Next),
            b"true" if self.is_cpp => Ok(Value::of(Some(true))),
            b"false" => Ok(Value::of(Some(false))),
            // In C, older dialects do not have it.
            b"true" => Ok(Value::UNKNOWN),
            name if is_asked(name) => self.passed_over(),
            // Any other name is zero, and one with a parenthesis behind it an error.
            _ => Ok(Value::of(Some(false))),
        }
    }

    fn defined(&mut self) -> Result<Value, Unclear> {
        let mut token = self.take_raw()?;
        let is_open = token.word == self.signs.open;
        if is_open {
            token = self.take_raw()?;
        }
        if token.kind != Kind::Name {
            return Err(Unclear);
        }
        if is_open && self.take_raw()?.word != self.signs.close {
            return Err(Unclear);
        }
        let spelling = self.expansion.spelling(token);
        Ok(Value::of(self.expansion.lookup().is_defined(token.word, &spelling)))
    }

    /// The rest of `__has_include ( ... )`.
    fn has_file(&mut self, kind: IncludeKind) -> Result<Value, Unclear> {
        self.expect(self.signs.open)?;
        let token = self.take()?;
        let spelling = self.expansion.spelling(token);
        let operand = match token.kind {
            Kind::Angled => Operand::Angled(spelling.to_vec()),
            Kind::Quoted => Operand::Quoted(inner(&spelling).ok_or(Unclear)?.to_vec()),
            Kind::Sign if token.word == self.signs.less => {
                let mut name = Vec::new();
                loop {
                    let token = self.take()?;
                    let spelling = self.expansion.spelling(token);
                    if token.word == self.signs.greater {
                        break;
                    }
                    // Compilers differ in where they keep blanks.
                    if token.has_space || token.kind == Kind::Unknown {
                        return Err(Unclear);
                    }
                    name.extend_from_slice(&spelling);
                }
                Operand::Angled(name)
            }
            _ => return Err(Unclear),
        };
        self.expect(self.signs.close)?;
        let include = Include { kind, operand };
        Ok(Value::of(self.expansion.lookup().has_file(&include)))
    }

    /// Passes over what stands in parentheses behind a question that the compiler answers.
    fn passed_over(&mut self) -> Result<Value, Unclear> {
        if self.take_raw()?.word != self.signs.open {
            return Err(Unclear);
        }
        let mut n_open = 1_usize;
        while n_open > 0 {
            let token = self.take_raw()?;
            n_open += usize::from(token.word == self.signs.open);
            n_open -= usize::from(token.word == self.signs.close);
        }
        Ok(Value::UNKNOWN)
    }
}

/// Whether a name is a question to which only the compiler knows the answer.
pub(crate) fn is_asked(name: &[u8]) -> bool {
    [&b"__has_"[..], b"__is_", b"__building_module", b"__identifier", b"__MODULE__"]
        .iter()
        .any(|begin| name.starts_with(begin))
}

/// What stands between the quotes of a plain string.
pub(crate) fn inner(spelling: &[u8]) -> Option<&[u8]> {
    spelling.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

fn map(value: Value, change: impl Fn(u64) -> u64) -> Value {
    Value { bits: value.bits.map(change), ..value }
}

fn combined(sign: &[u8], left: Value, right: Value) -> Value {
    let answers = (left.answer(), right.answer());
    match sign {
        b"&&" | b"and" => {
            return Value::of(match answers {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), right) => right,
                (None, _) => None,
            });
        }
        b"||" | b"or" => {
            return Value::of(match answers {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), right) => right,
                (None, _) => None,
            });
        }
        _ => {}
    }
    let is_shift = matches!(sign, b"<<" | b">>");
    let is_unsigned = left.is_unsigned || right.is_unsigned && !is_shift;
    let (Some(a), Some(b)) = (left.bits, right.bits) else {
        return Value { bits: None, is_unsigned };
    };
    let truth = |holds: bool| Value::of(Some(holds));
    let is_less = if is_unsigned { a < b } else { a.cast_signed() < b.cast_signed() };
    let bits = match sign {
        b"==" => return truth(a == b),
        b"!=" | b"not_eq" => return truth(a != b),
        b"<" => return truth(is_less),
        b">=" => return truth(!is_less),
        b">" => return truth(!is_less && a != b),
        b"<=" => return truth(is_less || a == b),
        b"|" | b"bitor" => Some(a | b),
        b"^" | b"xor" => Some(a ^ b),
        b"&" | b"bitand" => Some(a & b),
        b"+" => Some(a.wrapping_add(b)),
        b"-" => Some(a.wrapping_sub(b)),
        b"*" => Some(a.wrapping_mul(b)),
        b"/" if is_unsigned => a.checked_div(b),
        b"%" if is_unsigned => a.checked_rem(b),
        b"/" => a.cast_signed().checked_div(b.cast_signed()).map(i64::cast_unsigned),
        b"%" => a.cast_signed().checked_rem(b.cast_signed()).map(i64::cast_unsigned),
        // Compilers differ on shifts beyond the width.
        b"<<" if b < 64 => Some(a << b),
        b">>" if b < 64 && is_unsigned => Some(a >> b),
        b">>" if b < 64 => Some((a.cast_signed() >> b).cast_unsigned()),
        _ => None,
    };
    Value { bits, is_unsigned }
}

/// A whole number. Fractions are errors of the source.
fn number(spelling: &[u8]) -> Option<Value> {
    let digits: Vec<u8> = spelling.iter().copied().filter(|byte| *byte != b'\'').collect();
    let (digits, base) = match digits.as_slice() {
        [b'0', b'x' | b'X', rest @ ..] => (rest, 16),
        [b'0', b'b' | b'B', rest @ ..] => (rest, 2),
        [b'0', ..] => (&digits[..], 8),
        _ => (&digits[..], 10),
    };
    let is_digit = |byte: &u8| (*byte as char).is_digit(base);
    let end = digits.iter().position(|byte| !is_digit(byte)).unwrap_or(digits.len());
    let suffix = digits[end..].to_ascii_lowercase();
    let is_suffix = matches!(
        suffix.as_slice(),
        b"" | b"u" | b"l" | b"ul" | b"lu" | b"ll" | b"ull" | b"llu" | b"z" | b"uz" | b"zu"
    );
    if end == 0 || !is_suffix {
        return None;
    }
    let text = std::str::from_utf8(&digits[..end]).ok()?;
    let bits = u64::from_str_radix(text, base).ok()?;
    let is_unsigned = suffix.contains(&b'u') || bits > i64::MAX.cast_unsigned();
    Some(Value { bits: Some(bits), is_unsigned })
}

/// A character of ASCII as it is; others are not known.
fn character(spelling: &[u8]) -> Value {
    match spelling {
        [b'\'', byte, b'\''] if byte.is_ascii() && *byte != b'\\' => {
            Value { bits: Some((*byte).into()), is_unsigned: false }
        }
        _ => Value::UNKNOWN,
    }
}
