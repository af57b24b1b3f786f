//! As many cases as a test may take time for; `cargo xtask identity` runs more.

use identity::Plan;
use support::{Kind, workspace};

#[test]
fn generated_commands_leave_with_servers_what_they_leave_without() {
    let plan = Plan { seed: 1, cases: 0..150, server: Kind::Ours };
    let folder = workspace().join("target/identity-test");
    let summary = identity::run(&plan, &folder, &|text| eprintln!("{text}"))
        .unwrap_or_else(|error| panic!("the cases could not run: {error:#}"));
    summary.check().unwrap_or_else(|error| panic!("{error}\n{summary}"));
    assert!(summary.n_compiled_by_servers >= summary.n_remote, "{summary}");
}
