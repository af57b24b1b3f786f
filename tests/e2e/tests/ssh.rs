//! Hosts on which ssh starts the server, by a stand-in and by a real sshd; and servers on IPv6.

mod common;

use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{Ran, World, finish};
use rustix::process::{Pid, Signal, kill_process};
use support::{Kind, Recorder, ServerOptions, program, script, wait_until};

const SOURCE: &str = "int answer(void) { return 42; }\n";
const COMPILERS: [&str; 2] = ["gcc", "x86_64-linux-gnu-gcc"];

fn client(kind: Kind) -> PathBuf {
    match kind {
        Kind::Ours => program("distcc"),
        Kind::Original => PathBuf::from("/usr/bin/distcc"),
    }
}

/// A script that drops the words of ssh before the command, which it then runs here.
fn stand_in(world: &World) -> PathBuf {
    let path = world.folder("bin").join("ssh");
    let text = "while [ $# -gt 0 ]; do case \"$1\" in -l) shift 2;; *) break;; esac; done\n\
                shift\nexec \"$@\"";
    script(&path, text);
    path
}

/// A script that fails as `text` has it.
fn failing(world: &World, text: &str) -> PathBuf {
    let path = world.folder("bin").join("ssh");
    script(&path, text);
    path
}

/// A script that becomes a server which finds recording compilers.
fn server_command(world: &World, kind: Kind) -> (PathBuf, Recorder) {
    let there = Recorder::new(&world.folder(&format!("there-{kind:?}")), &COMPILERS);
    let path = world.folder("bin").join(format!("distccd-{kind:?}"));
    let (distccd, words) = match kind {
        // The compilers write down what they see.
        Kind::Ours => (program("distccd"), "--sandbox=off"),
        Kind::Original => (PathBuf::from("/usr/bin/distccd"), ""),
    };
    let text = format!(
        "PATH='{}' TMPDIR='{}' exec '{}' {words} \"$@\"",
        there.search_path(),
        world.open_folder("there-tmp").display(),
        distccd.display()
    );
    script(&path, &text);
    (path, there)
}

/// Compiles `a.c` by a client.
fn compile(world: &World, kind: Kind, hosts: &str, ssh: &str) -> Ran {
    world.write("a.c", SOURCE);
    let _ = std::fs::remove_file(world.folder("work").join("a.o"));
    let _ = std::fs::remove_dir_all(world.state());
    std::fs::create_dir(world.state()).unwrap();
    let mut command = world.command(client(kind));
    command.env("DISTCC_HOSTS", hosts).env("DISTCC_SSH", ssh).env("DISTCC_IO_TIMEOUT", "60");
    finish(command.args(["gcc", "-O2", "-c", "a.c", "-o", "a.o"]))
}

/// Compiles in all ways by `ssh`, and checks that each compile ran there, once, and gave the
/// object that the compiler here makes.
fn compiles_everywhere(world: &World, place: &str, ssh: &str) {
    let servers = [Kind::Original, Kind::Ours].map(|kind| (kind, server_command(world, kind)));
    for kind in [Kind::Original, Kind::Ours] {
        for (server, (command, there)) in &servers {
            for options in ["", ",lzo"] {
                let n_before = there.compiles().len();
                let hosts = format!("{place}/2:{}{options}", command.display());
                let ran = compile(world, kind, &hosts, ssh);
                let what = format!("{kind:?} client, {server:?} server, {options}");
                assert_eq!(ran.code, 0, "{what}: {}", ran.stderr);
                assert_eq!(there.compiles().len(), n_before + 1, "{what}: {}", ran.stderr);
                if kind == Kind::Ours {
                    assert_eq!(ran.stderr, "", "{what}");
                }
                world.check_object("gcc", &["-O2", "-c", "a.c", "-o", "a.o"], "a.o");
                assert!(world.state().join("lock/cpu_ssh_127.0.0.1_0").exists(), "{what}");
            }
        }
    }
}

