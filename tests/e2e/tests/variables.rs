//! Every environment variable of distcc and distccd. [`TABLE`] names the test of each, here or
//! elsewhere, and a test compares it with the manual pages. What distcc 3.4 does likewise is shown
//! on it first.

mod common;

use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use common::held::Held;
use common::{Ran, World, finish};
use support::{Kind, Recorder, Server, ServerOptions, program, script, wait_until};

const HERE: &str = "tests/e2e/tests/variables.rs";
const SYSTEMD: &str = "tests/e2e/tests/systemd.rs";
const SERVER_JOBS: &str = "programs/distccd/tests/jobs.rs";
const CLEAN: &str = "a_compiler_works_in_its_own_folder_with_nothing_of_the_daemons";
const COLORS: &str = "colors_are_for_terminals_that_show_them";
const SETTINGS: &str = "crates/roles/client/src/settings.rs";
const MESSAGES: &str = "what_only_changes_messages_changes_no_object";

const STAYS: &str = "variables_that_change_objects_keep_jobs_here";

/// A variable, and the file and name of a test that fails when it has no effect, or none that it
/// must not have.
const TABLE: &[(&str, &str, &str)] = &[
    // The client's own.
    ("DISTCC_HOSTS", HERE, "the_host_list_comes_from_the_first_place_that_has_one"),
    ("DISTCC_DIR", HERE, "the_state_folder_is_where_the_variables_say"),
    ("HOME", HERE, "the_state_folder_is_where_the_variables_say"),
    ("DISTCC_VERBOSE", HERE, "verbose_clients_say_more"),
    ("DISTCC_LOG", HERE, "messages_go_to_the_log_the_descriptor_or_standard_error"),
    ("UNCACHED_ERR_FD", HERE, "messages_go_to_the_log_the_descriptor_or_standard_error"),
    ("DISTCC_FALLBACK", HERE, "without_fallback_what_no_host_does_fails"),
    ("DISTCC_STRICT", "tests/e2e/tests/strict.rs", "a_compile_that_stays_fails_with_its_reason"),
    (
        "DISTCC_INEXACT_DEBUG",
        "tests/e2e/tests/debug.rs",
        "another_server_does_not_get_what_it_would_make_otherwise",
    ),
    ("DISTCC_AGENT", "tests/e2e/tests/pump_mode.rs", "who_wants_no_agent_has_none"),
    (
        "DISTCC_VERIFY",
        "tests/e2e/tests/pump_mode.rs",
        "what_is_verified_is_compared_and_the_local_one_stays",
    ),
    ("DISTCC_BACKOFF_PERIOD", HERE, "a_host_is_left_alone_for_the_period"),
    ("DISTCC_IO_TIMEOUT", HERE, "a_silent_host_is_given_up_after_the_time"),
    ("DISTCC_PAUSE_TIME_MSEC", HERE, "a_client_looks_for_a_slot_again_after_the_pause"),
    ("DISTCC_SAVE_TEMPS", HERE, "temporary_files_stay_if_asked_for"),
    ("TMPDIR", HERE, "temporary_files_stay_if_asked_for"),
    ("DISTCC_SKIP_LOCAL_RETRY", HERE, "errors_are_compiled_again_here_as_the_variable_says"),
    ("PATH", HERE, "errors_are_compiled_again_here_as_the_variable_says"),
    ("DISTCC_NO_REWRITE_CROSS", HERE, "with_no_rewrite_cross_names_are_sent_as_they_are"),
    ("DISTCC_SSH", "tests/e2e/tests/ssh.rs", "ssh_is_called_word_for_word_as_by_the_original"),
    ("DISTCC_PRINCIPAL", HERE, "the_principal_is_shown_as_the_original_shows_it"),
    ("NO_COLOR", SETTINGS, COLORS),
    ("GCC_COLORS", SETTINGS, COLORS),
    ("_DISTCC_SAFEGUARD", "tests/e2e/tests/exit_codes.rs", "distcc_inside_itself_for_ever"),
    ("INCLUDE_SERVER_PORT", HERE, "variables_without_effect_have_none"),
    ("INCLUDE_SERVER_PID", HERE, "variables_without_effect_have_none"),
    ("DISTCC_TCP_CORK", HERE, "variables_without_effect_have_none"),
    ("DISTCC_MMAP", HERE, "variables_without_effect_have_none"),
    ("DISTCC_MAX_DISCREPANCY", HERE, "variables_without_effect_have_none"),
    ("DISTCC_EXCLUDE_FRESH_FILES", HERE, "variables_without_effect_have_none"),
    ("DISTCC_ENABLE_DISCREPANCY_EMAIL", HERE, "variables_without_effect_have_none"),
    ("DISTCC_EMAILLOG_WHOM_TO_BLAME", HERE, "variables_without_effect_have_none"),
    ("HOST", HERE, "variables_without_effect_have_none"),
    // Compilers' own.
    ("CPATH", HERE, "folders_of_headers_act_in_the_preprocessor_here"),
    ("C_INCLUDE_PATH", HERE, "folders_of_headers_act_in_the_preprocessor_here"),
    ("CPLUS_INCLUDE_PATH", HERE, "folders_of_headers_act_in_the_preprocessor_here"),
    ("SOURCE_DATE_EPOCH", HERE, "the_date_of_the_source_is_that_of_this_machine"),
    ("DEPENDENCIES_OUTPUT", HERE, "rules_for_make_are_written_as_the_compiler_alone_writes_them"),
    ("SUNPRO_DEPENDENCIES", HERE, "rules_for_make_are_written_as_the_compiler_alone_writes_them"),
    ("LANG", HERE, MESSAGES),
    ("LC_ALL", HERE, MESSAGES),
    ("COLUMNS", HERE, MESSAGES),
    ("GCC_EXEC_PREFIX", HERE, STAYS),
    ("COMPILER_PATH", HERE, STAYS),
    ("CCC_OVERRIDE_OPTIONS", HERE, STAYS),
    ("QA_OVERRIDE_GCC3_OPTIONS", HERE, STAYS),
    // The server's.
    (
        "DISTCC_CMDLIST",
        "tests/e2e/tests/server_variables.rs",
        "the_list_of_commands_says_which_compilers_run",
    ),
    (
        "DISTCC_CMDLIST_NUMWORDS",
        "tests/e2e/tests/server_variables.rs",
        "the_list_of_commands_says_which_compilers_run",
    ),
    (
        "DISTCC_TCP_DEFER_ACCEPT",
        "tests/e2e/tests/server_variables.rs",
        "what_only_tunes_the_connection_changes_nothing_else",
    ),
    ("LISTEN_FDS", SYSTEMD, "a_socket_that_is_handed_over_is_served"),
    ("LISTEN_PID", SYSTEMD, "a_socket_that_is_handed_over_is_served"),
    ("LISTEN_FDNAMES", SYSTEMD, "a_socket_unit_starts_the_service_for_the_first_client"),
    ("NOTIFY_SOCKET", SYSTEMD, "the_service_runs_hardened_with_its_sandbox"),
    ("DISTCCD_PRINCIPAL", "tests/e2e/tests/server_options.rs", "the_principal_is_shown"),
    (
        "DISTCCD_PATH",
        "tests/e2e/tests/server_variables.rs",
        "compilers_are_found_by_path_unless_the_servers_own_is_set",
    ),
    ("USER", SERVER_JOBS, CLEAN),
    ("LOGNAME", SERVER_JOBS, CLEAN),
    ("LANGUAGE", SERVER_JOBS, CLEAN),
    ("LC_", SERVER_JOBS, CLEAN),
    ("LD_LIBRARY_PATH", SERVER_JOBS, CLEAN),
    ("TZ", SERVER_JOBS, CLEAN),
];

