//! `cargo xtask manual`: the heads of the options in the manual pages, made from what each program says
//! with `--help`.
//!
//! A page belongs to its author but for the heads: what stands between a line `.\" help --jobs` and the next
//! `.\" end` is ours, the option's names, its value and the sentence that `--help` has for it. What stands
//! below tells the rest, and stays. The order is the page's.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use crate::help::{Opt, Program};
use crate::root;

/// Before the mark: the name of the option.
const BEGIN: &str = ".\\\" help ";
const END: &str = ".\\\" end";

/// Writes the heads anew, of the programs under test; with `--check` compares them.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let checks = match words {
        [] => false,
        [word] if word == "--check" => true,
        _ => bail!("`manual` takes --check, not `{}`", words.join(" ")),
    };
    for name in support::PROGRAMS {
        let path = page_of(name)?;
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("could not read {}", path.display()))?;
        let shown = path.strip_prefix(root()).unwrap_or(&path).display();
        let renewed = renew(&text, &Program::ask(name)?).with_context(|| shown.to_string())?;
        if checks {
            ensure!(renewed == text, "{shown} is stale: `cargo xtask manual`");
        } else {
            std::fs::write(&path, renewed).with_context(|| format!("could not write {shown}"))?;
        }
    }
    Ok(())
}

/// The page of a program, in whichever section.
fn page_of(program: &str) -> Result<PathBuf> {
    let page = |section| root().join("docs/man").join(format!("{program}.{section}"));
    let found = [1, 8].into_iter().map(page).find(|page| page.exists());
    found.with_context(|| format!("{program} has no page in docs/man"))
}

/// The page with the heads that the program's options have now. Those without a place in it are added to the
/// end of the options.
fn renew(page: &str, program: &Program) -> Result<String> {
    let mut lines = Vec::new();
    let mut written = BTreeSet::new();
    let mut is_in_options = false;
    let mut is_after_tag = false;
    let mut rest = page.lines();
    while let Some(line) = rest.next() {
        if line.starts_with(".SH ") {
            if is_in_options {
                add_missing(program, &mut written, &mut lines);
            }
            is_in_options = line == ".SH OPTIONS";
        }
        if let Some(name) = line.strip_prefix(BEGIN) {
            ensure!(is_in_options, "`{line}` stands outside of OPTIONS");
            let option = program.options.iter().find(|option| own_name(option) == name);
            let option = option.with_context(|| {
                format!("{name} is no option of `{} --help`: take it out by hand", program.name)
            })?;
            ensure!(written.insert(name.to_owned()), "{name} is there twice");
            ensure!(rest.any(|line| line == END), "`{line}` has no `{END}`");
            lines.extend(head(option));
        } else {
            let tag = plain(line);
            let names_option = tag.starts_with('-') && tag != "--";
            ensure!(
                !(is_in_options && is_after_tag && names_option),
                "`{line}` is a head by hand: put it between `{BEGIN}NAME` and `{END}`"
            );
            lines.push(line.to_owned());
        }
        is_after_tag = [".TP", ".TQ"].contains(&line);
    }
    if is_in_options {
        add_missing(program, &mut written, &mut lines);
    }
    let lacks = program.options.iter().map(own_name).find(|name| !written.contains(*name));
    if let Some(name) = lacks {
        bail!("there is no `.SH OPTIONS` for {name}");
    }
    Ok(lines.join("\n") + "\n")
}

fn add_missing(program: &Program, written: &mut BTreeSet<String>, lines: &mut Vec<String>) {
    for option in &program.options {
        if written.insert(own_name(option).to_owned()) {
            lines.extend(head(option));
        }
    }
}

/// The name by which a page calls an option: its last, which is the long one.
fn own_name(option: &Opt) -> &str {
    option.names.last().map_or("", String::as_str)
}

/// The words of a line in roff, without what makes them bold.
fn plain(line: &str) -> String {
    let text =
        line.split_once(' ').filter(|_| line.starts_with('.')).map_or(line, |(_, text)| text);
    text.replace("\\-", "-").replace("\\fB", "").trim_start_matches('"').to_owned()
}

/// What we write of an option.
fn head(option: &Opt) -> Vec<String> {
    let names: Vec<_> = option.names.iter().map(|name| bold(name)).collect();
    let space = if option.is_joined || option.words.is_empty() { "" } else { " " };
    let mut lines = vec![
        format!("{BEGIN}{}", own_name(option)),
        ".TP".to_owned(),
        format!("{}{space}{}", names.join(", "), value(&option.words)),
    ];
    lines.extend((!option.text.is_empty()).then(|| sentence(option)));
    lines.push(END.to_owned());
    lines
}

fn bold(text: &str) -> String {
    format!("\\fB{}\\fP", escaped(text))
}

