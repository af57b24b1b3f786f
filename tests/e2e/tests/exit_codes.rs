//! Every exit code of distcc and distccd. [`TABLE`] names the test of each, and a test compares it
//! with the manual pages. What distcc 3.4 does likewise is shown on it first.
//!
//! With `DISTCC_FALLBACK=0` 3.4 ends with 116 whatever a host did: it leaves the host alone, and
//! then has none. Ours ends with the code of what happened.

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::held::Held;
use common::{Ran, World, finish};
use rustix::process::{Pid, Signal, kill_process};
use support::{Kind, ServerOptions, program, script, wait_until};

/// The codes, and the test in this file that produces each.
const TABLE: [(u8, &str); 20] = [
    (100, "includes_cannot_be_listed_without_pump_mode"),
    (101, "a_command_is_needed"),
    (102, "a_port_that_is_taken"),
    (103, "a_host_that_is_not_there"),
    (104, "a_compiler_that_crashed"),
    (105, "an_answer_for_which_there_is_no_memory"),
    (106, "a_bad_entry_of_the_host_list"),
    (107, "an_answer_that_cannot_be_written"),
    (108, "an_answer_that_was_cut_short"),
    (109, "an_answer_that_is_none"),
    (110, "a_compiler_that_is_not_there"),
    (111, "distcc_inside_itself_for_ever"),
    (112, "a_user_that_cannot_be_had"),
    (113, "a_server_that_does_not_serve_this_address"),
    (114, "a_code_of_a_server_is_passed_on"),
    (115, "a_code_of_a_server_is_passed_on"),
    (116, "a_list_without_hosts"),
    (117, "a_server_that_is_stopped"),
    (118, "a_server_that_is_silent"),
    (119, "gss_api_that_cannot_be_had"),
];

const ORIGINAL: &str = "/usr/bin/distcc";
const SOURCE: &str = "int answer(void) { return 42; }\n";

fn clients() -> [PathBuf; 2] {
    [ORIGINAL.into(), program("distcc")]
}

/// What a client says of a job when it may not compile it here.
fn without_fallback(world: &World, client: &Path, hosts: &str) -> Ran {
    world.write("a.c", SOURCE);
    let mut command = world.command(client);
    command.env("DISTCC_HOSTS", hosts).env("DISTCC_FALLBACK", "0").env("DISTCC_IO_TIMEOUT", "1");
    finish(command.args(["gcc", "-c", "a.c"]))
}

#[track_caller]
fn check(ran: &Ran, code: i32, words: &str) {
    assert_eq!(ran.code, code, "{}", ran.stderr);
    assert!(ran.stderr.contains(words), "no `{words}` in: {}", ran.stderr);
}

/// Checks both clients' answer to a host list: the codes of the original and of ours.
#[track_caller]
fn check_hosts(hosts: &str, original: i32, ours: i32, words: &str) {
    let world = World::new();
    check(&without_fallback(&world, Path::new(ORIGINAL), hosts), original, "");
    let world = World::new();
    check(&without_fallback(&world, &program("distcc"), hosts), ours, words);
    assert!(!world.has("a.o"));
}

/// A peer that answers each connection with `words`, or with nothing and without hanging up.
fn peer_that_says(words: Option<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
    // Ends with the test's process.
    std::thread::spawn(move || {
        let mut silent = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let Some(words) = &words else {
                silent.push(stream);
                continue;
            };
            let _ = stream.write_all(words);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
            while stream.read(&mut [0; 4096]).is_ok_and(|n_bytes| n_bytes > 0) {}
        }
    });
    host
}

/// The reply of a compiler that ended with this wait status.
fn reply(status: u32) -> Option<Vec<u8>> {
    let text = format!("DONE00000001STAT{status:08x}SERR00000006helperSOUT00000000DOTO00000000");
    Some(text.into_bytes())
}

#[test]
fn the_table_has_every_code_of_the_manual_pages() {
    let source = include_str!("exit_codes.rs");
    for (code, test) in TABLE {
        assert!(source.contains(&format!("#[test]\nfn {test}()")), "no test for {code}");
    }
    let folder = support::workspace().join("docs/man");
    let mut found = Vec::new();
    for page in ["distcc.1", "distccd.1"] {
        let page = std::fs::read_to_string(folder.join(page)).unwrap();
        let section = page.split(".SH \"EXIT STATUS\"").nth(1).unwrap();
        let section = section.split("\n.SH").next().unwrap();
        let codes = section
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|word| word.parse::<u8>().ok())
            .filter(|code| (100..=120).contains(code));
        found.extend(codes);
    }
    found.sort_unstable();
    found.dedup();
    assert_eq!(found, TABLE.map(|(code, _)| code));
}

#[test]
fn includes_cannot_be_listed_without_pump_mode() {
    for client in clients() {
        let world = World::new();
        let ran = world.run(client, "127.0.0.1:1,lzo", &["--scan-includes", "gcc", "-c", "a.c"]);
        check(&ran, 100, "");
        assert_eq!(ran.stdout, "");
    }
}

