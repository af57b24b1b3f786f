//! What a server's page for people says of a build, against what `distcc --report` says of it where
//! it was started: two programs that count the same things at two ends.
//!
//! Equal have to be, where one client has one server and both began with the build:
//!
//! - the jobs that the report has of the host, and those that the page calls `ok`;
//! - the bytes that came back, at any time, and those that were sent, once no job is at work: the server counts
//!   a request when it is there, and the client at the end of its job;
//! - tries that the host refused, and the page's `other`;
//! - jobs that the report has as done here since the compiler `says-something`, and the page's `compile_error`.
//!
//! Not equal, and why:
//!
//! - Connections: clients also ask what a server can do, which is no job.
//! - The sources' size: the page has it unpacked, and without the command.
//! - Bytes where jobs were refused: the server counts whole requests and replies of compilers, the client all
//!   that it sent and got.
//! - Times: each end has its own clock, and counts from when it knows of the job.

mod common;

use std::io::Write;
use std::path::Path;
use std::process::{Child, Stdio};

use common::browser::Browser;
use common::daemon::{connect, free_port, read_to_end};
use common::{World, finish};
use serde_json::Value;
use support::{Kind, Server, ServerOptions, program, script, wait_until};

/// So many files have an object at once, and so many more only when they may.
const N_QUICK: usize = 6;
const N_HELD: usize = 2;

/// A server with its page, seen in a browser, and a client of it.
struct Ends {
    world: World,
    server: Server,
    browser: Browser,
    page_port: u16,
}

impl Ends {
    fn start(mut options: ServerOptions) -> Ends {
        let (world, port) = (World::new(), free_port());
        options.more.extend(["--stats", "--stats-port"].map(str::to_owned));
        options.more.push(port.to_string());
        options.n_jobs = 8;
        let server = world.server("server", &options);
        let mut browser = Browser::start(&world.folder("browser"));
        browser.visit(&format!("http://127.0.0.1:{port}/"), 1000, "light");
        browser.wait_for("document.body.dataset.state === 'shown'");
        Ends { world, server, browser, page_port: port }
    }

