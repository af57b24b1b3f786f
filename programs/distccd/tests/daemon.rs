//! The daemon itself: its options, how it starts, whom it listens to, and what is left when it
//! ends.

mod common;

use std::fs::File;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Output, Stdio};

use common::{
    Client, World, check_refused, free_port, is_alive, is_root, kill, listens, run, wait_until,
};
use rustix::fs::fcntl_lock;
use rustix::process::Signal;
use wire::{Limits, Reply, ReplyDecoder, Version};

const COMMAND: &str = "gcc -c a.c -o a.o";
const SOURCE: &str = "int x;\n";
const WRITES_OBJECT: &str = "echo object > \"$out\"";

fn refused(world: &World, options: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = run(world.distccd().args(options));
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[track_caller]
fn check_start_refused(options: &[&str], code: i32, parts: &[&str]) {
    let world = World::new();
    let (status, said) = refused(&world, options);
    assert_eq!(status, Some(code), "{said}");
    for part in parts {
        assert!(said.contains(part), "no `{part}` in: {said}");
    }
}

#[test]
fn bad_options_are_named() {
    check_start_refused(&["--allow", "--jobs", "20"], 101, &["--allow", "`--jobs`", "hint: "]);
    check_start_refused(&["--daemon", "--jobs", "0"], 101, &["--jobs", "`0`"]);
    check_start_refused(&["--daemon", "--port", "65536"], 101, &["--port", "`65536`"]);
    check_start_refused(&["--daemon", "--port=0"], 101, &["--port", "`0`"]);
    check_start_refused(&["--daemon", "--nice", "x"], 101, &["--nice", "`x`"]);
    check_start_refused(&["--frobnicate"], 101, &["--frobnicate"]);
    check_start_refused(&["--daemon", "--port"], 101, &["--port"]);
}

#[test]
fn what_needs_gss_api_is_refused_with_its_code() {
    for option in ["--auth", "--blacklist=x", "--whitelist=x"] {
        let name = option.split('=').next().unwrap();
        check_start_refused(&["--daemon", option], 119, &[name, "GSS-API", "hint: "]);
    }
}

#[test]
fn a_network_that_is_none_is_named() {
    let world = World::new();
    let list = world.list_option();
    world.allow("gcc");
    for network in ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x", "::1/129", "not a name"] {
        let options = ["--daemon", "--no-detach", "--log-stderr", &list, "--allow", network];
        let (status, said) = refused(&world, &options);
        assert_eq!(status, Some(101), "{said}");
        assert!(said.contains("--allow") && said.contains(network), "{said}");
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    let world = World::new();
    for option in ["--help", "--version"] {
        let output = run(world.distccd().arg(option));
        assert!(output.status.success() && output.stderr.is_empty());
        assert!(String::from_utf8(output.stdout).unwrap().contains("distccd"));
    }
}

#[test]
fn the_manual_page_has_every_option() {
    let world = World::new();
    let help = String::from_utf8(run(world.distccd().arg("--help")).stdout).unwrap();
    let page = include_str!("../../../docs/man/distccd.1").replace("\\-", "-");
    let options: Vec<&str> = help
        .split(|c: char| c.is_whitespace() || "[]()|,:".contains(c))
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .collect();
    assert!(options.len() > 15, "{help}");
    for option in options {
        assert!(page.contains(option), "docs/man/distccd.1 lacks {option}");
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let world = World::new();
    world.allow("gcc");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let list = world.list_option();
    let (status, said) = refused(
        &world,
        &["--daemon", "--log-stderr", &list, "--listen", "127.0.0.1", "--port", &port],
    );
    assert_eq!(status, Some(102), "{said}");
    assert!(said.contains(&port) && said.contains("hint: "), "{said}");
    world.wait_until_nothing_is_left();
}

#[test]
fn without_a_compiler_that_may_run_there_is_no_server() {
    let world = World::new();
    let missing = format!("--compiler-whitelist={}/missing", world.path().display());
    for list in [world.list_option(), missing] {
        let (status, said) = refused(&world, &["--daemon", "--log-stderr", &list]);
        assert_eq!(status, Some(110), "{said}");
        assert!(said.contains("ln -s") && said.contains("hint: "), "{said}");
    }
}

#[test]
fn a_command_list_that_cannot_be_read_is_no_permission() {
    let world = World::new();
    let list = world.path().join("commands");
    let output =
        run(world.distccd().args(["--daemon", "--log-stderr"]).env("DISTCC_CMDLIST", &list));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(110), "{said}");
    assert!(said.contains("DISTCC_CMDLIST") && said.contains("commands"), "{said}");
    world.compiler("gcc", "touch $OUT/ran; echo object > \"$out\"");
    std::fs::write(&list, format!("{}/bin/gcc\n", world.path().display())).unwrap();
    let daemon = world.daemon_with(&[], &[("DISTCC_CMDLIST", list.to_str().unwrap())]);
    assert_eq!(daemon.compile("gcc -c a.c -o a.o", SOURCE).object, b"object\n");
    check_refused(&daemon.compile("cc -c a.c -o a.o", SOURCE), 110, &["`cc`"]);
    std::fs::remove_file(&list).unwrap();
    std::fs::remove_file(world.out("ran")).unwrap();
    check_refused(&daemon.compile(COMMAND, SOURCE), 110, &["DISTCC_CMDLIST"]);
    assert!(!world.out("ran").exists());
}

#[test]
fn a_botnet_needs_no_list_and_is_told_what_it_is() {
    let world = World::new();
    world.compiler("gcc", WRITES_OBJECT);
    std::fs::remove_dir_all(world.path().join("list")).unwrap();
    for option in ["--make-me-a-botnet", "--enable-tcp-insecure"] {
        let daemon = world.daemon(&[option]);
        assert!(daemon.compile(COMMAND, SOURCE).status.is_success());
        daemon.wait_for_log("Warning: ");
        assert!(daemon.log().contains("--make-me-a-botnet"), "{}", daemon.log());
    }
}

#[test]
fn by_default_both_internet_protocols_are_listened_to() {
    let world = World::new();
    world.compiler("gcc", WRITES_OBJECT);
    let daemon = world.daemon(&["--listen=::"]);
    for address in ["127.0.0.1", "::1"] {
        let mut client =
            Client::connect((address.parse::<std::net::IpAddr>().unwrap(), daemon.port).into());
        client.send_job(Version::V1, COMMAND, SOURCE);
        assert!(client.reply(Version::V1).status.is_success(), "{address}");
    }
}

#[test]
fn an_ipv4_peer_of_an_ipv6_socket_is_judged_as_what_it_is() {
    let world = World::new();
    world.compiler("gcc", WRITES_OBJECT);
    for (allow, is_served) in [("127.0.0.1", true), ("1.0.0.127", false), ("::1", false)] {
        let daemon = world.daemon(&["--listen=::", "--allow", allow]);
        let reply = daemon.compile(COMMAND, SOURCE);
        if is_served {
            assert!(reply.status.is_success(), "{allow}");
        } else {
            check_refused(&reply, 113, &["127.0.0.1"]);
        }
    }
}

#[test]
fn variables_without_effect_have_none() {
    let world = World::new();
    world.compiler("gcc", WRITES_OBJECT);
    let variables = [("DISTCC_TCP_CORK", "0"), ("DISTCC_TCP_DEFER_ACCEPT", "0")];
    let daemon = world.daemon_with(&[], &variables);
    assert!(daemon.compile(COMMAND, SOURCE).status.is_success());
}

#[test]
fn names_and_private_networks_can_be_allowed() {
    let world = World::new();
    world.compiler("gcc", WRITES_OBJECT);
    for options in [&["-a", "localhost"][..], &["--allow-private"], &["--allow=127.0.0.0/8"], &[]] {
        let daemon = world.daemon(options);
        assert!(daemon.compile(COMMAND, SOURCE).status.is_success(), "{options:?}");
        let warned = daemon.log().contains("Warning: no --allow");
        assert_eq!(warned, options.is_empty(), "{}", daemon.log());
    }
}

#[test]
fn a_log_file_that_cannot_be_opened_ends_the_start() {
    // 3.4 says one line on a terminal that nobody may watch, and logs to syslog.
    let world = World::new();
    world.compiler("gcc", WRITES_OBJECT);
    let log = world.path().join("missing/log");
    let option = format!("--log-file={}", log.display());
    let (status, said) = refused(&world, &["--daemon", &world.list_option(), &option]);
    assert_eq!(status, Some(107), "{said}");
    assert!(said.contains("ERROR: could not open the log file"), "{said}");
    assert!(said.contains(log.to_str().unwrap()) && said.contains("hint: "), "{said}");
}

#[test]
fn a_log_file_takes_the_lines_and_its_folder_may_be_roots() {
    let world = World::new();
    world.compiler("gcc", WRITES_OBJECT);
    // The folder of the world belongs to whoever starts the daemon, who may be root.
    let log = world.path().join("distccd.log");
    let daemon = world.daemon(&[]);
    drop(daemon);
    let port = free_port();
    let mut child = world
        .distccd()
        .args(["--daemon", "--no-detach", "--listen", "127.0.0.1", "--port", &port.to_string()])
        .arg(format!("--log-file={}", log.display()))
        .arg(world.list_option())
        .spawn()
        .unwrap();
    wait_until(|| listens(port).then_some(()));
    let mut client = Client::connect(([127, 0, 0, 1], port).into());
    client.send_job(Version::V1, COMMAND, SOURCE);
    assert!(client.reply(Version::V1).status.is_success());
    wait_until(|| std::fs::read_to_string(&log).ok()?.contains("COMPILE_OK").then_some(()));
    kill(child.id() as i32, Signal::TERM);
    child.wait().unwrap();
}

#[test]
fn root_is_left() {
    if !is_root() {
        // Nothing to leave: the other tests have served as this user.
        return;
    }
    let world = World::new();
    world.compiler("gcc", "id -u > $OUT/uid; id -G > $OUT/groups; echo object > \"$out\"");
    let daemon = world.daemon(&["--user", "nobody"]);
    assert!(daemon.compile(COMMAND, SOURCE).status.is_success());
    assert_eq!(world.read_out("uid"), "65534\n");
    assert_eq!(world.read_out("groups"), "65534\n");
    let (status, said) = refused(
        &world,
        &["--daemon", "--log-stderr", &world.list_option(), "--user", "no-such-user", "--port=9"],
    );
    assert!(status.is_some_and(|code| code >= 100), "{said}");
}

#[test]
fn compilers_are_nice() {
    let world = World::new();
    world.compiler("gcc", "nice > $OUT/nice; echo object > \"$out\"");
    let own: i32 =
        String::from_utf8(run(&mut Command::new("nice")).stdout).unwrap().trim().parse().unwrap();
    for (options, added) in [(&[][..], 5), (&["-N", "7"], 7), (&["--nice=0"], 0)] {
        let daemon = world.daemon(options);
        assert!(daemon.compile(COMMAND, SOURCE).status.is_success());
        assert_eq!(world.read_out("nice"), format!("{}\n", (own + added).min(19)));
    }
}

#[test]
fn a_daemon_that_detached_listens_and_can_be_found_and_stopped() {
    let world = World::new();
    world.compiler("gcc", WRITES_OBJECT);
    let port = free_port();
    // The folder of the pid file need not be the server's own: root may have made it.
    let pid_file = world.path().join("distccd.pid");
    let log = world.path().join("detached.log");
    let status = world
        .distccd()
        .args(["--daemon", "--listen", "127.0.0.1", "--port", &port.to_string()])
        .arg(format!("--pid-file={}", pid_file.display()))
        .arg(format!("--log-file={}", log.display()))
        .arg(world.list_option())
        .status()
        .unwrap();
    assert!(status.success());
    assert!(listens(port), "it listens as soon as the command has returned");
    let mut client = Client::connect(([127, 0, 0, 1], port).into());
    client.send_job(Version::V1, COMMAND, SOURCE);
    assert!(client.reply(Version::V1).status.is_success());
    let pid: i32 = std::fs::read_to_string(&pid_file).unwrap().trim().parse().unwrap();
    assert!(world.processes().contains(&pid));
    kill(pid, Signal::TERM);
    world.wait_until_nothing_is_left();
    // Where its folder is root's, the file can only be emptied.
    let left = std::fs::read_to_string(&pid_file).unwrap_or_default();
    assert_eq!(left, "");
}

/// A compiler that has a child, and neither listens to SIGTERM.
const STUBBORN: &str = "trap '' TERM; sleep 1000 &";

#[test]
fn a_signal_in_the_middle_of_compiles_leaves_nothing() {
    for (signal, number) in [(Signal::TERM, 15), (Signal::INT, 2), (Signal::HUP, 1)] {
        let world = World::new();
        let mut blocking = world.blocking_compiler("gcc", STUBBORN);
        let mut daemon = world.daemon(&["--jobs", "1"]);
        let mut clients: Vec<Client> = (0..3).map(|_| daemon.connect()).collect();
        for client in &mut clients[..2] {
            client.send_job(Version::V1, COMMAND, SOURCE);
        }
        clients[2].send(b"DIST00000001");
        blocking.wait_for_start();
        daemon.signal(signal);
        for client in &mut clients[..2] {
            check_refused(&client.reply(Version::V1), 117, &["stopped"]);
        }
        assert_eq!(daemon.wait().signal(), Some(number));
        world.wait_until_nothing_is_left();
        wait_until(|| (!listens(daemon.port)).then_some(()));
    }
}

#[test]
fn a_daemon_that_is_killed_leaves_nothing() {
    let world = World::new();
    let mut blocking = world.blocking_compiler("gcc", STUBBORN);
    let mut daemon = world.daemon(&[]);
    let mut client = daemon.connect();
    client.send_job(Version::V1, COMMAND, SOURCE);
    let compiler = blocking.wait_for_start();
    daemon.signal(Signal::KILL);
    daemon.wait();
    world.wait_until_nothing_is_left();
    wait_until(|| (!is_alive(compiler) && !listens(daemon.port)).then_some(()));
}

#[test]
fn a_daemon_whose_process_group_is_killed_leaves_nothing() {
    let world = World::new();
    let mut blocking = world.blocking_compiler("gcc", STUBBORN);
    let port = free_port();
    let mut child = world
        .distccd()
        .args(["--daemon", "--no-detach", "--listen", "127.0.0.1", "--port", &port.to_string()])
        .args([&world.list_option(), "--sandbox=off"])
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    wait_until(|| listens(port).then_some(()));
    let mut client = Client::connect(([127, 0, 0, 1], port).into());
    client.send_job(Version::V1, COMMAND, SOURCE);
    blocking.wait_for_start();
    let group = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process_group(group, Signal::KILL).unwrap();
    child.wait().unwrap();
    world.wait_until_nothing_is_left();
}

#[test]
fn the_next_daemon_removes_what_killed_ones_left() {
    let world = World::new();
    let mut blocking = world.blocking_compiler("gcc", "");
    let mut daemon = world.daemon(&[]);
    let mut client = daemon.connect();
    client.send_job(Version::V1, COMMAND, SOURCE);
    let compiler = blocking.wait_for_start();
    let worker = daemon.worker();
    // Stopped, neither of the two can tidy up for the other.
    kill(worker, Signal::STOP);
    daemon.signal(Signal::KILL);
    kill(worker, Signal::KILL);
    daemon.wait();
    wait_until(|| (!is_alive(worker) && !is_alive(compiler)).then_some(()));
    assert!(!world.temporaries().is_empty());
    // The last of a killed process's threads lets go of its files a moment after it counts as dead.
    let locks = world.temporaries().into_iter().filter(|path| path.ends_with("lock"));
    let locks: Vec<_> = locks.map(|path| File::options().write(true).open(path).unwrap()).collect();
    let exclusive = rustix::fs::FlockOperation::NonBlockingLockExclusive;
    wait_until(|| locks.iter().all(|lock| fcntl_lock(lock, exclusive).is_ok()).then_some(()));
    drop(locks);
    let next = world.daemon(&[]);
    assert!(world.job_files().is_empty(), "{:?}", world.temporaries());
    drop(next);
}

fn reply_in(bytes: &[u8]) -> Reply {
    let mut decoder = ReplyDecoder::new(Version::V2, Limits::DEFAULT);
    let reply = decoder.push(&mut &bytes[..]).unwrap();
    reply.unwrap_or_else(|| panic!("no reply in {:?}", String::from_utf8_lossy(bytes)))
}

#[test]
fn inetd_serves_one_job_over_pipes() {
    let world = World::new();
    world.compiler("gcc", WRITES_OBJECT);
    world.allow("missing-gcc");
    for (command, code) in [(COMMAND, 0), ("missing-gcc -c a.c -o a.o", 110)] {
        let (mut child, input) = world.inetd(&[], command, SOURCE);
        let mut said = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut said).unwrap();
        drop(input);
        let reply = reply_in(&said);
        assert_eq!(reply.status.code(), Some(code));
        let mut log = String::new();
        child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(i32::from(code)), "{log}");
        assert!(log.contains("client: NOTSOCKET"), "{log}");
        world.wait_until_nothing_is_left();
    }
}

