//! The expansion of macros, token by token, as GCC and Clang do it: a macro is not expanded while
//! its own expansion is being read, and names that were met then stay as they are.

use std::sync::Arc;

use super::expression::OPERATORS;
use super::macros::{BuiltIn, Function, Macro};
use super::token::{Kind, Token, tokens};
use crate::facts::Include;
use crate::names::Names;
use crate::text::Cursor;

/// Why an expansion does not come to an end that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unclear;

/// What is behind a name at the moment.
pub(crate) enum Meaning<'a> {
    Undefined,
    Defined(&'a Macro),
    /// It cannot be known.
    Unclear,
}

/// Where macros are looked up.
pub(crate) trait Lookup {
    /// What a name means. Where it may mean several things, the asked one chooses.
    fn meaning(&mut self, name: u32) -> Meaning<'_>;

    /// Whether a name is defined as a macro; `None`: it cannot be known.
    fn is_defined(&mut self, name: u32, spelling: &[u8]) -> Option<bool>;

    /// Whether there is such a file; `None`: it cannot be known.
    fn has_file(&mut self, include: &Include) -> Option<bool>;

    /// The name of the file in which this stands, or of the source.
    fn file_name(&self, built_in: BuiltIn) -> Option<Vec<u8>>;

    /// Counts one step of work.
    ///
    /// # Errors
    /// When it is too much.
    fn work(&mut self) -> Result<(), Unclear>;
}

/// Words that the expansion has to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signs {
    pub(crate) open: u32,
    pub(crate) close: u32,
    pub(crate) comma: u32,
    pub(crate) hash: u32,
    pub(crate) paste: u32,
    pub(crate) less: u32,
    pub(crate) greater: u32,
    pub(crate) defined: u32,
    pub(crate) empty: u32,
}

impl Signs {
    /// The first words of all.
    pub(crate) fn new(words: &mut Names) -> Signs {
        for (operator, _) in OPERATORS {
            words.number(operator);
        }
        Signs {
            open: words.number(b"("),
            close: words.number(b")"),
            comma: words.number(b","),
            hash: words.number(b"#"),
            paste: words.number(b"##"),
            less: words.number(b"<"),
            greater: words.number(b">"),
            defined: words.number(b"defined"),
            empty: words.number(b""),
        }
    }
}

/// How deep arguments may be expanded inside of arguments.
const MOST_DEPTH: usize = 100;

/// How many tokens may stand in one list.
const MOST_TOKENS: usize = 100_000;

/// What is being read.
struct Context {
    tokens: Arc<[Token]>,
    at: usize,
    /// The macro whose expansion it is.
    of: Option<u32>,
    /// Whether blanks stand before what is expanded.
    has_space: bool,
    /// Whether nothing beyond its end is read.
    is_closed: bool,
}

/// An expansion that is going on.
pub(crate) struct Expansion<'a> {
    lookup: &'a mut dyn Lookup,
    words: &'a mut Names,
    signs: Signs,
    contexts: Vec<Context>,
    /// Macros whose expansions are being read.
    busy: Vec<u32>,
    depth: usize,
}

