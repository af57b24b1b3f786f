//! `+zeroconf`: the hosts that announce themselves on the local network.
//!
//! The client itself does not ask the network: that takes a second and more code than all the
//! rest of it. `lsdistcc` does, started by the first client that needs hosts, and keeps them in
//! the state folder for all. A client only waits when nothing is kept at all.

use std::ffi::OsString;
use std::io;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hosts::{Host, HostList, HostSpec};
use statedir::{FoundHosts, Kept, StateDir};

use crate::log::Log;

/// The longest wait for hosts when none are kept. `lsdistcc` ends after 1.5 s, and the wait with
/// it; the rest is for machines that are busy.
const PATIENCE: Duration = Duration::from_secs(4);

/// The pause between two looks at what is kept.
const PAUSE: Duration = Duration::from_millis(5);

/// The network is asked once in so long, by whichever client is the first.
const LEAST_PAUSE: Duration = Duration::from_secs(15);

/// The most hosts that are taken.
const MOST_HOSTS: usize = 256;

/// Whether the network may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asking {
    Allowed,
    /// What is kept has to do.
    Forbidden,
}

/// Puts the hosts that were found into the list, where `+zeroconf` stands in it. Where there are
/// none and the list has others, gives why.
///
/// # Errors
/// Why there are none, if the list has no others either.
pub(crate) fn fill_in(
    list: &mut HostList,
    state: Option<&StateDir>,
    log: &Log,
    asking: Asking,
) -> Result<Option<String>, String> {
    let Some(position) = list.zeroconf else { return Ok(None) };
    match find(state, log, asking) {
        Ok(found) => {
            let shown: Vec<String> = found.iter().map(|spec| spec.host.to_string()).collect();
            log.info(&format!("hosts found by zeroconf: {}", shown.join(", ")));
            let position = position.min(list.hosts.len());
            list.hosts.splice(position..position, found);
            Ok(None)
        }
        Err(why) if list.hosts.is_empty() => Err(why),
        Err(why) => {
            Ok(Some(format!("zeroconf found no host: {why}; going on with the other hosts")))
        }
    }
}

/// The hosts, or why there are none.
fn find(state: Option<&StateDir>, log: &Log, may_ask: Asking) -> Result<Vec<HostSpec>, String> {
    let state = state.ok_or("there is no state folder to keep hosts in")?;
    let hosts = state.found_hosts().map_err(|error| format!("the state folder: {error}"))?;
    let kept = hosts.read().filter(Kept::is_usable);
    let kept = match (kept, may_ask) {
        (kept, Asking::Forbidden) => kept,
        (Some(kept), _) if kept.is_fresh() => Some(kept),
        (Some(kept), _) => {
            // What is kept will do for now.
            if let Err(error) = ask(state, &hosts) {
                log.info(&format!("zeroconf: {error}"));
            }
            Some(kept)
        }
        (None, _) => match ask(state, &hosts) {
            Ok(asking) => wait(&hosts, asking),
            Err(error) => {
                // For those who come next.
                let _ = hosts.note_trouble(&error.to_string()).and_then(|()| hosts.write(&[]));
                return Err(error.to_string());
            }
        },
    };
    let or_said = |why: &str| hosts.trouble().unwrap_or_else(|| why.to_owned());
    let kept = kept.ok_or_else(|| or_said("no answer so far"))?;
    let found: Vec<HostSpec> = kept.text.lines().take(MOST_HOSTS).filter_map(host).collect();
    if found.is_empty() { Err(or_said("no server answered")) } else { Ok(found) }
}

/// One line of what is kept: a server on TCP, or nothing that we would use.
fn host(line: &str) -> Option<HostSpec> {
    HostSpec::parse(line.trim()).ok().filter(|spec| matches!(spec.host, Host::Tcp { .. }))
}

/// Has `lsdistcc` ask the network, unless somebody has just done so.
fn ask(state: &StateDir, hosts: &FoundHosts) -> io::Result<Option<Child>> {
    if !hosts.claim_question(LEAST_PAUSE)? {
        return Ok(None);
    }
    let mut keep_in = OsString::from("--keep-in=");
    keep_in.push(state.path());
    let start = || {
        let mut command = Command::new(sys::sibling::program("lsdistcc"));
        command.arg("--zeroconf").arg(&keep_in);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(hosts.trouble_file()?);
        sys::child::detach(&mut command);
        command.spawn()
    };
    start().map(Some).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("could not start lsdistcc, which asks the network: {error}"),
        )
    })
}

/// Waits for the first hosts. Whoever has not started `lsdistcc` waits for the one who has.
fn wait(hosts: &FoundHosts, mut asking: Option<Child>) -> Option<Kept> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // In this order: it writes, then ends.
        let has_ended = match &mut asking {
            Some(child) => child.try_wait().is_ok_and(|status| status.is_some()),
            None => !hosts.was_asked_within(PATIENCE),
        };
        if let Some(kept) = hosts.read().filter(Kept::is_usable) {
            return Some(kept);
        }
        if has_ended && asking.is_some() {
            // It kept nothing: nobody else shall wait for it.
            let _ = hosts.write(&[]);
        }
        if has_ended || Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_servers_on_tcp_are_taken_from_what_is_kept() {
        assert!(host("10.0.0.7:3632/4").is_some());
        assert!(host(" [fe80::7%eth0]:3632/4").is_some());
        for line in
            ["", "localhost/8", "user@red", "@red:/bin/sh", "+zeroconf", "--randomize", "a b"]
        {
            assert!(host(line).is_none(), "{line}");
        }
    }
}