#[test]
fn a_signal_to_an_inetd_server_leaves_nothing() {
    let world = World::new();
    let mut blocking = world.blocking_compiler("gcc", STUBBORN);
    let (mut child, _input) = world.inetd(&["--sandbox=off"], COMMAND, SOURCE);
    blocking.wait_for_start();
    kill(child.id() as i32, Signal::TERM);
    let mut said = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut said).unwrap();
    check_refused(&reply_in(&said), 117, &["stopped"]);
    child.wait().unwrap();
    world.wait_until_nothing_is_left();
}

#[test]
fn a_temporary_folder_that_cannot_be_written_is_named() {
    let world = World::new();
    world.allow("gcc");
    let missing = world.path().join("missing");
    let port = free_port().to_string();
    let output = run(world
        .distccd()
        .args(["--daemon", "--log-stderr", "--listen", "127.0.0.1", "--port", &port])
        .arg(world.list_option())
        .env("TMPDIR", &missing));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(107), "{said}");
    assert!(said.contains(missing.to_str().unwrap()) && said.contains("TMPDIR"), "{said}");
}

#[test]
fn a_socket_on_standard_input_means_inetd() {
    let world = World::new();
    world.compiler("gcc", WRITES_OBJECT);
    for (allow, code) in [(&[][..], 0), (&["--allow", "192.0.2.1"], 113)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = Client::connect(listener.local_addr().unwrap());
        let (theirs, _) = listener.accept().unwrap();
        let copy: TcpStream = theirs.try_clone().unwrap();
        let mut child = world
            .distccd()
            .arg(world.list_option())
            .args(allow)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(OwnedFd::from(copy)))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        client.send_job(Version::V2, COMMAND, SOURCE);
        assert_eq!(client.reply(Version::V2).status.code(), Some(code));
        drop(client);
        let status = wait_until(|| child.try_wait().unwrap());
        assert_eq!(status.code(), Some(i32::from(code)));
        world.wait_until_nothing_is_left();
    }
}
