//! A lab of hosts for tests: network namespaces of this machine, each with one cable to a common
//! switch.
//!
//! Needs root, and Debian's iproute2 and nftables. All of a lab is in namespaces of its own:
//! nothing of it can be seen from outside, and two labs never meet. Dropping a lab ends the
//! processes in it and takes it down, after a panic as well; what a killed test left is swept up
//! by the next one.

use std::ffi::OsStr;
use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};

/// What the names of all namespaces of all labs begin with; the test's process id comes next.
const PREFIX: &str = "distcc-rs-";

/// Where `ip netns` keeps the namespaces that have names.
const NAMESPACES: &str = "/run/netns";

/// Where `ip netns exec` finds files to put over those of `/etc`.
const FILES: &str = "/etc/netns";

/// Hosts on one switch. Every host knows every other by its name (`/etc/hosts`).
#[derive(Debug)]
pub struct Lab {
    switch: Namespace,
    hosts: Vec<Host>,
}

/// One host of a [`Lab`].
#[derive(Debug)]
pub struct Host {
    namespace: Namespace,
    name: String,
    number: u8,
    /// The switch at the other end of the cable.
    switch: String,
}

impl Lab {
    /// Makes a lab of hosts with these names: 10.77.0.1, 10.77.0.2 and so on, in this order.
    ///
    /// # Panics
    /// When the system does not let us: all that goes wrong in a lab is a panic with the reason.
    #[must_use]
    pub fn new(names: &[&str]) -> Lab {
        static N_LABS: AtomicU32 = AtomicU32::new(0);
        assert!(
            rustix::process::geteuid().is_root(),
            "network namespaces need root: run this test as root"
        );
        sweep();
        let number = N_LABS.fetch_add(1, Ordering::SeqCst);
        let name = |part: &str| format!("{PREFIX}{}-{number}-{part}", std::process::id());
        let switch = Namespace::new(name("switch"));
        switch.ip(&["link", "add", "switch", "type", "bridge"]);
        switch.ip(&["link", "set", "switch", "up"]);
        let mut lab = Lab { switch, hosts: Vec::new() };
        for (host, number) in names.iter().zip(1..=u8::MAX) {
            let namespace = Namespace::new(name(host));
            let switch = lab.switch.name.clone();
            let host = Host { namespace, name: (*host).to_owned(), number, switch };
            host.plug_in();
            lab.hosts.push(host);
        }
        let mut text = String::from("127.0.0.1 localhost\n::1 localhost\n");
        for host in &lab.hosts {
            text.push_str(&format!("{} {}\n{} {}\n", host.ip(), host.name, host.ipv6(), host.name));
        }
        lab.hosts.iter().for_each(|host| host.put_etc("hosts", &text));
        lab
    }

    /// The host of that name.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn host(&self, name: &str) -> &Host {
        let found = self.hosts.iter().find(|host| host.name == name);
        found.unwrap_or_else(|| panic!("the lab has no host `{name}`"))
    }
}

