//! lsdistcc finds what is there: Debian's first, then ours, by the same words.
//!
//! Runs on a host of its own, with names and servers of its own.

mod common;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::process::Command;

use common::running::Running;
use common::{Ran, World, finish};
use netns::Lab;
use support::program;

const ORIGINAL: &str = "/usr/bin/lsdistcc";

/// Five names; 4, 6 and 7 do not exist, and 3 is in another network.
const NAMES: &str = "\
127.0.0.1 localhost
127.0.0.1 distcc1 one.farm.example
127.0.0.2 distcc2 two.farm.example
127.0.1.3 distcc3
127.0.0.5 distcc5
127.0.0.8 distcc8
127.0.0.9 dead1
127.0.0.1 pc.farm.example
";

/// A host with servers, and its names.
struct Farm {
    lab: Lab,
    _servers: Vec<Running>,
    _world: World,
}

impl Farm {
    /// Servers of the kind `distccd` at some addresses.
    fn new(distccd: &std::path::Path) -> Farm {
        let world = World::new();
        let lab = Lab::new(&["pc"]);
        let host = lab.host("pc");
        host.put_etc("hosts", NAMES);
        host.put_etc("nsswitch.conf", "hosts: files\npasswd: files\ngroup: files\n");
        let temporary = world.open_folder("tmp");
        let whitelist = world.folder("whitelist");
        std::os::unix::fs::symlink("/bin/true", whitelist.join("gcc")).unwrap();
        let places = [
            ("127.0.0.1", 3632),
            ("127.0.0.2", 3632),
            ("127.0.1.3", 3632),
            ("127.0.0.5", 3632),
            ("127.0.0.8", 3632),
            ("127.0.0.1", 4000),
        ];
        let mut servers = Vec::new();
        for (address, port) in places {
            let mut command = host.command(distccd);
            command
                .args(["--daemon", "--no-detach", "--allow", "127.0.0.0/8", "--log-stderr"])
                .args(["--listen", address, "--port", &port.to_string()])
                .env("TMPDIR", &temporary);
            if distccd != std::path::Path::new("/usr/bin/distccd") {
                command.arg("--compiler-whitelist").arg(&whitelist);
            }
            let log = world.folder("logs").join(format!("{address}:{port}"));
            let mut server = Running::start(&mut command, log);
            server.wait_for_port(port);
            servers.push(server);
        }
        Farm { lab, _servers: servers, _world: world }
    }

    fn run(&self, lsdistcc: &std::path::Path, words: &[&str]) -> Ran {
        let mut command = self.lab.host("pc").command(lsdistcc);
        finish(command.args(words).env_remove("HOST").env("HOSTNAME", "pc.farm.example"))
    }
}

/// The lines that were printed: servers answer in any order.
fn lines(ran: &Ran) -> BTreeSet<String> {
    ran.stdout.lines().map(str::to_owned).collect()
}

/// Words, the lines they print, and the exit code.
type Case = (&'static [&'static str], &'static [&'static str], i32);

