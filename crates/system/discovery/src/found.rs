//! A server that was found, judged: nothing of it is taken on trust.

use std::fmt;
use std::net::IpAddr;

/// Jobs at once for a server that does not say how many it takes.
const DEFAULT_SLOTS: u32 = 4;

/// Slots beyond this are taken for this: each slot is a file of the client's.
const MOST_SLOTS: u32 = 256;

/// Words of announcements are shorter than this, in bytes.
const MOST_WORD_BYTES: usize = 64;

/// An address, with the interface that it is valid on where that matters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The address itself.
    pub ip: IpAddr,
    /// The name of this machine's interface through which it was heard.
    pub interface: String,
}

/// A server that can be asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Where it is, in the words of a host list: `10.0.0.7` or `[fe80::7%eth0]`.
    pub host: String,
    /// The port it listens on.
    pub port: u16,
    /// How many jobs it takes at once: 1 to 256.
    pub n_slots: u32,
    /// The version and the machine of its gcc, if it says so.
    pub gcc: Option<(String, String)>,
    /// The whole version and the machine of every gcc that it has for others, if it says so.
    pub gccs: Vec<(String, String)>,
}

/// Why an announcement is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Port 0.
    NoPort,
    /// Only addresses that lead nowhere from here.
    NoAddress,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unfit::NoPort => "it names no port",
            Unfit::NoAddress => "it has no address that can be reached from here",
        })
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.host, self.port, self.n_slots)
    }
}

/// Judges what an announcement says of a server: its addresses, its port, and its TXT record.
///
/// # Errors
/// [`Unfit`] when nobody could connect to it. Words that make no sense are left out instead.
pub fn judge(addresses: &[Address], port: u16, txt: &[(&str, &[u8])]) -> Result<Found, Unfit> {
    if port == 0 {
        return Err(Unfit::NoPort);
    }
    let best = addresses.iter().filter_map(|address| Some((rank(address)?, address))).min();
    let (_, address) = best.ok_or(Unfit::NoAddress)?;
    let value = |key: &str| txt.iter().find(|(name, _)| *name == key).and_then(|(_, v)| word(v));
    // Source: observed. Servers of 3.4 give both; `jobs` is what they were told to take.
    let n_slots = ["jobs", "cpus"].into_iter().find_map(|key| number(value(key)?));
    let gcc = value("cc_version").zip(value("cc_machine"));
    let gccs = txt.iter().find(|(name, _)| *name == "gccs").map(|(_, value)| read_gccs(value));
    Ok(Found {
        host: host(address),
        port,
        n_slots: n_slots.unwrap_or(DEFAULT_SLOTS).min(MOST_SLOTS),
        gcc: gcc.map(|(version, machine)| (version.to_owned(), machine.to_owned())),
        gccs: gccs.unwrap_or_default(),
    })
}

/// The longest value of one key in a TXT record: 255 bytes are for both.
const MOST_VALUE_BYTES: usize = 240;

/// Versions and machines of compilers as a TXT record has them: `12.2.0/aarch64-linux-gnu,...`.
/// As many as there is room for.
#[must_use]
pub fn gccs_text(gccs: &[(String, String)]) -> String {
    let mut text = String::new();
    for (version, machine) in gccs {
        let comma = if text.is_empty() { "" } else { "," };
        let next = format!("{comma}{version}/{machine}");
        if text.len() + next.len() > MOST_VALUE_BYTES {
            break;
        }
        text.push_str(&next);
    }
    text
}

/// Reads them back. What makes no sense is left out.
fn read_gccs(value: &[u8]) -> Vec<(String, String)> {
    let value = &value[..value.len().min(MOST_VALUE_BYTES)];
    let pairs = value.split(|byte| *byte == b',').filter_map(|pair| word(pair)?.split_once('/'));
    pairs
        .filter(|(version, machine)| !version.is_empty() && !machine.is_empty())
        .map(|(version, machine)| (version.to_owned(), machine.to_owned()))
        .collect()
}

/// How good an address is, the lowest first; `None` for those that lead nowhere. A server that
/// names our own loopback would have us compile for it what it should compile for us.
fn rank(address: &Address) -> Option<u8> {
    match address.ip {
        ip if ip.is_loopback() || ip.is_multicast() || ip.is_unspecified() => None,
        IpAddr::V4(ip) if ip.is_broadcast() => None,
        IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => None,
        IpAddr::V4(ip) if ip.is_link_local() => Some(2),
        IpAddr::V4(_) => Some(0),
        // Without its interface it means nothing.
        IpAddr::V6(ip) if ip.is_unicast_link_local() => is_name(&address.interface).then_some(3),
        IpAddr::V6(_) => Some(1),
    }
}

fn host(address: &Address) -> String {
    match address.ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) if ip.is_unicast_link_local() => format!("[{ip}%{}]", address.interface),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// Whether host lists can have this name of an interface.
fn is_name(interface: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !interface.is_empty() && interface.len() < 16 && interface.bytes().all(is_fine)
}

