//! Tests `electra serve` with classification, regression, tagging, and several tasks in one model.
#![cfg(unix)]

use std::{path::Path, process::Command, thread};

use serde_json::{Value, json};

use crate::{
    learned::{Learned, pair, sentences},
    support::served::{Model, Response, Server, agent, get},
};

fn post(server: &Server, endpoint: &str, body: &Value) -> Response {
    let url = format!("{}{endpoint}", server.url);
    Response::read(agent().post(url).send_json(body))
}

#[track_caller]
fn close(ours: &Value, theirs: &Value, tolerance: f64) {
    let (ours, theirs) = (ours.as_f64().unwrap(), theirs.as_f64().unwrap());
    assert!(
        (ours - theirs).abs() < tolerance,
        "{ours} instead of {theirs}"
    );
}

/// A task's input, and its evaluation's output for it.
struct Case {
    task: &'static str,
    endpoint: &'static str,
    body: Value,
    evaluated: Value,
}

/// Returns all dev examples of a model of three tasks.
fn cases(learned: &Learned) -> Vec<Case> {
    let mut cases = Vec::new();
    for (task, endpoint) in [("rte", "/api/classify"), ("sts", "/api/regress")] {
        for evaluated in learned.evaluated(task) {
            let [text, text_b] = pair(task, &evaluated["eid"]);
            let body = json!({"text": text, "text_b": text_b, "task": task});
            cases.push(Case {
                task,
                endpoint,
                body,
                evaluated,
            });
        }
    }
    let sentences = sentences();
    for evaluated in learned.evaluated("chunk") {
        let words = &sentences[evaluated["eid"].as_u64().unwrap() as usize];
        cases.push(Case {
            task: "chunk",
            endpoint: "/api/tag",
            body: json!({"text": words.join(" "), "task": "chunk"}),
            evaluated,
        });
    }
    cases
}

