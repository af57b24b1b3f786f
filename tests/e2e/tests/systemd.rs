//! The units that we ship, under a real systemd, in a machine that the test makes, as root.
//! And what a server does with sockets and readiness without it.

mod common;

use std::io::Write;
use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use common::daemon::{Daemon, ask, connect, distccd, free_port, listens, read_to_end, request};
use common::{World, finish};
use machine::Machine;
use rustix::process::Signal;
use support::{Kind, program, wait_until};

const SOURCE: &str = "int x;\n";
const COMMAND: &str = "gcc -c a.c -o a.o";

fn units() -> PathBuf {
    support::workspace().join("packaging/systemd")
}

/// A machine with our units, and what is tested by them.
struct Systemd {
    machine: Machine,
    /// What the machine has as `/test`.
    _files: World,
}

/// Puts our files, in place of those that this machine has.
const PREPARE: &str = "mkdir -p \"$root/etc/conf.d\"\n\
                       cp \"$root/test/units/\"* \"$root/etc/systemd/system/\"\n\
                       cp \"$root/test/conf.d/\"* \"$root/etc/conf.d/\"\n\
                       mount --bind \"$root/test/distccd\" \"$root/usr/bin/distccd\"\n";

impl Systemd {
    /// Starts it, with files for `/etc/conf.d`, and more units.
    fn start(settings: &[(&str, &str)], more_units: &[(&str, &str)]) -> Systemd {
        let world = World::new();
        for folder in ["files", "files/units", "files/conf.d"] {
            let _ = world.folder(folder);
        }
        let files = world.path().join("files");
        for unit in ["distccd.service", "distccd@.service", "distccd.socket"] {
            std::fs::copy(units().join(unit), files.join("units").join(unit)).unwrap();
        }
        for (name, text) in more_units {
            std::fs::write(files.join("units").join(name), text).unwrap();
        }
        for (name, text) in settings {
            std::fs::write(files.join("conf.d").join(name), text).unwrap();
        }
        for name in ["distccd", "distcc", "distcc-agent"] {
            std::fs::copy(program(name), files.join(name)).unwrap();
        }
        let machine = Machine::start(&files, PREPARE, &[]);
        Systemd { machine, _files: world }
    }

    #[track_caller]
    fn wait_for_journal(&self, text: &str) {
        wait_until(&format!("the journal has `{text}`"), || self.journal().contains(text));
    }

    /// Compiles by a client in there, which have to be done by the server at `port`: plain, and in pump
    /// mode.
    #[track_caller]
    fn compile(&self, port: u16) {
        for mode in [",plain", ""] {
            self.must(&format!(
                "cd /tmp && rm -f a.o && echo 'int x;' > a.c && DISTCC_DIR=/tmp/state DISTCC_FALLBACK=0 \
                 DISTCC_HOSTS=127.0.0.1:{port}{mode} /test/distcc gcc -c a.c -o a.o && test -s a.o"
            ));
        }
    }
}

impl Deref for Systemd {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.machine
    }
}

#[test]
fn the_units_are_verified() {
    let world = World::new();
    // Of a template an instance is verified.
    let instance = world.path().join("distccd@armv8.service");
    std::fs::copy(units().join("distccd@.service"), &instance).unwrap();
    for unit in [units().join("distccd.service"), instance, units().join("distccd.socket")] {
        let mut command = Command::new("systemd-analyze");
        let ran = finish(command.args(["verify", "--man=no"]).arg(&unit));
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.code, 0, "{said}");
        assert!(!said.contains("distccd"), "{said}");
    }
}

#[test]
fn the_services_stay_as_little_exposed_as_they_are() {
    for unit in ["distccd.service", "distccd@.service"] {
        let mut command = Command::new("systemd-analyze");
        // In tenths, from 0 (nothing to be had) to 100. What is missing a sandbox within needs.
        command.args(["security", "--offline=true", "--threshold=36"]).arg(units().join(unit));
        let ran = finish(&mut command);
        assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    }
}

#[test]
fn users_and_left_folders_are_as_the_units_have_them() {
    let world = World::new();
    let root = world.folder("root");
    for name in ["etc", "tmp/distccd_left", "tmp/other"] {
        std::fs::create_dir_all(root.join(name)).unwrap();
    }
    let run = |program: &str, words: &[&str], file: &str| {
        let mut command = Command::new(program);
        command.arg(format!("--root={}", root.display())).args(words).arg(units().join(file));
        let ran = finish(&mut command);
        assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    };
    run("systemd-sysusers", &[], "sysusers.d/distccd.conf");
    let users = std::fs::read_to_string(root.join("etc/passwd")).unwrap();
    assert!(users.starts_with("distccd:x:") && users.trim().ends_with("/nologin"), "{users}");
    let service = std::fs::read_to_string(units().join("distccd.service")).unwrap();
    assert!(service.contains("\nUser=distccd\n"));
    run("systemd-tmpfiles", &["--boot", "--remove"], "tmpfiles.d/distccd.conf");
    assert!(!root.join("tmp/distccd_left").exists() && root.join("tmp/other").exists());
}