#[test]
fn a_command_is_needed() {
    for client in clients() {
        for words in [&[][..], &["--scan-includes"]] {
            check(&World::new().run(&client, "127.0.0.1:1", words), 101, "--help");
        }
    }
}

#[test]
fn a_port_that_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for server in [PathBuf::from("/usr/bin/distccd"), program("distccd")] {
        let world = World::new();
        let mut command = world.command(server);
        command.args(["--daemon", "--no-detach", "--log-stderr", "--make-me-a-botnet"]);
        command.args(["--allow", "127.0.0.1", "--listen", "127.0.0.1", "--port", &port]);
        check(&finish(&mut command), 102, &port);
    }
}

#[test]
fn a_host_that_is_not_there() {
    check_hosts("127.0.0.1:1", 116, 103, "Connection refused");
    check_hosts("no-such-host.invalid", 116, 103, "no-such-host.invalid");
}

#[test]
fn a_compiler_that_crashed() {
    for (signal, original) in [(9, 137), (11, 139)] {
        let host = peer_that_says(reply(signal));
        check_hosts(&host, original, 104, &format!("ended by signal {signal}"));
    }
}

#[test]
fn an_answer_for_which_there_is_no_memory() {
    // Standard error of 400 MB, within the limit of what is accepted.
    const SIZE: usize = 400 << 20;
    let mut words = format!("DONE00000001STAT00000000SERR{SIZE:08x}").into_bytes();
    words.resize(words.len() + SIZE, b'x');
    let host = peer_that_says(Some(words));
    let world = World::new();
    world.write("a.c", SOURCE);
    let limited = world.folder("bin").join("limited");
    script(&limited, &format!("ulimit -v 200000; exec {} \"$@\"", program("distcc").display()));
    let ran = without_fallback(&world, &limited, &host);
    check(&ran, 105, "no memory is left here for 419430400 bytes of its answer");
    // With fallback the job is done here.
    let ran = world.run(&limited, &host, &["gcc", "-c", "a.c"]);
    check(&ran, 0, "running locally instead");
    world.check_object("gcc", &["-c", "a.c"], "a.o");
    assert!(!world.state().join(format!("lock/backoff_tcp_{}_0", host.replace(':', "_"))).exists());
}

#[test]
fn a_bad_entry_of_the_host_list() {
    check_hosts("red/0", 116, 106, "bad host `red/0`");
    for client in ["--show-hosts", "-j"] {
        check(&World::new().distcc("red/0", &[client]), 106, "bad host `red/0`");
    }
}

#[test]
fn an_answer_that_cannot_be_written() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let world = World::new();
    let mut command = world.command(program("distcc"));
    let status = command.arg("--version").stdout(full).status().unwrap();
    assert_eq!(status.code(), Some(107));
}

#[test]
fn an_answer_that_was_cut_short() {
    let host = peer_that_says(Some(b"DONE00000001STAT00000000SERR00000100cut".to_vec()));
    check_hosts(&host, 116, 108, "its answer ended before");
    let host = peer_that_says(Some(Vec::new()));
    check_hosts(&host, 116, 108, "hung up");
}

#[test]
fn an_answer_that_is_none() {
    let host = peer_that_says(Some(b"HTTP/1.0 400 Bad Request\r\n\r\n".to_vec()));
    check_hosts(&host, 116, 109, "`HTTP` is no distcc token");
    let host = peer_that_says(Some(b"DONE00000001STAT00000000SERRffffffff".to_vec()));
    check_hosts(&host, 116, 109, "more than the limit");
}

#[test]
fn a_compiler_that_is_not_there() {
    for client in clients() {
        for words in [&["no-such-gcc", "-c", "a.c"][..], &["no-such-gcc", "a.o"]] {
            let world = World::new();
            world.write("a.c", SOURCE);
            check(&world.run(&client, "localhost", words), 110, "no-such-gcc");
        }
    }
}

#[test]
fn a_link_without_its_compiler_looks_to_configure_as_if_it_were_not_there() {
    let world = World::new();
    world.write("a.c", SOURCE);
    for (client, code) in clients().into_iter().zip([110, 127]) {
        for words in [&["-c", "a.c"][..], &["--version"], &["-o", "a", "a.o"]] {
            let name = format!("links_{code}");
            let link = world.folder(&name).join("no-such-gcc");
            let _ = std::os::unix::fs::symlink(&client, &link);
            let mut command = world.command(&link);
            let path = format!("{}:/usr/bin:/bin", world.folder(&name).display());
            command.env("PATH", path).env("DISTCC_HOSTS", "localhost").args(words);
            let ran = finish(&mut command);
            check(&ran, code, "no-such-gcc");
            let says = "no-such-gcc: command not found: behind this link to distcc is no compiler";
            assert_eq!(ran.stderr.contains(says), code == 127, "{}", ran.stderr);
        }
    }
}

#[test]
fn distcc_inside_itself_for_ever() {
    for client in clients() {
        let world = World::new();
        world.write("a.c", SOURCE);
        let mut command = world.command(client);
        command.env("_DISTCC_SAFEGUARD", "9").env("DISTCC_HOSTS", "localhost");
        check(&finish(command.args(["gcc", "-c", "a.c"])), 111, "");
    }
}

