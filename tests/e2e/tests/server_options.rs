//! Every option of distccd. [`TABLE`] names the test of each, here or elsewhere, and a test compares
//! it with what the server says it has. What distcc 3.4 does likewise is shown on it first.

mod common;

use std::process::Stdio;

use common::daemon::{BOTH, Daemon, distccd, free_port, listening, request};
use common::{Ran, World, finish};
use rustix::process::Signal;
use std::os::unix::process::ExitStatusExt;
use support::{Kind, program};

const HERE: &str = "tests/e2e/tests/server_options.rs";
const DAEMON: &str = "programs/distccd/tests/daemon.rs";
const READER: &str = "crates/roles/server/src/options.rs";
const STATISTICS: &str = "tests/e2e/tests/statistics.rs";

/// An option, and the file and name of a test that fails when it has no effect.
const TABLE: &[(&str, &str, &str)] = &[
    ("--daemon", HERE, "a_daemon_serves_and_dies_by_the_signal_that_ends_it"),
    ("--inetd", DAEMON, "inetd_serves_one_job_over_pipes"),
    ("--no-detach", HERE, "a_daemon_serves_and_dies_by_the_signal_that_ends_it"),
    ("--port", HERE, "a_daemon_serves_and_dies_by_the_signal_that_ends_it"),
    ("--listen", DAEMON, "by_default_both_internet_protocols_are_listened_to"),
    ("--allow", STATISTICS, "a_client_that_may_not_connect_is_counted_as_a_connection_only"),
    ("--allow-private", DAEMON, "names_and_private_networks_can_be_allowed"),
    ("--jobs", STATISTICS, "the_page_has_the_originals_names_in_its_order"),
    ("--job-lifetime", STATISTICS, "each_end_of_a_job_is_counted_by_its_name"),
    ("--nice", HERE, "the_priority_is_lowered_by_as_much_as_is_said"),
    ("--user", HERE, "root_becomes_whom_the_option_says"),
    ("--pid-file", HERE, "the_pid_file_is_there_as_long_as_the_daemon"),
    ("--zeroconf", "tests/e2e/tests/zeroconf.rs", ""),
    ("--stats", STATISTICS, "the_page_has_the_originals_names_in_its_order"),
    ("--stats-port", STATISTICS, "without_stats_the_port_is_not_listened_to"),
    ("--log-file", DAEMON, "a_log_file_takes_the_lines_and_its_folder_may_be_roots"),
    ("--log-stderr", HERE, "each_level_of_the_log_has_its_lines"),
    ("--log-level", HERE, "each_level_of_the_log_has_its_lines"),
    ("--verbose", HERE, "each_level_of_the_log_has_its_lines"),
    ("--compiler-whitelist", DAEMON, "without_a_compiler_that_may_run_there_is_no_server"),
    ("--make-me-a-botnet", DAEMON, "a_botnet_needs_no_list_and_is_told_what_it_is"),
    ("--enable-tcp-insecure", DAEMON, "a_botnet_needs_no_list_and_is_told_what_it_is"),
    ("--lifetime", HERE, "a_daemon_ends_after_its_lifetime"),
    ("--no-fork", HERE, "without_forks_one_process_serves"),
    ("--no-fifo", HERE, "what_has_no_effect_any_more_is_taken"),
    ("--wizard", READER, "a_wizard_is_five_options"),
    ("--show-principal", HERE, "the_principal_is_shown"),
    ("--auth", HERE, "what_needs_gss_api_is_refused"),
    ("--blacklist", HERE, "what_needs_gss_api_is_refused"),
    ("--whitelist", HERE, "what_needs_gss_api_is_refused"),
    ("--help", DAEMON, "help_and_version_go_to_standard_output"),
    ("--version", DAEMON, "help_and_version_go_to_standard_output"),
];

/// Options of ours alone, which whole suites are about.
const ELSEWHERE: [&str; 5] =
    ["--sandbox", "--target", "--compiler-folder", "--show-compilers", "--json"];

const SOURCE: &str = "int x;\n";
const COMMAND: &str = "gcc -c a.c -o a.o";

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// What a server says that does not start, or only prints.
fn said(kind: Kind, words: &[&str]) -> Ran {
    let world = World::new();
    let mut command = distccd(kind, world.path());
    finish(command.args(words).stderr(Stdio::piped()))
}

#[track_caller]
fn check_served(daemon: &Daemon) {
    let answer = daemon.ask(&request(COMMAND, SOURCE));
    assert!(answer.starts_with(b"DONE00000001STAT00000000"), "{answer:?}");
}

/// Checks that the process that was started is the one that serves.
#[track_caller]
fn check_alone(daemon: &Daemon) {
    let line = daemon.wait_for_line("(dcc_job_summary) client: ");
    assert!(line.starts_with(&format!("distccd[{}] ", daemon.pid())), "{line}");
}

