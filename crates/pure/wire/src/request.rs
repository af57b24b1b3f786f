//! What the client sends: a command, and its preprocessed source or all files it may read.

use std::borrow::Cow;
use std::sync::Arc;

use crate::lzo::Unpacker;
use crate::packet::{
    Packet, PacketAssembler, at_most, expect, length_param, lzo_error, pack_bulk, unpack_bulk,
};
use crate::tree::{judge_folder, judge_link, judge_name, judge_together};
use crate::{
    Content, Fault, FileKey, LONGEST_NAME, Limits, Token, TokenName, Tree, TreeEntry, Version,
    WireError,
};

/// A job as it reached a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The version to answer in.
    pub version: Version,
    /// The command, at least one word; the first is the compiler as the client named it.
    pub arguments: Vec<Vec<u8>>,
    /// What it is to work on.
    pub payload: Payload,
}

/// What a command is to work on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Preprocessed source, unpacked: plain mode, versions 1 and 2.
    Source(Vec<u8>),
    /// The client's files: pump mode, version 3.
    Tree(Tree),
}

impl Payload {
    /// All bytes of sources together.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        match self {
            Payload::Source(source) => source.len(),
            Payload::Tree(tree) => tree.n_bytes(),
        }
    }
}

/// The part of a request that can be sent before the source is ready: `DIST` to the last `ARGV`.
///
/// # Errors
/// [`WireError::TooLarge`] when a word or the number of words does not fit 32 bits.
pub fn encode_request_head(
    version: Version,
    arguments: &[impl AsRef<[u8]>],
) -> Result<Vec<u8>, WireError> {
    let n_bytes: usize = arguments.iter().map(|word| Token::LEN + word.as_ref().len()).sum();
    let mut head = Vec::with_capacity(2 * Token::LEN + n_bytes);
    head.extend(Token { name: TokenName::Dist, param: version.number() }.encode());
    let argc = length_param(TokenName::Argc, arguments.len())?;
    head.extend(Token { name: TokenName::Argc, param: argc }.encode());
    for word in arguments {
        let word = word.as_ref();
        let param = length_param(TokenName::Argv, word.len())?;
        head.extend(Token { name: TokenName::Argv, param }.encode());
        head.extend_from_slice(word);
    }
    Ok(head)
}

/// The rest of a plain-mode request: the `DOTI` token and the body to send right after it.
///
/// # Errors
/// [`WireError::TooLarge`] when the source does not fit 32 bits.
pub fn encode_source(
    version: Version,
    source: &[u8],
) -> Result<([u8; Token::LEN], Cow<'_, [u8]>), WireError> {
    pack_bulk(version, TokenName::Doti, source)
}

/// The server's half of receiving: fed with bytes, it gives the [`Request`] when that is whole.
///
/// The bodies of all files of a tree together keep to the limits of one body.
#[derive(Debug)]
pub struct RequestDecoder {
    limits: Limits,
    assembler: PacketAssembler,
    version: Option<Version>,
    arguments: Vec<Vec<u8>>,
    argument_bytes: usize,
    tree: Tree,
    unpacker: Unpacker,
    left: Left,
    state: State,
}

/// What a tree may still have, each in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Left {
    /// Of names and targets.
    names: usize,
    /// Of files as they travel.
    packed: usize,
    /// Of files as they are.
    unpacked: usize,
}

/// What an entry of a tree takes beside its bytes, roughly, until all of it is known to be well.
const ENTRY_BYTES: usize = size_of::<TreeEntry>() + 64;

/// What has to come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing has come: `DIST` opens a request.
    Version,
    /// The version is known to be 3.
    Folder,
    /// The version is known, and the working folder where there is one.
    ArgumentCount,
    /// So many words of the command are still to come.
    Arguments { n_left: u32 },
    /// The command is whole, and preprocessed source comes.
    Source,
    /// The command is whole, and files come.
    EntryCount,
    /// So many files and links are still to come.
    Name { n_left: u32 },
    /// The same, and the name of the first of them has come, the last of those in the tree.
    Content { n_left: u32 },
    /// The same, and a key has come: that of a file whose content follows.
    KeyedContent { n_left: u32 },
    /// The request was given out.
    Complete,
}