/// Checks that both clients do the job here, leave the host alone, and that ours says `expected`.
#[track_caller]
fn falls_back(world: &World, hosts: &str, ssh: &str, expected: &[&str]) {
    for kind in [Kind::Original, Kind::Ours] {
        let ran = compile(world, kind, hosts, ssh);
        assert_eq!(ran.code, 0, "{kind:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("running locally instead"), "{kind:?}: {}", ran.stderr);
        world.check_object("gcc", &["-O2", "-c", "a.c", "-o", "a.o"], "a.o");
        let stamp = world.state().join("lock/backoff_ssh_127.0.0.1_0");
        assert!(stamp.exists(), "{kind:?}: {}", ran.stderr);
        if kind == Kind::Ours {
            for text in expected {
                assert!(ran.stderr.contains(text), "`{text}` is not in:\n{}", ran.stderr);
            }
        }
    }
}

#[test]
fn ssh_is_called_word_for_word_as_by_the_original() {
    let world = World::new();
    let record = world.folder("record").join("words");
    let text = format!("printf '[%s]' \"$@\" > '{}'; exit 255", record.display());
    let ssh = failing(&world, &text).display().to_string();
    let hosts = ["@red", "me@red/3:/opt/distccd,lzo", "@red:", "@red/2", "@red:3632/2", "@red:x;y"];
    for hosts in hosts {
        for ssh in [ssh.clone(), format!("{ssh}  -F /x 'a b'\t\"c\"  ")] {
            let words = [Kind::Original, Kind::Ours].map(|kind| {
                let ran = compile(&world, kind, hosts, &ssh);
                assert_eq!(ran.code, 0, "{}", ran.stderr);
                let mut files: Vec<_> = std::fs::read_dir(world.state().join("lock"))
                    .unwrap()
                    .map(|entry| entry.unwrap().file_name())
                    .filter(|name| name.to_string_lossy().contains("ssh"))
                    .collect();
                files.sort();
                (std::fs::read_to_string(&record).unwrap(), files)
            });
            assert_eq!(words[0], words[1], "{hosts} {ssh}");
            assert!(words[1].0.contains("[red]"), "{words:?}");
        }
    }
}

#[test]
fn the_original_reads_the_list_that_we_show() {
    let world = World::new();
    let list = "@red me@red/3:/opt/distccd,lzo @red: red red:99/7,lzo,down [::1]/2 @red:a/4";
    let ask = |kind, hosts: &str, word| {
        let ran = finish(world.command(client(kind)).env("DISTCC_HOSTS", hosts).arg(word));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.stdout
    };
    let shown = ask(Kind::Ours, list, "--show-hosts");
    assert_eq!(ask(Kind::Original, &shown, "--show-hosts"), shown);
    assert_eq!(ask(Kind::Ours, &shown, "--show-hosts"), shown);
    assert_eq!(ask(Kind::Original, "@red me@red/3:x", "-j"), "7\n");
    assert_eq!(ask(Kind::Ours, "@red me@red/3:x", "-j"), "7\n");
}

#[test]
fn a_stand_in_for_ssh_carries_jobs_of_both_clients_to_both_servers() {
    let world = World::new();
    let ssh = stand_in(&world);
    compiles_everywhere(&world, "me@127.0.0.1", &ssh.display().to_string());
}

#[test]
fn a_missing_ssh_is_named() {
    let world = World::new();
    falls_back(
        &world,
        "@127.0.0.1",
        "/nonexistent/ssh -4",
        &[
            "to @127.0.0.1: could not run `/nonexistent/ssh -4`: No such file or directory",
            "leaving it alone for 60 s",
            "hint: install openssh-client",
        ],
    );
}

#[test]
fn the_complaint_of_ssh_reaches_the_user() {
    let world = World::new();
    let ssh = failing(&world, "echo 'me@red: Permission denied (publickey).' >&2; exit 255");
    let ssh = ssh.display().to_string();
    falls_back(
        &world,
        "me@127.0.0.1/2",
        &ssh,
        &[
            "ended with exit code 255: me@red: Permission denied (publickey).",
            &format!("hint: `{ssh} -l me 127.0.0.1 true` must work without a password"),
        ],
    );
}

#[test]
fn without_fallback_a_failed_ssh_is_an_error() {
    let world = World::new();
    let ssh = failing(&world, "exit 255");
    world.write("a.c", SOURCE);
    let mut command = world.command(program("distcc"));
    command.env("DISTCC_HOSTS", "@red").env("DISTCC_SSH", ssh).env("DISTCC_FALLBACK", "0");
    let ran = finish(command.args(["gcc", "-c", "a.c"]));
    assert_eq!(ran.code, 103, "{}", ran.stderr);
    assert!(!world.has("a.o"));
}

#[test]
fn an_ssh_that_hangs_costs_bounded_time_and_is_ended() {
    let world = World::new();
    let pid = world.folder("record").join("pid");
    let text = format!("echo $$ > '{}'; exec sleep 1000", pid.display());
    let ssh = failing(&world, &text);
    world.write("a.c", SOURCE);
    let mut command = world.command(program("distcc"));
    command.env("DISTCC_HOSTS", "@red").env("DISTCC_SSH", ssh).env("DISTCC_IO_TIMEOUT", "1");
    let ran = finish(command.args(["gcc", "-c", "a.c"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("had no session there within 1 s"), "{}", ran.stderr);
    assert!(ran.stderr.contains("must work without a password"), "{}", ran.stderr);
    let pid = std::fs::read_to_string(pid).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "it runs on");
    world.check_object("gcc", &["-c", "a.c"], "a.o");
}

#[test]
fn a_shell_that_talks_is_found_out() {
    let world = World::new();
    let ssh = failing(&world, "echo Welcome to red; cat > /dev/null");
    falls_back(
        &world,
        "@127.0.0.1",
        &ssh.display().to_string(),
        &["its answer is not understood", "hint: `ssh 127.0.0.1 true` must print nothing"],
    );
}

#[test]
fn a_refusal_behind_ssh_reaches_the_user() {
    let world = World::new();
    let compilers = world.folder("compilers");
    script(&compilers.join("my-gcc"), "exec /usr/bin/gcc \"$@\"");
    let ssh = stand_in(&world);
    world.write("a.c", SOURCE);
    for (kind, expected) in [(Kind::Ours, "my-gcc"), (Kind::Original, "distccd")] {
        let (server, _) = server_command(&world, kind);
        let mut command = world.command(program("distcc"));
        command
            .env("PATH", format!("{}:/usr/bin:/bin", compilers.display()))
            .env("DISTCC_HOSTS", format!("@{kind:?}:{}", server.display()))
            .env("DISTCC_SSH", &ssh);
        let ran = finish(command.args(["my-gcc", "-c", "a.c"]));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stderr.contains("running locally instead"), "{}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
}

/// An sshd of the test's own, on loopback, for the user who runs the test.
struct Sshd {
    daemon: Child,
    log: PathBuf,
    /// What `DISTCC_SSH` has to be.
    ssh: String,
}

impl Sshd {
    fn start(world: &World, address: &str) -> Sshd {
        let folder = world.folder("sshd");
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o700)).unwrap();
        for key in ["host_key", "user_key"] {
            let mut command = Command::new("ssh-keygen");
            command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(folder.join(key));
            assert!(command.status().unwrap().success());
        }
        if rustix::process::geteuid().is_root() {
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        let port = TcpListener::bind((address, 0)).unwrap().local_addr().unwrap().port();
        let at = |name: &str| folder.join(name).display().to_string();
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        let write = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
        write("authorized", read("user_key.pub"));
        write("known", format!("[{address}]:{port} {}", read("host_key.pub")));
        write(
            "sshd_config",
            format!(
                "ListenAddress {}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\n\
                 StrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\n\
                 KbdInteractiveAuthentication no\nMaxStartups 100\n",
                if address.contains(':') {
                    format!("[{address}]:{port}")
                } else {
                    format!("{address}:{port}")
                },
                at("host_key"),
                at("authorized")
            ),
        );
        write(
            "ssh_config",
            format!(
                "Port {port}\nIdentityFile {}\nIdentitiesOnly yes\nIdentityAgent none\n\
                 UserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null\nBatchMode yes\n\
                 StrictHostKeyChecking yes\n",
                at("user_key"),
                at("known")
            ),
        );
        let log = folder.join("log");
        let daemon = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f", &at("sshd_config")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .expect("sshd is missing: apt-get install openssh-server");
        let mut sshd = Sshd { daemon, log, ssh: format!("ssh -F {}", at("ssh_config")) };
        wait_until("sshd listens", || {
            let ended = sshd.daemon.try_wait().unwrap();
            assert!(ended.is_none(), "sshd ended: {}", sshd.log());
            TcpStream::connect((address, port)).is_ok()
        });
        sshd
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.daemon), Signal::TERM);
        let _ = self.daemon.wait();
        if std::thread::panicking() {
            eprintln!("sshd's log:\n{}", self.log());
        }
    }
}