#[test]
fn the_table_has_every_option() {
    let root = support::workspace();
    for (option, file, test) in TABLE {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        assert!(text.contains(&format!("fn {test}")), "{option}: no {test} in {file}");
    }
    let options = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        words.filter(|word| word.starts_with("--") && word.len() > 3).map(str::to_owned).collect()
    };
    let help = finish(std::process::Command::new(program("distccd")).arg("--help")).stdout;
    let original = finish(std::process::Command::new("/usr/bin/distccd").arg("--help")).stdout;
    assert!(options(&original).len() > 20, "{original}");
    for option in options(&help).into_iter().chain(options(&original)) {
        let is_known = TABLE.iter().any(|(known, ..)| *known == option);
        assert!(is_known || ELSEWHERE.contains(&option.as_str()), "{option} has no test");
    }
}

#[test]
fn a_daemon_serves_and_dies_by_the_signal_that_ends_it() {
    for kind in BOTH {
        for (signal, number) in [(Signal::TERM, 15), (Signal::INT, 2), (Signal::HUP, 1)] {
            let world = World::new();
            let mut daemon = Daemon::with(kind, world.path(), &[]);
            check_served(&daemon);
            assert_eq!(daemon.end_by(signal).signal(), Some(number), "{kind:?}");
        }
    }
}

#[test]
fn a_daemon_ends_after_its_lifetime() {
    for kind in BOTH {
        for more in [&["--lifetime", "1"][..], &["--lifetime=1", "--no-fork"]] {
            let world = World::new();
            let mut command = listening(kind, world.path(), free_port());
            let mut child = command.args(more).stderr(Stdio::null()).spawn().unwrap();
            assert_eq!(child.wait().unwrap().signal(), Some(14), "{kind:?}");
            let left = || std::fs::read_dir(world.path().join("tmp")).unwrap().count();
            support::wait_until("no temporary file is left", || left() == 0);
        }
        for none in ["--lifetime=0", "--lifetime=-1"] {
            let world = World::new();
            check_served(&Daemon::with(kind, world.path(), &[none]));
        }
        let ran = said(kind, &["--daemon", "--lifetime", "x"]);
        assert_eq!(ran.code, 101, "{}", ran.stderr);
    }
}

