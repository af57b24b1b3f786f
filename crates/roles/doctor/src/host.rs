//! One host: its name, the way there, the server, and what that makes of the probe.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hosts::{DEFAULT_PORT, Host, HostSpec};
use wire::Exit;

use crate::Surroundings;
use crate::compilers::Local;
use crate::fault::{Fault, Place};
use crate::link::{self, Link};
use crate::list::{List, start_server};
use crate::modes::{in_mode, try_modes};
use crate::reach::{self, Answer, Reached};
use crate::told::{Told, not_told};
use crate::trial::{Bench, Work};
use diagnosis::shell;
use diagnosis::{Finding, Machine, Status};

/// What all hosts are looked at with.
#[derive(Clone, Copy)]
pub(crate) struct Kit<'a> {
    pub(crate) surroundings: &'a Surroundings,
    pub(crate) list: &'a List,
    pub(crate) locals: &'a [Local],
    /// Those of `locals` that a build surely uses.
    pub(crate) wanted: &'a [String],
    pub(crate) bench: &'a Bench,
    /// A number of nothing else.
    pub(crate) number: usize,
    /// Held while the way to a host is measured: several at once would share it.
    pub(crate) measuring: &'a Mutex<()>,
}

/// What is known of a host.
#[derive(Debug, Default)]
pub(crate) struct Examined {
    pub(crate) findings: Vec<Finding>,
    /// Whether it made an object that is the same as here.
    pub(crate) works: bool,
    /// What it told, and the way to it.
    pub(crate) door: Door,
}

/// What of a host bounds the number of its jobs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Door {
    /// The most compilers at once, by its slots and its processors; `None`: it does not tell.
    pub(crate) n_at_once: Option<u32>,
    pub(crate) link: Option<Link>,
}

/// Looks at one host of the list, which is written `word` there.
pub(crate) fn examine(kit: Kit<'_>, word: &str, spec: &HostSpec) -> Examined {
    let mut examined = Examined::default();
    let shown = spec.host.to_string();
    let mut tell = |finding| examined.findings.push(finding);
    if spec.host == Host::Local {
        let text = "jobs for localhost are compiled here";
        tell(Finding::of(&shown, "host", Status::Ok, "local", text));
        return examined;
    }
    if spec.down {
        let text = "it is marked `,down` in the list";
        tell(Finding::of(&shown, "host", Status::Skipped, "down", text));
        return examined;
    }
    let met = match &spec.host {
        Host::Tcp { name, port } => match meet(kit.list, word, name, *port, &mut examined.findings)
        {
            Some(met) => Some(met),
            None => {
                let text = "it cannot be reached";
                examined.findings.push(Finding::of(
                    &shown,
                    "compilers",
                    Status::Skipped,
                    "unreached",
                    text,
                ));
                return examined;
            }
        },
        _ => None,
    };
    let addresses = met.as_ref().map_or(&[][..], |met| &met.own_addresses);
    let place = Place { host: &shown, name: spec.host.name(), addresses };
    examined.works = try_compilers(kit, spec, &place, &mut examined.findings);
    if examined.works {
        let pumps = met.as_ref().is_some_and(Met::lays_out_trees);
        try_modes(kit, word, spec, &place, pumps, &mut examined.findings);
        examined.door.n_at_once = met.as_ref().and_then(Met::n_at_once);
        examined.findings.push(match &met {
            Some(met) => match measure_link(kit, met, &examined.findings) {
                Ok(link) => {
                    examined.door.link = Some(link);
                    let smaller = kit.list.with(word, &format!("{word},lzo"));
                    let may_compress = !spec.compresses && !spec.pump && kit.list.has(word);
                    link.finding(&shown, may_compress.then_some(smaller.as_str()))
                }
                Err(error) => link::unmeasured(&shown, &error.to_string()),
            },
            None => link::unmeasured(&shown, BY_SSH),
        });
    }
    examined
}

/// What was learned at the door of a host.
struct Met {
    /// What the server tells; `None`: it is not ours, or an older one.
    told: Option<Told>,
    /// Ours as it sees them.
    own_addresses: Vec<IpAddr>,
    /// Its own.
    addresses: Vec<SocketAddr>,
    /// How long a connection took.
    round_trip: Duration,
}

impl Met {
    /// See [`Door::n_at_once`].
    fn n_at_once(&self) -> Option<u32> {
        let told = self.told.as_ref()?;
        [told.abilities.n_jobs, told.condition.n_processors].into_iter().flatten().min()
    }

    fn lays_out_trees(&self) -> bool {
        self.told.as_ref().is_some_and(|told| told.abilities.lays_out_trees)
    }
}

