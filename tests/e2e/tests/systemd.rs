//! The units that we ship, under a real systemd: process 1 of namespaces that the test makes, as root.
//! And what a server does with sockets and readiness without it.

mod common;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::daemon::{Daemon, ask, connect, distccd, free_port, listens, read_to_end, request};
use common::{Ran, World, finish};
use rustix::process::{Pid, Signal, kill_process};
use support::{Kind, program, wait_until};

const SOURCE: &str = "int x;\n";
const COMMAND: &str = "gcc -c a.c -o a.o";

fn units() -> PathBuf {
    support::workspace().join("packaging/systemd")
}

/// A systemd with our units. Dropping it ends it with all its services.
struct Systemd {
    world: World,
    unshare: Child,
    pid: u32,
    group: PathBuf,
}

impl Systemd {
    /// Starts it, with files for `/etc/conf.d`, and more units.
    fn start(settings: &[(&str, &str)], more_units: &[(&str, &str)]) -> Systemd {
        assert!(rustix::process::geteuid().is_root(), "a systemd of one's own needs root");
        let world = World::new();
        for folder in ["root", "files", "files/units", "files/conf.d"] {
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
        std::fs::copy(program("distccd"), files.join("distccd")).unwrap();
        let console = world.path().join("console");
        let console_file = std::fs::File::create(&console).unwrap();
        let group = own_group();
        let script = format!(
            "echo $$ > {}/cgroup.procs && exec unshare --mount --pid --fork --kill-child --cgroup \
             --uts --ipc --net bash {} {} {} {}",
            group.display(),
            support::workspace().join("tests/e2e/tests/common/systemd.sh").display(),
            world.path().join("root").display(),
            console.display(),
            files.display(),
        );
        let unshare = Command::new("setsid")
            .args(["sh", "-c", &script])
            .stdin(Stdio::null())
            .stdout(console_file.try_clone().unwrap())
            .stderr(console_file)
            .spawn()
            .unwrap();
        let mut systemd = Systemd { world, unshare, pid: 0, group };
        wait_until("systemd is process 1", || {
            let ended = systemd.unshare.try_wait().unwrap();
            assert_eq!(ended, None, "{}", systemd.console());
            systemd.pid = first_child(systemd.unshare.id()).unwrap_or(0);
            let name = std::fs::read_to_string(format!("/proc/{}/comm", systemd.pid));
            name.is_ok_and(|name| name == "systemd\n")
        });
        wait_until("systemd has started", || {
            systemd.run("systemctl is-active test.target").stdout == "active\n"
        });
        systemd
    }

    fn console(&self) -> String {
        let text = std::fs::read(self.world.path().join("console")).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Runs a shell's command in it.
    fn run(&self, command: &str) -> Ran {
        let target = self.pid.to_string();
        let words = ["--target", &target, "--all", "env", "-i"];
        let mut nsenter = Command::new("nsenter");
        nsenter.args(words).args(["PATH=/usr/bin:/bin:/usr/sbin", "LC_ALL=C.UTF-8"]);
        finish(nsenter.args(["sh", "-c", command]))
    }

    /// The same, which has to succeed.
    #[track_caller]
    fn must(&self, command: &str) -> String {
        let ran = self.run(command);
        let said = format!("{command}: {}\n{}{}", ran.code, ran.stdout, ran.stderr);
        assert_eq!(ran.code, 0, "{said}\n{}", self.journal());
        ran.stdout
    }

    fn journal(&self) -> String {
        self.run("journalctl --sync; journalctl --no-pager --output=cat").stdout
    }

    #[track_caller]
    fn wait_for_journal(&self, text: &str) {
        wait_until(&format!("the journal has `{text}`"), || self.journal().contains(text));
    }

    /// A compile by a client in there, which has to be done by the server at `port`.
    #[track_caller]
    fn compile(&self, port: u16) {
        let client = program("distcc");
        std::fs::copy(&client, self.world.path().join("files/distcc")).unwrap();
        self.must(&format!(
            "cd /tmp && echo 'int x;' > a.c && DISTCC_DIR=/tmp/state DISTCC_FALLBACK=0 \
             DISTCC_HOSTS=127.0.0.1:{port} /test/distcc gcc -c a.c -o a.o && test -s a.o"
        ));
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}\n{}", self.console(), self.journal());
        }
        // Process 1 takes all others of its namespace along.
        if let Some(first) = Pid::from_raw(self.pid as i32) {
            let _ = kill_process(first, Signal::KILL);
        }
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
        remove_groups(&self.group);
    }
}

/// The first child of a process.
fn first_child(pid: u32) -> Option<u32> {
    common::daemon::children(pid).first().copied()
}

/// A control group for one systemd.
fn own_group() -> PathBuf {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let tree = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (place, kind) = (fields.next()?, fields.next()?);
            (kind == "cgroup2").then_some(place)
        })
        .next()
        .expect("this machine has control groups of version 2");
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let group = Path::new(tree).join(format!("distcc-rs-{}-{number}", std::process::id()));
    std::fs::create_dir(&group).unwrap();
    group
}

/// Removes a group with those in it, once their processes are gone.
fn remove_groups(group: &Path) {
    fn remove(group: &Path) {
        for entry in std::fs::read_dir(group).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                remove(&entry.path());
            }
        }
        let _ = std::fs::remove_dir(group);
    }
    wait_until("the control groups are gone", || {
        remove(group);
        !group.exists()
    });
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
    assert!(page.contains("\ndcc_compile_ok 1\n"), "{page}");
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
