//! The grammar of host lists.

use std::fmt;

use crate::{HostsError, SpecError};

/// Where distccd listens unless told otherwise.
pub const DEFAULT_PORT: u16 = 3632;

/// Jobs at once for a remote host without a limit of its own. Source: distcc(1) 3.4.
const DEFAULT_REMOTE_SLOTS: u32 = 4;

/// Jobs at once for the host `localhost` without a limit of its own. Source: distcc(1) 3.4.
const DEFAULT_LOCALHOST_SLOTS: u32 = 2;

/// Jobs that have to stay, at once, where the list does not say. Source: distcc(1) 3.4.
pub const DEFAULT_LOCAL_SLOTS: u32 = 4;

/// Limits beyond this are taken for this: nobody has so many processors, and each slot is a file.
const MOST_SLOTS: u32 = 10_000;

/// A whole host list with its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostList {
    /// The hosts in the order they were written.
    pub hosts: Vec<HostSpec>,
    /// `+zeroconf`: where in `hosts` those belong that announce themselves on the network.
    pub zeroconf: Option<usize>,
    /// `--randomize`: every client shuffles the list.
    pub randomize: bool,
    /// `--localslots=N`: how many jobs that have to stay run here at once. Where the list does not
    /// say, [`DEFAULT_LOCAL_SLOTS`], or fewer where memory is short.
    pub n_local_slots: Option<u32>,
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
    /// `,plain`: pump mode is not wished for. Ours alone; so does `,lzo` without `,cpp`.
    pub plain: bool,
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
    /// A distccd that ssh starts there for each job. Neither name nor user nor command begins with
    /// `-`, which ssh would take for an option.
    Ssh {
        /// Who to be there; `None`: as ssh has it.
        user: Option<String>,
        /// A name or an address, without brackets.
        name: String,
        /// What to run there in place of `distccd`.
        command: Option<String>,
    },
}

impl Host {
    /// Its name or address.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Host::Local => "localhost",
            Host::Tcp { name, .. } | Host::Ssh { name, .. } => name,
        }
    }

    /// Writes it with `limit` in the place that the grammar has for it.
    fn write(&self, f: &mut fmt::Formatter<'_>, limit: &str) -> fmt::Result {
        let name = self.name();
        let (open, close) = if name.contains(':') { ("[", "]") } else { ("", "") };
        match self {
            Host::Local => write!(f, "{name}{limit}"),
            Host::Tcp { port, .. } => write!(f, "{open}{name}{close}:{port}{limit}"),
            Host::Ssh { user, command, .. } => {
                let user = user.as_deref().unwrap_or_default();
                write!(f, "{user}@{open}{name}{close}{limit}")?;
                command.as_ref().map_or(Ok(()), |command| write!(f, ":{command}"))
            }
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, "")
    }
}

impl fmt::Display for HostSpec {
    /// As an entry that distcc 3.4 understands as we do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.write(f, &format!("/{}", self.n_slots))?;
        for (is_set, option) in [
            (self.compresses, ",lzo"),
            (self.pump, ",cpp"),
            (self.plain, ",plain"),
            (self.down, ",down"),
        ] {
            f.write_str(if is_set { option } else { "" })?;
        }
        Ok(())
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
            zeroconf: None,
            randomize: false,
            n_local_slots: None,
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
            self.n_local_slots = Some(limit(value)?);
        } else if entry == "+zeroconf" {
            self.zeroconf.get_or_insert(self.hosts.len());
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
        let (host, n_slots) = match place.split_once('@') {
            Some((user, place)) => ssh_host(user, place)?,
            None => tcp_host(place)?,
        };
        let default_slots = match host {
            Host::Local => DEFAULT_LOCALHOST_SLOTS,
            Host::Tcp { .. } | Host::Ssh { .. } => DEFAULT_REMOTE_SLOTS,
        };
        let mut spec = HostSpec {
            host,
            n_slots: n_slots.unwrap_or(default_slots),
            compresses: false,
            pump: false,
            plain: false,
            down: false,
        };
        for option in options {
            match option {
                "lzo" => spec.compresses = true,
                "cpp" => spec.pump = true,
                "plain" => spec.plain = true,
                "down" => spec.down = true,
                _ if option == "auth" || option.starts_with("auth=") => {
                    return Err(SpecError::NoGssApi);
                }
                _ => return Err(SpecError::UnknownOption(option.to_owned())),
            }
        }
        if spec.pump && !spec.compresses {
            return Err(SpecError::CppWithoutLzo);
        }
        if spec.pump && spec.plain {
            return Err(SpecError::CppAndPlain);
        }
        Ok(spec)
    }

    /// Whether it may be used in pump mode, if it can: unless its entry says otherwise.
    #[must_use]
    pub fn may_pump(&self) -> bool {
        self.pump || !(self.compresses || self.plain)
    }
}

