//! As many cases as a test may take time for; `cargo xtask identity` runs more.

use identity::Plan;
use support::{Kind, workspace};

#[test]
fn generated_commands_leave_with_servers_what_they_leave_without() {
    check(&Plan { seed: 1, cases: 0..150, server: Kind::Ours, pump: false }, "identity-test");
}

#[test]
fn so_they_do_where_servers_preprocess() {
    check(&Plan { seed: 2, cases: 0..150, server: Kind::Ours, pump: true }, "identity-test-pump");
}

fn check(plan: &Plan, folder: &str) {
    let folder = workspace().join("target").join(folder);
    let summary = identity::run(plan, &folder, &|text| eprintln!("{text}"))
        .unwrap_or_else(|error| panic!("the cases could not run: {error:#}"));
    summary.check().unwrap_or_else(|error| panic!("{error}\n{summary}"));
    assert!(summary.n_compiled_by_servers >= summary.n_remote, "{summary}");
    assert_eq!(plan.pump, summary.n_pumped > 0, "{summary}");
}
