//! How fast the way to a server is, both ways: measured by a job that is large in both directions.
//!
//! The protocol has no message for this, and needs none. The source of the job is one long string, so the
//! object is as long. *To the server*: from the first byte that is sent until its kernel has acknowledged
//! the last. *From the server*: from the first bytes of the answer to the last. The compile lies between
//! the two and is in neither, so it works with any server.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use compiler_args::WantedCompiler;
use diagnosis::{Finding, Machine, Status};
use serde_json::json;
use toolchain::CompilerName;
use transport::Connection;
use wire::{Limits, Reply, ReplyDecoder, Version};

use crate::compilers::Local;
use crate::reach::{self, Reached};

/// The first job, which tells how large the second may be.
const FIRST_BYTES: usize = 64 << 10;

/// The most that is sent one way.
const MOST_BYTES: usize = 2 << 20;

/// How long the second job should be under way one way.
const AIM: Duration = Duration::from_millis(400);

/// The longest that a job may take in all; its compile may have to wait for a slot there.
const PATIENCE: Duration = Duration::from_secs(20);

/// The pause between two looks at what is under way.
const PAUSE: Duration = Duration::from_micros(200);

/// Slower ways, in bytes a second, are told of: 20 Mbit/s. Plain mode sends a megabyte a job or so.
const SLOW: f64 = 2.5e6;

/// What was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Link {
    round_trip: Duration,
    /// Bytes a second to the server.
    to: f64,
    /// Bytes a second from it; `None`: the answer came at once.
    from: Option<f64>,
    n_bytes: usize,
}

/// Measures the way to one of `addresses`, whose server takes jobs of `compiler`. `picks`: it can be told
/// which compiler is meant. `round_trip`: how long a connection took.
///
/// # Errors
/// When a job does not end with an object.
pub(crate) fn measure(
    addresses: &[SocketAddr],
    compiler: &Local,
    picks: bool,
    round_trip: Duration,
) -> io::Result<Link> {
    let mut name = compiler.name.as_str();
    let whole = whole_name(compiler);
    let first = match (transfer(addresses, compiler, name, picks, FIRST_BYTES), &whole) {
        (Err(error), Some(whole)) => {
            name = whole;
            let again = transfer(addresses, compiler, name, picks, FIRST_BYTES);
            again.map_err(|_| error)?
        }
        (first, _) => first?,
    };
    let slower = first.from.unwrap_or(f64::MAX).min(first.to);
    let n_bytes = ((slower * AIM.as_secs_f64()) as usize).min(MOST_BYTES);
    let link = if n_bytes > FIRST_BYTES {
        transfer(addresses, compiler, name, picks, n_bytes)?
    } else {
        first
    };
    Ok(Link { round_trip: round_trip.min(first.round_trip).min(link.round_trip), ..link })
}

impl Link {
    /// How many jobs a second it lets through, each of which sends and receives so many bytes.
    pub(crate) fn jobs(&self, n_sent: u64, n_received: u64) -> f64 {
        let to = self.to / n_sent.max(1) as f64;
        self.from.map_or(to, |from| to.min(from / n_received.max(1) as f64))
    }

    /// The line of the table. `smaller`: the command that has less sent, where it is not the rule already.
    pub(crate) fn finding(&self, host: &str, smaller: Option<&str>) -> Finding {
        let from = self.from.map_or_else(|| "at once".to_owned(), shown);
        let text = format!(
            "{:.1} ms there and back; {} to it, {from} from it (a job of {} KiB each way)",
            self.round_trip.as_secs_f64() * 1e3,
            shown(self.to),
            self.n_bytes >> 10,
        );
        let data = json!({
            "round_trip_ms": self.round_trip.as_secs_f64() * 1e3,
            "bytes_per_second_to": self.to.round(),
            "bytes_per_second_from": self.from.map(f64::round),
            "measured_bytes": self.n_bytes,
        });
        let find = |status, code| Finding::of(host, "link", status, code, &text).with_data(data);
        let slower = self.from.unwrap_or(f64::MAX).min(self.to);
        match smaller {
            Some(command) if slower < SLOW => find(Status::Warning, "link-slow").mended_by(
                Machine::This,
                &[command],
                "compression has less to send; or have less preprocessed here by pump mode",
            ),
            _ => find(Status::Ok, "link"),
        }
    }
}

/// The line of a way that could not be measured.
pub(crate) fn unmeasured(host: &str, why: &str) -> Finding {
    let text = format!("its speed was not measured: {why}");
    Finding::of(host, "link", Status::Skipped, "link-unmeasured", text)
}

/// A speed as networks have them.
fn shown(bytes_per_second: f64) -> String {
    let bits = bytes_per_second * 8.0;
    if bits >= 1e9 {
        format!("{:.1} Gbit/s", bits / 1e9)
    } else {
        format!("{:.1} Mbit/s", bits / 1e6)
    }
}

