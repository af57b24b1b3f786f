//! The documents about reasons, as far as the code can tell them: `docs/reasons.md`, and what stands at
//! the head of the page that each code has in `docs/reasons`.

use std::fmt::Write as _;

use super::{Cause, Group};

/// The page `docs/reasons.md`: every code with what it means and what to do.
#[must_use]
pub fn reasons_page() -> String {
    const SECTIONS: [(Group, &str, &str); 5] = [
        (Group::Done, "Done by a server", ""),
        (
            Group::Command,
            "The command stays",
            "Only this machine can run it. The sentence goes on from the word in question, as in\n\
             \"`-march=native` means the processor ...\".\n\n",
        ),
        (Group::Here, "The job stays", "The command could have left, but was run here.\n\n"),
        (
            Group::Detour,
            "Preprocessed here after all",
            "A host would have preprocessed the source as well. The job does not end for that: it goes\n\
             to the same host in plain mode.\n\n",
        ),
        (
            Group::Host,
            "A host did not do it",
            "Each attempt that failed has one of these. A job that no host did ends here with the code\n\
             of the last attempt.\n\n",
        ),
    ];
    let mut page = String::from(
        "# Reason codes\n\n\
         <!-- Made from the code: `cargo xtask reasons` writes this page. -->\n\n\
         Every job ends with one of these codes, on a server or here. `DISTCC_VERBOSE=1` shows it in\n\
         brackets, the ledger keeps it, `distcc --report` counts by it, `distcc --explain` tells it\n\
         beforehand. Codes are stable: a script may compare them.\n\n\
         Each has a page of its own, with what one notices and what to do; by what one notices they are\n\
         listed in [troubleshooting](guide/troubleshooting.md).\n\n\
         *strict* says what `DISTCC_STRICT=1` makes of a job that ends here for it: \"fails\", or \
         \"runs\".\n",
    );
    for (group, title, text) in SECTIONS {
        let _ = write!(page, "\n## {title}\n\n{text}");
        let strict = !matches!(group, Group::Done | Group::Detour);
        let has_remedy = group == Group::Detour;
        page.push_str(if strict {
            "| code | means | what to do | strict |\n|---|---|---|---|\n"
        } else if has_remedy {
            "| code | means | what to do |\n|---|---|---|\n"
        } else {
            "| code | means |\n|---|---|\n"
        });
        for cause in Cause::all().filter(|cause| cause.group() == group) {
            let (code, means) = (cause.code(), in_a_table(cause.means()));
            let _ = write!(page, "| [`{code}`](reasons/{code}.md) | {means} |");
            if strict {
                let _ = write!(page, " {} | {} |", in_a_table(cause.remedy()), strictly(cause));
            }
            if has_remedy {
                let _ = write!(page, " {} |", in_a_table(cause.remedy()));
            }
            page.push('\n');
        }
    }
    page
}

/// What `DISTCC_STRICT=1` makes of a job that ends here for `cause`.
fn strictly(cause: Cause) -> &'static str {
    match cause {
        // Nothing falls back then, so it is not doubted.
        Cause::ArtefactOfPreprocessing => "takes the server's word",
        cause if cause.is_fine_when_strict() => "runs",
        _ => "fails",
    }
}

/// The page of one code, below `docs/reasons`.
#[derive(Clone, Debug)]
pub struct ReasonPage {
    /// The code, which is also the name of its file, short of `.md`.
    pub code: &'static str,
    /// What the code tells, down to [`ReasonPage::MARK`].
    head: String,
}

impl ReasonPage {
    /// The line that ends what is made from the code. What people wrote stands below it.
    const MARK: &str = "<!-- By hand from here on. -->\n";

    /// The headings that what people wrote has, in this order: which line or delay makes one look for the
    /// page, and how to get rid of it.
    pub const HEADINGS: [&str; 2] = ["## What you notice", "## What to do"];

    fn of(cause: Cause) -> ReasonPage {
        let code = cause.code();
        let (means, job) = match cause.group() {
            Group::Done => (cause.means().to_owned(), "was done by a server"),
            Group::Command => (
                format!("the word in question {}", cause.means()),
                "runs here: only this machine can run the command",
            ),
            Group::Here => (cause.means().to_owned(), "runs here, though the command could leave"),
            Group::Detour => {
                (cause.means().to_owned(), "goes to the same host in plain mode, preprocessed here")
            }
            Group::Host => (
                cause.means().to_owned(),
                "goes to another host; where there is none, it runs here",
            ),
        };
        let mut head = format!(
            "# `{code}`\n\n\
             <!-- Down to the next mark made from the code: `cargo xtask reasons` writes it. -->\n\n\
             | | |\n|---|---|\n| means | {} |\n",
            in_a_table(&means)
        );
        if !cause.remedy().is_empty() {
            let _ = writeln!(head, "| in short | {} |", in_a_table(cause.remedy()));
        }
        let _ = writeln!(head, "| the job | {job} |");
        if !matches!(cause.group(), Group::Done | Group::Detour) {
            let _ = writeln!(head, "| with `DISTCC_STRICT=1` | {} |", strictly(cause));
        }
        head.push_str("\nAll codes: [reason codes](../reasons.md).\n\n");
        head.push_str(ReasonPage::MARK);
        ReasonPage { code, head }
    }

