//! The interface for people: a page for each kind of task, with its style and its scripts, which
//! load nothing from elsewhere.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderName, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

use super::{Served, offer::Kind, refusal::Refusal};

const QUESTION: &str = include_str!("../../assets/serve/page.html");
const TEXTS: &str = include_str!("../../assets/serve/texts.html");
const WORDS: &str = include_str!("../../assets/serve/words.html");
const STYLE: &str = include_str!("../../assets/serve/page.css");

/// Scripts by path: one for each page, and one that they share.
pub const SCRIPTS: [(&str, &str); 4] = [
    ("/form.js", include_str!("../../assets/serve/form.js")),
    ("/page.js", include_str!("../../assets/serve/page.js")),
    ("/texts.js", include_str!("../../assets/serve/texts.js")),
    ("/words.js", include_str!("../../assets/serve/words.js")),
];

/// What the page may do: use its own style and scripts, and send requests to its own server.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src \
                      'self'; img-src data:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// Revalidated each time, so that a new version's page comes with its own script.
const FRESH: (HeaderName, &str) = (header::CACHE_CONTROL, "no-cache");

/// Returns the page of the task that `/?task=NAME` names, or of the model's first.
pub async fn page(State(served): State<Arc<Served>>, uri: Uri) -> Result<Response, Refusal> {
    let mut offers = served.offers.iter();
    let mut parts = uri.query().unwrap_or_default().split('&');
    let offer = match parts.find_map(|part| part.strip_prefix("task=")) {
        None => offers.next(),
        Some(task) => {
            let task = decoded(task);
            offers.find(|offer| offer.name.as_bytes() == task)
        }
    };
    let offer = offer.ok_or_else(|| {
        let names: Vec<&str> = served
            .offers
            .iter()
            .map(|offer| offer.name.as_str())
            .collect();
        let message = format!("no such task; this model has {}", names.join(", "));
        Refusal::new(StatusCode::NOT_FOUND, message)
    })?;
    let page = match offer.kind {
        Kind::QuestionAnswering => QUESTION,
        Kind::Classification | Kind::Regression => TEXTS,
        Kind::Tagging => WORDS,
    };
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        FRESH,
    ];
    Ok((headers, page).into_response())
}

/// Decodes the percent-encoding of a query component.
fn decoded(part: &str) -> Vec<u8> {
    let mut rest = part.as_bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    while let [first, others @ ..] = rest {
        let digit = |place: usize| char::from(*others.get(place)?).to_digit(16);
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((16 * high + low) as u8);
                rest = &others[2..];
                continue;
            }
            (b'+', ..) => bytes.push(b' '),
            (&byte, ..) => bytes.push(byte),
        }
        rest = others;
    }
    bytes
}

pub async fn style() -> impl IntoResponse {
    let kind = (header::CONTENT_TYPE, "text/css; charset=utf-8");
    ([kind, FRESH], STYLE)
}

pub async fn script(text: &'static str) -> impl IntoResponse {
    let kind = (header::CONTENT_TYPE, "text/javascript; charset=utf-8");
    ([kind, FRESH], text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_decoded() {
        for (part, expected) in [
            ("sts", "sts"),
            ("my%20films", "my films"),
            ("my+films%C3%A9", "my filmsé"),
            ("100%", "100%"),
            ("%4", "%4"),
            ("%zz%25", "%zz%"),
            ("", ""),
        ] {
            assert_eq!(decoded(part), expected.as_bytes(), "{part}");
        }
    }
}
