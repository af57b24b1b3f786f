//! Garbage, silence and crowds at the port of the statistics page.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use anyhow::{Result, ensure};

use crate::Case;
use crate::stand::Stand;
use crate::talk::{PATIENCE, Talk};

/// How many come at once.
const N_CLIENTS: usize = 500;

fn connect(stand: &Stand) -> Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, stand.stats_port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Sends bytes, and wants the page whatever they are.
fn ask(stand: &Stand, bytes: &[u8]) -> Result<()> {
    let mut stream = connect(stand)?;
    // The answer does not wait for them: it may have been given, and the server gone.
    let _ = stream.write_all(bytes);
    let mut page = Vec::new();
    let _ = stream.read_to_end(&mut page);
    let page = String::from_utf8_lossy(&page);
    ensure!(page.contains("</distccstats>"), "no page: {page}");
    Ok(())
}

fn come_and_break(stand: &Stand) -> Result<()> {
    for _ in 0..N_CLIENTS {
        Talk { stream: connect(stand)? }.reset()?;
    }
    Ok(())
}

fn come_and_stay(stand: &Stand) -> Result<()> {
    let mut guests = Vec::with_capacity(N_CLIENTS);
    for _ in 0..N_CLIENTS {
        guests.push(connect(stand)?);
    }
    ask(stand, b"GET / HTTP/1.0\r\n\r\n")
}

/// Half a request each, for a page that takes more work than 3.4's.
fn ask_half_and_stay(stand: &Stand) -> Result<()> {
    let mut guests = Vec::with_capacity(N_CLIENTS);
    for _ in 0..N_CLIENTS {
        let mut guest = connect(stand)?;
        // It may have been hung up on already.
        let _ = guest.write_all(b"GET /api/status HTTP/1.1\r\n");
        guests.push(guest);
    }
    ask(stand, b"GET / HTTP/1.0\r\n\r\n")
}

/// A page for each that nobody reads.
fn ask_and_do_not_read(stand: &Stand) -> Result<()> {
    let mut guests = Vec::with_capacity(N_CLIENTS);
    for _ in 0..N_CLIENTS {
        let mut guest = connect(stand)?;
        let _ = guest.write_all(b"GET /dashboard HTTP/1.1\r\n\r\n");
        guests.push(guest);
    }
    ask(stand, b"GET / HTTP/1.0\r\n\r\n")
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("stats::nothing", |stand| ask(stand, b"")),
        Case::new("stats::noise", |stand| ask(stand, &[0xff; 4000])),
        Case::new("stats::a_request_of_a_megabyte", |stand| ask(stand, &vec![b'x'; 1 << 20])),
        Case::new("stats::a_path_to_a_file", |stand| {
            ask(stand, b"GET /../../../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n")
        }),
        Case::new("stats::a_job", |stand| ask(stand, b"DIST00000001ARGC00000001ARGV00000002sh")),
        Case::new("stats::half_requests_that_stay", ask_half_and_stay),
        Case::new("stats::pages_that_nobody_reads", ask_and_do_not_read),
        Case::new("stats::clients_that_break", come_and_break),
        Case::new("stats::clients_that_stay", come_and_stay),
    ]
}
