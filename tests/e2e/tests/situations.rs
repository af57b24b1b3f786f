//! The table of what can go wrong between a client and its servers: what the user reads, the code
//! that stands at its end, and how the client ends.
//!
//! Each situation is met twice, each time as if for the first time: with falling back, where the
//! job is done here, and without, where the client fails with a code of its own. What concerns one
//! side in more detail stands in `never_silent.rs`, `never_wrong.rs` and `lost_and_mute.rs`.

mod common;

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::held::Held;
use common::{Ran, World, finish, on};
use netns::Lab;
use rustix::process::{Signal, kill_process};
use support::{Kind, Server, ServerOptions, impostor, program, script, wait_until};

const SOURCE: &str = "int answer(void) { return 42; }\n";

/// One row of the table.
#[derive(Clone, Copy)]
struct Expected<'a> {
    /// The code in brackets.
    code: &'a str,
    /// What the message and its hint say.
    texts: &'a [&'a str],
    /// How the client ends without falling back.
    exit: i32,
}

/// A job in a situation.
struct Job<'a> {
    world: &'a World,
    /// The host of a lab that it is started on.
    at: Option<&'a netns::Host>,
    hosts: &'a str,
    words: &'a [&'a str],
}

impl<'a> Job<'a> {
    /// `gcc -c a.c`, which has no errors.
    fn new(world: &'a World, hosts: &'a str) -> Job<'a> {
        world.write("a.c", SOURCE);
        Job { world, at: None, hosts, words: &["gcc", "-c", "a.c"] }
    }

    /// The client, which has not met the situation before.
    fn command(&self, fallback: &str) -> Command {
        let mut command = match self.at {
            None => self.world.command(program("distcc")),
            Some(host) => self.world.command_on(host, program("distcc")),
        };
        let state = self.world.folder(&format!("state-{fallback}"));
        std::fs::remove_dir_all(&state).unwrap();
        command.env("DISTCC_DIR", state).env("DISTCC_FALLBACK", fallback);
        command.env("DISTCC_HOSTS", self.hosts).args(self.words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Checks both ways, one after the other.
    #[track_caller]
    fn check(&self, expected: Expected<'_>) {
        self.check_done_here(&finish(&mut self.command("1")), expected);
        self.check_failed(&finish(&mut self.command("0")), expected);
    }

    #[track_caller]
    fn check_done_here(&self, ran: &Ran, expected: Expected<'_>) {
        says(ran, expected);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
        assert!(ran.stderr.contains("; running locally instead ["), "{}", ran.stderr);
        self.world.check_object(self.words[0], &self.words[1..], "a.o");
        self.world.remove("a.o");
    }

    #[track_caller]
    fn check_failed(&self, ran: &Ran, expected: Expected<'_>) {
        says(ran, expected);
        assert_eq!((ran.code, ran.stdout.as_str()), (expected.exit, ""), "{}", ran.stderr);
        assert!(ran.stderr.contains("DISTCC_FALLBACK=0 forbids to run it here"), "{}", ran.stderr);
        assert!(!self.world.has("a.o"));
    }
}

/// Checks that the first message is the expected one.
#[track_caller]
fn says(ran: &Ran, Expected { code, texts, .. }: Expected<'_>) {
    for text in texts {
        assert!(ran.stderr.contains(text), "`{text}` is not in:\n{}", ran.stderr);
    }
    let first = ran.stderr.lines().next().unwrap_or_default();
    assert!(first.ends_with(&format!(" [{code}]")), "`[{code}]` does not end:\n{}", ran.stderr);
}

fn ours() -> ServerOptions {
    ServerOptions::new(Kind::Ours)
}

/// A peer that answers each connection, once something came, with `words`.
fn peer_that_says(words: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(words);
        }
    });
    host
}

#[test]
fn nothing_listens() {
    Job::new(&World::new(), "127.0.0.1:1").check(Expected {
        code: "connection-refused",
        texts: &[
            "failed to distribute a.c to 127.0.0.1:1: could not connect: Connection refused",
            "hint: start distccd on 127.0.0.1, or give its port as HOST:PORT",
        ],
        exit: 103,
    });
}