const ORIGINAL: &str = "/usr/bin/distcc";
const SOURCE: &str = "int answer(void) { return 42; }\n";
const DEAD: &str = "127.0.0.1:1";

fn clients() -> [PathBuf; 2] {
    [ORIGINAL.into(), program("distcc")]
}

fn is_ours(client: &Path) -> bool {
    client != Path::new(ORIGINAL)
}

/// Compiles `a.c` with the variables.
fn compile(world: &World, client: &Path, hosts: &str, variables: &[(&str, &str)]) -> Ran {
    world.write("a.c", SOURCE);
    let mut command = world.command(client);
    command.env("DISTCC_HOSTS", hosts).envs(variables.iter().copied());
    finish(command.args(["gcc", "-c", "a.c"]))
}

fn server(world: &World) -> Server {
    world.server("server", &ServerOptions::new(Kind::Ours))
}

#[test]
fn the_table_has_every_variable_of_the_manual_pages() {
    let root = support::workspace();
    for (variable, file, test) in TABLE {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        assert!(text.contains(&format!("fn {test}()")), "{variable}: no {test} in {file}");
    }
    for page in ["distcc.1", "distccd.1"] {
        let page = std::fs::read_to_string(root.join("docs/man").join(page)).unwrap();
        let section = page.split(".SH ENVIRONMENT\n").nth(1).unwrap();
        let section = section.split("\n.SH").next().unwrap();
        let names = section
            .lines()
            .filter(|line| line.starts_with(".B ") || line.starts_with(".BR "))
            // What stands in quotes is text, or the name of a section.
            .filter(|line| !line.starts_with(".BR \""))
            .flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
            .filter(|word| word.len() > 1 && !["BR", "AND"].contains(word))
            .filter(|word| word.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
        let mut n_names = 0;
        for name in names {
            n_names += 1;
            assert!(TABLE.iter().any(|(variable, ..)| *variable == name), "{name} has no test");
        }
        assert!(n_names > 8, "{section}");
    }
}

#[test]
fn the_host_list_comes_from_the_first_place_that_has_one() {
    for client in clients() {
        let world = World::new();
        let home = world.folder("home");
        std::fs::create_dir(home.join(".distcc")).unwrap();
        std::fs::write(home.join(".distcc/hosts"), "home:1/1\n").unwrap();
        std::fs::write(world.state().join("hosts"), "state:2/2\n").unwrap();
        let show = |remove: &[&str]| {
            let mut command = world.command(&client);
            command.env("HOME", &home).env("DISTCC_HOSTS", "variable:3/3").arg("--show-hosts");
            for name in remove {
                command.env_remove(name);
            }
            finish(&mut command).stdout
        };
        assert_eq!(show(&[]), "variable:3/3\n");
        assert_eq!(show(&["DISTCC_HOSTS"]), "state:2/2\n");
        assert_eq!(show(&["DISTCC_HOSTS", "DISTCC_DIR"]), "home:1/1\n");
    }
}

#[test]
fn the_state_folder_is_where_the_variables_say() {
    for client in clients() {
        let world = World::new();
        world.write("a.c", SOURCE);
        let (home, named) = (world.folder("home"), world.folder("named"));
        for (variables, folder) in [
            (vec![("HOME", &home)], home.join(".distcc")),
            (vec![("HOME", &home), ("DISTCC_DIR", &named)], named.clone()),
        ] {
            let mut command = world.command(&client);
            command.env_remove("DISTCC_DIR").env("DISTCC_HOSTS", DEAD).envs(variables);
            let ran = finish(command.args(["gcc", "-c", "a.c"]));
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            assert!(folder.join("lock/backoff_tcp_127.0.0.1_1_0").exists());
        }
    }
}

#[test]
fn verbose_clients_say_more() {
    for client in clients() {
        for (value, is_verbose) in [("1", true), ("0", false), ("", false)] {
            let ran = compile(&World::new(), &client, "localhost", &[("DISTCC_VERBOSE", value)]);
            assert_eq!((ran.code, !ran.stderr.is_empty()), (0, is_verbose), "{}", ran.stderr);
        }
    }
}

#[test]
fn messages_go_to_the_log_the_descriptor_or_standard_error() {
    for client in clients() {
        for (n_messages, variables) in [
            ([0, 0, 1], &[][..]),
            ([0, 1, 0], &["UNCACHED_ERR_FD=7"]),
            // Not open; no number.
            ([0, 0, 1], &["UNCACHED_ERR_FD=8"]),
            ([0, 0, 1], &["UNCACHED_ERR_FD=seven"]),
            ([1, 0, 0], &["DISTCC_LOG=../log"]),
            ([1, 0, 0], &["DISTCC_LOG=../log", "UNCACHED_ERR_FD=7"]),
        ] {
            let world = World::new();
            world.write("a.c", SOURCE);
            world.write("log", "");
            // 8 is what nobody opened, as long as the shell closes it.
            let text = "exec env \"$@\" 7>fd7 8>&-";
            let mut command = world.command("/bin/sh");
            command.args(["-c", text, "sh"]).args(variables).arg(&client);
            command.env("DISTCC_HOSTS", DEAD).args(["gcc", "-c", "a.c"]);
            let ran = finish(&mut command);
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            let log = world.state().parent().unwrap().join("log");
            let log = std::fs::read_to_string(log).unwrap_or_default();
            let fd7 = String::from_utf8(world.read("fd7")).unwrap();
            let found = [&log, &fd7, &ran.stderr].map(|text| {
                text.lines().filter(|line| line.contains("failed to distribute a.c")).count()
            });
            // 3.4 says nothing where the descriptor is no number.
            if is_ours(&client) || variables != ["UNCACHED_ERR_FD=seven"] {
                assert_eq!(found, n_messages, "{client:?} {variables:?}\n{}", ran.stderr);
            }
        }
    }
}

#[test]
fn without_fallback_what_no_host_does_fails() {
    for client in clients() {
        for (value, is_done) in [("0", false), ("1", true)] {
            let world = World::new();
            let ran = compile(&world, &client, DEAD, &[("DISTCC_FALLBACK", value)]);
            assert_eq!((ran.code == 0, world.has("a.o")), (is_done, is_done), "{}", ran.stderr);
        }
    }
}

#[test]
fn a_host_is_left_alone_for_the_period() {
    for client in clients() {
        let world = World::new();
        compile(&world, &client, DEAD, &[]);
        let stamp = world.state().join("lock/backoff_tcp_127.0.0.1_1_0");
        let then = SystemTime::now() - Duration::from_secs(30);
        for (period, is_tried) in [("60", false), ("3000", false), ("10", true)] {
            let file = std::fs::File::options().write(true).open(&stamp).unwrap();
            file.set_modified(then).unwrap();
            let ran = compile(&world, &client, DEAD, &[("DISTCC_BACKOFF_PERIOD", period)]);
            // Who tries it finds it dead, and stamps it anew.
            let stamped = std::fs::metadata(&stamp).unwrap().modified().unwrap();
            let is_new = stamped > then + Duration::from_secs(15);
            assert_eq!(is_new, is_tried, "{client:?} {period}: {}", ran.stderr);
        }
    }
}

#[test]
fn a_silent_host_is_given_up_after_the_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
    // Ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || while stream.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {});
        }
    });
    for client in clients() {
        let world = World::new();
        let start = Instant::now();
        let ran = compile(&world, &client, &host, &[("DISTCC_IO_TIMEOUT", "1")]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stderr.contains("running locally instead"), "{}", ran.stderr);
        assert!(start.elapsed() < Duration::from_secs(200), "less than the default of 300 s");
    }
}