/// Reads `HOST[:PORT][/LIMIT]`.
fn tcp_host(place: &str) -> Result<(Host, Option<u32>), SpecError> {
    let (name, rest) = take_name(place)?;
    let (port, n_slots) = port_and_limit(rest)?;
    let host = match (name, port) {
        ("localhost", None) => Host::Local,
        (name, port) => Host::Tcp { name: name.to_owned(), port: port.unwrap_or(DEFAULT_PORT) },
    };
    Ok((host, n_slots))
}

/// Reads `HOST[/LIMIT][:COMMAND]`, what an ssh host has behind its `@`. The command is the rest,
/// whatever it looks like: `:3632` is the command `3632`. An empty one is as good as none.
///
/// Source: distcc(1) 3.4 and its behavior; but 3.4 knows no address in brackets here, and hands
/// words that begin with `-` to ssh.
fn ssh_host(user: &str, place: &str) -> Result<(Host, Option<u32>), SpecError> {
    let (name, rest) = take_name(place)?;
    let (rest, command) = match rest.split_once(':') {
        Some((rest, command)) => (rest, Some(command).filter(|command| !command.is_empty())),
        None => (rest, None),
    };
    let n_slots = match rest.strip_prefix('/') {
        Some(text) => Some(limit(text)?),
        None if rest.is_empty() => None,
        None => return Err(SpecError::BadName),
    };
    if user.starts_with('-') || !user.chars().all(|c| is_fine_in_names(c) || "+\\".contains(c)) {
        return Err(SpecError::BadUser);
    }
    if command.is_some_and(|text| text.starts_with('-') || text.contains(char::is_control)) {
        return Err(SpecError::BadCommand);
    }
    let owned = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let host =
        Host::Ssh { user: owned(user), name: name.to_owned(), command: command.and_then(owned) };
    Ok((host, n_slots))
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
    if !name.chars().all(is_fine_in_names) || name.starts_with(['.', '-']) {
        return Err(SpecError::BadName);
    }
    Ok((name, rest))
}

fn is_fine_in_names(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-:%".contains(c) || !(c.is_ascii() || c.is_control())
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
                let words: Vec<String> = list.hosts.iter().map(ToString::to_string).collect();
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
    fn hosts_with_an_at_sign_are_reached_by_ssh() {
        check("@red me@red", "@red/4 me@red/4");
        check("@localhost", "@localhost/4");
        check("me@red/3:/opt/distccd,lzo", "me@red/3:/opt/distccd,lzo");
        check("@red:", "@red/4");
        check("@red:3632/2", "@red/4:3632/2");
        check("@red:x;y$z,down", "@red/4:x;y$z,down");
        check("me@[fe80::1%eth0]/3:distccd", "me@[fe80::1%eth0]/3:distccd");
        check("DOM\\me@red", "DOM\\me@red/4");
    }

    #[test]
    fn ssh_is_handed_no_options_and_no_strange_names() {
        for entry in ["@-oProxyCommand=x", "@-red", "@../red", "me@a@red"] {
            check(entry, &format!("bad host `{entry}`: no name that a host can have"));
        }
        check("-lx@red", "bad host `-lx@red`: no name that a user can have");
        check("a/b@red", "bad host `a/b@red`: no name that a user can have");
        check("@red:-oProxyCommand=x", "bad host `@red:-oProxyCommand=x`: no command to run there");
        check("@", "bad host `@`: no host name");
        check("@:distccd", "bad host `@:distccd`: no host name");
        check("@red/0", "bad host `@red/0`: `0` is no limit of jobs");
        check("@red/", "bad host `@red/`: `` is no limit of jobs");
        check("@red:a,b", "bad host `@red:a,b`: `,b` is no option of a host");
        check("@[::1]x", "bad host `@[::1]x`: no name that a host can have");
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
        assert_eq!(list.n_local_slots, Some(3));
        assert_eq!((list.n_local_cpp_slots, list.hosts.len()), (12, 1));
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
        check("+zeroconf,lzo", "bad host `+zeroconf,lzo`: no name that a host can have");
        check("--fast", "bad host `--fast`: no option of a host list");
    }

    #[test]
    fn zeroconf_has_its_place_among_the_hosts() {
        let place = |text: &str| HostList::parse(text).unwrap().zeroconf;
        assert_eq!(place("red blue"), None);
        assert_eq!(place("+zeroconf red"), Some(0));
        assert_eq!(place("red --randomize +zeroconf blue +zeroconf"), Some(1));
    }

    #[test]
    fn what_is_not_supported_yet_says_so() {
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
        fn what_is_written_is_read_as_the_same(entry in "[a-z]{0,3}@?[a-z]{1,5}(/[1-9])?(:[1-9]{2}|:[/a-z]{3})?(,lzo|,down)?") {
            if let Ok(spec) = HostSpec::parse(&entry) {
                prop_assert_eq!(HostSpec::parse(&spec.to_string()), Ok(spec));
            }
        }

        #[test]
        fn no_entry_makes_it_panic(text in "[a-z\\[\\]:/,@0-9+#. -]{0,30}") {
            let _ = HostList::parse(&text);
        }
    }
}
