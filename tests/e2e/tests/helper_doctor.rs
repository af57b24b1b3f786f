//! `distccd --doctor` on a helper's own machine: it finds what keeps it from helping, and what it prints
//! mends it.

mod common;

use common::World;
use common::machine::Machine;
use netns::Lab;
use serde_json::Value;

/// A helper, `red`, on a network.
struct Helper {
    _world: World,
    red: Machine,
    _lab: Lab,
}

impl Helper {
    fn new() -> Helper {
        let world = World::new();
        let lab = Lab::new(&["client", "red"]);
        let red = Machine::start(&world, lab.host("red"));
        Helper { _world: world, red, _lab: lab }
    }

    /// What the doctor says, and its exit status.
    #[track_caller]
    fn doctor(&self) -> (Value, i32) {
        let ran = self.red.run("distccd --doctor --json");
        let json = serde_json::from_str(&ran.stdout);
        (json.unwrap_or_else(|error| panic!("{error}: {}{}", ran.stdout, ran.stderr)), ran.code)
    }

    /// The doctor finds `code` and nothing else, and the commands that it prints mend it.
    #[track_caller]
    fn check(&self, code: &str) {
        let (json, status) = self.doctor();
        let findings = json["findings"].as_array().unwrap();
        let failed: Vec<&Value> =
            findings.iter().filter(|finding| finding["status"] == "failed").collect();
        assert_eq!(status, 2, "{json}");
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert_eq!(failed[0]["code"], code, "{failed:?}");
        for command in failed[0]["remedy"]["commands"].as_array().unwrap() {
            self.red.must(command.as_str().unwrap());
        }
        let (json, status) = self.doctor();
        assert_eq!((&json["serves"], status), (&Value::Bool(true), 0), "{json}");
    }
}

#[test]
fn a_server_that_does_not_run_is_started() {
    let helper = Helper::new();
    helper.red.must("update-distcc-symlinks");
    helper.check("server-not-running");
}

#[test]
fn a_server_for_itself_alone_is_opened_to_its_network() {
    let helper = Helper::new();
    helper.red.must("update-distcc-symlinks && distccd --daemon --allow 127.0.0.1 --jobs 3");
    helper.check("serves-nobody-else");
    // With what it had been told before.
    let (json, _) = helper.doctor();
    let findings = json["findings"].as_array().unwrap();
    let capacity = findings.iter().find(|finding| finding["check"] == "capacity").unwrap();
    assert_eq!(capacity["data"]["jobs"], 3, "{json}");
}

#[test]
fn compilers_that_nobody_may_run_are_listed() {
    let helper = Helper::new();
    helper
        .red
        .must("update-distcc-symlinks && distccd --daemon --allow 10.77.0.0/24 --allow 127.0.0.1");
    helper.red.must("rm -rf /usr/lib/distcc/*");
    helper.check("no-compiler-allowed");
}

#[test]
fn a_full_disk_is_left_for_another() {
    let helper = Helper::new();
    helper.red.must(
        "update-distcc-symlinks && mkdir $HOME/small && mount -t tmpfs -o size=1m none $HOME/small \
         && chmod 1777 $HOME/small && TMPDIR=$HOME/small distccd --daemon --allow-private",
    );
    // The server refuses the probes as well, for that very reason.
    let (json, status) = helper.doctor();
    assert_eq!(status, 2, "{json}");
    let findings = json["findings"].as_array().unwrap();
    let full = findings.iter().find(|finding| finding["code"] == "server-disk-full").unwrap();
    helper.red.must(full["remedy"]["commands"][0].as_str().unwrap());
    let (json, status) = helper.doctor();
    assert_eq!((&json["serves"], status), (&Value::Bool(true), 0), "{json}");
}
