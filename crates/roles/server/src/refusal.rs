//! Why a job is not done, in words that reach the person at the client.

use std::fmt;
use std::net::IpAddr;

use wire::{Exit, Reply, Version, WaitStatus};

use crate::whitelist::Denied;

/// A refusal: distcc has no word for it, so it travels as the reply of a compiler that failed
/// with one of distcc's own codes.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) exit: Exit,
    text: String,
    hint: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Refusal {
    pub(crate) fn new(exit: Exit, text: impl Into<String>, hint: impl Into<String>) -> Refusal {
        Refusal { exit, text: text.into(), hint: hint.into() }
    }

    pub(crate) fn access_denied(peer: IpAddr) -> Refusal {
        let peer = peer.to_canonical();
        Refusal::new(
            Exit::ACCESS_DENIED,
            format!("this server does not serve {peer}"),
            format!("start it with --allow {peer}, or with the network's address"),
        )
    }

    pub(crate) fn compiler(name: &str, denied: &Denied) -> Refusal {
        let name = name.escape_debug();
        let (text, hint) = match denied {
            Denied::NotListed { place } => (
                format!("the compiler `{name}` is not allowed here: not in {place}"),
                format!("on the server: ln -s /usr/bin/distcc /usr/lib/distcc/{name}"),
            ),
            Denied::ElsewhereNamed => (
                format!("the compiler `{name}` is not allowed here: it names a folder"),
                "call it by its name alone, and put its folder into PATH".to_owned(),
            ),
            Denied::NoList { file, error } => (
                format!("no compiler is allowed here: could not read {}: {error}", file.display()),
                "mend DISTCC_CMDLIST on the server".to_owned(),
            ),
            Denied::NotFound { path } => (
                format!("the compiler `{}` is allowed but not installed here", path.escape_debug()),
                "install it on the server, in a folder of the server's PATH".to_owned(),
            ),
        };
        Refusal::new(Exit::COMPILER_MISSING, text, hint)
    }

    /// The bytes that tell it to a client which asked in `version`.
    pub(crate) fn encode(&self, version: Version) -> Vec<u8> {
        let mut text = format!("distccd[{}] ERROR: {}\n", std::process::id(), self.text);
        if !self.hint.is_empty() {
            text.push_str(&format!("hint: {}\n", self.hint));
        }
        let reply = Reply {
            status: WaitStatus::exited(self.exit.code()),
            stderr: text.into_bytes(),
            ..Reply::default()
        };
        reply.encode(version).unwrap_or_default()
    }
}