#[test]
fn a_user_that_cannot_be_had() {
    // The original takes an unknown user for nobody, and objects to root alone.
    for (server, user) in
        [(PathBuf::from("/usr/bin/distccd"), "root"), (program("distccd"), "no-such-user")]
    {
        let world = World::new();
        // Only root has something to leave; who is not root is it in a namespace of his own.
        let mut command = if rustix::process::geteuid().is_root() {
            world.command(server)
        } else {
            let mut command = world.command("unshare");
            command.args(["--user", "--map-root-user"]).arg(server);
            command
        };
        command.args(["--daemon", "--no-detach", "--log-stderr", "--make-me-a-botnet"]);
        command.args(["--listen", "127.0.0.1", "--allow", "127.0.0.1", "--port", "1"]);
        check(&finish(command.args(["--user", user])), 112, "");
    }
}

#[test]
fn a_server_that_does_not_serve_this_address() {
    let world = World::new();
    let mut options = ServerOptions::new(Kind::Ours);
    options.allow = vec!["192.0.2.1".to_owned()];
    let server = world.server("server", &options);
    let ran = without_fallback(&world, &program("distcc"), &server.host(""));
    check(&ran, 113, "does not serve 127.0.0.1");
}

/// A server's own code arrives as its compiler's; that servers have them is shown by the tests of
/// `programs/distccd`, 114 by "a_job_beyond_the_queue_is_refused" there.
#[test]
fn a_code_of_a_server_is_passed_on() {
    for code in 100..=120 {
        let host = peer_that_says(reply(code << 8));
        for client in clients() {
            let ran = without_fallback(&World::new(), &client, &host);
            assert_eq!(ran.code, code as i32, "{}: {}", client.display(), ran.stderr);
        }
    }
}

#[test]
fn a_list_without_hosts() {
    check_hosts("", 116, 116, "the host list is empty");
    // The original waits for ever when every host is down.
    let ran = without_fallback(&World::new(), &program("distcc"), "red,down");
    check(&ran, 116, "red:3632 is marked as down");
}

/// Stops a server while it compiles for a client that may not compile here.
#[test]
fn a_server_that_is_stopped() {
    let world = World::new();
    let held = Held::new(&world, "held");
    let server = held.server(&world, "server", Kind::Ours);
    let client = std::thread::scope(|scope| {
        let job = scope.spawn(|| {
            world.write("a.c", SOURCE);
            let mut command = world.command(program("distcc"));
            command.env("DISTCC_HOSTS", server.host("")).env("DISTCC_FALLBACK", "0");
            finish(command.args(["gcc", "-c", "a.c"]))
        });
        wait_until("the server compiles", || held.n_running() == 1);
        let pid = Pid::from_raw(server.pid().cast_signed()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        job.join().unwrap()
    });
    check(&client, 117, "stopped");
}

#[test]
fn a_server_that_is_silent() {
    check_hosts(&peer_that_says(None), 116, 118, "failed to distribute");
}

#[test]
fn a_compiler_that_takes_too_long_for_its_server() {
    let world = World::new();
    let held = Held::new(&world, "held");
    let mut options = ServerOptions::new(Kind::Ours);
    options.path = Some(held.path());
    options.more = vec!["--job-lifetime=1".to_owned()];
    let server = world.server("server", &options);
    world.write("a.c", SOURCE);
    let mut command = world.command(program("distcc"));
    command.env("DISTCC_HOSTS", server.host("")).env("DISTCC_FALLBACK", "0");
    check(&finish(command.args(["gcc", "-c", "a.c"])), 118, "it refused");
}

#[test]
fn gss_api_that_cannot_be_had() {
    // The original, which has it, says so when its server has no name for it.
    let world = World::new();
    let mut command = world.command("/usr/bin/distccd");
    command.env_remove("DISTCCD_PRINCIPAL").args(["--auth", "--daemon", "--no-detach"]);
    command.args(["--log-stderr", "--allow", "127.0.0.1", "--listen", "127.0.0.1"]);
    check(&finish(command.args(["--port", "1"])), 119, "");
    let ran = without_fallback(&world, &program("distcc"), "127.0.0.1:1,auth");
    check(&ran, 119, "GSS-API authentication is not supported yet");
    // With fallback the job is done here.
    let ran = world.distcc("127.0.0.1:1,auth", &["gcc", "-c", "a.c"]);
    check(&ran, 0, "hint: leave out `,auth`");
}

#[test]
fn compilers_codes_are_their_own() {
    for client in clients() {
        let world = World::new();
        let folder = world.folder("bin");
        script(&folder.join("odd-cc"), "exit 42");
        script(&folder.join("killed-cc"), "kill -9 $$");
        for (name, code) in [("odd-cc", 42), ("killed-cc", 137)] {
            let mut command: Command = world.command(&client);
            command.env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
            command.env("DISTCC_HOSTS", "localhost").args([name, "-c", "a.c"]);
            check(&finish(&mut command), code, "");
        }
    }
}