#[test]
fn without_forks_one_process_serves() {
    for kind in BOTH {
        let world = World::new();
        let mut daemon = Daemon::with(kind, world.path(), &["--no-fork"]);
        for _ in 0..2 {
            check_served(&daemon);
        }
        check_alone(&daemon);
        assert_eq!(daemon.end_by(Signal::TERM).signal(), Some(15));
        let left: Vec<_> = std::fs::read_dir(world.path().join("tmp")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn a_wizard_stays_in_the_foreground_and_says_all() {
    for kind in BOTH {
        for option in ["-W", "--wizard"] {
            let world = World::new();
            let port = free_port();
            let mut command = distccd(kind, world.path());
            command
                .args([option, "--listen", "127.0.0.1", "--allow", "127.0.0.1"])
                .args(["--port", &port.to_string()]);
            let daemon = Daemon::start(&mut command, world.path(), port);
            check_served(&daemon);
            daemon.wait_for_line("(dcc_job_summary) client: ");
            assert!(daemon.log().contains("connection from"), "{}", daemon.log());
            check_alone(&daemon);
        }
    }
}

#[test]
fn each_level_of_the_log_has_its_lines() {
    // A warning, a notice and an info that both have.
    let lines = ["no-such-compiler", "(dcc_job_summary) client: ", "connection from"];
    for kind in BOTH {
        for (words, n_lines) in [
            (&["--log-level", "critical"][..], 0),
            (&["--log-level=crit"], 0),
            (&["--log-level", "notice"], 2),
            (&[], 2),
            (&["--log-level", "info"], 3),
            (&["--log-level=debug"], 3),
            (&["--verbose"], 3),
            (&["--log-level", "loud"], 2),
        ] {
            let world = World::new();
            let mut daemon = Daemon::with(kind, world.path(), words);
            daemon.ask(&request("no-such-compiler -c a.c -o a.o", SOURCE));
            if let Some(last) = lines[..n_lines].last() {
                daemon.wait_for_line(last);
            }
            daemon.end_by(Signal::TERM);
            let log = daemon.log();
            // 3.4 calls a compiler that is not on its list critical, ours a warning.
            let first = usize::from(kind == Kind::Original);
            for line in &lines[first..n_lines.max(first)] {
                assert!(log.contains(line), "{kind:?} {words:?}: no {line}\n{log}");
            }
            for line in &lines[n_lines.max(first)..] {
                assert!(!log.contains(line), "{kind:?} {words:?}: {line}\n{log}");
            }
            let complains = log.contains("Warning: ") && log.contains("loud");
            assert_eq!(complains, words.contains(&"loud"), "{log}");
        }
    }
}

/// A field of `/proc/PID/stat`, counted from 1 as in proc(5).
fn stat_field(pid: u32, number: usize) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let rest = stat.rsplit(") ").next().unwrap().to_owned();
    rest.split_whitespace().nth(number - 3).unwrap().to_owned()
}

#[test]
fn the_priority_is_lowered_by_as_much_as_is_said() {
    let own: i32 = stat_field(std::process::id(), 19).parse().unwrap();
    for kind in BOTH {
        for (words, added) in [(&[][..], 5), (&["-N", "7"], 7), (&["--nice=0"], 0)] {
            let world = World::new();
            let daemon = Daemon::with(kind, world.path(), words);
            let nice = stat_field(daemon.pid(), 19);
            assert_eq!(nice, (own + added).min(19).to_string(), "{kind:?} {words:?}");
        }
        assert_eq!(said(kind, &["--daemon", "--nice", "x"]).code, 101, "{kind:?}");
    }
}

#[test]
fn root_becomes_whom_the_option_says() {
    for kind in BOTH {
        let world = World::new();
        let daemon = Daemon::with(kind, world.path(), &["--user", "nobody"]);
        check_served(&daemon);
        let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
        let own = rustix::process::geteuid().as_raw();
        let expected = if is_root() { 65534 } else { own };
        let uid = format!("Uid:\t{expected}\t{expected}\t{expected}\t{expected}\n");
        assert!(status.contains(&uid), "{status}");
        if !is_root() {
            daemon.wait_for_line("--user");
        }
    }
    if is_root() {
        // 3.4 goes on as nobody.
        let ran = said(Kind::Ours, &["--daemon", "--log-stderr", "--user", "no-such-user"]);
        assert_eq!(ran.code, 112, "{}", ran.stderr);
        assert!(ran.stderr.contains("no-such-user") && ran.stderr.contains("hint: "));
    }
}

#[test]
fn the_pid_file_is_there_as_long_as_the_daemon() {
    for kind in BOTH {
        for option in ["-P", "--pid-file"] {
            let world = World::new();
            let pid_file = world.open_folder("run").join("pid");
            let words = [option, pid_file.to_str().unwrap()];
            let mut daemon = Daemon::with(kind, world.path(), &words);
            // 3.4 writes it a moment after it listens.
            let expected = format!("{}\n", daemon.pid());
            let read = || std::fs::read_to_string(&pid_file).unwrap_or_default();
            support::wait_until("the pid file is written", || read() == expected);
            daemon.end_by(Signal::TERM);
            assert!(!pid_file.exists() || read().is_empty(), "{kind:?}");
        }
    }
}

#[test]
fn what_has_no_effect_any_more_is_taken() {
    for kind in BOTH {
        let world = World::new();
        check_served(&Daemon::with(kind, world.path(), &["--no-fifo", "stray", "words"]));
    }
}

#[test]
fn the_principal_is_shown() {
    for principal in [None, Some("distccd@red"), Some("")] {
        let [original, ours] = BOTH.map(|kind| {
            let world = World::new();
            let mut command = distccd(kind, world.path());
            command.arg("--show-principal").env_remove("DISTCCD_PRINCIPAL");
            if let Some(principal) = principal {
                command.env("DISTCCD_PRINCIPAL", principal);
            }
            let ran = finish(&mut command);
            assert_eq!(ran.code, 0, "{kind:?}: {}", ran.stderr);
            ran.stdout
        });
        if principal != Some("") {
            assert_eq!(original, ours);
        }
        assert!(ours.starts_with("Principal"), "{ours}");
    }
}

#[test]
fn what_needs_gss_api_is_refused() {
    for kind in BOTH {
        // Without DISTCCD_PRINCIPAL 3.4 does not start either.
        let ran = said(kind, &["--daemon", "--log-stderr", "--auth", "--port", "1"]);
        assert_eq!(ran.code, 119, "{kind:?}: {}", ran.stderr);
    }
    for words in [["--blacklist", "/x"], ["--whitelist", "/x"]] {
        let ran = said(Kind::Ours, &[&["--daemon", "--log-stderr"][..], &words].concat());
        assert_eq!(ran.code, 119, "{}", ran.stderr);
        for part in [words[0], "GSS-API", "hint: ", "--allow"] {
            assert!(ran.stderr.contains(part), "no {part} in {}", ran.stderr);
        }
    }
}

#[test]
fn numbers_that_are_none_end_the_start() {
    for kind in BOTH {
        for option in ["--port", "--jobs", "--stats-port", "--lifetime", "--job-lifetime", "--nice"]
        {
            let ran = said(kind, &["--daemon", option, "x"]);
            assert_eq!(ran.code, 101, "{kind:?} {option}: {}", ran.stderr);
        }
    }
}
