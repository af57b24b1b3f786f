//! A request's head, read from bytes that anybody may have sent.

use std::net::IpAddr;

/// The longest head of a request. Browsers send one or two kilobytes.
pub const MOST_HEAD_BYTES: usize = 16 << 10;

/// The longest name of a method.
const MOST_METHOD_BYTES: usize = 16;

/// What the bytes say so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It may become a request: listen on.
    NotYet,
    /// It is none, whatever follows.
    Nonsense,
    /// It is this one.
    Request(Request),
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What to do with it.
    pub method: Method,
    /// The path as it was sent, without what follows a `?`.
    pub path: String,
    /// All `Accept` lines, in small letters, with commas between.
    accept: String,
    /// What each `Host` line says.
    hosts: Vec<String>,
}

/// What to do with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Show it.
    Get,
    /// Tell what it would be.
    Head,
    /// Anything else.
    Other,
}

impl Request {
    /// Whether it is meant for this machine: by an address, which no page of others has for its name, as
    /// `localhost`, or by `own_name`, which the machine calls itself. A page of somebody else's whose name
    /// was made to lead here asks by that name (DNS rebinding).
    #[must_use]
    pub fn is_for(&self, own_name: &str) -> bool {
        let [host] = self.hosts.as_slice() else { return false };
        let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => return address.parse::<IpAddr>().is_ok(),
            None => host.split(':').next().unwrap_or_default(),
        };
        name.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || (!own_name.is_empty() && name.eq_ignore_ascii_case(own_name))
    }

    /// Whether it names this media type, in small letters, as one that it takes. Wildcards do not
    /// count: who wants a particular form says so.
    #[must_use]
    pub fn names_type(&self, media_type: &str) -> bool {
        self.accept.split(',').any(|range| {
            let mut parts = range.split(';').map(str::trim);
            parts.next() == Some(media_type) && !parts.any(is_zero_weight)
        })
    }
}

/// Whether a parameter of a media type says "not this one".
fn is_zero_weight(parameter: &str) -> bool {
    let Some(weight) = parameter.strip_prefix("q=") else { return false };
    weight.parse::<f32>().is_ok_and(|weight| weight <= 0.0)
}

/// Reads what came so far. Never panics, whatever the peer sent.
#[must_use]
pub fn hear(bytes: &[u8]) -> Heard {
    let Some(line_end) = bytes.iter().position(|byte| *byte == b'\n') else {
        return if could_begin(bytes) { Heard::NotYet } else { Heard::Nonsense };
    };
    let line = without_return(&bytes[..line_end]);
    let Some((method, path)) = request_line(line) else { return Heard::Nonsense };
    let mut accept = String::new();
    let mut hosts = Vec::new();
    let mut rest = &bytes[line_end + 1..];
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        if bytes.len() - rest.len() > MOST_HEAD_BYTES {
            return Heard::Nonsense;
        }
        let line = without_return(&rest[..end]);
        if line.is_empty() {
            return Heard::Request(Request { method, path, accept, hosts });
        }
        if let Some(value) = header(line, b"accept") {
            accept.push_str(&String::from_utf8_lossy(value).to_ascii_lowercase());
            accept.push(',');
        }
        if let Some(value) = header(line, b"host") {
            hosts.push(String::from_utf8_lossy(value).into_owned());
        }
        rest = &rest[end + 1..];
    }
    if bytes.len() > MOST_HEAD_BYTES { Heard::Nonsense } else { Heard::NotYet }
}

/// Whether a first line could begin so.
fn could_begin(bytes: &[u8]) -> bool {
    let n_letters = bytes.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    let is_method = (1..=MOST_METHOD_BYTES).contains(&n_letters);
    match bytes.get(n_letters) {
        None => n_letters <= MOST_METHOD_BYTES,
        Some(b' ') => {
            let begins_path = bytes.get(n_letters + 1).is_none_or(|byte| *byte == b'/');
            is_method && begins_path && bytes.len() <= MOST_HEAD_BYTES && is_clean(bytes)
        }
        Some(_) => false,
    }
}

/// Whether a line has no bytes but those of printed ASCII; the last may be a carriage return.
fn is_clean(line: &[u8]) -> bool {
    without_return(line).iter().all(|byte| (b' '..=b'~').contains(byte))
}