/// A value that is a short word of printable letters.
fn word(value: &[u8]) -> Option<&str> {
    let is_fine = !value.is_empty() && value.len() < MOST_WORD_BYTES;
    let text = std::str::from_utf8(value).ok()?;
    (is_fine && text.bytes().all(|byte| byte.is_ascii_graphic())).then_some(text)
}

fn number(text: &str) -> Option<u32> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_number && *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn addresses(text: &str) -> Vec<Address> {
        let address = |word: &str| {
            let (ip, interface) = word.split_once('%').unwrap_or((word, ""));
            Address { ip: ip.parse().unwrap(), interface: interface.to_owned() }
        };
        text.split_whitespace().map(address).collect()
    }

    #[track_caller]
    fn check(text: &str, txt: &[(&str, &[u8])], expected: &str) {
        let got = match judge(&addresses(text), 3632, txt) {
            Ok(found) => found.to_string(),
            Err(unfit) => unfit.to_string(),
        };
        assert_eq!(got, expected);
    }

    #[test]
    fn the_address_that_is_easiest_to_reach_is_taken() {
        check("fe80::7%eth0 fd00::7 169.254.0.7 10.0.0.7", &[], "10.0.0.7:3632/4");
        check("fe80::7%eth0 fd00::7 169.254.0.7", &[], "[fd00::7]:3632/4");
        check("fe80::7%eth0 169.254.0.7", &[], "169.254.0.7:3632/4");
        check("fe80::7%eth0", &[], "[fe80::7%eth0]:3632/4");
    }

    #[test]
    fn addresses_that_lead_nowhere_are_none() {
        let nowhere = "it has no address that can be reached from here";
        check("", &[], nowhere);
        check("127.0.0.1 ::1 0.0.0.0 :: 224.0.0.251 ff02::fb 255.255.255.255", &[], nowhere);
        check("fe80::7 fe80::7%a/b fe80::7%waytoolonganame0 ::ffff:127.0.0.1", &[], nowhere);
        assert_eq!(judge(&addresses("10.0.0.7"), 0, &[]), Err(Unfit::NoPort));
    }

    #[test]
    fn compilers_for_others_survive_the_way() {
        let pair = |version: &str, machine: &str| (version.to_owned(), machine.to_owned());
        let gccs = [pair("12.2.0", "aarch64-linux-gnu"), pair("9.5.0", "arm-linux-gnueabihf")];
        let read = |text: &[u8]| judge(&addresses("10.0.0.7"), 1, &[("gccs", text)]).unwrap().gccs;
        assert_eq!(read(gccs_text(&gccs).as_bytes()), gccs);
        let many = vec![gccs[0].clone(); 100];
        let text = gccs_text(&many);
        assert!(text.len() <= MOST_VALUE_BYTES && read(text.as_bytes()).len() > 8, "{text}");
        for nonsense in [&b""[..], b",,/,x,/y,z/", b"\xff/\xfe", &[b'a'; 300]] {
            assert_eq!(read(nonsense), []);
        }
    }

    #[test]
    fn slots_are_jobs_or_else_processors() {
        check("10.0.0.7", &[("cpus", b"2"), ("jobs", b"7")], "10.0.0.7:3632/7");
        check("10.0.0.7", &[("cpus", b"2")], "10.0.0.7:3632/2");
        check("10.0.0.7", &[("cpus", b"2"), ("jobs", b"0")], "10.0.0.7:3632/2");
        check("10.0.0.7", &[("jobs", b"4294967295")], "10.0.0.7:3632/256");
        for jobs in [&b"-1"[..], b"+1", b"", b"1 2", b"4294967296", b"\xff", b"many"] {
            check("10.0.0.7", &[("jobs", jobs)], "10.0.0.7:3632/4");
        }
    }

    #[test]
    fn a_compiler_has_a_version_and_a_machine() {
        let gcc = |txt: &[(&str, &[u8])]| judge(&addresses("10.0.0.7"), 1, txt).unwrap().gcc;
        let (version, machine) =
            (("cc_version", &b"12"[..]), ("cc_machine", &b"x86_64-linux-gnu"[..]));
        assert_eq!(gcc(&[version, machine]), Some(("12".into(), "x86_64-linux-gnu".into())));
        assert_eq!(gcc(&[version]), None);
        assert_eq!(gcc(&[version, ("cc_machine", b"x\x1b[31m")]), None);
        assert_eq!(gcc(&[version, ("cc_machine", &[b'x'; 200])]), None);
    }

    proptest! {
        #[test]
        fn a_line_is_one_word(
            bits: u128,
            interface in ".{0,20}",
            port: u16,
            value: Vec<u8>,
        ) {
            let txt = ["jobs", "cpus", "cc_version", "cc_machine"].map(|key| (key, &value[..]));
            let ip = IpAddr::V6(bits.into());
            if let Ok(found) = judge(&[Address { ip, interface }], port, &txt) {
                prop_assert!(found.to_string().bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}
