//! Pragmas that GCC's `-E -fdirectives-only` carries out and does not pass on.
//!
//! `push_macro` and its like change macros without a word in the output, and others vanish. Source
//! that has one cannot be sent in [`crate::Form::Directives`]; as the output does not tell, the
//! files themselves have to be looked at. Source of the facts: GCC 12, pragma by pragma.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use memchr::memmem;

/// Those that get lost.
const LOST: [&[u8]; 4] = [b"push_macro", b"pop_macro", b"redefine_extname", b"message"];

/// The same after `GCC`.
const LOST_OF_GCC: [&[u8]; 4] = [b"poison", b"dependency", b"warning", b"error"];

/// The files that preprocessed source says it was made of, each once.
#[must_use]
pub fn files_of(text: &[u8]) -> Vec<OsString> {
    let mut names: Vec<Vec<u8>> = Vec::new();
    for at in memmem::find_iter(text, b"# ") {
        let starts_line = at == 0 || text[at - 1] == b'\n';
        if let Some(name) = starts_line.then(|| name_of_marker(&text[at + 2..])).flatten()
            && !name.starts_with(b"<")
            && !name.ends_with(b"//")
            && names.last() != Some(&name)
        {
            names.push(name);
        }
    }
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(OsString::from_vec).collect()
}

/// The name in `12 "name" FLAGS`.
fn name_of_marker(rest: &[u8]) -> Option<Vec<u8>> {
    let n_digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = rest[n_digits..].strip_prefix(b" \"").filter(|_| n_digits > 0)?;
    let mut name = Vec::new();
    let mut bytes = rest.iter();
    loop {
        match bytes.next()? {
            b'"' => return Some(name),
            b'\n' => return None,
            b'\\' => name.push(escaped(&mut bytes)?),
            byte => name.push(*byte),
        }
    }
}

/// The byte behind a backslash: itself, a line end, or what three octal digits say, as GCC writes
/// bytes that it cannot print.
fn escaped(bytes: &mut std::slice::Iter<'_, u8>) -> Option<u8> {
    match *bytes.next()? {
        b'n' => Some(b'\n'),
        first @ b'0'..=b'3' => {
            let mut value = first - b'0';
            for _ in 0..2 {
                let digit = bytes.next().filter(|byte| matches!(byte, b'0'..=b'7'))?;
                value = value << 3 | (digit - b'0');
            }
            Some(value)
        }
        byte => Some(byte),
    }
}

/// Whether a source file may have a pragma that gets lost. When in doubt it may.
#[must_use]
pub fn may_lose_pragmas(file: &[u8]) -> bool {
    memmem::find_iter(file, b"pragma").any(|at| is_lost(&file[at + b"pragma".len()..]))
        || memmem::find_iter(file, b"\\\n").any(|at| splits_the_word(&file[..at]))
        || memmem::find_iter(file, b"\\\r\n").any(|at| splits_the_word(&file[..at]))
}

/// Whether what follows the word is lost, or something that hides what it is.
fn is_lost(rest: &[u8]) -> bool {
    let (word, rest) = next_word(rest);
    if word == b"GCC" {
        let (word, rest) = next_word(rest);
        return LOST_OF_GCC.contains(&word) || hides(word, rest);
    }
    LOST.contains(&word) || hides(word, rest)
}

fn next_word(text: &[u8]) -> (&[u8], &[u8]) {
    let start = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
    let length = text[start..].iter().take_while(is_part).count();
    text[start..].split_at(length)
}

/// Whether the word goes on in the next line, or begins behind a comment.
fn hides(word: &[u8], rest: &[u8]) -> bool {
    match rest {
        [b'\\', b'\n' | b'\r', ..] => true,
        [b'/', b'*', ..] => word.is_empty(),
        _ => false,
    }
}

/// Whether a line that is joined with the next one ends in the middle of the word `pragma`.
fn splits_the_word(before: &[u8]) -> bool {
    let line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
    let word = match line {
        [b'#', word @ ..] | [b'%', b':', word @ ..] | [b'?', b'?', b'=', word @ ..] => {
            word.trim_ascii_start()
        }
        _ => return false,
    };
    word.len() < b"pragma".len() && b"pragma".starts_with(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_once() {
        let text = b"# 0 \"a.c\"\n# 1 \"/w//\"\n# 0 \"<built-in>\"\n# 1 \"b \\\"x.h\" 1\nx # 1 \"no\"\n# 2 \"a.c\" 2\n";
        assert_eq!(files_of(text), ["a.c", "b \"x.h"]);
        assert!(files_of(b"# 1 \"open").is_empty());
        assert_eq!(files_of(b"# 1 \"\\303\\251\\n.c\"\n"), ["é\n.c"]);
    }

    #[test]
    fn pragmas_that_vanish_are_noticed() {
        for file in [
            "#pragma push_macro(\"X\")\n",
            "# pragma\tpop_macro(\"X\")\n",
            "#pragma GCC poison x\n",
            "#pragma redefine_extname a b\n",
            "#pragma message \"x\"\n",
            "#pragma \\\n message \"x\"\n",
            "#pragma push\\\n_macro(\"X\")\n",
            "#pragma /* x */ message \"x\"\n",
            "#pra\\\ngma message \"x\"\n",
            "%: \\\r\npragma message \"x\"\n",
        ] {
            assert!(may_lose_pragmas(file.as_bytes()), "{file}");
        }
    }

    #[test]
    fn pragmas_that_are_passed_on_do_no_harm() {
        for file in [
            "#pragma once\n#pragma pack(push, 1)\n",
            "#pragma GCC diagnostic push\n#pragma clang diagnostic pop\n",
            "#pragma omp parallel for\n",
            "#define X \\\n  y\n",
            "_Pragma(\"once\")\n",
            "",
        ] {
            assert!(!may_lose_pragmas(file.as_bytes()), "{file}");
        }
    }
}
