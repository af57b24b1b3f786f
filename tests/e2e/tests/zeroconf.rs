//! Servers announce themselves, clients find them: ours and the original's, with Avahi at the other
//! end, on hosts of a lab.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use common::running::Running;
use common::{Ran, World, finish};
use netns::Lab;
use rustix::process::Signal;
use support::{program, script, wait_until};

const ORIGINAL_CLIENT: &str = "/usr/bin/distcc";
const ORIGINAL_SERVER: &str = "/usr/bin/distccd";

/// Avahi without the machine's own name, so that several tests look alike.
const AVAHI: &str = "\
[server]
host-name=NAME
use-ipv4=yes
use-ipv6=yes
ratelimit-interval-usec=1000000
ratelimit-burst=1000
[publish]
publish-workstation=no
";

/// Two hosts: servers are on `red`, clients on `green`.
struct Place {
    world: World,
    lab: Lab,
}

impl Place {
    fn new() -> Place {
        let place = Place { world: World::new(), lab: Lab::new(&["red", "green"]) };
        place.world.write("a.c", "int answer(void) { return 42; }\n");
        for host in ["red", "green"] {
            let _ = place.folder(host, "run/dbus");
            let _ = place.folder(host, "avahi/services");
            let text = AVAHI.replace("NAME", host);
            std::fs::write(place.folder(host, "avahi").join("avahi-daemon.conf"), text).unwrap();
        }
        place
    }

    fn folder(&self, host: &str, name: &str) -> PathBuf {
        self.world.folder(&format!("{host}/{name}"))
    }

    /// A command on `host`, with a `/run` and an `/etc/avahi` of that host alone.
    fn on(&self, host: &str, program: impl AsRef<Path>) -> Command {
        let enter = "mount --bind \"$1\" /run && mount --bind \"$2\" /etc/avahi && shift 2 && \
                     exec \"$@\"";
        let mut command = self.lab.host(host).command("sh");
        command.args(["-c", enter, "sh"]);
        command.arg(self.folder(host, "run")).arg(self.folder(host, "avahi")).arg(program.as_ref());
        for name in ["DISTCC_HOSTS", "DISTCC_DIR", "DISTCC_VERBOSE", "HOST", "HOSTNAME"] {
            command.env_remove(name);
        }
        let work = self.world.folder("work");
        command.env("LC_ALL", "C.UTF-8").env("DISTCC_DIR", self.world.state()).current_dir(work);
        command
    }

    fn log(&self, host: &str, name: &str) -> PathBuf {
        self.folder(host, "logs").join(name)
    }

    /// D-Bus and Avahi.
    fn avahi(&self, host: &str) -> [Running; 2] {
        let mut dbus = self.on(host, "dbus-daemon");
        dbus.args(["--system", "--nofork", "--nopidfile"]);
        let mut dbus = Running::start(&mut dbus, self.log(host, "dbus"));
        let socket = self.folder(host, "run/dbus").join("system_bus_socket");
        dbus.wait("D-Bus listens", || socket.exists());
        let mut avahi = self.on(host, "/usr/sbin/avahi-daemon");
        avahi.args(["--no-drop-root", "--no-chroot"]);
        let mut avahi = Running::start(&mut avahi, self.log(host, "avahi"));
        let log = self.log(host, "avahi");
        avahi.wait("Avahi is ready", || {
            std::fs::read_to_string(&log).unwrap().contains("Server startup complete")
        });
        [avahi, dbus]
    }

    /// A server on `red` that announces itself.
    fn server(&self, distccd: &Path, more: &[&str]) -> Running {
        self.server_on("red", distccd, more)
    }

    fn server_on(&self, host: &str, distccd: &Path, more: &[&str]) -> Running {
        let whitelist = self.folder(host, "whitelist");
        for name in ["gcc", "x86_64-linux-gnu-gcc"] {
            let _ = std::os::unix::fs::symlink("/bin/true", whitelist.join(name));
        }
        let mut command = self.on(host, distccd);
        command
            .args(["--daemon", "--no-detach", "--zeroconf", "--allow", "10.77.0.0/24"])
            .args(["--jobs", "3", "--log-stderr", "--log-level", "info"])
            .args(more)
            .env("TMPDIR", self.world.open_folder("tmp"));
        if distccd != Path::new(ORIGINAL_SERVER) {
            command.arg("--compiler-whitelist").arg(&whitelist);
        }
        let mut server = Running::start(&mut command, self.log(host, "distccd"));
        server.wait_for_port(3632);
        server
    }

