//! The short form of `cargo xtask soundness`: headers of Debian packages that every build has.

use soundness::{judge, short};
use support::World;

/// How many units of each code base.
const N_UNITS: usize = 16;

#[test]
fn what_compilers_read_of_the_systems_headers_is_in_the_closure() {
    let world = World::new();
    for code_base in short(world.path()).expect("the packages are installed") {
        judge(&code_base, N_UNITS).expect("compilers start").check().expect("nothing is missed");
    }
}
