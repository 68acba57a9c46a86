//! Tests requests from web pages of other origins, and invalid requests.
#![cfg(unix)]

use std::process::Command;

use serde_json::{Value, json};

use crate::support::served::{Model, Server};

/// Returns the header, in lower case, and the body of the server's response to these bytes.
#[track_caller]
fn raw(server: &Server, request: &str) -> (String, Value) {
    let text = server.raw(request);
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("{text:?}"));
    (
        head.to_ascii_lowercase(),
        serde_json::from_str(body).unwrap_or_default(),
    )
}

/// Returns a request from a page of `origin`.
fn request(start: &str, origin: &str, more: &str) -> String {
    format!(
        "{start} HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\n{more}Connection: close\r\n\r\n"
    )
}

const PREFLIGHT: &str = "Access-Control-Request-Method: POST\r\n\
                         Access-Control-Request-Headers: content-type\r\n";

#[test]
fn no_other_origin_may_ask_unless_it_is_named() {
    let model = Model::new(&json!({}));
    let server = Server::start(model.path(), &[]);
    let ask = "OPTIONS /api/answer";
    let (head, _) = raw(&server, &request(ask, "https://a.example", PREFLIGHT));
    assert!(head.starts_with("http/1.1 405 "), "{head}");
    assert!(!head.contains("access-control"), "{head}");

    let flags = ["--allow-origin", "https://a.example"];
    let more = ["--allow-origin", "http://localhost:3000"];
    let server = Server::start(model.path(), &[flags, more].concat());
    for origin in ["https://a.example", "http://localhost:3000"] {
        let (head, _) = raw(&server, &request(ask, origin, PREFLIGHT));
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        for line in [
            format!("access-control-allow-origin: {origin}"),
            "access-control-allow-methods: get,post".to_owned(),
            "access-control-allow-headers: content-type".to_owned(),
            "access-control-max-age: 600".to_owned(),
        ] {
            assert!(head.lines().any(|one| one == line), "{line}: {head}");
        }
        // The page may also read errors.
        for (start, status) in [("GET /health", 200), ("GET /nowhere", 404)] {
            let (head, _) = raw(&server, &request(start, origin, ""));
            assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
            let line = format!("access-control-allow-origin: {origin}");
            assert!(head.lines().any(|one| one == line), "{head}");
            assert!(head.contains("\r\nvary: origin"), "{head}");
        }
    }
    for (start, more) in [(ask, PREFLIGHT), ("GET /health", "")] {
        let (head, _) = raw(&server, &request(start, "https://b.example", more));
        assert!(!head.contains("access-control-allow-origin"), "{head}");
    }
    // Another host name is still rejected.
    let rebound = request("GET /health", "https://a.example", "");
    let rebound = rebound.replace("localhost\r", "rebound.example\r");
    let (head, _) = raw(&server, &rebound);
    assert!(head.starts_with("http/1.1 403 "), "{head}");
    assert!(!head.contains("access-control-allow-origin"), "{head}");

    let server = Server::start(model.path(), &["--allow-origin", "*"]);
    let (head, _) = raw(&server, &request("GET /health", "https://b.example", ""));
    assert!(
        head.contains("\r\naccess-control-allow-origin: *"),
        "{head}"
    );
}

#[test]
fn what_is_no_origin_is_refused_before_the_model_is_read() {
    let output = Command::new(env!("CARGO_BIN_EXE_electra"))
        .args(["serve", "--checkpoint", "no-such-folder"])
        .args(["--allow-origin", "https://a.example/"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("--allow-origin") && said.contains("; write https://a.example"),
        "{said}"
    );
}

#[test]
fn what_is_no_request_is_told_why() {
    let model = Model::new(&json!({}));
    let server = Server::start(model.path(), &[]);
    let long = "x".repeat(70_000);
    let headers = "X: y\r\n".repeat(200);
    for (bytes, status, message) in [
        ("nonsense\r\n\r\n", 400, "this is no HTTP request: "),
        (
            "GET / HTTP/1.1\r\nno colon\r\n\r\n",
            400,
            "this is no HTTP request: ",
        ),
        (
            "POST /api/answer HTTP/1.1\r\nHost: localhost\r\nContent-Length: many\r\n\r\n",
            400,
            "this is no HTTP request: ",
        ),
        (
            &format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            414,
            "the request's path is too long",
        ),
        (
            &format!("GET / HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"),
            431,
            "the request's headers are too long",
        ),
    ] {
        let (head, body) = raw(&server, bytes);
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
        assert!(
            head.contains("\r\ncontent-type: application/json\r\n"),
            "{head}"
        );
        assert!(
            head.contains("\r\nx-content-type-options: nosniff\r\n"),
            "{head}"
        );
        let told = body["error"]["message"].as_str().unwrap_or_default();
        assert!(told.starts_with(message), "{head} {body}");
    }
    // After a valid request on the same connection.
    let good = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let text = server.raw(&format!("{good}nonsense\r\n\r\n"));
    assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
    assert!(text.contains("HTTP/1.1 400 Bad Request"), "{text}");
    assert_eq!(server.ask("Who?", "Ada.").status, 200);
}