    fn our_server(&self) -> Running {
        let server = self.server(&program("distccd"), &[]);
        wait_until("it is announced", || server.log().contains("announced on the network"));
        server
    }

    /// What `lsdistcc --zeroconf` finds on `green`.
    fn found(&self) -> String {
        finish(self.on("green", program("lsdistcc")).arg("--zeroconf")).stdout
    }

    /// Compiles on `green` with the hosts that zeroconf finds there.
    fn compile(&self, distcc: &Path) -> Ran {
        let _ = std::fs::remove_file(self.world.folder("work").join("a.o"));
        let mut command = self.on("green", distcc);
        finish(command.env("DISTCC_HOSTS", "+zeroconf").args(["gcc", "-c", "a.c"]))
    }

    /// Compiles on `green` until the server has compiled something. A client does not wait for ever
    /// for the first answer, and a busy machine may be slow to give it.
    #[track_caller]
    fn compile_there(&self, distcc: &Path, server: &Running) {
        let before = n_compiled(server);
        wait_until("the server has compiled", || {
            let ran = self.compile(distcc);
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            n_compiled(server) > before
        });
    }

    fn kept(&self) -> PathBuf {
        self.world.state().join("zeroconf/hosts")
    }

    /// Has what is kept be so old.
    fn age(&self, age: Duration) {
        for name in ["hosts", "asked"] {
            let path = self.kept().with_file_name(name);
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
        }
    }
}

fn n_compiled(server: &Running) -> usize {
    server.log().lines().filter(|line| line.contains(" COMPILE_OK ")).count()
}

#[test]
fn our_client_compiles_on_the_originals_server_that_avahi_announces() {
    let place = Place::new();
    let _avahi = place.avahi("red");
    let server = place.server(ORIGINAL_SERVER.as_ref(), &[]);
    wait_until("the server is announced", || place.found() == "10.77.0.1:3632/3\n");
    place.compile_there(&program("distcc"), &server);
    place.world.check_object("gcc", &["-c", "a.c"], "a.o");
    assert_eq!(std::fs::read_to_string(place.kept()).unwrap(), "10.77.0.1:3632/3\n");
    let mut command = place.on("green", program("distcc"));
    let hosts = "--localslots=2 blue/1 +zeroconf localhost/1";
    let shown = finish(command.env("DISTCC_HOSTS", hosts).arg("--show-hosts"));
    assert_eq!(shown.stdout, "blue:3632/1\n10.77.0.1:3632/3\nlocalhost/1\n", "{}", shown.stderr);
}

#[test]
fn our_server_is_found_by_avahi_and_says_goodbye() {
    let place = Place::new();
    let _avahi = place.avahi("green");
    let mut server = place.our_server();
    let browse = |kind: &str| {
        finish(place.on("green", "avahi-browse").args(["--parsable", "--resolve", "-t", kind]))
    };
    let mut line = String::new();
    wait_until("Avahi knows the server", || {
        let found = browse("_distcc._tcp").stdout;
        let resolved = found.lines().find(|line| line.starts_with("=;eth0;IPv4;"));
        line = resolved.unwrap_or_default().to_owned();
        resolved.is_some()
    });
    let fields: Vec<&str> = line.split(';').collect();
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    assert_eq!(fields[3], format!("distcc\\064{}", name.replace('.', "\\.")), "{line}");
    assert_eq!(fields[7..9], ["10.77.0.1", "3632"], "{line}");
    let gcc = |option: &str| finish(Command::new("gcc").arg(option)).stdout.trim().to_owned();
    let (version, machine) = (gcc("-dumpversion"), gcc("-dumpmachine"));
    let n_processors = std::thread::available_parallelism().unwrap();
    for record in [
        "\"txtvers=1\"",
        &format!("\"cpus={n_processors}\""),
        "\"jobs=3\"",
        &format!("\"distcc=distcc-rs {}\"", env!("CARGO_PKG_VERSION")),
        "\"gnuhost=",
        &format!("\"cc_version={version}\""),
        &format!("\"cc_machine={machine}\""),
    ] {
        assert!(fields[9].contains(record), "{record}: {line}");
    }
    // Clients of 3.4 ask for the subtype of their own compiler.
    let subtype = format!("_{}--{version}._sub._distcc._tcp", machine.replace('_', "-"));
    wait_until("Avahi knows the subtype", || browse(&subtype).stdout.contains("10.77.0.1"));
    server.end_by(Signal::TERM);
    wait_until("Avahi has heard the goodbye", || browse("_distcc._tcp").stdout.is_empty());
}

