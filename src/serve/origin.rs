//! Decides whose web pages may send requests: only the server's own, unless `--allow-origin` names
//! others (CORS).
//!
//! A browser first asks whether a page of another origin may send JSON here (a preflight), and
//! shows the page the response only if the server names that origin.

use std::{fmt, str::FromStr, time::Duration};

use axum::http::{HeaderValue, Method, Uri, header};
use tower_http::cors::{Any, CorsLayer};

/// How long a browser may cache the result of a preflight.
const KEPT: Duration = Duration::from_secs(600);

/// An origin as browsers write it, or `*` for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(HeaderValue);

/// Text that is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an origin as browsers write it, such as https://example.org, or *{0}")]
pub struct NoOrigin(String);

impl FromStr for Origin {
    type Err = NoOrigin;

    fn from_str(text: &str) -> Result<Self, NoOrigin> {
        let wrong = |why: &str| NoOrigin(why.to_owned());
        if text == "*" {
            return Ok(Origin(HeaderValue::from_static("*")));
        }
        let uri: Uri = text.parse().map_err(|_| wrong(""))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong("; it begins with http:// or https://"));
        };
        // An origin that spells out what browsers omit would never match.
        let plain = format!("{scheme}://{authority}").to_ascii_lowercase();
        let usual = match scheme {
            "https" => ":443",
            _ => ":80",
        };
        if plain.contains('@') {
            return Err(wrong(", without a name and a password"));
        }
        if text != plain {
            return Err(NoOrigin(format!("; write {plain}")));
        }
        if let Some(bare) = plain.strip_suffix(usual) {
            return Err(NoOrigin(format!("; write {bare}")));
        }
        let value = HeaderValue::from_str(&plain).map_err(|_| wrong(""))?;
        Ok(Origin(value))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_str().unwrap_or_default())
    }
}

/// Returns the CORS layer that allows these origins; `None` if there are none.
pub fn layer(origins: &[Origin]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE])
        .expose_headers([header::RETRY_AFTER])
        .max_age(KEPT);
    let all = origins.iter().any(|origin| origin.0 == "*");
    Some(match all {
        true => layer.allow_origin(Any),
        false => {
            let values = origins.iter().map(|origin| origin.0.clone());
            layer.allow_origin(values.collect::<Vec<_>>())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_as_browsers_write_them() {
        for origin in [
            "*",
            "https://example.org",
            "http://localhost:3000",
            "http://[::1]:8080",
        ] {
            assert_eq!(Origin::from_str(origin).unwrap().to_string(), origin);
        }
        for (text, advice) in [
            ("https://example.org/", "; write https://example.org"),
            ("https://example.org/page?x", "; write https://example.org"),
            ("HTTPS://Example.org", "; write https://example.org"),
            ("https://example.org:443", "; write https://example.org"),
            ("http://localhost:80", "; write http://localhost"),
            ("https://me@example.org", ", without a name and a password"),
            ("example.org", "; it begins with http:// or https://"),
            ("null", "; it begins with http:// or https://"),
            ("/page", "; it begins with http:// or https://"),
            ("", ""),
            ("https://exa mple.org", ""),
        ] {
            let message = Origin::from_str(text).unwrap_err().to_string();
            let expected = format!(
                "expected an origin as browsers write it, such as https://example.org, or *{advice}"
            );
            assert_eq!(message, expected, "{text}");
        }
    }

    #[test]
    fn without_an_origin_nothing_is_said() {
        assert!(layer(&[]).is_none());
        assert!(layer(&["*".parse().unwrap()]).is_some());
    }
}
