//! From a host's name to a connection: by the addresses that the name had a moment ago, else by those
//! that it has now.
//!
//! Who knows the latter is a matter of how the program was linked. A static glibc loads its name
//! services at run time, and only the very glibc that it was built with fits, so a client that is
//! linked statically asks a program: our agent's, which knows what the system's resolver knows, or
//! where that one is missing, `getent`.

use std::io;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, SystemTime};

use statedir::StateDir;
use transport::{Attempt, ConnectError, Connection, address_from_text, address_to_text};

use crate::dated;

/// How long the addresses of a name are remembered: a build with hosts given by name is spared nearly
/// all look-ups, and a machine that moves is lost for no more than this, if another takes its address.
const HOLDS: Duration = Duration::from_secs(60);

/// The most addresses of a name.
const MOST_ADDRESSES: usize = 16;

/// The most that a program that looks up names may answer, in bytes.
const MOST_ANSWERED: usize = 16 << 10;

/// The most that is shown of why it has no answer, in characters.
const MOST_SHOWN: usize = 200;

/// How long to wait for the exit status of a program that has closed its output.
const END_PATIENCE: Duration = Duration::from_secs(1);

/// The exit status of our agent for a name without addresses.
const NO_ADDRESS: i32 = 1;

/// Who looks up names.
#[derive(Clone, Copy, Debug)]
pub struct LookUp(How);

#[derive(Clone, Copy, Debug)]
enum How {
    /// A pointer, so that a program that does not name it does not link the resolver.
    Inside(fn(&str, &mut Attempt<'_>) -> Result<Vec<SocketAddr>, ConnectError>),
    Outside,
}

impl LookUp {
    /// A program beside us, or `getent`: for a client that is linked statically with glibc.
    pub const OUTSIDE: LookUp = LookUp(How::Outside);

    /// The system's resolver in this process.
    #[must_use]
    pub fn inside() -> LookUp {
        LookUp(How::Inside(transport::look_up))
    }

    fn addresses(
        self,
        name: &str,
        attempt: &mut Attempt<'_>,
    ) -> Result<Vec<SocketAddr>, ConnectError> {
        let mut addresses = match self.0 {
            How::Inside(look_up) => look_up(name, attempt)?,
            How::Outside => look_up_outside(name, attempt)?,
        };
        addresses.truncate(MOST_ADDRESSES);
        if addresses.is_empty() {
            return Err(no_address("the name has no address"));
        }
        Ok(addresses)
    }
}

/// Connects to `host`, a name or an address, trying its addresses in the resolver's order.
pub(crate) fn connect(
    host: &str,
    port: u16,
    look_up: LookUp,
    state: Option<&StateDir>,
    attempt: &mut Attempt<'_>,
) -> Result<Connection, ConnectError> {
    let at = |addresses: &[SocketAddr]| -> Vec<SocketAddr> {
        let mut addresses = addresses.to_vec();
        addresses.iter_mut().for_each(|address| address.set_port(port));
        addresses
    };
    if let Some(address) = address_from_text(host) {
        return attempt.connect(&at(&[address]), Duration::MAX);
    }
    let memo = Memo { key: format!("addresses {host}"), state };
    if let Some(addresses) = memo.recall(SystemTime::now()) {
        // The rest of the time is for those that the name may have by now.
        let limit = attempt.time_left() / 2;
        match attempt.connect(&at(&addresses), limit) {
            Err(ConnectError::Address(_)) => memo.forget(),
            done => return done,
        }
    }
    let addresses = look_up.addresses(host, attempt)?;
    let connection = attempt.connect(&at(&addresses), Duration::MAX)?;
    memo.keep(&addresses, SystemTime::now());
    Ok(connection)
}

/// What is remembered of a name.
struct Memo<'a> {
    key: String,
    state: Option<&'a StateDir>,
}

impl Memo<'_> {
    fn recall(&self, now: SystemTime) -> Option<Vec<SocketAddr>> {
        still_holds(&self.state?.recall(self.key.as_bytes())?, now)
    }

    fn keep(&self, addresses: &[SocketAddr], now: SystemTime) {
        if let Some(state) = self.state {
            let _ = state.keep(self.key.as_bytes(), kept(addresses, now).as_bytes());
        }
    }

    fn forget(&self) {
        if let Some(state) = self.state {
            state.forget(self.key.as_bytes());
        }
    }
}

/// Addresses as they are kept: the second, then one on each line.
fn kept(addresses: &[SocketAddr], now: SystemTime) -> String {
    let lines: Vec<String> = addresses.iter().map(address_to_text).collect();
    dated::written(&lines.join("\n"), now)
}

fn still_holds(kept: &[u8], now: SystemTime) -> Option<Vec<SocketAddr>> {
    let (_, lines) = dated::read(kept, now).filter(|(age, _)| *age < HOLDS)?;
    let addresses: Option<Vec<_>> = lines.split('\n').map(address_from_text).collect();
    addresses.filter(|addresses| addresses.len() <= MOST_ADDRESSES)
}

/// What a program has answered.
struct Answer {
    text: Vec<u8>,
    /// `None`: it was ended by a signal, or runs on.
    code: Option<i32>,
    said: String,
}

