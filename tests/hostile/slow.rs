//! Clients that take their time: a little now and then, so that they are never silent for long.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use wire::Version;

use crate::Case;
use crate::stand::Stand;
use crate::talk::{PATIENCE, Talk, head, request, words};

/// How often a slow client sends a byte: well within the second that the server waits.
const PAUSE: Duration = Duration::from_millis(100);

const COMMAND: &str = "gcc -c a.c -o a.o";

/// Sends `quickly`, then `slowly` a byte at a time, until the server has had enough.
fn dribble(stand: &Stand, quickly: &[u8], slowly: &[u8]) -> Result<()> {
    let mut talk = Talk::connect(stand.port())?;
    talk.send(quickly);
    talk.stream.set_nonblocking(true)?;
    let start = Instant::now();
    let mut slowly = slowly.iter().cycle();
    loop {
        match talk.stream.read(&mut [0; 4096]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // It said why, or closed.
            _ => return Ok(()),
        }
        ensure!(start.elapsed() < PATIENCE, "the server waits for ever");
        if let Some(byte) = slowly.next() {
            let _ = talk.stream.write(&[*byte]);
        }
        std::thread::sleep(PAUSE);
    }
}

/// Takes a large object a little at a time, until the server has had enough: what is on its way
/// then still comes.
fn read_slowly(stand: &Stand) -> Result<()> {
    let mut talk = Talk::connect(stand.port())?;
    let source = b"const char x[48 << 20] = { 1 };\n";
    talk.send(&request(Version::V1, &words(COMMAND), source));
    let gave_up = || stand.server.log().matches("sending the object: ").count();
    let (start, n_before) = (Instant::now(), gave_up());
    while gave_up() == n_before {
        let _ = talk.stream.read(&mut [0; 128])?;
        ensure!(start.elapsed() < PATIENCE, "the server waits for ever");
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

pub(crate) fn cases() -> Vec<Case> {
    let zeros = &[b'0'; 1000];
    vec![
        Case::new("slow::nothing", |stand| dribble(stand, b"", b"")),
        Case::new("slow::version", |stand| dribble(stand, b"", b"DIST00000001")),
        Case::new("slow::count", |stand| dribble(stand, b"DIST00000001", b"ARGC00000005")),
        Case::new("slow::words", |stand| {
            dribble(stand, b"DIST00000001ARGC00000100", b"ARGV00000001x")
        }),
        Case::new("slow::word", |stand| {
            dribble(stand, b"DIST00000001ARGC00000002ARGV00010000", zeros)
        }),
        Case::new("slow::silent_before_the_source", |stand| {
            dribble(stand, &head(Version::V1, &words(COMMAND)), b"")
        }),
        Case::new("slow::source", |stand| {
            let start = [&head(Version::V1, &words(COMMAND))[..], b"DOTI00100000"].concat();
            dribble(stand, &start, zeros)
        }),
        Case::new("slow::packed_source", |stand| {
            let start = [&head(Version::V2, &words(COMMAND))[..], b"DOTI00100000"].concat();
            dribble(stand, &start, zeros)
        }),
        Case::new("slow::after_a_refusal", |stand| {
            dribble(stand, &head(Version::V1, &words("gcc -wrapper x -c a.c")), zeros)
        }),
        Case::new("slow::object", read_slowly),
    ]
}
