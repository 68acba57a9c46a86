//! Invalid HTTP: hyper answers it by itself with a status and no body. This adds a reason, which
//! every other refusal has too.

use axum::http::StatusCode;
use serde_json::json;

/// The header by which hyper declares an empty body.
const NO_BODY: &str = "content-length: 0\r\n";

/// Returns hyper's own response with a reason added, if that is what is about to be written.
///
/// Such a response is written in one piece. Anything that comes through the router has `nosniff`
/// and is never changed.
pub fn with_reason(written: &[u8]) -> Option<Vec<u8>> {
    if !written.starts_with(b"HTTP/1.1 4") {
        return None;
    }
    let head = str::from_utf8(written.get(..written.len().min(1 << 10))?).ok()?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?;
    let status = StatusCode::from_bytes(status.as_bytes()).ok()?;
    let reason = match status {
        StatusCode::BAD_REQUEST => {
            "this is no HTTP request: expected a line with a method, a path and HTTP/1.1, and headers"
        }
        StatusCode::URI_TOO_LONG => "the request's path is too long",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "the request's headers are too long",
        _ => return None,
    };
    let end = head.find("\r\n\r\n")? + 4;
    let whole = end == written.len() && head.contains(NO_BODY);
    if !whole || head.contains("x-content-type-options") {
        return None;
    }
    let body = json!({"error": {"message": reason}}).to_string();
    let headers = format!(
        "content-type: application/json\r\ncontent-length: {}\r\ncache-control: no-store\r\n\
         x-content-type-options: nosniff\r\n",
        body.len()
    );
    Some((head.replacen(NO_BODY, &headers, 1) + &body).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hyper_says_by_itself_gets_a_reason() {
        let bare = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\
                     date: Fri, 27 Nov 2026 13:31:00 GMT\r\n\r\n";
        let text = String::from_utf8(with_reason(bare).unwrap()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"));
        assert!(head.contains("\r\nconnection: close\r\n"));
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
        assert!(!head.contains("content-length: 0\r\n"));
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        let message = body["error"]["message"].as_str().unwrap();
        assert!(message.starts_with("this is no HTTP request"), "{message}");
    }

    #[test]
    fn all_else_stays_as_it_is() {
        for other in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 400 Bad Request\r\nx-content-type-options: nosniff\r\ncontent-length: 0\r\n\r\n",
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}",
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n",
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            b"{\"error\": 400}",
            b"HTTP/1.1 4\xff",
            b"",
        ] {
            assert_eq!(with_reason(other), None);
        }
    }
}
