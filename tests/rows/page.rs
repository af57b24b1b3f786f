//! The page of differences: `docs/option-differences.md`.

use std::fmt;
use std::path::PathBuf;

use crate::commands::Command;
use crate::sent::Observed;

const HEAD: &str = "\
# Options: where distcc 3.4 and ours differ

<!-- Made by experiment: `RENEW=1 cargo test -p rows` writes this page. -->

Each row of the [table of options](options.md), and some commands more, was tried with distcc 3.4
and with ours: \"sends\" means that the client connected to its host. The other commands both send,
or both do not. Why ours keeps a job is one of the [reason codes](reasons.md); `understood` means
that 3.4 takes the words for something else, and ours for what the compiler does.

| option or command | distcc 3.4 | ours | why |
|---|---|---|---|
";

/// A command that one of the clients sends and the other does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    name: String,
    original_sends: bool,
    why: String,
}

/// All that the page says.
pub(crate) struct Page {
    listed: Vec<Difference>,
}

impl Difference {
    pub(crate) fn of(command: &Command, observed: Observed) -> Option<Difference> {
        let Observed { original_sends, ours_sends, reason } = observed;
        let why = if ours_sends { "understood".to_owned() } else { reason };
        (original_sends != ours_sends).then(|| Difference {
            name: command.name.clone(),
            original_sends,
            why,
        })
    }

    /// Reads a line of the table.
    fn from_line(line: &str) -> Option<Difference> {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let name = cells.next()?.strip_suffix('`')?.replace("\\|", "|");
        let original_sends = cells.next()? == "sends";
        let _ = cells.next()?;
        let why = cells.next()?.trim_matches(['`', ' ', '|']).to_owned();
        Some(Difference { name, original_sends, why })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let says = |sends| if sends { "sends" } else { "stays" };
        let (original, ours) = (says(self.original_sends), says(!self.original_sends));
        write!(f, "| `{}` | {original} | {ours} | `{}` |", self.name, self.why)
    }
}

impl Page {
    pub(crate) fn read() -> Page {
        let text = std::fs::read_to_string(path()).unwrap_or_default();
        Page { listed: text.lines().filter_map(Difference::from_line).collect() }
    }

    pub(crate) fn about(&self, name: &str) -> Option<&Difference> {
        self.listed.iter().find(|difference| difference.name == name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.listed.iter().map(|difference| &difference.name)
    }
}

pub(crate) fn write(differences: &[Difference]) {
    let mut text = HEAD.to_owned();
    for difference in differences {
        text += &format!("{difference}\n");
    }
    std::fs::write(path(), text).expect("the page can be written");
}

fn path() -> PathBuf {
    support::workspace().join("docs/option-differences.md")
}
