//! The matrix: {our client, the original} x {our server, the original} x {plain, lzo} x cases.
//!
//! Each cell compiles locally first, then the same through a client and a server, and compares
//! everything that a user can see. Where the compile ran is what recording compilers in the PATHs
//! of client and server say, not a log. The cells of the original with itself run first: if one
//! of them fails, the test is wrong, and ours are not judged by it.

mod cases;
mod cell;
mod originals_first;

use std::process::ExitCode;

use libtest_mimic::Trial;
use support::Kind;

use cases::CASES;
use cell::Cell;

fn main() -> ExitCode {
    let (originals, ours): (Vec<Cell>, Vec<Cell>) = cells().into_iter().partition(Cell::is_proof);
    let trials = |cells: Vec<Cell>| cells.into_iter().map(trial).collect();
    originals_first::run(trials(originals), trials(ours), "at both ends")
}

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for client in [Kind::Original, Kind::Ours] {
        for server in [Kind::Original, Kind::Ours] {
            for is_packed in [false, true] {
                cells.extend(CASES.iter().map(|case| Cell { client, server, is_packed, case }));
            }
        }
    }
    cells
}

fn trial(cell: Cell) -> Trial {
    Trial::test(cell.name(), move || cell.check().map_err(|error| format!("{error:#}").into()))
}