#[test]
fn a_client_looks_for_a_slot_again_after_the_pause() {
    for client in clients() {
        let world = World::new();
        let held = Held::new(&world, "held");
        let server = held.server(&world, "server", Kind::Ours);
        let start = |source: &str, client: &Path| {
            world.write(source, SOURCE);
            let mut command = world.command(client);
            command.env("DISTCC_HOSTS", server.host("/1")).env("DISTCC_PAUSE_TIME_MSEC", "5");
            command.env("DISTCC_VERBOSE", "1").env("DISTCC_LOG", format!("{source}.log"));
            command.args(["gcc", "-c", source]).spawn().unwrap()
        };
        let mut first = start("first.c", &client);
        wait_until("the slot is taken", || held.n_running() == 1);
        let mut second = start("second.c", &client);
        if !is_ours(&client) {
            wait_until("the second waits", || {
                world.has("second.c.log")
                    && String::from_utf8_lossy(&world.read("second.c.log")).contains("5ms")
            });
        }
        held.release();
        assert!(first.wait().unwrap().success() && second.wait().unwrap().success());
        server.wait_for_compiled(2);
    }
}

#[test]
fn temporary_files_stay_if_asked_for() {
    for client in clients() {
        for (value, stay) in [("1", true), ("0", false)] {
            let world = World::new();
            let server = server(&world);
            let temporary = world.folder("temporary");
            let variables = [("DISTCC_SAVE_TEMPS", value), ("TMPDIR", temporary.to_str().unwrap())];
            let ran = compile(&world, &client, &server.host(""), &variables);
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            let sources: Vec<PathBuf> = std::fs::read_dir(&temporary)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|extension| extension == "i"))
                .collect();
            assert_eq!(sources.len(), usize::from(stay), "{client:?}");
            for source in sources {
                let text = std::fs::read_to_string(&source).unwrap();
                assert!(text.contains("# 1 \"a.c\"") && text.contains("return 42"), "{text}");
                let says = format!("the preprocessed source of a.c in {}", source.display());
                assert_eq!(ran.stderr.contains(&says), is_ours(&client), "{}", ran.stderr);
            }
        }
    }
}

