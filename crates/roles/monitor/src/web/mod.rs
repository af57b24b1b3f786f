//! `distccmon` in a browser: one page, and the snapshots that it shows, by server-sent events.
//!
//! Nobody is trusted: requests have a limit of size and time, connections one of number, and what
//! is read from a peer decides about nothing but which of five answers it gets. The page's own
//! script and style are all that it may run (Content-Security-Policy, with a number used once).

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use statedir::{Place, Record};
use web::{Heard, Method, Request, Response, Status, hear};

use crate::gather::Gatherer;
use crate::live::complain;
use crate::trace::Tracks;
use crate::{clean, json};

/// The port that is taken unless another is named; the next to distccd's two.
const DEFAULT_PORT: u16 = 3634;

/// The most connections at once.
const MOST_CONNECTIONS: usize = 32;

/// How long a request may take to arrive, and an answer to be taken.
const LONGEST_REQUEST: Duration = Duration::from_secs(5);
const LONGEST_ANSWER: Duration = Duration::from_secs(10);

/// How long events go on over one connection: the browser makes another.
const LONGEST_EVENTS: Duration = Duration::from_secs(3600);

/// Between two events something is sent after this, to notice that nobody listens.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The most jobs of a timeline: the last ones.
const MOST_JOBS: usize = 2000;

const JSON: &str = "application/json";

/// What all connections show.
struct Shown {
    now: Mutex<Now>,
    changed: Condvar,
    n_connections: AtomicUsize,
    own_name: String,
}

#[derive(Clone, Default)]
struct Now {
    version: u64,
    snapshot: Arc<str>,
    timeline: Arc<str>,
}

/// Reads where to listen: an address, a port, or both. `None`: the usual place.
///
/// # Errors
/// When it is neither.
pub(crate) fn address(word: Option<&str>) -> Result<Option<SocketAddr>, String> {
    let Some(word) = word else { return Ok(None) };
    let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
    let at = |ip: IpAddr, port: u16| Ok(Some(SocketAddr::new(ip, port)));
    if let Ok(port) = word.parse() {
        return at(loopback, port);
    }
    if let Ok(ip) = word.parse() {
        return at(ip, DEFAULT_PORT);
    }
    if let Ok(address) = word.parse::<SocketAddr>() {
        return Ok(Some(address));
    }
    match word.split_once(':') {
        None if word == "localhost" => at(loopback, DEFAULT_PORT),
        Some(("localhost", port)) if port.parse::<u16>().is_ok() => {
            at(loopback, port.parse().unwrap_or(DEFAULT_PORT))
        }
        _ => Err(format!("`{word}` is no ADDRESS, PORT or ADDRESS:PORT to listen on")),
    }
}

/// Listens and serves until the process is ended.
///
/// # Errors
/// When nobody can listen there, or the state folder cannot be read at first.
pub(crate) fn run(
    gatherer: &mut Gatherer,
    interval: Duration,
    address: Option<SocketAddr>,
) -> io::Result<()> {
    let listener = listen(address)?;
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        let text = format!(
            "whoever reaches {address} sees which files are compiled, and where; without an \
             address only this machine does"
        );
        complain("Warning", &text);
    }
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let shown = Arc::new(Shown {
        now: Mutex::default(),
        changed: Condvar::new(),
        n_connections: AtomicUsize::new(0),
        own_name: name,
    });
    shown.look(gatherer)?;
    writeln!(io::stdout(), "http://{address}/")?;
    io::stdout().flush()?;
    let accepting = Arc::clone(&shown);
    std::thread::Builder::new().spawn(move || accept(&listener, &accepting))?;
    let mut trouble = None;
    loop {
        std::thread::sleep(interval);
        let seen = shown.look(gatherer).map_err(|error| error.to_string()).err();
        if let Some(text) = seen.as_ref().filter(|_| seen != trouble) {
            complain("Warning", &format!("could not look at jobs: {text}"));
        }
        trouble = seen;
    }
}

