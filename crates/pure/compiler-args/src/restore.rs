//! Making ordinary source again of what GCC's `-E -fdirectives-only` made of it.
//!
//! Source in [`crate::Form::Directives`] has every line of the source and its headers as it was,
//! in front of it the macros that the compiler defines by itself. Without those it can be compiled
//! like any other source, and the object tells what the source's own would tell: columns, debug
//! information, macros. It takes a server that puts it under the client's own name into a folder
//! that stands for the client's, because both stand in debug information.

use memchr::memchr;

/// What stands in place of a file for the macros that the compiler defines by itself.
const BUILT_IN: &[u8] = b"<built-in>";

/// ... and for those of its command line.
const COMMAND_LINE: &[u8] = b"<command-line>";

/// Takes out what the compiler defines by itself, and the line that names the working folder.
///
/// `None` when `text` does not begin like the output of GCC's preprocessor with
/// `-fdirectives-only`, or has the compiler's own macros where they do not belong: then it must
/// not be compiled as ordinary source.
#[must_use]
pub fn restore(text: &[u8]) -> Option<Vec<u8>> {
    let mut restored = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut n_markers = 0;
    let mut in_built_in = false;
    let mut had_built_in = false;
    // The head: until the marker of the first file after the source's own.
    loop {
        let line = first_line(rest);
        match Marker::of(line) {
            Some(marker) => {
                let is_first = n_markers == 0;
                n_markers += 1;
                in_built_in = marker.name == BUILT_IN;
                had_built_in |= in_built_in;
                let is_head = is_first || in_built_in || marker.name == COMMAND_LINE;
                let names_folder = marker.name.ends_with(b"//");
                if !is_head && !names_folder || marker.enters {
                    break;
                }
                if !in_built_in && !names_folder {
                    restored.extend_from_slice(line);
                }
            }
            None if line.is_empty() => return None,
            None if n_markers == 0 => return None,
            None if in_built_in && !is_definition(line) => return None,
            None if in_built_in => {}
            None => restored.extend_from_slice(line),
        }
        rest = &rest[line.len()..];
    }
    let says_built_in_again = memchr::memmem::find(rest, b"\"<built-in>\"").is_some();
    if !had_built_in || says_built_in_again {
        return None;
    }
    restored.extend_from_slice(rest);
    Some(restored)
}

/// The first line with its end.
fn first_line(text: &[u8]) -> &[u8] {
    &text[..memchr(b'\n', text).map_or(text.len(), |end| end + 1)]
}

/// `#define` or `#undef`, or nothing.
fn is_definition(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    line.is_empty() || line.starts_with(b"#define ") || line.starts_with(b"#undef ")
}

/// A line that says where the lines after it come from: `# 12 "name" FLAGS`.
struct Marker<'a> {
    name: &'a [u8],
    /// Whether a file begins here.
    enters: bool,
}

impl<'a> Marker<'a> {
    fn of(line: &'a [u8]) -> Option<Marker<'a>> {
        let rest = line.strip_prefix(b"# ")?;
        let n_digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let name = rest[n_digits..].strip_prefix(b" \"").filter(|_| n_digits > 0)?;
        let end = name.iter().rposition(|byte| *byte == b'"')?;
        Some(Marker { name: &name[..end], enters: name[end + 1..].starts_with(b" 1") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let restored = restore(text.as_bytes());
        assert_eq!(restored.map(|text| String::from_utf8(text).unwrap()).as_deref(), expected);
    }

    #[test]
    fn the_compilers_own_macros_go_and_the_users_stay() {
        check(
            "# 0 \"a.c\"\n# 1 \"/home/me//\"\n# 0 \"<built-in>\"\n#define __STDC__ 1\n\
             # 0 \"<built-in>\"\n#define __GNUC__ 12\n# 0 \"<command-line>\"\n#define FOO 3\n\
             # 1 \"/usr/include/stdc-predef.h\" 1 3 4\nx\n# 0 \"<command-line>\" 2\n# 1 \"a.c\"\nint y;\n",
            Some(
                "# 0 \"a.c\"\n# 0 \"<command-line>\"\n#define FOO 3\n\
                 # 1 \"/usr/include/stdc-predef.h\" 1 3 4\nx\n# 0 \"<command-line>\" 2\n# 1 \"a.c\"\nint y;\n",
            ),
        );
    }

    #[test]
    fn what_was_not_made_that_way_is_left_alone() {
        check("", None);
        check("int x;\n", None);
        check("# 0 \"a.c\"\n", None);
        check("# 1 \"a.c\"\nint x;\n# 2 \"b.h\" 1\n", None);
        // Code in the compiler's place is no definition of the compiler's.
        check("# 0 \"a.c\"\n# 0 \"<built-in>\"\nint x;\n# 1 \"b.h\" 1\n", None);
        check("# 0 \"a.c\"\n# 0 \"<built-in>\"\n# 1 \"b.h\" 1\n# 1 \"<built-in>\"\nint x;\n", None);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(# [0-9]{0,2} \"(a|<built-in>|<command-line>|/x//)\"( 1)?\n|#define X\n|x\n|\"){0,12}") {
            let _ = restore(text.as_bytes());
        }
    }
}