#[test]
fn the_originals_client_compiles_on_our_server() {
    let place = Place::new();
    let _avahi = place.avahi("green");
    let server = place.our_server();
    place.compile_there(ORIGINAL_CLIENT.as_ref(), &server);
    // And ours reads what the original's keeps.
    assert_eq!(std::fs::read_to_string(place.kept()).unwrap(), "10.77.0.1:3632/3\n");
    place.compile_there(&program("distcc"), &server);
}

#[test]
fn a_board_finds_a_server_that_has_its_compiler_among_others() {
    let place = Place::new();
    let board = place.world.folder("board");
    script(&board.join("gcc"), "exec /usr/bin/aarch64-linux-gnu-gcc \"$@\"");
    let path = format!("{}:/usr/bin:/bin", board.display());
    let found = || {
        let mut command = place.on("green", program("lsdistcc"));
        finish(command.args(["--zeroconf", "-v"]).env("PATH", &path))
    };
    let mut server = place.our_server();
    wait_until("its gcc is found to be another", || found().stderr.contains("its gcc is"));
    assert_eq!(found().stdout, "");
    server.end_by(Signal::TERM);
    let whitelist = place.folder("red", "whitelist");
    let link = whitelist.join("aarch64-linux-gnu-gcc");
    std::os::unix::fs::symlink("/bin/true", link).unwrap();
    let server = place.our_server();
    wait_until("the board finds the server", || found().stdout == "10.77.0.1:3632/3\n");
    wait_until("the server has compiled", || {
        let mut command = place.on("green", program("distcc"));
        command.env("DISTCC_HOSTS", "+zeroconf").env("PATH", &path);
        let ran = finish(command.args(["gcc", "-O2", "-c", "a.c"]));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        place.world.check_object("aarch64-linux-gnu-gcc", &["-O2", "-c", "a.c"], "a.o");
        n_compiled(&server) > 0
    });
}

#[test]
fn our_client_finds_our_server_without_avahi() {
    let place = Place::new();
    let server = place.our_server();
    place.compile_there(&program("distcc"), &server);
}

#[test]
fn servers_on_machines_of_one_name_are_told_apart() {
    let place = Place::new();
    // The hosts of a lab all have the name of this machine.
    let _first = place.our_server();
    let second = place.server_on("green", &program("distccd"), &[]);
    wait_until("it is announced", || second.log().contains("announced on the network"));
    wait_until("both are found", || place.found() == "10.77.0.1:3632/3\n10.77.0.2:3632/3\n");
}

#[test]
fn ours_and_avahi_live_on_one_machine() {
    let place = Place::new();
    let _avahi = [place.avahi("red"), place.avahi("green")];
    let server = place.our_server();
    place.compile_there(&program("distcc"), &server);
}

