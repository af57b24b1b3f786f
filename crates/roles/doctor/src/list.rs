//! The host list: where it comes from, what is in it, and how to change it.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use hosts::{HostList, HostSpec};

use crate::Surroundings;
use crate::reach;
use crate::siblings;
use diagnosis::shell::quoted;
use diagnosis::{Finding, Machine, Status};

/// The most hosts of a list that are looked at.
const MOST_HOSTS: usize = 256;

/// Where servers announce themselves (RFC 6762): the way there begins at our address on that network.
const MDNS: ([u8; 4], u16) = ([224, 0, 0, 251], 5353);

/// How long `lsdistcc --zeroconf` may take.
const ZEROCONF_PATIENCE: Duration = Duration::from_secs(15);

/// A host list.
#[derive(Clone, Debug)]
pub(crate) struct List {
    /// Its words, without comments.
    words: Vec<String>,
    /// The file that it stands in; `None`: `DISTCC_HOSTS`.
    file: Option<PathBuf>,
    /// The hosts, each with its word; those of zeroconf last.
    pub(crate) hosts: Vec<(String, HostSpec)>,
}

impl List {
    /// Reads the list that a build would use; `None`: it cannot be used.
    pub(crate) fn read(surroundings: &Surroundings, findings: &mut Vec<Finding>) -> Option<List> {
        let find = |status, code, text| Finding::here("host list", status, code, text);
        let Some(found) = surroundings.host_list() else {
            let text = "there is neither DISTCC_HOSTS nor a hosts file";
            findings.push(find(Status::Failed, "no-host-list", text.to_owned()).mended_by(
                Machine::This,
                &["export DISTCC_HOSTS=+zeroconf"],
                "or name the servers: export DISTCC_HOSTS='HOST/LIMIT ...'",
            ));
            return None;
        };
        let place = found.place();
        let text = String::from_utf8_lossy(&found.bytes).into_owned();
        let words: Vec<String> = text
            .lines()
            .map(|line| line.split('#').next().unwrap_or_default())
            .flat_map(str::split_ascii_whitespace)
            .map(str::to_owned)
            .collect();
        let mut list = List { words, file: found.file, hosts: Vec::new() };
        let parsed = match HostList::parse(&text) {
            Ok(parsed) => parsed,
            Err(error) => {
                let rest = list.without(&error.entry);
                let finding = find(Status::Failed, "bad-host-list", format!("{place}: {error}"));
                findings.push(finding.mended_by(Machine::This, &[&rest], error.hint()));
                return None;
            }
        };
        for word in &list.words {
            if !word.starts_with("--") && word != "+zeroconf" {
                list.hosts.extend(HostSpec::parse(word).ok().map(|spec| (word.clone(), spec)));
            }
        }
        if parsed.zeroconf.is_some() {
            list.ask_network(findings);
        }
        list.hosts.truncate(MOST_HOSTS);
        if list.hosts.is_empty() {
            if parsed.zeroconf.is_none() {
                let finding =
                    find(Status::Failed, "empty-host-list", format!("{place} names no host"));
                let command = list.changed_to("+zeroconf");
                let note = "or name the servers in place of +zeroconf: HOST/LIMIT ...";
                findings.push(finding.mended_by(Machine::This, &[&command], note));
            }
            return None;
        }
        let n_hosts = list.hosts.len();
        let plural = if n_hosts == 1 { "" } else { "s" };
        findings.push(find(
            Status::Ok,
            "host-list",
            format!("{n_hosts} host{plural} from {place}"),
        ));
        Some(list)
    }

