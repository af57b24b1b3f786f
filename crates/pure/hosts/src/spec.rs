//! The grammar of host lists.

use std::fmt;

use crate::{HostsError, SpecError};

/// Where distccd listens unless told otherwise.
pub const DEFAULT_PORT: u16 = 3632;

/// Jobs at once for a remote host without a limit of its own. Source: distcc(1) 3.4.
const DEFAULT_REMOTE_SLOTS: u32 = 4;

/// Jobs at once for the host `localhost` without a limit of its own. Source: distcc(1) 3.4.
const DEFAULT_LOCALHOST_SLOTS: u32 = 2;

/// Limits beyond this are taken for this: nobody has so many processors, and each slot is a file.
const MOST_SLOTS: u32 = 10_000;

/// A whole host list with its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostList {
    /// The hosts in the order they were written.
    pub hosts: Vec<HostSpec>,
    /// `--randomize`: every client shuffles the list.
    pub randomize: bool,
    /// `--localslots=N`: how many jobs that have to stay run here at once. Default 4.
    pub n_local_slots: u32,
    /// `--localslots_cpp=N`: how many preprocessors run here at once. Default 8.
    pub n_local_cpp_slots: u32,
}

/// One entry of the host list with its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSpec {
    /// Which machine, and how to reach it.
    pub host: Host,
    /// How many jobs it gets from here at once: at least 1.
    pub n_slots: u32,
    /// `,lzo`: bodies are compressed (protocol version 2).
    pub compresses: bool,
    /// `,cpp`: pump mode is wished for.
    pub pump: bool,
    /// `,down`: the host is left out.
    pub down: bool,
}

/// Which machine, and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// The word `localhost`: compile here, no network.
    Local,
    /// A distccd that listens on TCP.
    Tcp {
        /// A name or an address, without brackets.
        name: String,
        /// The port it listens on.
        port: u16,
    },
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Local => f.write_str("localhost"),
            Host::Tcp { name, port } if name.contains(':') => write!(f, "[{name}]:{port}"),
            Host::Tcp { name, port } => write!(f, "{name}:{port}"),
        }
    }
}

impl HostList {
    /// Reads the text of a host list: entries between white space, `#` begins a comment.
    ///
    /// # Errors
    /// The first entry that means nothing, or nothing yet. No entry is ever left out in silence.
    pub fn parse(text: &str) -> Result<HostList, HostsError> {
        let mut list = HostList {
            hosts: Vec::new(),
            randomize: false,
            n_local_slots: 4,
            n_local_cpp_slots: 8,
        };
        let entries = text
            .lines()
            .map(|line| line.split('#').next().unwrap_or_default())
            .flat_map(str::split_ascii_whitespace);
        for entry in entries {
            list.take(entry).map_err(|source| HostsError { entry: entry.to_owned(), source })?;
        }
        Ok(list)
    }

    fn take(&mut self, entry: &str) -> Result<(), SpecError> {
        if entry == "--randomize" {
            self.randomize = true;
        } else if let Some(value) = list_option(entry, "--localslots_cpp") {
            self.n_local_cpp_slots = limit(value)?;
        } else if let Some(value) = list_option(entry, "--localslots") {
            self.n_local_slots = limit(value)?;
        } else if entry == "+zeroconf" {
            return Err(SpecError::NotYet {
                what: "finding hosts by zeroconf is",
                instead: "name the hosts: HOST/LIMIT",
            });
        } else if entry.starts_with("--") {
            return Err(SpecError::UnknownListOption);
        } else {
            self.hosts.push(HostSpec::parse(entry)?);
        }
        Ok(())
    }

    /// How many jobs all hosts take at once: what `distcc -j` prints.
    #[must_use]
    pub fn n_slots(&self) -> u32 {
        self.hosts
            .iter()
            .filter(|spec| !spec.down)
            .fold(0, |sum, spec| sum.saturating_add(spec.n_slots))
    }
}

