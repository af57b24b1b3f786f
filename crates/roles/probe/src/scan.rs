//! The search: looks names up, asks those that exist, prints those that answer.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use wire::Version;

use crate::ask::{Compile, Question, ask};
use crate::complain;
use crate::names::Names;
use crate::options::Options;
use crate::surroundings::Surroundings;

/// How long a search takes at most unless `-t` says otherwise. Source: lsdistcc(1) 3.4.
const TIME_LIMIT: Duration = Duration::from_secs(7);

/// Threads that look up or ask at once.
const MOST_THREADS: usize = 256;

/// How often one name is looked up before its first answer.
const MOST_LOOKUPS: u32 = 4;

/// The most names that a format makes: a domain that has every name would have no end.
const MOST_NAMES: usize = 10_000;

/// The stack of a thread that looks up or asks, in bytes: the resolver takes most of it.
const STACK: usize = 1 << 20;

/// Prints the hosts that answer; true if one did.
pub(crate) fn run(options: &Options, surroundings: &Surroundings) -> bool {
    let domain = match options.add_domain.then(|| surroundings.domain()) {
        None => String::new(),
        Some(Some(domain)) => domain,
        Some(None) => {
            complain(
                "could not find out the domain of this machine",
                "leave out -d and write whole names, or set HOSTNAME to the machine's whole name",
            );
            return false;
        }
    };
    let compile_limit = options.compile_limit;
    let compile = options.compiler.as_ref().filter(|_| !compile_limit.is_zero());
    let question = Question {
        connect_limit: options.connect_limit,
        compile: compile.map(|name| Compile::new(options.version, name, compile_limit)),
    };
    let (sender, receiver) = channel();
    let scan = Scan {
        options,
        question: Arc::new(question),
        names: options.names.iter(&domain).take(MOST_NAMES).fuse(),
        hosts: Vec::new(),
        waiting: VecDeque::new(),
        n_lookups: 0,
        n_threads: 0,
        n_missing: 0,
        n_names: usize::MAX,
        common: None,
        next_in_order: 0,
        n_up: 0,
        first_trouble: None,
        sender,
    };
    scan.run(&receiver)
}

/// How far the search is with one host.
enum State {
    /// Being looked up, for the so many-th time since this moment.
    LookedUp { since: Instant, n_times: u32 },
    /// It exists; its turn in the order has not come.
    Known(Vec<SocketAddr>),
    /// It does not exist, and its turn has not come.
    Unknown(io::Error),
    /// It is being asked.
    Asked(Vec<SocketAddr>),
    /// All is said about it.
    Finished,
}

struct Host {
    name: String,
    state: State,
}

/// What threads have to tell of the host of this number.
enum Told {
    Lookup(usize, io::Result<Vec<SocketAddr>>),
    Answer(usize, io::Result<(SocketAddr, Duration)>),
}

struct Scan<'a, I> {
    options: &'a Options,
    question: Arc<Question>,
    names: I,
    hosts: Vec<Host>,
    /// Those to be asked as soon as a thread is free.
    waiting: VecDeque<usize>,
    n_lookups: usize,
    n_threads: usize,
    /// Names of the format that do not exist.
    n_missing: usize,
    /// How many names are looked up in all, as far as that is known.
    n_names: usize,
    /// The first host's address, for `-m`.
    common: Option<IpAddr>,
    /// The host whose lookup is dealt with next, where the order matters.
    next_in_order: usize,
    n_up: usize,
    /// Why the first host that does not answer does not.
    first_trouble: Option<String>,
    sender: Sender<Told>,
}