    /// The page, where `old` is what stands there now: what people wrote stays.
    #[must_use]
    pub fn over(&self, old: &str) -> String {
        format!("{}\n{}", self.head, ReasonPage::by_hand(old))
    }

    /// What people wrote in the page `text`.
    #[must_use]
    pub fn by_hand(text: &str) -> &str {
        text.split_once(ReasonPage::MARK).map_or("", |(_, rest)| rest.trim_start())
    }

    /// What one notices, according to the page `text`: the first paragraph below its first heading.
    #[must_use]
    pub fn symptom(text: &str) -> Option<String> {
        let (_, rest) = ReasonPage::by_hand(text).split_once(ReasonPage::HEADINGS[0])?;
        let paragraph = rest.trim_start().split("\n\n").next()?;
        Some(paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" "))
    }
}

/// The pages that `docs/reasons` has, one for each code.
#[must_use]
pub fn reason_pages() -> Vec<ReasonPage> {
    Cause::all().map(ReasonPage::of).collect()
}

/// The page `docs/guide/troubleshooting.md`: by what one notices, where `page` gives what is in the page of
/// a code.
///
/// # Errors
/// Those of `page`, and the code of a page that does not tell what one notices.
pub fn troubleshooting_page<E: From<String>>(
    page: impl Fn(&ReasonPage) -> Result<String, E>,
) -> Result<String, E> {
    const SECTIONS: [(Group, &str); 4] = [
        (Group::Host, "A server does not do it"),
        (Group::Here, "Everything runs on this machine"),
        (Group::Command, "This one command runs on this machine"),
        (Group::Detour, "It works, and could cost less"),
    ];
    let mut text = String::from(
        "# Troubleshooting, by what you notice\n\n\
         <!-- Made from the pages of the reason codes: `cargo xtask reasons` writes this page. -->\n\n\
         First ask what became of the last build: `distcc --report` counts the jobs by their reason\n\
         codes, with the remedy of each. For one command, `distcc --explain COMMAND...` says where it would\n\
         run and why; `DISTCC_VERBOSE=1` has each job tell what it does.\n\n\
         What is wrong on the whole find `distcc --doctor`, on the machine that builds, and `distccd --doctor`,\n\
         on a helper: both print the commands that mend it.\n",
    );
    for (group, title) in SECTIONS {
        let _ = write!(text, "\n## {title}\n\n| what you notice | reason |\n|---|---|\n");
        for cause in Cause::all().filter(|cause| cause.group() == group) {
            let code = cause.code();
            let symptom = ReasonPage::symptom(&page(&ReasonPage::of(cause))?)
                .filter(|symptom| !symptom.is_empty())
                .ok_or_else(|| format!("docs/reasons/{code}.md does not say what one notices"))?;
            let symptom = in_a_table(&symptom);
            let _ = writeln!(text, "| {symptom} | [`{code}`](../reasons/{code}.md) |");
        }
    }
    Ok(text)
}

fn in_a_table(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_reasons_is_that_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/reasons.md");
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert!(page == reasons_page(), "docs/reasons.md is old: run `cargo xtask reasons`");
    }

    #[test]
    fn what_people_wrote_stays_below_a_new_head() {
        let page = ReasonPage::of(Cause::ConnectionRefused);
        let old =
            format!("# old\n\n{}\n## What you notice\n\nA\nline.\n\nMore.\n", ReasonPage::MARK);
        let new = page.over(&old);
        assert!(new.starts_with("# `connection-refused`\n"));
        assert!(new.ends_with(&format!(
            "{}\n## What you notice\n\nA\nline.\n\nMore.\n",
            ReasonPage::MARK
        )));
        assert_eq!(page.over(&new), new);
        assert_eq!(ReasonPage::symptom(&new).as_deref(), Some("A line."));
        assert_eq!(ReasonPage::symptom("by nobody"), None);
    }
}