fn request_line(line: &[u8]) -> Option<(Method, String)> {
    if line.len() > MOST_HEAD_BYTES || !is_clean(line) {
        return None;
    }
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() || !matches!(version, "HTTP/1.0" | "HTTP/1.1") {
        return None;
    }
    let is_method = (1..=MOST_METHOD_BYTES).contains(&method.len())
        && method.bytes().all(|byte| byte.is_ascii_uppercase());
    if !is_method || !target.starts_with('/') {
        return None;
    }
    let method = match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        _ => Method::Other,
    };
    let path = target.split(['?', '#']).next().unwrap_or_default();
    Some((method, path.to_owned()))
}

/// The value of a header of this name, in small letters.
fn header<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    line[..colon].eq_ignore_ascii_case(name).then(|| line[colon + 1..].trim_ascii())
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn request(text: &str) -> Request {
        match hear(text.as_bytes()) {
            Heard::Request(request) => request,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn a_request_is_its_method_its_path_and_what_it_takes() {
        let asked = request(
            "GET /metrics?name=x HTTP/1.1\r\nHost: a\r\naccept: Text/HTML;q=0.5, text/css ; q=0\r\n\
             Accept: application/json\r\n\r\n",
        );
        assert_eq!((asked.method, asked.path.as_str()), (Method::Get, "/metrics"));
        assert!(asked.names_type("text/html") && asked.names_type("application/json"));
        assert!(!asked.names_type("text/css") && !asked.names_type("text/plain"));
        assert!(!request("GET / HTTP/1.0\r\nAccept: */*\r\n\r\n").names_type("text/html"));
        assert_eq!(request("HEAD / HTTP/1.0\n\n").method, Method::Head);
        assert_eq!(request("DELETE / HTTP/1.1\r\n\r\n").method, Method::Other);
    }

    #[test]
    fn a_request_is_for_this_machine_by_its_own_names() {
        let is_own =
            |hosts: &str| request(&format!("GET / HTTP/1.1\r\n{hosts}\r\n\r\n")).is_for("tower");
        for host in ["127.0.0.1:3634", "localhost:1", "[::1]:3634", "Tower:3634", "10.0.0.1"] {
            assert!(is_own(&format!("Host: {host}")), "{host}");
        }
        for hosts in [
            "Host: evil.example",
            "Host: localhost.evil.example",
            "Host: ::1",
            "Host:",
            "Accept: x",
            "Host: localhost\r\nHost: localhost",
        ] {
            assert!(!is_own(hosts), "{hosts}");
        }
    }

    #[test]
    fn what_is_no_request_is_known_at_once() {
        for text in [
            "x",
            "DIST00000001ARGC",
            "GET\t/ HTTP/1.0",
            "GET metrics",
            "GET /\n",
            "GET / HTTP/2.0\r\n",
            "GET /a b HTTP/1.0\r\n",
            "GET /\u{1b}",
            "GET /\u{e4}",
            "ABCDEFGHIJKLMNOPQ",
            "\r\n",
            "\x16\x03\x01",
        ] {
            assert_eq!(hear(text.as_bytes()), Heard::Nonsense, "{text:?}");
        }
    }

    #[test]
    fn a_head_without_end_is_listened_to_for_so_long_only() {
        let line = format!("GET /{}", "a".repeat(MOST_HEAD_BYTES));
        assert_eq!(hear(line.as_bytes()), Heard::Nonsense);
        assert_eq!(hear(&line.as_bytes()[..MOST_HEAD_BYTES]), Heard::NotYet);
        let head = format!("GET / HTTP/1.1\r\n{}", "a: b\r\n".repeat(MOST_HEAD_BYTES / 6));
        assert_eq!(hear(head.as_bytes()), Heard::Nonsense);
        assert_eq!(hear(&head.as_bytes()[..MOST_HEAD_BYTES]), Heard::NotYet);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = hear(&bytes);
        }

        #[test]
        fn no_host_makes_it_panic(host in "[\\[\\]:.a-f0-9é]{0,12}", name in "[a-f]{0,3}") {
            let asked = request(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            let _ = asked.is_for(&name);
        }

        #[test]
        fn a_request_in_pieces_is_the_same_request(
            path in "/[a-z/.]{0,20}",
            accept in "[a-z/,;=0-9 ]{0,30}",
        ) {
            let text = format!("GET {path} HTTP/1.1\r\nAccept: {accept}\r\n\r\n");
            for n_bytes in 0..text.len() {
                prop_assert_eq!(hear(&text.as_bytes()[..n_bytes]), Heard::NotYet);
            }
            prop_assert_eq!(request(&text).path, path);
        }
    }
}