#[test]
fn replies_are_those_of_the_evaluation_whatever_the_task() {
    let learned = Learned::of(&["rte", "sts", "chunk"]);
    let server = Server::start(&learned.model(), &["--timeout", "3600"]);
    let health = get(&format!("{}/health", server.url)).json;
    let tasks = health["tasks"].as_array().unwrap();
    let told: Vec<[&str; 3]> = tasks
        .iter()
        .map(|task| ["name", "kind", "endpoint"].map(|key| task[key].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            ["rte", "classification", "/api/classify"],
            ["sts", "regression", "/api/regress"],
            ["chunk", "tagging", "/api/tag"],
        ]
    );
    assert_eq!(tasks[0]["classes"], json!(["entailment", "not_entailment"]));
    assert_eq!(tasks[1]["range"], json!([0.0, 5.0]));
    let types = tasks[2]["types"].as_array().unwrap();
    assert!(
        types.contains(&json!("NP")) && !types.contains(&json!("O")),
        "{types:?}"
    );
    let titles = |task: &Value| -> Vec<Value> {
        let fields = task["fields"].as_array().unwrap().iter();
        fields.map(|field| field["title"].clone()).collect()
    };
    assert_eq!(titles(&tasks[0]), ["Sentence 1", "Sentence 2"]);
    assert_eq!(titles(&tasks[2]), ["Text"]);

    for (task, script) in [
        ("rte", "texts.js"),
        ("sts", "texts.js"),
        ("chunk", "words.js"),
    ] {
        assert_page(&server, task, script);
    }
    let cases = cases(&learned);
    let tags = learned.labels("chunk");
    let (mut seen, mut whole) = ([0; 3], 0);
    // From several clients at once, so that requests for all heads wait together.
    let replies: Vec<(&Case, Response)> = thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|client| {
                let (own, server) = (cases.iter().skip(client).step_by(8), &server);
                scope.spawn(move || {
                    own.map(|case| (case, post(server, case.endpoint, &case.body)))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let joined = clients.into_iter().map(|client| client.join().unwrap());
        joined.flatten().collect()
    });
    for (case, reply) in &replies {
        assert_eq!(reply.status, 200, "{}", reply.body);
        let place = ["rte", "sts", "chunk"]
            .iter()
            .position(|task| *task == case.task);
        seen[place.unwrap()] += 1;
        match case.task {
            "rte" => assert_class(&reply.json, &case.evaluated, &tasks[0]["classes"]),
            "sts" => {
                close(
                    &reply.json["prediction"],
                    &case.evaluated["prediction"],
                    1e-4,
                );
                let value = 5.0 * case.evaluated["prediction"].as_f64().unwrap();
                close(&reply.json["value"], &json!(value), 1e-3);
                assert_eq!(reply.json["range"], json!([0.0, 5.0]));
            }
            _ => {
                let same = assert_tags(&reply.json, &case.body, &case.evaluated, &tags);
                whole += usize::from(same);
            }
        }
    }
    assert_eq!(seen[0], 24, "of 27 rows 3 have too few columns");
    assert!(seen[1] > 20 && whole > 5, "{seen:?}, {whole}");

    // The first task of a kind answers unless another is named.
    let first = &cases[0];
    let mut unnamed = first.body.clone();
    unnamed.as_object_mut().unwrap().remove("task");
    let reply = post(&server, "/api/classify", &unnamed);
    assert_class(&reply.json, &first.evaluated, &tasks[0]["classes"]);
}

/// Asserts that each page has its script and may load nothing from elsewhere.
#[track_caller]
fn assert_page(server: &Server, task: &str, script: &str) {
    let page = get(&format!("{}/?task={task}", server.url));
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(page.body.contains(&format!("src=\"{script}\"")), "{task}");
    for part in [script, "form.js"] {
        let part = get(&format!("{}/{part}", server.url));
        assert_eq!(
            (part.status, part.header("x-content-type-options")),
            (200, "nosniff")
        );
        assert!(!part.body.contains("http:") && !part.body.contains("https:"));
    }
    assert!(!page.body.contains("http:") && !page.body.contains("https:"));
}

#[track_caller]
fn assert_class(reply: &Value, evaluated: &Value, classes: &Value) {
    let logits = evaluated["logits"].as_array().unwrap();
    for (ours, theirs) in reply["logits"].as_array().unwrap().iter().zip(logits) {
        close(ours, theirs, 1e-3);
    }
    let powers = logits.iter().map(|logit| logit.as_f64().unwrap().exp());
    let powers: Vec<f64> = powers.collect();
    let predicted = evaluated["prediction"].as_u64().unwrap() as usize;
    // Nearly equal logits may swap places by rounding.
    if (powers[0].ln() - powers[1].ln()).abs() > 1e-3 {
        assert_eq!(reply["label"], classes[predicted], "{reply}");
        let probability = powers[predicted] / powers.iter().sum::<f64>();
        close(&reply["probability"], &json!(probability), 1e-3);
    }
    let labels = reply["labels"].as_array().unwrap();
    assert_eq!(labels.len(), logits.len());
    assert_eq!(labels[0]["label"], reply["label"]);
}

#[track_caller]
fn assert_tags(reply: &Value, body: &Value, evaluated: &Value, tags: &Value) -> bool {
    let predictions = evaluated["predictions"].as_array().unwrap();
    let words = reply["words"].as_array().unwrap();
    let text: Vec<char> = body["text"].as_str().unwrap().chars().collect();
    let at = |placed: &Value| -> String {
        let place = |key: &str| placed[key].as_u64().unwrap() as usize;
        text[place("start")..place("end")].iter().collect()
    };
    for placed in words.iter().chain(reply["spans"].as_array().unwrap()) {
        assert_eq!(placed["text"], at(placed));
        let bytes = |key: &str| placed[key].as_u64().unwrap() as usize;
        let text = body["text"].as_str().unwrap();
        assert_eq!(placed["text"], text[bytes("start_byte")..bytes("end_byte")]);
    }
    assert_eq!(reply["cut_tokens"], 0);
    // An evaluation truncates long sentences as the reference does; the others have the same rows
    // here.
    if words.len() != predictions.len() {
        return false;
    }
    for (word, predicted) in words.iter().zip(predictions) {
        assert_eq!(
            word["tag"],
            tags[predicted.as_u64().unwrap() as usize],
            "{reply}"
        );
    }
    true
}

#[test]
fn what_does_not_fit_the_task_is_refused_in_words() {
    let learned = Learned::of(&["rte", "sts"]);
    let server = Server::start(&learned.model(), &[]);
    let both = json!({"text": "Ada wrote it.", "text_b": "It was written."});
    let with = |key: &str, value: Value| {
        let mut body = both.clone();
        body[key] = value;
        body
    };
    for (endpoint, body, status, message) in [
        (
            "/api/answer",
            json!({"question": "Who?", "passage": "Ada."}),
            404,
            "/api/answer: no task of this model answers questions on passages; rte classifies texts: ask \
             at /api/classify, sts gives texts a value: ask at /api/regress",
        ),
        (
            "/api/tag",
            json!({"text": "Ada."}),
            404,
            "/api/tag: no task of this model finds spans in texts; ",
        ),
        (
            "/api/classify",
            with("task", json!("sts")),
            400,
            "task: sts gives texts a value; ask at /api/regress",
        ),
        (
            "/api/classify",
            with("task", json!("mnli")),
            400,
            "task: expected rte or sts, found \"mnli\"",
        ),
        (
            "/api/classify",
            json!({"text": "Ada wrote it."}),
            400,
            "text_b: rte takes two texts: expected a second one (Sentence 2), found none",
        ),
        (
            "/api/regress",
            with("text_b", Value::Null),
            400,
            "text_b: sts takes two texts",
        ),
        (
            "/api/classify",
            with("text", json!(" \n")),
            400,
            "text: expected text, found none",
        ),
        (
            "/api/classify",
            with("text_b", json!("")),
            400,
            "text_b: expected text, found none",
        ),
        (
            "/api/classify",
            with("text_b", json!("é".repeat(100_001))),
            400,
            "text_b: expected at most 100000 characters, found 100001",
        ),
        (
            "/api/classify",
            json!({"text_b": "It."}),
            400,
            "missing field `text`",
        ),
        (
            "/api/classify",
            with("text", json!(3)),
            400,
            "expected a string",
        ),
        (
            "/api/classify",
            with("top", json!(3)),
            400,
            "unknown field `top`",
        ),
        (
            "/api/classify",
            with("threshold", json!(0.5)),
            400,
            "unknown field `threshold`",
        ),
        (
            "/api/classify",
            json!([]),
            400,
            "expected {\"text\": \"…\"}",
        ),
    ] {
        let response = post(&server, endpoint, &body);
        let what = format!("{:.80}: {}", body.to_string(), response.body);
        assert_eq!(response.status, status, "{what}");
        assert!(response.message().contains(message), "{what}");
    }
    let url = format!("{}/api/regress", server.url);
    let plain = agent()
        .post(&url)
        .header("Content-Type", "text/plain")
        .send("x");
    assert_eq!(Response::read(plain).status, 415);
    assert_eq!(get(&url).status, 405);
    // The longest allowed text is truncated, and the reply says so: of 3 + 50,000 tokens a model of
    // 64 reads 61.
    let long = json!({"text": "a a a", "text_b": "a ".repeat(50_000)});
    let long = post(&server, "/api/classify", &long);
    assert_eq!(long.status, 200, "{}", long.body);
    assert_eq!(long.json["cut_tokens"], 49_942, "{}", long.body);
    // None of this has harmed the server.
    let whole = post(&server, "/api/regress", &both);
    assert_eq!((whole.status, &whole.json["cut_tokens"]), (200, &json!(0)));

    let unknown = get(&format!("{}/?task=mnli", server.url));
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.message(), "no such task; this model has rte, sts");
    server.ask_to_end();
    assert_eq!(server.wait().0.code(), Some(0));
}

