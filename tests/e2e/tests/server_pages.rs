//! Our own pages at the port of the statistics: what they say, who gets them, and that the tools
//! they are for can read them.

mod common;

use std::io::Write;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use common::World;
use common::browser::Browser;
use common::daemon::{
    Daemon, close_sending, connect, free_port, listening, listens, read_to_end, request,
};
use rustix::process::{Pid, Signal, kill_process};
use support::{Kind, script, wait_until};

const SOURCE: &str = "int x;\n";
const COMMAND: &str = "gcc -c a.c -o a.o";
const GOOD: &str = "PATH=/usr/bin exec gcc \"$@\"";

/// A server with its pages, and gcc that does what the text of a shell says.
struct Shown {
    world: World,
    daemon: Daemon,
    port: u16,
}

/// An answer of HTTP.
#[derive(Debug)]
struct Answer {
    code: u16,
    head: String,
    body: String,
}

impl Shown {
    fn start(gcc: &str, words: &[&str]) -> Shown {
        let world = World::new();
        script(&world.folder("bin").join("gcc"), gcc);
        let (jobs_port, port) = (free_port(), free_port());
        let mut command = listening(Kind::Ours, world.path(), jobs_port);
        command
            .args(["--stats", "--stats-port", &port.to_string()])
            .args(words)
            .env("PATH", format!("{}:/usr/bin:/bin", world.folder("bin").display()));
        let daemon = Daemon::start(&mut command, world.path(), jobs_port);
        wait_until("the pages are there", || listens(port));
        Shown { world, daemon, port }
    }

    #[track_caller]
    fn page(&self, path: &str) -> String {
        let answer = self.fetch("GET", path, "");
        assert_eq!(answer.code, 200, "{path}: {answer:?}");
        answer.body
    }

    fn fetch(&self, method: &str, path: &str, headers: &str) -> Answer {
        fetch(self.port, method, path, headers)
    }

    /// One sample of `/metrics`.
    #[track_caller]
    fn sample(&self, name: &str) -> f64 {
        let text = self.page("/metrics");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }

    /// Jobs of every kind that need no time.
    fn do_jobs(&self) {
        self.daemon.ask(&request(COMMAND, SOURCE));
        self.daemon.ask(&request("gcc -c <script>\"'&.c -o a.o", SOURCE));
        self.daemon.ask(&request(COMMAND, "int x\n"));
        self.daemon.ask(&request("no-such-compiler -c a.c -o a.o", SOURCE));
        self.daemon.ask(b"GARBAGE here and no end of it");
        let ended = |outcome| self.sample(&format!("distccd_jobs_total{{outcome=\"{outcome}\"}}"));
        wait_until("all jobs are counted", || {
            ["ok", "compile_error", "other", "bad_request"].map(ended) == [2.0, 1.0, 1.0, 1.0]
        });
    }
}

fn fetch(port: u16, method: &str, path: &str, headers: &str) -> Answer {
    let mut stream = connect(port);
    let text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    let _ = stream.write_all(text.as_bytes());
    answer(&mut stream)
}

fn answer(stream: &mut TcpStream) -> Answer {
    let said = String::from_utf8(read_to_end(stream)).unwrap();
    let (head, body) = said.split_once("\r\n\r\n").unwrap_or((&said, ""));
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default();
    Answer { code, head: head.to_owned(), body: body.to_owned() }
}

/// A program of Debian's that a test needs.
fn tool(name: &str) -> PathBuf {
    let path = PathBuf::from("/usr/bin").join(name);
    assert!(path.exists(), "no {name} here: `cargo xtask test` installs it");
    path
}

/// A process that ends with the test.
struct Background(Child);

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_server_that_serves_says_ok() {
    let shown = Shown::start(GOOD, &[]);
    let health = shown.fetch("GET", "/healthz", "");
    assert_eq!((health.code, health.body.as_str()), (200, "ok\n"), "{health:?}");
    assert!(health.head.contains("\r\nX-Content-Type-Options: nosniff"), "{health:?}");
    let head = shown.fetch("HEAD", "/healthz", "");
    assert_eq!((head.head, head.body.as_str()), (health.head, ""));
}