    /// Adds the servers that announce themselves.
    fn ask_network(&mut self, findings: &mut Vec<Finding>) {
        let ask = |words: &[&str]| {
            let mut command = Command::new(sys::sibling::program("lsdistcc"));
            match siblings::run(command.arg("--zeroconf").args(words), ZEROCONF_PATIENCE) {
                Ok(ran) => (ran.stdout, ran.stderr),
                Err(error) => (String::new(), format!("lsdistcc: {error}")),
            }
        };
        let (mut lines, mut why) = ask(&[]);
        if lines.is_empty() {
            // One that has just been started, or is busy, or whose answer was lost.
            (lines, why) = ask(&["-t4"]);
        }
        let found: Vec<(String, HostSpec)> = lines
            .lines()
            .filter_map(|line| Some((line.trim().to_owned(), HostSpec::parse(line.trim()).ok()?)))
            .collect();
        let find = |status, code, text| Finding::here("zeroconf", status, code, text);
        if found.is_empty() {
            let why = why.lines().next().unwrap_or_default();
            let text = format!("no server announces itself on this network: {why}");
            let command = start_server(&reach::own_addresses(&[MDNS.into()]), None, "--zeroconf");
            findings.push(find(Status::Failed, "nothing-discovered", text).mended_by(
                Machine::AnyServer,
                &[&command],
                "a firewall between the two has to let UDP port 5353 through as well",
            ));
            return;
        }
        let text = format!("{} announce themselves", found.len());
        findings.push(find(Status::Ok, "discovered", text));
        self.hosts.extend(found);
    }

    /// The command that puts `new` in the place of the host that is written `old`.
    pub(crate) fn with(&self, old: &str, new: &str) -> String {
        let swap = |word: &String| if word == old { new.to_owned() } else { word.clone() };
        self.changed_to(&self.words.iter().map(swap).collect::<Vec<_>>().join(" "))
    }

    /// Whether a host stands in the list itself: those of zeroconf do not.
    pub(crate) fn has(&self, word: &str) -> bool {
        self.words.iter().any(|own| own == word)
    }

    /// The command that leaves a host out.
    pub(crate) fn without(&self, old: &str) -> String {
        let words: Vec<&str> =
            self.words.iter().map(String::as_str).filter(|word| *word != old).collect();
        self.changed_to(&words.join(" "))
    }

    fn changed_to(&self, text: &str) -> String {
        match &self.file {
            None => format!("export DISTCC_HOSTS={}", quoted(text)),
            Some(file) => {
                let file = quoted(&file.display().to_string());
                format!("printf '%s\\n' {} > {file}", quoted(text))
            }
        }
    }
}

/// The command that starts a server for the machine with `addresses`.
pub(crate) fn start_server(
    addresses: &[std::net::IpAddr],
    port: Option<u16>,
    more: &str,
) -> String {
    let mut command = String::from("update-distcc-symlinks && distccd --daemon");
    for address in addresses {
        command.push_str(&format!(" --allow {address}"));
    }
    for word in [
        port.filter(|port| *port != hosts::DEFAULT_PORT).map(|port| format!("--port {port}")),
        Some(more.to_owned()).filter(|more| !more.is_empty()),
    ]
    .into_iter()
    .flatten()
    {
        command.push(' ');
        command.push_str(&word);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(file: Option<&str>) -> List {
        let words = ["red:3633/4", "green", "--randomize"].map(str::to_owned).to_vec();
        List { words, file: file.map(PathBuf::from), hosts: Vec::new() }
    }

    #[test]
    fn a_list_is_changed_where_it_stands() {
        let changed = list(None).with("red:3633/4", "red/4");
        assert_eq!(changed, "export DISTCC_HOSTS='red/4 green --randomize'");
        let changed = list(Some("/a b/hosts")).without("green");
        assert_eq!(changed, "printf '%s\\n' 'red:3633/4 --randomize' > '/a b/hosts'");
    }

    #[test]
    fn a_server_is_started_for_one_machine_at_the_port_of_the_list() {
        let address = &["10.0.0.1".parse().unwrap()];
        let command = start_server(address, Some(3632), "");
        assert_eq!(command, "update-distcc-symlinks && distccd --daemon --allow 10.0.0.1");
        assert!(
            start_server(address, Some(4000), "--zeroconf").ends_with("--port 4000 --zeroconf")
        );
    }
}
