//! A real Chromium without a window, driven by the DevTools protocol over a pipe: no port, and no library that would have to know
//! every message.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// A condition that does not come true by then never will.
const DEADLINE: Duration = Duration::from_secs(60);

/// Names under which distributions ship it.
const PROGRAMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

/// The program, or nothing where this machine has none; `RUNSTAMP_CHROMIUM` names one.
pub(crate) fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("RUNSTAMP_CHROMIUM").filter(|named| !named.is_empty()) {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let places = PROGRAMS
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    places.into_iter().find(|place| place.is_file())
}

/// A browser with one page; both end when it is dropped.
pub(crate) struct Browser {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    last_id: u64,
    session: Option<String>,
    /// What the page told without being asked, oldest first.
    events: Vec<Value>,
    _profile: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Browser {
    /// Starts the program with an empty profile, and opens a page that tells what it fetches and logs.
    pub(crate) fn start(program: &PathBuf) -> Self {
        let profile = tempfile::tempdir().unwrap();
        // The browser reads descriptor 3 and writes descriptor 4, which the shell makes of the ordinary ones.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1"])
            .arg(program)
            // The sandbox needs rights that a container rarely has; what runs here is our own page.
            .args([
                "--headless=new",
                "--no-sandbox",
                "--remote-debugging-pipe",
                "--no-first-run",
                "--disable-gpu",
            ])
            .args([
                "--hide-scrollbars",
                "--force-color-profile=srgb",
                "--lang=en-US",
                "--disable-dev-shm-usage",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .args([
                "--font-render-hinting=none",
                "--disable-extensions",
                "--no-default-browser-check",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, messages) = channel();
        thread::spawn(move || {
            for message in output.split(0) {
                let Ok(message) = message else { return };
                if sender.send(serde_json::from_slice(&message).unwrap()).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self {
            child,
            input,
            messages,
            last_id: 0,
            session: None,
            events: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}));
        let target = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", &target)["sessionId"].clone();
        browser.session = Some(session.as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Sends a command and waits for its result.
    #[track_caller]
    pub(crate) fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.last_id += 1;
        let mut message = json!({"id": self.last_id, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.input.write_all(&bytes).unwrap();
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let answer = self.messages.recv_timeout(left);
            let mut answer = answer.unwrap_or_else(|_| panic!("the browser does not answer {method} {parameters}"));
            if answer["id"] == self.last_id {
                assert!(answer["error"].is_null(), "{method} {parameters}: {answer}");
                return answer["result"].take();
            }
            self.events.push(answer);
        }
    }

    /// Opens an address in the page, and waits until its scripts have run.
    #[track_caller]
    pub(crate) fn open(&mut self, url: &str) {
        // A place within the page that is open would not load it again.
        self.call("Page.navigate", &json!({"url": "about:blank"}));
        let opened = self.call("Page.navigate", &json!({"url": url}));
        assert!(opened["errorText"].is_null(), "{url}: {opened}");
        self.until("location.href !== 'about:blank' && document.readyState === 'complete'");
    }

    /// The value of an expression in the page; a promise is waited for.
    #[track_caller]
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true});
        let mut answer = self.call("Runtime.evaluate", &asked);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer:#}");
        answer["result"]["value"].take()
    }

    /// Waits until an expression holds: it is looked at before each frame that the page draws.
    #[track_caller]
    pub(crate) fn until(&mut self, condition: &str) {
        let deadline = Instant::now() + DEADLINE;
        let waiting = format!(
            "new Promise((done) => {{ const look = (left) => {{ \
               let holds = false; try {{ holds = Boolean({condition}); }} catch {{}} \
               if (holds || left === 0) done(holds); else requestAnimationFrame(() => look(left - 1)); }}; look(120); }})"
        );
        while Instant::now() < deadline {
            if self.eval(&waiting) == true {
                return;
            }
        }
        let shown = self.eval("document.body.innerText");
        panic!(
            "this never came true: {condition}\n{}",
            shown.as_str().unwrap_or_default()
        );
    }

    /// Presses a key, with modifiers as in `Ctrl+Enter`.
    #[track_caller]
    pub(crate) fn press(&mut self, keys: &str) {
        let mut modifiers = 0;
        let mut key = keys;
        for (name, bit) in [("Alt+", 1), ("Ctrl+", 2), ("Shift+", 8)] {
            if let Some(rest) = key.strip_prefix(name) {
                modifiers |= bit;
                key = rest;
            }
        }
        let code = match key {
            "Enter" => 13,
            "Tab" => 9,
            "Escape" => 27,
            "Home" => 36,
            "End" => 35,
            "ArrowDown" => 40,
            "Space" => 32,
            "Backspace" => 8,
            "F6" => 117,
            "F8" => 119,
            "]" => 221,
            "[" => 219,
            _ => i32::from(key.to_ascii_uppercase().as_bytes()[0]),
        };
        let text = match key {
            _ if modifiers & 2 != 0 => "",
            "Enter" => "\r",
            "Space" => " ",
            _ if key.len() == 1 => key,
            _ => "",
        };
        let key = if key == "Space" { " " } else { key };
        let commands = if modifiers == 2 && key == "a" {
            vec!["selectAll"]
        } else {
            vec![]
        };
        for kind in ["keyDown", "keyUp"] {
            let event = json!({
                "type": kind, "key": key, "code": key, "modifiers": modifiers, "windowsVirtualKeyCode": code,
                "text": if kind == "keyDown" { text } else { "" }, "commands": commands,
            });
            self.call("Input.dispatchKeyEvent", &event);
        }
    }

    /// Types a text where the caret is, as an input method does.
    #[track_caller]
    pub(crate) fn write(&mut self, text: &str) {
        self.call("Input.insertText", &json!({"text": text}));
    }

    /// What the system says about colours.
    pub(crate) fn prefer(&mut self, scheme: &str) {
        let feature = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", &feature);
    }

    /// Makes the page as large as a window of this size.
    pub(crate) fn resize(&mut self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// What the page looks like, as PNG.
    pub(crate) fn screenshot(&mut self) -> Vec<u8> {
        // What has changed is drawn first.
        self.eval("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
        let shot = self.call(
            "Page.captureScreenshot",
            &json!({"format": "png", "optimizeForSpeed": false}),
        );
        STANDARD.decode(shot["data"].as_str().unwrap()).unwrap()
    }

    /// The events of a kind so far.
    pub(crate) fn events(&mut self, method: &str) -> Vec<Value> {
        // What was told before this answer has come before it.
        self.eval("0");
        let events = self.events.iter().filter(|event| event["method"] == method);
        events.map(|event| event["params"].clone()).collect()
    }
}