/// The words of a value: those in capitals stand for something.
fn value(words: &str) -> String {
    let mut text = String::new();
    let mut is_italic = false;
    for letter in words.chars() {
        if letter.is_ascii_uppercase() != is_italic {
            is_italic = !is_italic;
            text.push_str(if is_italic { "\\fI" } else { "\\fP" });
        }
        text.push_str(&escaped(&letter.to_string()));
    }
    if is_italic {
        text.push_str("\\fP");
    }
    text
}

/// What `--help` says of an option, as a sentence: what one types in bold, the value in italics.
fn sentence(option: &Opt) -> String {
    let mut letters = option.text.trim_end_matches('.').chars();
    let first = letters.next().map(|first| first.to_uppercase().collect::<String>());
    let text = first.unwrap_or_default() + letters.as_str();
    let parts = text.split('`').enumerate().map(|(n, part)| match n % 2 {
        1 => bold(part),
        _ => part.split(' ').map(|word| marked(word, option)).collect::<Vec<_>>().join(" "),
    });
    let guard = if text.starts_with(['.', '\'']) { "\\&" } else { "" };
    format!("{guard}{}.", parts.collect::<String>())
}

/// A word of that, with the marks that stand around it.
fn marked(word: &str, option: &Opt) -> String {
    let bare = word.trim_matches(['(', ')', ',', ':', ';']);
    let is_capital = bare.contains(|letter: char| letter.is_ascii_uppercase())
        && !bare.contains(|letter: char| letter.is_ascii_lowercase());
    let text = if bare.starts_with('-') && bare.len() > 1 || is_capital && bare.contains('_') {
        bold(bare)
    } else if is_capital && (option.words.contains(bare) || bare.contains(&option.words)) {
        value(bare)
    } else {
        return escaped(word);
    };
    let (before, after) = word.split_once(bare).unwrap_or_default();
    format!("{}{text}{}", escaped(before), escaped(after))
}

/// Text that roff takes as it is, but at the beginning of a line.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELP: &str =
        "  -j, --jobs N   compilers at once (as `make -j`, or --all)\n  -tSECONDS   end\n";

    fn renewed(page: &str) -> Result<String> {
        renew(page, &Program::read("prog", HELP))
    }

    const CURRENT: &str = "\
.SH NAME
.SH OPTIONS
.\\\" help --jobs
.TP
\\fB\\-j\\fP, \\fB\\-\\-jobs\\fP \\fIN\\fP
Compilers at once (as \\fBmake \\-j\\fP, or \\fB\\-\\-all\\fP).
.\\\" end
By hand.
.TP
.B \\-\\-
By hand.
.\\\" help -t
.TP
\\fB\\-t\\fP\\fISECONDS\\fP
End.
.\\\" end
.SH EXAMPLES
.TP
.B \\-\\-not\\-here
";

    #[test]
    fn a_page_that_is_current_stays_and_one_that_is_not_gets_its_heads() {
        assert_eq!(renewed(CURRENT).unwrap(), CURRENT);
        let stale = CURRENT.replace("End.\n", "Something else.\n.B \\-\\-else\n");
        assert_eq!(renewed(&stale).unwrap(), CURRENT);
        let begin = CURRENT.find(".\\\" help -t").unwrap();
        let end = CURRENT.find(".SH EXAMPLES").unwrap();
        let lacks = CURRENT.replace(&CURRENT[begin..end], "");
        assert_eq!(renewed(&lacks).unwrap(), CURRENT, "at the end of the options");
    }

    #[test]
    fn what_does_not_exist_or_is_told_by_hand_is_refused() {
        for (from, to, says) in [
            ("help -t", "help --gone", "--gone is no option"),
            ("help -t", "help --jobs", "twice"),
            (".B \\-\\-\n", ".BR \"\\-\\-more\" \" or\"\n", "head by hand"),
            (".SH OPTIONS", ".SH CHOICES", "outside of OPTIONS"),
            ("End.\n.\\\" end\n", "End.\n", "has no"),
        ] {
            let error = renewed(&CURRENT.replace(from, to)).unwrap_err();
            assert!(format!("{error:#}").contains(says), "{from}: {error:#}");
        }
        assert!(renewed(".SH NAME\n").is_err());
    }

    #[test]
    fn values_and_texts_are_words_of_roff() {
        assert_eq!(value("[NETWORK=]TARGET"), "[\\fINETWORK\\fP=]\\fITARGET\\fP");
        assert_eq!(value("[COMPILER] ARGUMENTS..."), "[\\fICOMPILER\\fP] \\fIARGUMENTS\\fP...");
        for (text, expected) in [
            ("write; `-`: to it", "Write; \\fB\\-\\fP: to it."),
            ("lower by N (-h, A_B)", "Lower by \\fIN\\fP (\\fB\\-h\\fP, \\fBA_B\\fP)."),
            (".x \\ y.", "\\&.x \\e y."),
        ] {
            let (text, words) = (text.to_owned(), "N".to_owned());
            assert_eq!(sentence(&Opt { text, words, ..Opt::default() }), expected);
        }
    }
}