#[test]
fn a_firewall_says_nothing() {
    let (world, lab) = (World::new(), Lab::new(&["client", "red"]));
    lab.host("red").drop_port(3632);
    let job = Job { at: Some(lab.host("client")), ..Job::new(&world, "red") };
    job.check(Expected {
        code: "connect-timeout",
        texts: &[
            "failed to distribute a.c to red:3632: no connection within 4 s",
            "hint: is red up, and does its firewall let the port in?",
        ],
        exit: 103,
    });
}

#[test]
fn the_name_does_not_resolve() {
    let (world, lab) = (World::new(), Lab::new(&["client"]));
    lab.host("client").put_etc("nsswitch.conf", "hosts: files\n");
    let job = Job { at: Some(lab.host("client")), ..Job::new(&world, "blue") };
    job.check(Expected {
        code: "name-not-found",
        texts: &[
            "failed to distribute a.c to blue:3632: its name could not be resolved",
            "hint: check the entry `blue:3632` of the host list",
        ],
        exit: 103,
    });
}

#[test]
fn the_name_server_is_mute() {
    let (world, lab) = (World::new(), Lab::new(&["client", "red"]));
    lab.host("red").drop_port(53);
    lab.host("client").put_etc("nsswitch.conf", "hosts: files dns\n");
    let resolver = format!("nameserver {}\n", lab.host("red").ip());
    lab.host("client").put_etc("resolv.conf", &resolver);
    let job = Job { at: Some(lab.host("client")), ..Job::new(&world, "blue.example") };
    job.check(Expected {
        code: "name-timeout",
        texts: &[
            "failed to distribute a.c to blue.example:3632: its name was not resolved within 4 s",
        ],
        exit: 103,
    });
}

#[test]
fn the_address_is_refused() {
    let world = World::new();
    let mut options = ours();
    options.allow = vec!["192.0.2.1".to_owned()];
    let server = world.server("server", &options);
    Job::new(&world, &server.host("")).check(Expected {
        code: "refused-address",
        texts: &[
            "it refused: this server does not serve 127.0.0.1",
            "hint: start it with --allow 127.0.0.1",
        ],
        exit: 113,
    });
}

/// What the original server's refusals have in common: it hangs up.
const HUNG_UP: Expected<'_> = Expected {
    code: "hung-up",
    texts: &[
        "it hung up without an answer",
        "hint: distccd 3.4 does so when it does not allow this machine's address (--allow) or",
    ],
    exit: 108,
};

#[test]
fn the_original_server_refuses_the_address() {
    let world = World::new();
    let mut options = ServerOptions::new(Kind::Original);
    options.allow = vec!["192.0.2.1".to_owned()];
    let server = world.server("server", &options);
    Job::new(&world, &server.host("")).check(HUNG_UP);
}

#[test]
fn the_compiler_is_not_whitelisted() {
    let world = World::new();
    let server =
        world.server("server", &ServerOptions { compilers: vec!["g++".to_owned()], ..ours() });
    Job::new(&world, &server.host("")).check(Expected {
        code: "refused-compiler",
        texts: &[
            "the compiler `x86_64-linux-gnu-gcc` is not allowed here",
            "hint: on the server: ln -s",
        ],
        exit: 110,
    });
}

#[test]
fn the_server_accepts_and_then_is_mute() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let hosts = listener.local_addr().unwrap().to_string();
    let job = Job::new(&world, &hosts);
    let expected = Expected {
        code: "peer-mute",
        texts: &[
            "it is there, and has given no sign of life for 2",
            "hint: look at distccd on 127.0.0.1: it may have been stopped",
        ],
        exit: 118,
    };
    // Both at once: each takes its time.
    let failing = job.command("0").spawn().unwrap();
    let fallback = finish(&mut job.command("1"));
    let failed = output(failing);
    job.check_done_here(&fallback, expected);
    job.check_failed(&failed, expected);
}