impl State {
    fn awaited(self) -> TokenName {
        match self {
            State::Version => TokenName::Dist,
            State::Folder => TokenName::Cdir,
            State::ArgumentCount => TokenName::Argc,
            State::Arguments { .. } => TokenName::Argv,
            State::EntryCount => TokenName::Nfil,
            State::Name { .. } => TokenName::Name,
            State::Content { .. } | State::KeyedContent { .. } => TokenName::File,
            State::Source | State::Complete => TokenName::Doti,
        }
    }

    /// What comes when `n_left` files and links are still to come.
    fn before_entries(n_left: u32) -> State {
        if n_left == 0 { State::Complete } else { State::Name { n_left } }
    }
}

impl RequestDecoder {
    /// A decoder at the start of a connection.
    #[must_use]
    pub fn new(limits: Limits) -> RequestDecoder {
        RequestDecoder {
            limits,
            assembler: PacketAssembler::default(),
            version: None,
            arguments: Vec::new(),
            argument_bytes: 0,
            tree: Tree::default(),
            unpacker: Unpacker::default(),
            left: Left {
                names: limits.name_bytes,
                packed: limits.body_bytes,
                unpacked: limits.unpacked_bytes,
            },
            state: State::Version,
        }
    }

    /// Takes what the peer sent, in pieces of any size, and gives the request once it is whole.
    /// Bytes after its end are left in `input`. After `Some` the decoder takes nothing more.
    ///
    /// # Errors
    /// Any [`WireError`]; the connection is then of no further use. Never panics.
    pub fn push(&mut self, input: &mut &[u8]) -> Result<Option<Request>, WireError> {
        self.push_within(input, &mut |_| true)
    }