#[test]
fn servers_with_another_compiler_are_left_out_and_slots_are_jobs_or_processors() {
    let place = Place::new();
    let service = |port: u16, records: &[&str]| {
        let records: String =
            records.iter().map(|text| format!("<txt-record>{text}</txt-record>")).collect();
        let text = format!(
            "<?xml version=\"1.0\"?><!DOCTYPE service-group SYSTEM \"avahi-service.dtd\">\
             <service-group><name>s{port}</name><service><type>_distcc._tcp</type>\
             <port>{port}</port>{records}</service></service-group>"
        );
        let folder = place.folder("red", "avahi/services");
        std::fs::write(folder.join(format!("{port}.service")), text).unwrap();
    };
    service(4001, &["jobs=3", "cpus=2"]);
    service(4002, &["cpus=2"]);
    service(4003, &["jobs=9999999", "cc_version=99", "cc_machine=pdp11-dec-unix"]);
    service(4004, &[]);
    service(4005, &["jobs=9999999"]);
    let _avahi = place.avahi("red");
    let expected = "10.77.0.1:4001/3\n10.77.0.1:4002/2\n10.77.0.1:4004/4\n10.77.0.1:4005/256\n";
    let mut found = String::new();
    wait_until("the four are found", || {
        found = place.found();
        found == expected
    });
    let ran = finish(place.on("green", program("lsdistcc")).args(["--zeroconf", "-v"]));
    assert_eq!(ran.code, 0);
    let why = "10.77.0.1:4003/256: its gcc is 99 for pdp11-dec-unix, that of this machine ";
    assert!(ran.stderr.contains(why), "{}", ran.stderr);
}

#[test]
fn a_server_that_goes_is_forgotten_and_the_user_hears_that_none_is_left() {
    let place = Place::new();
    let mut server = place.our_server();
    place.compile_there(&program("distcc"), &server);
    server.end_by(Signal::TERM);
    let ran = place.compile(&program("distcc"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("failed to distribute a.c to 10.77.0.1:3632"), "{}", ran.stderr);
    let mut said = String::new();
    let why = "failed to distribute a.c: zeroconf found no host: no server announced itself";
    wait_until("it is forgotten, and the user hears of it", || {
        // What is kept is old, so that the network is asked again, beside the job. Whoever asked
        // before may still be about to keep what it heard.
        place.age(Duration::from_secs(60));
        let ran = place.compile(&program("distcc"));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        said.push_str(&ran.stderr);
        said.contains(why)
    });
    assert!(std::fs::read(place.kept()).unwrap().is_empty());
    // Once a build.
    assert_eq!(said.matches(why).count(), 1, "{said}");
    assert!(said.contains("hint: start `distccd --zeroconf`"), "{said}");
    place.world.check_object("gcc", &["-c", "a.c"], "a.o");
}

#[test]
fn where_nobody_answers_the_job_is_done_here_and_the_reason_told() {
    let place = Place::new();
    let why = "zeroconf found no host: no server announced itself within 1500 ms; running locally";
    wait_until("the reason is told", || {
        let ran = place.compile(&program("distcc"));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.stderr.contains(why)
    });
    let mut command = place.on("green", program("distcc"));
    command.env("DISTCC_HOSTS", "+zeroconf").env("DISTCC_FALLBACK", "0");
    let ran = finish(command.args(["gcc", "-c", "a.c"]));
    assert_eq!(ran.code, 116, "{}", ran.stderr);
    assert!(ran.stderr.contains("ERROR: zeroconf found no host"), "{}", ran.stderr);
    let ran = finish(place.on("green", program("lsdistcc")).args(["--zeroconf", "-t1"]));
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.contains("no server announced itself within 1000 ms"), "{}", ran.stderr);
}

#[test]
fn a_server_that_cannot_announce_itself_warns_and_serves() {
    let place = Place::new();
    let server = place.server(&program("distccd"), &["--listen", "127.0.0.1", "--allow-private"]);
    let why = "--zeroconf: could not announce this server: listening on 127.0.0.1 alone";
    wait_until("it warns", || server.log().contains(why));
    let mut command = place.on("red", program("distcc"));
    let ran = finish(command.env("DISTCC_HOSTS", "127.0.0.1").args(["gcc", "-c", "a.c"]));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    wait_until("the server compiled it", || n_compiled(&server) == 1);
}

/// Our client in a folder of its own, with `text` as the `lsdistcc` beside it, if any.
fn client_with(world: &World, text: Option<&str>) -> PathBuf {
    let folder = world.folder("bin");
    let client = folder.join("distcc");
    std::fs::copy(program("distcc"), &client).unwrap();
    if let Some(text) = text {
        script(&folder.join("lsdistcc"), text);
    }
    client
}

