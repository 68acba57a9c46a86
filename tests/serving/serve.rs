//! Tests `electra serve` as programs see it: answers, errors, limits, host names, and shutdown.
#![cfg(unix)]

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    golden,
    served::{Model, PATIENCE, Response, Server, agent, ask_all, get, long_passage, questions},
};
use serde_json::{Value, json};

/// Between the null odds of the questions, so that some are answered and some are not.
const THRESHOLD: f64 = 0.065;

fn model() -> Model {
    Model::new(&json!({"qa_na_threshold": THRESHOLD}))
}

#[test]
fn answers_are_those_of_predict_and_stand_where_they_say() {
    let model = model();
    let out = tempfile::tempdir().unwrap();
    let predicted = Command::new(env!("CARGO_BIN_EXE_electra"))
        .args(["predict", "--device", "cpu", "--checkpoint"])
        .arg(model.path())
        .arg("--data")
        .arg(golden("data/squad2-tiny.dev.json"))
        .arg("--output")
        .arg(out.path())
        .output()
        .unwrap();
    assert!(predicted.status.success(), "{predicted:?}");
    let read = |name: &str| -> BTreeMap<String, Value> {
        let text = std::fs::read_to_string(out.path().join(name)).unwrap();
        // Files keep the questions' order.
        serde_json::from_str(&text).unwrap()
    };
    let (preds, nbest, odds) = (
        read("preds.json"),
        read("nbest.json"),
        read("null_odds.json"),
    );
    let data: Value =
        serde_json::from_slice(&std::fs::read(golden("data/squad2-tiny.dev.json")).unwrap())
            .unwrap();
    let ids: Vec<&str> = data["data"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|article| article["paragraphs"].as_array().unwrap())
        .flat_map(|paragraph| paragraph["qas"].as_array().unwrap())
        .map(|question| question["id"].as_str().unwrap())
        .collect();

    let server = Server::start(model.path(), &[]);
    let questions = questions();
    // From several clients, so that questions share batches.
    let responses = ask_all(&server, &questions, 8);
    assert_eq!((ids.len(), responses.len()), (preds.len(), preds.len()));
    let (mut answered, mut unanswered) = (0, 0);
    for ((id, (_, passage)), (response, _)) in ids.iter().zip(&questions).zip(&responses) {
        assert_eq!(response.status, 200, "{}", response.body);
        let reply = &response.json;
        let null_odds = reply["null_odds"].as_f64().unwrap();
        assert!(
            (null_odds - odds[*id].as_f64().unwrap()).abs() < 1e-4,
            "{id}"
        );
        let probability = reply["no_answer_probability"].as_f64().unwrap();
        assert!((probability - 1.0 / (1.0 + (-null_odds).exp())).abs() < 1e-12);
        assert_eq!(reply["threshold"], THRESHOLD);

        let ours = reply["nbest"].as_array().unwrap();
        let theirs = nbest[*id].as_array().unwrap();
        assert_eq!(ours.len(), theirs.len(), "{id}");
        let score = |entry: &Value| {
            entry["start_logit"].as_f64().unwrap() + entry["end_logit"].as_f64().unwrap()
        };
        for (ours, theirs) in ours.iter().zip(theirs) {
            assert!(
                (score(ours) - score(theirs)).abs() < 1e-3,
                "{id}: {ours} {theirs}"
            );
            assert_at_its_place(ours, "text", passage);
        }
        // Candidates whose scores differ by less than rounding may swap places.
        let tied = score(&theirs[0]) - score(&theirs[1]) < 1e-4;
        if null_odds > THRESHOLD {
            assert_eq!(
                (&reply["answer"], &reply["start"]),
                (&json!(""), &Value::Null)
            );
            unanswered += 1;
        } else {
            assert!(tied || reply["answer"] == preds[*id], "{id}: {reply}");
            assert_at_its_place(reply, "answer", passage);
            answered += 1;
        }
    }
    assert!(answered > 5 && unanswered > 5, "{answered}, {unanswered}");
}

