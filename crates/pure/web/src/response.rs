//! An answer, as bytes.

use std::borrow::Cow;

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Here it is.
    Ok,
    /// There is nothing to show.
    NoContent,
    /// That is no request.
    BadRequest,
    /// There is no such page.
    NotFound,
    /// The page can be looked at, and nothing else.
    MethodNotAllowed,
    /// It is not who the request is meant for.
    Misdirected,
    /// Not now.
    Unavailable,
}

impl Status {
    fn line(self) -> &'static str {
        match self {
            Status::Ok => "200 OK",
            Status::NoContent => "204 No Content",
            Status::BadRequest => "400 Bad Request",
            Status::NotFound => "404 Not Found",
            Status::MethodNotAllowed => "405 Method Not Allowed",
            Status::Misdirected => "421 Misdirected Request",
            Status::Unavailable => "503 Service Unavailable",
        }
    }
}

/// A page to answer with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// How it went.
    pub status: Status,
    /// What the body is, for `Content-Type`.
    pub media_type: &'static str,
    /// Where a browser may get more from, for `Content-Security-Policy`.
    pub policy: Cow<'static, str>,
    /// The page.
    pub body: Vec<u8>,
}

/// For what is no page of a browser's: it gets nothing from anywhere, and shows nothing.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

impl Response {
    /// An answer that is no page of a browser's.
    #[must_use]
    pub fn new(status: Status, media_type: &'static str, body: impl Into<Vec<u8>>) -> Response {
        Response { status, media_type, policy: NOTHING.into(), body: body.into() }
    }

    /// A line of plain text.
    #[must_use]
    pub fn line(status: Status, text: &str) -> Response {
        Response::new(status, "text/plain; charset=utf-8", format!("{text}\n"))
    }

    /// The whole answer. `with_body`: the body too, which who asks for the head does not get.
    #[must_use]
    pub fn encode(&self, with_body: bool) -> Vec<u8> {
        let mut bytes = self.head(Some(self.body.len()));
        if with_body {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }

    /// The beginning of an answer without end: what follows is sent as it comes, behind the body.
    #[must_use]
    pub fn encode_beginning(&self) -> Vec<u8> {
        [self.head(None), self.body.clone()].concat()
    }

    fn head(&self, n_bytes: Option<usize>) -> Vec<u8> {
        let Response { status, media_type, policy, .. } = self;
        let length = n_bytes.map(|n_bytes| format!("Content-Length: {n_bytes}\r\n"));
        let mut head = format!(
            "HTTP/1.1 {}\r\nContent-Type: {media_type}\r\n{}\
             Cache-Control: no-store\r\nConnection: close\r\n\
             Content-Security-Policy: {policy}\r\nReferrer-Policy: no-referrer\r\n\
             Cross-Origin-Resource-Policy: same-origin\r\nX-Content-Type-Options: nosniff\r\n",
            status.line(),
            length.unwrap_or_default()
        );
        if *status == Status::MethodNotAllowed {
            head.push_str("Allow: GET, HEAD\r\n");
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_tells_the_length_also_without_the_body() {
        let response = Response::line(Status::MethodNotAllowed, "no");
        let [whole, head] =
            [true, false].map(|with_body| String::from_utf8(response.encode(with_body)).unwrap());
        assert_eq!(whole, format!("{head}no\n"));
        assert!(head.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{head}");
        assert!(head.contains("\r\nContent-Length: 3\r\n"), "{head}");
        assert!(head.contains("\r\nAllow: GET, HEAD\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        let beginning = String::from_utf8(response.encode_beginning()).unwrap();
        assert!(beginning.ends_with("\r\n\r\nno\n") && !beginning.contains("Content-Length"));
    }
}