impl<'a> Expansion<'a> {
    /// The expansion of `line`.
    pub(crate) fn new(
        line: Arc<[Token]>,
        lookup: &'a mut dyn Lookup,
        words: &'a mut Names,
        signs: Signs,
    ) -> Expansion<'a> {
        let first = Context { tokens: line, at: 0, of: None, has_space: false, is_closed: true };
        Expansion { lookup, words, signs, contexts: vec![first], busy: Vec::new(), depth: 0 }
    }

    /// How a token is spelled.
    pub(crate) fn spelling(&self, token: Token) -> Arc<[u8]> {
        self.words.name(token.word).clone()
    }

    /// Who knows what is no macro.
    pub(crate) fn lookup(&mut self) -> &mut dyn Lookup {
        self.lookup
    }

    /// All of it.
    pub(crate) fn all(mut self) -> Result<Vec<Token>, Unclear> {
        let mut tokens = Vec::new();
        while let Some(token) = self.next()? {
            tokens.push(token);
        }
        Ok(tokens)
    }

    /// The next token as it stands, expanded no further.
    pub(crate) fn next_raw(&mut self) -> Result<Option<Token>, Unclear> {
        self.lookup.work()?;
        loop {
            let Some(context) = self.contexts.last_mut() else { return Ok(None) };
            if let Some(token) = context.tokens.get(context.at) {
                context.at += 1;
                let mut token = *token;
                if context.at == 1 && context.of.is_some() {
                    token.has_space = context.has_space;
                }
                // Whoever reads it while its macro is busy finds a name that stays one.
                if token.kind == Kind::Name && self.busy.contains(&token.word) {
                    token.is_painted = true;
                }
                return Ok(Some(token));
            }
            if context.is_closed {
                return Ok(None);
            }
            self.leave();
        }
    }

    fn leave(&mut self) {
        let context = self.contexts.pop();
        if let Some(name) = context.and_then(|context| context.of)
            && let Some(at) = self.busy.iter().rposition(|busy| *busy == name)
        {
            self.busy.remove(at);
        }
    }

    fn put_back(&mut self, token: Token) {
        let tokens = Arc::new([token]);
        self.contexts.push(Context { tokens, at: 0, of: None, has_space: false, is_closed: false });
    }

    /// The next token of the expansion.
    pub(crate) fn next(&mut self) -> Result<Option<Token>, Unclear> {
        loop {
            let Some(token) = self.next_raw()? else { return Ok(None) };
            match token.kind {
                Kind::Name if !token.is_painted => {}
                Kind::Poison => return Err(Unclear),
                Kind::Placemarker => continue,
                _ => return Ok(Some(token)),
            }
            let meaning = match self.lookup.meaning(token.word) {
                Meaning::Undefined => return Ok(Some(token)),
                Meaning::Unclear | Meaning::Defined(Macro::Poison) => return Err(Unclear),
                Meaning::Defined(meaning) => meaning.clone(),
            };
            match meaning {
                Macro::Plain(body) => {
                    let paste = self.signs.paste;
                    let body = match body.iter().any(|token| token.word == paste) {
                        true => self.pasted(&body)?.into(),
                        false => body,
                    };
                    self.enter(token, body);
                }
                Macro::Function(function) => {
                    if !self.call(token, &function)? {
                        return Ok(Some(token));
                    }
                }
                Macro::BuiltIn(BuiltIn::Number) => {
                    return Ok(Some(Token { kind: Kind::Unknown, ..token }));
                }
                Macro::BuiltIn(built_in) => {
                    let name = self.lookup.file_name(built_in).ok_or(Unclear)?;
                    let word = self.words.number(&quoted(&name));
                    return Ok(Some(Token { kind: Kind::Quoted, word, ..token }));
                }
                Macro::Poison => return Err(Unclear),
            }
        }
    }

    fn enter(&mut self, name: Token, tokens: Arc<[Token]>) {
        self.busy.push(name.word);
        let (of, has_space) = (Some(name.word), name.has_space);
        self.contexts.push(Context { tokens, at: 0, of, has_space, is_closed: false });
    }

    /// The body of a macro without parameters, with `##` carried out.
    fn pasted(&mut self, body: &[Token]) -> Result<Vec<Token>, Unclear> {
        let mut made: Vec<Token> = Vec::with_capacity(body.len());
        let mut at = 0;
        while at < body.len() {
            if body[at].word == self.signs.paste && body[at].kind == Kind::Sign && at > 0 {
                let right = *body.get(at + 1).ok_or(Unclear)?;
                let left = made.pop().ok_or(Unclear)?;
                let pasted = self.paste(left, right)?;
                made.push(pasted);
                at += 2;
            } else {
                made.push(body[at]);
                at += 1;
            }
        }
        Ok(made)
    }

    /// Enters the expansion of a macro with parameters. False if no arguments stand there: then it
    /// is a name.
    fn call(&mut self, name: Token, function: &Function) -> Result<bool, Unclear> {
        match self.next_raw()? {
            Some(token) if token.word == self.signs.open && token.kind == Kind::Sign => {}
            Some(Token { kind: Kind::Placemarker, .. }) => return Err(Unclear),
            Some(token) => {
                self.put_back(token);
                return Ok(false);
            }
            None => return Ok(false),
        }
        let arguments = self.arguments(function)?;
        let body = self.substituted(function, &arguments)?;
        self.enter(name, body.into());
        Ok(true)
    }

    fn arguments(&mut self, function: &Function) -> Result<Vec<Vec<Token>>, Unclear> {
        let mut arguments = vec![Vec::new()];
        let mut n_open = 0_usize;
        loop {
            // An argument that does not end is an error of the source.
            let token = self.next_raw()?.ok_or(Unclear)?;
            let is_sign = token.kind == Kind::Sign;
            if is_sign && token.word == self.signs.open {
                n_open += 1;
            } else if is_sign && token.word == self.signs.close {
                if n_open == 0 {
                    break;
                }
                n_open -= 1;
            } else if is_sign && token.word == self.signs.comma && n_open == 0 {
                let takes_all = function.is_variadic && arguments.len() >= function.n_parameters;
                if !takes_all {
                    arguments.push(Vec::new());
                    continue;
                }
            }
            let Some(last) = arguments.last_mut() else { return Err(Unclear) };
            if last.len() >= MOST_TOKENS {
                return Err(Unclear);
            }
            last.push(token);
        }
        let n_given = arguments.len();
        let is_none = n_given == 1 && arguments[0].is_empty();
        match function.n_parameters {
            0 if is_none => Ok(Vec::new()),
            n if n == n_given => Ok(arguments),
            // The rest may be left out.
            n if function.is_variadic && n_given + 1 == n => {
                arguments.push(Vec::new());
                Ok(arguments)
            }
            _ => Err(Unclear),
        }
    }

    fn substituted(
        &mut self,
        function: &Function,
        arguments: &[Vec<Token>],
    ) -> Result<Vec<Token>, Unclear> {
        let mut expanded: Vec<Option<Vec<Token>>> = vec![None; arguments.len()];
        let mut made: Vec<Token> = Vec::new();
        let body = &function.body;
        let is_paste = |at: usize| {
            body.get(at).is_some_and(|t| t.kind == Kind::Sign && t.word == self.signs.paste)
        };
        let pastes: Vec<bool> = (0..body.len()).map(is_paste).collect();
        let mut at = 0;
        // Whether the next thing is pasted to the last.
        let mut is_pasted = false;
        while at < body.len() {
            let token = body[at];
            if pastes[at] && at > 0 {
                is_pasted = true;
                at += 1;
                continue;
            }
            let mut part = if token.kind == Kind::Sign
                && token.word == self.signs.hash
                && body.get(at + 1).is_some_and(|next| next.kind == Kind::Parameter)
            {
                at += 1;
                let argument = argument(arguments, body[at])?;
                vec![Token { has_space: token.has_space, ..self.stringized(argument)? }]
            } else if token.kind == Kind::Parameter {
                let argument = argument(arguments, token)?;
                let index = token.word as usize;
                let is_beside_paste = is_pasted || pastes.get(at + 1) == Some(&true);
                // A comma before the rest goes where there is no rest.
                let is_rest = function.is_variadic && index + 1 == function.n_parameters;
                let is_behind_comma = is_pasted
                    && is_rest
                    && made
                        .last()
                        .is_some_and(|t| t.kind == Kind::Sign && t.word == self.signs.comma);
                if is_behind_comma {
                    is_pasted = false;
                    if argument.is_empty() {
                        made.pop();
                        Vec::new()
                    } else {
                        self.expanded(argument, &mut expanded[index])?
                    }
                } else if is_beside_paste {
                    match argument.is_empty() {
                        true => vec![Token {
                            kind: Kind::Placemarker,
                            has_space: token.has_space,
                            is_painted: false,
                            word: self.signs.empty,
                        }],
                        false => argument.to_vec(),
                    }
                } else {
                    self.expanded(argument, &mut expanded[index])?
                }
            } else {
                vec![token]
            };
            if token.kind == Kind::Parameter
                && let Some(first) = part.first_mut()
            {
                first.has_space = token.has_space;
            }
            if std::mem::take(&mut is_pasted) && !part.is_empty() {
                let left = made.pop().ok_or(Unclear)?;
                part[0] = self.paste(left, part[0])?;
            }
            made.extend(part);
            if made.len() > MOST_TOKENS {
                return Err(Unclear);
            }
            at += 1;
        }
        made.retain(|token| token.kind != Kind::Placemarker);
        Ok(made)
    }

    /// An argument, expanded by itself.
    fn expanded(
        &mut self,
        argument: &[Token],
        known: &mut Option<Vec<Token>>,
    ) -> Result<Vec<Token>, Unclear> {
        if let Some(known) = known {
            return Ok(known.clone());
        }
        if self.depth >= MOST_DEPTH {
            return Err(Unclear);
        }
        let tokens: Arc<[Token]> = argument.into();
        self.contexts.push(Context { tokens, at: 0, of: None, has_space: false, is_closed: true });
        let n_contexts = self.contexts.len();
        self.depth += 1;
        let mut made = Vec::new();
        while let Some(token) = self.next()? {
            made.push(token);
            if made.len() > MOST_TOKENS {
                return Err(Unclear);
            }
        }
        self.depth -= 1;
        self.contexts.truncate(n_contexts - 1);
        *known = Some(made.clone());
        Ok(made)
    }

    fn stringized(&mut self, argument: &[Token]) -> Result<Token, Unclear> {
        let mut text = vec![b'"'];
        for (index, token) in argument.iter().enumerate() {
            if token.kind == Kind::Poison {
                return Err(Unclear);
            }
            if index > 0 && token.has_space {
                text.push(b' ');
            }
            let spelling = self.words.name(token.word);
            for byte in spelling.iter() {
                if token.kind == Kind::Quoted && matches!(byte, b'"' | b'\\') {
                    text.push(b'\\');
                }
                text.push(*byte);
            }
        }
        text.push(b'"');
        let word = self.words.number(&text);
        Ok(Token { kind: Kind::Quoted, has_space: false, is_painted: false, word })
    }

    fn paste(&mut self, left: Token, right: Token) -> Result<Token, Unclear> {
        if right.kind == Kind::Placemarker {
            return Ok(left);
        }
        if left.kind == Kind::Placemarker {
            return Ok(Token { has_space: left.has_space, ..right });
        }
        let text = [&**self.words.name(left.word), &**self.words.name(right.word)].concat();
        // That would be a comment.
        if text.starts_with(b"//") || text.starts_with(b"/*") {
            return Err(Unclear);
        }
        let made = tokens(&mut Cursor::new(&text, 0), self.words, false);
        match made.as_slice() {
            [token] if token.kind != Kind::Poison => {
                Ok(Token { has_space: left.has_space, ..*token })
            }
            _ => Err(Unclear),
        }
    }
}

fn argument(arguments: &[Vec<Token>], parameter: Token) -> Result<&[Token], Unclear> {
    arguments.get(parameter.word as usize).map(Vec::as_slice).ok_or(Unclear)
}

/// A name as a string of the source.
fn quoted(name: &[u8]) -> Vec<u8> {
    let mut text = vec![b'"'];
    for byte in name {
        if matches!(byte, b'"' | b'\\') {
            text.push(b'\\');
        }
        text.push(*byte);
    }
    text.push(b'"');
    text
}
