//! Every option of distccd. [`TABLE`] names the test of each, here or elsewhere, and a test compares
//! it with what the server says it has. What distcc 3.4 does likewise is shown on it first.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use common::daemon::{BOTH, Daemon, ask, distccd, free_port, listening, listens, request};
use common::held::Held;
use common::{Ran, World, finish};
use rustix::process::{Pid, Signal, kill_process};
use support::{Kind, ServerOptions, program, script, wait_until};

const HERE: &str = "tests/e2e/tests/server_options.rs";
const DAEMON: &str = "programs/distccd/tests/daemon.rs";
const READER: &str = "crates/roles/server/src/options.rs";
const STATISTICS: &str = "tests/e2e/tests/statistics.rs";

/// An option, and the file and name of a test that fails when it has no effect.
const TABLE: &[(&str, &str, &str)] = &[
    ("--daemon", HERE, "a_daemon_that_detached_serves_until_it_is_ended"),
    ("--inetd", HERE, "one_job_comes_over_standard_input"),
    ("--no-detach", HERE, "a_daemon_serves_and_dies_by_the_signal_that_ends_it"),
    ("--port", HERE, "a_daemon_serves_and_dies_by_the_signal_that_ends_it"),
    ("--listen", HERE, "the_address_that_is_named_is_listened_to_and_no_other"),
    ("--allow", HERE, "whom_the_option_names_is_served_and_nobody_else"),
    ("--allow-private", HERE, "whom_the_option_names_is_served_and_nobody_else"),
    ("--jobs", HERE, "no_more_compilers_run_at_once_than_is_said"),
    ("--job-lifetime", STATISTICS, "each_end_of_a_job_is_counted_by_its_name"),
    ("--nice", HERE, "the_priority_is_lowered_by_as_much_as_is_said"),
    ("--user", HERE, "root_becomes_whom_the_option_says"),
    ("--pid-file", HERE, "the_pid_file_is_there_as_long_as_the_daemon"),
    ("--zeroconf", "tests/e2e/tests/zeroconf.rs", ""),
    ("--stats", STATISTICS, "the_page_has_the_originals_names_in_its_order"),
    ("--stats-port", STATISTICS, "without_stats_the_port_is_not_listened_to"),
    ("--log-file", HERE, "the_log_goes_to_the_file_that_is_named"),
    ("--log-stderr", HERE, "each_level_of_the_log_has_its_lines"),
    ("--log-level", HERE, "each_level_of_the_log_has_its_lines"),
    ("--verbose", HERE, "each_level_of_the_log_has_its_lines"),
    ("--compiler-whitelist", DAEMON, "without_a_compiler_that_may_run_there_is_no_server"),
    ("--make-me-a-botnet", HERE, "a_botnet_runs_what_is_on_no_list"),
    ("--enable-tcp-insecure", HERE, "a_botnet_runs_what_is_on_no_list"),
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
    for option in options(&original) {
        assert!(TABLE.iter().any(|(known, ..)| *known == option), "{option} has no test");
    }
    // What is ours alone stands in one of these suites.
    let mut suites = String::new();
    for folder in ["tests/e2e/tests", "tests/hostile", "programs/distccd/tests"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap().flatten() {
            suites += &std::fs::read_to_string(entry.path()).unwrap_or_default();
        }
    }
    for option in options(&help) {
        let is_used = ["\"", "=", " "].iter().any(|end| suites.contains(&format!("{option}{end}")));
        assert!(is_used, "{option} has no test");
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
            wait_until("no temporary file is left", || left() == 0);
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
            wait_until("the pid file is written", || read() == expected);
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

#[test]
fn one_job_comes_over_standard_input() {
    for kind in BOTH {
        let world = World::new();
        let mut command = distccd(kind, world.path());
        command.args(["--inetd", "--log-stderr", "--log-level", "notice"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Held open until the answer has come, as clients do.
        let mut input = child.stdin.take().unwrap();
        input.write_all(&request(COMMAND, SOURCE)).unwrap();
        let mut answer = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut answer).unwrap();
        drop(input);
        assert!(answer.starts_with(b"DONE00000001STAT00000000"), "{kind:?}: {answer:?}");
        let output = child.wait_with_output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{log}");
        assert!(log.contains("client: NOTSOCKET COMPILE_OK "), "{log}");
    }
}

#[test]
fn a_daemon_that_detached_serves_until_it_is_ended() {
    for kind in BOTH {
        let world = World::new();
        let run = world.open_folder("run");
        let (pid_file, port) = (run.join("pid"), free_port());
        let mut command = distccd(kind, world.path());
        command.args(["--daemon", "--listen", "127.0.0.1", "--allow", "127.0.0.1"]).args([
            "--port",
            &port.to_string(),
            "--pid-file",
            pid_file.to_str().unwrap(),
        ]);
        // Which waits until nobody holds the streams of the command any more.
        assert_eq!(finish(&mut command).code, 0, "{kind:?}");
        wait_until("the daemon listens", || listens(port));
        let read = || std::fs::read_to_string(&pid_file).unwrap_or_default();
        wait_until("the pid file is written", || read().ends_with('\n'));
        let answer = ask(port, &request(COMMAND, SOURCE));
        let pid = read().trim().parse().unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
        wait_until("the daemon is gone", || !listens(port));
        assert!(answer.starts_with(b"DONE00000001STAT00000000"), "{kind:?}");
    }
}

#[test]
fn the_address_that_is_named_is_listened_to_and_no_other() {
    for kind in BOTH {
        for (address, other) in [("127.0.0.2", "127.0.0.1"), ("localhost", "127.0.0.2")] {
            let (world, port) = (World::new(), free_port());
            let mut command = distccd(kind, world.path());
            command
                .args(["--daemon", "--no-detach", "--log-stderr", "--allow", "127.0.0.0/8"])
                .args(["--listen", address, "--port", &port.to_string()]);
            let _daemon = Daemon::start(&mut command, world.path(), port);
            assert!(TcpStream::connect((address, port)).is_ok(), "{kind:?} {address}");
            assert!(TcpStream::connect((other, port)).is_err(), "{kind:?} {other}");
        }
        let ran = said(kind, &["--daemon", "--log-stderr", "--listen", "192.0.2.1"]);
        assert_eq!(ran.code, 102, "{kind:?}: {}", ran.stderr);
    }
}

#[test]
fn whom_the_option_names_is_served_and_nobody_else() {
    for kind in BOTH {
        for (words, is_served) in [
            (&["--allow", "127.0.0.1"][..], true),
            (&["-a", "127.0.0.0/8"], true),
            (&["--allow=localhost"], true),
            (&["--allow", "0.0.0.0/0"], true),
            (&["--allow", "10.0.0.0/8", "--allow", "127.0.0.1/32"], true),
            (&["--allow-private"], true),
            (&["--allow", "127.0.0.2"], false),
            (&["--allow", "126.0.0.0/8"], false),
            (&["--allow", "::1"], false),
        ] {
            let (world, port) = (World::new(), free_port());
            let mut command = distccd(kind, world.path());
            command
                .args(["--daemon", "--no-detach", "--log-stderr", "--listen", "127.0.0.1"])
                .args(["--port", &port.to_string()])
                .args(words);
            let daemon = Daemon::start(&mut command, world.path(), port);
            let answer = daemon.ask(&request(COMMAND, SOURCE));
            let got_object = answer.starts_with(b"DONE00000001STAT00000000");
            assert_eq!(got_object, is_served, "{kind:?} {words:?}");
        }
        for bad in ["10.0.0.0/33", "--jobs"] {
            let ran = said(kind, &["--daemon", "--log-stderr", "--allow", bad]);
            assert_eq!(ran.code, 101, "{kind:?} {bad}: {}", ran.stderr);
        }
    }
}

#[test]
fn no_more_compilers_run_at_once_than_is_said() {
    for kind in BOTH {
        let world = World::new();
        let held = Held::new(&world, "held");
        let options =
            ServerOptions { path: Some(held.path()), n_jobs: 2, ..ServerOptions::new(kind) };
        let server = world.server("server", &options);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| ask(server.port, &request(COMMAND, SOURCE)));
            }
            wait_until("two run", || held.n_running() == 2);
            held.release();
        });
        assert_eq!(held.compiles(), (4, 2), "{kind:?}");
    }
}

