//! The options of a program, read from its `--help`.

use std::process::Command;

use anyhow::{Context, Result};

/// A program and its options.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) options: Vec<Opt>,
    /// Whether its words are another command, with words of its own.
    pub(crate) runs_commands: bool,
}

/// An option.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Opt {
    /// Its names, with their dashes.
    pub(crate) names: Vec<String>,
    /// What its value is called, if it takes one.
    pub(crate) value: Option<String>,
    /// Its value as it is written, and the words that follow it: `[ADDRESS]`, `[COMPILER] ARGUMENTS...`.
    pub(crate) words: String,
    /// Whether the value stands in the same word.
    pub(crate) is_joined: bool,
    /// What it does, all that is said of it.
    pub(crate) text: String,
}

/// What can stand for a value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Values {
    Files,
    Folders,
    Words(&'static [&'static str]),
    /// Numbers, addresses: nothing to choose from.
    Free,
}

impl Opt {
    /// What it does, in few words: the first thing that is said.
    pub(crate) fn few_words(&self) -> &str {
        let end = [": ", "; ", " ("].iter().filter_map(|mark| self.text.find(mark)).min();
        self.text[..end.unwrap_or(self.text.len())].trim_end_matches([':', '.', ','])
    }

    /// What its value is chosen from; `None` where it takes none.
    pub(crate) fn values(&self) -> Option<Values> {
        Some(match self.value.as_deref()? {
            "FILE" | "PATH" => Values::Files,
            "DIR" | "FOLDER" => Values::Folders,
            "LEVEL" => Values::Words(&["critical", "error", "warning", "notice", "info", "debug"]),
            "WISH" => Values::Words(&["auto", "require", "off"]),
            _ => Values::Free,
        })
    }
}

impl Program {
    /// Has a program, the one under test, say how it is used.
    pub(crate) fn ask(name: &str) -> Result<Program> {
        let said = Command::new(support::program(name)).arg("--help").output();
        let said = said.with_context(|| format!("could not start {name}"))?;
        // distccmon-text knows no --help, and says how it is used on standard error.
        let text = String::from_utf8([said.stdout, said.stderr].concat())?;
        Ok(Program::read(name, &text))
    }

    /// Reads what a program says. An option is a line that begins with a dash, or with the program's name
    /// and a dash; what it does comes after two spaces, or in the lines below.
    pub(crate) fn read(name: &str, help: &str) -> Program {
        let mut program = Program {
            name: name.to_owned(),
            options: Vec::new(),
            runs_commands: help.contains("COMMAND [ARGUMENTS...]")
                || help.contains("[COMPILER] ARGUMENTS..."),
        };
        // Those of the last line, to which further lines belong.
        let mut n_open = 0;
        for line in help.lines() {
            let line = line.trim().trim_start_matches("usage: ");
            let line = line.strip_prefix(&format!("{name} ")).unwrap_or(line);
            if line.starts_with('-') {
                let (head, text) = line.split_once("  ").unwrap_or((line, ""));
                let found = options(head, text.trim());
                n_open = found.len();
                found.into_iter().for_each(|option| program.add(option));
            } else if line.is_empty() {
                n_open = 0;
            } else if n_open > 0 {
                let first = program.options.len().saturating_sub(n_open);
                if let Some(option) = program.options.get_mut(first) {
                    option.text = format!("{} {line}", option.text).trim().to_owned();
                }
            }
        }
        for option in program.options.iter_mut().filter(|option| option.text.is_empty()) {
            for (name, text) in
                [("--help", "print how it is used"), ("--version", "print its version")]
            {
                if option.names.iter().any(|own| own == name) {
                    text.clone_into(&mut option.text);
                }
            }
        }
        program
    }

    /// Adds an option, or to one of that name what was not known of it.
    fn add(&mut self, option: Opt) {
        let known = |known: &Opt| known.names.iter().any(|name| option.names.contains(name));
        match self.options.iter().position(known) {
            None => self.options.push(option),
            Some(place) => {
                // At the end, where the lines that follow look for it.
                let mut known = self.options.remove(place);
                if known.text.is_empty() {
                    known.text = option.text;
                }
                if known.value.is_none() {
                    (known.value, known.words) = (option.value, option.words);
                }
                self.options.push(known);
            }
        }
    }
}

