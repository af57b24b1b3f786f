//! Sources and headers as a client has them: what a request of version 3 brings in place of a
//! preprocessed source.
//!
//! Names are the client's own, absolute. What a name may be is strict, because a server makes files
//! by it: see [`Fault`].

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::packet::{length_param, pack_bulk};
use crate::{FileKey, Token, TokenName, Version, WireError};

/// The longest name, in bytes: what Linux takes.
pub const LONGEST_NAME: usize = 4095;

/// The longest part of a name between two slashes, in bytes: what file systems take.
const LONGEST_PART: usize = 255;

/// The client's files and links that a compile may read, and the folder it is to run in.
///
/// Each name is there once, none lies below another, and no link leads out of the tree, however it
/// is followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// The client's working folder. Absolute; `/` may be it.
    pub folder: Vec<u8>,
    /// Files and links, in the order in which they came.
    pub entries: Vec<TreeEntry>,
    /// Which of the files the server may keep, by their places in `entries`, and under which keys.
    pub to_keep: Vec<(usize, FileKey)>,
}

impl Tree {
    /// The bytes of all files together that came along.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        let sizes = self.entries.iter().map(|entry| match &entry.content {
            Content::File(file) => file.len(),
            Content::Link(_) | Content::Servers | Content::Kept(_) => 0,
        });
        sizes.sum()
    }
}

/// A file or link of a [`Tree`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// Its absolute name on the client.
    pub name: Vec<u8>,
    /// What is there.
    pub content: Content,
}

/// What is found under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A file with these bytes.
    File(Arc<Vec<u8>>),
    /// A file that an earlier request brought, for the server to keep.
    Kept(FileKey),
    /// A symbolic link: an absolute name, which is one of the client's, or a name from the link's
    /// own folder on, which does not climb above the root.
    Link(Vec<u8>),
    /// What the server itself has under this name. distcc 3.4's clients say it of the compiler's
    /// own header folders, by a link that climbs above the root and then names itself:
    /// `/usr/include -> ../../../usr/include`.
    Servers,
}

/// What is wrong with a name or the target of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not begin with `/`.
    Relative,
    /// It has a part that is empty, `.` or `..`, or it is the root itself.
    Detour,
    /// It is longer than any file's, or a part of it is.
    TooLong,
    /// It has a NUL in it.
    Nul,
    /// There is one of this name already.
    Twice,
    /// It lies below a file or a link.
    Below,
    /// The link leads out of the tree, or might: it climbs higher than it lies, or climbs after it
    /// has gone down, where it may have passed through another link.
    Outside,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Relative => "is not absolute",
            Fault::Detour => "is not the shortest name of a file",
            Fault::TooLong => "is too long",
            Fault::Nul => "has a NUL in it",
            Fault::Twice => "comes twice",
            Fault::Below => "lies below a file or link",
            Fault::Outside => "leads out of the tree",
        })
    }
}

/// The beginning of a request in version 3: everything before the first file or link, `n_entries`
/// of which are to follow, made by [`encode_tree_file`] and [`encode_tree_link`]. The first of
/// `words` is the compiler, `folder` the working folder.
///
/// # Errors
/// [`WireError::TooLarge`] when a length or count does not fit 32 bits.
pub fn encode_tree_head(
    folder: &[u8],
    words: &[impl AsRef<[u8]>],
    n_entries: usize,
) -> Result<Vec<u8>, WireError> {
    let n_bytes: usize = words.iter().map(|word| Token::LEN + word.as_ref().len()).sum();
    let mut head = Vec::with_capacity(4 * Token::LEN + folder.len() + n_bytes);
    head.extend(Token { name: TokenName::Dist, param: Version::V3.number() }.encode());
    put(&mut head, TokenName::Cdir, folder)?;
    let argc = length_param(TokenName::Argc, words.len())?;
    head.extend(Token { name: TokenName::Argc, param: argc }.encode());
    for word in words {
        put(&mut head, TokenName::Argv, word.as_ref())?;
    }
    let param = length_param(TokenName::Nfil, n_entries)?;
    head.extend(Token { name: TokenName::Nfil, param }.encode());
    Ok(head)
}

