//! The manual pages tell of the options that the programs have, and are roff without a fault.

use std::process::Command;

use packages::xtask;
use support::workspace;

#[test]
fn the_heads_of_the_options_are_those_of_the_programs() {
    xtask(&["manual", "--check"]);
}

#[test]
fn groff_has_nothing_to_say_about_the_pages() {
    let mut n_pages = 0;
    for page in std::fs::read_dir(workspace().join("docs/man")).unwrap() {
        let page = page.unwrap().path();
        // A terminal of 80 columns, as man(1) has it.
        let words = ["-ww", "-t", "-man", "-Tutf8", "-rLL=78n", "-z"];
        let output = Command::new("groff").args(words).arg(&page).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{}: {said}", page.display());
        n_pages += 1;
    }
    assert!(n_pages >= support::PROGRAMS.len());
}
