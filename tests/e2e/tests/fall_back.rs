//! A build that loses its hosts runs here as far as this machine goes, and says why once.

mod common;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use common::World;
use support::{Kind, ServerOptions, program, script};

/// How many clients start at once.
const N_CLIENTS: usize = 40;

/// What `--localslots` is when nobody says.
const N_SLOTS: usize = 4;

const DEAD: &str = "127.0.0.1:1";

/// A folder with a gcc that notes how many of its kind compile at the moment. Each lingers, so that
/// those which run together meet.
fn counting_compiler(world: &World) -> (String, PathBuf) {
    let folder = world.folder("compilers");
    let (running, counts) = (world.folder("running"), folder.join("counts"));
    let text = format!(
        "case \" $* \" in *' -E '*|*' /dev/null '*|*' -dumpmachine '*) exec /usr/bin/gcc \"$@\";; esac\n\
         : > '{0}'/$$\n\
         ls '{0}' | wc -l >> '{1}'\n\
         sleep 0.1\n\
         rm '{0}'/$$\n\
         exec /usr/bin/gcc \"$@\"",
        running.display(),
        counts.display()
    );
    script(&folder.join("gcc"), &text);
    (format!("{}:/usr/bin:/bin", folder.display()), counts)
}

/// Starts 40 clients at once, and gives what all of them said and how many compiled at a time.
fn run_all(world: &World, prepare: impl Fn(&mut Command)) -> (String, usize) {
    let (path, counts) = counting_compiler(world);
    let clients: Vec<Child> = (0..N_CLIENTS)
        .map(|n| {
            world.write(&format!("s{n}.c"), &format!("int s{n};\n"));
            let mut command = world.command(program("distcc"));
            command.env("PATH", &path).args(["gcc", "-c", &format!("s{n}.c")]);
            prepare(&mut command);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut said = String::new();
    for client in clients {
        let output = client.wait_with_output().unwrap();
        said.push_str(&String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{said}");
    }
    for n in 0..N_CLIENTS {
        assert!(world.has(&format!("s{n}.o")));
    }
    let counts = std::fs::read_to_string(counts).unwrap();
    let counts: Vec<usize> = counts.lines().map(|line| line.trim().parse().unwrap()).collect();
    assert_eq!(counts.len(), N_CLIENTS);
    (said, counts.into_iter().max().unwrap())
}

fn n_warnings(said: &str) -> usize {
    said.lines().filter(|line| line.contains("Warning: ")).count()
}

#[test]
fn a_dead_host_does_not_flood_this_machine_and_is_named_once() {
    let world = World::new();
    let (said, n_most) = run_all(&world, |command| {
        command.env("DISTCC_HOSTS", format!("{DEAD}/{N_CLIENTS}"));
    });
    assert!(n_most <= N_SLOTS, "{n_most} compilers at once");
    // That it is dead, and that it is left alone.
    assert_eq!(said.matches("could not connect").count(), 1, "{said}");
    assert!(said.matches("no host is left to ask").count() <= 1, "{said}");
    assert_eq!(n_warnings(&said), said.matches("said once a build").count(), "{said}");
    let text = std::fs::read_to_string(world.state().join("ledger")).unwrap();
    let n_counted = text
        .lines()
        .filter(|line| line.contains("connection-refused") || line.contains("hosts-backed-off"));
    assert_eq!(n_counted.count(), N_CLIENTS);
}

#[test]
fn jobs_without_a_list_are_throttled_and_say_so_once() {
    let world = World::new();
    let (said, n_most) = run_all(&world, |command| {
        command.env("DISTCC_HOSTS", "red/0");
    });
    assert!(n_most <= N_SLOTS, "{n_most} compilers at once");
    assert_eq!(n_warnings(&said), 1, "{said}");
}

#[test]
fn jobs_without_a_state_folder_are_throttled() {
    let world = World::new();
    let (_, n_most) = run_all(&world, |command| {
        command.env("DISTCC_HOSTS", DEAD).env("DISTCC_DIR", "/proc/no").env("TMPDIR", "/proc/no");
    });
    assert!(n_most <= N_SLOTS, "{n_most} compilers at once");
}

#[test]
fn the_list_says_how_many_run_here() {
    let world = World::new();
    let (_, n_most) = run_all(&world, |command| {
        command.env("DISTCC_HOSTS", format!("--localslots=1 {DEAD}"));
    });
    assert_eq!(n_most, 1);
}

#[test]
fn a_refusal_that_meets_each_job_is_said_once_a_build() {
    let world = World::new();
    let mut options = ServerOptions::new(Kind::Ours);
    options.compilers = vec!["g++".to_owned()];
    let server = world.server("server", &options);
    let (said, _) = run_all(&world, |command| {
        command.env("DISTCC_HOSTS", server.host("/2"));
    });
    assert_eq!(n_warnings(&said), 1, "{said}");
    assert!(said.contains("the compiler `gcc` is not allowed here"), "{said}");
}

#[test]
fn those_who_ask_and_those_who_fail_hear_it_each_time() {
    let world = World::new();
    for (name, value, code) in [("DISTCC_VERBOSE", "1", 0), ("DISTCC_FALLBACK", "0", 116)] {
        world.write("a.c", "int a;\n");
        for n in 0..3 {
            let mut command = world.command(program("distcc"));
            command.env("DISTCC_HOSTS", DEAD).env(name, value).args(["gcc", "-c", "a.c"]);
            let ran = common::finish(&mut command);
            if n > 0 {
                assert_eq!(ran.code, code, "{}", ran.stderr);
                assert!(ran.stderr.contains("no host is left to ask"), "{}", ran.stderr);
            }
        }
    }
}