fn look_up_outside(name: &str, attempt: &mut Attempt<'_>) -> Result<Vec<SocketAddr>, ConnectError> {
    let mut agent = Command::new(sys::sibling::program("distcc-agent"));
    agent.arg(format!("--addresses={name}"));
    let nonsense = |program: &str| no_address(&format!("{program} answered nonsense"));
    match ask(&mut agent, attempt)? {
        Some(Answer { code: Some(0), text, .. }) => {
            return from_agent(&text).ok_or_else(|| nonsense("distcc-agent"));
        }
        Some(Answer { code: Some(NO_ADDRESS), said, .. }) => return Err(no_address(&shown(&said))),
        // There is none, or it is too old to understand us.
        _ => {}
    }
    let mut getent = Command::new("getent");
    getent.args(["--", "ahosts", name]);
    match ask(&mut getent, attempt)? {
        Some(Answer { code: Some(0), text, .. }) => {
            from_getent(&text).ok_or_else(|| nonsense("getent"))
        }
        Some(_) => Err(no_address("getent finds no address for it")),
        None => Err(no_address("neither distcc-agent nor getent can be started")),
    }
}

/// Runs a program for as long as the attempt lasts. `None`: it cannot be started.
fn ask(command: &mut Command, attempt: &mut Attempt<'_>) -> Result<Option<Answer>, ConnectError> {
    sys::child::bind_to_this_thread(command);
    let Ok(program) = Connection::to_program(command, Duration::MAX) else { return Ok(None) };
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match program.receive(&mut buffer, &mut *attempt) {
            Ok(0) => break,
            Ok(n_bytes) => text.extend_from_slice(&buffer[..n_bytes]),
            Err(error) => return Err(attempt.failed(error)),
        }
        if text.len() > MOST_ANSWERED {
            return Err(no_address("the answer of the program that looks up names has no end"));
        }
    }
    let end = program.program_end(END_PATIENCE.min(attempt.time_left()));
    let code = end.and_then(|end| end.status).and_then(|status| status.code());
    Ok(Some(Answer { text, code, said: program.program_said() }))
}

/// The addresses that our agent has answered, one on each line.
fn from_agent(text: &[u8]) -> Option<Vec<SocketAddr>> {
    std::str::from_utf8(text).ok()?.lines().map(address_from_text).collect()
}

/// The addresses that `getent ahosts` has answered: on each line an address, a kind of socket and
/// perhaps a name. Each address stands there for each kind.
fn from_getent(text: &[u8]) -> Option<Vec<SocketAddr>> {
    let mut addresses = Vec::new();
    for line in std::str::from_utf8(text).ok()?.lines() {
        let mut words = line.split_ascii_whitespace();
        let address = address_from_text(words.next()?)?;
        if words.next()? == "STREAM" && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Some(addresses)
}

/// The first line of what a program has said, fit to be shown.
fn shown(said: &str) -> String {
    let line = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it has no address");
    line.trim().chars().filter(|char| !char.is_control()).take(MOST_SHOWN).collect()
}

fn no_address(why: &str) -> ConnectError {
    ConnectError::Name(io::Error::new(io::ErrorKind::NotFound, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| address_from_text(text).unwrap()).collect()
    }

    #[test]
    fn addresses_are_remembered_for_a_minute() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let known = addresses(&["10.0.0.7", "fe80::7%2"]);
        let text = kept(&known, at(1000));
        assert_eq!(text, "1000\n10.0.0.7\nfe80::7%2");
        assert_eq!(still_holds(text.as_bytes(), at(1059)), Some(known));
        assert_eq!(still_holds(text.as_bytes(), at(1060)), None);
        // A clock that was set back.
        assert_eq!(still_holds(text.as_bytes(), at(999)), None);
    }

    #[test]
    fn a_memo_that_is_odd_in_any_way_is_none() {
        let many = format!("1000{}", "\n::1".repeat(MOST_ADDRESSES + 1));
        let odd = ["", "1000", "1000\n", "1000\n10.0.0.7\n", "1000\nred", "x\n::1", "1000\n\n::1"];
        for text in odd.into_iter().chain([many.as_str(), "99999999999999999999\n::1"]) {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
            assert_eq!(still_holds(text.as_bytes(), now), None, "{text}");
        }
    }

    #[test]
    fn the_agent_answers_an_address_a_line() {
        let known = addresses(&["10.0.0.7", "fe80::7%2"]);
        assert_eq!(from_agent(b"10.0.0.7\nfe80::7%2\n"), Some(known));
        assert_eq!(from_agent(b""), Some(Vec::new()));
        for odd in [&b"red\n"[..], b"10.0.0.7\n\n", b"10.0.0.7 red\n", b"\xff\n", b"\0"] {
            assert_eq!(from_agent(odd), None, "{}", odd.escape_ascii());
        }
    }

    #[test]
    fn getent_answers_a_line_for_each_kind_of_socket() {
        let text =
            b"fe80::7%2       STREAM red\nfe80::7%2       DGRAM  \nfe80::7%2       RAW    \n\
                     10.0.0.7        STREAM \n10.0.0.7        STREAM \n10.0.0.7        DGRAM  \n";
        assert_eq!(from_getent(text), Some(addresses(&["fe80::7%2", "10.0.0.7"])));
        assert_eq!(from_getent(b"::1 DGRAM\n"), Some(Vec::new()));
        for odd in [&b"10.0.0.7\n"[..], b"red STREAM\n", b"\n", b"\xff STREAM\n"] {
            assert_eq!(from_getent(odd), None, "{}", odd.escape_ascii());
        }
    }

    #[test]
    fn of_what_a_program_says_one_line_is_shown_without_its_tricks() {
        assert_eq!(
            shown("\nName or service\x1b[2J not known\r\nmore\n"),
            "Name or service[2J not known"
        );
        assert_eq!(shown(&"x".repeat(1000)).len(), MOST_SHOWN);
        assert_eq!(shown(""), "it has no address");
    }
}
