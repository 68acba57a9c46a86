//! The interface for programs: a text comes in, or a question and a passage, and a [`Reply`] goes out.

use std::sync::Arc;

use axum::{
    Json,
    body::{Bytes, HttpBody},
    extract::{FromRequest, Request, State},
    http::{HeaderMap, StatusCode, header},
};
use serde::Serialize;
use tokio::{task::spawn_blocking, time::timeout};

use super::{
    Served,
    asked::{self, Posted},
    job::Computed,
    limits::Limits,
    offer::{Kind, Offer, asked_for},
    refusal::Refusal,
    worker::failed,
};
use crate::tasks::reply::Reply;

/// How the server is.
#[derive(Debug, Serialize)]
pub struct Health {
    status: &'static str,
    model: String,
    device: String,
    /// Requests that wait or are being answered.
    queue: usize,
    version: &'static str,
    tasks: Vec<Offer>,
}

pub async fn health(State(served): State<Arc<Served>>) -> Json<Health> {
    Json(Health {
        status: "ok",
        model: served.name.clone(),
        device: served.device.clone(),
        queue: served.queue.taken(),
        version: env!("CARGO_PKG_VERSION"),
        tasks: served.offers.clone(),
    })
}

/// Answers one request for a task of this kind.
pub async fn ask(
    served: Arc<Served>,
    kind: Kind,
    request: Request,
) -> Result<Json<Reply>, Refusal> {
    // Whether there is such a task.
    asked_for(&served.offers, kind, None)?;
    expect_json(request.headers())?;
    let limits = served.limits;
    let body = receive(request, &limits).await?;
    let Posted { task, texts } = asked::read(kind, &body)?;
    let (head, offer) = asked_for(&served.offers, kind, task.as_deref())?;
    let asked = asked::check(texts, offer)?;
    let place = served.queue.place()?;
    let answered = timeout(limits.answer, async {
        let reading = served.clone();
        // What cannot be cut into rows is the client's to change.
        let featurize = move || {
            let featurized = reading.models[head].featurize(&asked);
            featurized.map_err(|error| Refusal::bad(error.to_string()))
        };
        let computed = served.queue.compute(head, place, featurize).await?;
        let choosing = served.clone();
        let chosen = spawn_blocking(move || {
            let Computed {
                asked,
                outputs,
                place,
            } = computed;
            let chosen = choosing.models[head].reply(&asked, outputs);
            // The place is given back.
            drop(place);
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
