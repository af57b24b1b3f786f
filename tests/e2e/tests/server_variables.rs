//! The variables that a server reads, each first on the original.

mod common;

use std::io::Write;
use std::path::Path;

use common::World;
use common::daemon::{BOTH, Daemon, connect, free_port, listening, read_to_end, request};
use support::{Kind, script, wait_until};

const SOURCE: &str = "int x;\n";
const SYSTEM_PATH: &str = "/usr/bin:/bin";

/// A server with these variables.
fn start(kind: Kind, world: &World, variables: &[(&str, &str)]) -> Daemon {
    let port = free_port();
    let mut command = listening(kind, world.path(), port);
    command.env("PATH", SYSTEM_PATH).envs(variables.iter().copied());
    Daemon::start(&mut command, world.path(), port)
}

/// The exit code that the client is told; `None`: it got no answer. Refusals of ours are none.
fn exit_code(daemon: &Daemon, command: &str) -> Option<u8> {
    let answer = daemon.ask(&request(command, SOURCE));
    let status = answer.strip_prefix(b"DONE00000001STAT")?.get(..8)?;
    let status = u32::from_str_radix(std::str::from_utf8(status).ok()?, 16).ok()?;
    let code = (status >> 8) as u8;
    (code < 100).then_some(code)
}

/// A folder with compilers that end with this code.
fn failing_compilers(world: &World, folder: &str, names: &[&str], code: u8) -> String {
    let folder = world.folder(folder);
    for name in names {
        script(&folder.join(name), &format!("exit {code}"));
    }
    folder.display().to_string()
}

#[test]
fn the_list_of_commands_says_which_compilers_run() {
    for kind in BOTH {
        let world = World::new();
        let folder = failing_compilers(&world, "some/bin", &["gcc", "mine", "cc"], 7);
        let list = world.path().join("list");
        std::fs::write(&list, format!("{folder}/gcc\n{folder}/mine\n")).unwrap();
        let list = list.to_str().unwrap();
        let daemon = start(kind, &world, &[("DISTCC_CMDLIST", list), ("DISTCCD_PATH", &folder)]);
        // It is the list's file that runs, whatever stands in front of the name.
        assert_eq!(exit_code(&daemon, "gcc -c a.c -o a.o"), Some(7), "{kind:?}");
        assert_eq!(exit_code(&daemon, "/else/where/gcc -c a.c -o a.o"), Some(7), "{kind:?}");
        assert_eq!(exit_code(&daemon, "mine -c a.c -o a.o"), Some(7), "{kind:?}");
        assert_eq!(exit_code(&daemon, "cc -c a.c -o a.o"), None, "{kind:?}");

        let world = World::new();
        let variables = [("DISTCC_CMDLIST", list), ("DISTCC_CMDLIST_NUMWORDS", "2")];
        let daemon = start(kind, &world, &variables);
        assert_eq!(exit_code(&daemon, "/else/bin/gcc -c a.c -o a.o"), Some(7), "{kind:?}");
        assert_eq!(exit_code(&daemon, "/else/where/gcc -c a.c -o a.o"), None, "{kind:?}");
        assert_eq!(exit_code(&daemon, "gcc -c a.c -o a.o"), None, "{kind:?}");
    }
}

#[test]
fn compilers_are_found_by_path_unless_the_servers_own_is_set() {
    for kind in BOTH {
        let world = World::new();
        let first = format!("{}:{SYSTEM_PATH}", failing_compilers(&world, "first", &["gcc"], 7));
        let second = format!("{}:{SYSTEM_PATH}", failing_compilers(&world, "second", &["gcc"], 8));
        for (variables, code) in [
            (&[("PATH", first.as_str())][..], 7),
            (&[("PATH", &first), ("DISTCCD_PATH", &second)], 8),
            (&[("DISTCCD_PATH", &first)], 7),
        ] {
            let world = World::new();
            let daemon = start(kind, &world, variables);
            assert_eq!(exit_code(&daemon, "gcc -c a.c -o a.o"), Some(code), "{kind:?}");
        }
    }
}

/// How many files and folders are below a folder, locks of ours not counted.
fn n_files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.path().is_dir() {
            true => n_files(&entry.path()),
            false => usize::from(entry.file_name() != "lock"),
        })
        .sum()
}

#[test]
fn temporary_files_are_in_the_folder_that_is_named_and_stay_if_asked_for() {
    for kind in BOTH {
        for (value, stays) in [(None, false), (Some("0"), false), (Some("1"), true)] {
            let world = World::new();
            let temporary = world.open_folder("temporary");
            let mut variables = vec![("TMPDIR", temporary.to_str().unwrap())];
            variables.extend(value.map(|value| ("DISTCC_SAVE_TEMPS", value)));
            let daemon = start(kind, &world, &variables);
            assert_eq!(exit_code(&daemon, "gcc -c a.c -o a.o"), Some(0), "{kind:?}");
            daemon.wait_for_line("COMPILE_OK");
            match stays {
                true => assert!(n_files(&temporary) > 1, "{kind:?} {value:?}"),
                false => wait_until("nothing is left", || n_files(&temporary) == 0),
            }
        }
    }
}

#[test]
fn a_client_that_falls_silent_is_given_up_after_the_time() {
    // 3.4 reads the variable, and waits for ever, whether in the request or in the source.
    let head = "DIST00000001ARGC00000003";
    let half = "DIST00000001ARGC00000003ARGV00000003gccARGV00000002-cARGV00000003a.cDOTI00000100x";
    for request in [head, half] {
        let world = World::new();
        let daemon = start(Kind::Ours, &world, &[("DISTCC_IO_TIMEOUT", "1")]);
        let mut client = connect(daemon.port);
        client.write_all(request.as_bytes()).unwrap();
        // Until the server hangs up.
        let said = read_to_end(&mut client);
        let said = String::from_utf8_lossy(&said);
        assert!(said.starts_with("DONE00000001STAT00007600"), "{said}");
        daemon.wait_for_line(" CLI_DISCONN ");
    }
}

#[test]
fn a_time_that_is_no_number_is_said() {
    // 3.4 ends with 101; so does it for 0, which is no limit here.
    let world = World::new();
    let daemon = start(Kind::Ours, &world, &[("DISTCC_IO_TIMEOUT", "soon")]);
    daemon.wait_for_line("Warning: DISTCC_IO_TIMEOUT=`soon` is no number");
    assert_eq!(exit_code(&daemon, "gcc -c a.c -o a.o"), Some(0));
}

#[test]
fn what_only_tunes_the_connection_changes_nothing_else() {
    for kind in BOTH {
        for value in ["0", "1"] {
            let world = World::new();
            let variables = [("DISTCC_TCP_CORK", value), ("DISTCC_TCP_DEFER_ACCEPT", value)];
            let daemon = start(kind, &world, &variables);
            assert_eq!(exit_code(&daemon, "gcc -c a.c -o a.o"), Some(0), "{kind:?} {value}");
        }
    }
}