#[test]
fn a_real_ssh_carries_jobs_of_both_clients_to_both_servers() {
    let world = World::new();
    let sshd = Sshd::start(&world, "127.0.0.1");
    compiles_everywhere(&world, "@127.0.0.1", &sshd.ssh);
}

#[test]
fn a_real_ssh_carries_a_big_source_both_ways() {
    let world = World::new();
    let sshd = Sshd::start(&world, "127.0.0.1");
    let (command, there) = server_command(&world, Kind::Ours);
    let lines: String =
        (0..20_000).map(|n| format!("int function_{n}(int a) {{ return a + {n}; }}\n")).collect();
    world.write("big.c", &lines);
    let mut distcc = world.command(program("distcc"));
    distcc
        .env("DISTCC_HOSTS", format!("@127.0.0.1:{}", command.display()))
        .env("DISTCC_SSH", &sshd.ssh);
    let ran = finish(distcc.args(["gcc", "-c", "big.c"]));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(there.compiles().len(), 1);
    world.check_object("gcc", &["-c", "big.c"], "big.o");
}

#[test]
fn an_ipv6_address_in_brackets_is_reached_by_ssh() {
    let world = World::new();
    let sshd = Sshd::start(&world, "::1");
    let (command, there) = server_command(&world, Kind::Ours);
    // 3.4 takes everything behind the first colon for the command.
    let hosts = format!("@[::1]/2:{}", command.display());
    let ran = compile(&world, Kind::Ours, &hosts, &sshd.ssh);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(there.compiles().len(), 1);
}