#[test]
fn question_models_say_what_they_do_at_other_endpoints() {
    let model = Model::new(&json!({}));
    let server = Server::start(model.path(), &[]);
    let refused = post(&server, "/api/classify", &json!({"text": "Ada."}));
    assert_eq!(
        (refused.status, refused.message()),
        (
            404,
            "/api/classify: no task of this model classifies texts; squad answers questions on passages: \
             ask at /api/answer"
        )
    );
    let health = get(&format!("{}/health", server.url)).json;
    assert_eq!(
        health["tasks"],
        json!([{
            "name": "squad", "kind": "question_answering", "endpoint": "/api/answer",
            "fields": [
                {"name": "question", "title": "Question", "required": true, "max_characters": 1000},
                {"name": "passage", "title": "Passage", "required": true, "max_characters": 100_000},
            ],
        }])
    );
    let named = json!({"question": "Who?", "passage": "Ada.", "task": "squad"});
    assert_eq!(post(&server, "/api/answer", &named).status, 200);
}

const REVIEWS: &str = "review,stars\n\
    a splendid film,good\na dull film,bad\nwarm and funny,good\ncold and slow,bad\n\
    a joy to watch,good\na waste of time,bad\nbrave and clever,good\nlong and empty,bad\n";

fn own() -> Learned {
    let description = r#"{"kind": "classification", "text": "review", "label": "stars"}"#;
    let files = [
        ("train.csv", REVIEWS),
        ("dev.csv", REVIEWS),
        ("task.json", description),
    ];
    Learned::of_own("films", &files)
}

#[test]
fn a_persons_own_task_is_served_with_and_without_its_data() {
    let learned = own();
    let evaluated = learned.evaluated("films");
    let model = learned.model();
    let check = || {
        let server = Server::start(&model, &[]);
        let task = get(&format!("{}/health", server.url)).json["tasks"][0].clone();
        assert_eq!(task["classes"], json!(["bad", "good"]));
        assert_eq!(
            task["fields"],
            json!([{"name": "text", "title": "review", "required": true, "max_characters": 100_000}])
        );
        for (line, evaluated) in REVIEWS.lines().skip(1).zip(&evaluated) {
            let text = line.split(',').next().unwrap();
            let reply = post(&server, "/api/classify", &json!({"text": text}));
            assert_eq!(reply.status, 200, "{}", reply.body);
            assert_class(&reply.json, evaluated, &task["classes"]);
        }
        let two = post(
            &server,
            "/api/classify",
            &json!({"text": "a", "text_b": "b"}),
        );
        assert_eq!(
            (two.status, two.message()),
            (400, "text_b: films takes one text, found two; leave it out")
        );
    };
    check();
    // The model stores the names of its columns.
    let learned = learned.without_data();
    assert_eq!(learned.model(), model);
    check();
    refuses_a_threshold(&model);
}

fn refuses_a_threshold(model: &Path) {
    let refused = Command::new(env!("CARGO_BIN_EXE_electra"))
        .args([
            "serve",
            "--device",
            "cpu",
            "--port",
            "0",
            "--threshold",
            "1",
        ])
        .arg("--checkpoint")
        .arg(model)
        .output()
        .unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("needs no-answer scores"), "{said}");
    assert!(said.contains("found one of films; leave it out"), "{said}");
    assert!(refused.stdout.is_empty());
}