#[test]
fn errors_are_compiled_again_here_as_the_variable_says() {
    for (client, default) in clients().into_iter().zip([true, true]) {
        for (value, expected) in [(None, default), (Some("1"), false), (Some("0"), true)] {
            // 3.4 looks only whether it is set.
            if value == Some("0") && !is_ours(&client) {
                continue;
            }
            let world = World::new();
            let server = server(&world);
            let recorder =
                Recorder::new(&world.folder("compilers"), &["gcc", "x86_64-linux-gnu-gcc"]);
            world.write("bad.c", "int answer(void) { return forty_two; }\n");
            let mut command = world.command(&client);
            command.env("PATH", recorder.search_path()).env("DISTCC_HOSTS", server.host(""));
            command.envs(value.map(|value| ("DISTCC_SKIP_LOCAL_RETRY", value)));
            let ran = finish(command.args(["gcc", "-c", "bad.c"]));
            assert_eq!(ran.code, 1, "{}", ran.stderr);
            assert_eq!(!recorder.compiles().is_empty(), expected, "{client:?} {value:?}");
            assert!(ran.stderr.contains("forty_two"), "{}", ran.stderr);
            assert!(!recorder.commands().is_empty(), "the preprocessor is the one in PATH");
        }
    }
}

#[test]
fn with_no_rewrite_cross_names_are_sent_as_they_are() {
    for client in clients() {
        let world = World::new();
        let folder = world.open_folder("compilers");
        let recorder = Recorder::new(&folder, &["gcc", "x86_64-linux-gnu-gcc"]);
        let mut options = ServerOptions::new(Kind::Ours);
        options.path = Some(recorder.search_path());
        let server = world.server("server", &options);
        let variables = [("DISTCC_NO_REWRITE_CROSS", "1")];
        let ran = compile(&world, &client, &server.host(""), &variables);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        let compiles = recorder.compiles();
        assert_eq!(compiles.len(), 1);
        assert!(compiles[0].starts_with("gcc "), "{compiles:?}");
    }
}