/// Why the way to a host that ssh reaches is not measured.
const BY_SSH: &str =
    "ssh takes what is sent, and does not tell how much of it has come to the other end";

/// How fast the way to a host is, by a compiler that works there.
fn measure_link(kit: Kit<'_>, met: &Met, findings: &[Finding]) -> std::io::Result<Link> {
    let Some(local) = works_there(kit.locals, findings) else {
        return Err(std::io::Error::other("it takes a job for that"));
    };
    let picks = met.told.as_ref().is_some_and(|told| told.abilities.picks_compiler);
    let _alone = kit.measuring.lock().unwrap_or_else(PoisonError::into_inner);
    link::measure(&met.addresses, local, picks, met.round_trip)
}

/// The first compiler whose probe came back the same.
pub(crate) fn works_there<'a>(locals: &'a [Local], findings: &[Finding]) -> Option<&'a Local> {
    locals.iter().find(|local| {
        let check = format!("compiler {}", local.name);
        findings.iter().any(|found| found.check == check && found.status == Status::Ok)
    })
}

/// Goes there and says good day. `None`: no job can be done there.
fn meet(
    list: &List,
    word: &str,
    name: &str,
    port: u16,
    findings: &mut Vec<Finding>,
) -> Option<Met> {
    let host = Host::Tcp { name: name.to_owned(), port }.to_string();
    let mut tell = |finding| findings.push(finding);
    let addresses = match reach::addresses(name, port) {
        Ok(addresses) => addresses,
        Err(error) => {
            tell(unknown_name(list, word, &host, name, port, &error));
            return None;
        }
    };
    let ips: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    tell(Finding::of(&host, "name", Status::Ok, "resolved", format!("is {}", ips.join(", "))));
    let own = reach::own_addresses(&addresses);
    let failed = |code, text: String| Finding::of(&host, "connection", Status::Failed, code, text);
    let on_host = || Machine::Host(name.to_owned());
    let (socket, round_trip) = match reach::reach(&addresses) {
        Reached::Open(socket, took) => {
            let text =
                format!("port {port} is open, round trip {:.1} ms", took.as_secs_f64() * 1e3);
            tell(Finding::of(&host, "connection", Status::Ok, "open", text));
            (socket, took)
        }
        Reached::Closed if port != DEFAULT_PORT && listens(name, DEFAULT_PORT) => {
            let text = format!("nobody listens at port {port}, but a distccd at {DEFAULT_PORT}");
            let mended = word.replacen(&format!(":{port}"), "", 1);
            let command = list.with(word, &mended);
            tell(failed("wrong-port", text).mended_by(Machine::This, &[&command], ""));
            return None;
        }
        Reached::Closed => {
            let text = format!("the machine is there, and nobody listens at port {port}");
            let note = "if one is running there, it listens at another port, or a firewall resets \
                        connections";
            let command = start_server(&own, Some(port), "");
            tell(failed("server-not-running", text).mended_by(on_host(), &[&command], note));
            return None;
        }
        Reached::Rejected => {
            let text = format!("a firewall rejects connections to port {port}");
            let command = shell::let_in(port);
            tell(failed("firewall-rejects", text).mended_by(on_host(), &[&command], FOR_GOOD));
            return None;
        }
        Reached::Silent => {
            let text = format!(
                "no answer from port {port}: a firewall drops what is sent there, or \
                                the machine is off"
            );
            let command = shell::let_in(port);
            tell(failed("firewall-drops", text).mended_by(on_host(), &[&command], FOR_GOOD));
            return None;
        }
        Reached::NoWay(error) => {
            let text = format!("no way leads there: {error}; is the machine up?");
            let command = list.without(word);
            let note = "until it is up again";
            tell(failed("host-unreachable", text).mended_by(Machine::This, &[&command], note));
            return None;
        }
    };
    let met = |told| {
        Some(Met { told, own_addresses: own.clone(), addresses: addresses.clone(), round_trip })
    };
    let server = |status, code, text: &str| Finding::of(&host, "server", status, code, text);
    match reach::ask(socket) {
        Answer::Ours(told) => {
            let names = told.abilities.to_text().trim_end().replace('\n', ", ");
            tell(server(Status::Ok, "ours", &format!("{names}; protocols 1, 2 and 3")));
            told.findings(&host, name).into_iter().for_each(tell);
            met(Some(told))
        }
        Answer::HungUp => {
            let text = "hangs up at a question of ours, as distcc 3.4 does";
            tell(server(Status::Ok, "original", text));
            tell(not_told(&host, "distcc 3.4 does not tell its slots, load, confinement and time"));
            met(None)
        }
        Answer::Refuses(reply) => {
            let said = String::from_utf8_lossy(&reply.stderr).into_owned();
            // The question names no compiler.
            if reply.status.code() == Some(Exit::COMPILER_MISSING.code()) {
                tell(server(Status::Ok, "older", "a distccd that does not know the question"));
                return met(None);
            }
            let is_denied = reply.status.code() == Some(Exit::ACCESS_DENIED.code());
            let code = if is_denied { "refused-address" } else { "server-refused" };
            let place = Place { host: &host, name, addresses: &own };
            tell(Fault { code, said: &said, compiler: None }.finding(
                "server",
                Status::Failed,
                &place,
            ));
            None
        }
        Answer::Stranger(why) => {
            let text = format!("what listens at port {port} is no distccd: {why}");
            let command = start_server(&own, Some(port), "");
            let note = "first end what listens there, or give the right port in the host list";
            tell(server(Status::Failed, "no-distccd", &text).mended_by(
                on_host(),
                &[&command],
                note,
            ));
            None
        }
    }
}