#[test]
fn the_server_is_silent_for_longer_than_the_user_wants() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let hosts = listener.local_addr().unwrap().to_string();
    let job = Job::new(&world, &hosts);
    let expected = Expected {
        code: "peer-silent",
        texts: &["no sign of life for too long while waiting for the object", "DISTCC_IO_TIMEOUT"],
        exit: 118,
    };
    job.check_done_here(&finish(job.command("1").env("DISTCC_IO_TIMEOUT", "1")), expected);
    job.check_failed(&finish(job.command("0").env("DISTCC_IO_TIMEOUT", "1")), expected);
}

fn output(child: Child) -> Ran {
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Has the server, of either kind, end by `end` while it compiles.
fn check_end(kind: Kind, end: impl Fn(&netns::Host, &mut Server), expected: Expected<'_>) {
    for fallback in ["1", "0"] {
        let (world, lab) = (World::new(), Lab::new(&["client", "red"]));
        let held = Held::new(&world, "held");
        let mut options = on(lab.host("red"), kind);
        options.path = Some(held.path());
        let mut server = world.server("server", &options);
        let hosts = server.host("");
        let job = Job { at: Some(lab.host("client")), ..Job::new(&world, &hosts) };
        let client = job.command(fallback).spawn().unwrap();
        wait_until("it compiles", || held.n_running() == 1);
        end(lab.host("red"), &mut server);
        match fallback {
            "1" => job.check_done_here(&output(client), expected),
            _ => job.check_failed(&output(client), expected),
        }
    }
}

/// Ends all of a server at once, so that nothing of it can say a last word.
fn kill_all(host: &netns::Host, _: &mut Server) {
    for signal in [Signal::STOP, Signal::KILL] {
        for process in host.processes() {
            let _ = kill_process(process, signal);
        }
    }
}

/// What is left to say of a server that is dead.
const DEAD: Expected<'_> =
    Expected { code: "hung-up", texts: &["it hung up without an answer"], exit: 108 };

#[test]
fn the_server_dies_in_mid_compile() {
    check_end(Kind::Ours, kill_all, DEAD);
}

#[test]
fn the_original_server_dies_in_mid_compile() {
    check_end(Kind::Original, kill_all, DEAD);
}

#[test]
fn the_server_is_stopped_in_mid_compile() {
    let stopping = Expected {
        code: "server-stopping",
        texts: &["it refused: this server is being stopped"],
        exit: 117,
    };
    check_end(Kind::Ours, |_, server| server.end_by(Signal::TERM), stopping);
}

#[test]
fn the_network_is_cut_in_mid_compile() {
    let world = World::new();
    let lab = Lab::new(&["client", "red"]);
    let held = Held::new(&world, "held");
    let mut options = on(lab.host("red"), Kind::Ours);
    options.path = Some(held.path());
    let server = world.server("server", &options);
    let hosts = server.host("/2");
    let job = Job { at: Some(lab.host("client")), ..Job::new(&world, &hosts) };
    let (mut here, mut failing) = (job.command("1"), job.command("0"));
    let (here, failing) = (here.spawn().unwrap(), failing.spawn().unwrap());
    wait_until("both are compiled", || held.n_running() == 2);
    lab.host("red").cut_cable();
    let expected = Expected {
        code: "connection-lost",
        texts: &[
            "the connection was lost while waiting for the object",
            "hint: is 10.77.0.2 still up, and the network to it?",
        ],
        exit: 107,
    };
    let (here, failed) = (output(here), output(failing));
    job.check_done_here(&here, expected);
    job.check_failed(&failed, expected);
}

/// A file system with a little more room than a server wants to see before it takes a job.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    fn new(path: PathBuf) -> SmallDisk {
        let options = ["-t", "tmpfs", "-o", "size=20m,mode=1777", "small"];
        let status = Command::new("mount").args(options).arg(&path).status().unwrap();
        assert!(status.success(), "a small disk needs root");
        SmallDisk { path }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The server may still be using it.
        let _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
    }
}

