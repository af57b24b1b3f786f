//! Many at once.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use wire::Version;

use crate::Case;
use crate::stand::Stand;
use crate::talk::{Talk, head, request, words};

/// How many come at once.
const N_CLIENTS: usize = 500;

/// How long somebody else's job may take meanwhile.
const WHILE_FLOODED: Duration = Duration::from_secs(40);

const COMMAND: &str = "gcc -c a.c -o a.o";

/// Has many clients send these bytes and stay, then one from elsewhere do its job.
fn flood(stand: &Stand, bytes: &[u8]) -> Result<()> {
    flood_and(stand, bytes, Stand::check_good_job_over)
}

/// The same where the machine cannot do another's job as well: it has to say so.
fn flood_and_answer(stand: &Stand, bytes: &[u8]) -> Result<()> {
    flood_and(stand, bytes, Stand::check_answered_over)
}

fn flood_and(stand: &Stand, bytes: &[u8], do_job: fn(&Stand, Talk) -> Result<()>) -> Result<()> {
    let mut clients = Vec::with_capacity(N_CLIENTS);
    for _ in 0..N_CLIENTS {
        let mut talk = Talk::connect(stand.port())?;
        talk.stream.set_write_timeout(Some(Duration::from_millis(200)))?;
        talk.send(bytes);
        clients.push(talk);
    }
    let start = Instant::now();
    do_job(stand, Talk::connect_from(Ipv4Addr::new(127, 0, 0, 2), stand.port())?)?;
    ensure!(start.elapsed() < WHILE_FLOODED, "another's job took {:?}", start.elapsed());
    drop(clients);
    Ok(())
}

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

/// Where the system gives few threads and descriptors.
pub(crate) fn cramped_cases() -> Vec<Case> {
    vec![
        Case::new("floods::silent_clients", |stand| flood_and_answer(stand, b"")),
        Case::new("floods::whole_jobs", |stand| {
            flood_and_answer(stand, &request(Version::V1, &words(COMMAND), b"int x;\n"))
        }),
    ]
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("floods::silent_clients", |stand| flood(stand, b"")),
        Case::new("floods::clients_that_name_a_version", |stand| flood(stand, b"DIST00000002")),
        Case::new("floods::clients_without_a_source", |stand| {
            flood(stand, &head(Version::V1, &words(COMMAND)))
        }),
        Case::new("floods::noise", |stand| flood(stand, &[0xff; 100])),
        Case::new("floods::refused_commands", |stand| {
            flood(stand, &request(Version::V1, &words("gcc -wrapper x -c a.c"), b"int x;\n"))
        }),
        Case::new("floods::whole_jobs", |stand| {
            flood(stand, &request(Version::V1, &words(COMMAND), b"int x;\n"))
        }),
        Case::new("floods::halves_of_large_sources", |stand| {
            let mut bytes = head(Version::V1, &words(COMMAND));
            bytes.extend(b"DOTI08000000");
            bytes.extend(vec![b' '; 64 << 10]);
            flood(stand, &bytes)
        }),
        Case::new("floods::come_and_go", |stand| come_and_go(stand, b"", false)),
        Case::new("floods::come_and_break", |stand| come_and_go(stand, b"DIST", true)),
        Case::new("floods::jobs_of_clients_that_go", |stand| {
            come_and_go(stand, &request(Version::V1, &words(COMMAND), b"int x;\n"), true)
        }),
    ]
}