/// Listens where it is asked to; else at the usual port, or where that is taken at a free one.
fn listen(address: Option<SocketAddr>) -> io::Result<TcpListener> {
    let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
    let usual = SocketAddr::new(loopback, DEFAULT_PORT);
    let asked = address.unwrap_or(usual);
    match TcpListener::bind(asked) {
        Err(error) if address.is_none() && error.kind() == io::ErrorKind::AddrInUse => {
            TcpListener::bind(SocketAddr::new(loopback, 0))
        }
        bound => bound.map_err(|error| {
            io::Error::new(error.kind(), format!("could not listen on {asked}: {error}"))
        }),
    }
}

impl Shown {
    /// Looks at everything, and has it shown.
    fn look(&self, gatherer: &mut Gatherer) -> io::Result<()> {
        let snapshot = gatherer.look()?;
        for doubt in gatherer.take_doubts() {
            complain("Warning", &doubt);
        }
        let snapshot = json::of(&snapshot).to_string().into();
        let timeline = timeline(gatherer.records()).to_string().into();
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now = Now { version: now.version + 1, snapshot, timeline };
        self.changed.notify_all();
        Ok(())
    }

    fn now(&self) -> Now {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is shown once it is no longer of that version, or a heartbeat later.
    fn after(&self, version: u64) -> Now {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(now, HEARTBEAT, |now| now.version == version);
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}

/// The last jobs of a build as intervals: track, begin and length in seconds, file, code.
fn timeline(records: &[Record]) -> Value {
    let n_left_out = records.len().saturating_sub(MOST_JOBS);
    let tracks = Tracks::of(&records[n_left_out..]);
    let names = tracks.names.iter().enumerate().map(|(index, (process, thread))| {
        let on_track = tracks.spans.iter().find(|span| span.track == index);
        let is_here = on_track.is_some_and(|span| span.record.place == Place::Here);
        json!({ "name": format!("{process} {thread}"), "here": is_here })
    });
    let jobs = tracks.spans.iter().map(|span| {
        json!([
            span.track,
            span.began.as_secs_f64(),
            span.took.as_secs_f64(),
            clean::name(&span.record.source),
            clean::text(&span.record.code),
        ])
    });
    json!({
        "tracks": names.collect::<Vec<_>>(),
        "jobs": jobs.collect::<Vec<_>>(),
        "left_out": n_left_out,
    })
}

/// Accepts for ever, a thread a connection, as many as there may be.
fn accept(listener: &TcpListener, shown: &Arc<Shown>) {
    loop {
        let Ok((stream, _)) = listener.accept() else {
            // Out of descriptors: those that are served give theirs back.
            std::thread::sleep(Duration::from_millis(100));
            continue;
        };
        if shown.n_connections.fetch_add(1, Ordering::AcqRel) >= MOST_CONNECTIONS {
            shown.n_connections.fetch_sub(1, Ordering::AcqRel);
            // It fits into the new connection's buffer, or is not sent.
            let _ = stream.set_nonblocking(true);
            let _ =
                (&stream).write(&Response::line(Status::Unavailable, "too many ask").encode(true));
            continue;
        }
        let served = Served { shown: Arc::clone(shown) };
        // Where there can be no thread, the connection and its place end here.
        let _ = std::thread::Builder::new().spawn(move || {
            let _ = answer(stream, &served.shown);
        });
    }
}

/// A place among the connections, given back by dropping it.
struct Served {
    shown: Arc<Shown>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.shown.n_connections.fetch_sub(1, Ordering::AcqRel);
    }
}

fn answer(mut stream: TcpStream, shown: &Shown) -> io::Result<()> {
    let asked = read_request(&mut stream)?;
    let with_body = asked.as_ref().is_none_or(|asked| asked.method != Method::Head);
    let response = match asked {
        None => Response::line(Status::BadRequest, "that is no request"),
        Some(asked) if asked.method == Method::Other => {
            Response::line(Status::MethodNotAllowed, "pages can be looked at, and no more")
        }
        Some(asked) if !asked.is_for(&shown.own_name) => {
            Response::line(Status::Misdirected, "ask by the address, or as localhost")
        }
        Some(asked) => match asked.path.as_str() {
            "/" => page()?,
            "/events" => return send_events(&mut stream, shown),
            "/snapshot" => Response::new(Status::Ok, JSON, shown.now().snapshot.as_bytes()),
            "/timeline" => Response::new(Status::Ok, JSON, shown.now().timeline.as_bytes()),
            // Browsers ask for it by themselves.
            "/favicon.ico" => Response::new(Status::NoContent, "text/plain", ""),
            _ => Response::line(Status::NotFound, "there is no such page"),
        },
    };
    send(&mut stream, &response.encode(with_body))?;
    stream.shutdown(std::net::Shutdown::Write)
}

/// Reads a request; `None` where it is none.
fn read_request(stream: &mut TcpStream) -> io::Result<Option<Request>> {
    let deadline = Instant::now() + LONGEST_REQUEST;
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    loop {
        stream.set_read_timeout(Some(left(deadline)?))?;
        let n_read = stream.read(&mut piece)?;
        if n_read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(&piece[..n_read]);
        match hear(&head) {
            Heard::NotYet => {}
            Heard::Nonsense => return Ok(None),
            Heard::Request(request) => return Ok(Some(request)),
        }
    }
}

/// Sends all of it, if the peer takes it in time.
fn send(stream: &mut TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    let deadline = Instant::now() + LONGEST_ANSWER;
    while !bytes.is_empty() {
        stream.set_write_timeout(Some(left(deadline)?))?;
        match stream.write(bytes)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            n_sent => bytes = &bytes[n_sent..],
        }
    }
    Ok(())
}

