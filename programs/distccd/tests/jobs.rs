//! Jobs: what the compiler gets, what the client gets, and what is left of both.

mod common;

use std::path::Path;
use std::process::Command;

use common::{World, check_refused, children, is_alive, run, wait_until};
use rustix::process::Signal;
use wire::Version;

/// What a local compile makes of `source`, by the same names.
fn local_object(world: &World, words: &[&str], name: &str, source: &str) -> Vec<u8> {
    let folder = world.path().join("local");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), source).unwrap();
    let output = run(Command::new(words[0])
        .args(&words[1..])
        .args(["-c", name, "-o", "local.o"])
        .current_dir(&folder));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(folder.join("local.o")).unwrap()
}

/// What the local preprocessor makes of it.
fn preprocessed(world: &World, words: &[&str], name: &str, source: &str) -> String {
    let folder = world.path().join("local");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), source).unwrap();
    let output = run(Command::new(words[0])
        .args(&words[1..])
        .args(["-E", name, "-o", "text"])
        .current_dir(&folder));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read_to_string(folder.join("text")).unwrap()
}

#[track_caller]
fn check_same_object(command: &str, name: &str, source: &str) {
    let world = World::new();
    let words: Vec<&str> = command.split(' ').collect();
    world.allow(words[0]);
    let expected = local_object(&world, &words, name, source);
    let text = preprocessed(&world, &words, name, source);
    let daemon = world.daemon(&[]);
    for version in [Version::V1, Version::V2] {
        let command = format!("{command} -c {name} -o elsewhere.o");
        let reply = daemon.compile_in(version, &command, &text);
        assert!(reply.status.is_success(), "{}", String::from_utf8_lossy(&reply.stderr));
        assert!(reply.stderr.is_empty() && reply.stdout.is_empty());
        assert!(reply.object == expected, "{command}: the objects differ");
    }
    wait_until(|| world.job_files().is_empty().then_some(()));
}

#[test]
fn a_c_object_is_the_one_that_the_local_compiler_makes() {
    check_same_object("gcc -O2", "a.c", "#include <stdio.h>\nint main(void) { puts(\"x\"); }\n");
}

#[test]
fn an_object_with_debug_information_is_the_one_that_the_local_compiler_makes() {
    check_same_object("gcc -g -O1", "a.c", "int f(int x) { return x + 1; }\n");
}

#[test]
fn a_cxx_object_is_the_one_that_the_local_compiler_makes() {
    check_same_object(
        "g++ -O1",
        "a.cc",
        "#include <vector>\nstd::vector<int> f() { return {1}; }\n",
    );
}

#[test]
fn a_source_that_names_no_file_makes_the_object_it_makes_at_home() {
    let world = World::new();
    world.allow("gcc");
    let source = "int f(int x) { return x + 1; }\n";
    let expected = local_object(&world, &["gcc"], "plain.i", source);
    let daemon = world.daemon(&[]);
    let reply = daemon.compile("gcc -c plain.i -o x.o", source);
    assert!(reply.object == expected);
}

