//! The program `pump`, asked of the original first. What it does for compiles is in `tests/interop`.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{Ran, World, finish};
use rustix::process::{Pid, Signal, kill_process};
use support::{Kind, ServerOptions, processes_using, program, wait_until};

/// A list that is good for either.
const HOSTS: &str = "127.0.0.1:1,cpp,lzo";

/// Both, the original first.
fn pumps() -> [PathBuf; 2] {
    let original = PathBuf::from("/usr/bin/distcc-pump");
    assert!(original.exists(), "the original is missing: apt-get install distcc-pump");
    [original, program("pump")]
}

fn pump(world: &World, pump: &Path, variables: &[(&str, &str)], words: &[&str]) -> Ran {
    finish(command(world, pump).envs(variables.iter().copied()).args(words))
}

fn command(world: &World, pump: &Path) -> Command {
    let mut command = world.command(pump);
    for name in ["INCLUDE_SERVER_PORT", "INCLUDE_SERVER_PID", "INCLUDE_SERVER_DIR", "TMPDIR"] {
        command.env_remove(name);
    }
    command.env("DISTCC_HOSTS", HOSTS).env("DISTCC_AGENT", "0");
    command
}

/// Ends what is left of a world's build.
fn end_all(world: &World) {
    for process in processes_using(world.path()) {
        if process.contains(" sleep 1000") {
            let pid = process.split(' ').next().and_then(|pid| pid.parse().ok());
            let _ = kill_process(pid.and_then(Pid::from_raw).unwrap(), Signal::KILL);
        }
    }
}

/// The include servers of a world.
fn include_servers(world: &World) -> Vec<String> {
    let mut found = processes_using(world.path());
    found
        .retain(|process| process.contains("include-server") || process.contains("include_server"));
    found
}

#[test]
fn the_code_is_the_commands() {
    for (script, code) in [
        ("exit 0", 0),
        ("exit 7", 7),
        ("kill -TERM $$", 143),
        ("kill -KILL $$", 137),
        ("exec /nonexistent/command", 127),
    ] {
        for program in pumps() {
            let ran = pump(&World::new(), &program, &[], &["sh", "-c", script]);
            assert_eq!(ran.code, code, "{} {script}: {}", program.display(), ran.stderr);
        }
    }
    for program in pumps() {
        let ran = pump(&World::new(), &program, &[], &["/nonexistent/command"]);
        assert_eq!(ran.code, 127, "{}", program.display());
    }
}

#[test]
fn standard_output_is_the_commands() {
    let [original, ours] =
        pumps().map(|program| pump(&World::new(), &program, &[], &["echo", "said"]));
    assert!(original.stdout.contains("said\n") && original.stdout.contains("__________Using"));
    assert_eq!((ours.stdout.as_str(), ours.stderr.as_str()), ("said\n", ""));
}

#[test]
fn the_command_finds_distcc_and_an_include_server() {
    let script =
        "test -S \"$INCLUDE_SERVER_PORT\"; echo $?; command -v distcc; echo \"$DISTCC_HOSTS\"
        echo \"pid=$INCLUDE_SERVER_PID\"";
    for program in pumps() {
        let location = World::new();
        let distcc = support::program("distcc");
        std::os::unix::fs::symlink(distcc, location.path().join("distcc")).unwrap();
        let variables = [("DISTCC_LOCATION", location.path().to_str().unwrap())];
        let ran = pump(&World::new(), &program, &variables, &["sh", "-c", script]);
        let place = location.path().join("distcc").display().to_string();
        let mut lines: Vec<&str> = ran.stdout.lines().collect();
        lines.retain(|line| !line.starts_with("____"));
        assert_eq!(lines, ["0", &place, HOSTS, "pid="], "{}", program.display());
    }
}

#[test]
fn lists_that_are_of_no_use_are_refused() {
    for (hosts, codes) in [
        ("127.0.0.1:1,lzo", [1, 1]),
        ("", [1, 1]),
        ("localhost", [1, 1]),
        // Our client uses pump mode by itself where a server can.
        ("127.0.0.1:1", [1, 0]),
        ("127.0.0.1:1,lzo 127.0.0.1:2,cpp,lzo", [0, 0]),
    ] {
        for (program, code) in pumps().into_iter().zip(codes) {
            let ran = pump(&World::new(), &program, &[("DISTCC_HOSTS", hosts)], &["true"]);
            assert_eq!(ran.code, code, "{} {hosts}: {}", program.display(), ran.stderr);
        }
    }
    for (most, code) in [("0", 1), ("-1", 1), ("1", 0), ("many", 0)] {
        for program in pumps() {
            let variables = [("DISTCC_MAX_DISCREPANCY", most)];
            let ran = pump(&World::new(), &program, &variables, &["true"]);
            assert_eq!(ran.code, code, "{} {most}: {}", program.display(), ran.stderr);
        }
    }
}

