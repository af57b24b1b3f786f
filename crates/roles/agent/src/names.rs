//! Names of files, as compilers write them.

use std::borrow::Cow;

/// The absolute form of `name` for a compiler that works in `folder`: no other detours are taken out
/// than a leading `./`, which GCC leaves out as well.
pub(crate) fn absolute<'a>(folder: &'a [u8], name: &'a [u8]) -> Cow<'a, [u8]> {
    let mut name = name;
    while let Some(rest) = name.strip_prefix(b"./") {
        name = rest;
        while let Some(rest) = name.strip_prefix(b"/") {
            name = rest;
        }
    }
    match name {
        [b'/', ..] => name.into(),
        b"" | b"." => folder.into(),
        _ => [folder, b"/", name].concat().into(),
    }
}

/// The folder of an absolute name, by the name alone.
pub(crate) fn folder_of(name: &[u8]) -> &[u8] {
    match name.iter().rposition(|byte| *byte == b'/') {
        Some(0) | None => b"/",
        Some(at) => &name[..at],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_absolute_and_stay_as_they_are_otherwise() {
        for (name, expected) in [
            ("a.c", "/w/a.c"),
            ("./a.c", "/w/a.c"),
            (".//./a.c", "/w/a.c"),
            ("/x/../a.c", "/x/../a.c"),
            ("../a.c", "/w/../a.c"),
            (".", "/w"),
        ] {
            assert_eq!(*absolute(b"/w", name.as_bytes()), *expected.as_bytes(), "{name}");
        }
        assert_eq!(folder_of(b"/a"), b"/");
        assert_eq!(folder_of(b"/a/../b"), b"/a/..");
    }
}