#[test]
fn the_template_differs_in_its_names_alone() {
    let read = |name: &str| std::fs::read_to_string(units().join(name)).unwrap();
    let service = read("distccd.service");
    let template = read("distccd@.service");
    let instance = template.split_once("[Unit]").unwrap().1.replace("-%i", "");
    let instance = instance.replace("distccd for %i", "distccd, compiles for other machines");
    let service = service.split_once("[Unit]").unwrap().1.replace("=-/etc", "=/etc");
    assert_eq!(instance, service);
}

#[test]
fn the_service_runs_hardened_with_its_sandbox() {
    let settings = std::fs::read_to_string(units().join("conf.d/distccd")).unwrap();
    let more = "PATH=/opt/arm/bin:$PATH\nDISTCC_ARGS=\"--allow 127.0.0.1 --port 3932\"\n";
    let third = "PATH=/usr/bin:/bin\nDISTCC_ARGS=\"--allow 127.0.0.1 --port 3936\"\n";
    let systemd = Systemd::start(
        &[("distccd", &settings), ("distccd-arm", more), ("distccd-armv8", third)],
        &[],
    );
    systemd.must("systemctl start distccd.service");
    // It was not started before it was ready.
    let shown = systemd.must("systemctl show distccd.service");
    for part in [
        "ActiveState=active\n",
        "StatusText=serving on [::]:3632, ",
        "sandbox: namespaces\n",
        "DynamicUser=yes\n",
        "ProtectSystem=strict\n",
        "PrivateTmp=yes\n",
    ] {
        assert!(shown.contains(part), "no `{part}` in {shown}\n{}", systemd.journal());
    }
    systemd.compile(3632);
    systemd.wait_for_journal("COMPILE_OK");
    assert!(!systemd.journal().contains("Warning: "), "{}", systemd.journal());
    let pid = systemd.must("systemctl show --property=MainPID --value distccd.service");
    let status = systemd.must(&format!("cat /proc/{}/status", pid.trim()));
    assert!(status.contains("CapBnd:\t0000000000000000") && !status.contains("Uid:\t0\t"));
    assert!(status.contains("Seccomp:\t2"), "{status}");
    systemd.must("systemctl stop distccd.service");
    let shown = systemd.must("systemctl show --property=Result distccd.service");
    assert_eq!(shown, "Result=success\n");
    systemd.wait_for_journal("stopping: SIGTERM");

    // A further server, whose user nobody has made.
    systemd.must("systemctl start distccd@armv8.service");
    systemd.compile(3936);
    let shown = systemd.must("systemctl show distccd@armv8.service");
    assert!(shown.contains("sandbox: namespaces\n"), "{shown}");
    assert!(shown.contains("EnvironmentFiles=/etc/conf.d/distccd-armv8 "), "{shown}");
    let pid = systemd.must("systemctl show --property=MainPID --value distccd@armv8.service");
    let user: u32 =
        systemd.must(&format!("stat -c %u /proc/{}", pid.trim())).trim().parse().unwrap();
    // The numbers that systemd gives away.
    assert!((61_184..=65_519).contains(&user), "{user}");

    // A PATH that nobody expands: the helper that will not be found is named.
    systemd.must("systemctl start distccd@arm.service");
    systemd.wait_for_journal("PATH has the word `$PATH`");
    systemd.wait_for_journal("`as` is not in PATH");

    // A log that the service cannot write is an error, in the journal, and not tried again and again.
    systemd.must(
        "echo 'DISTCC_ARGS=--log-file=/var/log/none/log --allow 127.0.0.1' > /etc/conf.d/distccd",
    );
    assert_ne!(systemd.run("systemctl start distccd.service").code, 0);
    systemd.wait_for_journal("could not open the log file /var/log/none/log");
    let shown = systemd.must("systemctl show --property=NRestarts,ExecMainStatus distccd.service");
    assert!(shown.contains("NRestarts=0\n") && shown.contains("ExecMainStatus=107\n"), "{shown}");
    // The folder for logs can be written.
    systemd.must(
        "echo 'DISTCC_ARGS=--log-file=/var/log/distccd/log --allow 127.0.0.1' > \
         /etc/conf.d/distccd && systemctl start distccd.service",
    );
    systemd.compile(3632);
    wait_until("the log has the job", || {
        systemd.run("cat /var/log/distccd/log").stdout.contains("COMPILE_OK")
    });
}