/// A job for such a client.
fn job(world: &World, client: &Path, source: &str) -> Command {
    world.write(source, "int answer;\n");
    let mut command = world.command(client);
    command.env("DISTCC_HOSTS", "+zeroconf").env("PATH", "/usr/bin:/bin");
    // The client has nobody beside it but who asks the network.
    command.env("DISTCC_AGENT", "0");
    command.args(["gcc", "-c", source]);
    command
}

#[test]
fn many_clients_have_the_network_asked_once_and_all_wait_for_the_answer() {
    let world = World::new();
    let server = world.server("server", &support::ServerOptions::new(support::Kind::Ours));
    let started = world.folder("bin").join("started");
    let kept = world.state().join("zeroconf/hosts");
    let text = format!(
        "echo \"$*\" >> {}; sleep 0.3; echo {} > KEPT.new; mv KEPT.new KEPT",
        started.display(),
        server.host("/8")
    );
    let text = text.replace("KEPT", &kept.display().to_string());
    let client = client_with(&world, Some(&text));
    let jobs: Vec<_> = (0..6)
        .map(|number| job(&world, &client, &format!("{number}.c")).spawn().unwrap())
        .collect();
    for mut job in jobs {
        assert!(job.wait().unwrap().success());
    }
    server.wait_for_compiled(6);
    let asked = std::fs::read_to_string(started).unwrap();
    assert_eq!(asked, format!("--zeroconf --keep-in={}\n", world.state().display()));
}

#[test]
fn old_hosts_are_used_at_once_and_the_network_is_asked_beside_the_job() {
    let world = World::new();
    let server = world.server("server", &support::ServerOptions::new(support::Kind::Ours));
    let go = world.folder("bin").join("go");
    let done = world.folder("bin").join("done");
    // It would hold up who waits for it, for its end or for its descriptors.
    let text =
        format!("while ! [ -e {} ]; do sleep 0.05; done; echo > {}", go.display(), done.display());
    let client = client_with(&world, Some(&text));
    let kept = world.folder("state/zeroconf").join("hosts");
    std::fs::write(&kept, server.host("/8\n")).unwrap();
    let file = std::fs::File::options().write(true).open(&kept).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
    let ran = finish(&mut job(&world, &client, "a.c"));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    server.wait_for_compiled(1);
    assert!(!done.exists());
    std::fs::write(&go, "").unwrap();
    wait_until("the network was asked", || done.exists());
}

#[test]
fn without_lsdistcc_the_user_hears_what_is_missing() {
    let world = World::new();
    let client = client_with(&world, None);
    let mut command = job(&world, &client, "a.c");
    let tools = world.folder("tools");
    for tool in ["gcc", "as"] {
        std::os::unix::fs::symlink(Path::new("/usr/bin").join(tool), tools.join(tool)).unwrap();
    }
    let ran = finish(command.env("PATH", &tools));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let why = "zeroconf found no host: could not start lsdistcc, which asks the network";
    assert!(ran.stderr.contains(why), "{}", ran.stderr);
    // Whoever comes next does not wait for one who never started.
    let mut command = world.command(&client);
    command.env("DISTCC_HOSTS", "+zeroconf").env("PATH", &tools).arg("--show-hosts");
    let ran = finish(&mut command);
    assert_eq!(ran.code, 116, "{}", ran.stderr);
    assert!(ran.stderr.contains(why), "{}", ran.stderr);
}

#[test]
fn other_hosts_of_the_list_are_used_when_nobody_answers() {
    let world = World::new();
    let server = world.server("server", &support::ServerOptions::new(support::Kind::Ours));
    let text = "echo 'lsdistcc: nobody home' >&2; folder=${2#--keep-in=}; \
                : > \"$folder/zeroconf/hosts\"; exit 1";
    let client = client_with(&world, Some(text));
    let hosts = format!("+zeroconf {}", server.host(""));
    let ran = finish(job(&world, &client, "a.c").env("DISTCC_HOSTS", &hosts));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let why = "Warning: zeroconf found no host: nobody home; going on with the other hosts";
    assert!(ran.stderr.contains(why), "{}", ran.stderr);
    let ran = finish(job(&world, &client, "b.c").env("DISTCC_HOSTS", &hosts));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    server.wait_for_compiled(2);
}