#[test]
fn messages_and_exit_code_of_the_compiler_reach_the_client() {
    let world = World::new();
    world.compiler("gcc", "echo out; echo err >&2; exit 3");
    let daemon = world.daemon(&[]);
    for version in [Version::V1, Version::V2] {
        let reply = daemon.compile_in(version, "gcc -c a.c -o a.o", "int x;\n");
        assert_eq!(reply.status.code(), Some(3));
        assert_eq!((&reply.stdout[..], &reply.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
        assert!(reply.object.is_empty());
    }
}

#[test]
fn the_signal_that_killed_a_compiler_reaches_the_client() {
    let world = World::new();
    world.compiler("gcc", "kill -SEGV $$");
    let daemon = world.daemon(&[]);
    let reply = daemon.compile("gcc -c a.c -o a.o", "int x;\n");
    assert_eq!(reply.status.signal(), Some(11));
    daemon.wait_for_log("COMPILE_ERROR exit:0 sig:11 core:0 ret:0 ");
}

#[test]
fn success_without_an_object_is_a_failure() {
    let world = World::new();
    world.compiler("gcc", "true");
    world.compiler("g++", ": > \"$out\"");
    world.compiler("cc", "ln -s /etc/passwd \"$out\"");
    world.compiler("c++", "mkdir \"$out\"");
    let daemon = world.daemon(&[]);
    for name in ["gcc", "g++", "cc", "c++"] {
        let reply = daemon.compile(&format!("{name} -c a.c -o a.o"), "int x;\n");
        check_refused(&reply, 100, &["wrote nothing"]);
    }
}

#[test]
fn a_compiler_works_in_its_own_folder_with_nothing_of_the_daemons() {
    let world = World::new();
    world.compiler(
        "gcc",
        "{ pwd; echo $TMPDIR; ls -l /proc/$$/fd; } > $OUT/places; env > $OUT/env; \
         cat > $OUT/stdin; echo x > dropped; echo object > \"$out\"",
    );
    let variables = [("CPATH", "/x"), ("GCC_EXEC_PREFIX", "/x"), ("SOURCE_DATE_EPOCH", "0")];
    let daemon = world.daemon_with(&[], &variables);
    let reply = daemon.compile("gcc -c a.c -o a.o", "int x;\n");
    assert_eq!(reply.object, b"object\n");
    let places = world.read_out("places");
    let mut lines = places.lines();
    let folder = lines.next().unwrap();
    assert!(folder.starts_with(world.path().join("tmp").to_str().unwrap()), "{folder}");
    assert_eq!(lines.next(), Some(folder), "TMPDIR is the job's folder");
    // It goes with what was dropped there.
    wait_until(|| (!Path::new(folder).exists()).then_some(()));
    assert!(!places.contains("socket:") && !places.contains("/log"), "inherited: {places}");
    let environment = world.read_out("env");
    assert!(environment.contains("_DISTCC_SAFEGUARD=1\n"));
    for (name, _) in variables {
        assert!(!environment.contains(name), "{environment}");
    }
    assert_eq!(world.read_out("stdin"), "");
}

#[test]
fn distccd_path_says_where_compilers_are() {
    let world = World::new();
    world.allow("gcc");
    let elsewhere = world.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    world.compiler("moved", "echo elsewhere > \"$out\"");
    std::fs::rename(world.path().join("bin/moved"), elsewhere.join("gcc")).unwrap();
    let path = format!("{}:/usr/bin:/bin", elsewhere.display());
    let daemon = world.daemon_with(&[], &[("DISTCCD_PATH", &path)]);
    assert_eq!(daemon.compile("gcc -c a.c -o a.o", "int x;\n").object, b"elsewhere\n");
}

#[test]
fn links_to_distcc_in_the_path_are_passed_over() {
    let world = World::new();
    world.compiler("gcc", "echo real > \"$out\"");
    let links = world.path().join("links");
    std::fs::create_dir(&links).unwrap();
    std::fs::write(links.join("distcc"), "#!/bin/sh\nexit 9\n").unwrap();
    common::set_mode(&links.join("distcc"), 0o755);
    std::os::unix::fs::symlink("distcc", links.join("gcc")).unwrap();
    let path = format!("{}:{}/bin:/usr/bin:/bin", links.display(), world.path().display());
    let daemon = world.daemon_with(&[], &[("PATH", &path)]);
    assert_eq!(daemon.compile("gcc -c a.c -o a.o", "int x;\n").object, b"real\n");
}

#[test]
fn no_more_compilers_run_at_once_than_jobs_says() {
    let world = World::new();
    let mut blocking = world.blocking_compiler("gcc", "");
    let daemon = world.daemon(&["--jobs", "2"]);
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = daemon.connect();
        client.send_job(Version::V1, "gcc -c a.c -o a.o", "int x;\n");
        clients.push(client);
    }
    blocking.wait_for_start();
    blocking.wait_for_start();
    // The third source has been received: only a slot keeps its job from running.
    wait_until(|| {
        (world.job_files().iter().filter(|path| path.is_dir()).count() == 3).then_some(())
    });
    assert_eq!(children(daemon.worker()).len(), 2);
    assert!(!blocking.has_started());
    blocking.release_one();
    blocking.wait_for_start();
    blocking.release_one();
    blocking.release_one();
    for mut client in clients {
        assert!(client.reply(Version::V1).status.is_success());
    }
}

/// A compiler that has a child, and neither listens to SIGTERM.
const STUBBORN: &str = "trap '' TERM; sleep 1000 & echo $! > \"$OUT/grandchild\"";

fn grandchild(world: &World) -> i32 {
    world.read_out("grandchild").trim().parse().unwrap()
}

#[test]
fn the_compiler_of_a_client_that_hangs_up_ends_with_all_its_children() {
    for half in [false, true] {
        let world = World::new();
        let mut blocking = world.blocking_compiler("gcc", STUBBORN);
        let daemon = world.daemon(&[]);
        let mut client = daemon.connect();
        client.send_job(Version::V1, "gcc -c a.c -o a.o", "int x;\n");
        let compiler = blocking.wait_for_start();
        let grandchild = grandchild(&world);
        assert!(is_alive(compiler) && is_alive(grandchild));
        let rest = if half {
            client.close_sending();
            Some(client)
        } else {
            drop(client);
            None
        };
        wait_until(|| (!is_alive(compiler) && !is_alive(grandchild)).then_some(()));
        wait_until(|| world.job_files().is_empty().then_some(()));
        daemon.wait_for_log("CLI_DISCONN exit:107 sig:0 core:0 ret:107 ");
        drop(rest);
    }
}

#[test]
fn a_client_that_hangs_up_in_the_queue_leaves_it() {
    let world = World::new();
    let mut blocking = world.blocking_compiler("gcc", "");
    let daemon = world.daemon(&["--jobs", "1"]);
    let mut running = daemon.connect();
    running.send_job(Version::V1, "gcc -c a.c -o a.o", "int x;\n");
    blocking.wait_for_start();
    let mut waiting = daemon.connect();
    waiting.send_job(Version::V1, "gcc -c b.c -o b.o", "int x;\n");
    wait_until(|| {
        (world.job_files().iter().filter(|path| path.is_dir()).count() == 2).then_some(())
    });
    drop(waiting);
    daemon.wait_for_log("CLI_DISCONN");
    blocking.release_one();
    assert!(running.reply(Version::V1).status.is_success());
    assert!(!blocking.has_started(), "nobody waited for the second job");
}

#[test]
fn a_compiler_that_takes_too_long_is_ended_and_the_client_told() {
    let world = World::new();
    let mut blocking = world.blocking_compiler("gcc", STUBBORN);
    let daemon = world.daemon(&["--job-lifetime", "1"]);
    let mut client = daemon.connect();
    client.send_job(Version::V2, "gcc -c a.c -o a.o", "int x;\n");
    let compiler = blocking.wait_for_start();
    let grandchild = grandchild(&world);
    check_refused(&client.reply(Version::V2), 118, &["1 s", "--job-lifetime"]);
    wait_until(|| (!is_alive(compiler) && !is_alive(grandchild)).then_some(()));
    daemon.wait_for_log("COMPILE_TIMEOUT exit:118 sig:0 core:0 ret:0 ");
}

#[test]
fn bytes_after_the_request_are_swallowed_up_to_a_limit() {
    let world = World::new();
    let mut blocking = world.blocking_compiler("gcc", "");
    let daemon = world.daemon(&[]);
    let mut client = daemon.connect();
    client.send_job(Version::V1, "gcc -c a.c -o a.o", "int x;\n");
    blocking.wait_for_start();
    client.send(b"more");
    blocking.release_one();
    assert!(client.reply(Version::V1).status.is_success());
    let mut client = daemon.connect();
    client.send_job(Version::V1, "gcc -c a.c -o a.o", "int x;\n");
    let compiler = blocking.wait_for_start();
    client.send(&vec![b'x'; 4 << 20]);
    wait_until(|| (!is_alive(compiler)).then_some(()));
    client.read_to_end();
}

#[test]
fn the_files_of_a_job_stay_where_they_are_if_asked_for() {
    let world = World::new();
    world.compiler("gcc", "echo said >&2; exit 1");
    let mut daemon = world.daemon_with(&[], &[("DISTCC_SAVE_TEMPS", "1")]);
    let reply = daemon.compile("gcc -c dir/name.c -o a.o", "int x;\n");
    assert_eq!(reply.status.code(), Some(1));
    daemon.signal(Signal::TERM);
    daemon.wait();
    let kept = world.job_files();
    let source = kept.iter().find(|path| path.ends_with("name.i")).expect("the source is kept");
    assert_eq!(std::fs::read_to_string(source).unwrap(), "int x;\n");
    assert!(kept.iter().any(|path| path.ends_with("stderr")));
}

#[test]
fn what_a_compiler_leaves_running_ends_with_it() {
    let world = World::new();
    world.compiler("gcc", "sleep 1000 & echo $! > \"$OUT/grandchild\"; echo object > \"$out\"");
    let daemon = world.daemon(&[]);
    assert!(daemon.compile("gcc -c a.c -o a.o", "int x;\n").status.is_success());
    wait_until(|| (!is_alive(grandchild(&world))).then_some(()));
}

#[test]
fn one_line_in_the_log_tells_of_each_job_as_with_distcc() {
    let world = World::new();
    world.compiler("gcc", "echo object > \"$out\"");
    let daemon = world.daemon(&[]);
    daemon.compile("gcc -c dir/a.c -o a.o", "int x;\n");
    let line = daemon.wait_for_log("COMPILE_OK");
    let worker = daemon.worker();
    let start = format!("distccd[{worker}] (dcc_job_summary) client: 127.0.0.1:");
    let rest = line.strip_prefix(&start).unwrap_or_else(|| panic!("{line}"));
    let (port, rest) = rest.split_once(" COMPILE_OK exit:0 sig:0 core:0 ret:0 time:").unwrap();
    let (time, rest) = rest.split_once("ms ").unwrap();
    assert!(port.parse::<u16>().is_ok() && time.parse::<u64>().is_ok(), "{line}");
    assert_eq!(rest, "gcc dir/a.c");
}

#[test]
fn a_name_cannot_forge_lines_of_the_log() {
    let world = World::new();
    world.compiler("gcc", "echo object > \"$out\"");
    let daemon = world.daemon(&[]);
    let reply = daemon.compile("gcc -c a\ndistccd[1]_forged.c -o a.o", "int x;\n");
    assert!(reply.status.is_success());
    daemon.wait_for_log("gcc a\\ndistccd[1]_forged.c");
    assert!(!daemon.log().lines().any(|line| line.starts_with("distccd[1]_forged")));
}

#[test]
fn a_worker_that_dies_takes_its_compilers_along_and_another_serves_on() {
    let world = World::new();
    let mut blocking = world.blocking_compiler("gcc", STUBBORN);
    let daemon = world.daemon(&[]);
    for signal in [Signal::KILL, Signal::TERM] {
        let mut client = daemon.connect();
        client.send_job(Version::V1, "gcc -c a.c -o a.o", "int x;\n");
        let compiler = blocking.wait_for_start();
        let (worker, grandchild) = (daemon.worker(), grandchild(&world));
        common::kill(worker, signal);
        wait_until(|| (!is_alive(compiler) && !is_alive(grandchild)).then_some(()));
        wait_until(|| world.job_files().is_empty().then_some(()));
        client.read_to_end();
        let mut client = daemon.connect();
        client.send_job(Version::V1, "gcc -c a.c -o a.o", "int x;\n");
        blocking.wait_for_start();
        assert_ne!(daemon.worker(), worker);
        blocking.release_one();
        assert!(client.reply(Version::V1).status.is_success());
    }
}