#[test]
fn a_server_that_is_being_stopped_says_so() {
    let mut shown = Shown::start(GOOD, &[]);
    // A client that does not hang up keeps the server for half a second after the signal.
    let mut client = connect(shown.daemon.port);
    client.write_all(b"DIST00000001ARGC00000004").unwrap();
    wait_until("the client is there", || {
        shown.daemon.log().contains("connection from")
            || shown.sample("distccd_connections_total") > 0.0
    });
    let mut asking = connect(shown.port);
    asking.write_all(b"GET /healthz HTTP/1.1\r\n").unwrap();
    // It is heard, as its successor is.
    shown.page("/healthz");
    kill_process(Pid::from_raw(shown.daemon.pid() as i32).unwrap(), Signal::TERM).unwrap();
    let refusal = String::from_utf8_lossy(&read_to_end(&mut client)).into_owned();
    assert!(refusal.contains("this server is being stopped"), "{refusal}");
    asking.write_all(b"\r\n").unwrap();
    let health = answer(&mut asking);
    assert_eq!((health.code, health.body.as_str()), (503, "this server is being stopped\n"));
    drop(client);
    shown.daemon.wait();
}

#[test]
fn a_server_whose_queue_is_full_says_so() {
    let gcc = "read line < \"$GATE\"; PATH=/usr/bin exec gcc \"$@\"";
    let world = World::new();
    let gate = world.folder("gate").join("fifo");
    assert!(Command::new("mkfifo").arg(&gate).status().unwrap().success());
    let gcc = gcc.replace("$GATE", gate.to_str().unwrap());
    let shown = Shown::start(&gcc, &["--jobs", "1", "--sandbox", "off", "--allow", "127.0.0.2"]);
    let limit = shown.sample("distccd_queue_limit") as usize;
    // No address may have the whole queue: this takes two.
    let clients: Vec<TcpStream> = (0..=limit)
        .map(|number| {
            let mut client = from(1 + (number % 2) as u8, shown.daemon.port);
            client.write_all(&request(COMMAND, SOURCE)).unwrap();
            client
        })
        .collect();
    wait_until("the queue is full", || shown.sample("distccd_jobs_waiting") as usize == limit);
    assert_eq!(shown.sample("distccd_jobs_running"), 1.0);
    let health = shown.fetch("GET", "/healthz", "");
    assert_eq!(health.code, 503, "{health:?}");
    assert_eq!(health.body, "too many jobs are waiting here already\n");
    drop(clients);
    wait_until("it serves again", || shown.fetch("GET", "/healthz", "").code == 200);
}

/// Connects from 127.0.0.`last` to a port.
fn from(last: u8, port: u16) -> TcpStream {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    use std::net::SocketAddr;
    let end = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&end, &SocketAddr::from(([127, 0, 0, last], 0))).unwrap();
    connect(&end, &SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
    TcpStream::from(end)
}

#[test]
fn the_pages_can_be_looked_at_and_nothing_else() {
    let shown = Shown::start(GOOD, &[]);
    for path in ["/healthz", "/metrics", "/api/status", "/dashboard"] {
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let refused = shown.fetch(method, path, "");
            assert_eq!(refused.code, 405, "{method} {path}: {refused:?}");
            assert!(refused.head.contains("\r\nAllow: GET, HEAD"), "{refused:?}");
        }
        let [whole, head] = ["GET", "HEAD"].map(|method| shown.fetch(method, path, ""));
        assert_eq!((whole.code, head.code, head.body.as_str()), (200, 200, ""));
        let length = format!("\r\nContent-Length: {}\r\n", whole.body.len());
        // Times in the status go on.
        assert!(path == "/api/status" || whole.head.contains(&length), "{whole:?}");
    }
    assert_eq!(shown.fetch("GET", "/api/no-such-page", "").code, 404);
    // What is none of ours is the page of 3.4, also where the path nearly is one.
    for path in ["/", "/metrics/", "/healthz.html", "/../metrics", "//metrics", "/no/such"] {
        let original = fetch(shown.port, "GET", path, "");
        assert!(original.head.contains("</distccstats>"), "{path}: {original:?}");
    }
}

#[test]
fn who_may_not_connect_gets_no_page() {
    let shown = Shown::start(GOOD, &[]);
    for path in ["/healthz", "/metrics", "/api/status", "/dashboard"] {
        let mut stranger = from(2, shown.port);
        let _ = stranger.write_all(format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes());
        assert_eq!(read_to_end(&mut stranger), b"", "{path}");
        assert_eq!(shown.fetch("GET", path, "").code, 200);
    }
    shown.daemon.wait_for_line("denied by access list");
}