    /// A build by make of quick files, held ones, one that stays and a program; `more` are rules.
    fn make(&self, options: &str, more: &str) -> Child {
        let names = |what: &str, n| (0..n).map(|n| format!("{what}{n}")).collect::<Vec<_>>();
        let files = [names("quick", N_QUICK), names("held", N_HELD)].concat();
        for name in &files {
            self.world.write(&format!("{name}.c"), &format!("int {name}(void) {{ return 1; }}\n"));
        }
        self.world.write("stays.c", "int main(void) { return 0; }\n");
        self.world.write("wrong.c", "int wrong(void) { return }\n");
        let objects = files.iter().map(|name| format!("{name}.o ")).collect::<String>();
        let rules = format!(
            "program: {objects} stays.o\n\t$(CC) -o $@ $^\nstays.o: CFLAGS = -fprofile-use\n\
             held%.o: CFLAGS = -O3\n{more}"
        );
        self.world.write("Makefile", &rules);
        let mut command = self.world.command("make");
        command.args(["--jobs=16", "--silent", "--keep-going"]);
        command.arg(format!("CC={} gcc", program("distcc").display()));
        command.env("DISTCC_HOSTS", self.server.host(options));
        command.env("DISTCC_BACKOFF_PERIOD", "0");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    fn report(&self) -> Value {
        let ran = finish(self.world.command(program("distcc")).args(["--report", "--json"]));
        serde_json::from_str(&ran.stdout).unwrap_or_default()
    }

    fn shown(&mut self, id: &str) -> String {
        let text = self.browser.value(&format!("document.getElementById('{id}').textContent"));
        text.as_str().unwrap().to_owned()
    }

    /// What the report has of the server, and of all hosts together.
    fn of_server(&self, report: &Value) -> u64 {
        let host = self.server.host("");
        let hosts = report["hosts"].as_array().into_iter().flatten();
        hosts.filter(|one| one["host"] == host).filter_map(|one| one["jobs"].as_u64()).sum()
    }

    /// Waits until the report has so many jobs of the server, and compares all that has to be equal
    /// when others are at work.
    #[track_caller]
    fn compare_during(&mut self, n_done: usize) {
        self.compare(n_done, &[("sent", "reply_bytes", "bytes_received")]);
    }

    /// The same when none is.
    #[track_caller]
    fn compare_after(&mut self, n_done: usize) {
        let received = ("received", "received_bytes", "bytes_sent");
        self.compare(n_done, &[received, ("sent", "reply_bytes", "bytes_received")]);
    }

    #[track_caller]
    fn compare(&mut self, n_done: usize, sizes: &[(&str, &str, &str)]) {
        wait_until("the report has all jobs", || self.of_server(&self.report()) == n_done as u64);
        let report = self.report();
        wait_until("the page has all jobs", || self.shown("jobs-ok") == n_done.to_string());
        let counters = &self.status()["counters"];
        for (id, counter, name) in sizes {
            assert_eq!(counters[counter], report[name], "{counters} {report}");
            // The page's own way to write a size.
            let expected = self.browser.value(&format!("size({})", report[name]));
            wait_until("the page has all bytes", || self.shown(id) == expected.as_str().unwrap());
        }
    }

    /// What the server says to programs.
    fn status(&self) -> Value {
        let mut stream = connect(self.page_port);
        stream.write_all(b"GET /api/status HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
        let answer = String::from_utf8(read_to_end(&mut stream)).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

/// gcc that makes what is compiled with `-O3` wait for the file `go`.
fn holding(world: &Path) -> ServerOptions {
    let mut options = ServerOptions::new(Kind::Ours);
    let go = world.join("go");
    for name in ["gcc", "x86_64-linux-gnu-gcc"] {
        let text = format!(
            "case \" $* \" in *' -O3 '*) while [ ! -e {} ]; do sleep 0.05; done;; esac\n\
             exec /usr/bin/{name} \"$@\"",
            go.display()
        );
        script(&world.join(name), &text);
    }
    options.path = Some(format!("{}:/usr/bin:/bin", world.display()));
    options
}

#[test]
fn the_page_and_the_report_agree_during_a_build_and_after_it() {
    for options in ["/8,plain", "/8,lzo"] {
        let compilers = World::new();
        let mut ends = Ends::start(holding(compilers.path()));
        let mut build = ends.make(options, "");
        ends.compare_during(N_QUICK);
        wait_until("the page has what runs", || ends.shown("running") == format!("{N_HELD} of 8"));
        std::fs::write(compilers.path().join("go"), "").unwrap();
        assert!(build.wait().unwrap().success());
        ends.compare_after(N_QUICK + N_HELD);
        assert_eq!(ends.report()["jobs"], N_QUICK + N_HELD + 2);
        wait_until("nothing runs", || ends.shown("running") == "0 of 8");
        assert!(ends.browser.said.is_empty(), "{:#?}", ends.browser.said);
    }
}

#[test]
fn the_page_and_the_report_agree_on_a_build_that_the_server_preprocesses() {
    let mut ends = Ends::start(ServerOptions::new(Kind::Ours));
    let mut build = ends.make("/8", "");
    assert!(build.wait().unwrap().success());
    ends.compare_after(N_QUICK + N_HELD);
    assert_eq!(ends.report()["preprocessed_by_servers"], N_QUICK + N_HELD);
}

#[test]
fn the_page_and_the_report_agree_on_what_was_not_done() {
    let mut options = ServerOptions::new(Kind::Ours);
    options.compilers.retain(|name| !name.contains("++"));
    let mut ends = Ends::start(options);
    let more = format!(
        "program: refused.o wrong.o\nrefused.o: stays.c\n\t{} g++ -x c++ -c $< -o $@\n",
        program("distcc").display()
    );
    let mut build = ends.make("/8,plain", &more);
    assert!(!build.wait().unwrap().success());
    let report = ends.report();
    let n_jobs = |list: &str, code: &str| {
        let causes = report[list].as_array().into_iter().flatten();
        causes
            .filter(|cause| cause["code"] == code)
            .filter_map(|cause| cause["jobs"].as_u64())
            .sum()
    };
    let n_ok = ends.of_server(&report);
    let n_with_errors: u64 = n_jobs("here", "says-something");
    let n_refused: u64 = n_jobs("host_failures", "refused-compiler");
    assert_eq!((n_ok, n_with_errors, n_refused), ((N_QUICK + N_HELD) as u64, 1, 1), "{report}");
    for (id, count) in
        [("jobs-ok", n_ok), ("jobs-compile_error", n_with_errors), ("jobs-other", n_refused)]
    {
        wait_until(&format!("the page has {count} as {id}"), || {
            ends.shown(id) == count.to_string()
        });
    }
    // The refusal came before the request was whole, and is no compiler's reply.
    let counters = &ends.status()["counters"];
    for (counter, name) in [("received_bytes", "bytes_sent"), ("reply_bytes", "bytes_received")] {
        assert!(counters[counter].as_u64() < report[name].as_u64(), "{counters} {report}");
    }
}
