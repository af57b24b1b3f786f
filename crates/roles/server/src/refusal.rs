//! Why a job is not done, in words that reach the person at the client.

use std::fmt;
use std::net::IpAddr;

use wire::{Exit, Lack, Reply, Version, WaitStatus};

use crate::crowd::Full;
use crate::whitelist::Denied;

/// A refusal: distcc has no word for it, so it travels as the reply of a compiler that failed
/// with one of distcc's own codes.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) exit: Exit,
    text: String,
    hint: String,
    /// For a client that said which compiler it means, or named what was kept.
    lack: Option<Lack>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Refusal {
    pub(crate) fn new(exit: Exit, text: impl Into<String>, hint: impl Into<String>) -> Refusal {
        Refusal { exit, text: text.into(), hint: hint.into(), lack: None }
    }

    pub(crate) fn crowded(full: Full) -> Refusal {
        let text = match full {
            Full::Everybody => "too many clients are here already",
            Full::ThisAddress => "too many clients are here from your address already",
        };
        Refusal::busy(text)
    }

    /// Too much to do.
    pub(crate) fn busy(text: impl Into<String>) -> Refusal {
        Refusal::new(Exit::BUSY, text, "lower the server's limit in the host list: HOST/LIMIT")
    }

    /// Of a job that names files which were kept once.
    pub(crate) fn files_gone(n_gone: usize) -> Refusal {
        let text = format!("{n_gone} files that the job names are not kept here any more");
        let lack = Some(Lack::Files);
        Refusal { lack, ..Refusal::new(Exit::FAILED, text, "send them") }
    }

    pub(crate) fn access_denied(peer: IpAddr) -> Refusal {
        let peer = peer.to_canonical();
        Refusal::new(
            Exit::ACCESS_DENIED,
            format!("this server does not serve {peer}"),
            format!("start it with --allow {peer}, or with the network's address"),
        )
    }

    /// Of a compiler. `is_marked`: the client said which one it means.
    pub(crate) fn compiler(name: &str, denied: &Denied, is_marked: bool) -> Refusal {
        let name = name.escape_debug();
        let (text, hint) = match denied {
            Denied::NotListed { name, place, remedy } => (
                format!(
                    "the compiler `{}` is not allowed here: not in {place}",
                    name.escape_debug()
                ),
                format!("on the server: {remedy}"),
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
            Denied::OutsidePath { name, folder, path } => (
                format!(
                    "the compiler `{}` is in {}, which is not in the PATH of distccd here ({})",
                    name.escape_debug(),
                    folder.display(),
                    path.escape_debug()
                ),
                format!("on the server: start distccd with {} in its PATH", folder.display()),
            ),
            Denied::Hidden { by } => (
                format!("its name means {}, which comes first", by.display()),
                "allow it by a name that only it has, or put its folder first in PATH".to_owned(),
            ),
            Denied::Silent { path, why } => (
                format!("{} does not tell for which machine it compiles: {why}", path.display()),
                "look at it on the server: distccd --show-compilers".to_owned(),
            ),
            Denied::NoTarget { wanted, target, others } => {
                let target = target.escape_debug();
                let others = match &others[..] {
                    [] => String::new(),
                    others => format!(", but for {}", others.join(", ")),
                };
                (
                    format!("no {} for {target} may run here{others}", wanted.escape_debug()),
                    format!(
                        "on the server: install one for {target}, and allow it with \
                         update-distcc-symlinks; distccd --show-compilers shows which there are"
                    ),
                )
            }
            Denied::NoVersion { wanted, others } => {
                let (family, target, version) =
                    (wanted.family(), wanted.target(), wanted.version());
                (
                    format!(
                        "{family} for {target} is {} here, not {version}",
                        others.join(" and ")
                    ),
                    format!(
                        "on the server: install {family} {version} for {target}, and allow it with \
                         update-distcc-symlinks"
                    ),
                )
            }
        };
        let lack = match denied {
            Denied::NoTarget { .. } if is_marked => Some(Lack::Target),
            Denied::NoVersion { .. } => Some(Lack::Version),
            Denied::OutsidePath { .. } if is_marked => Some(Lack::Path),
            _ => None,
        };
        Refusal { lack, ..Refusal::new(Exit::COMPILER_MISSING, text, hint) }
    }

    /// What may be done about it; empty where nothing is to be done.
    pub(crate) fn hint(&self) -> &str {
        &self.hint
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
            stdout: self.lack.map(Lack::to_bytes).unwrap_or_default(),
            ..Reply::default()
        };
        reply.encode(version).unwrap_or_default()
    }
}
