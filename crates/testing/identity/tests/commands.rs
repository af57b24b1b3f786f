//! As many cases as a test may take time for; `cargo xtask identity` runs more.

use identity::{Cases, Plan, Units};
use support::{Kind, World, workspace};

#[test]
fn generated_commands_leave_with_servers_what_they_leave_without() {
    check(Cases::Generated { seed: 1 }, 150, false, "identity-test");
}

#[test]
fn so_they_do_where_servers_preprocess() {
    check(Cases::Generated { seed: 2 }, 150, true, "identity-test-pump");
}

#[test]
fn so_do_sources_that_include_the_systems_headers() {
    let world = World::new();
    let code_bases = soundness::short(world.path()).expect("the packages are installed");
    let units = Units::choose(&code_bases, 24, None, Kind::Ours);
    assert_eq!(units.n_units(), 24);
    check(Cases::Units(units), 24, true, "identity-test-units");
}

fn check(cases: Cases, n_cases: usize, pump: bool, folder: &str) {
    let plan = Plan { cases, numbers: 0..n_cases, server: Kind::Ours, pump };
    let folder = workspace().join("target").join(folder);
    let summary = identity::run(&plan, &folder, &|text| eprintln!("{text}"))
        .unwrap_or_else(|error| panic!("the cases could not run: {error:#}"));
    summary.check().unwrap_or_else(|error| panic!("{error}\n{summary}"));
    assert!(summary.n_compiled_by_servers >= summary.n_remote, "{summary}");
    assert_eq!(pump, summary.n_pumped > 0, "{summary}");
}