    /// As [`RequestDecoder::push`], for those who count memory: `may_take` is asked before so many
    /// more bytes are set aside to unpack the source, and its no is [`WireError::NoMemory`].
    ///
    /// # Errors
    /// Any [`WireError`]; the connection is then of no further use. Never panics.
    pub fn push_within(
        &mut self,
        input: &mut &[u8],
        may_take: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Option<Request>, WireError> {
        while self.state != State::Complete {
            let (state, limits, left) = (self.state, self.limits, self.left);
            let so_far = self.argument_bytes;
            let judge = |token| judge(state, &limits, so_far, &left, token);
            let Some(packet) = self.assembler.push(input, judge)? else { return Ok(None) };
            if let Some(request) = self.accept(packet, may_take)? {
                return Ok(Some(request));
            }
        }
        Ok(None)
    }

    /// The version of the request, as soon as it is known: what a refusal has to be written in.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    /// The command, as soon as it is whole and before the source has arrived: what may be judged
    /// early.
    #[must_use]
    pub fn command(&self) -> Option<&[Vec<u8>]> {
        let is_whole = matches!(
            self.state,
            State::Source
                | State::EntryCount
                | State::Name { .. }
                | State::Content { .. }
                | State::KeyedContent { .. }
        );
        is_whole.then_some(&self.arguments)
    }

    /// The error to report when the peer's data ends now.
    #[must_use]
    pub fn truncated(&self) -> WireError {
        WireError::Truncated { awaited: self.state.awaited() }
    }

    fn accept(
        &mut self,
        packet: Packet,
        may_take: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Option<Request>, WireError> {
        let param = packet.token.param;
        self.state = match self.state {
            State::Version => {
                let version = Version::from_number(param)?;
                self.version = Some(version);
                if version == Version::V3 { State::Folder } else { State::ArgumentCount }
            }
            State::Folder => {
                judge_folder(&packet.body).map_err(bad_name(TokenName::Cdir, &packet.body))?;
                self.tree.folder = packet.body;
                State::ArgumentCount
            }
            State::ArgumentCount => State::Arguments { n_left: param },
            State::Arguments { n_left } => {
                self.argument_bytes += packet.body.len();
                self.arguments.push(packet.body);
                match n_left - 1 {
                    0 if self.version == Some(Version::V3) => State::EntryCount,
                    0 => State::Source,
                    n_left => State::Arguments { n_left },
                }
            }
            State::EntryCount => State::before_entries(param),
            State::Name { n_left } => {
                self.accept_name(packet, may_take)?;
                State::Content { n_left }
            }
            State::Content { n_left } if packet.token.name == TokenName::Keep => {
                self.accept_key(&packet)?;
                State::KeyedContent { n_left }
            }
            State::Content { n_left } | State::KeyedContent { n_left } => {
                self.accept_content(packet, may_take)?;
                State::before_entries(n_left - 1)
            }
            State::Source | State::Complete => {
                let version = self.version.unwrap_or(Version::V1);
                let source = unpack_bulk(version, packet, &self.limits, may_take)?;
                return Ok(Some(self.complete(Payload::Source(source))));
            }
        };
        if self.state != State::Complete {
            return Ok(None);
        }
        let tree = std::mem::take(&mut self.tree);
        judge_together(&tree.entries)
            .map_err(|(name, fault)| bad_name(TokenName::Name, name)(fault))?;
        Ok(Some(self.complete(Payload::Tree(tree))))
    }

    fn complete(&mut self, payload: Payload) -> Request {
        self.state = State::Complete;
        self.unpacker = Unpacker::default();
        let version = self.version.unwrap_or(Version::V1);
        Request { version, arguments: std::mem::take(&mut self.arguments), payload }
    }

    fn accept_name(
        &mut self,
        packet: Packet,
        may_take: &mut dyn FnMut(usize) -> bool,
    ) -> Result<(), WireError> {
        let name = packet.body;
        judge_name(&name).map_err(bad_name(TokenName::Name, &name))?;
        if !may_take(ENTRY_BYTES) {
            return Err(WireError::NoMemory { name: TokenName::Name, size: name.len() as u64 });
        }
        self.left.names -= name.len();
        self.tree.entries.push(TreeEntry { name, content: Content::File(Arc::default()) });
        Ok(())
    }

    fn accept_content(
        &mut self,
        packet: Packet,
        may_take: &mut dyn FnMut(usize) -> bool,
    ) -> Result<(), WireError> {
        // The name has just come.
        let Some(entry) = self.tree.entries.last_mut() else { return Ok(()) };
        let token = packet.token.name;
        entry.content = match token {
            TokenName::Link => {
                self.left.names -= packet.body.len();
                judge_link(&entry.name, packet.body).map_err(bad_name(token, &entry.name))?
            }
            TokenName::Kept => Content::Kept(key(&packet)?),
            _ => {
                self.left.packed -= packet.body.len();
                let unpacked = self.unpacker.unpack(&packet.body, self.left.unpacked, may_take);
                let file = unpacked.map_err(lzo_error(token))?;
                self.left.unpacked -= file.len();
                Content::File(Arc::new(file))
            }
        };
        Ok(())
    }

    /// Takes the key under which the content that follows may be kept.
    fn accept_key(&mut self, packet: &Packet) -> Result<(), WireError> {
        let entry = self.tree.entries.len().saturating_sub(1);
        self.tree.to_keep.push((entry, key(packet)?));
        Ok(())
    }
}

fn key(packet: &Packet) -> Result<FileKey, WireError> {
    FileKey::from_bytes(&packet.body)
        .ok_or(WireError::BadKey { size: u64::from(packet.token.param) })
}

/// The error for a name with a fault.
fn bad_name(token: TokenName, name: &[u8]) -> impl Fn(Fault) -> WireError + '_ {
    move |fault| WireError::BadName { token, name: name.to_vec(), fault }
}

/// Whether `token` may come now and is within its limit.
fn judge(
    state: State,
    limits: &Limits,
    argument_bytes: usize,
    left: &Left,
    token: Token,
) -> Result<(), WireError> {
    let is_in_place_of_file =
        matches!(token.name, TokenName::Link | TokenName::Keep | TokenName::Kept);
    if !(is_in_place_of_file && matches!(state, State::Content { .. })) {
        expect(state.awaited(), token)?;
    }
    match state {
        State::Version => Version::from_number(token.param).map(|_| ()),
        State::Folder => at_most(LONGEST_NAME, token),
        State::ArgumentCount if token.param == 0 => Err(WireError::EmptyCommand),
        State::ArgumentCount => at_most(limits.n_arguments as usize, token),
        State::Arguments { .. } => at_most(limits.argument_bytes - argument_bytes, token),
        State::EntryCount => at_most(limits.n_entries as usize, token),
        State::Name { .. } => at_most(LONGEST_NAME.min(left.names), token),
        State::Content { .. } if token.name == TokenName::Link => {
            at_most(LONGEST_NAME.min(left.names), token)
        }
        State::Content { .. } if matches!(token.name, TokenName::Keep | TokenName::Kept) => {
            match token.param as usize {
                FileKey::LEN => Ok(()),
                _ => Err(WireError::BadKey { size: u64::from(token.param) }),
            }
        }
        State::Content { .. } | State::KeyedContent { .. } => at_most(left.packed, token),
        State::Source | State::Complete => at_most(limits.body_bytes, token),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lzo::LzoError;
    use crate::{encode_keep, encode_kept, encode_tree_file, encode_tree_head, encode_tree_link};
    use proptest::prelude::*;

    fn encode(version: Version, arguments: &[&[u8]], source: &[u8]) -> Vec<u8> {
        let mut bytes = encode_request_head(version, arguments).unwrap();
        let (token, body) = encode_source(version, source).unwrap();
        bytes.extend(token);
        bytes.extend(body.iter());
        bytes
    }

    fn decode(mut bytes: &[u8]) -> Result<Option<Request>, WireError> {
        RequestDecoder::new(Limits::DEFAULT).push(&mut bytes)
    }

    #[track_caller]
    fn check_refused(bytes: &[u8], expected: WireError) {
        assert_eq!(decode(bytes), Err(expected));
    }

    #[test]
    fn a_version_1_request_travels_as_it_is() {
        let bytes = encode(Version::V1, &[b"gcc", b"-c", b"a.c"], b"int x;\n");
        let expected = b"DIST00000001ARGC00000003ARGV00000003gccARGV00000002-cARGV00000003a.c\
            DOTI00000007int x;\n";
        assert_eq!(bytes, expected);
    }

    #[test]
    fn a_command_without_a_word_is_refused() {
        check_refused(b"DIST00000001ARGC00000000", WireError::EmptyCommand);
    }

    #[test]
    fn a_huge_argument_is_refused_before_its_body_comes() {
        check_refused(
            b"DIST00000001ARGC00000001ARGV40000000",
            WireError::TooLarge { name: TokenName::Argv, size: 1 << 30, limit: 2 << 20 },
        );
    }

    #[test]
    fn the_arguments_share_one_limit() {
        let limits = Limits { argument_bytes: 5, ..Limits::DEFAULT };
        let bytes = encode(Version::V1, &[b"gcc", b"a.c"], b"");
        let refused = RequestDecoder::new(limits).push(&mut &bytes[..]);
        let expected = WireError::TooLarge { name: TokenName::Argv, size: 3, limit: 2 };
        assert_eq!(refused, Err(expected));
    }

    #[test]
    fn versions_that_nobody_speaks_are_refused() {
        check_refused(b"DIST00000000", WireError::UnknownVersion { number: 0 });
        check_refused(b"DIST00000004", WireError::UnknownVersion { number: 4 });
        check_refused(b"DIST00000fa0", WireError::UnknownVersion { number: 4000 });
    }

    #[test]
    fn a_reply_is_no_request() {
        check_refused(
            b"DONE00000001",
            WireError::Unexpected {
                expected: TokenName::Dist,
                got: Token { name: TokenName::Done, param: 1 },
            },
        );
    }

    #[test]
    fn a_small_body_that_unpacks_to_a_huge_one_is_refused() {
        let limits = Limits { unpacked_bytes: 1 << 20, ..Limits::DEFAULT };
        let bytes = encode(Version::V2, &[b"gcc"], &vec![b' '; 8 << 20]);
        assert!(bytes.len() < 1 << 20);
        let refused = RequestDecoder::new(limits).push(&mut &bytes[..]);
        assert!(matches!(refused, Err(WireError::Lzo { name: TokenName::Doti, .. })));
    }

    #[test]
    fn bytes_after_the_request_are_left_alone() {
        let mut bytes = encode(Version::V1, &[b"gcc"], b"x");
        bytes.extend_from_slice(b"more");
        let mut rest = &bytes[..];
        let mut decoder = RequestDecoder::new(Limits::DEFAULT);
        assert!(decoder.push(&mut rest).unwrap().is_some());
        assert_eq!(rest, b"more");
        assert_eq!(decoder.push(&mut rest), Ok(None));
    }

    fn encode_tree(tree: &Tree, arguments: &[&[u8]]) -> Vec<u8> {
        let mut bytes = encode_tree_head(&tree.folder, arguments, tree.entries.len()).unwrap();
        for (number, TreeEntry { name, content }) in tree.entries.iter().enumerate() {
            let key = tree.to_keep.iter().find(|(entry, _)| *entry == number);
            bytes.extend(match content {
                Content::File(contents) => {
                    let file = encode_tree_file(name, contents).unwrap();
                    let (name, content) = file.split_at(Token::LEN + name.len());
                    let keep = key.map(|(_, key)| encode_keep(key).to_vec()).unwrap_or_default();
                    [name, &keep, content].concat()
                }
                Content::Kept(key) => {
                    let file = encode_tree_file(name, b"").unwrap();
                    [&file[..Token::LEN + name.len()], &encode_kept(key)].concat()
                }
                Content::Link(target) => encode_tree_link(name, target).unwrap(),
                Content::Servers => {
                    let target = [&b"../".repeat(22)[..], &name[1..]].concat();
                    encode_tree_link(name, &target).unwrap()
                }
            });
        }
        bytes
    }

    fn file(bytes: &[u8]) -> Content {
        Content::File(Arc::new(bytes.to_vec()))
    }

    fn entry(name: &str, content: Content) -> TreeEntry {
        TreeEntry { name: name.into(), content }
    }

    #[test]
    fn a_tree_may_be_empty() {
        let tree = Tree { folder: b"/".to_vec(), ..Tree::default() };
        let request = decode(&encode_tree(&tree, &[b"gcc"])).unwrap().unwrap();
        assert_eq!((request.version, request.payload), (Version::V3, Payload::Tree(tree)));
    }

    #[test]
    fn the_command_of_a_tree_is_known_before_its_files() {
        let tree = Tree {
            folder: b"/w".to_vec(),
            entries: vec![entry("/w/a.c", file(b"int x;"))],
            ..Tree::default()
        };
        let bytes = encode_tree(&tree, &[b"gcc", b"-c"]);
        for n_missing in 1..bytes.len()
            - b"DIST00000003CDIR00000002/wARGC00000002ARGV00000003gccARGV00000002-c".len()
        {
            let mut decoder = RequestDecoder::new(Limits::DEFAULT);
            assert_eq!(decoder.push(&mut &bytes[..bytes.len() - n_missing]), Ok(None));
            assert_eq!(decoder.command(), Some(&[b"gcc".to_vec(), b"-c".to_vec()][..]));
        }
    }

    #[test]
    fn hostile_names_are_refused() {
        let head = "DIST00000003CDIR00000002/wARGC00000001ARGV00000003gccNFIL00000002";
        let check = |rest: &str, token, name: &str, fault| {
            let expected = WireError::BadName { token, name: name.into(), fault };
            check_refused(format!("{head}{rest}").as_bytes(), expected);
        };
        check("NAME00000005/../aFILE00000000", TokenName::Name, "/../a", Fault::Detour);
        check("NAME00000001aFILE00000000", TokenName::Name, "a", Fault::Relative);
        check("NAME00000002/aLINK00000005../bc", TokenName::Link, "/a", Fault::Outside);
        let (file, link) = ("NAME00000002/aFILE00000000", "NAME00000002/aLINK00000001b");
        check(&format!("{file}{link}"), TokenName::Name, "/a", Fault::Twice);
        let below = "NAME00000004/a/bFILE00000000";
        check(&format!("{link}{below}"), TokenName::Name, "/a/b", Fault::Below);
        check_refused(
            b"DIST00000003CDIR00000005/../x",
            WireError::BadName {
                token: TokenName::Cdir,
                name: b"/../x".to_vec(),
                fault: Fault::Detour,
            },
        );
    }

    #[test]
    fn the_counts_and_lengths_of_a_tree_are_limited() {
        let file = |name: &str, size: usize| entry(name, super::tests::file(&vec![b'x'; size]));
        let refused = |limits: Limits, entries: Vec<TreeEntry>| {
            let tree = Tree { folder: b"/".to_vec(), entries, ..Tree::default() };
            RequestDecoder::new(limits).push(&mut &encode_tree(&tree, &[b"gcc"])[..]).unwrap_err()
        };
        let two = || vec![file("/a", 700), file("/b", 700)];
        let too_large = |name, size, limit| WireError::TooLarge { name, size, limit };
        let limits = Limits { n_entries: 1, ..Limits::DEFAULT };
        assert_eq!(refused(limits, two()), too_large(TokenName::Nfil, 2, 1));
        let limits = Limits { name_bytes: 3, ..Limits::DEFAULT };
        assert_eq!(refused(limits, two()), too_large(TokenName::Name, 2, 1));
        let limits = Limits { unpacked_bytes: 1000, ..Limits::DEFAULT };
        let source = LzoError::TooLarge { limit: 300 };
        assert_eq!(refused(limits, two()), WireError::Lzo { name: TokenName::File, source });
        let packed = encode_tree_file(b"/a", &[b'x'; 700]).unwrap().len() - 26;
        let limits = Limits { body_bytes: packed + 1, ..Limits::DEFAULT };
        assert_eq!(refused(limits, two()), too_large(TokenName::File, packed as u64, 1));
        check_refused(
            b"DIST00000003CDIR7fffffff",
            too_large(TokenName::Cdir, 0x7fff_ffff, LONGEST_NAME as u64),
        );
    }

    #[test]
    fn keys_of_files_have_one_length() {
        let head =
            "DIST00000003CDIR00000002/wARGC00000001ARGV00000003gccNFIL00000001NAME00000002/a";
        for (token, size) in [("KEPT", 23), ("KEEP", 25), ("KEPT", 0), ("KEEP", 0x4000_0000)] {
            let bytes = format!("{head}{token}{size:08x}");
            check_refused(bytes.as_bytes(), WireError::BadKey { size });
        }
        let key = "0".repeat(24);
        for rest in ["KEPT", "KEEP", "LINK", "NAME"] {
            let bytes = format!("{head}KEEP00000018{key}{rest}00000018{key}");
            let refused = decode(bytes.as_bytes()).unwrap_err();
            assert!(matches!(refused, WireError::Unexpected { .. }), "{rest}: {refused}");
        }
    }

    #[test]
    fn memory_for_a_tree_is_asked_for() {
        let tree = Tree {
            folder: b"/".to_vec(),
            entries: vec![entry("/a", file(&[b'x'; 100_000]))],
            ..Tree::default()
        };
        let bytes = encode_tree(&tree, &[b"gcc"]);
        let mut n_taken = 0;
        let mut push = |most: usize| {
            RequestDecoder::new(Limits::DEFAULT).push_within(&mut &bytes[..], &mut |n_bytes| {
                n_taken += n_bytes;
                n_taken <= most
            })
        };
        assert!(matches!(push(50_000), Err(WireError::NoMemory { name: TokenName::File, .. })));
        assert!(n_taken >= 100_000);
    }

    fn entries() -> impl Strategy<Value = Vec<TreeEntry>> {
        let content = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200).prop_map(|bytes| file(&bytes)),
            any::<u64>().prop_map(|number| Content::Kept(FileKey::new([7; 16], number))),
            "(|/|\\.\\./)[a-z]{1,9}".prop_map(|target| Content::Link(target.into())),
            Just(Content::Servers),
        ];
        prop::collection::vec(content, 0..6).prop_map(|contents| {
            let name = |index| format!("/folder {index}/\u{e9}.h");
            contents
                .into_iter()
                .enumerate()
                .map(|(index, content)| entry(&name(index), content))
                .collect()
        })
    }

