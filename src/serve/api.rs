//! The interface for programs: a question and a passage come in, a [`Reply`] goes out.

use std::sync::Arc;

use axum::{
    Json,
    body::{Bytes, HttpBody},
    extract::{FromRequest, Request, State},
    http::{HeaderMap, StatusCode, header},
};
use serde::{Deserialize, Serialize};
use tokio::{task::spawn_blocking, time::timeout};

use super::{Served, limits::Limits, refusal::Refusal, worker::failed};
use crate::{
    fine_tuned,
    tasks::{
        asked,
        qa::no_answer::null_odds::{gives_null_odds, needs_null_odds},
        reply::Reply,
    },
};

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    question: String,
    passage: String,
    /// Null odds above this mean no answer, in place of the server's threshold.
    threshold: Option<f64>,
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
    let body = receive(request, &limits).await?;
    let asked = read(&body, &limits)?;
    if asked.threshold.is_some() {
        check_threshold(served.model.task())?;
    }
    let place = served.queue.place()?;
    let asked = asked::Asked::Question {
        question: asked.question,
        passage: asked.passage,
        threshold: asked.threshold,
    };
    let answered = timeout(limits.answer, async {
        let reading = served.clone();
        let featurize = move || reading.model.featurize(&asked).map_err(unreadable);
        let mut computed = served.queue.compute(place, featurize).await?;
        let choosing = served.clone();
        let chosen = spawn_blocking(move || {
            let outputs = std::mem::take(&mut computed.outputs);
            let chosen = choosing.model.reply(&computed.asked, outputs);
            // The place is given back.
            drop(computed);
            chosen.map_err(|error| failed(&error))
        });
        chosen.await.map_err(|_| Refusal::defect())?
    });
    let reply = answered.await.map_err(|_| {
        let message = format!(
            "no answer within {} s: the server is busy or the passage is long",
            limits.answer.as_secs()
        );
        Refusal::new(StatusCode::GATEWAY_TIMEOUT, message)
    })??;
    Ok(Json(reply))
}

/// The whole body, within the limits.
async fn receive(request: Request, limits: &Limits) -> Result<Bytes, Refusal> {
    let too_large = || {
        let message = format!("expected at most {} bytes", limits.body_bytes);
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    // A length that is told beforehand need not be waited for.
    if request.body().size_hint().lower() > limits.body_bytes as u64 {
        return Err(too_large());
    }
    timeout(limits.receive, Bytes::from_request(request, &()))
        .await
        .map_err(|_| {
            let seconds = limits.receive.as_secs();
            let message = format!("the request did not arrive whole within {seconds} s");
            Refusal::new(StatusCode::REQUEST_TIMEOUT, message)
        })?
        .map_err(|error| match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => too_large(),
            status => Refusal::new(status, error.body_text()),
        })
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

/// Refuses a threshold where the model has no scores to hold against it.
fn check_threshold(task: &str) -> Result<(), Refusal> {
    match gives_null_odds(task) {
        true => Ok(()),
        false => Err(Refusal::bad(needs_null_odds(
            "threshold:",
            "this model",
            task,
        ))),
    }
}

/// What cannot be cut into windows is the client's to change.
fn unreadable(error: fine_tuned::Error) -> Refusal {
    Refusal::bad(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_taken_where_the_model_has_scores_for_it() {
        assert_eq!(check_threshold("squad"), Ok(()));
        let refused = check_threshold("newsqa").unwrap_err();
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert!(
            refused
                .message
                .starts_with("threshold: needs no-answer scores"),
            "{}",
            refused.message
        );
    }
}
