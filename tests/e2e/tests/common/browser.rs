//! Debian's Chromium, headless, told what to do by its debugging protocol over two pipes.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use support::wait_until;

/// How long the browser may take for one answer on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// A browser with one page. It ends with the test.
pub(crate) struct Browser {
    process: Child,
    commands: File,
    messages: Receiver<Value>,
    session: String,
    n_sent: u64,
    /// What the page has said on its console, errors of the network and of its policy among it.
    pub(crate) said: Vec<Value>,
}

impl Browser {
    /// Starts the browser, with its files in `folder`.
    pub(crate) fn start(folder: &Path) -> Browser {
        let [to, from] = ["to", "from"].map(|name| folder.join(name));
        for pipe in [&to, &from] {
            assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
        }
        // It reads commands from descriptor 3, and writes answers to 4.
        let script = "exec chromium --headless=new --no-sandbox --disable-gpu \
                      --disable-dev-shm-usage --no-first-run --disable-background-networking \
                      --remote-debugging-pipe --user-data-dir=\"$1\" about:blank 3<\"$2\" 4>\"$3\"";
        let process = Command::new("sh")
            .args(["-c", script, "sh"])
            .args([&folder.join("profile"), &to, &from])
            .env("HOME", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.join("log")).unwrap())
            .process_group(0)
            .spawn()
            .expect("there is a shell");
        let commands = File::options().write(true).open(to).unwrap();
        let answers = File::open(from).unwrap();
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(answers).split(0).map_while(Result::ok) {
                let Ok(message) = serde_json::from_slice(&message) else { continue };
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let (session, said) = (String::new(), Vec::new());
        let mut browser = Browser { process, commands, messages, session, n_sent: 0, said };
        let target = browser.tell("Target.createTarget", json!({ "url": "about:blank" }));
        let target = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.tell("Target.attachToTarget", target);
        browser.session = attached["sessionId"].as_str().expect("a session").to_owned();
        for domain in ["Page", "Runtime", "Log"] {
            browser.tell(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Tells the browser something, and waits for its answer.
    pub(crate) fn tell(&mut self, method: &str, parameters: Value) -> Value {
        self.n_sent += 1;
        let mut message = json!({ "id": self.n_sent, "method": method, "params": parameters });
        if !self.session.is_empty() {
            message["sessionId"] = self.session.as_str().into();
        }
        self.commands.write_all(format!("{message}\0").as_bytes()).expect("the browser listens");
        let deadline = Instant::now() + LIMIT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let message = self.messages.recv_timeout(left);
            let message = message.unwrap_or_else(|_| panic!("no answer to {method}"));
            if message["id"] == self.n_sent {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
            let of_console =
                ["Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"];
            if of_console.iter().any(|name| message["method"] == *name) {
                self.said.push(message);
            }
        }
    }

    /// Opens a page on a screen so wide, in `light` or `dark`.
    pub(crate) fn visit(&mut self, url: &str, width: u32, scheme: &str) {
        let screen =
            json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": true });
        self.tell("Emulation.setDeviceMetricsOverride", screen);
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.tell("Emulation.setEmulatedMedia", json!({ "features": features }));
        let went = self.tell("Page.navigate", json!({ "url": url }));
        assert_eq!(went["errorText"], Value::Null, "{url}");
        self.wait_for(&format!("location.href.startsWith('{url}') && document.body !== null"));
    }

    /// Waits until an expression in the page is true.
    pub(crate) fn wait_for(&mut self, expression: &str) {
        wait_until(expression, || self.value(expression) == true);
    }

    /// The value of an expression in the page; of a promise, what comes of it.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let parameters =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let result = self.tell("Runtime.evaluate", parameters);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.process), Signal::KILL);
        let _ = self.process.wait();
    }
}
