//! `electra serve` as a separate process, with a tiny model that the reference trained.
#![allow(dead_code)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use electra::tasks::qa::span_head::SpanHeadConfig;

use super::{
    place::{golden, tiny_vocabulary},
    runs,
};

/// Longer than any test waits for anything that happens at all, however busy the machine.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// The beginning of an API request; a length or similar must follow.
pub const POST: &str = "POST /api/answer HTTP/1.1\r\nHost: localhost\r\n\
                        Content-Type: application/json\r\n";

/// A folder with a question-answering model: the reference's, after 24 steps on a piece of SQuAD.
pub struct Model {
    folder: tempfile::TempDir,
}

impl Model {
    /// Creates the folder; `hparams` override those that the model was trained with.
    pub fn new(hparams: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let run = &runs()[0];
        let checkpoint = golden("squad2-tiny-projected/trained/model.ckpt");
        checkpoints_convert::convert(&checkpoint, folder.path(), &mut |_, _| {}).unwrap();
        let vocab = tiny_vocabulary();
        std::fs::copy(vocab, folder.path().join("vocab.txt")).unwrap();
        let mut config = run.config.to_json();
        config["model_name"] = "electra_tiny_projected".into();
        // As a run describes its model.
        config["model"] = json!(run.config.encoder());
        config["heads"] = json!({"squad": SpanHeadConfig::of(&run.config)});
        for (key, value) in hparams.as_object().unwrap() {
            config[key] = value.clone();
        }
        std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        Model { folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// A server that is stopped with the test.
pub struct Server {
    child: Child,
    pub url: String,
    /// Its output on standard error.
    said: Option<JoinHandle<String>>,
}

impl Server {
    /// Starts it on a free port and waits until it answers.
    #[track_caller]
    pub fn start(checkpoint: &Path, flags: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_electra"))
            .args(["serve", "--device", "cpu", "--port", "0", "--json"])
            .arg("--checkpoint")
            .arg(checkpoint)
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let said = thread::spawn(move || {
            let mut said = String::new();
            stderr.read_to_string(&mut said).unwrap();
            said
        });
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let Ok(told) = serde_json::from_str::<Value>(&line) else {
            panic!("{line:?}, {}", said.join().unwrap());
        };
        Server {
            child,
            url: told["url"].as_str().unwrap().to_owned(),
            said: Some(said),
        }
    }

    /// Returns host and port.
    pub fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// Sends SIGTERM.
    pub fn ask_to_end(&self) {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(asked.success());
    }

    /// Waits for its exit, and returns its output on standard error.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        (status, self.said.take().unwrap().join().unwrap())
    }

    /// Waits until this many questions are in progress.
    #[track_caller]
    pub fn wait_for_queue(&self, questions: u64) {
        let began = Instant::now();
        while get(&format!("{}/health", self.url)).json["queue"] != questions {
            assert!(began.elapsed() < PATIENCE, "{questions} never waited");
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn ask(&self, question: &str, passage: &str) -> Response {
        let asked = json!({"question": question, "passage": passage});
        self.post("application/json", &asked.to_string())
    }

    pub fn post(&self, content_type: &str, body: &str) -> Response {
        let url = format!("{}/api/answer", self.url);
        let request = agent().post(url).header("Content-Type", content_type);
        Response::read(request.send(body))
    }

    /// Sends a list of questions in one request.
    pub fn ask_list(&self, questions: &Value) -> Response {
        let url = format!("{}/v1/answers", self.url);
        Response::read(agent().post(url).send_json(questions))
    }

    /// Opens a connection, for requests that no client library sends.
    #[track_caller]
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends a question without waiting for the answer; dropping the connection disconnects the
    /// client.
    #[track_caller]
    pub fn begin_to_ask(&self, question: &str, passage: &str) -> TcpStream {
        let asked = json!({"question": question, "passage": passage}).to_string();
        let mut stream = self.connect();
        let head = format!("{POST}Content-Length: {}\r\n\r\n", asked.len());
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(asked.as_bytes()).unwrap();
        stream
    }

    /// Sends raw bytes and reads until the server closes the connection.
    pub fn raw(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have exited already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A response of the server.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub body: String,
    /// The body, if it is JSON.
    pub json: Value,
}

impl Response {
    #[track_caller]
    pub fn read(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Self {
        let mut response = response.unwrap();
        let body = response.body_mut().read_to_string().unwrap();
        Response {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            json: serde_json::from_str(&body).unwrap_or_default(),
            body,
        }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Returns why there is no answer.
    pub fn message(&self) -> &str {
        self.json["error"]["message"].as_str().unwrap_or("")
    }
}

/// Returns a client that accepts every status.
pub fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .build()
        .into()
}

#[track_caller]
pub fn get(url: &str) -> Response {
    Response::read(agent().get(url).call())
}

/// Returns questions on passages, from the piece of SQuAD in the repository.
pub fn questions() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(golden("data/squad2-tiny.dev.json")).unwrap();
    let data: Value = serde_json::from_str(&text).unwrap();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    list(&data["data"])
        .iter()
        .flat_map(|article| list(&article["paragraphs"]))
        .flat_map(|paragraph| {
            let passage = text(&paragraph["context"]);
            let questions = list(&paragraph["qas"]);
            questions
                .into_iter()
                .map(move |question| (text(&question["question"]), passage.clone()))
        })
        .collect()
}

/// Sends all questions from several clients at once; responses are in the order of the questions.
pub fn ask_all(
    server: &Server,
    questions: &[(String, String)],
    clients: usize,
) -> Vec<(Response, Duration)> {
    let next = Arc::new(std::sync::Mutex::new(0..questions.len()));
    let mut responses: Vec<(usize, (Response, Duration))> = thread::scope(|scope| {
        let client = || {
            let mut responses = Vec::new();
            loop {
                let Some(place) = next.lock().unwrap().next() else {
                    return responses;
                };
                let (question, passage) = &questions[place];
                let began = Instant::now();
                let response = server.ask(question, passage);
                responses.push((place, (response, began.elapsed())));
            }
        };
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        let joined = clients.into_iter().map(|client| client.join().unwrap());
        joined.flatten().collect()
    });
    responses.sort_unstable_by_key(|(place, _)| *place);
    responses
        .into_iter()
        .map(|(_, response)| response)
        .collect()
}

/// Returns a passage that keeps the model busy for a while: 50,000 tokens.
pub fn long_passage() -> String {
    "a ".repeat(49_999) + "z"
}
