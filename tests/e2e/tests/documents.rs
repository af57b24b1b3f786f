//! The documents name what the programs know.

use std::path::Path;

use client::{ReasonPage, reason_pages, troubleshooting_page};
use compiler_args::{Reason, options_page};

#[test]
fn the_manual_page_lists_every_reason_to_stay() {
    let page = support::workspace().join("docs/man/distcc.1");
    let page = std::fs::read_to_string(page).unwrap().replace("\\-", "-");
    for reason in Reason::ALL {
        assert!(page.contains(&format!(".BR {} ", reason.code())), "{}", reason.code());
    }
}

#[test]
fn the_manual_page_lists_every_reason_code() {
    let read = |name: &str| std::fs::read_to_string(support::workspace().join(name)).unwrap();
    let page = read("docs/man/distcc.1").replace("\\-", "-");
    let reasons = read("docs/reasons.md");
    let codes = reasons.lines().filter_map(|line| line.strip_prefix("| [`")?.split('`').next());
    for code in codes.inspect(|code| assert!(!code.is_empty())) {
        assert!(page.contains(&format!(".BR {code} ")), "{code}");
    }
}

#[test]
fn the_page_of_options_is_that_of_the_table() {
    let page = support::workspace().join("docs/options.md");
    let page = std::fs::read_to_string(page).unwrap_or_default();
    assert!(page == options_page(), "docs/options.md is old: run `cargo xtask options`");
}

#[test]
fn every_reason_code_has_a_page_that_says_what_to_do() {
    let folder = support::workspace().join("docs/reasons");
    let pages = reason_pages();
    for page in &pages {
        let code = page.code;
        let text = std::fs::read_to_string(folder.join(code).with_extension("md"))
            .unwrap_or_else(|error| panic!("docs/reasons/{code}.md: {error}"));
        assert!(
            text == page.over(&text),
            "docs/reasons/{code}.md is old: run `cargo xtask reasons`"
        );
        let by_hand = ReasonPage::by_hand(&text);
        let mut rest = by_hand;
        for heading in ReasonPage::HEADINGS {
            let (_, after) =
                rest.split_once(heading).unwrap_or_else(|| panic!("{code}: {heading}"));
            let section = after.split("\n## ").next().unwrap_or_default();
            assert!(section.trim().len() > 40, "docs/reasons/{code}.md: {heading} says too little");
            rest = after;
        }
        check_links(&folder, code, by_hand);
    }
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let has_code = pages.iter().any(|page| name.strip_suffix(".md") == Some(page.code));
        assert!(has_code, "docs/reasons/{name} is of no code");
    }
}

#[test]
fn troubleshooting_is_made_from_the_pages_of_the_codes() {
    let docs = support::workspace().join("docs");
    let read = |page: &ReasonPage| {
        let path = docs.join("reasons").join(page.code).with_extension("md");
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let page = std::fs::read_to_string(docs.join("guide/troubleshooting.md")).unwrap_or_default();
    let is_new = page == troubleshooting_page(read).unwrap();
    assert!(is_new, "docs/guide/troubleshooting.md is old: run `cargo xtask reasons`");
}

/// Checks that the links of a page in `folder` lead somewhere.
#[track_caller]
fn check_links(folder: &Path, name: &str, text: &str) {
    for link in text.split("](").skip(1).filter_map(|link| link.split(')').next()) {
        let target = link.split('#').next().unwrap_or_default();
        let is_elsewhere = target.starts_with("https://");
        assert!(is_elsewhere || folder.join(target).exists(), "{name} leads to {link}");
    }
}

#[test]
fn the_guides_lead_somewhere() {
    let root = support::workspace();
    let folder = root.join("docs/guide");
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        check_links(&folder, &path.display().to_string(), &std::fs::read_to_string(&path).unwrap());
    }
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    check_links(&root, "README.md", &readme);
    let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
    for name in names.map(|name| format!("docs/guide/{}", name.to_string_lossy())) {
        assert!(readme.contains(&name), "README.md does not name {name}");
    }
}