/// Has the server's disk have no room for the object, and then none for the source.
fn check_full_disk(kind: Kind, for_the_object: Expected<'_>, for_the_source: Expected<'_>) {
    let world = World::new();
    let disk = SmallDisk::new(world.folder("disk"));
    let options = ServerOptions { temporary: Some(disk.path.clone()), ..ServerOptions::new(kind) };
    let server = world.server("server", &options);
    let hosts = server.host(",lzo");
    let job = Job::new(&world, &hosts);
    world.write("a.c", "char answers[32 << 20] = { 42 };\n");
    job.check(for_the_object);
    // Somebody else takes the rest but a few hundred kilobytes.
    std::fs::write(disk.path.join("filler"), vec![0; 19 << 20]).unwrap();
    let long = format!("{SOURCE}{}", "extern int question(void);\n".repeat(40_000));
    world.write("a.c", &long);
    job.check(for_the_source);
    // A disk is no client.
    let log = server.log();
    assert_eq!(log.contains(" CLI_DISCONN "), kind == Kind::Original, "{log}");
}

#[test]
fn the_servers_disk_is_full() {
    check_full_disk(
        Kind::Ours,
        Expected { code: "server-disk-full", texts: &["No space left on device"], exit: 104 },
        Expected {
            code: "server-disk-full",
            texts: &[
                "it refused: No space left on device for a job: only ",
                "KiB are left in the temporary folder here",
                "hint: look at the temporary folder of the server (TMPDIR)",
            ],
            exit: 107,
        },
    );
}

#[test]
fn the_original_servers_disk_is_full() {
    check_full_disk(
        Kind::Original,
        // Its compiler's words go to the full disk too.
        Expected {
            code: "compiler-fault",
            texts: &["it ended with exit status 1 and said nothing"],
            exit: 104,
        },
        HUNG_UP,
    );
}

#[test]
fn the_object_is_another_machines() {
    let world = World::new();
    let compilers = world.folder("compilers");
    for name in ["gcc", "x86_64-linux-gnu-gcc"] {
        let text = "exec /usr/bin/aarch64-linux-gnu-gcc \"$@\"";
        impostor(&compilers.join(name), "/usr/bin/gcc", text);
    }
    let path = Some(format!("{}:/usr/bin:/bin", compilers.display()));
    let server = world.server("server", &ServerOptions { path, ..ours() });
    Job::new(&world, &server.host("")).check(Expected {
        code: "wrong-machine",
        texts: &[
            "its object is ELF 64-bit little-endian machine 183=aarch64, and the compiler of this \
             machine makes ELF 64-bit little-endian machine 62=x86-64",
            "hint: give distccd on 127.0.0.1 a PATH that begins with the folder of a `gcc`",
        ],
        exit: 100,
    });
}

#[test]
fn the_answer_is_garbage() {
    let host = peer_that_says(b"HTTP/1.0 400 Bad Request\r\n\r\n");
    let hint = format!("hint: is it a distccd that listens at {host}?");
    Job::new(&World::new(), &host).check(Expected {
        code: "protocol-garbage",
        texts: &["its answer is not understood: `HTTP` is no distcc token", &hint],
        exit: 109,
    });
}

#[test]
fn the_answer_is_cut_short() {
    let host =
        peer_that_says(b"DONE00000001STAT00000000SERR00000000SOUT00000000DOTO00000100\x7fELF");
    Job::new(&World::new(), &host).check(Expected {
        code: "answer-truncated",
        texts: &["its answer ended before DOTO"],
        exit: 108,
    });
}

#[test]
fn the_answer_has_no_object() {
    let host = peer_that_says(b"DONE00000001STAT00000000SERR00000000SOUT00000000DOTO00000000");
    Job::new(&World::new(), &host).check(Expected {
        code: "no-object",
        texts: &["it sent something that is no object"],
        exit: 100,
    });
}

