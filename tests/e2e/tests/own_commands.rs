//! Questions to distcc itself: `--help`, `--version`, `--show-hosts`, `-j`, asked of the original
//! first. The others are in `exit_codes`, `variables`, `explain` and `report`.

mod common;

use std::path::PathBuf;

use common::{Ran, World};
use support::{Kind, Server, ServerOptions, program};

fn ask(hosts: &str, question: &str) -> [Ran; 2] {
    [PathBuf::from("/usr/bin/distcc"), program("distcc")]
        .map(|client| World::new().run(client, hosts, &[question]))
}

#[test]
fn help_and_version_go_to_standard_output() {
    for question in ["--help", "--version"] {
        for ran in ask("red", question) {
            assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
            let part = if question == "--help" { "--show-hosts" } else { "protocols 1" };
            assert!(ran.stdout.contains(part), "{}", ran.stdout);
        }
    }
}

#[test]
fn help_names_every_option_of_the_manual_page() {
    let page = support::workspace().join("docs/man/distcc.1");
    let page = std::fs::read_to_string(page).unwrap().replace("\\-", "-");
    let [original, ours] = ask("red", "--help");
    for option in
        ["--help", "--version", "--show-hosts", "-j", "--scan-includes", "--show-principal"]
    {
        for text in [&original.stdout, &ours.stdout, &page] {
            assert!(text.contains(option), "{option} is not in:\n{text}");
        }
    }
}

#[test]
fn servers_say_how_many_jobs_they_take() {
    let world = World::new();
    let start = |kind, n_jobs| {
        world.server(&format!("{kind:?}"), &ServerOptions { n_jobs, ..ServerOptions::new(kind) })
    };
    let (ours, original) = (start(Kind::Ours, 3), start(Kind::Original, 3));
    let host = |server: &Server, limit: u32| server.host(&format!("/{limit}"));
    let ask = |hosts: &str| world.run(program("distcc"), hosts, &["-j"]);
    let (most, least) = (host(&ours, 8), host(&ours, 2));
    for (hosts, expected) in [
        (most.clone(), "3\n"),
        (least.clone(), "2\n"),
        (format!("{most} {least} 127.0.0.1:1/7 localhost/2 me@green/2:cmd"), "9\n"),
        // That one says nothing.
        (host(&original, 6), "6\n"),
        (format!("{},down {least}", host(&original, 6)), "2\n"),
        ("127.0.0.1:1/7 localhost/2".to_owned(), "9\n"),
    ] {
        let ran = ask(&hosts);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, expected), "{hosts}: {}", ran.stderr);
    }
    assert!(ask("127.0.0.1:1/7").stderr.contains("[connection-refused]"));
}

#[test]
fn without_an_answer_the_number_of_jobs_is_the_originals() {
    for hosts in [
        "red",
        "localhost",
        "red blue:4000/3,lzo localhost/2 --localslots=5 me@green/2:cmd",
        "red/3:4000 [::1]:99/7 --randomize # and/9",
        "127.0.0.1,lzo 127.0.0.1/5,cpp,lzo",
    ] {
        let [original, ours] = ask(hosts, "-j");
        assert_eq!((original.code, original.stdout.lines().count()), (0, 1), "{hosts}");
        assert_eq!((ours.code, &ours.stdout), (0, &original.stdout), "{hosts}");
    }
}

#[test]
fn the_hosts_shown_are_the_originals_written_in_full() {
    let hosts = "red blue:4000/3,lzo localhost/2 me@green/2:cmd [::1]:99/2 127.0.0.1,lzo,cpp \
                 grey,down --localslots=5 # and others";
    let [original, ours] = ask(hosts, "--show-hosts");
    assert_eq!((original.code, ours.code), (0, 0));
    assert_eq!(
        original.stdout.lines().collect::<Vec<_>>(),
        [
            "red",
            "blue:4000/3,lzo",
            "localhost/2",
            "me@green/2:cmd",
            "[::1]:99/2",
            "127.0.0.1,lzo,cpp",
            "grey,down",
        ]
    );
    assert_eq!(
        ours.stdout.lines().collect::<Vec<_>>(),
        [
            "red:3632/4",
            "blue:4000/3,lzo",
            "localhost/2",
            "me@green/2:cmd",
            "[::1]:99/2",
            "127.0.0.1:3632/4,lzo,cpp",
            "grey:3632/4,down",
        ]
    );
    // Either reads what the other shows, and means the same by it.
    for list in [&original.stdout, &ours.stdout] {
        assert_eq!(ask(list, "--show-hosts")[1].stdout, ours.stdout);
    }
    let shown = &ask(&ours.stdout, "--show-hosts")[0];
    assert_eq!(shown.stdout, ours.stdout);
}

#[test]
fn without_a_list_the_original_is_silent_and_ours_says_so() {
    for question in ["--show-hosts", "-j"] {
        for (hosts, code, words) in
            [("", 116, "the host list is empty"), ("red/0", 106, "bad host `red/0`")]
        {
            let [original, ours] = ask(hosts, question);
            assert_eq!((original.code, original.stdout.as_str()), (0, ""));
            assert_eq!((ours.code, ours.stdout.as_str()), (code, ""));
            assert!(ours.stderr.contains(words), "{}", ours.stderr);
        }
    }
}
