//! Tests `electra serve` under 500 clients at once: every one gets a correct answer.
#![cfg(unix)]

use std::time::{Duration, Instant};

use crate::support::served::{Model, Server, ask_all, questions};
use serde_json::json;

const CLIENTS: usize = 500;

#[test]
fn five_hundred_at_once_are_all_answered() {
    let model = Model::new(&json!({"qa_na_threshold": 1e3}));
    let server = Server::start(model.path(), &["--timeout", "3600"]);
    let few = questions();
    // Each question alone, for its expected answer.
    let alone = ask_all(&server, &few, 1);
    let many: Vec<(String, String)> = few.iter().cycle().take(CLIENTS).cloned().collect();
    let began = Instant::now();
    let responses = ask_all(&server, &many, CLIENTS);
    let seconds = began.elapsed().as_secs_f64();
    assert_eq!(responses.len(), CLIENTS);
    for (place, (response, _)) in responses.iter().enumerate() {
        assert_eq!(response.status, 200, "{}", response.body);
        let (expected, _) = &alone[place % few.len()];
        let best = |json: &serde_json::Value| {
            let best = &json["nbest"][0];
            best["start_logit"].as_f64().unwrap() + best["end_logit"].as_f64().unwrap()
        };
        // Rounding depends on what else is in a batch.
        let (ours, theirs) = (best(&response.json), best(&expected.json));
        assert!((ours - theirs).abs() < 1e-3, "{place}: {ours} {theirs}");
        let odds = |json: &serde_json::Value| json["null_odds"].as_f64().unwrap();
        assert!((odds(&response.json) - odds(&expected.json)).abs() < 1e-4);
    }
    let mut took: Vec<Duration> = responses.iter().map(|(_, took)| *took).collect();
    took.sort_unstable();
    let at = |share: f64| took[((CLIENTS - 1) as f64 * share) as usize].as_secs_f64();
    println!(
        "{CLIENTS} clients at once: p50 {:.2} s, p95 {:.2} s, last {:.2} s; {:.0} questions/s",
        at(0.5),
        at(0.95),
        at(1.0),
        CLIENTS as f64 / seconds
    );
    server.ask_to_end();
    let (status, said) = server.wait();
    assert_eq!(status.code(), Some(0), "{said}");
}
