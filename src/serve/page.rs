//! The interface for people: one page with its style and its script, which load nothing from
//! anywhere else.

use axum::{
    http::{HeaderName, header},
    response::IntoResponse,
};

const PAGE: &str = include_str!("../../assets/serve/page.html");
const STYLE: &str = include_str!("../../assets/serve/page.css");
const SCRIPT: &str = include_str!("../../assets/serve/page.js");

/// What the page may do: its own style and script, and questions to its own server.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src \
                      'self'; img-src data:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// Asked for again each time, so that a new version's page comes with its own script.
const FRESH: (HeaderName, &str) = (header::CACHE_CONTROL, "no-cache");

pub async fn page() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        FRESH,
    ];
    (headers, PAGE)
}

pub async fn style() -> impl IntoResponse {
    let kind = (header::CONTENT_TYPE, "text/css; charset=utf-8");
    ([kind, FRESH], STYLE)
}

pub async fn script() -> impl IntoResponse {
    let kind = (header::CONTENT_TYPE, "text/javascript; charset=utf-8");
    ([kind, FRESH], SCRIPT)
}
