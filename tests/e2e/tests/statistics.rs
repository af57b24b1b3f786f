//! `--stats`: the page of distcc 3.4, name by name, each first on the original; and peers at its
//! port that mean no good.

mod common;

use std::io::Write;

use common::World;
use common::daemon::{
    BOTH, Daemon, ask, close_sending, connect, free_port, listening, listens, read_to_end, request,
};
use support::{Kind, script, wait_until};

const SOURCE: &str = "int x;\n";
const COMMAND: &str = "gcc -c a.c -o a.o";

/// A server with statistics, and gcc that does what the text of a shell says.
struct Counted {
    world: World,
    daemon: Daemon,
    stats_port: u16,
}

impl Counted {
    fn start(kind: Kind, gcc: &str, words: &[&str]) -> Counted {
        let world = World::new();
        script(&world.folder("bin").join("gcc"), gcc);
        let (port, stats_port) = (free_port(), free_port());
        let mut command = listening(kind, world.path(), port);
        command
            .args(["--stats", "--stats-port", &stats_port.to_string()])
            .args(words)
            .env("PATH", format!("{}:/usr/bin:/bin", world.folder("bin").display()));
        let daemon = Daemon::start(&mut command, world.path(), port);
        wait_until("the statistics are there", || listens(stats_port));
        Counted { world, daemon, stats_port }
    }

    fn page(&self) -> String {
        String::from_utf8(ask(self.stats_port, b"GET / HTTP/1.0\r\n\r\n")).unwrap()
    }

    /// The value of one name.
    #[track_caller]
    fn value(&self, name: &str) -> String {
        let page = self.page();
        let found = lines(&page).into_iter().find(|(found, _)| *found == name);
        found.unwrap_or_else(|| panic!("no {name} in {page}")).1.to_owned()
    }

    #[track_caller]
    fn wait_for(&self, name: &str, expected: &str) {
        wait_until(&format!("{name} is {expected}"), || self.value(name) == expected);
    }
}

/// The names and values between the two marks.
fn lines(page: &str) -> Vec<(&str, &str)> {
    let body = page.split("<distccstats>\n").nth(1).unwrap_or_default();
    let body = body.split("</distccstats>\n").next().unwrap_or_default();
    body.lines().map(|line| line.split_once(' ').unwrap_or((line, ""))).collect()
}

const GOOD: &str = "PATH=/usr/bin exec gcc \"$@\"";

/// What a value looks like, so far as it is the same everywhere: digits as 0, without their number.
fn shape(value: &str) -> String {
    let mut shape = String::new();
    for c in value.chars() {
        let c = if c.is_ascii_digit() { '0' } else { c };
        if !(c == '0' && shape.ends_with('0')) {
            shape.push(c);
        }
    }
    shape
}

#[test]
fn the_page_has_the_originals_names_in_its_order() {
    let [original, ours] = BOTH.map(|kind| {
        let counted = Counted::start(kind, GOOD, &["--jobs", "7"]);
        let before = counted.page();
        counted.daemon.ask(&request(COMMAND, SOURCE));
        counted.wait_for("dcc_compile_ok", "1");
        [before, counted.page()]
    });
    for (original, ours) in original.iter().zip(&ours) {
        let head = |page: &str| page.split("<distccstats>").next().unwrap().to_owned();
        assert_eq!(head(original), head(ours));
        assert!(original.ends_with("</distccstats>\n") && ours.contains("</distccstats>\n"));
        let names = |page: &str| -> Vec<String> {
            lines(page).iter().map(|(name, _)| (*name).to_owned()).collect()
        };
        assert_eq!(names(original), names(ours));
        assert_eq!(names(ours).len(), 27, "{ours}");
        for ((name, original), (_, ours)) in lines(original).into_iter().zip(lines(ours)) {
            match name {
                // The biggest process may be another one by now.
                "dcc_max_RSS_name" => {
                    assert!(ours.starts_with('(') && ours.ends_with(')'), "{ours}")
                }
                _ => assert_eq!(shape(original), shape(ours), "{name}"),
            }
        }
        let value = |name| lines(ours).into_iter().find(|(found, _)| *found == name).unwrap().1;
        assert_eq!(value("dcc_max_kids"), "7");
        assert!(value("dcc_free_space").trim_end_matches(" MB").parse::<u64>().unwrap() > 0);
        assert!(value("dcc_max_RSS").parse::<u64>().unwrap() > 0);
    }
}

