//! The doctor finds what keeps a build at home, names it, and what it prints mends it.
//!
//! Each test plants one fault in a set-up of two machines, has the doctor look, runs the printed
//! commands as they stand on the machine that they are meant for, and has the doctor look again.

mod common;

use std::fmt::Write as _;

use common::World;
use common::machine::Machine;
use netns::Lab;
use serde_json::Value;

/// How a server is started where nothing is wrong with it.
const SERVER: &str = "distccd --daemon --allow 10.77.0.0/24 --allow fd77::/64";

/// What is not well, a line each.
fn shown(json: &Value) -> String {
    let findings = json["findings"].as_array().unwrap().iter();
    let bad = findings.filter(|finding| finding["status"] != "ok");
    bad.map(|finding| format!("{finding}\n")).collect()
}

/// A machine to build on, and a server, `red`, with all compilers allowed.
struct Clinic {
    world: World,
    client: Machine,
    red: Machine,
    /// The lines that were typed in the shell of the build.
    typed: String,
    lab: Lab,
}

impl Clinic {
    /// Two machines. What `red` runs is up to the test.
    fn open() -> Clinic {
        let world = World::new();
        let lab = Lab::new(&["client", "red"]);
        let (client, red) =
            (Machine::start(&world, lab.host("client")), Machine::start(&world, lab.host("red")));
        client.must("update-distcc-symlinks");
        red.must("update-distcc-symlinks");
        let mut clinic = Clinic { world, client, red, typed: String::new(), lab };
        clinic.types("export PATH=/usr/lib/distcc/bin:$PATH");
        clinic.types("export DISTCC_HOSTS=red/4");
        clinic
    }

    /// The same, with a server at work.
    fn with_server() -> Clinic {
        let clinic = Clinic::open();
        clinic.red.must(SERVER);
        clinic
    }

    fn types(&mut self, line: &str) {
        let _ = writeln!(self.typed, "{line}");
    }

    /// What the doctor says, and its exit status.
    #[track_caller]
    fn doctor(&self) -> (Value, i32) {
        let ran = self.client.run(&format!("{}distcc --doctor --json", self.typed));
        let json = serde_json::from_str(&ran.stdout);
        let json = json.unwrap_or_else(|error| panic!("{error}: {}{}", ran.stdout, ran.stderr));
        (json, ran.code)
    }

    /// What failed, by its code, the host and the machine to mend it on; with the commands.
    #[track_caller]
    fn failures(json: &Value) -> Vec<(String, String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let findings = json["findings"].as_array().unwrap().iter();
        findings
            .filter(|finding| finding["status"] == "failed")
            .map(|finding| {
                let remedy = &finding["remedy"];
                let commands = remedy["commands"].as_array().unwrap_or_else(|| {
                    panic!("no remedy: {finding}");
                });
                let commands: Vec<String> = commands.iter().map(text).collect();
                (text(&finding["code"]), text(&remedy["machine"]), commands.join("\n"))
            })
            .collect()
    }

    /// The doctor finds `code` and nothing else, and what it prints for `machine` mends it.
    #[track_caller]
    fn check(mut self, code: &str, machine: &str) {
        let (json, status) = self.doctor();
        let failures = Clinic::failures(&json);
        assert!(!failures.is_empty(), "nothing was found: {json}");
        assert_ne!(status, 0);
        let mut done: Vec<String> = Vec::new();
        for (found, on, commands) in failures {
            assert_eq!((found.as_str(), on.as_str()), (code, machine), "{}", shown(&json));
            if done.contains(&commands) {
                continue;
            }
            match on.as_str() {
                "this machine" => self.types(&commands),
                _ => self.red.must(&commands),
            }
            if code == "nothing-discovered" {
                // A server that has just started announces itself when it is ready to.
                self.client.must("until lsdistcc --zeroconf; do :; done");
            }
            done.push(commands);
        }
        self.check_green(&done.join("\n"));
    }

    #[track_caller]
    fn check_green(&self, done: &str) {
        let (json, status) = self.doctor();
        assert_eq!(
            (&json["green"], status),
            (&Value::Bool(true), 0),
            "after `{done}`:\n{}",
            shown(&json)
        );
    }
}

