//! The files that a dependency file names.

/// The prerequisites of all rules of a dependency file as GCC and Clang write them, in the order in
/// which they stand there. Source: the manuals of GCC (`-MQ`) and GNU make ("Rule Syntax").
#[must_use]
pub fn prerequisites(text: &[u8]) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    let mut name = Vec::new();
    let mut is_in_targets = true;
    let mut bytes = text.iter().copied().peekable();
    let mut finish = |name: &mut Vec<u8>, is_in_targets: bool| {
        let name = std::mem::take(name);
        if !name.is_empty() && !is_in_targets {
            names.push(name);
        }
    };
    while let Some(byte) = bytes.next() {
        match (byte, bytes.peek().copied()) {
            (b'\\', Some(b'\n')) => {
                bytes.next();
                finish(&mut name, is_in_targets);
            }
            (b'\\', Some(next @ (b' ' | b'\t' | b'#' | b':'))) => {
                bytes.next();
                name.push(next);
            }
            (b'$', Some(b'$')) => {
                bytes.next();
                name.push(b'$');
            }
            (b'\n', _) => {
                finish(&mut name, is_in_targets);
                is_in_targets = true;
            }
            (b' ' | b'\t' | b'\r', _) => finish(&mut name, is_in_targets),
            (b':', Some(b' ' | b'\t' | b'\n' | b'\\') | None) if is_in_targets => {
                name.clear();
                is_in_targets = false;
            }
            _ => name.push(byte),
        }
    }
    finish(&mut name, is_in_targets);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let expected: Vec<_> = expected.iter().map(|name| name.as_bytes().to_vec()).collect();
        assert_eq!(prerequisites(text.as_bytes()), expected, "{text}");
    }

    #[test]
    fn names_are_found_whatever_is_in_them() {
        check("a.o: a.c /usr/include/stdio.h \\\n b.h\n", &["a.c", "/usr/include/stdio.h", "b.h"]);
        check("a.o b.o: a\\ b.c c\\#d.h e$$f.h\n", &["a b.c", "c#d.h", "e$f.h"]);
        check("a.o: a.c \\\n x.h\n\nx.h:\n", &["a.c", "x.h"]);
        check("a.o : a.c", &["a.c"]);
        check("c:/x.o: a.c\n", &["a.c"]);
        check("a.o: a.c x\\\\y.h", &["a.c", "x\\\\y.h"]);
        check("", &[]);
    }
}