#[test]
fn the_principal_is_shown_as_the_original_shows_it() {
    for variables in [&[][..], &[("DISTCC_PRINCIPAL", "distccd@red")]] {
        let [original, ours] = clients().map(|client| {
            let world = World::new();
            let mut command = world.command(client);
            finish(command.envs(variables.iter().copied()).arg("--show-principal"))
        });
        assert_eq!((ours.code, ours.stdout), (original.code, original.stdout));
        assert_eq!(ours.stderr, original.stderr);
    }
}

#[test]
fn variables_without_effect_have_none() {
    for client in clients() {
        let world = World::new();
        let server = server(&world);
        let variables = [
            ("DISTCC_TCP_CORK", "0"),
            ("DISTCC_MMAP", "0"),
            ("DISTCC_MAX_DISCREPANCY", "3"),
            ("DISTCC_EXCLUDE_FRESH_FILES", "1"),
            ("DISTCC_ENABLE_DISCREPANCY_EMAIL", "1"),
            ("DISTCC_EMAILLOG_WHOM_TO_BLAME", "nobody"),
            ("HOST", "odd"),
            ("INCLUDE_SERVER_PORT", "/nowhere"),
            ("INCLUDE_SERVER_PID", "1"),
        ];
        let ran = compile(&world, &client, &server.host(""), &variables);
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));
        server.wait_for_compiled(1);
        world.check_object("gcc", &["-c", "a.c"], "a.o");
    }
}

