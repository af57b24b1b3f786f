//! The documents name what the programs know.

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
    let codes = reasons.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
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
