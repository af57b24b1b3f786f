//! A case: a command line, and what lies around it.

use std::path::PathBuf;

/// How the client is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Launch {
    /// `distcc COMPILER ...`.
    Distcc,
    /// `COMPILER ...`, where the compiler's name is a link to distcc.
    Masquerade,
}

/// Words that belong together.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) words: Vec<String>,
    /// Whether they stand in a response file.
    pub(crate) in_file: bool,
    /// Whether the case makes no sense without them.
    pub(crate) is_needed: bool,
}

/// What lies at the output's place before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    Nothing,
    /// An older file.
    File(&'static str),
    /// A symbolic link to a file.
    Link(&'static str),
}

/// A command to run twice, and where.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) number: usize,
    /// Whose source it compiles.
    pub(crate) origin: &'static str,
    pub(crate) launch: Launch,
    pub(crate) compiler: String,
    pub(crate) groups: Vec<Group>,
    pub(crate) environment: Vec<(&'static str, String)>,
    /// The working directory: below the folder of the case, or anywhere by its whole name.
    pub(crate) directory: PathBuf,
    /// The trees whose files it may read, by their place in the list.
    pub(crate) trees: Vec<usize>,
    pub(crate) before: Before,
}

impl Case {
    /// The words of the command, and the response files that it needs: names and contents.
    pub(crate) fn render(&self) -> (Vec<String>, Vec<(String, String)>) {
        let mut words = vec![self.compiler.clone()];
        let mut files: Vec<(String, String)> = Vec::new();
        let mut was_in_file = false;
        for group in &self.groups {
            if !group.in_file {
                words.extend_from_slice(&group.words);
            } else {
                if !was_in_file {
                    let name = format!("args{}.rsp", files.len());
                    words.push(format!("@{name}"));
                    files.push((name, String::new()));
                }
                let (_, content) = files.last_mut().expect("one was just pushed");
                for word in &group.words {
                    *content += &quoted_for_file(word);
                    content.push('\n');
                }
            }
            was_in_file = group.in_file;
        }
        (words, files)
    }
}

/// A word as a response file has it.
fn quoted_for_file(word: &str) -> String {
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}
