//! `distccd --doctor`, on worlds in which one thing is wrong, and what its remedies do.

mod common;

use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Output};

use common::{World, free_port};
use serde_json::Value;

/// What a doctor said for programs, and how it exited.
struct Said {
    value: Value,
    exit: Option<i32>,
}

impl Said {
    fn of(output: &Output) -> Said {
        let text = String::from_utf8_lossy(&output.stdout);
        let error = String::from_utf8_lossy(&output.stderr);
        let value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{error}"));
        Said { value, exit: output.status.code() }
    }

    /// The line of a check that has a code.
    #[track_caller]
    fn has(&self, check: &str, code: &str) -> &Value {
        let lines = self.value["findings"].as_array().unwrap();
        let line = lines.iter().find(|line| line["check"] == check && line["code"] == code);
        line.unwrap_or_else(|| panic!("no {check} {code}: {}", self.value))
    }
}

/// Asks the doctor with options of a world.
fn ask(world: &World, options: &[&str]) -> Said {
    let mut command = world.distccd();
    command.args(["--doctor", "--json", &world.list_option(), "--allow-private"]).args(options);
    Said::of(&command.output().unwrap())
}

/// A world with the compilers of this machine.
fn world() -> World {
    let world = World::new();
    for name in ["gcc", "g++"] {
        world.compiler(name, &format!("exec /usr/bin/{name} \"$@\""));
    }
    world
}

#[test]
fn a_server_that_works_is_green_by_way_of_itself() {
    let world = world();
    let daemon = world.daemon(&["--allow", "127.0.0.1"]);
    let port = daemon.port.to_string();
    let said = ask(&world, &["--port", &port]);
    assert_eq!(said.exit, Some(0), "{}", said.value);
    assert_eq!(said.value["serves"], true);
    said.has("server", "serving");
    said.has("temporary folder", "room");
    let paths = said.has("compilers", "may-run")["data"]["paths"].as_array().unwrap();
    assert_eq!(paths.len(), 2, "{paths:?}");
    assert_eq!(said.has("probe", "same-object")["data"]["compilers"], 2);
}

#[test]
fn a_server_that_does_not_run_is_started_by_the_remedy() {
    let world = world();
    let port = free_port().to_string();
    let pid_file = world.path().join("tmp/pid");
    let options = ["--port", &port, "--listen=127.0.0.1", "--pid-file", pid_file.to_str().unwrap()];
    let said = ask(&world, &options);
    assert_eq!((said.exit, &said.value["serves"]), (Some(2), &Value::Bool(false)));
    // The compilers are fine: one of its own was started to see that.
    said.has("probe", "same-object");
    let remedy = &said.has("server", "server-not-running")["remedy"];
    let start = remedy["commands"][0].as_str().unwrap();
    assert!(start.starts_with("distccd --daemon --compiler-whitelist="), "{start}");
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_distccd")).parent().unwrap();
    let path = format!("{}:{}/bin:/usr/bin:/bin", folder.display(), world.path().display());
    let started = Command::new("sh")
        .args(["-c", start])
        .env_clear()
        .env("PATH", path)
        .env("TMPDIR", world.path().join("tmp"))
        .status()
        .unwrap();
    assert!(started.success(), "{start}");
    let said = ask(&world, &options);
    let pid = std::fs::read_to_string(&pid_file).unwrap();
    let ended = Command::new("kill").arg(pid.trim()).status().unwrap();
    assert!(ended.success());
    assert_eq!(said.exit, Some(0), "{}", said.value);
}

#[test]
fn without_a_compiler_nobody_is_served() {
    let world = World::new();
    let said = ask(&world, &["--port", &free_port().to_string()]);
    assert_eq!(said.exit, Some(2));
    said.has("compilers", "no-compiler-allowed");
    said.has("sandbox", "server-does-not-start");
}

#[test]
fn who_takes_the_port_is_noticed() {
    let world = world();
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = stranger.local_addr().unwrap().port().to_string();
    let answering = std::thread::spawn(move || {
        let (mut client, _) = stranger.accept().unwrap();
        client.write_all(b"220 mail.example ESMTP\r\n").unwrap();
    });
    let said = ask(&world, &["--port", &port, "--listen", "127.0.0.1"]);
    answering.join().unwrap();
    said.has("server", "port-taken");
    assert_eq!(said.exit, Some(2));
}

#[test]
fn a_compiler_that_makes_another_object_each_time_is_not_trusted() {
    let world = World::new();
    let script = "/usr/bin/gcc \"$@\" || exit\n[ -z \"$out\" ] || date +%s%N >> \"$out\"";
    world.compiler("gcc", script);
    let daemon = world.daemon(&["--allow", "127.0.0.1"]);
    let said = ask(&world, &["--port", &daemon.port.to_string()]);
    said.has("probe", "object-differs");
    assert_eq!((said.exit, &said.value["serves"]), (Some(2), &Value::Bool(false)));
}

#[test]
fn a_weak_sandbox_is_a_warning_and_an_odd_setting_another() {
    let world = world();
    let said = ask(&world, &["--port", &free_port().to_string(), "--sandbox=off"]);
    assert_eq!(said.has("sandbox", "sandbox-weak")["status"], "warning");
    let mut command = world.distccd();
    command.args(["--doctor", "--json", &world.list_option()]).env("DISTCC_IO_TIMEOUT", "soon");
    let said = Said::of(&command.output().unwrap());
    let lines = said.value["findings"].as_array().unwrap();
    assert!(lines.iter().any(|line| line["code"] == "odd-setting"), "{}", said.value);
}

#[test]
fn people_get_a_table_and_no_control_bytes() {
    let world = world();
    let mut command = world.distccd();
    command.args(["--doctor", &world.list_option(), "--user", "no\u{1b}body"]);
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("this machine\n  ok       settings"), "{text}");
    assert!(text.ends_with("this machine cannot compile for others\n"), "{text}");
    assert!(!text.contains('\u{1b}'));
}