/// One file of a request in version 3, compressed: may be kept and sent in many requests.
///
/// # Errors
/// [`WireError::TooLarge`] when a length does not fit 32 bits.
pub fn encode_tree_file(name: &[u8], contents: &[u8]) -> Result<Vec<u8>, WireError> {
    let (token, body) = pack_bulk(Version::V3, TokenName::File, contents)?;
    let mut bytes = Vec::with_capacity(2 * Token::LEN + name.len() + body.len());
    put(&mut bytes, TokenName::Name, name)?;
    bytes.extend(token);
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// One symbolic link of a request in version 3.
///
/// # Errors
/// [`WireError::TooLarge`] when a length does not fit 32 bits.
pub fn encode_tree_link(name: &[u8], target: &[u8]) -> Result<Vec<u8>, WireError> {
    let mut bytes = Vec::with_capacity(2 * Token::LEN + name.len() + target.len());
    put(&mut bytes, TokenName::Name, name)?;
    put(&mut bytes, TokenName::Link, target)?;
    Ok(bytes)
}

/// What stands before the content of a file that the server may keep: between its name and the rest.
#[must_use]
pub fn encode_keep(key: &FileKey) -> [u8; Token::LEN + FileKey::LEN] {
    encode_key(TokenName::Keep, key)
}

/// What stands for the content of a file that the server has kept.
#[must_use]
pub fn encode_kept(key: &FileKey) -> [u8; Token::LEN + FileKey::LEN] {
    encode_key(TokenName::Kept, key)
}

fn encode_key(name: TokenName, key: &FileKey) -> [u8; Token::LEN + FileKey::LEN] {
    let mut bytes = [0; Token::LEN + FileKey::LEN];
    let (token, rest) = bytes.split_at_mut(Token::LEN);
    token.copy_from_slice(&Token { name, param: FileKey::LEN as u32 }.encode());
    rest.copy_from_slice(key.bytes());
    bytes
}

fn put(bytes: &mut Vec<u8>, name: TokenName, body: &[u8]) -> Result<(), WireError> {
    let param = length_param(name, body.len())?;
    bytes.extend(Token { name, param }.encode());
    bytes.extend_from_slice(body);
    Ok(())
}

/// Whether a folder may be the working folder: as a name, but for the root.
pub(crate) fn judge_folder(folder: &[u8]) -> Result<(), Fault> {
    if folder == b"/" { Ok(()) } else { judge_name(folder) }
}

/// Whether a name is one to make a file by.
pub(crate) fn judge_name(name: &[u8]) -> Result<(), Fault> {
    let parts = name.strip_prefix(b"/").ok_or(Fault::Relative)?;
    judge_length(name)?;
    match parts.split(|byte| *byte == b'/').all(is_plain) {
        true => Ok(()),
        false => Err(Fault::Detour),
    }
}

/// What a link of this name and target stands for.
pub(crate) fn judge_link(name: &[u8], target: Vec<u8>) -> Result<Content, Fault> {
    judge_length(&target)?;
    let depth = name.iter().filter(|byte| **byte == b'/').count() - 1;
    let mut parts = target.split(|byte| *byte == b'/').peekable();
    let (mut n_ups, mut n_bytes) = (0, 0);
    while let Some(part) = parts.next_if(|part| *part == b"..") {
        n_ups += 1;
        n_bytes += part.len() + 1;
    }
    let climbs_on = parts.any(|part| part == b"..");
    if n_ups > depth && target.get(n_bytes..) == name.get(1..) {
        return Ok(Content::Servers);
    }
    if target.is_empty() || climbs_on || n_ups > depth {
        return Err(Fault::Outside);
    }
    Ok(Content::Link(target))
}

fn judge_length(name: &[u8]) -> Result<(), Fault> {
    let longest = name.split(|byte| *byte == b'/').map(<[u8]>::len).max().unwrap_or_default();
    if name.contains(&0) {
        Err(Fault::Nul)
    } else if name.len() > LONGEST_NAME || longest > LONGEST_PART {
        Err(Fault::TooLong)
    } else {
        Ok(())
    }
}

fn is_plain(part: &[u8]) -> bool {
    !matches!(part, b"" | b"." | b"..")
}

/// Whether each name is there once and none lies below another; else the first that is not so. What
/// the server has itself may be named again further down.
pub(crate) fn judge_together(entries: &[TreeEntry]) -> Result<(), (&[u8], Fault)> {
    let mut by_name = HashMap::with_capacity(entries.len());
    for entry in entries {
        if by_name.insert(&entry.name[..], &entry.content).is_some() {
            return Err((&entry.name, Fault::Twice));
        }
    }
    for TreeEntry { name, content } in entries {
        let ends = name.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/');
        for (end, _) in ends {
            match by_name.get(&name[..end]) {
                None => {}
                Some(Content::Servers) if *content == Content::Servers => {}
                Some(_) => return Err((name, Fault::Below)),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_is_made_of_pieces() {
        let head = encode_tree_head(b"/w", &["gcc", "-c"], 2).unwrap();
        assert_eq!(
            head,
            b"DIST00000003CDIR00000002/wARGC00000002ARGV00000003gccARGV00000002-cNFIL00000002"
        );
        let link = encode_tree_link(b"/w/l", b"../a").unwrap();
        assert_eq!(link, b"NAME00000004/w/lLINK00000004../a");
        let empty = encode_tree_file(b"/w/e", b"").unwrap();
        assert_eq!(empty, b"NAME00000004/w/eFILE00000000");
    }

    #[test]
    fn a_name_is_absolute_and_the_shortest() {
        assert_eq!(judge_name(b"/a/b.c"), Ok(()));
        for name in [&b"/"[..], b"/a/", b"//a", b"/a//b", b"/./a", b"/a/..", b"/../a"] {
            assert_eq!(judge_name(name), Err(Fault::Detour), "{}", name.escape_ascii());
        }
        for name in [&b""[..], b"a", b"../a"] {
            assert_eq!(judge_name(name), Err(Fault::Relative), "{}", name.escape_ascii());
        }
        assert_eq!(judge_name(b"/a\0b"), Err(Fault::Nul));
        assert_eq!(judge_name(&[b"/", &[b'a'; 256][..]].concat()), Err(Fault::TooLong));
        assert_eq!(judge_name(&b"/a".repeat(2048)), Err(Fault::TooLong));
        assert_eq!(judge_folder(b"/"), Ok(()));
        assert_eq!(judge_folder(b"/a/.."), Err(Fault::Detour));
    }

    #[track_caller]
    fn check_link(name: &str, target: &str, expected: Result<Content, Fault>) {
        assert_eq!(judge_link(name.as_bytes(), target.into()), expected, "{name} -> {target}");
    }

    #[test]
    fn a_link_stays_in_the_tree() {
        for (name, target) in [
            ("/a/b", "c"),
            ("/a/b", "../c"),
            ("/a/b", "/x/y"),
            ("/a/b", "/"),
            ("/a/b", ".."),
            ("/a/b/c", "../../d/./e/"),
            // A link to itself, which is the client's affair.
            ("/a/b", "../a/b"),
        ] {
            check_link(name, target, Ok(Content::Link(target.into())));
        }
        for (name, target) in [
            ("/a", ".."),
            ("/a", "../c"),
            ("/a/b", "../../etc"),
            ("/a/b", "/.."),
            ("/a/b", "c/../../../etc"),
            ("/a/b", "c/../d"),
            ("/a/b", "./../d"),
            ("/a/b", ""),
        ] {
            check_link(name, target, Err(Fault::Outside));
        }
        check_link("/a/b", "c\0", Err(Fault::Nul));
    }

    #[test]
    fn a_link_to_itself_above_the_root_is_the_servers_own() {
        check_link("/usr/include", "../../../../usr/include", Ok(Content::Servers));
        check_link("/usr/include", "../../usr/include", Ok(Content::Servers));
        check_link("/usr/include", "../../../../usr/lib", Err(Fault::Outside));
        check_link("/usr/include", "../../../../usr/include/", Err(Fault::Outside));
        check_link("/usr/include", "../../x/../usr/include", Err(Fault::Outside));
        check_link("/usr/include", "../../../usr/include/..", Err(Fault::Outside));
        check_link("/e", "../../../etc", Err(Fault::Outside));
    }

    #[track_caller]
    fn check_together(entries: &[(&str, Content)], expected: Result<(), (&[u8], Fault)>) {
        let entries: Vec<TreeEntry> = entries
            .iter()
            .map(|(name, content)| TreeEntry { name: (*name).into(), content: content.clone() })
            .collect();
        assert_eq!(judge_together(&entries), expected);
    }

    #[test]
    fn names_do_not_get_in_each_others_way() {
        let file = || Content::File(Arc::default());
        let link = || Content::Link(b"x".to_vec());
        check_together(&[("/a/b", file()), ("/a/c", file()), ("/ab", link())], Ok(()));
        check_together(&[("/a", file()), ("/a", link())], Err((b"/a", Fault::Twice)));
        check_together(&[("/a/b/c", file()), ("/a", link())], Err((b"/a/b/c", Fault::Below)));
        check_together(&[("/a/b", file()), ("/a/b/c", file())], Err((b"/a/b/c", Fault::Below)));
        let servers = Content::Servers;
        check_together(&[("/a/b", servers.clone()), ("/a", servers.clone())], Ok(()));
        check_together(&[("/a/b", file()), ("/a", servers)], Err((b"/a/b", Fault::Below)));
    }

    proptest! {
        #[test]
        fn no_chain_of_links_leads_out(
            links in prop::collection::vec(("(/[ab]){1,3}", "(/|)([ab]|\\.\\.|\\.)(/([ab]|\\.\\.)){0,3}"), 1..6),
            start in "(/[ab]){1,4}",
        ) {
            let links: Vec<(String, String)> = links
                .into_iter()
                .filter(|(name, target)| {
                    matches!(judge_link(name.as_bytes(), target.clone().into()), Ok(Content::Link(_)))
                })
                .collect();
            // As the system follows names: from the real folder that was reached.
            let mut at: Vec<String> = Vec::new();
            let mut left: Vec<String> = parts(&start);
            let mut n_followed = 0;
            while let Some(part) = left.pop() {
                match part.as_str() {
                    "." => {}
                    ".." => prop_assert!(at.pop().is_some(), "{:?} from {}", links, start),
                    part => {
                        at.push(part.to_owned());
                        let name = format!("/{}", at.join("/"));
                        if let Some((_, target)) = links.iter().find(|(link, _)| *link == name) {
                            n_followed += 1;
                            if n_followed > 40 {
                                break;
                            }
                            at.pop();
                            if target.starts_with('/') {
                                at.clear();
                            }
                            left.extend(parts(target));
                        }
                    }
                }
            }
        }
    }

    /// The parts of a name, the last first.
    fn parts(name: &str) -> Vec<String> {
        name.split('/').filter(|part| !part.is_empty()).rev().map(str::to_owned).collect()
    }
}