impl Host {
    /// Its name, which the other hosts know.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address.
    #[must_use]
    pub fn ip(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, 0, self.number)
    }

    /// Its other address.
    #[must_use]
    pub fn ipv6(&self) -> Ipv6Addr {
        Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, self.number.into())
    }

    /// The words to put before a command so that it runs on this host. The process that they start
    /// becomes the command: its process id and its end are the command's.
    #[must_use]
    pub fn launcher(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.namespace.name].map(str::to_owned).to_vec()
    }

    /// A command on this host.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut words = self.launcher();
        let mut command = Command::new(words.remove(0));
        command.args(words).arg(program);
        command
    }

    /// The processes that run on it.
    #[must_use]
    pub fn processes(&self) -> Vec<Pid> {
        processes_in(&self.namespace.name)
    }

    /// Puts a file over the one of that name in `/etc`, for commands that are started from now on.
    ///
    /// # Panics
    /// As all of a lab.
    pub fn put_etc(&self, name: &str, text: &str) {
        let path = self.namespace.etc().join(name);
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Cuts the cable in the middle: what is sent vanishes, both ways, and nobody is told. The
    /// interfaces stay up, as when a switch between the two loses its power.
    ///
    /// # Panics
    /// As all of a lab.
    pub fn cut_cable(&self) {
        self.at_the_switch(&["nomaster"]);
    }

    /// Mends the cable that was cut.
    ///
    /// # Panics
    /// As all of a lab.
    pub fn mend_cable(&self) {
        self.at_the_switch(&["master", "switch"]);
    }

    /// Has a firewall on this host drop, without a word, all that comes in for a TCP or UDP port.
    ///
    /// # Panics
    /// As all of a lab.
    pub fn drop_port(&self, port: u16) {
        let rules = format!(
            "add table inet lab\n\
             add chain inet lab input {{ type filter hook input priority 0; }}\n\
             add rule inet lab input tcp dport {port} drop\n\
             add rule inet lab input udp dport {port} drop\n"
        );
        let mut nft = self.command("nft");
        nft.args(["-f", "-"]).stdin(Stdio::piped());
        let mut child = nft.spawn().expect("`ip netns exec` can be started");
        let mut stdin = child.stdin.take().expect("it was asked for");
        stdin.write_all(rules.as_bytes()).expect("nft reads its rules (Debian: nftables)");
        drop(stdin);
        assert!(child.wait().expect("nft can be waited for").success(), "nft refused:\n{rules}");
    }

    fn at_the_switch(&self, words: &[&str]) {
        let port = self.port();
        ip(&[&["-netns", &self.switch, "link", "set", &port], words].concat());
    }

    /// The switch's end of the cable.
    fn port(&self) -> String {
        format!("port{}", self.number)
    }

    fn plug_in(&self) {
        let (host, switch, port) = (&self.namespace, &self.switch, self.port());
        // No wait for somebody else with the same address: there is none.
        host.run("sh", &["-c", "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad"]);
        host.ip(&["link", "set", "lo", "up"]);
        host.ip(&[
            &["link", "add", "eth0", "type", "veth"][..],
            &["peer", "name", &port, "netns", switch],
        ]
        .concat());
        self.at_the_switch(&["master", "switch", "up"]);
        host.ip(&["address", "add", &format!("{}/24", self.ip()), "dev", "eth0"]);
        host.ip(&["address", "add", &format!("{}/64", self.ipv6()), "dev", "eth0", "nodad"]);
        host.ip(&["link", "set", "eth0", "up"]);
        host.ip(&["route", "add", "224.0.0.0/4", "dev", "eth0"]);
    }
}

/// A network namespace with a name, and its folder of files.
#[derive(Debug)]
struct Namespace {
    name: String,
}

impl Namespace {
    fn new(name: String) -> Namespace {
        ip(&["netns", "add", &name]);
        let namespace = Namespace { name };
        std::fs::create_dir_all(namespace.etc()).expect("root can write /etc/netns");
        namespace
    }

    fn etc(&self) -> PathBuf {
        Path::new(FILES).join(&self.name)
    }

    /// Runs `ip` in it.
    fn ip(&self, words: &[&str]) {
        ip(&[&["-netns", &self.name], words].concat());
    }

    fn run(&self, program: &str, words: &[&str]) {
        ip(&[&["netns", "exec", &self.name, program], words].concat());
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        take_down(&self.name);
    }
}

/// Ends the processes in a namespace and removes it. Whatever does not work is left as it is.
fn take_down(name: &str) {
    for pid in processes_in(name) {
        let _ = kill_process(pid, Signal::KILL);
    }
    let _ = Command::new("ip").args(["netns", "delete", name]).stderr(Stdio::null()).status();
    let _ = std::fs::remove_dir_all(Path::new(FILES).join(name));
}

