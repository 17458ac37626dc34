//! Chromium without a window, driven by the protocol of its developer tools, over two pipes: no port, no web socket.
//!
//! Messages are JSON, ended by a NUL byte (`--remote-debugging-pipe`): file descriptor 3 is for commands, 4 for answers
//! and events.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::process::PATIENCE;
use super::scratch::Scratch;

/// The program and the Debian package that has it.
pub(crate) const CHROMIUM: (&str, &str) = ("chromium", "chromium");

/// What a browser would do by itself beside showing a page, and what it needs to run as root.
const OPTIONS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--remote-debugging-pipe",
];

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    commands: File,
    answers: BufReader<File>,
    /// Of the last command.
    id: u64,
    session: Option<String>,
    /// What has happened.
    events: Vec<Value>,
    /// Its profile and its pipes, which go with it.
    _scratch: Scratch,
}

impl Browser {
    /// Starts one with an empty page.
    pub(crate) fn start() -> Self {
        let scratch = Scratch::new();
        let [commands, answers, profile, log] =
            ["commands", "answers", "profile", "log"].map(|name| scratch.path(name));
        let made = Command::new("mkfifo").args([&commands, &answers]).status();
        assert!(made.expect("mkfifo starts").success());
        // Opening a pipe waits for its other end.
        let child = Command::new("timeout")
            .args(["--kill-after=5", "300", "sh", "-c"])
            .arg(r#"commands=$1 answers=$2; shift 2; exec "$@" 3<"$commands" 4>"$answers""#)
            .args(["sh", &commands, &answers, CHROMIUM.0])
            .args(OPTIONS)
            .arg(format!("--user-data-dir={profile}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(log).expect("a file"))
            .spawn()
            .expect("timeout starts");
        let commands = File::options().write(true).open(commands).expect("a pipe");
        let answers = BufReader::new(File::open(answers).expect("a pipe"));
        let (id, session, events) = (0, None, Vec::new());
        let mut browser = Self { child, commands, answers, id, session, events, _scratch: scratch };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", &attach);
        browser.session = Some(session["sessionId"].as_str().expect("a session").into());
        for domain in ["Runtime.enable", "Log.enable", "Page.enable"] {
            browser.call(domain, &json!({}));
        }
        browser
    }

    /// Gives a command, and returns what comes of it.
    pub(crate) fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.id += 1;
        let mut command = json!({ "id": self.id, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            command["sessionId"] = session.as_str().into();
        }
        self.commands.write_all(format!("{command}\0").as_bytes()).expect("the browser runs");
        loop {
            let mut message = Vec::new();
            self.answers.read_until(0, &mut message).expect("the browser runs");
            assert_eq!(message.pop(), Some(0), "the browser ended at {method}");
            let mut message: Value = serde_json::from_slice(&message).expect("JSON");
            if message["id"] == self.id {
                assert_eq!(message["error"], Value::Null, "{method}");
                return message["result"].take();
            }
            self.events.push(message);
        }
    }

    /// What an expression, or the promise that it is, comes to in the page.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let parameters =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let mut result = self.call("Runtime.evaluate", &parameters);
        assert_eq!(result["exceptionDetails"], Value::Null, "{expression}");
        result["result"]["value"].take()
    }

    /// Waits until `condition` holds in the page.
    pub(crate) fn until(&mut self, condition: &str) {
        let limit_ms = PATIENCE.as_millis();
        let held = self.value(&format!(
            "new Promise(done => {{
                const begin = performance.now();
                const look = () => ({condition}) ? done(true)
                    : performance.now() - begin > {limit_ms} ? done(false) : setTimeout(look, 20);
                look();
            }})"
        ));
        let page = if held == true { Value::Null } else { self.value("document.body.innerText") };
        assert_eq!(held, true, "{condition} does not come true; the page says {page}");
    }

    /// Goes to `url`.
    pub(crate) fn go(&mut self, url: &str) {
        let went = self.call("Page.navigate", &json!({ "url": url }));
        assert_eq!(went["errorText"], Value::Null, "{url}");
    }

    /// Presses a key on whatever has the focus. `text` is what it types, or "".
    pub(crate) fn press(&mut self, key: &str, code: u32, text: &str) {
        for kind in ["keyDown", "keyUp"] {
            let typed = if kind == "keyDown" { text } else { "" };
            let press = json!({ "type": kind, "key": key, "code": key, "text": typed,
                "windowsVirtualKeyCode": code });
            self.call("Input.dispatchKeyEvent", &press);
        }
    }

    /// Types text into what has the focus.
    pub(crate) fn write(&mut self, text: &str) {
        self.call("Input.insertText", &json!({ "text": text }));
    }

    /// Shows the page at this size, in light colours or in dark ones.
    pub(crate) fn show_as(&mut self, (width, height): (u32, u32), scheme: &str) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", &size);
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// A picture of what is to be seen, as PNG in base64.
    pub(crate) fn picture(&mut self) -> String {
        let picture = self.call("Page.captureScreenshot", &json!({ "format": "png" }));
        picture["data"].as_str().expect("a picture").into()
    }

    /// What the page did wrong so far: exceptions that nobody caught, errors and warnings on its console, and what the
    /// browser says of it. That the network failed is no fault of the page's if `network` says that it did.
    pub(crate) fn complaints(&mut self, network: bool) -> Vec<String> {
        // What has happened is told before the answer.
        self.value("0");
        let wrong = |event: &&Value| match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => {
                matches!(event["params"]["type"].as_str(), Some("error" | "warning" | "assert"))
            }
            Some("Log.entryAdded") => !(network && event["params"]["entry"]["source"] == "network"),
            _ => false,
        };
        self.events.iter().filter(wrong).map(|event| event["params"].to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // timeout, which passes it on to the browser and what that has started.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.child.wait();
    }
}