/// What is left until then.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// Sends each snapshot from now on.
fn send_events(stream: &mut TcpStream, shown: &Shown) -> io::Result<()> {
    let until = Instant::now() + LONGEST_EVENTS;
    let response = Response::new(Status::Ok, "text/event-stream", "");
    send(stream, &response.encode_beginning())?;
    let mut sent = 0;
    while Instant::now() < until {
        let now = shown.after(sent);
        if now.version == sent {
            send(stream, b":\n\n")?;
        } else {
            sent = now.version;
            let event = format!("retry: 1000\nevent: snapshot\ndata: {}\n\n", now.snapshot);
            send(stream, event.as_bytes())?;
        }
    }
    Ok(())
}

/// The page. Its script and its style are run because they have this answer's number.
fn page() -> io::Result<Response> {
    let mut random = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    let nonce: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let page = include_str!("page.html")
        .replace("@STYLE@", include_str!("page.css"))
        .replace("@SCRIPT@", include_str!("page.js"))
        .replace("@NONCE@", &nonce);
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let response = Response::new(Status::Ok, "text/html; charset=utf-8", page);
    Ok(Response { policy: policy.into(), ..response })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_an_address_a_port_or_both() {
        let read = |word| address(Some(word)).map(|address| address.unwrap().to_string());
        assert_eq!(address(None), Ok(None));
        for (word, expected) in [
            ("8000", "127.0.0.1:8000"),
            ("0.0.0.0", "0.0.0.0:3634"),
            ("10.0.0.1:80", "10.0.0.1:80"),
            ("[::1]:80", "[::1]:80"),
            ("::1", "[::1]:3634"),
            ("localhost", "127.0.0.1:3634"),
            ("localhost:0", "127.0.0.1:0"),
        ] {
            assert_eq!(read(word).as_deref(), Ok(expected), "{word}");
        }
        for word in ["", "tower", "tower:80", "70000", "localhost:x", ":80"] {
            assert!(read(word).is_err(), "{word}");
        }
    }

    #[test]
    fn the_page_runs_its_own_script_alone_and_makes_no_markup_of_texts() {
        let text = || String::from_utf8(page().unwrap().encode(true)).unwrap();
        let (one, other) = (text(), text());
        assert_ne!(one, other, "the number is used once");
        assert!(!one.contains("unsafe-") && !one.contains("@NONCE@"));
        let script = include_str!("page.js");
        for word in ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval("] {
            assert!(!script.contains(word), "{word}");
        }
    }

    #[test]
    fn a_timeline_is_bounded() {
        let records: Vec<Record> = (0..3000).map(|_| Record::default()).collect();
        let timeline = timeline(&records);
        assert_eq!(timeline["jobs"].as_array().unwrap().len(), MOST_JOBS);
        assert_eq!(timeline["left_out"], 1000);
    }
}
