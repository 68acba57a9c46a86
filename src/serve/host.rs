//! Checks which server a request names.
//!
//! A server that listens only to this machine answers only to names of this machine. A web page
//! elsewhere may make its own name resolve to this address (DNS rebinding) and could then read the
//! answers as its own, but its requests carry that name.

use std::net::IpAddr;

use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode, Uri, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::refusal::Refusal;

/// Passes only requests that name this machine.
pub async fn only_this_machine(request: Request, next: Next) -> Response {
    match check(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

fn check(uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    let mut named = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (named.next(), named.next()) else {
        return Err(Refusal::bad("expected one Host header"));
    };
    let host = host
        .to_str()
        .ok()
        .and_then(|host| host.parse::<Authority>().ok());
    let Some(host) = host else {
        return Err(Refusal::bad("the Host header is not a name and a port"));
    };
    // A request line with an absolute URL also names the server.
    for name in [Some(&host), uri.authority()].into_iter().flatten() {
        if !is_this_machine(name.host()) {
            let message = format!(
                "{:?} is not a name of this machine; use localhost or 127.0.0.1, or start the \
                 server with --host to serve others",
                name.host()
            );
            return Err(Refusal::new(StatusCode::FORBIDDEN, message));
        }
    }
    Ok(())
}

fn is_this_machine(name: &str) -> bool {
    let bare = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(uri: &str, hosts: &[&str]) -> Option<u16> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, host.parse().unwrap());
        }
        let checked = check(&uri.parse().unwrap(), &headers);
        checked.err().map(|refusal| refusal.status.as_u16())
    }

    #[test]
    fn names_of_this_machine_pass() {
        for host in [
            "localhost",
            "LOCALHOST:8000",
            "127.0.0.1:8000",
            "127.1.2.3",
            "[::1]:8000",
            "[::1]",
        ] {
            assert_eq!(status("/", &[host]), None, "{host}");
        }
    }

    #[test]
    fn other_names_do_not() {
        for host in [
            "example.org",
            "localhost.example.org",
            "127.0.0.1.example.org:8000",
            "192.168.0.7:8000",
            "[::2]",
            "0.0.0.0",
        ] {
            assert_eq!(status("/", &[host]), Some(403), "{host}");
        }
        assert_eq!(status("http://example.org/", &["localhost"]), Some(403));
        assert_eq!(status("/", &[]), Some(400));
        assert_eq!(status("/", &["localhost", "localhost"]), Some(400));
        assert_eq!(status("/", &["a b"]), Some(400));
    }
}