#[test]
fn the_log_goes_to_the_file_that_is_named() {
    for kind in BOTH {
        let (world, port) = (World::new(), free_port());
        let log = world.open_folder("logs").join("distccd.log");
        let mut command = distccd(kind, world.path());
        command
            .args(["--daemon", "--no-detach", "--listen", "127.0.0.1", "--allow", "127.0.0.1"])
            .args(["--port", &port.to_string(), "--log-file", log.to_str().unwrap()]);
        // What is there stays.
        std::fs::write(&log, "old line\n").unwrap();
        std::fs::set_permissions(&log, PermissionsExt::from_mode(0o666)).unwrap();
        let daemon = Daemon::start(&mut command, world.path(), port);
        daemon.ask(&request(COMMAND, SOURCE));
        let read = || std::fs::read_to_string(&log).unwrap();
        wait_until("the log has the job", || read().contains("(dcc_job_summary) client: "));
        assert!(read().starts_with("old line\ndistccd["), "{}", read());
        assert!(!daemon.log().contains("dcc_job_summary"), "{}", daemon.log());
    }
}

#[test]
fn a_botnet_runs_what_is_on_no_list() {
    for kind in BOTH {
        for (words, is_served) in
            [(&[][..], false), (&["--make-me-a-botnet"], true), (&["--enable-tcp-insecure"], true)]
        {
            let (world, port) = (World::new(), free_port());
            let bin = world.folder("bin");
            script(&bin.join("my-own-gcc"), "exec gcc \"$@\"");
            let mut command = listening(kind, world.path(), port);
            command.args(words).env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
            let daemon = Daemon::start(&mut command, world.path(), port);
            let answer = daemon.ask(&request("my-own-gcc -c a.c -o a.o", SOURCE));
            let got_object = answer.starts_with(b"DONE00000001STAT00000000");
            assert_eq!(got_object, is_served, "{kind:?} {words:?}: {}", daemon.log());
        }
    }
}

#[test]
fn a_compiler_beside_the_path_is_found_where_the_option_says() {
    const NAME: &str = "x86_64-pc-linux-gnu-gcc";
    let bin = World::new();
    let folder = bin.folder("bin");
    script(&folder.join(NAME), "exec /usr/bin/gcc \"$@\"");
    let folder = folder.to_str().unwrap();
    for (words, is_served) in [(&[][..], false), (&["--compiler-folder", folder], true)] {
        let (world, port) = (World::new(), free_port());
        let mut command = listening(Kind::Ours, world.path(), port);
        std::os::unix::fs::symlink("/bin/true", world.path().join("whitelist").join(NAME)).unwrap();
        let daemon = Daemon::start(command.args(words), world.path(), port);
        let answer = daemon.ask(&request(&format!("{NAME} -c a.c -o a.o"), SOURCE));
        let got_object = answer.starts_with(b"DONE00000001STAT00000000");
        assert_eq!(got_object, is_served, "{words:?}: {}", String::from_utf8_lossy(&answer));
    }
}