fn list_option<'a>(entry: &'a str, name: &str) -> Option<&'a str> {
    entry.strip_prefix(name)?.strip_prefix(['=', '/'])
}

impl HostSpec {
    /// Reads one entry.
    ///
    /// # Errors
    /// A [`SpecError`] when it means nothing, or nothing yet.
    pub fn parse(entry: &str) -> Result<HostSpec, SpecError> {
        let mut options = entry.split(',');
        let place = options.next().unwrap_or_default();
        if place.contains('@') {
            return Err(SpecError::NotYet {
                what: "a host reached by ssh is",
                instead: "start distccd there and name it HOST:PORT",
            });
        }
        let (name, rest) = take_name(place)?;
        let (port, n_slots) = port_and_limit(rest)?;
        let host = match (name, port) {
            ("localhost", None) => Host::Local,
            (name, port) => Host::Tcp { name: name.to_owned(), port: port.unwrap_or(DEFAULT_PORT) },
        };
        let default_slots = match host {
            Host::Local => DEFAULT_LOCALHOST_SLOTS,
            Host::Tcp { .. } => DEFAULT_REMOTE_SLOTS,
        };
        let mut spec = HostSpec {
            host,
            n_slots: n_slots.unwrap_or(default_slots),
            compresses: false,
            pump: false,
            down: false,
        };
        for option in options {
            match option {
                "lzo" => spec.compresses = true,
                "cpp" => spec.pump = true,
                "down" => spec.down = true,
                _ if option == "auth" || option.starts_with("auth=") => {
                    return Err(SpecError::NotYet {
                        what: "GSS-API authentication is",
                        instead: "leave out `,auth` and restrict the server with --allow",
                    });
                }
                _ => return Err(SpecError::UnknownOption(option.to_owned())),
            }
        }
        if spec.pump && !spec.compresses {
            return Err(SpecError::CppWithoutLzo);
        }
        Ok(spec)
    }
}

/// Splits `HOST` or `[IPv6]` off the front.
fn take_name(place: &str) -> Result<(&str, &str), SpecError> {
    let (name, rest) = match place.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']').ok_or(SpecError::OpenBracket)?,
        None => place.split_at(place.find([':', '/']).unwrap_or(place.len())),
    };
    if name.is_empty() {
        return Err(SpecError::NoName);
    }
    // Names become parts of file names and of messages.
    let is_fine = |c: char| c.is_ascii_alphanumeric() || "._-:%".contains(c) || !c.is_ascii();
    if !name.chars().all(is_fine) || name.starts_with(['.', '-']) {
        return Err(SpecError::BadName);
    }
    Ok((name, rest))
}

/// Reads `[:PORT][/LIMIT]` or, as old lists have it, `[/LIMIT][:PORT]`.
fn port_and_limit(rest: &str) -> Result<(Option<u16>, Option<u32>), SpecError> {
    let mut port = None;
    let mut n_slots = None;
    let mut rest = rest;
    while let Some(mark) = rest.chars().next() {
        let tail = &rest[mark.len_utf8()..];
        let (value, next) = tail.split_at(tail.find([':', '/']).unwrap_or(tail.len()));
        match mark {
            ':' if port.is_none() => port = Some(port_number(value)?),
            '/' if n_slots.is_none() => n_slots = Some(limit(value)?),
            ':' => return Err(SpecError::BadPort(value.to_owned())),
            '/' => return Err(SpecError::BadLimit(value.to_owned())),
            _ => return Err(SpecError::BadName),
        }
        rest = next;
    }
    Ok((port, n_slots))
}

fn port_number(text: &str) -> Result<u16, SpecError> {
    match number(text) {
        Some(port @ 1..=65_535) => Ok(port as u16),
        _ => Err(SpecError::BadPort(text.to_owned())),
    }
}

fn limit(text: &str) -> Result<u32, SpecError> {
    match number(text) {
        Some(0) | None => Err(SpecError::BadLimit(text.to_owned())),
        Some(n_slots) => Ok(n_slots.min(MOST_SLOTS)),
    }
}