#[test]
fn where_all_is_well_the_doctor_is_green_and_an_object_is_made_on_the_server() {
    let clinic = Clinic::with_server();
    clinic.check_green("nothing");
    let (json, _) = clinic.doctor();
    assert_eq!(json["suggestion"]["hosts"], "red/4");
    assert_eq!(json["suggestion"]["jobs"], 4);
    let speedup = &json["suggestion"]["speedup"];
    let number = |name: &str| speedup[name].as_f64().unwrap_or_else(|| panic!("{json}"));
    assert!(number("times") >= 0.0 && number("job_ms_here") > 0.0, "{speedup}");
    assert!(number("rest_ms_here") > 0.0 && number("processors") >= 1.0, "{speedup}");
    let findings = json["findings"].as_array().unwrap();
    for check in ["connection", "server", "compiler gcc", "mode lzo", "mode pump"] {
        let is_it = |finding: &&Value| finding["check"] == check && finding["status"] == "ok";
        assert!(findings.iter().any(|finding| is_it(&finding)), "{check}: {}", shown(&json));
    }
    let text = clinic.client.run(&format!("{}distcc --doctor", clinic.typed));
    assert!(text.stdout.ends_with("all is well: a build distributes\n"), "{}", text.stdout);
    assert!(text.stdout.contains("\nto be expected: compiling is "), "{}", text.stdout);
}

/// The finding of `check` that is about a host.
#[track_caller]
fn of_host<'a>(json: &'a Value, check: &str) -> &'a Value {
    let mut findings = json["findings"].as_array().unwrap().iter();
    let found = findings.find(|finding| finding["check"] == check && !finding["host"].is_null());
    found.unwrap_or_else(|| panic!("no {check}: {json}"))
}

#[test]
fn a_server_of_ours_tells_its_slots_load_confinement_and_time() {
    let clinic = Clinic::open();
    clinic.red.must(&format!("{SERVER} --jobs 3"));
    let (json, _) = clinic.doctor();
    let load = &of_host(&json, "load")["data"];
    assert_eq!((&load["slots"], &load["waiting"]), (&3.into(), &0.into()), "{load}");
    assert!(load["processors"].as_u64() > Some(0) && load["load"].is_number(), "{load}");
    // Root may have namespaces everywhere.
    assert_eq!(of_host(&json, "sandbox")["data"]["level"], "namespaces");
    let clock = of_host(&json, "clock");
    let number = |name: &str| clock["data"][name].as_f64().unwrap();
    assert!(number("skew_ms").abs() <= number("uncertainty_ms") + 1.0, "{clock}");
}

#[test]
fn a_server_without_a_sandbox_is_told_of() {
    let clinic = Clinic::open();
    clinic.red.must(&format!("{SERVER} --sandbox off"));
    let (json, status) = clinic.doctor();
    let sandbox = of_host(&json, "sandbox");
    assert_eq!((&sandbox["code"], status), (&"sandbox-weak".into(), 0), "{sandbox}");
    assert_eq!(sandbox["remedy"]["machine"], "red");
}

#[test]
fn a_clock_that_is_an_hour_ahead_is_told_of() {
    let clinic = Clinic::open();
    // Its waits go by the clock that nobody sets, and that stays as it is.
    clinic.red.must(&format!(
        "export LD_PRELOAD=$(ls /usr/lib/*/faketime/libfaketime.so.1) && \
         FAKETIME=+1h FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_DISABLE_SHM=1 {SERVER}"
    ));
    let (json, status) = clinic.doctor();
    let clock = of_host(&json, "clock");
    // No failure: objects are the same.
    assert_eq!((&clock["code"], &clock["status"]), (&"clock-skew".into(), &"warning".into()));
    assert_eq!((&json["green"], status), (&Value::Bool(true), 0), "{}", shown(&json));
    let number = |name: &str| clock["data"][name].as_f64().unwrap();
    let off = (number("skew_ms") - 3_600_000.0).abs();
    assert!(off <= number("uncertainty_ms") + 1000.0, "{clock}");
    assert_eq!(clock["remedy"]["machine"], "red");
    assert_eq!(clock["remedy"]["commands"][0], "timedatectl set-ntp true");
}

