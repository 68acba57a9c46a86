//! Tests lists of questions in one request: answers in order, the wrong item named, and the same
//! limits as for single questions.
#![cfg(unix)]

use serde_json::{Value, json};

use crate::support::served::{
    Model, Response, Server, agent, ask_all, get, long_passage, questions,
};

fn server(hparams: &Value, flags: &[&str]) -> (Model, Server) {
    let model = Model::new(hparams);
    let server = Server::start(model.path(), flags);
    (model, server)
}

#[test]
fn a_list_is_answered_in_its_order() {
    let (_model, server) = server(&json!({"qa_na_threshold": 0.065}), &["--timeout", "3600"]);
    let asked: Vec<(String, String)> = questions().into_iter().take(12).collect();
    let alone = ask_all(&server, &asked, 1);
    // The passage under either key, and thresholds of single questions.
    let list: Vec<Value> = asked
        .iter()
        .enumerate()
        .map(|(place, (question, passage))| match place % 3 {
            0 => json!({"question": question, "passage": passage}),
            1 => json!({"context": passage, "question": question}),
            _ => json!({"question": question, "context": passage, "threshold": 1000.5}),
        })
        .collect();
    let replied = server.ask_list(&json!(list));
    assert_eq!(replied.status, 200, "{}", replied.body);
    assert_eq!(replied.header("content-type"), "application/json");
    let replies = replied.json.as_array().unwrap();
    assert_eq!(replies.len(), list.len());
    let mut distinct = Vec::new();
    for (place, (reply, (alone, _))) in replies.iter().zip(&alone).enumerate() {
        let odds = |reply: &Value| reply["null_odds"].as_f64().unwrap();
        // Rounding depends on what else is in a batch.
        let difference = (odds(reply) - odds(&alone.json)).abs();
        assert!(difference < 1e-4, "{place}: {reply} {}", alone.body);
        let best = |reply: &Value| reply["nbest"][0]["start_logit"].as_f64().unwrap();
        let difference = (best(reply) - best(&alone.json)).abs();
        assert!(difference < 1e-3, "{place}: {reply} {}", alone.body);
        let threshold = if place % 3 == 2 { 1000.5 } else { 0.065 };
        assert_eq!(reply["threshold"], threshold);
        distinct.push(odds(reply));
    }
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    assert!(distinct.len() > 8, "orders can be told apart: {distinct:?}");
    let none = server.ask_list(&json!([]));
    assert_eq!((none.status, none.body.as_str()), (200, "[]"));
}

#[test]
fn one_that_is_wrong_is_named_and_none_is_answered() {
    // With stride 1, a passage of this many tokens has more windows than can be numbered.
    let hparams = json!({"doc_stride": 1});
    let (_model, server) = server(&hparams, &[]);
    let good = json!({"question": "Who?", "passage": "Ada wrote it."});
    for (wrong, message) in [
        (
            json!({"question": "Who?"}),
            "item 1: expected {\"question\": \"…\", \"passage\": \"…\"}: missing field `passage`",
        ),
        (
            json!({"question": " ", "passage": "Ada."}),
            "item 1: question: expected text, found none",
        ),
        (
            json!({"question": "Who?", "context": "é".repeat(100_001)}),
            "item 1: passage: expected at most 100000 characters, found 100001",
        ),
        (
            json!({"question": "Who?", "passage": "Ada.", "task": "rte"}),
            "item 1: task: expected squad, found \"rte\"",
        ),
        (json!(["Who?", "Ada."]), "item 1: "),
        (
            json!({"question": "Who?", "passage": "a ".repeat(1500)}),
            "item 1: ",
        ),
    ] {
        let refused = server.ask_list(&json!([good, wrong, good]));
        assert_eq!(refused.status, 400, "{}", refused.body);
        assert!(refused.message().starts_with(message), "{}", refused.body);
        assert_eq!(refused.json["error"]["item"], 1);
    }
    let metrics = get(&format!("{}/metrics", server.url)).body;
    assert!(metrics.contains("\nelectra_windows_total 0\n"), "{metrics}");
    server.wait_for_queue(0);
    assert_eq!(server.ask_list(&json!([good])).status, 200);
    // A non-list, and a list where an object is expected.
    let object = server.ask_list(&good);
    assert_eq!(object.status, 400);
    assert!(object.message().contains("found an object"));
    assert!(object.json["error"].get("item").is_none());
    let list = server.post("application/json", &json!([good]).to_string());
    assert!(list.message().contains("found a list"), "{}", list.body);
    let url = format!("{}/v1/tags", server.url);
    let other = Response::read(agent().post(url).send_json(json!([{"text": "Ada."}])));
    assert_eq!(other.status, 404, "{}", other.body);
    assert_eq!(
        other.message(),
        "/v1/tags: no task of this model finds spans in texts; squad answers questions on passages: ask \
         at /v1/answers"
    );
}

#[test]
fn the_limits_of_single_questions_hold_for_lists() {
    let (_model, server) = server(&json!({}), &["--queue", "4", "--timeout", "3600"]);
    let short = json!({"question": "Who?", "passage": "Ada."});
    let many = server.ask_list(&json!(vec![short.clone(); 5]));
    assert_eq!(
        (many.status, many.message()),
        (
            413,
            "a list may have at most 4 items; ask in several requests"
        )
    );
    let long = json!({"question": "Who?", "passage": "é".repeat(90_000)});
    let heavy = server.ask_list(&json!(vec![long; 8]));
    assert_eq!(
        (heavy.status, heavy.message()),
        (413, "expected at most 1048576 bytes")
    );
    let whole = server.ask_list(&json!(vec![short.clone(); 4]));
    assert_eq!(whole.status, 200, "{}", whole.body);
    // With one in progress, there are places for three.
    let busy = server.begin_to_ask("Which letter?", &long_passage());
    server.wait_for_queue(1);
    let refused = server.ask_list(&json!(vec![short.clone(); 4]));
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert_eq!(
        refused.message(),
        "1 of 4 questions wait already, and 4 more came; ask again in a moment"
    );
    assert_eq!(refused.header("retry-after"), "1");
    let fits = server.ask_list(&json!(vec![short; 3]));
    assert_eq!(fits.status, 200, "{}", fits.body);
    drop(busy);
    server.wait_for_queue(0);
}

#[test]
fn a_list_with_more_tokens_than_the_server_holds_is_told_so() {
    // Each passage of 1200 tokens has over 900 windows of 256: a list of 1 MiB would fill
    // gigabytes.
    let flags = ["--timeout", "3600"];
    let (_model, server) = server(&json!({"doc_stride": 1}), &flags);
    let asked = json!({"question": "Who?", "passage": "a ".repeat(1200)});
    let refused = server.ask_list(&json!(vec![asked; 60]));
    assert_eq!(refused.status, 413, "{}", refused.body);
    let message = refused.message();
    assert!(
        message.contains("with their windows' overlap, and the server holds 4194304"),
        "{message}"
    );
    let item = refused.json["error"]["item"].as_u64().unwrap();
    // 4,194,304 tokens are those of 16 to 20 such passages.
    assert!((15..=20).contains(&item), "{item}");
    server.wait_for_queue(0);
}