#[test]
fn machines_that_answer_become_the_list() {
    for program in pumps() {
        let world = World::new();
        let server = world.server("server", &ServerOptions::new(Kind::Ours));
        let port = format!("-r{}", server.port);
        let variables = [("DISTCC_POTENTIAL_HOSTS", "127.0.0.1"), ("LSDISTCC_ARGS", port.as_str())];
        let ran = pump(&world, &program, &variables, &["sh", "-c", "echo \"H=$DISTCC_HOSTS\""]);
        let expected = format!("H=--randomize 127.0.0.1:{},cpp,lzo\n", server.port);
        assert!(ran.stdout.contains(&expected), "{}: {}", program.display(), ran.stdout);
        // A port where nobody is.
        let variables = [("DISTCC_POTENTIAL_HOSTS", "127.0.0.1"), ("LSDISTCC_ARGS", "-r1")];
        let ran = pump(&world, &program, &variables, &["sh", "-c", "echo \"H=$DISTCC_HOSTS\""]);
        assert!(ran.stdout.contains("H=--randomize \n"), "{}: {}", program.display(), ran.stdout);
        assert_eq!(ran.code, 0);
        let is_silent = ran.stderr.is_empty() && !ran.stdout.contains("0 available");
        assert!(!is_silent, "{}", program.display());
    }
}

#[test]
fn a_session_is_begun_and_ended() {
    for program in pumps() {
        let world = World::new();
        let begun = pump(&world, &program, &[], &["--startup"]);
        assert_eq!(begun.code, 0, "{}", begun.stderr);
        let mut variables: Vec<(String, String)> = begun
            .stdout
            .lines()
            .map(|line| line.strip_prefix("export ").expect("nothing but variables"))
            .map(|line| line.split_once('=').expect("a name and a value"))
            .map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()))
            .collect();
        variables.sort();
        let names: Vec<&str> = variables.iter().map(|(name, _)| name.as_str()).collect();
        let expected = [
            "DISTCC_HOSTS",
            "INCLUDE_SERVER_DIR",
            "INCLUDE_SERVER_PID",
            "INCLUDE_SERVER_PORT",
            "PATH",
        ];
        assert_eq!(names, expected, "{}", program.display());
        let folder = PathBuf::from(&variables[1].1);
        assert_eq!(Path::new(&variables[3].1), folder.join("socket"));
        assert!(folder.join("socket").exists());
        assert_eq!(include_servers(&world).len(), 1);
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        std::fs::write(folder.join("discrepancy_counter"), "..").unwrap();
        let ended = pump(&world, &program, &variables, &["--shutdown"]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let said = ended.stdout + &ended.stderr;
        let expected = "2 pump-mode compilation(s) failed on server, but succeeded locally";
        assert!(said.contains(expected), "{}: {said}", program.display());
        wait_until("the include server has ended", || include_servers(&world).is_empty());
        assert!(!folder.exists());
        // What is gone is gone.
        let again = pump(&world, &program, &variables, &["--shutdown"]);
        assert_eq!((again.code, again.stdout.as_str(), again.stderr.as_str()), (0, "", ""));
    }
}

#[test]
fn a_signal_ends_the_build_and_the_session() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let world = World::new();
        let script = "echo \"$INCLUDE_SERVER_PORT\" > port; echo > ready; exec sleep 1000";
        // Whoever runs the tests in the background ignores some of them, and so would it.
        let mut child = command(&world, Path::new("env"))
            .arg("--default-signal")
            .arg(program("pump"))
            .args(["sh", "-c", script])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        wait_until("the build runs", || world.has("ready"));
        kill_process(Pid::from_child(&child), signal).unwrap();
        let code = child.wait().unwrap().code();
        end_all(&world);
        assert_eq!(code, Some(128 + signal.as_raw()));
        let port = String::from_utf8(world.read("port")).unwrap();
        assert!(port.starts_with('/') && !Path::new(port.trim()).parent().unwrap().exists());
        assert_eq!(include_servers(&world), [""; 0]);
    }
}

#[test]
fn nothing_stays_of_a_session_that_was_killed() {
    let world = World::new();
    let script = "echo \"$INCLUDE_SERVER_PORT\" > port; echo > ready; exec sleep 1000";
    let mut child = command(&world, &program("pump")).args(["sh", "-c", script]).spawn().unwrap();
    wait_until("the build runs", || world.has("ready"));
    let port = String::from_utf8(world.read("port")).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let folder = Path::new(port.trim()).parent().unwrap().to_owned();
    wait_until("its folder is gone", || !folder.exists());
    wait_until("its include server is gone", || include_servers(&world).is_empty());
    end_all(&world);
}

#[test]
fn the_agent_is_there_from_the_first_compile() {
    let world = World::new();
    let mut command = command(&world, &program("pump"));
    command.env("DISTCC_AGENT", "1").env("DISTCC_AGENT_IDLE", "1");
    let ran = finish(command.args(["sh", "-c", "distcc-agent --status"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("jobs sent: 0"), "{}", ran.stdout);
}

#[test]
fn help_and_the_manual_page_name_every_option_and_variable() {
    let help = pump(&World::new(), &program("pump"), &[], &["--help"]);
    let alone = pump(&World::new(), &program("pump"), &[], &[]);
    assert_eq!((help.code, &help.stdout), (0, &alone.stdout));
    let page = support::workspace().join("docs/man/pump.1");
    let page = std::fs::read_to_string(page).unwrap().replace("\\-", "-");
    for word in [
        "--startup",
        "--shutdown",
        "--help",
        "--version",
        "DISTCC_POTENTIAL_HOSTS",
        "LSDISTCC_ARGS",
        "DISTCC_LOCATION",
    ] {
        assert!(help.stdout.contains(word) && page.contains(word), "{word}");
    }
    let ran = pump(&World::new(), &program("pump"), &[], &["--start"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.contains("--start"), "{}", ran.stderr);
}