/// Compares the text with the code points at its stated position; whitespace may differ.
#[track_caller]
fn assert_at_its_place(entry: &Value, key: &str, passage: &str) {
    let position = |key: &str| entry[key].as_u64().unwrap() as usize;
    let (start, end) = (position("start"), position("end"));
    let there: String = passage.chars().skip(start).take(end - start).collect();
    // A no-break space is part of its word.
    let there: Vec<&str> = there.split_ascii_whitespace().collect();
    assert_eq!(entry[key], there.join(" "), "{entry}");
}

#[test]
fn places_count_code_points_and_answers_may_be_asked_for_again() {
    let model = Model::new(&json!({"qa_na_threshold": 1e3}));
    let server = Server::start(model.path(), &[]);
    let passage = "𝒜 😀\u{a0}x  Oxygen\nis an “element”,  said Élodie’s aunt.";
    let first = server.ask("What is oxygen?", passage);
    assert_eq!(first.status, 200, "{}", first.body);
    assert_at_its_place(&first.json, "answer", passage);
    for entry in first.json["nbest"].as_array().unwrap() {
        assert_at_its_place(entry, "text", passage);
    }
    assert_eq!(server.ask("What is oxygen?", passage).json, first.json);

    let asked = Command::new(env!("CARGO_BIN_EXE_electra"))
        .args(["ask", "--device", "cpu", "--json", "--checkpoint"])
        .arg(model.path())
        .args(["--question", "What is oxygen?", "--passage", passage])
        .output()
        .unwrap();
    let told: Value = serde_json::from_slice(&asked.stdout).unwrap();
    assert_eq!(told, first.json);

    // Only characters that form no token: no window, and so no answer.
    let empty = server.ask("What?", "\u{200b}\u{200d}");
    assert_eq!(empty.status, 200, "{}", empty.body);
    assert_eq!(empty.json["answer"], "");
    assert_eq!(empty.json["no_answer_probability"], 1.0);
    assert_eq!(empty.json["nbest"][0]["start"], Value::Null);
}

#[test]
fn what_is_no_question_is_refused_in_words() {
    let model = model();
    let server = Server::start(model.path(), &[]);
    let asked = |question: &str, passage: &str| {
        json!({"question": question, "passage": passage}).to_string()
    };
    let json_type = "application/json";
    for (content_type, body, status, message) in [
        (json_type, "", 400, "EOF"),
        (
            json_type,
            "{\"question\": \"Who?\"",
            400,
            "line 1 column 19",
        ),
        (json_type, "[]", 400, "found a list"),
        (
            json_type,
            r#"{"question": "Who?"}"#,
            400,
            "missing field `passage`",
        ),
        (
            json_type,
            r#"{"question": 3, "passage": "Ada."}"#,
            400,
            "expected a string",
        ),
        (
            json_type,
            r#"{"question": "Who?", "passage": "Ada.", "top": 3}"#,
            400,
            "unknown field `top`",
        ),
        (
            json_type,
            r#"{"question": "Who?", "question": "Why?", "passage": "Ada."}"#,
            400,
            "duplicate field `question`",
        ),
        (
            json_type,
            &asked(" \n", "Ada."),
            400,
            "question: expected text",
        ),
        (json_type, &asked("Who?", ""), 400, "passage: expected text"),
        (
            json_type,
            &asked(&"w".repeat(1001), "Ada."),
            400,
            "question: expected at most 1000 characters, found 1001",
        ),
        (
            json_type,
            &asked("Who?", &"é".repeat(100_001)),
            400,
            "passage: expected at most 100000 characters, found 100001",
        ),
        (
            json_type,
            &asked("Who?", &"x".repeat(1 << 20)),
            413,
            "expected at most 1048576 bytes",
        ),
        (
            "text/plain",
            &asked("Who?", "Ada."),
            415,
            "found text/plain",
        ),
        (
            "application/x-www-form-urlencoded",
            "question=Who",
            415,
            "expected application/json",
        ),
    ] {
        let response = server.post(content_type, body);
        let what = format!("{:.80}: {}", body, response.body);
        assert_eq!(response.status, status, "{what}");
        assert!(response.message().contains(message), "{what}");
        assert_api_headers(&response);
    }
    // The longest that is allowed.
    let response = server.ask(&"w".repeat(1000), "Ada wrote it.");
    assert_eq!(response.status, 200, "{}", response.body);
    let typed = server.post("application/json; charset=utf-8", &asked("Who?", "Ada."));
    assert_eq!(typed.status, 200, "{}", typed.body);

    let unknown = get(&format!("{}/answer", server.url));
    assert_eq!(
        (unknown.status, unknown.message()),
        (
            404,
            "there is nothing at /answer; /openapi.json lists the routes"
        )
    );
    let wrong = get(&format!("{}/api/answer", server.url));
    assert_eq!(
        (wrong.status, wrong.message()),
        (405, "GET is not for /api/answer")
    );
    assert_eq!(wrong.header("allow"), "POST");
    let posted = Response::read(agent().post(format!("{}/health", server.url)).send("x"));
    assert_eq!(posted.status, 405);
    // None of this has harmed the server.
    assert_eq!(server.ask("Who wrote it?", "Ada wrote it.").status, 200);
}