#[test]
fn real_failures_of_ssh_reach_the_user() {
    let world = World::new();
    let sshd = Sshd::start(&world, "127.0.0.1");
    falls_back(
        &world,
        "@127.0.0.1:no-such-distccd",
        &sshd.ssh,
        &[
            "ended with exit code 127: ",
            "not found",
            "hint: install distccd on 127.0.0.1, or name it in the host list: \
             @127.0.0.1:/usr/bin/distccd",
        ],
    );
    falls_back(
        &world,
        "nobody-here@127.0.0.1",
        &sshd.ssh,
        &["ended with exit code 255: ", "Permission denied", "must work without a password"],
    );
    let ssh = sshd.ssh.clone();
    drop(sshd);
    falls_back(&world, "@127.0.0.1", &ssh, &["exit code 255", "Connection refused"]);
}

#[test]
fn jobs_in_parallel_share_one_ssh_connection() {
    let world = World::new();
    let sshd = Sshd::start(&world, "127.0.0.1");
    let (command, there) = server_command(&world, Kind::Ours);
    // The first ssh serves the others, and ends when they have: it must not end with its job.
    let ssh = format!(
        "{} -o ControlMaster=auto -o ControlPath={}",
        sshd.ssh,
        world.folder("sshd").join("shared").display()
    );
    let names: Vec<String> = (0..12).map(|n| format!("f{n}.c")).collect();
    for name in &names {
        world.write(name, SOURCE);
    }
    let ran: Vec<Ran> = std::thread::scope(|scope| {
        let jobs: Vec<_> = names
            .iter()
            .map(|name| {
                let mut distcc = world.command(program("distcc"));
                distcc
                    .env("DISTCC_HOSTS", format!("@127.0.0.1/3:{}", command.display()))
                    .env("DISTCC_SSH", &ssh)
                    .args(["gcc", "-c", name]);
                scope.spawn(move || finish(&mut distcc))
            })
            .collect();
        jobs.into_iter().map(|job| job.join().unwrap()).collect()
    });
    for ran in ran {
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    }
    assert_eq!(there.compiles().len(), names.len());
}

#[test]
fn a_server_on_ipv6_is_reached_by_its_address_in_brackets() {
    let world = World::new();
    for kind in [Kind::Original, Kind::Ours] {
        let mut options = ServerOptions::new(kind);
        options.address = Ipv6Addr::LOCALHOST.into();
        options.allow = vec!["::1".to_owned()];
        let server = world.server(&format!("server-{kind:?}"), &options);
        let hosts = server.host("/2,lzo");
        assert!(hosts.starts_with("[::1]:"), "{hosts}");
        for (n_before, client) in [Kind::Original, Kind::Ours].into_iter().enumerate() {
            let ran = compile(&world, client, &hosts, "ssh");
            assert_eq!(ran.code, 0, "{client:?}: {}", ran.stderr);
            server.wait_for_compiled(n_before + 1);
            let lock = world.state().join(format!("lock/cpu_tcp_::1_{}_0", server.port));
            assert!(lock.exists(), "{client:?}");
            world.check_object("gcc", &["-O2", "-c", "a.c", "-o", "a.o"], "a.o");
        }
    }
}
