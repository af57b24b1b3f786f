//! From bytes in pieces of any size to whole packets: a token and its body.

use std::borrow::Cow;

use crate::lzo::LzoError;
use crate::{Limits, Token, TokenName, Version, WireError, lzo};

/// How much room is made for a body before its bytes arrive. A peer that announces a large body
/// gets memory as it sends it, not as it promises it.
const FIRST_ALLOCATION: usize = 1 << 20;

/// Collects one packet after another. Holds at most the current token and its body so far.
#[derive(Debug, Default)]
pub(crate) struct PacketAssembler {
    head: [u8; Token::LEN],
    n_head: usize,
    current: Option<Token>,
    body: Vec<u8>,
}

/// A token with its body, which is empty for the tokens that have none.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) token: Token,
    pub(crate) body: Vec<u8>,
}

impl PacketAssembler {
    /// Takes bytes off the front of `input` until one packet is whole. `judge` sees each token
    /// before any of its body is kept, and stops what is out of place or too long.
    pub(crate) fn push(
        &mut self,
        input: &mut &[u8],
        judge: impl Fn(Token) -> Result<(), WireError>,
    ) -> Result<Option<Packet>, WireError> {
        let token = match self.current {
            Some(token) => token,
            None => {
                let Some(token) = self.take_token(input)? else { return Ok(None) };
                judge(token)?;
                if token.name.has_body() {
                    make_room(&mut self.body, (token.param as usize).min(FIRST_ALLOCATION), token)?;
                }
                self.current = Some(token);
                token
            }
        };
        let length = if token.name.has_body() { token.param as usize } else { 0 };
        let n_missing = (length - self.body.len()).min(input.len());
        let (piece, rest) = input.split_at(n_missing);
        make_room(&mut self.body, piece.len(), token)?;
        self.body.extend_from_slice(piece);
        *input = rest;
        if self.body.len() < length {
            return Ok(None);
        }
        self.current = None;
        Ok(Some(Packet { token, body: std::mem::take(&mut self.body) }))
    }

    fn take_token(&mut self, input: &mut &[u8]) -> Result<Option<Token>, WireError> {
        let n_taken = (Token::LEN - self.n_head).min(input.len());
        let (piece, rest) = input.split_at(n_taken);
        self.head[self.n_head..self.n_head + n_taken].copy_from_slice(piece);
        self.n_head += n_taken;
        *input = rest;
        if self.n_head < Token::LEN {
            return Ok(None);
        }
        self.n_head = 0;
        Token::from_wire(self.head).map(Some)
    }
}

/// Makes room for bytes of the body of `token`. What a peer sends must not end us.
fn make_room(body: &mut Vec<u8>, n_bytes: usize, token: Token) -> Result<(), WireError> {
    let Token { name, param } = token;
    body.try_reserve(n_bytes).map_err(|_| WireError::NoMemory { name, size: u64::from(param) })
}

/// A bulk body as it travels in `version`: the token in front, and the bytes after it.
///
/// # Errors
/// [`WireError::TooLarge`] when the body does not fit the 32 bits of its token.
pub(crate) fn pack_bulk(
    version: Version,
    name: TokenName,
    content: &[u8],
) -> Result<([u8; Token::LEN], Cow<'_, [u8]>), WireError> {
    let body = if version.compresses() {
        Cow::Owned(lzo::compress(content))
    } else {
        Cow::Borrowed(content)
    };
    let param = length_param(name, body.len())?;
    Ok((Token { name, param }.encode(), body))
}

/// A bulk body as it was before it travelled. `may_take` is asked before memory is set aside.
pub(crate) fn unpack_bulk(
    version: Version,
    packet: Packet,
    limits: &Limits,
    may_take: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<u8>, WireError> {
    if !version.compresses() {
        return Ok(packet.body);
    }
    let name = packet.token.name;
    let unpacked = lzo::decompress_within(&packet.body, limits.unpacked_bytes, may_take);
    unpacked.map_err(lzo_error(name))
}

/// What is wrong with a request or reply in which a body of `name` cannot be unpacked.
pub(crate) fn lzo_error(name: TokenName) -> impl Fn(LzoError) -> WireError {
    move |error| match error {
        LzoError::NoMemory { size } => WireError::NoMemory { name, size: size as u64 },
        source => WireError::Lzo { name, source },
    }
}

/// The parameter of a token in front of `length` bytes.
pub(crate) fn length_param(name: TokenName, length: usize) -> Result<u32, WireError> {
    u32::try_from(length).map_err(|_| WireError::TooLarge {
        name,
        size: length as u64,
        limit: u64::from(u32::MAX),
    })
}

/// Checks that `got` is the token that has to come now.
pub(crate) fn expect(expected: TokenName, got: Token) -> Result<(), WireError> {
    if got.name == expected { Ok(()) } else { Err(WireError::Unexpected { expected, got }) }
}

/// Checks a number or length from the wire against its limit.
pub(crate) fn at_most(limit: usize, token: Token) -> Result<(), WireError> {
    if token.param as usize <= limit {
        return Ok(());
    }
    Err(WireError::TooLarge { name: token.name, size: u64::from(token.param), limit: limit as u64 })
}