/// What both programs do alike. Source: behavior of Debian's lsdistcc 3.4. What it finds ahead
/// (`-o`) depends on which of several lookups ends first, so formats are compared without that.
const ALIKE: [Case; 30] = [
    // A format.
    (&["-o0"], &["distcc1", "distcc2", "distcc3"], 0),
    (&["-o0", "distcc%d"], &["distcc1", "distcc2", "distcc3"], 0),
    (&["-o0", "-n"], &["127.0.0.1", "127.0.0.2", "127.0.1.3"], 0),
    (&["-o0", "-g1"], &["distcc1", "distcc2", "distcc3", "distcc5"], 0),
    (&["-o0", "-g2"], &["distcc1", "distcc2", "distcc3", "distcc5"], 0),
    (&["-o0", "-g3"], &["distcc1", "distcc2", "distcc3", "distcc5", "distcc8"], 0),
    (&["-o0", "-m24"], &["distcc1", "distcc2"], 0),
    (&["-o0", "-m24", "-x"], &["distcc1", "distcc2"], 0),
    (&["-o0", "-m31"], &["distcc1"], 0),
    (&["-o0", "-m0"], &["distcc1", "distcc2", "distcc3"], 0),
    (&["none%d"], &[], 1),
    // A list.
    (&["distcc1"], &["distcc1"], 0),
    (&["-v", "distcc1"], &["distcc1"], 0),
    (&["distcc1", "distcc8", "none"], &["distcc1", "distcc8"], 0),
    (&["none"], &[], 1),
    (&["-x", "none"], &[], 1),
    (&["-x", "distcc1", "dead1"], &["distcc1", "dead1,down"], 0),
    (&["-n", "-x", "distcc1", "dead1"], &["127.0.0.1", "127.0.0.9,down"], 0),
    (&["-r4000", "-x", "distcc1", "distcc2"], &["distcc1:4000", "distcc2:4000,down"], 0),
    (&["-P2", "-x", "distcc1", "dead1"], &["distcc1,lzo", "dead1,lzo,down"], 0),
    (&["-P3", "-n", "distcc1"], &["127.0.0.1,lzo,cpp"], 0),
    (&["-d", "one", "two"], &["one.farm.example", "two.farm.example"], 0),
    (&["-c0", "dead1", "distcc1", "none"], &["dead1", "distcc1"], 0),
    (&["-c0", "-x", "-pgcc", "dead1"], &["dead1"], 0),
    // A compile.
    (&["-pgcc", "distcc1"], &["distcc1"], 0),
    (&["-pgcc", "-P2", "distcc1", "distcc2"], &["distcc1,lzo", "distcc2,lzo"], 0),
    (&["-pno-such-compiler", "-x", "-k0", "distcc1", "distcc2"], &["distcc1", "distcc2"], 0),
    // What it does not know.
    (&["-q"], &[], 1),
    (&["-P4", "distcc1"], &[], 1),
    (&["-r0", "distcc1"], &[], 1),
];

/// What the original does so or so, or not at all.
const OURS: [Case; 8] = [
    // One name is looked up ahead, so that 5 is found behind the gap at 4.
    (&[], &["distcc1", "distcc2", "distcc3", "distcc5"], 0),
    (&["-o5"], &["distcc1", "distcc2", "distcc3", "distcc5", "distcc8"], 0),
    (&["-g2"], &["distcc1", "distcc2", "distcc3", "distcc5", "distcc8"], 0),
    (&["-m31", "distcc1", "distcc2"], &["distcc1"], 0),
    // Options behind hosts, several letters in a word, zeros in a format.
    (&["distcc1", "-x", "dead1"], &["distcc1", "dead1,down"], 0),
    (&["-nx", "distcc1", "dead1"], &["127.0.0.1", "127.0.0.9,down"], 0),
    (&["-o0", "distc%01d"], &[], 1),
    (&["-x", "dead1"], &["dead1,down"], 1),
];

#[track_caller]
fn check(lsdistcc: &std::path::Path, distccd: &std::path::Path, is_ours: bool) {
    let farm = Farm::new(distccd);
    for (words, expected, code) in ALIKE.into_iter().chain(OURS.into_iter().filter(|_| is_ours)) {
        let ran = farm.run(lsdistcc, words);
        let mut got = lines(&ran);
        if !is_ours && code != 0 && !ran.stdout.is_empty() {
            // The original prints its usage on standard output.
            assert!(ran.stdout.starts_with("Usage: "), "{words:?}: {}", ran.stdout);
            got.clear();
        }
        let expected: BTreeSet<_> = expected.iter().map(|line| (*line).to_owned()).collect();
        assert_eq!(got, expected, "{words:?}: {}", ran.stderr);
        assert_eq!(ran.code, code, "{words:?}: {}", ran.stderr);
    }
    // A server that refuses the compiler is down.
    let ran = farm.run(lsdistcc, &["-pno-such-compiler", "-x", "distcc1", "distcc2"]);
    let expected = ["distcc1,down", "distcc2,down"].map(str::to_owned);
    assert_eq!(lines(&ran), BTreeSet::from(expected), "{}", ran.stderr);
    // Latencies are whole milliseconds behind a blank.
    let ran = farm.run(lsdistcc, &["-l", "-x", "-P2", "distcc1", "dead1"]);
    for (line, name) in lines(&ran).iter().zip(["dead1,lzo,down", "distcc1,lzo"]) {
        let (host, latency) = line.split_once(' ').unwrap();
        assert_eq!(host, name);
        assert!(latency.parse::<u32>().is_ok(), "{line}");
    }
}

