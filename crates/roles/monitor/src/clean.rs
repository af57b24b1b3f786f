//! Names that somebody else wrote, made fit for people and programs to see.

/// A name as text: what is no UTF-8 becomes U+FFFD, and what could act on a terminal or have a name
/// read as another one becomes a question mark.
pub(crate) fn name(bytes: &[u8]) -> String {
    text(&String::from_utf8_lossy(bytes))
}

/// As [`name`], of what is text already.
pub(crate) fn text(text: &str) -> String {
    text.chars().map(|letter| if is_harmful(letter) { '?' } else { letter }).collect()
}

/// Control characters, line and paragraph separators, and those that are not seen or change the
/// direction of what follows.
fn is_harmful(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{ad}'
                | '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_act_on_whoever_sees_them() {
        assert_eq!(name(b"\x1b]0;x\x07\n\xff.c"), "?]0;x??\u{fffd}.c");
        assert_eq!(text("\u{9b}31m\u{202e}c.a\u{2028}"), "?31m?c.a?");
        assert_eq!(text("größe & <b>.c"), "größe & <b>.c");
    }
}
