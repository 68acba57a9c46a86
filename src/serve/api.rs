//! The interface for programs: a question and a passage come in, a [`Reply`] goes out.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, Request, State},
    http::{HeaderMap, StatusCode, header},
};
use serde::{Deserialize, Serialize};
use tokio::{task::spawn_blocking, time::timeout};

use super::{Served, limits::Limits, refusal::Refusal};
use crate::{data::example::Examples, fine_tuned, reply::Reply};

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    question: String,
    passage: String,
}

/// How the server is.
#[derive(Debug, Serialize)]
pub struct Health {
    status: &'static str,
    model: String,
    device: String,
    /// Questions that wait or are being answered.
    queue: usize,
    version: &'static str,
}

pub async fn health(State(served): State<Arc<Served>>) -> Json<Health> {
    Json(Health {
        status: "ok",
        model: served.model.config.model_name.clone(),
        device: served.device.clone(),
        queue: served.queue.taken(),
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// Answers one question on one passage.
pub async fn answer(
    State(served): State<Arc<Served>>,
    request: Request,
) -> Result<Json<Reply>, Refusal> {
    expect_json(request.headers())?;
    let limits = served.limits;
    let body = timeout(limits.receive, Bytes::from_request(request, &()))
        .await
        .map_err(|_| {
            let seconds = limits.receive.as_secs();
            let message = format!("the request did not arrive whole within {seconds} s");
            Refusal::new(StatusCode::REQUEST_TIMEOUT, message)
        })?
        .map_err(|error| match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                let message = format!("expected at most {} bytes", limits.body_bytes);
                Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
            }
            status => Refusal::new(status, error.body_text()),
        })?;
    let asked = read(&body, &limits)?;
    let place = served.queue.place().ok_or_else(|| {
        let message = format!(
            "{} questions wait already; ask again in a moment",
            limits.queue
        );
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message)
    })?;
    let answered = timeout(limits.answer, async {
        let tokenizing = served.clone();
        // A long passage would hold up other requests; its place is taken meanwhile.
        let featurized = spawn_blocking(move || {
            let examples = Examples::of_one(&asked.question, &asked.passage);
            (tokenizing.model.featurize(examples), place)
        });
        let (featurized, place) = featurized.await.map_err(|_| Refusal::defect())?;
        let featurized = featurized.map_err(unreadable)?;
        served.queue.answer(place, featurized).await
    });
    let prediction = answered.await.map_err(|_| {
        let message = format!(
            "no answer within {} s: the server is busy or the passage is long",
            limits.answer.as_secs()
        );
        Refusal::new(StatusCode::GATEWAY_TIMEOUT, message)
    })??;
    Ok(Json(Reply::new(prediction, &served.model.config)))
}

/// A browser sends JSON to another site only if that allows it, which this one never does.
fn expect_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let given = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("none");
    let kind = given.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let message = format!("Content-Type: expected application/json, found {given}");
    Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
}

/// Reads and checks a request's body.
fn read(body: &[u8], limits: &Limits) -> Result<Asked, Refusal> {
    let asked: Asked = serde_json::from_slice(body).map_err(|error| {
        Refusal::bad(format!(
            "expected {{\"question\": \"…\", \"passage\": \"…\"}}: {error}"
        ))
    })?;
    for (name, text, most) in [
        ("question", &asked.question, limits.question_characters),
        ("passage", &asked.passage, limits.passage_characters),
    ] {
        if text.trim().is_empty() {
            return Err(Refusal::bad(format!("{name}: expected text, found none")));
        }
        let characters = text.chars().count();
        if characters > most {
            return Err(Refusal::bad(format!(
                "{name}: expected at most {most} characters, found {characters}"
            )));
        }
    }
    Ok(asked)
}

/// What cannot be cut into windows is the client's to change.
fn unreadable(error: fine_tuned::Error) -> Refusal {
    Refusal::bad(error.to_string())
}
