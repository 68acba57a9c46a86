//! Tests requests that `electra serve` rejects before they have arrived completely: the client gets
//! the response, however the request is sent.
#![cfg(unix)]

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    thread,
    time::Duration,
};

use crate::support::served::{Model, POST, Server, get};
use serde_json::{Value, json};

/// Twice the limit of a body.
const OVERSIZED: usize = 2 << 20;

const TOO_LONG: &str = "expected at most 1048576 bytes";

fn server() -> (Model, Server) {
    let model = Model::new(&json!({}));
    let server = Server::start(model.path(), &[]);
    (model, server)
}

/// Reads the server's output to its end; returns the header of the last response, and its body.
#[track_caller]
fn last_response(stream: &mut TcpStream) -> (String, Value) {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let last = text
        .rfind("HTTP/1.1 ")
        .unwrap_or_else(|| panic!("{text:?}"));
    let (head, body) = text[last..].split_once("\r\n\r\n").unwrap();
    (
        head.to_ascii_lowercase(),
        serde_json::from_str(body).unwrap_or_default(),
    )
}

#[track_caller]
fn assert_too_long(stream: &mut TcpStream) {
    let (head, body) = last_response(stream);
    assert!(head.starts_with("http/1.1 413 "), "{head}");
    assert!(head.contains("\r\nconnection: close"), "{head}");
    assert_eq!(body["error"]["message"], TOO_LONG);
}

#[test]
fn a_thousand_oversized_posts_are_all_told_so() {
    const CLIENTS: usize = 4;
    let (_model, server) = server();
    let body = "x".repeat(OVERSIZED);
    let told = thread::scope(|scope| {
        let client = || {
            let mut told = 0;
            for _ in 0..1000 / CLIENTS {
                let response = server.post("application/json", &body);
                assert_eq!((response.status, response.message()), (413, TOO_LONG));
                told += 1;
            }
            told
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        let told = clients.into_iter().map(|client| client.join().unwrap());
        told.sum::<usize>()
    });
    assert_eq!(told, 1000);
    assert_eq!(server.ask("Who?", "Ada.").status, 200);
}

#[test]
fn a_length_beyond_the_limit_is_refused_before_anything_of_it_comes() {
    let (_model, server) = server();
    for expect in ["", "Expect: 100-continue\r\n"] {
        for length in ["1048577", "1000000000000", "18446744073709551613"] {
            let mut stream = server.connect();
            let head = format!("{POST}{expect}Content-Length: {length}\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            assert_too_long(&mut stream);
        }
    }
    // The longest that is allowed: the server waits for the body.
    let body = "{}".to_owned() + &" ".repeat((1 << 20) - 2);
    let response = server.post("application/json", &body);
    assert_eq!(response.status, 400, "{}", response.body);
    assert!(response.message().contains("missing field"));
}

#[test]
fn clients_that_send_all_before_they_read_are_told() {
    let (_model, server) = server();
    for megabytes in [2, 64] {
        let mut stream = server.connect();
        let head = format!("{POST}Content-Length: {}\r\n\r\n", megabytes << 20);
        stream.write_all(head.as_bytes()).unwrap();
        for _ in 0..megabytes {
            stream.write_all(&vec![b'x'; 1 << 20]).unwrap();
        }
        assert_too_long(&mut stream);
    }
}

#[test]
fn chunked_bodies_are_told() {
    let (_model, server) = server();
    let mut stream = server.connect();
    let head = format!("{POST}Transfer-Encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = "x".repeat(1 << 16);
    for _ in 0..OVERSIZED >> 16 {
        write!(stream, "{:x}\r\n{chunk}\r\n", chunk.len()).unwrap();
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    assert_too_long(&mut stream);
}

#[test]
fn slow_writers_are_told() {
    let (_model, server) = server();
    for head in [
        format!("Content-Length: {OVERSIZED}\r\n\r\n"),
        "Transfer-Encoding: chunked\r\n\r\n".to_owned(),
    ] {
        let mut stream = server.connect();
        stream.write_all(POST.as_bytes()).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        let chunk = "x".repeat(1 << 17);
        for _ in 0..OVERSIZED >> 17 {
            if head.starts_with("Transfer") {
                write!(stream, "{:x}\r\n{chunk}\r\n", chunk.len()).unwrap();
            } else {
                stream.write_all(chunk.as_bytes()).unwrap();
            }
            // Long enough for the response to have been sent and the server's side closed.
            thread::sleep(Duration::from_millis(100));
        }
        assert_too_long(&mut stream);
    }
}

#[test]
fn a_connection_that_was_kept_alive_is_told_and_closed() {
    let (_model, server) = server();
    let mut stream = server.connect();
    let asked = json!({"question": "Who?", "passage": "Ada."}).to_string();
    let good = format!("{POST}Content-Length: {}\r\n\r\n{asked}", asked.len());
    stream.write_all(good.as_bytes()).unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let head = format!("{POST}Content-Length: {OVERSIZED}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![b'x'; OVERSIZED]).unwrap();
    assert_too_long(&mut stream);
}

#[test]
fn a_compressed_body_is_refused_as_such() {
    let (_model, server) = server();
    let asked = json!({"question": "Who?", "passage": "Ada."}).to_string();
    for (encoding, found) in [
        ("gzip", Some("gzip")),
        ("identity, br", Some("identity, br")),
        ("identity", None),
    ] {
        let mut stream = server.connect();
        let head = format!(
            "{POST}Connection: close\r\nContent-Encoding: {encoding}\r\nContent-Length: {}\r\n\r\n",
            asked.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(asked.as_bytes()).unwrap();
        let (head, body) = last_response(&mut stream);
        let status = if found.is_some() { 415 } else { 200 };
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
        if let Some(found) = found {
            assert_eq!(
                body["error"]["message"],
                format!(
                    "Content-Encoding: expected none, found {found}; compressed bodies are not read, send \
                     the JSON itself"
                )
            );
        }
    }
}

#[test]
fn whatever_is_refused_unread_is_told() {
    let (_model, server) = server();
    let body = vec![b'x'; OVERSIZED];
    for (start, status) in [
        ("POST /health HTTP/1.1\r\nHost: localhost\r\n", 405),
        ("POST /nowhere HTTP/1.1\r\nHost: localhost\r\n", 404),
        (
            "POST /api/answer HTTP/1.1\r\nHost: rebound.example\r\n",
            403,
        ),
        ("POST /api/answer HTTP/1.1\r\nHost: localhost\r\n", 415),
        // A header beyond all limits, which no handler sees.
        ("POST /api/answer HTTP/1.1\r\nHost: localhost\r\nX: ", 431),
    ] {
        let mut stream = server.connect();
        stream.write_all(start.as_bytes()).unwrap();
        if status != 431 {
            let length = format!("Content-Length: {OVERSIZED}\r\n\r\n");
            stream.write_all(length.as_bytes()).unwrap();
        }
        stream.write_all(&body).unwrap();
        let (head, _) = last_response(&mut stream);
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
    }
    // The server does not wait for a client that sends nothing more: shutdown is immediate.
    let mut stream = server.connect();
    let head = format!("{POST}Content-Length: {OVERSIZED}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_too_long(&mut stream);
    assert_eq!(get(&format!("{}/health", server.url)).status, 200);
}