/// The options of one line: `-p, --port N`, `--report [--since DURATION]`, `--status | --stop`, `-tSECONDS`.
fn options(head: &str, text: &str) -> Vec<Opt> {
    let mut found: Vec<Opt> = Vec::new();
    let mut is_another_name = false;
    for word in head.split_whitespace() {
        let bare = word.trim_matches(['[', ']', ',', '.']);
        if word == "|" || bare.is_empty() {
            continue;
        }
        match (bare.starts_with('-'), found.last_mut()) {
            (true, Some(option)) if is_another_name && !text.is_empty() => {
                option.names.push(bare.to_owned());
            }
            (true, _) => {
                let (name, value) = joined(bare);
                let text = if found.is_empty() { text.to_owned() } else { String::new() };
                let is_joined = value.is_some();
                let words = value.clone().unwrap_or_default();
                found.push(Opt { names: vec![name], value, words, is_joined, text });
            }
            // `[COMPILER] ARGUMENTS...` are no value.
            (false, Some(_)) if head.contains("ARGUMENTS") => {
                let words = &mut found[0].words;
                *words = format!("{words} {word}").trim().to_owned();
            }
            (false, Some(option)) if option.value.is_none() => {
                option.value = Some(bare.split('[').next().unwrap_or(bare).to_owned());
                let is_whole = word.matches('[').count() == word.matches(']').count();
                option.words = if is_whole { word } else { bare }.to_owned();
            }
            _ => {}
        }
        is_another_name = word.ends_with(',');
    }
    found
}

/// `-tSECONDS` is `-t` with its value.
fn joined(word: &str) -> (String, Option<String>) {
    match word.char_indices().nth(2) {
        Some((end, _)) if !word.starts_with("--") => {
            (word[..end].to_owned(), Some(word[end..].to_owned()))
        }
        _ => (word.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELP: &str = "print how it is used";

    #[track_caller]
    fn check(line: &str, expected: &[(&[&str], Option<&str>, &str)]) {
        let program = Program::read("prog", line);
        let got: Vec<_> = program
            .options
            .iter()
            .map(|option| {
                let names: Vec<&str> = option.names.iter().map(String::as_str).collect();
                (names, option.value.as_deref(), option.few_words())
            })
            .collect();
        let expected: Vec<_> =
            expected.iter().map(|(names, value, text)| (names.to_vec(), *value, *text)).collect();
        assert_eq!(got, expected, "{line}");
    }

    #[test]
    fn the_lines_of_our_programs_are_understood() {
        check(
            "  -p, --port N    port to listen on (1)",
            &[(&["-p", "--port"], Some("N"), "port to listen on")],
        );
        check(
            "  -a, --allow ADDRESS[/BITS]  whom",
            &[(&["-a", "--allow"], Some("ADDRESS"), "whom")],
        );
        check(
            "  --help, --version",
            &[(&["--help"], None, HELP), (&["--version"], None, "print its version")],
        );
        check("  -tSECONDS    end; x", &[(&["-t"], Some("SECONDS"), "end")]);
        check("  --dir DIR\n        where it is", &[(&["--dir"], Some("DIR"), "where it is")]);
        check(
            "usage: prog --stop | --help\n",
            &[(&["--stop"], None, ""), (&["--help"], None, HELP)],
        );
        check(
            "       prog --report [--since TIME] [--json]\n             tell\n             more\n",
            &[
                (&["--report"], None, "tell more"),
                (&["--since"], Some("TIME"), ""),
                (&["--json"], None, ""),
            ],
        );
        check(
            "  prog --explain [--json] [COMPILER] ARGUMENTS...",
            &[(&["--explain"], None, ""), (&["--json"], None, "")],
        );
        check("usage: prog FILE\n\nAn option is -x here.\n", &[]);
    }

    #[test]
    fn what_follows_an_option_is_kept_as_it_is_written() {
        for (line, words, text) in [
            ("  -j, --jobs N    compilers (default 1)", "N", "compilers (default 1)"),
            ("  --web [ADDRESS]  serve: a page", "[ADDRESS]", "serve: a page"),
            ("prog --report [--since TIME] [--json]", "TIME", ""),
            ("  --target [NETWORK=]TARGET  what", "[NETWORK=]TARGET", "what"),
            ("  -tSECONDS   end", "SECONDS", "end"),
            (
                "  prog --explain [--json] [COMPILER] ARGS ARGUMENTS...",
                "[COMPILER] ARGS ARGUMENTS...",
                "",
            ),
        ] {
            let program = Program::read("prog", line);
            let option = program.options.iter().find(|option| !option.words.is_empty()).unwrap();
            assert_eq!((option.words.as_str(), option.text.as_str()), (words, text), "{line}");
        }
    }
}
