//! Response files: `@FILE` stands for the words in a file.
//!
//! GCC (libiberty) and Clang read them alike but in a few places: vertical tabs and form feeds,
//! NUL, an empty word, a backslash at the end, a byte order mark. A file with one of those is not
//! read here at all, so its word stays what it was and keeps the job on this machine.
//! Source: experiments with GCC 12 and Clang 14, which `tests/e2e/tests/options.rs`
//! repeats.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// How many files one command may name, the nested ones too. GCC gives up at 2000; Clang leaves
/// a file that names itself alone.
const N_FILES: usize = 200;

/// How large they may be together, in bytes: what comes of them is handed to a program, and
/// systems take two megabytes of words.
const SIZE: usize = 512 << 10;

/// Where response files are read from.
pub trait Files {
    /// The content of the file `name` as the compiler would find it, from its working directory.
    /// `None` when it cannot be read, is no ordinary file (reading a pipe would rob the compiler
    /// of it), or is larger than `limit` bytes.
    fn read(&self, name: &OsStr, limit: usize) -> Option<Vec<u8>>;
}

/// The words of a command with those of its response files in their place. A file that cannot be
/// read, or not in one way only, leaves its word as it is.
pub fn expand<'a>(words: &'a [OsString], files: &impl Files) -> Cow<'a, [OsString]> {
    if !words.iter().any(|word| names_a_file(word)) {
        return Cow::Borrowed(words);
    }
    let mut expanded = Vec::with_capacity(words.len());
    // What is still to look at, the next word last.
    let mut ahead: Vec<Cow<'a, OsString>> = words.iter().rev().map(Cow::Borrowed).collect();
    let (mut n_files, mut size) = (0, 0);
    while let Some(word) = ahead.pop() {
        let content = match names_a_file(&word) && n_files < N_FILES {
            true => files.read(OsStr::from_bytes(&word.as_bytes()[1..]), SIZE - size),
            false => None,
        };
        n_files += usize::from(content.is_some());
        size += content.as_ref().map_or(0, Vec::len).min(SIZE - size);
        match content.as_deref().and_then(words_of) {
            Some(words) => ahead.extend(words.into_iter().rev().map(Cow::Owned)),
            None => expanded.push(word.into_owned()),
        }
    }
    Cow::Owned(expanded)
}

fn names_a_file(word: &OsStr) -> bool {
    word.len() > 1 && word.as_bytes()[0] == b'@'
}

/// The words of a response file: between white space, with quotes of both kinds, and a backslash
/// before any byte that is to mean itself. `None` where compilers differ.
fn words_of(content: &[u8]) -> Option<Vec<OsString>> {
    let byte_order_marks = [&b"\xef\xbb\xbf"[..], b"\xff\xfe", b"\xfe\xff"];
    if byte_order_marks.iter().any(|mark| content.starts_with(mark)) {
        return None;
    }
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    let mut bytes = content.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\0' | b'\x0b' | b'\x0c' => return None,
            b'\\' => word.get_or_insert_default().push(bytes.next().filter(|next| *next != 0)?),
            _ if quote == Some(byte) => quote = None,
            b'"' | b'\'' if quote.is_none() => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            b' ' | b'\t' | b'\n' | b'\r' if quote.is_none() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    let has_empty = words.iter().any(Vec::is_empty);
    (!has_empty).then(|| words.into_iter().map(OsString::from_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Files by name.
    struct Listed<'a>(&'a [(&'a str, &'a [u8])]);

    impl Files for Listed<'_> {
        fn read(&self, name: &OsStr, limit: usize) -> Option<Vec<u8>> {
            let (_, content) = self.0.iter().find(|(listed, _)| *listed == name)?;
            (content.len() <= limit).then(|| content.to_vec())
        }
    }

    #[track_caller]
    fn check(files: &[(&str, &[u8])], command: &[&str], expected: &[&str]) {
        let command: Vec<OsString> = command.iter().map(Into::into).collect();
        let expanded = expand(&command, &Listed(files));
        assert_eq!(expanded.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn words_stand_between_white_space_quotes_and_backslashes() {
        let text = br#"-Da\ b 'c d' "e'f" g"h"'i' 'j\'k' "l\"m" n\\o
            p\nq 'r
s'"#;
        check(
            &[("f", text)],
            &["gcc", "@f", "x.c"],
            &["gcc", "-Da b", "c d", "e'f", "ghi", "j'k", "l\"m", "n\\o", "pnq", "r\ns", "x.c"],
        );
    }

    #[test]
    fn files_name_files() {
        let files: &[(&str, &[u8])] = &[("f", b"a '@g' b"), ("g", b"c\n"), ("empty", b" \n")];
        check(files, &["@f", "@g", "@empty", "z"], &["a", "c", "b", "c", "z"]);
    }

    #[test]
    fn what_cannot_be_read_stays_a_word() {
        check(&[], &["gcc", "@missing", "@"], &["gcc", "@missing", "@"]);
        for content in [&b"a '' b"[..], b"a\\", b"a\x0bb", b"a\0b", b"\xef\xbb\xbfa", b"\\\0"] {
            check(&[("f", content)], &["@f"], &["@f"]);
        }
    }

    #[test]
    fn a_file_that_names_itself_comes_to_an_end() {
        let words = [OsString::from("@f")];
        let expanded = expand(&words, &Listed(&[("f", b"-Da @f @f")]));
        assert!(expanded.iter().any(|word| word == "@f"));
        assert!(expanded.len() <= 2 * N_FILES + 1, "{}", expanded.len());
    }

    #[test]
    fn no_more_is_read_than_a_command_can_hold() {
        let large = vec![b'a'; SIZE / 2 + 1];
        let files: &[(&str, &[u8])] = &[("f", &large)];
        let words = ["@f", "@f"].map(OsString::from);
        let expanded = expand(&words, &Listed(files));
        assert_eq!(expanded[1], "@f");
    }

    proptest! {
        #[test]
        fn quoted_words_come_back(words in prop::collection::vec("[^\0\x0b\x0c@][^\0\x0b\x0c]{0,8}", 0..6)) {
            let mut content = String::new();
            for (index, word) in words.iter().enumerate() {
                let escaped: String = word.chars().flat_map(|c| ['\\', c]).collect();
                let quoted = word.replace('\\', "\\\\").replace('"', "\\\"");
                match index % 2 {
                    // A backslash escapes one byte, so it cannot stand in the middle of others.
                    0 if word.is_ascii() => content += &escaped,
                    _ => content += &format!("\"{quoted}\""),
                }
                content += " \n";
            }
            let command = [OsString::from("@f")];
            let expanded = expand(&command, &Listed(&[("f", content.as_bytes())]));
            prop_assert_eq!(&expanded[..], words.iter().map(Into::into).collect::<Vec<OsString>>());
        }
    }
}