#[test]
fn a_socket_unit_starts_the_service_for_the_first_client() {
    let settings = "DISTCC_ARGS=\"--allow 127.0.0.1 --stats\"\n";
    let stats = "[Socket]\nListenStream=127.0.0.1:3999\nFileDescriptorName=stats\n\
                 Service=distccd.service\n";
    // The old way: a process for each client, who stands on standard input.
    let inetd = "[Socket]\nListenStream=4000\nBindIPv6Only=both\nAccept=yes\n";
    let inetd_service = "[Service]\nStandardInput=socket\nStandardError=journal\n\
                         ExecStart=/usr/bin/distccd --inetd --allow 127.0.0.1 --log-stderr\n";
    // The same without standard input.
    let handed = "[Socket]\nListenStream=4001\nBindIPv6Only=both\nAccept=yes\n";
    let handed_service = "[Service]\nStandardError=journal\n\
                          ExecStart=/usr/bin/distccd --allow 127.0.0.1 --log-stderr\n";
    let systemd = Systemd::start(
        &[("distccd", settings)],
        &[
            ("distccd-stats.socket", stats),
            ("inetd.socket", inetd),
            ("inetd@.service", inetd_service),
            ("handed.socket", handed),
            ("handed@.service", handed_service),
        ],
    );
    systemd.must("systemctl start distccd.socket distccd-stats.socket inetd.socket handed.socket");
    assert_ne!(systemd.run("systemctl is-active distccd.service").stdout, "active\n");
    systemd.compile(3632);
    assert_eq!(systemd.run("systemctl is-active distccd.service").stdout, "active\n");
    let page = systemd.must("bash -c 'exec 3<>/dev/tcp/127.0.0.1/3999 && cat <&3'");
    assert!(page.contains("\ndcc_compile_ok 2\n"), "{page}");
    assert!(page.contains("\nsandbox_level namespaces\n"), "{page}");
    // A daemon that is stopped is started again by the next client: the socket stays.
    systemd.must("systemctl stop distccd.service");
    systemd.compile(3632);
    systemd.compile(4000);
    systemd.compile(4001);
}

/// A server that systemd's own tool starts for the first connection to its port.
fn activated(world: &World, words: &[&str], server: &[&str]) -> (Daemon, u16) {
    let port = free_port();
    let mut command = Command::new("systemd-socket-activate");
    command.args(["--listen", &format!("127.0.0.1:{port}")]).args(words);
    // It keeps no variables but these.
    for name in ["TMPDIR", "PATH", "LC_ALL"] {
        command.args(["--setenv", name]);
    }
    let plain = distccd(Kind::Ours, world.path());
    let variables = plain.get_envs().filter_map(|(name, value)| Some((name, value?)));
    command.envs(variables).arg(plain.get_program()).args(plain.get_args());
    command.args(["--log-stderr", "--allow", "127.0.0.1"]).args(server);
    (Daemon::start(command.stdin(Stdio::null()), world.path(), port), port)
}

#[test]
fn a_socket_that_is_handed_over_is_served() {
    for mode in [&["--daemon", "--no-detach"][..], &["--no-detach", "--port", "1"], &["--wizard"]] {
        let world = World::new();
        let (mut daemon, port) = activated(&world, &[], mode);
        for _ in 0..2 {
            assert!(ask(port, &request(COMMAND, SOURCE)).starts_with(b"DONE"), "{mode:?}");
        }
        daemon.wait_for_line(&format!("listening on 127.0.0.1:{port}"));
        daemon.end_by(Signal::TERM);
        assert!(!listens(port));
    }
}

#[test]
fn a_client_that_is_handed_over_is_served() {
    let world = World::new();
    let (daemon, port) = activated(&world, &["--accept"], &[]);
    for _ in 0..2 {
        assert!(ask(port, &request(COMMAND, SOURCE)).starts_with(b"DONE"));
    }
    daemon.wait_for_line("COMPILE_OK");
}

#[test]
fn a_client_of_a_dual_stack_socket_is_judged_as_what_it_is() {
    // 3.4 compares such addresses with their bytes reversed.
    for (allow, is_served) in [("127.0.0.1", true), ("1.0.0.127", false)] {
        let world = World::new();
        let listener = std::net::TcpListener::bind("[::]:0").unwrap();
        let mut client = connect(listener.local_addr().unwrap().port());
        let (theirs, _) = listener.accept().unwrap();
        let mut command = distccd(Kind::Ours, world.path());
        let copy = theirs.try_clone().unwrap();
        let mut child = command
            .args(["--inetd", "--allow", allow])
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
            .stdout(Stdio::from(std::os::fd::OwnedFd::from(copy)))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        drop(command);
        client.write_all(&request(COMMAND, SOURCE)).unwrap();
        let answer = read_to_end(&mut client);
        let is_ok = answer.starts_with(b"DONE00000001STAT00000000");
        assert_eq!(is_ok, is_served, "{allow}: {}", String::from_utf8_lossy(&answer));
        child.wait().unwrap();
    }
}

#[test]
fn sockets_that_are_none_of_tcp_end_the_start() {
    let world = World::new();
    let mut command = Command::new("systemd-socket-activate");
    let socket = world.path().join("socket");
    command.arg("--listen").arg(&socket).arg(program("distccd")).args(["--daemon", "--no-detach"]);
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    wait_until("the socket is there", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(102), "{said}");
    assert!(said.contains("LISTEN_FDS") && said.contains("hint: "), "{said}");
}
