//! What a browser asks for.

use std::net::IpAddr;

/// The most bytes of a request's head. Ours are a few hundred.
pub(super) const MOST_HEAD_BYTES: usize = 8 << 10;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Page,
    /// Snapshots, one after the other.
    Events,
    /// One snapshot.
    Snapshot,
    /// The jobs of the build as intervals.
    Timeline,
    /// The picture that browsers ask for by themselves: there is none.
    Icon,
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is no HTTP, or none of ours.
    Bad,
    /// It asks by a name that is not ours, as a page of somebody else's would whose name was made to
    /// lead here (DNS rebinding).
    ForeignHost,
    NotFound,
    NotGet,
    TooLong,
    /// There are too many already.
    Busy,
}

impl Refusal {
    /// The status line's number and words.
    pub(super) fn status(self) -> &'static str {
        match self {
            Refusal::Bad => "400 Bad Request",
            Refusal::ForeignHost => "421 Misdirected Request",
            Refusal::NotFound => "404 Not Found",
            Refusal::NotGet => "405 Method Not Allowed",
            Refusal::TooLong => "431 Request Header Fields Too Large",
            Refusal::Busy => "503 Service Unavailable",
        }
    }
}

/// Where the empty line behind the head ends, once it is there.
pub(super) fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|index| index + 4)
}

/// Reads a request's head, its empty line included. `own_name` is what this machine calls itself.
///
/// # Errors
/// Why it is not answered.
pub(super) fn read(head: &[u8], own_name: &str) -> Result<Asked, Refusal> {
    let head = std::str::from_utf8(head).map_err(|_| Refusal::Bad)?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Refusal::Bad);
    };
    if !matches!(version, "HTTP/1.1" | "HTTP/1.0") {
        return Err(Refusal::Bad);
    }
    let mut host = None;
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or(Refusal::Bad)?;
        if name.eq_ignore_ascii_case("host") && host.replace(value.trim()).is_some() {
            return Err(Refusal::Bad);
        }
    }
    if method != "GET" {
        return Err(Refusal::NotGet);
    }
    if !is_own(host.ok_or(Refusal::Bad)?, own_name) {
        return Err(Refusal::ForeignHost);
    }
    match target {
        "/" => Ok(Asked::Page),
        "/events" => Ok(Asked::Events),
        "/snapshot" => Ok(Asked::Snapshot),
        "/timeline" => Ok(Asked::Timeline),
        "/favicon.ico" => Ok(Asked::Icon),
        _ => Err(Refusal::NotFound),
    }
}

/// Whether a `Host:` names this machine: by an address, which no foreign page has for its name, as
/// `localhost`, or as it calls itself.
fn is_own(host: &str, own_name: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => return address.parse::<IpAddr>().is_ok(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || (!own_name.is_empty() && name.eq_ignore_ascii_case(own_name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(head: &str, expected: Result<Asked, Refusal>) {
        let head = format!("{}\r\n\r\n", head.replace('\n', "\r\n"));
        assert_eq!(head_length(head.as_bytes()), Some(head.len()));
        assert_eq!(read(head.as_bytes(), "tower"), expected, "{head}");
    }

    #[test]
    fn there_are_a_page_and_what_it_asks_for() {
        check("GET / HTTP/1.1\nHost: 127.0.0.1:3634", Ok(Asked::Page));
        check("GET /events HTTP/1.1\nAccept: x\nhost: localhost:1", Ok(Asked::Events));
        check("GET /timeline HTTP/1.0\nHost: [::1]:3634", Ok(Asked::Timeline));
        check("GET /snapshot HTTP/1.1\nHost: Tower:3634", Ok(Asked::Snapshot));
        check("GET /../etc/passwd HTTP/1.1\nHost: ::1", Err(Refusal::ForeignHost));
        check("GET /../etc/passwd HTTP/1.1\nHost: 10.0.0.1", Err(Refusal::NotFound));
    }

    #[test]
    fn whatever_is_not_ours_is_refused() {
        check("POST / HTTP/1.1\nHost: localhost", Err(Refusal::NotGet));
        check("GET / HTTP/1.1\nHost: evil.example", Err(Refusal::ForeignHost));
        check("GET / HTTP/1.1\nHost: localhost.evil.example", Err(Refusal::ForeignHost));
        check("GET / HTTP/1.1", Err(Refusal::Bad));
        check("GET / HTTP/1.1\nHost: localhost\nHost: localhost", Err(Refusal::Bad));
        check("GET / HTTP/2.0\nHost: localhost", Err(Refusal::Bad));
        check("DIST00000001ARGC", Err(Refusal::Bad));
        assert_eq!(read(b"\xff\xfe\r\n\r\n", ""), Err(Refusal::Bad));
        assert_eq!(head_length(b"GET / HTTP/1.1\r\n"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (head_length(&bytes), read(&bytes, "tower"));
        }

        #[test]
        fn no_host_makes_it_panic(host in "[\\[\\]:.a-f0-9é]{0,12}", name in "[a-f]{0,3}") {
            let _ = is_own(&host, &name);
        }
    }
}
