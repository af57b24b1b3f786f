//! Our client and distcc 3.4 share one state folder: neither takes a slot that the other has, and
//! each leaves a host alone that failed the other. Debian's monitor reads what ours does.

mod common;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use common::held::Held;
use common::{World, finish};
use support::{Kind, ServerOptions, program, script, wait_until};

const ORIGINAL: &str = "/usr/bin/distcc";
const SOURCE: &str = "int answer(void) { return 42; }\n";

/// A server whose gcc says that it has started, by a file, and waits until the fifo is written.
fn slow_server(world: &World) -> (support::Server, PathBuf, PathBuf) {
    let compilers = world.folder("compilers");
    let open = world.open_folder("open");
    let (started, fifo) = (open.join("started"), open.join("go"));
    let made = std::process::Command::new("mkfifo").args(["-m", "666"]).arg(&fifo).status();
    assert!(made.unwrap().success());
    let text = format!(
        "echo > {}; read line < {}; exec /usr/bin/gcc \"$@\"",
        started.display(),
        fifo.display()
    );
    for name in ["gcc", "x86_64-linux-gnu-gcc"] {
        script(&compilers.join(name), &text);
    }
    let mut options = ServerOptions::new(Kind::Ours);
    options.path = Some(format!("{}:/usr/bin:/bin", compilers.display()));
    (world.server("slow", &options), started, fifo)
}

fn start(world: &World, client: &Path, hosts: &str, source: &str) -> Child {
    world.write(source, SOURCE);
    let mut command = world.command(client);
    command.env("DISTCC_HOSTS", hosts).args(["gcc", "-c", source]);
    command.spawn().unwrap()
}

/// Has one client hold the only slot of the first host; the other one has to go to the second.
#[track_caller]
fn check_slots(holder: &Path, other: &Path) {
    let world = World::new();
    let (slow, started, fifo) = slow_server(&world);
    let fast = world.server("fast", &ServerOptions::new(Kind::Ours));
    let hosts = [slow.host("/1"), fast.host("/1")].join(" ");
    let mut held = start(&world, holder, &hosts, "held.c");
    wait_until("the first job is at the slow server", || started.exists());
    let status = start(&world, other, &hosts, "other.c").wait().unwrap();
    assert!(status.success());
    fast.wait_for_compiled(1);
    assert_eq!(slow.n_compiled(), 0);
    writeln!(File::options().write(true).open(&fifo).unwrap(), "go").unwrap();
    assert!(held.wait().unwrap().success());
    slow.wait_for_compiled(1);
}

#[test]
fn our_client_leaves_the_originals_slot_alone() {
    check_slots(Path::new(ORIGINAL), &program("distcc"));
}

#[test]
fn the_original_leaves_our_clients_slot_alone() {
    check_slots(&program("distcc"), Path::new(ORIGINAL));
}

/// Has one client find out that a host is dead; the other one has to leave it alone.
#[track_caller]
fn check_backoff(first: &Path, second: &Path) {
    let world = World::new();
    world.write("a.c", SOURCE);
    let failed = world.run(first, "127.0.0.1:1", &["gcc", "-c", "a.c"]);
    assert_eq!(failed.code, 0, "{}", failed.stderr);
    assert!(failed.stderr.contains("failed to distribute a.c to 127.0.0.1:1"), "{}", failed.stderr);
    let left_alone = world.run(second, "127.0.0.1:1", &["gcc", "-c", "a.c"]);
    assert_eq!(left_alone.code, 0, "{}", left_alone.stderr);
    assert!(!left_alone.stderr.contains("onnect"), "{}", left_alone.stderr);
    assert!(left_alone.stderr.contains("running locally instead"), "{}", left_alone.stderr);
}

#[test]
fn our_client_leaves_a_host_alone_that_failed_the_original() {
    check_backoff(Path::new(ORIGINAL), &program("distcc"));
}

#[test]
fn the_original_leaves_a_host_alone_that_failed_our_client() {
    check_backoff(&program("distcc"), Path::new(ORIGINAL));
}

#[test]
fn the_original_monitor_shows_our_clients_job() {
    let world = World::new();
    let (slow, started, fifo) = slow_server(&world);
    let mut held = start(&world, &program("distcc"), &slow.host("/1"), "held.c");
    wait_until("the job is at the server", || started.exists());
    let mut shown = String::new();
    // The compiler may be at work before the client has written down that it waits for it.
    wait_until("the monitor shows the compile", || {
        shown = finish(&mut world.command("/usr/bin/distccmon-text")).stdout;
        shown.contains("Compile")
    });
    let words: Vec<&str> = shown.split_whitespace().collect();
    assert_eq!(words, [held.id().to_string().as_str(), "Compile", "held.c", "127.0.0.1[0]"]);
    writeln!(File::options().write(true).open(&fifo).unwrap(), "go").unwrap();
    assert!(held.wait().unwrap().success());
    assert_eq!(finish(&mut world.command("/usr/bin/distccmon-text")).stdout.trim(), "");
}

