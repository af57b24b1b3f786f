//! `distccmon --web`: the page in Chromium while a build runs, and what the server does with
//! requests that are none of the page's.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use common::browser::Browser;
use common::build::{held_servers, start_build};
use common::held::Held;
use common::{World, finish};
use serde_json::{Value, json};
use support::{program, wait_until};

/// A monitor that serves its page.
struct Served {
    process: Child,
    /// `http://ADDRESS:PORT/`.
    url: String,
}

impl Served {
    fn start(world: &World, hosts: &str) -> Served {
        let mut command = world.command(program("distccmon"));
        command.args(["--web", "0", "--interval", "0.2"]).env("DISTCC_HOSTS", hosts);
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Served { process, url: url.trim_end().to_owned() }
    }

    fn address(&self) -> &str {
        self.url.trim_start_matches("http://").trim_end_matches('/')
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        stream
    }

    /// What is answered to these bytes.
    fn ask(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn report(world: &World) -> Value {
    let ran = finish(world.command(program("distcc")).args(["--report", "--json"]));
    serde_json::from_str(&ran.stdout).unwrap()
}

/// The text of the page's element of that name.
fn text(browser: &mut Browser, id: &str) -> String {
    let text = browser.value(&format!("document.getElementById('{id}')?.textContent ?? ''"));
    text.as_str().unwrap().to_owned()
}

#[test]
fn the_page_shows_a_build_as_it_runs_and_then_the_reports_numbers() {
    let world = World::new();
    let held = Held::new(&world, "held");
    let (servers, hosts) = held_servers(&world, &held);
    let served = Served::start(&world, &hosts);
    let mut browser = Browser::start(&world.folder("browser"));
    browser.tell("Page.navigate", json!({ "url": served.url }));
    wait_until("the page says that nothing runs", || text(&mut browser, "state") == "nothing runs");
    let mut build = start_build(&world, &hosts, 9, Some(&held));
    wait_until("the page shows what runs and what waits", || {
        text(&mut browser, "state") == "building: 6 running, 4 waiting"
    });
    for (server, n_jobs) in servers.iter().zip([2, 3]) {
        let card = format!("document.querySelector('[data-host=\"{}\"]')", server.host(""));
        assert_eq!(browser.value(&format!("{card}.querySelectorAll('li').length")), n_jobs);
        assert_eq!(browser.value(&format!("{card}.querySelector('progress').value")), n_jobs);
    }
    assert_eq!(browser.value("document.querySelector('#here .file').textContent"), "stays.c");
    assert_eq!(browser.value("document.querySelector('#here .code').textContent"), "profile");
    assert_eq!(browser.value("document.querySelectorAll('#waiting li').length"), 4);
    held.release();
    assert!(build.wait().unwrap().success());
    let report = report(&world);
    assert_eq!(report["jobs"], 11);
    wait_until("the page has all jobs", || text(&mut browser, "jobs") == "11");
    for name in [
        "jobs",
        "done_by_servers",
        "done_here",
        "done_nowhere",
        "failed",
        "preprocessed_by_servers",
    ] {
        assert_eq!(text(&mut browser, name), report[name].to_string(), "{name}");
    }
    let speed_up = report["estimated_speed_up"].as_f64().unwrap();
    let shown: f64 = text(&mut browser, "speed_up").parse().unwrap();
    assert!((shown - speed_up).abs() < 0.06, "{shown} {speed_up}");
    let rows = browser.value(
        "[...document.querySelectorAll('#causes tr')].map((row) => \
         [...row.cells].slice(1).map((cell) => cell.textContent).join(' ')).sort().join(', ')",
    );
    assert_eq!(rows, "not-a-compile 1, profile 1");
    wait_until("the timeline has all jobs", || browser.value("timeline.boxes.length") == 11);

    // Usable at a phone's width, in either scheme.
    let phone = json!({ "width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": true });
    browser.tell("Emulation.setDeviceMetricsOverride", phone);
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        browser.tell("Emulation.setEmulatedMedia", json!({ "features": [feature] }));
        let width = browser.value("document.documentElement.scrollWidth");
        assert!(width.as_u64() <= Some(360), "{scheme}: {width}");
        grounds.push(browser.value("getComputedStyle(document.body).backgroundColor"));
    }
    assert_ne!(grounds[0], grounds[1]);
    assert!(browser.said.is_empty(), "{:#?}", browser.said);
}

#[test]
fn names_do_not_become_markup() {
    let world = World::new();
    let served = Served::start(&world, "red");
    let mut browser = Browser::start(&world.folder("browser"));
    browser.tell("Page.navigate", json!({ "url": served.url }));
    let mut record = Vec::new();
    for number in [296_u64, 0x4449_4800, u64::from(std::process::id())] {
        record.extend(number.to_ne_bytes());
    }
    let name = b"<img src=x onerror=document.title='owned'>.c";
    for name in [&name[..], b"<b>red"] {
        record.extend_from_slice(name);
        record.resize(record.len() + 128 - name.len(), 0);
    }
    record.extend([0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    std::fs::create_dir_all(world.state().join("state")).unwrap();
    std::fs::write(world.state().join("state/binstate_1"), record).unwrap();
    wait_until("the page shows the job", || {
        let shown = browser.value("document.querySelector('.host .file')?.textContent ?? ''");
        shown.as_str().unwrap().as_bytes() == name
    });
    assert_eq!(browser.value("document.querySelectorAll('img, b').length"), 0);
    assert_eq!(browser.value("document.title"), "distccmon");
    assert!(browser.said.is_empty(), "{:#?}", browser.said);
}

#[test]
fn events_go_on_and_other_requests_are_refused() {
    let world = World::new();
    let served = Served::start(&world, "red");
    let host = format!("Host: {}", served.address());
    let mut stream = served.connect();
    stream.write_all(format!("GET /events HTTP/1.1\r\n{host}\r\n\r\n").as_bytes()).unwrap();
    let lines = BufReader::new(stream).lines().map(Result::unwrap);
    let events: Vec<String> = lines.filter(|line| line.starts_with("data: ")).take(2).collect();
    let times: Vec<f64> = events
        .iter()
        .map(|event| serde_json::from_str::<Value>(&event["data: ".len()..]).unwrap())
        .map(|event| event["time"].as_f64().unwrap())
        .collect();
    assert!(times[0] < times[1], "{times:?}");

    let page = served.ask(&format!("GET / HTTP/1.1\r\n{host}\r\n\r\n"));
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(page.contains("\r\nContent-Security-Policy: default-src 'none'; script-src 'nonce-"));
    for (request, status) in [
        (format!("POST / HTTP/1.1\r\n{host}\r\n\r\n"), "405"),
        (format!("GET /none HTTP/1.1\r\n{host}\r\n\r\n"), "404"),
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned(), "421"),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), "421"),
        ("nonsense\r\n\r\n".to_owned(), "400"),
        (format!("GET /{}", "x".repeat((16 << 10) - 4)), "400"),
    ] {
        let answer = served.ask(&request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
    }
}

#[test]
fn silent_connections_are_bounded_and_end() {
    let world = World::new();
    let served = Served::start(&world, "red");
    let silent: Vec<TcpStream> = (0..32).map(|_| served.connect()).collect();
    let request = format!("GET /snapshot HTTP/1.1\r\nHost: {}\r\n\r\n", served.address());
    wait_until("one too many is turned away", || {
        let mut stream = served.connect();
        let _ = stream.write_all(request.as_bytes());
        let mut start = [0; 12];
        stream.read_exact(&mut start).is_ok() && start == *b"HTTP/1.1 503"
    });
    // Their time is over before long, though they are never closed from here.
    wait_until("there is room again", || served.ask(&request).starts_with("HTTP/1.1 200 "));
    drop(silent);
}

#[test]
fn beyond_loopback_there_is_a_warning() {
    let world = World::new();
    let mut command = world.command(program("distccmon"));
    command.args(["--web", "0.0.0.0:0"]).stdin(Stdio::null()).stdout(Stdio::null());
    let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stderr.take().unwrap()).read_line(&mut line).unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(line.contains("Warning: whoever reaches 0.0.0.0:"), "{line}");
}