fn assert_api_headers(response: &Response) {
    assert_eq!(response.header("content-type"), "application/json");
    assert_eq!(response.header("cache-control"), "no-store");
    assert_eq!(response.header("x-content-type-options"), "nosniff");
    assert_eq!(response.header("access-control-allow-origin"), "");
}

#[test]
fn the_page_may_load_nothing_from_elsewhere() {
    let model = model();
    let server = Server::start(model.path(), &[]);
    let page = get(&server.url);
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(
        !policy.contains("unsafe") && !policy.contains("http"),
        "{policy}"
    );
    for part in ["page.css", "page.js"] {
        assert!(page.body.contains(&format!("\"{part}\"")), "{part}");
        let part = get(&format!("{}/{part}", server.url));
        assert_eq!(
            (part.status, part.header("x-content-type-options")),
            (200, "nosniff")
        );
        assert!(!part.body.contains("http:") && !part.body.contains("https:"));
    }
    assert!(!page.body.contains("http:") && !page.body.contains("https:"));
    let head = Response::read(agent().head(&server.url).call());
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[test]
fn only_names_of_this_machine_are_answered_to() {
    let model = model();
    let server = Server::start(model.path(), &[]);
    let port = server.address().rsplit(':').next().unwrap();
    for (host, status) in [
        (format!("localhost:{port}"), "200"),
        (format!("127.0.0.1:{port}"), "200"),
        (format!("[::1]:{port}"), "200"),
        (format!("rebound.example:{port}"), "403"),
        ("rebound.example".to_owned(), "403"),
    ] {
        for path in ["/", "/health"] {
            let request =
                format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let response = server.raw(&request);
            assert!(
                response.starts_with(&format!("HTTP/1.1 {status} ")),
                "{host}: {response}"
            );
        }
    }
    let nameless = server.raw("GET /health HTTP/1.0\r\n\r\n");
    assert!(nameless.starts_with("HTTP/1.0 400 "), "{nameless}");
    // A server open to others may have any name.
    let open = Server::start(model.path(), &["--host", "0.0.0.0"]);
    let request = "GET /health HTTP/1.1\r\nHost: qa.example\r\nConnection: close\r\n\r\n";
    let port = open.address().rsplit(':').next().unwrap().to_owned();
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    open.ask_to_end();
    let (status, said) = open.wait();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("put a TLS proxy in front of it"), "{said}");
}