/// The speed of a way is measured from what goes over it, so with one that is slowed down to `rate` the
/// doctor finds about that.
#[test]
fn the_speed_of_the_way_is_measured_in_both_directions() {
    for server in [SERVER.to_owned(), format!("/usr/bin/{SERVER}")] {
        let clinic = Clinic::open();
        clinic.red.must(&server);
        // Each direction is shaped where it begins.
        let shape = |rate| {
            format!(
                "dev=$(ip -o link | grep -v ' lo:' | cut -d: -f2 | cut -d@ -f1 | head -1) && \
                 tc qdisc add dev $dev root tbf rate {rate} burst 16k latency 400ms"
            )
        };
        clinic.client.must(&shape("8mbit"));
        clinic.red.must(&shape("16mbit"));
        let (json, _) = clinic.doctor();
        let link = of_host(&json, "link");
        let number = |name: &str| link["data"][name].as_f64().unwrap_or_else(|| panic!("{link}"));
        let (to, from) = (number("bytes_per_second_to"), number("bytes_per_second_from"));
        // Slower where the machine is busy; no faster than the wire and a bucket.
        assert!(to > 1e5 && to < 1.3e6 && from > 2e5 && from < 2.6e6, "{link}");
        assert_eq!(link["code"], "link-slow");
        assert_eq!(link["remedy"]["commands"][0], "export DISTCC_HOSTS=red/4,lzo");
    }
}

#[test]
fn the_way_is_measured_by_the_name_that_a_server_takes() {
    let clinic = Clinic::open();
    clinic.red.must(&format!(
        "for name in /usr/lib/distcc/*; do \
         case $name in *-linux-gnu-*) ;; *) rm -r $name;; esac; done && /usr/bin/{SERVER}"
    ));
    let (json, _) = clinic.doctor();
    let link = of_host(&json, "link");
    assert!(link["data"]["bytes_per_second_to"].as_f64() > Some(0.0), "{link}: {}", shown(&json));
}

#[test]
fn a_server_that_does_not_run() {
    Clinic::open().check("server-not-running", "red");
}

#[test]
fn a_wrong_port() {
    let mut clinic = Clinic::with_server();
    clinic.types("export DISTCC_HOSTS=red:3633/4");
    clinic.check("wrong-port", "this machine");
}

#[test]
fn a_wrong_port_in_a_file() {
    let mut clinic = Clinic::with_server();
    std::fs::create_dir(clinic.client.folder.join(".distcc")).unwrap();
    std::fs::write(clinic.client.folder.join(".distcc/hosts"), "# mine\nred:3633/4\n").unwrap();
    clinic.types("unset DISTCC_HOSTS");
    clinic.check("wrong-port", "this machine");
}

/// A firewall on the server does `what` with connections.
#[track_caller]
fn check_firewall(what: &str, code: &str) {
    let clinic = Clinic::with_server();
    clinic.red.must(&format!(
        "nft 'add table inet wall; \
         add chain inet wall incoming {{ type filter hook input priority 0; }}; \
         add rule inet wall incoming tcp dport 3632 {what}'"
    ));
    clinic.check(code, "red");
}

#[test]
fn a_firewall_that_drops_packets() {
    check_firewall("drop", "firewall-drops");
}

#[test]
fn a_firewall_that_rejects_connections() {
    check_firewall("reject", "firewall-rejects");
}

#[test]
fn a_firewall_that_says_it_is_prohibited() {
    check_firewall("reject with icmpx type admin-prohibited", "firewall-rejects");
}

#[test]
fn a_machine_that_is_off_is_no_firewall() {
    let clinic = Clinic::with_server();
    clinic.lab.host("red").cut_cable();
    let (json, status) = clinic.doctor();
    let failures = Clinic::failures(&json);
    assert_eq!((failures.len(), status), (1, 2), "{}", shown(&json));
    assert_eq!(failures[0].0, "host-unreachable", "{}", shown(&json));
}

#[test]
fn an_address_that_is_not_allowed() {
    let clinic = Clinic::open();
    clinic.red.must("distccd --daemon --allow 10.99.0.1");
    clinic.check("refused-address", "red");
}

#[test]
fn an_original_server_is_as_good_but_does_not_say_why_it_refuses() {
    let clinic = Clinic::open();
    clinic.red.must(&format!("/usr/bin/{SERVER}"));
    clinic.check_green("nothing");
    let (json, _) = clinic.doctor();
    assert_eq!(of_host(&json, "load")["code"], "not-told");
    let pump = of_host(&json, "mode pump");
    assert_eq!((&pump["code"], &pump["status"]), (&"same".into(), &"ok".into()), "{pump}");
    assert!(pump["text"].as_str().unwrap().contains("HOST,lzo,cpp"), "{pump}");
    drop(clinic);
    let clinic = Clinic::open();
    clinic.red.must("/usr/bin/distccd --daemon --allow 10.99.0.1");
    clinic.check("hung-up", "red");
}