/// Digits alone: no sign, no blank.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let got = match HostList::parse(text) {
            Ok(list) => {
                let mut words = Vec::new();
                for spec in &list.hosts {
                    let mut word = format!("{}/{}", spec.host, spec.n_slots);
                    for (is_set, name) in
                        [(spec.compresses, ",lzo"), (spec.pump, ",cpp"), (spec.down, ",down")]
                    {
                        word.push_str(if is_set { name } else { "" });
                    }
                    words.push(word);
                }
                words.join(" ")
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(got, expected);
    }

    #[test]
    fn hosts_have_ports_limits_and_options() {
        check("red", "red:3632/4");
        check("red/8 green:4000/2,lzo", "red:3632/8 green:4000/2,lzo");
        check("red/8:4000", "red:4000/8");
        check("[::1]:3700/3 [fe80::1%eth0]", "[::1]:3700/3 [fe80::1%eth0]:3632/4");
        check("red,lzo,cpp,down", "red:3632/4,lzo,cpp,down");
        check("192.168.0.2:3933/8", "192.168.0.2:3933/8");
    }

    #[test]
    fn exactly_the_word_localhost_is_this_machine() {
        check("localhost localhost/7 127.0.0.1", "localhost/2 localhost/7 127.0.0.1:3632/4");
        check("localhost:3632", "localhost:3632/4");
    }

    #[test]
    fn comments_and_white_space_separate() {
        check("red # the tower\n\tgreen  # blue\r\n#all\n", "red:3632/4 green:3632/4");
        check("", "");
    }

    #[test]
    fn options_of_the_list_are_no_hosts() {
        let list = HostList::parse("--randomize --localslots=3 --localslots_cpp/12 red").unwrap();
        assert!(list.randomize);
        assert_eq!((list.n_local_slots, list.n_local_cpp_slots, list.hosts.len()), (3, 12, 1));
    }

    #[test]
    fn what_means_nothing_is_named() {
        check("red/0", "bad host `red/0`: `0` is no limit of jobs");
        check("red/-1", "bad host `red/-1`: `-1` is no limit of jobs");
        check("red/+1", "bad host `red/+1`: `+1` is no limit of jobs");
        check("red/", "bad host `red/`: `` is no limit of jobs");
        check("red:0", "bad host `red:0`: `0` is no port number");
        check("red:70000", "bad host `red:70000`: `70000` is no port number");
        check("red:1:2", "bad host `red:1:2`: `2` is no port number");
        check("/8", "bad host `/8`: no host name");
        check("[::1", "bad host `[::1`: `[` without `]`");
        check("[::1]x", "bad host `[::1]x`: no name that a host can have");
        check("../red", "bad host `../red`: no name that a host can have");
        check("red,fast", "bad host `red,fast`: `,fast` is no option of a host");
        check("red,cpp", "bad host `red,cpp`: `,cpp` needs `,lzo`");
        check("--localslots=x", "bad host `--localslots=x`: `x` is no limit of jobs");
        check("--fast", "bad host `--fast`: no option of a host list");
    }

    #[test]
    fn what_is_not_supported_yet_says_so() {
        check("me@red", "bad host `me@red`: a host reached by ssh is not supported yet");
        check("+zeroconf", "bad host `+zeroconf`: finding hosts by zeroconf is not supported yet");
        check("red,auth", "bad host `red,auth`: GSS-API authentication is not supported yet");
    }

    #[test]
    fn all_slots_are_counted() {
        assert_eq!(HostList::parse("red/8 localhost blue green,down").unwrap().n_slots(), 14);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\PC\n]{0,60}") {
            let _ = HostList::parse(&text);
        }

        #[test]
        fn no_entry_makes_it_panic(text in "[a-z\\[\\]:/,@0-9+#. -]{0,30}") {
            let _ = HostList::parse(&text);
        }
    }
}