/// What a client does, and which line counts it.
#[test]
fn each_end_of_a_job_is_counted_by_its_name() {
    for kind in BOTH {
        let counted = Counted::start(
            kind,
            "case \" $* \" in *-O3*) sleep 1000;; esac\n\
             PATH=/usr/bin exec gcc \"$@\"",
            &["--job-lifetime", "1"],
        );
        assert_eq!(counted.value("dcc_tcp_accept"), "0");
        let daemon = &counted.daemon;
        daemon.ask(&request(COMMAND, SOURCE));
        counted.wait_for("dcc_compile_ok", "1");
        daemon.ask(&request(COMMAND, "int x\n"));
        counted.wait_for("dcc_compile_error", "1");
        daemon.ask(&request("gcc -O3 -c a.c -o a.o", SOURCE));
        counted.wait_for("dcc_compile_timeout", "1");
        let mut client = connect(daemon.port);
        client.write_all(&request("gcc -O3 -c a.c -o a.o", SOURCE)).unwrap();
        close_sending(&client);
        counted.wait_for("dcc_cli_disconnect", "1");
        drop(client);
        daemon.ask(b"GARBAGE here and no end of it");
        counted.wait_for("dcc_rej_bad_req", "1");
        daemon.ask(&request("no-such-compiler -c a.c -o a.o", SOURCE));
        counted.wait_for("dcc_other", "1");
        assert_eq!(counted.value("dcc_rej_overload"), "0");
        assert_eq!(counted.value("dcc_tcp_accept"), "6");
    }
}

#[test]
fn the_longest_job_is_named() {
    for kind in BOTH {
        let slow = "case \" $* \" in *-O3*) sleep 0.3;; esac\nPATH=/usr/bin exec gcc \"$@\"";
        let counted = Counted::start(kind, slow, &[]);
        let job = |name| counted.value(name);
        let longest = "dcc_longest_job";
        assert_eq!(job(longest), "none");
        assert_eq!(job("dcc_longest_job_compiler"), "none");
        assert_eq!(job("dcc_longest_job_time_msecs"), "-1");
        counted.daemon.ask(&request("gcc -O3 -c slow.c -o a.o", SOURCE));
        counted.wait_for(longest, "slow.c");
        counted.daemon.ask(&request("gcc -c quick.c -o a.o", SOURCE));
        counted.wait_for("dcc_compile_ok", "2");
        assert_eq!(job(longest), "slow.c");
        assert_eq!(job("dcc_longest_job_compiler"), "gcc");
        let time: u64 = job("dcc_longest_job_time_msecs").parse().unwrap();
        assert!((300..100_000).contains(&time), "{time}");
    }
}

#[test]
fn compiles_of_the_last_minutes_are_those_that_ran_well_or_not() {
    for kind in BOTH {
        let counted = Counted::start(kind, GOOD, &[]);
        counted.daemon.ask(&request(COMMAND, SOURCE));
        counted.daemon.ask(&request(COMMAND, "int x\n"));
        counted.daemon.ask(&request("no-such-compiler -c a.c -o a.o", SOURCE));
        for name in ["dcc_num_compiles1", "dcc_num_compiles2", "dcc_num_compiles3"] {
            counted.wait_for(name, "2");
        }
        // As of a minute ago.
        for name in ["dcc_avg_kids1", "dcc_avg_kids2", "dcc_avg_kids3"] {
            assert_eq!(counted.value(name), "0");
        }
    }
}