/// Compiles `source` on a server and by the compiler alone, with the variables, and checks that
/// the objects are equal. Returns them.
#[track_caller]
fn compile_both_ways(
    world: &World,
    client: &Path,
    (compiler, source): (&str, &str),
    variables: &[(&str, &str)],
) -> Vec<u8> {
    let server = server(world);
    let words = ["-O1", "-c", source, "-o", "a.o"];
    let mut command = world.command(client);
    command.env("DISTCC_HOSTS", server.host("")).envs(variables.iter().copied());
    let ran = finish(command.arg(compiler).args(words));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    server.wait_for_compiled(1);
    let object = world.read("a.o");
    let mut command = world.command(compiler);
    let ran = finish(command.envs(variables.iter().copied()).args(words));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(object == world.read("a.o"), "{client:?} {variables:?}: the objects differ");
    object
}

#[test]
fn folders_of_headers_act_in_the_preprocessor_here() {
    for client in clients() {
        for (variable, compiler, source) in [
            ("CPATH", "gcc", "a.c"),
            ("CPATH", "g++", "a.cc"),
            ("C_INCLUDE_PATH", "gcc", "a.c"),
            ("CPLUS_INCLUDE_PATH", "g++", "a.cc"),
        ] {
            let world = World::new();
            let headers = world.folder("headers");
            std::fs::write(headers.join("answer.h"), "#define ANSWER 42\n").unwrap();
            world.write(source, "#include <answer.h>\nint answer(void) { return ANSWER; }\n");
            let variables = [(variable, headers.to_str().unwrap())];
            compile_both_ways(&world, &client, (compiler, source), &variables);
        }
    }
}

#[test]
fn the_date_of_the_source_is_that_of_this_machine() {
    for client in clients() {
        let world = World::new();
        world.write("a.c", "const char when[] = __DATE__ \" \" __TIME__;\n");
        let variables = [("SOURCE_DATE_EPOCH", "86400"), ("TZ", "UTC")];
        let object = compile_both_ways(&world, &client, ("gcc", "a.c"), &variables);
        let date = b"Jan  2 1970 00:00:00";
        assert!(object.windows(date.len()).any(|part| part == date));
    }
}

#[test]
fn rules_for_make_are_written_as_the_compiler_alone_writes_them() {
    const HEADER: &str = "#define ANSWER 42\n";
    const GOOD: &str = "#include \"a.h\"\nint answer(void) { return ANSWER; }\n";
    // What ours compiles again here once it has seen the text: its rule is there already.
    const STAYS: &str = "#include \"a.h\"\n__asm__(\".incbin \\\"a.h\\\"\");\n";
    for variable in ["DEPENDENCIES_OUTPUT", "SUNPRO_DEPENDENCIES"] {
        for suffix in ["", " target"] {
            for (client, source) in
                [(ORIGINAL.into(), GOOD), (program("distcc"), GOOD), (program("distcc"), STAYS)]
            {
                let world = World::new();
                let server = server(&world);
                world.write("a.h", HEADER);
                world.write("a.c", source);
                let words = ["gcc", "-c", "a.c", "-o", "b.o"];
                let mut command = world.command(&client);
                command.env("DISTCC_HOSTS", server.host(""));
                command.env(variable, format!("ours.d{suffix}"));
                let ran = finish(command.args(words));
                assert_eq!(ran.code, 0, "{}", ran.stderr);
                let mut command = world.command(words[0]);
                command.env(variable, format!("alone.d{suffix}"));
                assert_eq!(finish(command.args(&words[1..])).code, 0);
                let [ours, alone] =
                    ["ours.d", "alone.d"].map(|file| String::from_utf8(world.read(file)).unwrap());
                assert_eq!(ours, alone, "{client:?} {variable}");
                assert!(alone.contains("a.h"), "{alone}");
            }
        }
    }
}