#[test]
fn all_slots_are_busy() {
    let world = World::new();
    let held = Held::new(&world, "held");
    let server = held.server(&world, "server", Kind::Ours);
    for name in ["first.c", "second.c"] {
        world.write(name, SOURCE);
    }
    let start = |source: &str| {
        let mut command = world.command(program("distcc"));
        command.env("DISTCC_HOSTS", server.host("/1")).args(["gcc", "-c", source]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let first = start("first.c");
    wait_until("the first is compiled", || held.n_running() == 1);
    let mut second = start("second.c");
    let state = world.state().join("state").join(format!("binstate_{}", second.id()));
    // The phase, 1 for waiting: an `int` before the pointer at the end.
    wait_until("the second waits", || {
        std::fs::read(&state).is_ok_and(|bytes| bytes.len() >= 296 && bytes[284] == 1)
    });
    assert!(second.try_wait().unwrap().is_none());
    assert_eq!(held.n_running(), 1);
    held.release();
    for job in [first, second] {
        let ran = output(job);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    }
    server.wait_for_compiled(2);
}

/// A request for the compile of an empty source.
fn request() -> Vec<u8> {
    let words = ["gcc", "-c", "b.i", "-o", "b.o"];
    let mut bytes = format!("DIST00000001ARGC{:08x}", words.len());
    for word in words {
        write!(bytes, "ARGV{:08x}{word}", word.len()).unwrap();
    }
    bytes.push_str("DOTI00000000");
    bytes.into_bytes()
}

#[test]
fn the_server_has_enough_to_do() {
    let world = World::new();
    let held = Held::new(&world, "held");
    let options = ServerOptions { path: Some(held.path()), n_jobs: 1, ..ours() };
    let server = world.server("server", &options);
    // Others fill its queue, until the first of them is answered: with a refusal.
    let mut others = Vec::new();
    wait_until("the queue is full", || {
        let mut other = TcpStream::connect((server.address, server.port)).unwrap();
        other.write_all(&request()).unwrap();
        other.set_nonblocking(true).unwrap();
        others.push(other);
        others.iter().any(|other| other.peek(&mut [0]).is_ok())
    });
    Job::new(&world, &server.host("")).check(Expected {
        code: "server-busy",
        texts: &[
            "it refused: too many jobs from your address are waiting here already",
            "hint: lower the server's",
        ],
        exit: 114,
    });
    held.release();
}

/// Compiles a source with an error by a server and here, and compares. The lines of the source
/// below the messages are left out: the server's compiler has no source to show.
#[track_caller]
fn check_error(source: &str, at: Kind) {
    let world = World::new();
    let server = world.server("server", &ServerOptions::new(at));
    world.write("a.c", source);
    let words = ["gcc", "-fno-diagnostics-show-caret", "-c", "a.c"];
    let expected = finish(world.command("gcc").args(&words[1..]));
    assert_eq!(expected.code, 1);
    for fallback in ["1", "0"] {
        let hosts = server.host("");
        let job = Job { world: &world, at: None, hosts: &hosts, words: &words };
        let ran = finish(&mut job.command(fallback));
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
        assert_eq!(ran.stderr, expected.stderr);
        assert!(!world.has("a.o"));
    }
}

#[test]
fn the_source_has_a_syntax_error() {
    check_error("int answer(void) { return 42 }\n", Kind::Ours);
    check_error("int answer(void) { return 42 }\n", Kind::Original);
}

#[test]
fn a_header_is_missing() {
    check_error("#include \"no-such-header.h\"\n", Kind::Ours);
}

/// A compiler that does not say what `-march=native` means to it.
fn secretive_compiler(folder: &Path) -> String {
    script(
        &folder.join("gcc"),
        "case \" $* \" in *' -### '*|*' -Q '*|*' -v '*) exit 1;; esac; exec /usr/bin/gcc \"$@\"",
    );
    format!("{}:/usr/bin:/bin", folder.display())
}

#[test]
fn the_compiler_cannot_say_what_native_means() {
    let world = World::new();
    let server = world.server("server", &ours());
    let path = secretive_compiler(&world.folder("compilers"));
    let hosts = server.host("");
    world.write("a.c", SOURCE);
    let words = ["gcc", "-march=native", "-c", "a.c"];
    let job = Job { world: &world, at: None, hosts: &hosts, words: &words };
    for fallback in ["1", "0"] {
        // What only this machine can do is no fallback.
        let ran = finish(job.command(fallback).env("PATH", &path).env("DISTCC_VERBOSE", "1"));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stderr.contains("[native-tuning]"), "{}", ran.stderr);
        world.check_object("gcc", &words[1..], "a.o");
        world.remove("a.o");
    }
    assert_eq!(server.n_compiled(), 0);
}