#[test]
fn a_client_that_may_not_connect_is_counted_as_a_connection_only() {
    for kind in BOTH {
        let (port, stats_port) = (free_port(), free_port());
        let world = World::new();
        let mut command = common::daemon::distccd(kind, world.path());
        command
            .args(["--daemon", "--no-detach", "--log-stderr", "--allow", "127.0.0.2"])
            .args(["--listen", "127.0.0.1", "--port", &port.to_string()])
            .args(["--stats", "--stats-port", &stats_port.to_string()]);
        let daemon = Daemon::start(&mut command, world.path(), port);
        wait_until("the statistics are there", || listens(stats_port));
        daemon.ask(&request(COMMAND, SOURCE));
        daemon.wait_for_line("denied by access list");
        // The same list holds for the statistics.
        assert_eq!(ask(stats_port, b"GET / HTTP/1.0\r\n\r\n"), b"");
        let page = String::from_utf8(from_second_address(stats_port)).unwrap();
        let value = |name| lines(&page).into_iter().find(|(found, _)| *found == name).unwrap().1;
        assert_eq!(value("dcc_tcp_accept"), "1", "{page}");
        assert_eq!(value("dcc_other"), "0", "{page}");
        if kind == Kind::Ours {
            assert!(page.contains("\naccess_denied 1\n"), "{page}");
        }
    }
}

/// What a port says to 127.0.0.2.
fn from_second_address(port: u16) -> Vec<u8> {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    use std::net::{SocketAddr, TcpStream};
    let end = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&end, &SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
    connect(&end, &SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
    read_to_end(&mut TcpStream::from(end))
}

#[test]
fn nobody_has_to_ask_for_the_page() {
    for kind in BOTH {
        let counted = Counted::start(kind, GOOD, &[]);
        for request in [&b""[..], b"x", b"GET /no/such/page HTTP/1.1\r\n\r\n"] {
            let page = ask(counted.stats_port, request);
            assert!(page.starts_with(b"HTTP/1.0 200 OK\n"), "{request:?}");
        }
    }
}

#[test]
fn without_stats_the_port_is_not_listened_to() {
    for kind in BOTH {
        let world = World::new();
        let stats_port = free_port();
        let daemon = Daemon::with(kind, world.path(), &["--stats-port", &stats_port.to_string()]);
        daemon.ask(&request(COMMAND, SOURCE));
        assert!(!listens(stats_port));
    }
}

#[test]
fn a_port_of_statistics_that_is_taken_ends_the_start() {
    // Not tried on 3.4: it exits with 102 as well, and leaves its children at work.
    let world = World::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let stats_port = taken.local_addr().unwrap().port().to_string();
    let mut command = listening(Kind::Ours, world.path(), free_port());
    let ran = common::finish(command.args(["--stats", "--stats-port", &stats_port]));
    assert_eq!(ran.code, 102, "{}", ran.stderr);
    assert!(ran.stderr.contains(&stats_port), "{}", ran.stderr);
    assert!(ran.stderr.contains("--stats-port"), "{}", ran.stderr);
}

#[test]
fn no_name_of_a_client_is_a_line_of_the_page() {
    let counted = Counted::start(Kind::Ours, GOOD, &[]);
    counted.daemon.ask(&request("gcc -c a\ndcc_compile_ok\u{1b}[0m.c -o a.o", SOURCE));
    counted.wait_for("dcc_compile_ok", "1");
    let page = counted.page();
    assert_eq!(page.matches("\ndcc_compile_ok").count(), 1, "{page}");
    assert!(page.contains("\ndcc_longest_job a\\ndcc_compile_ok") && !page.contains('\u{1b}'));
}

#[test]
fn peers_that_mean_no_good_keep_nobody_from_the_page() {
    let counted = Counted::start(Kind::Ours, GOOD, &[]);
    let n_descriptors = || {
        let folder = format!("/proc/{}/fd", common::daemon::children(counted.daemon.pid())[0]);
        std::fs::read_dir(folder).unwrap().count()
    };
    counted.page();
    let before = n_descriptors();
    // Some say nothing, some do not stop, some are gone at once.
    let mut silent: Vec<_> = (0..300).map(|_| connect(counted.stats_port)).collect();
    for _ in 0..20 {
        let mut stream = connect(counted.stats_port);
        let _ = stream.write_all(&vec![b'x'; 1 << 20]);
        silent.push(stream);
        drop(connect(counted.stats_port));
        let half = connect(counted.stats_port);
        close_sending(&half);
        silent.push(half);
    }
    assert!(counted.page().contains("</distccstats>"));
    assert!(n_descriptors() < before + 100, "connections are kept");
    wait_until("nothing is left of them", || n_descriptors() <= before);
    counted.daemon.ask(&request(COMMAND, SOURCE));
    counted.wait_for("dcc_compile_ok", "1");
    drop(silent);
    drop(counted.world);
}