#[test]
fn the_original_finds_the_originals_servers() {
    check(ORIGINAL.as_ref(), "/usr/bin/distccd".as_ref(), false);
}

#[test]
fn the_original_finds_our_servers() {
    check(ORIGINAL.as_ref(), &program("distccd"), false);
}

#[test]
fn ours_finds_the_originals_servers() {
    check(&program("lsdistcc"), "/usr/bin/distccd".as_ref(), true);
}

#[test]
fn ours_finds_our_servers() {
    check(&program("lsdistcc"), &program("distccd"), true);
}

/// A server that says `answer` to whatever comes, on a free port of loopback.
fn saying(answer: Option<&'static [u8]>) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            match answer {
                None => kept.push(stream),
                Some(answer) => {
                    let _ = stream.read(&mut [0; 4096]);
                    let _ = stream.write_all(answer);
                }
            }
        }
    });
    port
}

/// Whether a server that answers so counts as one.
#[track_caller]
fn check_answer(answer: Option<&'static [u8]>, is_up: bool) {
    let port = format!("-r{}", saying(answer));
    for lsdistcc in [ORIGINAL.into(), program("lsdistcc")] {
        let mut command = Command::new(&lsdistcc);
        let ran = finish(command.args(["-pgcc", "-x", "-k300", &port, "127.0.0.1"]));
        let expected = if is_up { "" } else { ",down" };
        let expected = format!("127.0.0.1:{}{expected}\n", &port[2..]);
        assert_eq!(ran.stdout, expected, "{}: {}", lsdistcc.display(), ran.stderr);
    }
}

#[test]
fn a_server_that_compiles_is_up() {
    check_answer(Some(b"DONE00000001STAT00000000SERR00000000SOUT00000000DOTO00000000"), true);
}

#[test]
fn a_server_that_cannot_compile_is_down() {
    check_answer(Some(b"DONE00000001STAT00000100SERR00000000SOUT00000000DOTO00000000"), false);
}

#[test]
fn a_mute_server_is_down() {
    check_answer(None, false);
}

#[test]
fn something_else_on_the_port_is_down() {
    check_answer(Some(b"HTTP/1.0 400 Bad Request\r\n\r\n"), false);
}

#[test]
fn a_server_that_closes_is_down() {
    check_answer(Some(b""), false);
}

#[test]
fn nobody_found_is_an_error_that_says_why() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let port = format!("-r{port}");
    let ran = finish(Command::new(program("lsdistcc")).args([&port, "127.0.0.1"]));
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.contains("127.0.0.1: Connection refused"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: start distccd there"), "{}", ran.stderr);
    // The original's manual says so; the original exits with 0, and says nothing.
    let ran = finish(Command::new(ORIGINAL).args([&port, "127.0.0.1"]));
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));
}

#[test]
fn a_wrong_command_line_is_explained() {
    let ran = finish(Command::new(program("lsdistcc")).args(["-c", "900", "127.0.0.1"]));
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.contains("-c lacks its value"), "{}", ran.stderr);
    let help = finish(Command::new(program("lsdistcc")).arg("--help"));
    assert_eq!(help.code, 0);
    for option in "lnxthckmogrPpdv".chars() {
        assert!(help.stdout.contains(&format!("\n  -{option}")), "-{option}: {}", help.stdout);
    }
}

