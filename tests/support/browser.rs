//! A headless Chromium, controlled through chromedriver (W3C WebDriver, and Chromium's own commands
//! for what that lacks: narrow screens, dark mode).
#![allow(dead_code)]

use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::served::{PATIENCE, Response, agent};

const FLAGS: [&str; 9] = [
    "--headless",
    // As on phones, so that the requested width is the page's.
    "--hide-scrollbars",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// Width, height and colour scheme of the screens on which pages are tested.
pub const SCREENS: [(u32, u32, &str); 4] = [
    (1280, 900, "light"),
    (1280, 900, "dark"),
    (390, 844, "light"),
    (390, 844, "dark"),
];

/// Script that returns the lowest contrast of text with its background, and that text.
const LEAST_CONTRAST: &str = r#"
const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
const light = (colour) => channels(colour).slice(0, 3)
  .map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (element) => {
  for (let e = element; e; e = e.parentElement) {
    const colour = getComputedStyle(e).backgroundColor;
    if ((channels(colour)[3] ?? 1) > 0) return colour;
  }
  return "rgb(255, 255, 255)";
};
const contrasts = [...document.querySelectorAll("body *")]
  .filter((e) => e.checkVisibility() && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
  .filter((e) => !e.closest(".out-of-sight"))
  .map((e) => {
    const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), e.innerText];
  });
return contrasts.sort((a, b) => a[0] - b[0])[0];
"#;

/// WebDriver's key for an element in JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one window, which is closed with the test.
pub struct Browser {
    driver: Child,
    /// Kept open, since chromedriver exits if it cannot write.
    _said: BufReader<ChildStdout>,
    session: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts it; `None`, with a message, on a machine without chromedriver, unless
    /// ELECTRA_CHROMIUM=1 requires it.
    pub fn start() -> Option<Self> {
        let started = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut driver = match started {
            Ok(driver) => driver,
            Err(error) => {
                let asked = std::env::var("ELECTRA_CHROMIUM").is_ok_and(|value| value == "1");
                assert!(!asked, "ELECTRA_CHROMIUM=1, but chromedriver: {error}");
                eprintln!("skipped: chromedriver cannot be started: {error}");
                return None;
            }
        };
        let mut said = BufReader::new(driver.stdout.take().unwrap());
        let port = loop {
            let mut line = String::new();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "chromedriver ended");
            if let Some((_, port)) = line.trim().split_once("successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        let profile = tempfile::tempdir().unwrap();
        let mut flags: Vec<String> = FLAGS.map(str::to_owned).to_vec();
        flags.push(format!("--user-data-dir={}", profile.path().display()));
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": flags},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let url = format!("http://127.0.0.1:{port}/session");
        // On a busy machine Chromium may start too slowly for chromedriver's own timeout.
        let begun = (0..5)
            .map(|_| Response::read(agent().post(&url).send_json(&wanted)))
            .find(|begun| begun.status == 200);
        let begun = begun.expect("Chromium does not start, five times");
        let id = begun.json["value"]["sessionId"].as_str().unwrap();
        Some(Browser {
            driver,
            _said: said,
            session: format!("{url}/{id}"),
            _profile: profile,
        })
    }

    #[track_caller]
    fn tell(&self, command: &str, parameters: &Value) -> Value {
        let url = format!("{}/{command}", self.session);
        let mut told = Response::read(agent().post(url).send_json(parameters));
        assert_eq!(told.status, 200, "{command} {parameters}: {}", told.body);
        told.json["value"].take()
    }

    #[track_caller]
    pub fn open(&self, url: &str) {
        self.tell("url", &json!({"url": url}));
    }

    /// Returns the value of a script's `return`.
    #[track_caller]
    pub fn script(&self, script: &str) -> Value {
        self.tell("execute/sync", &json!({"script": script, "args": []}))
    }

    #[track_caller]
    fn element(&self, selector: &str) -> String {
        let wanted = json!({"using": "css selector", "value": selector});
        let found = self.tell("element", &wanted);
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    /// Clicks as a user would: elements that are covered or out of view cannot be clicked.
    #[track_caller]
    pub fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.tell(&format!("element/{element}/click"), &json!({}));
    }

    /// Types in place of the previous text.
    #[track_caller]
    pub fn type_in(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.tell(&format!("element/{element}/clear"), &json!({}));
        self.tell(&format!("element/{element}/value"), &json!({"text": text}));
    }

    /// Returns the visible text of an element.
    #[track_caller]
    pub fn text(&self, selector: &str) -> String {
        let selector = json!(selector);
        let text = self.script(&format!(
            "return document.querySelector({selector}).innerText"
        ));
        text.as_str().unwrap().to_owned()
    }

    /// Waits until a script returns true.
    #[track_caller]
    pub fn wait_for(&self, script: &str) {
        let began = Instant::now();
        while self.script(script) != true {
            assert!(began.elapsed() < PATIENCE, "never true: {script}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    #[track_caller]
    fn chromium(&self, command: &str, parameters: &Value) -> Value {
        let told = json!({"cmd": command, "params": parameters});
        self.tell("goog/cdp/execute", &told)
    }

    /// Sets the size of the screen, and light or dark mode.
    #[track_caller]
    pub fn screen(&self, width: u32, height: u32, scheme: &str) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
        });
        self.chromium("Emulation.setDeviceMetricsOverride", &size);
        let colours = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.chromium("Emulation.setEmulatedMedia", &colours);
    }

    /// Asserts that the page is no wider than its screen, all text is legible, and the console has
    /// no errors.
    #[track_caller]
    pub fn assert_readable(&self, what: &str) {
        let page = self
            .script("const page = document.documentElement; return [page.scrollWidth, innerWidth]");
        assert!(
            page[0].as_u64() <= page[1].as_u64(),
            "{what}: wider than its screen: {page}"
        );
        let least = self.script(LEAST_CONTRAST);
        assert!(
            least[0].as_f64().unwrap() >= 4.5,
            "{what}: contrast {least}"
        );
        assert_eq!(self.errors(), [""; 0], "{what}");
    }

    /// Takes a screenshot of the whole page, as PNG.
    #[track_caller]
    pub fn picture(&self) -> Vec<u8> {
        let page = self.script(
            "const page = document.documentElement; return [page.clientWidth, page.scrollHeight]",
        );
        let clip = json!({"x": 0, "y": 0, "width": page[0], "height": page[1], "scale": 1});
        let wanted = json!({"format": "png", "captureBeyondViewport": true, "clip": clip});
        let picture = self.chromium("Page.captureScreenshot", &wanted);
        BASE64_STANDARD
            .decode(picture["data"].as_str().unwrap())
            .unwrap()
    }

    /// Returns the errors that the page's console has shown since the last call.
    #[track_caller]
    pub fn errors(&self) -> Vec<String> {
        let entries = self.tell("se/log", &json!({"type": "browser"}));
        let entries = entries.as_array().unwrap().iter();
        entries
            .filter(|entry| entry["level"] == "SEVERE")
            .map(|entry| entry["message"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Quits Chromium; what remains is chromedriver.
        agent().delete(&self.session).call().ok();
        self.driver.kill().ok();
        self.driver.wait().ok();
    }
}