#[test]
fn a_request_may_come_in_pieces_or_not_at_all() {
    let shown = Shown::start(GOOD, &[]);
    let mut slow = connect(shown.port);
    for byte in b"GET /healthz HTTP/1.1\r\n\r\n" {
        slow.write_all(&[*byte]).unwrap();
    }
    assert_eq!(answer(&mut slow).body, "ok\n");
    // Half a request is none: it gets the page of 3.4, as silence does.
    for half in ["GET /metrics HTTP/1.1\r\n", "GET /metr", ""] {
        for hangs_up in [true, false] {
            let mut stream = connect(shown.port);
            stream.write_all(half.as_bytes()).unwrap();
            if hangs_up {
                close_sending(&stream);
            }
            let said = String::from_utf8(read_to_end(&mut stream)).unwrap();
            assert!(said.contains("</distccstats>"), "{half:?}: {said}");
        }
    }
    // A head that never ends.
    let mut endless = connect(shown.port);
    let _ = endless.write_all(b"GET /metrics HTTP/1.1\r\n");
    let _ = endless.write_all("a: b\r\n".repeat(10_000).as_bytes());
    let said = String::from_utf8(read_to_end(&mut endless)).unwrap();
    assert!(said.contains("</distccstats>"), "{said}");
}

#[test]
fn promtool_finds_nothing_to_mend_in_the_metrics() {
    let shown = Shown::start(GOOD, &[]);
    shown.do_jobs();
    wait_until("compilers are known", || shown.page("/metrics").contains("distccd_compiler_info{"));
    let text = shown.page("/metrics");
    let mut child = Command::new(tool("promtool"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.is_empty(), "{said}\n{text}");
    assert!(!text.contains("script"), "{text}");
    assert_eq!(shown.sample("distccd_connections_total"), 5.0);
    assert_eq!(shown.sample("distccd_compile_duration_seconds_count"), 3.0);
    assert_eq!(shown.sample("distccd_job_duration_seconds_count{outcome=\"ok\"}"), 2.0);
    assert_eq!(shown.sample("distccd_request_size_bytes_count"), 3.0);
    // Each job is one compiler's, or nobody's.
    let jobs_of = |start: &str| {
        let line = text.lines().find(|line| line.starts_with(start));
        line.and_then(|line| line.rsplit(' ').next()).map(str::to_owned)
    };
    for (compiler, n_jobs) in [("gcc\",family=\"GCC\",target=\"", "3"), ("other\",", "2")] {
        let start = format!("distccd_compiler_jobs_total{{compiler=\"{compiler}");
        assert_eq!(jobs_of(&start).as_deref(), Some(n_jobs), "{text}");
    }
}

#[test]
fn prometheus_scrapes_the_metrics() {
    let shown = Shown::start(GOOD, &["--jobs", "7"]);
    shown.do_jobs();
    let port = free_port();
    let folder = shown.world.folder("prometheus");
    let config = folder.join("prometheus.yml");
    let text = format!(
        "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\n\
         scrape_configs:\n- job_name: distccd\n  static_configs:\n  \
         - targets: ['127.0.0.1:{}']\n",
        shown.port
    );
    std::fs::write(&config, text).unwrap();
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let _prometheus = Background(
        Command::new(tool("prometheus"))
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap(),
    );
    wait_until("prometheus listens", || listens(port));
    let value = |query: &str| {
        let answer =
            fetch(port, "GET", &format!("/api/v1/query?query={query}"), "Connection: close\r\n");
        let start = answer.body.find('{')?;
        let end = answer.body.rfind('}')?;
        let found: serde_json::Value = serde_json::from_str(&answer.body[start..=end]).ok()?;
        Some(found["data"]["result"][0]["value"][1].as_str()?.to_owned())
    };
    for (query, expected) in [
        ("up", "1"),
        ("distccd_slots", "7"),
        ("distccd_jobs_total%7Boutcome=%22ok%22%7D", "2"),
        ("sum(distccd_jobs_total)", "5"),
        ("distccd_compile_duration_seconds_bucket%7Ble=%22%2BInf%22%7D", "3"),
    ] {
        wait_until(&format!("{query} is {expected}"), || value(query).as_deref() == Some(expected));
    }
    // It asks for the newer form, and knows from it what is a counter.
    let kinds = fetch(port, "GET", "/api/v1/metadata?metric=distccd_jobs", "Connection: close\r\n");
    assert!(kinds.body.contains("\"type\":\"counter\""), "{kinds:?}");
}

/// What a hostile client calls its file.
const HOSTILE: &str =
    "<script>document.title='x'</script><img\tsrc=x\tonerror=document.title='x'>\"'&\u{1}.c";

impl Shown {
    #[track_caller]
    fn status(&self) -> serde_json::Value {
        serde_json::from_str(&self.page("/api/status")).unwrap()
    }

    /// A server with a job at work, one that waits, and some that ended.
    fn busy(gate: &std::path::Path) -> Shown {
        assert!(Command::new("mkfifo").arg(gate).status().unwrap().success());
        let gcc = format!("case \" $* \" in *-O3*) read line < {};; esac\n{GOOD}", gate.display());
        let shown =
            Shown::start(&gcc, &["--jobs", "1", "--sandbox", "off", "--allow", "127.0.0.2"]);
        shown.do_jobs();
        shown
    }

    fn begin(&self, last: u8, input: &str) -> TcpStream {
        let mut client = from(last, self.daemon.port);
        client.write_all(&request(&format!("gcc -O3 -c {input} -o a.o"), SOURCE)).unwrap();
        client
    }
}

#[test]
fn the_status_tells_what_runs_and_what_was_refused() {
    let world = World::new();
    let shown = Shown::busy(&world.folder("gate").join("fifo"));
    let _first = shown.begin(1, HOSTILE);
    wait_until("the first compiles", || shown.status()["slots"]["running"] == 1);
    let mut second = from(2, shown.daemon.port);
    let mut job = request("gcc -O3 -c sec@nd.c -o a.o", SOURCE);
    job.iter_mut().filter(|byte| **byte == b'@').for_each(|byte| *byte = 0xff);
    second.write_all(&job).unwrap();
    wait_until("the second waits", || shown.status()["queue"]["waiting"] == 1);
    let status = shown.status();
    let jobs = &status["jobs"];
    assert_eq!((&jobs[0]["phase"], &jobs[0]["compiler"]), (&"compile".into(), &"gcc".into()));
    assert_eq!(jobs[0]["file"], HOSTILE);
    assert!(jobs[0]["client"].as_str().unwrap().starts_with("127.0.0.1:"), "{status}");
    assert_eq!((&jobs[1]["phase"], &jobs[1]["file"]), (&"wait".into(), &"sec\u{fffd}nd.c".into()));
    assert!(jobs[1]["client"].as_str().unwrap().starts_with("127.0.0.2:"), "{status}");
    assert_eq!((&status["jobs_here"], &jobs[2]), (&2.into(), &serde_json::Value::Null));
    assert_eq!(status["slots"], serde_json::json!({ "total": 1, "running": 1 }));
    assert_eq!(status["health"], serde_json::json!({ "ok": true, "reason": null }));
    assert_eq!(
        (&status["sandbox"], &status["limits"]["job_lifetime_seconds"]),
        (&"off".into(), &serde_json::Value::Null)
    );
    let counted = &status["counters"]["jobs"];
    assert_eq!(
        (&counted["ok"], &counted["compile_error"], &counted["other"]),
        (&2.into(), &1.into(), &1.into())
    );
    let by_compiler = &status["counters"]["jobs_by_compiler"];
    assert_eq!((&by_compiler[0]["name"], &by_compiler[0]["jobs"]), (&"gcc".into(), &3.into()));
    assert_eq!((&by_compiler[1]["name"], &by_compiler[1]["jobs"]), (&"other".into(), &2.into()));
    assert_eq!(
        (&by_compiler[1]["target"], by_compiler.as_array().unwrap().len()),
        (&serde_json::Value::Null, 2)
    );
    let minutes = status["history"].as_array().unwrap();
    let n_ok: u64 = minutes.iter().map(|minute| minute["jobs"]["ok"].as_u64().unwrap()).sum();
    assert!(minutes.len() <= 60 && n_ok == 2, "{status}");
    let refusals = status["refusals"].as_array().unwrap();
    assert_eq!(refusals.len(), 2, "{status}");
    let reasons: Vec<&str> = refusals.iter().map(|one| one["reason"].as_str().unwrap()).collect();
    assert!(reasons[1].contains("`no-such-compiler` is not allowed here"), "{reasons:?}");
    assert_eq!((&refusals[1]["client"], &refusals[1]["count"]), (&"127.0.0.1".into(), &1.into()));
    // The same again is not another.
    shown.daemon.ask(&request("no-such-compiler -c b.c -o b.o", SOURCE));
    wait_until("it is counted", || shown.status()["refusals"][0]["count"] == 2);
    assert_eq!(shown.status()["refusals"].as_array().unwrap().len(), 2);
}

#[test]
fn the_status_tells_which_compilers_may_run() {
    let shown = Shown::start(GOOD, &[]);
    let named = |name: &str| {
        let status = shown.status();
        let known = status["compilers"].as_array()?.iter().find(|known| known["name"] == name);
        known.cloned()
    };
    wait_until("gcc is known", || named("gcc").is_some());
    assert_eq!(named("gcc").unwrap()["family"], "GCC");
    assert!(shown.page("/metrics").contains("\ndistccd_compiler_info{family=\"GCC\",target="));
}

#[test]
fn a_browser_gets_the_page_for_people_and_tools_that_of_the_original() {
    let shown = Shown::start(GOOD, &[]);
    let html = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
    let page = shown.fetch("GET", "/", html);
    assert!(page.body.starts_with("<!DOCTYPE html>"), "{page:?}");
    assert_eq!(page.body, shown.page("/dashboard"));
    let policy = "\r\nContent-Security-Policy: default-src 'none'; style-src 'sha256-";
    assert!(page.head.contains(policy) && !page.head.contains("unsafe"), "{}", page.head);
    for headers in ["", "Accept: */*\r\n", "Accept: text/plain, text/html;q=0\r\n"] {
        assert!(shown.fetch("GET", "/", headers).head.contains("</distccstats>"), "{headers}");
    }
    assert!(shown.fetch("POST", "/", html).head.contains("</distccstats>"));
}

#[test]
fn the_page_shows_in_a_browser_what_the_status_says() {
    let world = World::new();
    let shown = Shown::busy(&world.folder("gate").join("fifo"));
    let _first = shown.begin(1, HOSTILE);
    wait_until("the first compiles", || shown.status()["slots"]["running"] == 1);
    let _second = shown.begin(2, &format!("{}.c", "long".repeat(40)));
    wait_until("the second waits", || shown.status()["queue"]["waiting"] == 1);
    wait_until("compilers are known", || shown.status()["compilers"].is_array());
    let status = shown.status();
    let mut browser = Browser::start(&world.folder("browser"));
    for (scheme, back) in [("light", "rgb(246, 247, 249)"), ("dark", "rgb(20, 23, 27)")] {
        browser.visit(&format!("http://127.0.0.1:{}/", shown.port), 360, scheme);
        browser.wait_for("document.body.dataset.state === 'shown'");
        let text = |browser: &mut Browser, id: &str| {
            browser.value(&format!("document.getElementById('{id}').textContent"))
        };
        for (id, expected) in [
            ("health", "serving".to_owned()),
            ("running", "1 of 1".to_owned()),
            ("waiting", format!("1 of {}", status["queue"]["limit"])),
            ("connections", status["counters"]["connections"].to_string()),
            ("jobs-ok", status["counters"]["jobs"]["ok"].to_string()),
            ("jobs-compile_error", status["counters"]["jobs"]["compile_error"].to_string()),
            ("jobs-other", status["counters"]["jobs"]["other"].to_string()),
            ("jobs-bad_request", status["counters"]["jobs"]["bad_request"].to_string()),
        ] {
            assert_eq!(text(&mut browser, id), expected, "{id}");
        }
        // A name is text, whatever it looks like.
        let cell = "document.querySelector('#jobs tbody td:nth-child(2) span').textContent";
        assert_eq!(browser.value(cell), HOSTILE);
        let shares = "[...document.querySelectorAll('#shares tbody tr')].map((row) => \
                      row.cells[0].textContent + ' ' + row.cells[4].textContent).join(', ')";
        assert_eq!(browser.value(shares), "gcc 3, other 2");
        assert_eq!(browser.value("document.title"), "distccd");
        assert_eq!(browser.value("document.querySelectorAll('script, img').length"), 1);
        assert_eq!(browser.value("document.querySelectorAll('#refusals tbody tr').length"), 2);
        assert!(
            text(&mut browser, "hour-text")
                .to_string()
                .contains("In the hour: 2 compiled, 1 failed, 2 refused")
        );
        let n_bars = browser.value("document.querySelectorAll('#hour rect').length");
        assert!(n_bars.as_u64().unwrap() >= 3, "{n_bars}");
        let wide = browser.value("document.documentElement.scrollWidth - window.innerWidth");
        assert_eq!((browser.value("window.innerWidth"), wide), (360.into(), 0.into()));
        let color = browser.value("getComputedStyle(document.body).backgroundColor");
        assert_eq!(color, back, "{scheme}");
    }
    // It follows what happens.
    shown.daemon.ask(b"GARBAGE here and no end of it");
    browser.wait_for("document.getElementById('jobs-bad_request').textContent === '2'");
    assert!(browser.said.is_empty(), "{:#?}", browser.said);
}
