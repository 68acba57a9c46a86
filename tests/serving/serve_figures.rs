//! Tests what `electra serve` reports about its work: metrics for Prometheus, and with `-v` a line
//! per request.
#![cfg(unix)]

use std::{collections::BTreeMap, thread, time::Duration};

use serde_json::json;

use crate::support::served::{Model, Server, get, long_passage};

/// Returns the samples of `/metrics`, by name with labels.
#[track_caller]
fn figures(server: &Server) -> BTreeMap<String, f64> {
    let metrics = get(&format!("{}/metrics", server.url));
    assert_eq!(metrics.status, 200);
    assert_eq!(
        metrics.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let samples = metrics.body.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

fn requests(route: &str, status: u16) -> String {
    format!("electra_requests_total{{route=\"{route}\",status=\"{status}\"}}")
}

#[test]
fn what_was_done_is_counted() {
    let model = Model::new(&json!({}));
    let server = Server::start(model.path(), &["--timeout", "3600"]);
    let before = figures(&server);
    assert_eq!(before["electra_windows_total"], 0.0);
    assert_eq!(before["electra_queue_length"], 0.0);
    assert!(!before.contains_key(&requests("/api/answer", 200)));
    for _ in 0..2 {
        assert_eq!(server.ask("Who?", "Ada wrote it.").status, 200);
    }
    assert_eq!(server.ask("", "Ada.").status, 400);
    let asked = json!({"question": "Who?", "passage": "Ada wrote it."});
    assert_eq!(server.ask_list(&json!([asked, asked, asked])).status, 200);
    for path in ["/nowhere", "/else?where"] {
        assert_eq!(get(&format!("{}{path}", server.url)).status, 404);
    }
    let after = figures(&server);
    for (sample, value) in [
        (requests("/api/answer", 200), 2.0),
        (requests("/api/answer", 400), 1.0),
        (requests("/v1/answers", 200), 1.0),
        (requests("other", 404), 2.0),
        (requests("/metrics", 200), 1.0),
        (
            "electra_request_seconds_count{route=\"/api/answer\"}".to_owned(),
            3.0,
        ),
        ("electra_windows_total".to_owned(), 5.0),
        ("electra_batch_windows_sum".to_owned(), 5.0),
        ("electra_queue_length".to_owned(), 0.0),
    ] {
        assert_eq!(after.get(&sample), Some(&value), "{sample}: {after:?}");
    }
    // Two questions alone, and three that may share batches.
    let batches = after["electra_batch_windows_count"];
    assert!((3.0..=5.0).contains(&batches), "{batches}");

    let busy = server.begin_to_ask("Which letter?", &long_passage());
    server.wait_for_queue(1);
    assert_eq!(figures(&server)["electra_queue_length"], 1.0);
    drop(busy);
    server.wait_for_queue(0);
    let gone = requests("/api/answer", 499);
    // The place in the queue is free a moment before the request is counted.
    let mut counted = false;
    for _ in 0..500 {
        counted = figures(&server).get(&gone) == Some(&1.0);
        if counted {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    assert!(counted, "{:?}", figures(&server));
}

#[test]
fn lines_of_requests_are_told_when_asked_for() {
    let model = Model::new(&json!({}));
    let said = |flags: &[&str]| {
        let server = Server::start(model.path(), flags);
        assert_eq!(server.ask("Who?", "Ada wrote it.").status, 200);
        assert_eq!(get(&format!("{}/nowhere?secret", server.url)).status, 404);
        server.ask_to_end();
        let (status, said) = server.wait();
        assert_eq!(status.code(), Some(0), "{said}");
        said
    };
    let told = said(&["-v"]);
    let line = |method_and_path: &str, status: u16| {
        let lines = told.lines();
        lines
            .filter(|line| line.contains(&format!(" {method_and_path} {status} ")))
            .filter(|line| line.contains("\"text\":\"127.0.0.1:") && line.contains(" s\""))
            .count()
    };
    assert_eq!(line("POST /api/answer", 200), 1, "{told}");
    assert_eq!(line("GET /nowhere", 404), 1, "{told}");
    // No content of a request is logged.
    assert!(!told.contains("secret") && !told.contains("Ada"), "{told}");
    let silent = said(&[]);
    assert!(!silent.contains("/api/answer"), "{silent}");
}
