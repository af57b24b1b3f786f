//! The page for people: one file that gets everything else from `/api/status`.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};
use web::{Response, Status};

const PAGE: &str = include_str!("dashboard.html");

/// The page's own style and script may be used, by their digests, and nothing else: neither what
/// somebody else brings into it nor what a browser finds elsewhere.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let digest = |element| base64(&Sha256::digest(inner(element)));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
        digest("style"),
        digest("script")
    )
});

pub(super) fn page() -> Response {
    let response = Response::new(Status::Ok, "text/html; charset=utf-8", PAGE);
    Response { policy: POLICY.as_str().into(), ..response }
}

/// What stands in the only element of this name.
fn inner(element: &str) -> &'static str {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let rest = PAGE.split_once(&open).map_or("", |(_, rest)| rest);
    rest.split_once(&close).map_or("", |(inner, _)| inner)
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        let bits = bits << (8 * (3 - three.len()));
        for index in 0..4 {
            let letter = LETTERS[bits >> (18 - 6 * index) & 63];
            text.push(if index <= three.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        let cases =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (plain, encoded) in cases {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn the_page_is_self_contained_and_writes_text_alone() {
        assert!(inner("style").len() > 100 && inner("script").len() > 100);
        assert_eq!(PAGE.matches("<script").count(), 1);
        for word in [
            "http:",
            "https:",
            "innerHTML",
            "outerHTML",
            "insertAdjacent",
            "document.write",
            "eval(",
            " style=",
            " src=",
            "onclick",
        ] {
            let page = PAGE.replace("http://www.w3.org/2000/svg", "");
            assert!(!page.contains(word), "{word}");
        }
    }
}