/// What makes a firewall rule last.
const FOR_GOOD: &str = "until the firewall is loaded anew; to make it last, add the port to its \
                        configuration (ufw allow PORT/tcp, firewall-cmd --permanent --add-port=PORT/tcp)";

fn listens(name: &str, port: u16) -> bool {
    let Ok(addresses) = reach::addresses(name, port) else { return false };
    match reach::reach(&addresses) {
        Reached::Open(socket, _) => !matches!(reach::ask(socket), Answer::Stranger(_)),
        _ => false,
    }
}

/// A name without an address: perhaps another was meant that is known here.
fn unknown_name(
    list: &List,
    word: &str,
    host: &str,
    name: &str,
    port: u16,
    error: &std::io::Error,
) -> Finding {
    let text = format!("`{name}` has no address: {error}");
    let finding = Finding::of(host, "name", Status::Failed, "name-not-found", text);
    let similar = crate::names::similar(name).into_iter().find(|other| listens(other, port));
    match similar {
        Some(other) => {
            let command = list.with(word, &word.replacen(name, &other, 1));
            let note = format!("a distccd answers at `{other}`");
            finding.mended_by(Machine::This, &[&command], &note)
        }
        None => {
            let command = list.without(word);
            let note = format!("or give its address a name: echo 'ADDRESS {name}' >> /etc/hosts");
            finding.mended_by(Machine::This, &[&command], &note)
        }
    }
}

/// The probe by each compiler, in plain mode; true if one of them made the object that it makes here.
fn try_compilers(
    kit: Kit<'_>,
    spec: &HostSpec,
    place: &Place<'_>,
    findings: &mut Vec<Finding>,
) -> bool {
    let mut works = false;
    let hosts = in_mode(spec, "");
    for local in kit.locals {
        let check = format!("compiler {}", local.name);
        let is_wanted = kit.wanted.contains(&local.name);
        let status = if is_wanted { Status::Failed } else { Status::Warning };
        let finding = try_it(kit, &hosts, local, place, &check, status);
        works |= finding.status == Status::Ok;
        let is_hopeless = Fault::is_of_the_host(&finding.code);
        findings.push(finding);
        if is_hopeless {
            break;
        }
    }
    works
}

/// The probe by one compiler in one mode, compared with the object that is made here.
pub(crate) fn try_it(
    kit: Kit<'_>,
    hosts: &str,
    local: &Local,
    place: &Place<'_>,
    check: &str,
    status: Status,
) -> Finding {
    let name = format!("{}-{}", kit.number, check.replace(['/', ' '], "-"));
    let outcome = kit.bench.compile_there(&name, hosts, &local.name, Work::Probe, kit.surroundings);
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            let text = format!("the probe could not be run: {error}");
            return Finding::of(place.host, check, status, "probe-failed", text);
        }
    };
    match &outcome.object {
        Some(object) if *object == local.object => {
            let text = format!("the same object as here, in {} ms", outcome.took.as_millis());
            if check == "mode pump" && outcome.code != "pumped" {
                let text = format!("{text}, but not preprocessed there: {}", outcome.said);
                return Finding::of(place.host, check, status, &outcome.code, text);
            }
            Finding::of(place.host, check, Status::Ok, "same", text)
        }
        Some(_) => {
            let fault =
                Fault { code: "object-differs", said: &outcome.said, compiler: Some(local) };
            fault.finding(check, status, place)
        }
        None => {
            let fault = Fault { code: &outcome.code, said: &outcome.said, compiler: Some(local) };
            fault.finding(check, status, place)
        }
    }
}
