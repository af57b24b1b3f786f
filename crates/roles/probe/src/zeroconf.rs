//! `lsdistcc --zeroconf`: the servers that announce themselves on the local network.

use std::ffi::OsString;
use std::io::{self, Write};
use std::time::Duration;

use discovery::Found;
use statedir::{FoundHosts, StateDir};
use toolchain::{Finder, Gcc, is_same_target};

use crate::complain;
use crate::options::Options;

/// How long the network is listened to unless `-t` says otherwise. Servers answer within 120 ms
/// (RFC 6762, section 6); what is lost is asked for again after a second.
const TIME: Duration = Duration::from_millis(1500);

/// How long the gcc of this machine may take to say what it is.
const GCC_PATIENCE: Duration = Duration::from_secs(1);

/// Prints the servers that answer, or keeps them for clients; true if one did.
pub(crate) fn run(options: &Options, path: &OsString) -> bool {
    let time = options.time_limit.filter(|time| !time.is_zero()).unwrap_or(TIME);
    let kept = match &options.keep_in {
        None => None,
        Some(folder) => match keep_in(folder) {
            Ok(None) => return true,
            Ok(Some(kept)) => Some(kept),
            Err(error) => {
                complain(&format!("could not keep hosts in {}: {error}", folder.display()), "");
                return false;
            }
        },
    };
    let suiting = Suiting { gcc: Gcc::ask(&Finder::new(path.clone()), GCC_PATIENCE).ok(), options };
    let write = |lines: &[String]| {
        if let Some((hosts, _)) = &kept
            && let Err(error) = hosts.write(lines)
        {
            complain(&format!("could not keep the hosts: {error}"), "");
        }
    };
    // Clients wait only where nothing of use is kept. Elsewhere the first answers would only hide
    // the slower hosts for a moment.
    let is_awaited = kept
        .as_ref()
        .is_some_and(|(hosts, _)| !hosts.read().as_ref().is_some_and(statedir::Kept::is_usable));
    let early = |found: &[Found]| {
        let lines = suiting.lines(found);
        if is_awaited && !lines.is_empty() {
            write(&lines);
        }
    };
    let unfit = |name: &str, why| suiting.tell(name, &format!("{why}"));
    let found = match discovery::browse(time, early, unfit) {
        Ok(found) => found,
        Err(error) => {
            complain(&format!("zeroconf is not to be had: {error}"), "");
            return false;
        }
    };
    let lines = suiting.lines(&found);
    if lines.is_empty() {
        let text = format!("no server announced itself within {} ms", time.as_millis());
        complain(
            &text,
            "start `distccd --zeroconf` on machines of this network, with the same gcc as here",
        );
    }
    // After the reason: clients that see that there is nobody want to know why.
    write(&lines);
    if options.keep_in.is_none() {
        print(&lines);
    }
    !lines.is_empty()
}

/// Becomes the one who keeps the hosts for this state folder; `None` if somebody else is.
fn keep_in(folder: &std::path::Path) -> io::Result<Option<(FoundHosts, statedir::Keeper)>> {
    let hosts = StateDir::open(Some(folder.as_os_str()), None)?.found_hosts()?;
    Ok(hosts.try_keep()?.map(|keeper| (hosts, keeper)))
}

fn print(lines: &[String]) {
    let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
    // Nobody reads any more: the exit status still tells.
    let _ = io::stdout().write_all(text.as_bytes());
}

/// Which servers are of use here.
struct Suiting<'a> {
    /// The compiler of this machine. Without one, whatever servers have suits.
    gcc: Option<Gcc>,
    options: &'a Options,
}

impl Suiting<'_> {
    /// The servers whose gcc is that of this machine, as lines of a host list. Those that say
    /// nothing of their gcc are asked, and their objects are judged as all are.
    fn lines(&self, found: &[Found]) -> Vec<String> {
        found.iter().filter(|server| self.suits(server)).map(Found::to_string).collect()
    }

    fn suits(&self, server: &Found) -> bool {
        let (Some(ours), Some((version, machine))) = (&self.gcc, &server.gcc) else { return true };
        let suits = (&ours.version, &ours.machine) == (version, machine)
            || server.gccs.iter().any(|gcc| is_that(gcc, ours));
        if !suits {
            let text = format!(
                "its gcc is {version} for {machine}, that of this machine {} for {}",
                ours.version, ours.machine
            );
            self.tell(&server.to_string(), &text);
        }
        suits
    }

    fn tell(&self, name: &str, text: &str) {
        if self.options.verbose {
            complain(&format!("{}: {text}", name.escape_debug()), "");
        }
    }
}

/// Whether a server's compiler, by its whole version and its machine, is `ours`, which may say the
/// first number of its version only.
fn is_that((version, machine): &(String, String), ours: &Gcc) -> bool {
    let rest = version.strip_prefix(ours.version.as_str());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        && is_same_target(machine, &ours.machine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_compiler_for_another_machine_may_be_the_one_of_this_machine() {
        let check = |theirs: (&str, &str), ours: (&str, &str), expected| {
            let theirs = (theirs.0.to_owned(), theirs.1.to_owned());
            let ours = Gcc { version: ours.0.to_owned(), machine: ours.1.to_owned() };
            assert_eq!(is_that(&theirs, &ours), expected, "{theirs:?} {ours:?}");
        };
        let board = "aarch64-unknown-linux-gnu";
        check(("12.2.0", "aarch64-linux-gnu"), ("12", board), true);
        check(("12.2.0", board), ("12.2.0", board), true);
        check(("12.2.0", board), ("1", board), false);
        check(("12.2.0", board), ("12.2.1", board), false);
        check(("12.2.0", "x86_64-linux-gnu"), ("12", board), false);
    }
}