fn processes_in(name: &str) -> Vec<Pid> {
    let listed = Command::new("ip").args(["netns", "pids", name]).output();
    let pids = listed.map(|output| output.stdout).unwrap_or_default();
    let pids = String::from_utf8_lossy(&pids);
    pids.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

/// Takes down the labs of tests that were killed: their process is gone.
fn sweep() {
    for entry in std::fs::read_dir(NAMESPACES).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        let Some((Ok(pid), _)) = rest.split_once('-').map(|(pid, rest)| (pid.parse::<u32>(), rest))
        else {
            continue;
        };
        if !Path::new(&format!("/proc/{pid}")).exists() {
            take_down(&name);
        }
    }
}

#[track_caller]
fn ip(words: &[&str]) {
    let output = Command::new("ip")
        .args(words)
        .stdin(Stdio::null())
        .output()
        .expect("`ip` can be started (Debian: iproute2)");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`ip {}`: {}\n{said}", words.join(" "), output.status);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A listener on `red`; `green` reads what it says.
    const LISTEN: &str = "use Socket; socket(my $s, PF_INET, SOCK_STREAM, 0); \
        setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1); \
        bind($s, sockaddr_in(7000, INADDR_ANY)); listen($s, 9); $| = 1; print \"up\\n\"; \
        while (accept(my $c, $s)) { print $c \"hello\\n\"; close $c; }";
    const ASK: &str = "use IO::Socket::INET; my $s = IO::Socket::INET->new(\
        PeerAddr => $ARGV[0], PeerPort => 7000, Timeout => 2) or exit 7; print scalar <$s>;";

    fn ask(host: &Host, peer: &str) -> (Option<i32>, String) {
        let output = host.command("perl").args(["-e", ASK, peer]).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn listen(host: &Host) {
        use std::io::{BufRead, BufReader};
        let mut perl = host.command("perl");
        let mut child = perl.args(["-e", LISTEN]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "up\n");
        // Ended with the lab, and waited for when the test ends.
        std::thread::spawn(move || child.wait());
    }

    #[test]
    fn hosts_know_each_other_by_name_until_a_cable_is_cut() {
        let lab = Lab::new(&["red", "green"]);
        listen(lab.host("red"));
        let heard = (Some(0), "hello\n".to_owned());
        let silence = (Some(7), String::new());
        assert_eq!(ask(lab.host("green"), "red"), heard);
        lab.host("red").cut_cable();
        assert_eq!(ask(lab.host("green"), "red"), silence);
        lab.host("red").mend_cable();
        assert_eq!(ask(lab.host("green"), "red"), heard);
        lab.host("red").drop_port(7001);
        assert_eq!(ask(lab.host("green"), "red"), heard);
        lab.host("red").drop_port(7000);
        assert_eq!(ask(lab.host("green"), "red"), silence);
    }

    #[test]
    fn labs_do_not_meet_and_nothing_is_left_of_them_after_a_panic() {
        let other = Lab::new(&["red"]);
        listen(other.host("red"));
        let names = std::sync::Mutex::new(Vec::new());
        let panicked = std::thread::scope(|scope| {
            let working = || {
                let lab = Lab::new(&["red", "green"]);
                names.lock().unwrap().push(lab.host("red").namespace.name.clone());
                assert_eq!(ask(lab.host("green"), "red").0, Some(7), "somebody listens");
                panic!("as tests do");
            };
            scope.spawn(working).join()
        });
        assert!(panicked.is_err());
        let names = names.into_inner().unwrap();
        assert_eq!(names.len(), 1);
        assert!(!Path::new(NAMESPACES).join(&names[0]).exists());
        assert!(!Path::new(FILES).join(&names[0]).exists());
    }

    #[test]
    fn what_a_killed_test_left_is_swept_up() {
        // No process has this id: it is beyond the largest that Linux gives.
        let name = format!("{PREFIX}4194305-0-red");
        ip(&["netns", "add", &name]);
        sweep();
        assert!(!Path::new(NAMESPACES).join(&name).exists());
    }
}