#[test]
fn a_full_queue_is_told() {
    let model = Model::new(&json!({"doc_stride": 64}));
    let server = Server::start(model.path(), &["--queue", "8", "--timeout", "3600"]);
    let passage = long_passage();
    let busy: Vec<TcpStream> = (0..8)
        .map(|_| server.begin_to_ask("Which letter?", &passage))
        .collect();
    server.wait_for_queue(8);
    let full = server.ask("Who?", "Ada.");
    assert_eq!(full.status, 503, "{}", full.body);
    assert!(
        full.message().contains("8 questions wait already"),
        "{}",
        full.body
    );
    assert_eq!(full.header("retry-after"), "1");
    assert_api_headers(&full);
    // What nobody waits for is not computed: the places in the queue are free again.
    drop(busy);
    server.wait_for_queue(0);
    assert_eq!(server.ask("Who?", "Ada.").status, 200);
}

#[test]
fn a_late_answer_is_told() {
    // Twice the windows of the usual stride: work for more than a second.
    let model = Model::new(&json!({"doc_stride": 64}));
    let server = Server::start(model.path(), &["--timeout", "1"]);
    let passage = long_passage();
    let busy: Vec<TcpStream> = (0..8)
        .map(|_| server.begin_to_ask("Which letter?", &passage))
        .collect();
    let late = server.ask("Which letter?", &passage);
    assert_eq!(late.status, 504, "{}", late.body);
    let message = late.message();
    assert!(message.starts_with("no answer within 1 s"), "{message}");
    assert_api_headers(&late);
    for mut stream in busy {
        let mut response = [0; 12];
        stream.read_exact(&mut response).unwrap();
        let status = &response[9..];
        assert!(status == b"504" || status == b"200", "{response:?}");
    }
    server.wait_for_queue(0);
    // A second is enough for a short one, once the long ones are abandoned.
    let asked_again = || server.ask("Who?", "Ada.").status == 200;
    assert!((0..20).any(|_| asked_again()));
}

#[test]
fn short_questions_are_answered_beside_four_long_ones() {
    let model = Model::new(&json!({"qa_na_threshold": 1e3}));
    let server = Server::start(model.path(), &["--timeout", "3600"]);
    // The longest that is allowed.
    let passage = &(long_passage() + ".");
    assert_eq!(passage.chars().count(), 100_000);
    let alone = server.ask("Who wrote it?", "Ada wrote it.");
    let long: Vec<TcpStream> = (0..4)
        .map(|_| server.begin_to_ask("Which letter?", passage))
        .collect();
    server.wait_for_queue(4);
    let mut slowest = Duration::ZERO;
    for _ in 0..5 {
        let began = Instant::now();
        let short = server.ask("Who wrote it?", "Ada wrote it.");
        slowest = slowest.max(began.elapsed());
        assert_eq!(short.status, 200, "{}", short.body);
        assert_eq!(short.json["answer"], alone.json["answer"]);
    }
    println!("a short question beside four long ones: {slowest:.2?} at most");
    // Its time depends on the machine; that the long ones are still running does not.
    let health = get(&format!("{}/health", server.url));
    assert_eq!(health.json["queue"], 4, "the long ones are still under way");
    drop(long);
    server.wait_for_queue(0);
}

#[test]
fn the_threshold_is_the_models_the_servers_or_the_requests() {
    let model = model();
    let ask = |server: &Server, threshold: Value| {
        let asked = json!({
            "question": "Who wrote it?", "passage": "Ada wrote it.", "threshold": threshold,
        });
        server.post("application/json", &asked.to_string())
    };
    let server = Server::start(model.path(), &[]);
    let null = ask(&server, Value::Null).json;
    assert_eq!(null["threshold"], THRESHOLD);
    assert_eq!(server.ask("Who wrote it?", "Ada wrote it.").json, null);
    let null_odds = null["null_odds"].as_f64().unwrap();
    // At exactly the threshold the answer is kept.
    for (threshold, stands) in [
        (json!(1000), true),
        (json!(null_odds), true),
        (json!(null_odds - 1e-9), false),
        (json!(-1000.5), false),
    ] {
        let reply = ask(&server, threshold.clone()).json;
        assert_eq!(reply["threshold"].as_f64(), threshold.as_f64());
        assert_eq!(reply["answer"] != "", stands, "{threshold}: {reply}");
        assert_eq!(reply["start"].is_null(), !stands, "{threshold}: {reply}");
        assert_eq!(reply["nbest"], null["nbest"]);
    }
    let refused = ask(&server, json!("high"));
    assert_eq!(refused.status, 400, "{}", refused.body);
    let infinite = r#"{"question": "Who?", "passage": "Ada.", "threshold": 1e999}"#;
    let refused = server.post("application/json", infinite);
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert!(refused.message().contains("out of range"));

    let strict = Server::start(model.path(), &["--threshold", "-1000"]);
    let reply = ask(&strict, Value::Null).json;
    assert_eq!(
        (&reply["answer"], &reply["threshold"]),
        (&json!(""), &json!(-1000.0))
    );
    assert_ne!(ask(&strict, json!(1e3)).json["answer"], "");
}