/// Has jobs of several clients at once, some of which have to stay here, share two servers and
/// this machine. The compilers themselves count how many of them run.
#[track_caller]
fn check_limits(clients: &[&Path]) {
    const N_SHARED: usize = 10;
    const N_STAYING: usize = 3;
    let world = World::new();
    let [red, blue, here] = ["red", "blue", "here"].map(|name| Held::new(&world, name));
    // The servers would take any number.
    let red_server = red.server(&world, "red_server", Kind::Ours);
    let blue_server = blue.server(&world, "blue_server", Kind::Original);
    let hosts = [
        "--localslots=2 --localslots_cpp=3".to_owned(),
        red_server.host("/3"),
        "localhost/1".to_owned(),
        blue_server.host("/2"),
    ]
    .join(" ");
    let mut jobs = Vec::new();
    for i in 0..N_SHARED + N_STAYING {
        for (j, client) in clients.iter().enumerate() {
            let source = format!("job_{j}_{i}.c");
            world.write(&source, SOURCE);
            let mut command = world.command(client);
            command.env("DISTCC_HOSTS", &hosts).env("PATH", here.path());
            command.env("DISTCC_PAUSE_TIME_MSEC", "20").stdin(Stdio::null());
            let stays = i % 4 == 3 && i / 4 < N_STAYING;
            command.arg("gcc").args(stays.then_some("--coverage")).args(["-c", &source]);
            jobs.push((command.spawn().unwrap(), source));
        }
    }
    let all = [&red, &blue, &here];
    wait_until("every slot is taken", || {
        all.iter().zip([3, 2, 2]).all(|(held, limit)| held.n_running() >= limit)
    });
    for held in all {
        held.release();
    }
    for (job, source) in &mut jobs {
        assert!(job.wait().unwrap().success());
        assert!(world.has(&source.replace(".c", ".o")), "{source}");
    }
    let [(n_red, most_red), (n_blue, most_blue), (n_here, most_here)] = all.map(Held::compiles);
    assert_eq!((most_red, most_blue, most_here), (3, 2, 2));
    assert_eq!(n_red + n_blue + n_here, jobs.len(), "each job is compiled once");
    let (_, most_runs_here) = here.runs();
    assert!(most_runs_here <= 3, "{most_runs_here} compilers and preprocessors at once");
}

#[test]
fn the_original_alone_keeps_the_limits() {
    check_limits(&[Path::new(ORIGINAL)]);
}

#[test]
fn our_client_alone_keeps_the_limits() {
    check_limits(&[&program("distcc")]);
}

#[test]
fn both_clients_at_once_keep_the_limits() {
    check_limits(&[Path::new(ORIGINAL), &program("distcc")]);
}

#[test]
fn many_jobs_of_both_clients_leave_a_host_alone_that_failed_one() {
    for first in [Path::new(ORIGINAL), &program("distcc")] {
        let world = World::new();
        let server = world.server("server", &ServerOptions::new(Kind::Ours));
        world.write("first.c", SOURCE);
        let hosts = format!("127.0.0.1:1/9 {}", server.host("/4"));
        let failed = world.run(first, &hosts, &["gcc", "-c", "first.c"]);
        assert_eq!(failed.code, 0, "{}", failed.stderr);
        assert!(failed.stderr.contains("127.0.0.1:1"), "{}", failed.stderr);
        server.wait_for_compiled(1);
        let jobs = (0..12).map(|i| {
            let client = if i % 2 == 0 { PathBuf::from(ORIGINAL) } else { program("distcc") };
            let source = format!("job_{i}.c");
            world.write(&source, SOURCE);
            let mut command = world.command(client);
            command.env("DISTCC_HOSTS", &hosts).env("DISTCC_PAUSE_TIME_MSEC", "20");
            command.args(["gcc", "-c", &source]).stderr(Stdio::piped()).spawn().unwrap()
        });
        for job in jobs.collect::<Vec<_>>() {
            let output = job.wait_with_output().unwrap();
            assert!(output.status.success());
            assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        }
        server.wait_for_compiled(13);
    }
}
