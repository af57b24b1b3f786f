//! What this machine says about itself: its `PATH`, and its domain for `-d`.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What this machine says about itself, read once.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    path: OsString,
    host_variables: Vec<String>,
    node_name: String,
    hosts: String,
    resolver: String,
}

/// The most of a system file that is read.
const MOST_BYTES: u64 = 1 << 20;

impl Surroundings {
    /// Reads environment and system.
    #[must_use]
    pub fn read() -> Surroundings {
        let variable = |name| std::env::var(name).ok();
        Surroundings {
            path: std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()),
            host_variables: ["HOST", "HOSTNAME"].into_iter().filter_map(variable).collect(),
            node_name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            hosts: text_of(Path::new("/etc/hosts")),
            resolver: text_of(Path::new("/etc/resolv.conf")),
        }
    }

    /// Where compilers are.
    pub(crate) fn path(&self) -> &OsString {
        &self.path
    }

    /// The domain of this machine: of the name in `HOST` or `HOSTNAME`, of the machine's name, of
    /// that name's entry in `/etc/hosts`, or the resolver's. The first two as distcc 3.4 does it.
    pub(crate) fn domain(&self) -> Option<String> {
        let named = self.host_variables.iter().chain([&self.node_name]);
        let listed = self.hosts.lines().filter_map(|line| self.full_name(line));
        named
            .map(String::as_str)
            .chain(listed)
            .find_map(|name| Some(name.split_once('.')?.1))
            .or_else(|| self.resolver_domain())
            .filter(|domain| is_domain(domain))
            .map(str::to_owned)
    }

    /// The first name of a line of `/etc/hosts`, if the line names this machine.
    fn full_name<'a>(&self, line: &'a str) -> Option<&'a str> {
        let mut names = line.split('#').next()?.split_ascii_whitespace().skip(1);
        let first = names.next()?;
        let names_us = first == self.node_name || names.any(|name| name == self.node_name);
        (names_us && !self.node_name.is_empty()).then_some(first)
    }

    fn resolver_domain(&self) -> Option<&str> {
        self.resolver.lines().find_map(|line| {
            let mut words = line.split_ascii_whitespace();
            words.next().filter(|key| ["domain", "search"].contains(key))?;
            words.next()
        })
    }
}

fn is_domain(text: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !text.is_empty() && text.len() < 254 && text.bytes().all(is_fine)
}

fn text_of(path: &Path) -> String {
    let mut text = Vec::new();
    let _ = File::open(path).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut text));
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(variables: &[&str], node: &str, hosts: &str, resolver: &str, expected: Option<&str>) {
        let surroundings = Surroundings {
            path: OsString::new(),
            host_variables: variables.iter().map(|text| (*text).to_owned()).collect(),
            node_name: node.to_owned(),
            hosts: hosts.to_owned(),
            resolver: resolver.to_owned(),
        };
        assert_eq!(surroundings.domain().as_deref(), expected);
    }

    #[test]
    fn the_nearest_word_about_the_domain_counts() {
        check(&["pc", "a.b.c"], "pc.x.y", "", "", Some("b.c"));
        check(&[], "pc.x.y", "1.2.3.4 pc.h.i pc", "", Some("x.y"));
        check(&[], "pc", "# pc.no.no pc\n1.2.3.4 pc.h.i pc # too", "", Some("h.i"));
        check(&[], "pc", "1.2.3.4 other.h.i", "search r.s t.u", Some("r.s"));
        check(&[], "pc", "", "nameserver 1.2.3.4", None);
        check(&["a.b c"], "", "", "", None);
    }
}
