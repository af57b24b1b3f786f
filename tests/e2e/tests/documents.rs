//! The documents name what the programs know.

use compiler_args::Reason;

#[test]
fn the_manual_page_lists_every_reason_to_stay() {
    let page = support::workspace().join("docs/man/distcc.1");
    let page = std::fs::read_to_string(page).unwrap().replace("\\-", "-");
    for reason in Reason::ALL {
        assert!(page.contains(&format!(".BR {} ", reason.code())), "{}", reason.code());
    }
}
