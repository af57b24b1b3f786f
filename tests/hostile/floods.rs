//! Many at once.

use anyhow::Result;
use wire::Version;

use crate::Case;
use crate::stand::Stand;
use crate::talk::{Talk, request, words};

/// How many come at once.
const N_CLIENTS: usize = 500;

const COMMAND: &str = "gcc -c a.c -o a.o";

/// Has clients come and go.
fn come_and_go(stand: &Stand, bytes: &[u8], resets: bool) -> Result<()> {
    for _ in 0..N_CLIENTS {
        let mut talk = Talk::connect(stand.port())?;
        talk.send(bytes);
        if resets {
            talk.reset()?;
        }
    }
    Ok(())
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("floods::come_and_go", |stand| come_and_go(stand, b"", false)),
        Case::new("floods::come_and_break", |stand| come_and_go(stand, b"DIST", true)),
        Case::new("floods::jobs_of_clients_that_go", |stand| {
            come_and_go(stand, &request(Version::V1, &words(COMMAND), b"int x;\n"), true)
        }),
    ]
}