#[test]
fn a_whitelist_without_the_link() {
    let clinic = Clinic::with_server();
    clinic.red.must("rm /usr/lib/distcc/*cc* /usr/lib/distcc/*[+][+]*");
    clinic.check("compiler-not-allowed", "red");
}

#[test]
fn only_plain_names_in_the_whitelist() {
    let mut clinic = Clinic::with_server();
    clinic.red.must("rm /usr/lib/distcc/*-linux-*");
    // A build for another machine.
    clinic.types("export CC=aarch64-linux-gnu-gcc");
    clinic.check("compiler-not-allowed", "red");
}

#[test]
fn a_path_of_the_server_without_the_systems_folders() {
    let clinic = Clinic::open();
    clinic.red.must(&format!("PATH=/opt/nothing/bin $(command -v distccd){}", &SERVER[7..]));
    clinic.check("server-path", "red");
}

/// A server whose system has the native compilers that `lines` leave it: they find the programs of
/// this system in `$whole`, and change `/usr/bin`, where none is to begin with.
///
/// There is no network, so its `apt-get` takes the files of a package from this system.
#[track_caller]
fn check_install(lines: &str, code: &str) {
    let clinic = Clinic::open();
    let (whole, upper) = (clinic.world.folder("whole"), clinic.world.folder("upper"));
    let (whole, upper) = (whole.display(), upper.display());
    clinic.red.must(&format!(
        "mount --bind /usr/bin {whole} && mount -t tmpfs upper {upper} && \
         mkdir {upper}/up {upper}/work && \
         mount -t overlay -o lowerdir={whole},upperdir={upper}/up,workdir={upper}/work bin /usr/bin"
    ));
    let install = format!(
        "[ \"$1 $2\" = 'install --yes' ] || exit 9\nshift 2\nfor package; do\n  \
         for file in $(dpkg-query --listfiles \"$package\"); do\n    \
         case $file in /usr/bin/*) cp -a {whole}/${{file##*/}} /usr/bin/;; esac\n  done\ndone"
    );
    support::script(&clinic.red.folder.join("bin/apt-get"), &install);
    clinic.red.must(&format!(
        "cd /usr/bin && rm gcc gcc-[0-9]* g++ g++-[0-9]* cc c++ c[89]9-gcc x86_64-linux-gnu-g[c+][c+]* && \
         whole={whole} && {lines} && update-distcc-symlinks && {SERVER}"
    ));
    clinic.check(code, "red");
}

#[test]
fn a_compiler_that_is_missing() {
    check_install("true", "compiler-missing");
}

#[test]
fn a_compiler_of_another_version() {
    let old = "for name in gcc g++; do \
               printf '#!/bin/sh\\n%s/%s \"$@\" | sed s/12[.][0-9.]*/4.0.4/g\\n' $whole $name > $name-4 \
               && chmod 755 $name-4; done";
    check_install(old, "compiler-other-version");
}

#[test]
fn a_folder_of_links_that_is_not_in_path() {
    let mut clinic = Clinic::with_server();
    clinic.types("export PATH=${PATH#/usr/lib/distcc/bin:}");
    clinic.check("not-masqueraded", "this machine");
}

#[test]
fn a_name_that_nobody_knows() {
    let mut clinic = Clinic::with_server();
    clinic.types("export DISTCC_HOSTS=redd/4");
    clinic.check("name-not-found", "this machine");
}

#[test]
fn a_state_folder_that_cannot_be_written() {
    let mut clinic = Clinic::with_server();
    let folder = clinic.world.folder("sealed");
    clinic.client.must(&format!("mount -t tmpfs -o ro sealed {}", folder.display()));
    clinic.types(&format!("export DISTCC_DIR={}/state", folder.display()));
    clinic.check("state-folder-unwritable", "this machine");
}

#[test]
fn a_disk_of_the_server_that_is_full() {
    let clinic = Clinic::open();
    let disk = clinic.world.open_folder("disk");
    let disk = disk.display();
    clinic.red.must(&format!(
        "mount -t tmpfs -o size=20m disk {disk} && chmod 777 {disk} && \
         head -c 19m /dev/zero > {disk}/filler && TMPDIR={disk} {SERVER}"
    ));
    clinic.check("server-disk-full", "red");
}

#[test]
fn zeroconf_with_nobody_answering() {
    let mut clinic = Clinic::open();
    clinic.types("export DISTCC_HOSTS=+zeroconf");
    clinic.check("nothing-discovered", "a server");
}
