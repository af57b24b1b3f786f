//! Messages to the user, in the words and places of distcc 3.4.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use crate::Settings;

/// Where messages go: the file that `DISTCC_LOG` names, else the descriptor that
/// `UNCACHED_ERR_FD` names, else standard error.
pub(crate) struct Log {
    verbose: bool,
    file: Option<PathBuf>,
    descriptor: Option<i32>,
}

impl Log {
    pub(crate) fn new(settings: &Settings) -> Log {
        Log {
            verbose: settings.verbose,
            file: settings.log.clone(),
            descriptor: settings.uncached_errors,
        }
    }

    /// Something failed that ends the job.
    pub(crate) fn error(&self, text: &str, hint: &str) {
        self.write("ERROR: ", text, hint);
    }

    /// Something failed, and the job goes on another way.
    pub(crate) fn warning(&self, text: &str, hint: &str) {
        self.write("Warning: ", text, hint);
    }

    /// Something that the user has asked for.
    pub(crate) fn note(&self, text: &str) {
        self.write("", text, "");
    }

    /// Something worth knowing, for those who ask by `DISTCC_VERBOSE`.
    pub(crate) fn info(&self, text: &str) {
        if self.verbose {
            self.write("", text, "");
        }
    }

    /// One message is one write, so that those of parallel jobs do not mix.
    fn write(&self, level: &str, text: &str, hint: &str) {
        let mut message = format!("distcc[{}] {level}{}\n", std::process::id(), clean(text));
        if !hint.is_empty() {
            let _ = writeln!(message, "      hint: {}", clean(hint));
        }
        if let Some(path) = &self.file {
            let opened = OpenOptions::new().append(true).create(true).open(path);
            if opened.and_then(|mut file| file.write_all(message.as_bytes())).is_ok() {
                return;
            }
        } else if let Some(descriptor) = self.descriptor
            && sys::descriptors::write_to(descriptor, message.as_bytes()).is_ok()
        {
            return;
        }
        let _ = std::io::stderr().write_all(message.as_bytes());
    }
}

/// A text without the control bytes that a file name or a server could smuggle into a terminal.
/// Line ends stay, indented, so that no second line passes for a message of ours.
pub(crate) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for c in text.trim_end().chars() {
        match c {
            '\n' => cleaned.push_str("\n      "),
            '\t' => cleaned.push(' '),
            c if c.is_control() => cleaned.extend(c.escape_default()),
            c => cleaned.push(c),
        }
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_carry_no_control_bytes() {
        assert_eq!(clean("a\x1b[31m\nb\t\n"), "a\\u{1b}[31m\n      b");
    }
}