#[test]
fn ipv6_hosts_are_found() {
    let world = World::new();
    let lab = Lab::new(&["pc"]);
    let host = lab.host("pc");
    let mut command = host.command(program("distccd"));
    command.args(["--daemon", "--no-detach", "--log-stderr", "--allow", "::1"]);
    command.env("TMPDIR", world.open_folder("tmp"));
    let mut server = Running::start(&mut command, world.folder("logs").join("distccd"));
    server.wait_for_port(3632);
    let ran = finish(host.command(program("lsdistcc")).args(["::1", "[::1]"]));
    assert_eq!(ran.stdout, "[::1]\n[::1]\n", "{}", ran.stderr);
}

/// Both programs, the original first.
fn both() -> [std::path::PathBuf; 2] {
    [ORIGINAL.into(), program("lsdistcc")]
}

#[test]
fn a_host_that_drops_what_comes_is_down_after_the_connect_limit() {
    let lab = Lab::new(&["red", "green"]);
    lab.host("red").drop_port(3632);
    for lsdistcc in both() {
        let mut command = lab.host("green").command(&lsdistcc);
        let ran = finish(command.args(["-x", "-c200", "red"]));
        assert_eq!(ran.stdout, "red,down\n", "{}: {}", lsdistcc.display(), ran.stderr);
    }
    // And with the limit of the whole search.
    let mut command = lab.host("green").command(program("lsdistcc"));
    let ran = finish(command.args(["-x", "-c1000000", "-t1", "red"]));
    assert_eq!(ran.stdout, "red,down\n", "{}", ran.stderr);
    assert!(ran.stderr.contains("red: no answer within 1 s"), "{}", ran.stderr);
}

/// A name server that does not hear the first two questions, and knows every name afterwards.
const NAME_SERVER: &str = "use Socket; socket(my $s, PF_INET, SOCK_DGRAM, 0); \
    bind($s, sockaddr_in(53, INADDR_ANY)) or die; $| = 1; print \"up\\n\"; my $n = 0; \
    while (my $from = recv($s, my $q, 512, 0)) { next if ++$n <= 2; \
    my $is_a = substr($q, -4, 2) eq \"\\0\\1\"; \
    my $answer = $is_a ? \"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x3c\\0\\4\" . inet_aton('10.77.0.1') : ''; \
    send($s, substr($q, 0, 2) . \"\\x81\\x80\\0\\1\\0\" . chr($is_a) . \"\\0\\0\\0\\0\" \
    . substr($q, 12) . $answer, 0, $from); }";

#[test]
fn a_lookup_that_was_not_heard_is_made_again() {
    for lsdistcc in both() {
        // The resolver itself asks again after five seconds.
        for (patience, expected) in [("-h200", "name.example\n"), ("-h60000", "")] {
            let world = World::new();
            let lab = Lab::new(&["red", "green"]);
            let mut perl = lab.host("red").command("perl");
            let log = world.folder("logs").join("names");
            let mut server = Running::start(perl.args(["-e", NAME_SERVER]), log.clone());
            server.wait("names are served", || server_is_up(&log));
            lab.host("green").put_etc("resolv.conf", "nameserver 10.77.0.1\n");
            lab.host("green").put_etc("nsswitch.conf", "hosts: dns\n");
            let mut command = lab.host("green").command(&lsdistcc);
            let ran = finish(command.args([patience, "-c0", "-t4", "name.example"]));
            let shown = lsdistcc.display();
            assert_eq!(ran.stdout, expected, "{shown} {patience}: {}", ran.stderr);
        }
    }
}

fn server_is_up(log: &std::path::Path) -> bool {
    std::fs::read_to_string(log).unwrap().contains("up")
}