#[test]
fn what_only_changes_messages_changes_no_object() {
    for client in clients() {
        let world = World::new();
        world.write("a.c", "int answer(void) { int unused; return 42; }\n");
        let variables = [
            ("LANG", "de_DE.UTF-8"),
            ("LC_ALL", "C"),
            ("COLUMNS", "20"),
            ("GCC_COLORS", "error=01;31"),
        ];
        compile_both_ways(&world, &client, ("gcc", "a.c"), &variables);
    }
}

#[test]
fn variables_that_change_objects_keep_jobs_here() {
    let world = World::new();
    let server = server(&world);
    let clang = "int sum(int *a) { int s = 0; for (int i = 0; i < 9; i++) s += a[i]; return s; }\n";
    world.write("a.c", clang);
    let assembler = world.folder("parts").join("as");
    script(&assembler, "exec /usr/bin/as \"$@\" --defsym from_here=1");
    let parts = world.folder("parts").display().to_string();
    // Where gcc is built to look anyway.
    let prefix = finish(world.command("gcc").arg("-print-search-dirs")).stdout;
    let prefix = prefix.lines().find_map(|line| line.strip_prefix("install: ")).unwrap();
    let prefix = Path::new(prefix).ancestors().nth(2).unwrap().display().to_string() + "/";
    for (variable, value, compiler, code) in [
        ("GCC_EXEC_PREFIX", prefix.as_str(), "gcc", "compiler-parts"),
        ("COMPILER_PATH", &parts, "gcc", "compiler-parts"),
        ("CCC_OVERRIDE_OPTIONS", "#+-O3", "clang", "unknown-option"),
        ("QA_OVERRIDE_GCC3_OPTIONS", "#+-O3", "clang", "unknown-option"),
    ] {
        let mut command = world.command(program("distcc"));
        command.env("DISTCC_HOSTS", server.host("")).env("DISTCC_VERBOSE", "1");
        let ran = finish(command.env(variable, value).args([compiler, "-c", "a.c"]));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let says = format!("running it here: `{variable}` ");
        assert!(ran.stderr.contains(&says), "{}", ran.stderr);
        assert!(ran.stderr.contains(&format!("[{code}]")), "{}", ran.stderr);
        let object = world.read("a.o");
        let mut command = world.command(compiler);
        assert_eq!(finish(command.env(variable, value).args(["-c", "a.c"])).code, 0);
        assert!(object == world.read("a.o"), "{variable}");
    }
    assert_eq!(server.n_compiled(), 0);
    // What the original makes of it: not the local compiler's object.
    let mut command = world.command(ORIGINAL);
    command.env("DISTCC_HOSTS", server.host("")).env("COMPILER_PATH", &parts);
    assert_eq!(finish(command.args(["gcc", "-c", "a.c", "-o", "b.o"])).code, 0);
    let mut command = world.command("gcc");
    let words = ["-c", "a.c", "-o", "c.o"];
    assert_eq!(finish(command.env("COMPILER_PATH", &parts).args(words)).code, 0);
    assert!(world.read("b.o") != world.read("c.o"));
}

#[test]
fn a_script_that_stands_for_the_compiler_is_found_in_the_path() {
    for client in clients() {
        let world = World::new();
        let folder = world.folder("bin");
        script(&folder.join("my-cc"), "exit 7");
        let mut command = world.command(client);
        command.env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
        command.env("DISTCC_HOSTS", "localhost").args(["my-cc", "x.o"]);
        assert_eq!(finish(&mut command).code, 7);
    }
}
