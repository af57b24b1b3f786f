//! Generated trees: nothing that a compiler reads is missed, and a copy with the closure alone is
//! read as the whole tree is.

use soundness::{Judge, Outcome, torture};
use support::World;

/// How many trees; each is judged with both compilers.
const N_TREES: u64 = 100;

#[test]
fn a_copy_with_the_closure_alone_is_read_as_the_whole_tree_is() {
    let count = |compiler: &'static str| {
        let mut counts = [0_usize; 3];
        let mut failures = Vec::new();
        let (world, mut judge) = (World::new(), Judge::default());
        for seed in 0..N_TREES {
            match torture(seed, compiler, world.path(), &mut judge) {
                Ok(Outcome::Same) => counts[0] += 1,
                Ok(Outcome::Doubted) => counts[1] += 1,
                Ok(Outcome::NotCompiled) => counts[2] += 1,
                Err(failure) => failures.push(format!("{failure:#}")),
            }
        }
        assert!(failures.is_empty(), "{} trees:\n{}", failures.len(), failures.join("\n"));
        let [same, doubted, not_compiled] = counts;
        assert!(
            same > 9 * (doubted + not_compiled),
            "{compiler}: {same} same, {doubted} doubted, {not_compiled} do not compile"
        );
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| count("clang"));
        count("gcc");
        if let Err(panic) = other.join() {
            std::panic::resume_unwind(panic);
        }
    });
}