/// One job with a source of about `n_bytes`.
fn transfer(
    addresses: &[SocketAddr],
    compiler: &Local,
    name: &str,
    picks: bool,
    n_bytes: usize,
) -> io::Result<Link> {
    let Reached::Open(socket, round_trip) = reach::reach(addresses) else {
        return Err(io::Error::other("no further connection"));
    };
    let connection = Connection::from_tcp(socket.into())?;
    let deadline = Instant::now() + PATIENCE;
    let left = || deadline.saturating_duration_since(Instant::now());
    let head = wire::encode_request_head(Version::V1, &command(compiler, name, picks));
    let head = head.map_err(io::Error::other)?;
    let source = source(n_bytes);
    let (mark, body) = wire::encode_source(Version::V1, &source).map_err(io::Error::other)?;
    let begun = Instant::now();
    connection.send(&[&head, &mark, &body], left())?;
    while sys::tcp::unacknowledged(connection.input())? > 0 {
        if left().is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(PAUSE);
    }
    let n_sent = head.len() + mark.len() + body.len();
    let to = n_sent as f64 / begun.elapsed().max(PAUSE).as_secs_f64();
    let (reply, from) = receive(&connection, deadline)?;
    if !reply.status.is_success() || reply.object.len() < n_bytes {
        let said = String::from_utf8_lossy(&reply.stderr);
        let line = said.lines().next().unwrap_or("no object came back").to_owned();
        return Err(io::Error::other(line));
    }
    Ok(Link { round_trip, to, from, n_bytes })
}

/// The answer, and the bytes a second at which what followed its beginning came.
fn receive(connection: &Connection, deadline: Instant) -> io::Result<(Reply, Option<f64>)> {
    let left = || deadline.saturating_duration_since(Instant::now());
    let mut decoder = ReplyDecoder::new(Version::V1, Limits::default());
    let mut buffer = vec![0; 64 << 10];
    let (mut begun, mut n_after) = (None, 0);
    loop {
        let n_bytes = connection.receive(&mut buffer, left())?;
        if n_bytes == 0 {
            return Err(io::Error::other("it hung up"));
        }
        match begun {
            None => begun = Some(Instant::now()),
            Some(_) => n_after += n_bytes,
        }
        if let Some(reply) = decoder.push(&mut &buffer[..n_bytes]).map_err(io::Error::other)? {
            let took = begun.map(|begun| begun.elapsed().max(PAUSE).as_secs_f64());
            let from = took.filter(|_| n_after > 0).map(|took| n_after as f64 / took);
            return Ok((reply, from));
        }
    }
}

/// The name with the target before it, by which a client asks first: a server may have nothing else on
/// its whitelist. `None`: it stands there already.
fn whole_name(compiler: &Local) -> Option<String> {
    let name = CompilerName::parse(&compiler.name)?;
    name.target().is_none().then(|| format!("{}-{}", compiler.about.target, compiler.name))
}

fn command(compiler: &Local, name: &str, picks: bool) -> Vec<Vec<u8>> {
    let about = &compiler.about;
    let wanted = WantedCompiler::new(&about.target, about.family.name(), &about.version);
    let wanted = wanted.filter(|_| picks).map(|wanted| wanted.to_word().into_encoded_bytes());
    let mut words = vec![name.as_bytes().to_vec()];
    words.extend(wanted);
    words.extend(
        ["-x", "cpp-output", "-c", "link.i", "-o", "link.o"].map(|w| w.as_bytes().to_vec()),
    );
    words
}

/// A source whose object is as long as it is, and which no compression makes short.
fn source(n_bytes: usize) -> Vec<u8> {
    let mut text = b"const char distcc_link[] = \"".to_vec();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    text.extend((0..n_bytes).map(|_| {
        // Xorshift, in letters that mean nothing in a string.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b'@' + (state >> 32) as u8 % 27
    }));
    text.extend_from_slice(b"\";\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_is_one_string_without_escapes() {
        let text = String::from_utf8(source(10_000)).unwrap();
        let string = text.strip_prefix("const char distcc_link[] = \"").unwrap();
        let string = string.strip_suffix("\";\n").unwrap();
        assert_eq!(string.len(), 10_000);
        assert!(string.chars().all(|c| c.is_ascii_graphic() && !"\"\\?".contains(c)), "{string}");
    }

    #[test]
    fn a_slow_way_is_told_of_where_less_can_be_sent() {
        let link = Link { to: 1e6, from: Some(1e9), n_bytes: 1 << 20, ..Link::default() };
        let finding = link.finding("red", Some("export DISTCC_HOSTS=red,lzo"));
        assert_eq!((finding.code.as_str(), finding.status), ("link-slow", Status::Warning));
        assert!(finding.text.contains("8.0 Mbit/s to it, 8.0 Gbit/s from it"), "{}", finding.text);
        assert_eq!(finding.data.clone().unwrap()["bytes_per_second_to"], 1e6);
        assert_eq!(link.finding("red", None).status, Status::Ok);
        assert_eq!(Link { to: 1e7, ..link }.finding("red", Some("x")).status, Status::Ok);
    }
}