#[test]
fn a_client_that_stops_in_the_middle_is_not_waited_for() {
    let model = model();
    let server = Server::start(model.path(), &["--timeout", "1"]);
    let head = "POST /api/answer HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    thread::scope(|scope| {
        let body =
            scope.spawn(|| server.raw(&format!("{head}Content-Length: 40\r\n\r\n{{\"question\"")));
        // Half a header: the connection is closed without a response.
        let half = scope.spawn(|| {
            let mut stream = TcpStream::connect(server.address()).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            let mut response = Vec::new();
            stream
                .read_to_end(&mut response)
                .map(|_| response)
                .unwrap_or_default()
        });
        let body = body.join().unwrap();
        assert!(body.starts_with("HTTP/1.1 408 "), "{body}");
        assert!(
            body.contains("did not arrive completely within 10 s"),
            "{body}"
        );
        assert_eq!(half.join().unwrap(), b"");
    });
    assert_eq!(server.ask("Who?", "Ada.").status, 200);
}

#[test]
fn asked_to_end_it_answers_all_that_is_under_way() {
    const LONG: u64 = 3;
    let model = model();
    let server = Server::start(model.path(), &["--timeout", "3600"]);
    let passage = long_passage();
    thread::scope(|scope| {
        // These take turns for seconds, so that all are in progress at shutdown.
        let long: Vec<_> = (0..LONG)
            .map(|_| scope.spawn(|| server.ask("Which letter?", &passage)))
            .collect();
        server.wait_for_queue(LONG);
        server.ask_to_end();
        for asked in long {
            let response = asked.join().unwrap();
            assert_eq!(response.status, 200, "{}", response.body);
            assert!(response.json["nbest"][0]["text"].is_string());
        }
    });
    // A process that has ended does not listen; its port may be another server's by now.
    let (status, said) = server.wait();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains(r#""text":"stopped""#), "{said}");
}

#[test]
fn a_port_that_is_taken_is_told_before_the_model_is_read() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let refused = |flags: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_electra"))
            .args(["serve", "--device", "cpu", "--checkpoint", "no-such-folder"])
            .args(flags)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    let message = refused(&["--port", &port.to_string()]);
    let told = format!("error: cannot listen on 127.0.0.1:{port}: ");
    assert!(message.starts_with(&told), "{message}");
    assert!(
        message.ends_with("give another --port, or 0 for any free one\n"),
        "{message}"
    );
    // An address reserved for documentation, which no machine has.
    let elsewhere = refused(&["--host", "192.0.2.7", "--port", "0"]);
    assert!(
        elsewhere.contains("give --host an address of this machine"),
        "{elsewhere}"
    );
    let absent = refused(&["--port", "0"]);
    assert!(absent.contains("no-such-folder"), "{absent}");
    for wrong in [
        ["--timeout", "0"],
        ["--queue", "0"],
        ["--port", "65536"],
        ["--threshold", "NaN"],
        ["--threshold", "inf"],
    ] {
        assert!(refused(&wrong).contains(wrong[0]), "{wrong:?}");
    }
}
