//! Cells of a matrix, those with the original in all places first.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// Runs `originals`, and the others if they pass: else the tests are wrong, and ours are not judged by
/// them. `place` says where the original stood then.
pub(crate) fn run(originals: Vec<Trial>, others: Vec<Trial>, place: &str) -> ExitCode {
    let arguments = Arguments::from_args();
    if arguments.list {
        let all = originals.into_iter().chain(others).collect();
        return libtest_mimic::run(&arguments, all).exit_code();
    }
    let proof = libtest_mimic::run(&arguments, originals);
    if proof.has_failed() {
        eprintln!("the tests fail with distcc 3.4 {place}: they are wrong, ours not run");
        return proof.exit_code();
    }
    libtest_mimic::run(&arguments, others).exit_code()
}