    /// Feeds `bytes` in pieces of these lengths, then the rest.
    fn decode_pieces(bytes: &[u8], cuts: Vec<usize>) -> Option<Request> {
        let mut decoder = RequestDecoder::new(Limits::DEFAULT);
        let mut rest = bytes;
        let mut got = None;
        let mut cuts = cuts.into_iter();
        while !rest.is_empty() {
            let (mut piece, tail) =
                rest.split_at(cuts.next().unwrap_or(rest.len()).min(rest.len()));
            rest = tail;
            got = decoder.push(&mut piece).unwrap().or(got);
        }
        got
    }

    proptest! {
        #[test]
        fn any_split_of_the_bytes_gives_the_same_tree(
            entries in entries(),
            cuts in prop::collection::vec(1usize..40, 0..60),
        ) {
            let files = entries.iter().enumerate();
            let to_keep = files
                .filter(|(_, entry)| matches!(entry.content, Content::File(_)))
                .filter(|(number, _)| number % 2 == 0)
                .map(|(number, _)| (number, FileKey::new([8; 16], number as u64)))
                .collect();
            let tree = Tree { folder: b"/w".to_vec(), entries, to_keep };
            let bytes = encode_tree(&tree, &[b"gcc", b""]);
            let arguments = vec![b"gcc".to_vec(), Vec::new()];
            let expected =
                Request { version: Version::V3, arguments, payload: Payload::Tree(tree) };
            prop_assert_eq!(decode_pieces(&bytes, cuts), Some(expected));
        }

        #[test]
        fn any_split_of_the_bytes_gives_the_same_request(
            compressed: bool,
            arguments in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 1..5),
            source in prop::collection::vec(any::<u8>(), 0..200),
            cuts in prop::collection::vec(1usize..40, 0..60),
        ) {
            let version = if compressed { Version::V2 } else { Version::V1 };
            let words: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
            let bytes = encode(version, &words, &source);
            let payload = Payload::Source(source);
            let expected = Request { version, arguments: arguments.clone(), payload };
            prop_assert_eq!(decode_pieces(&bytes, cuts), Some(expected));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = decode(&[b"DIST00000002ARGC00000001ARGV00000001x", &bytes[..]].concat());
            let head = b"DIST00000003CDIR00000002/wARGC00000001ARGV00000001xNFIL00000002";
            let _ = decode(&[&head[..], &bytes].concat());
            let _ = decode(&bytes);
        }
    }
}
