//! A browser without a screen, told what to do by the protocol of its developer tools.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use support::wait_until;

/// A browser with one page. Dropping it ends it.
pub(crate) struct Browser {
    child: Child,
    commands: File,
    answers: BufReader<File>,
    session: Option<String>,
    n_commands: u64,
    complaints: Vec<String>,
}

/// Things that a page may complain by.
const COMPLAINTS: [&str; 3] =
    ["Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"];

impl Browser {
    /// Starts Chromium with its files in `folder`.
    pub(crate) fn start(program: &Path, folder: &Path) -> Browser {
        let [commands, answers] = ["commands", "answers"].map(|name| folder.join(name));
        assert!(Command::new("mkfifo").args([&commands, &answers]).status().unwrap().success());
        // It reads descriptor 3 and writes 4.
        let words = "exec \"$0\" \"$@\" 3<\"$COMMANDS\" 4>\"$ANSWERS\"";
        let child = Command::new("sh")
            .args(["-c", words])
            .arg(program)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--no-first-run", "--disable-background-networking", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", folder.join("profile").display()))
            .env("COMMANDS", &commands)
            .env("ANSWERS", &answers)
            .env("HOME", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let commands = File::options().write(true).open(commands).unwrap();
        let answers = BufReader::new(File::open(answers).unwrap());
        let complaints = Vec::new();
        let mut browser =
            Browser { child, commands, answers, session: None, n_commands: 0, complaints };
        let target = browser.tell("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.tell("Target.attachToTarget", attach);
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser.tell(domain, json!({}));
        }
        browser
    }

    /// Opens a page on a screen so wide, in light or dark.
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

    /// The value of an expression in the page.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let words = json!({ "expression": expression, "returnByValue": true });
        let answer = self.tell("Runtime.evaluate", words);
        assert_eq!(answer["exceptionDetails"], Value::Null, "{expression}");
        answer["result"]["value"].clone()
    }

    pub(crate) fn wait_for(&mut self, expression: &str) {
        wait_until(expression, || self.evaluate(expression) == true);
    }

    /// What the page has said on the console, errors among it.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.complaints.clone()
    }

    fn tell(&mut self, method: &str, params: Value) -> Value {
        self.n_commands += 1;
        let mut command = json!({ "id": self.n_commands, "method": method, "params": params });
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        self.commands.write_all(format!("{command}\0").as_bytes()).unwrap();
        loop {
            let mut text = Vec::new();
            self.answers.read_until(0, &mut text).unwrap();
            assert_eq!(text.pop(), Some(0), "the browser is gone");
            let mut answer: Value = serde_json::from_slice(&text).unwrap();
            if answer["id"] == self.n_commands {
                assert_eq!(answer["error"], Value::Null, "{command}");
                return answer["result"].take();
            }
            if COMPLAINTS.iter().any(|name| answer["method"] == *name) {
                self.complaints.push(answer.to_string());
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