impl<I: Iterator<Item = String>> Scan<'_, I> {
    fn run(mut self, receiver: &Receiver<Told>) -> bool {
        let limit = self.time_limit();
        let deadline = Some(limit).filter(|limit| !limit.is_zero()).map(|l| Instant::now() + l);
        loop {
            self.look_up_more();
            self.look_up_again();
            self.ask_more();
            if self.n_lookups == 0 && self.waiting.is_empty() && self.n_threads == 0 {
                break;
            }
            let now = Instant::now();
            if deadline.is_some_and(|deadline| now >= deadline) {
                self.give_up();
                break;
            }
            match receiver.recv_timeout(self.pause(now, deadline)) {
                Ok(Told::Lookup(index, found)) => self.note_lookup(index, found),
                Ok(Told::Answer(index, answer)) => self.note_answer(index, answer),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.sum_up();
        self.n_up > 0
    }

    fn time_limit(&self) -> Duration {
        self.options.time_limit.unwrap_or(TIME_LIMIT)
    }

    /// Whether hosts are dealt with in the order of their names: a format ends with the first
    /// that is missing, and `-m` compares with the first that is there.
    fn is_ordered(&self) -> bool {
        matches!(self.options.names, Names::Format(_)) || self.options.n_common_bits > 0
    }

    /// How many names may be looked up at once.
    fn n_lookups_most(&self) -> usize {
        if matches!(self.options.names, Names::Format(_)) {
            self.options.n_ahead + 1
        } else {
            MOST_THREADS
        }
    }

    fn look_up_more(&mut self) {
        while self.hosts.len() < self.n_names
            && self.n_lookups < self.n_lookups_most()
            && self.n_threads < MOST_THREADS
            // A name that is overtaken still holds its place among those looked up ahead.
            && (!self.is_ordered() || self.hosts.len() < self.next_in_order + self.n_lookups_most())
        {
            let Some(name) = self.names.next() else {
                self.n_names = self.hosts.len();
                return;
            };
            let index = self.hosts.len();
            let state = State::LookedUp { since: Instant::now(), n_times: 0 };
            self.hosts.push(Host { name, state });
            self.n_lookups += 1;
            self.look_up(index);
        }
    }

    /// Looks names up once more that take too long: a lost packet costs the resolver seconds.
    fn look_up_again(&mut self) {
        let patience = self.options.lookup_patience;
        if patience.is_zero() {
            return;
        }
        for index in 0..self.hosts.len() {
            if let State::LookedUp { since, n_times } = self.hosts[index].state
                && n_times < MOST_LOOKUPS
                && since.elapsed() >= patience
                && self.n_threads < MOST_THREADS
            {
                self.look_up(index);
            }
        }
    }

    fn look_up(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        if let State::LookedUp { since, n_times } = &mut host.state {
            *since = Instant::now();
            *n_times += 1;
        }
        let name = host.name.clone();
        self.tell(&format!("Looking up {name}"));
        let port = self.options.port;
        self.start(move || {
            let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
            let found = (bare.unwrap_or(&name), port).to_socket_addrs().map(Vec::from_iter);
            Told::Lookup(index, found)
        });
    }

    /// Runs `work` in a thread and has its result told.
    fn start(&mut self, work: impl FnOnce() -> Told + Send + 'static) {
        let sender = self.sender.clone();
        let run = move || {
            let _ = sender.send(work());
        };
        match std::thread::Builder::new().stack_size(STACK).spawn(run) {
            Ok(_) => self.n_threads += 1,
            // Whoever is not asked does not answer; the time limit ends it.
            Err(error) => self.tell(&format!("no thread: {error}")),
        }
    }

    fn note_lookup(&mut self, index: usize, found: io::Result<Vec<SocketAddr>>) {
        self.n_threads -= 1;
        if !matches!(self.hosts[index].state, State::LookedUp { .. }) {
            // A second lookup's answer.
            return;
        }
        self.n_lookups -= 1;
        self.hosts[index].state = match found {
            Ok(addresses) if addresses.is_empty() => {
                State::Unknown(io::Error::new(io::ErrorKind::NotFound, "it has no address"))
            }
            Ok(addresses) => State::Known(addresses),
            Err(error) => State::Unknown(error),
        };
        if !self.is_ordered() {
            self.settle(index);
            return;
        }
        while let Some(host) = self.hosts.get(self.next_in_order)
            && !matches!(host.state, State::LookedUp { .. })
        {
            self.settle(self.next_in_order);
            self.next_in_order += 1;
        }
    }

    /// Deals with a host whose lookup has ended.
    fn settle(&mut self, index: usize) {
        match std::mem::replace(&mut self.hosts[index].state, State::Finished) {
            State::Known(addresses) if self.is_near(&addresses) => {
                self.hosts[index].state = State::Asked(addresses);
                self.waiting.push_back(index);
            }
            State::Known(_) => self.note_missing(index, "it is not in the first host's network"),
            State::Unknown(error) => self.note_missing(index, &error.to_string()),
            other => self.hosts[index].state = other,
        }
    }

    fn note_missing(&mut self, index: usize, why: &str) {
        let name = self.hosts[index].name.clone();
        self.tell(&format!("{name} not found: {why}"));
        self.note_trouble(&name, why);
        self.n_missing += 1;
        let is_format = matches!(self.options.names, Names::Format(_));
        if is_format && self.n_missing == self.options.n_gaps + 1 {
            // However the lookups overtook each other, those ahead of this one count.
            self.n_names = self.n_names.min(index + 1 + self.options.n_ahead);
        }
    }

    /// Whether an address shares its first bits with the first host's. That one is set here.
    fn is_near(&mut self, addresses: &[SocketAddr]) -> bool {
        let first = *self.common.get_or_insert_with(|| addresses[0].ip());
        addresses
            .iter()
            .any(|address| n_common_bits(first, address.ip()) >= self.options.n_common_bits)
    }

    fn ask_more(&mut self) {
        while self.n_threads < MOST_THREADS
            && let Some(index) = self.waiting.pop_front()
        {
            let State::Asked(addresses) = &self.hosts[index].state else { continue };
            let addresses = addresses.clone();
            if self.options.connect_limit.is_zero() {
                self.print(index, addresses[0], true, Duration::ZERO);
                continue;
            }
            self.tell(&format!("Connecting to {}", self.hosts[index].name));
            let question = Arc::clone(&self.question);
            self.start(move || Told::Answer(index, ask(&addresses, &question)));
        }
    }

    fn note_answer(&mut self, index: usize, answer: io::Result<(SocketAddr, Duration)>) {
        self.n_threads -= 1;
        match answer {
            Ok((address, latency)) => self.print(index, address, true, latency),
            Err(error) => {
                let name = self.hosts[index].name.clone();
                self.tell(&format!("{name} does not answer: {error}"));
                self.note_trouble(&name, &error.to_string());
                self.print_down(index);
            }
        }
    }

    fn print_down(&mut self, index: usize) {
        if let State::Asked(addresses) = &self.hosts[index].state {
            let address = addresses[0];
            self.print(index, address, false, Duration::ZERO);
        }
    }

    /// Says all about a host.
    fn print(&mut self, index: usize, address: SocketAddr, is_up: bool, latency: Duration) {
        let host = &mut self.hosts[index];
        host.state = State::Finished;
        if is_up {
            self.n_up += 1;
        } else if !self.options.mark_down {
            return;
        }
        let line = line(self.options, &host.name, address, is_up, latency);
        // Nobody reads any more: the exit status still tells.
        let mut out = io::stdout().lock();
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }

    /// The time is over: those who did not answer so far are down.
    fn give_up(&mut self) {
        let seconds = self.time_limit().as_secs();
        self.tell(&format!("the search ends after {seconds} s"));
        for index in 0..self.hosts.len() {
            let name = self.hosts[index].name.clone();
            match self.hosts[index].state {
                State::Finished => {}
                State::Asked(_) => {
                    self.note_trouble(&name, &format!("no answer within {seconds} s"));
                    self.print_down(index);
                }
                _ => self.note_trouble(&name, &format!("not looked up within {seconds} s")),
            }
        }
    }

    fn note_trouble(&mut self, name: &str, why: &str) {
        self.first_trouble.get_or_insert_with(|| format!("{}: {why}", name.escape_debug()));
    }

    /// Whoever finds nobody wants to know why.
    fn sum_up(&self) {
        if self.n_up > 0 {
            return;
        }
        let port = self.options.port;
        let why = self.first_trouble.clone().unwrap_or_else(|| "no name was given".to_owned());
        complain(
            &format!("no server found on port {port}: {why}"),
            match self.options.names {
                Names::Format(_) => {
                    "name the servers: lsdistcc HOST ..., or a format: lsdistcc 'HOST%d'"
                }
                Names::List(_) => "start distccd there, or give its port as in -r3633",
            },
        );
    }

    /// The longest time in which nothing has to be done.
    fn pause(&self, now: Instant, deadline: Option<Instant>) -> Duration {
        let patience = self.options.lookup_patience;
        let lookups = self.hosts.iter().filter_map(|host| match host.state {
            State::LookedUp { since, n_times } if n_times < MOST_LOOKUPS && !patience.is_zero() => {
                Some(since + patience)
            }
            _ => None,
        });
        let next = lookups.chain(deadline).min();
        // A lookup that is due may have to wait for a thread.
        next.map_or(Duration::from_secs(1), |next| next.saturating_duration_since(now))
            .max(Duration::from_millis(1))
    }

    fn tell(&self, text: &str) {
        if self.options.verbose {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let text = text.escape_debug();
            eprintln!("now {} {}: {text}", now.as_secs(), now.subsec_millis());
        }
    }
}

/// A host as host lists have it, and its latency.
fn line(
    options: &Options,
    name: &str,
    address: SocketAddr,
    is_up: bool,
    latency: Duration,
) -> String {
    let shown = if options.numeric { address.ip().to_string() } else { name.to_owned() };
    let mut line =
        if shown.contains(':') && !shown.starts_with('[') { format!("[{shown}]") } else { shown };
    if options.port != 3632 {
        line.push_str(&format!(":{}", options.port));
    }
    line.push_str(match options.version {
        Version::V1 => "",
        Version::V2 => ",lzo",
        Version::V3 => ",lzo,cpp",
    });
    if !is_up {
        line.push_str(",down");
    }
    if options.latency {
        line.push_str(&format!(" {}", latency.as_millis()));
    }
    line
}

/// How many bits two addresses have in common at their beginning; of different families none.
fn n_common_bits(one: IpAddr, other: IpAddr) -> u32 {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_compared_bit_by_bit() {
        let check = |one: &str, other: &str, expected| {
            assert_eq!(n_common_bits(one.parse().unwrap(), other.parse().unwrap()), expected);
        };
        check("10.0.0.1", "10.0.0.1", 32);
        check("10.0.0.1", "10.0.0.2", 30);
        check("10.0.0.1", "138.0.0.1", 0);
        check("fe80::1", "fe80::3", 126);
        check("10.0.0.1", "::1", 0);
    }
}
