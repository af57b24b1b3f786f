//! What two compiler runs say, as one run would have said it.

/// The preprocessor's messages without those that the compiler repeats: compiling in one step
/// would have said them once.
pub(crate) fn without_repeats(preprocessor: &[u8], compiler: &[u8]) -> Vec<u8> {
    let has = |line: &[u8], part: &[u8]| memchr::memmem::find(line, part).is_some();
    let begins_a_message = |line: &[u8]| {
        [&b" warning: "[..], b" error: ", b" note: ", b"In file included", b" generated."]
            .iter()
            .any(|part| has(line, part))
    };
    let repeated =
        |line: &[u8]| compiler.split_inclusive(|byte| *byte == b'\n').any(|other| other == line);
    let mut kept = Vec::new();
    let mut is_repeated = false;
    for line in preprocessor.split_inclusive(|byte| *byte == b'\n') {
        // The source line and the caret below a message go with it.
        if begins_a_message(line) {
            is_repeated = has(line, b" warning: ") && repeated(line);
        }
        if !is_repeated {
            kept.extend_from_slice(line);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_about_the_command_is_shown_once() {
        let said = b"cc1: warning: '-Wx' is for C++\na.c:1: warning: #warning hey\n";
        let kept = without_repeats(said, b"cc1: warning: '-Wx' is for C++\na.c:2: warning: y\n");
        assert_eq!(kept, b"a.c:1: warning: #warning hey\n");
        assert_eq!(without_repeats(said, b""), said);
    }

    #[test]
    fn a_repeated_message_goes_with_its_source_line() {
        let said = b"a.c:1:2: warning: hi\n#pragma hi\n  ^\na.c:3:2: warning: hey\n#warning\n";
        let kept = without_repeats(said, b"a.c:1:2: warning: hi\n#pragma (hi)\n  ^\n");
        assert_eq!(kept, b"a.c:3:2: warning: hey\n#warning\n");
    }
}
