//! The interface for programs: a text, or a question and a passage, or a list of either comes in,
//! and a [`Reply`] goes out for each.

use std::sync::Arc;

use axum::{
    Json,
    body::{Bytes, HttpBody},
    extract::{FromRequest, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
};
use serde::Serialize;
use tokio::{task::spawn_blocking, time::timeout};

use super::{
    Served,
    asked::{self, Posted},
    job::{Computed, Place},
    limits::Limits,
    metrics,
    offer::{Kind, Offer, asked_for},
    refusal::Refusal,
    worker::failed,
};
use crate::tasks::{asked::Asked, reply::Reply};

/// The state of the server.
#[derive(Debug, Serialize)]
pub struct Health {
    status: &'static str,
    model: String,
    device: String,
    /// Requests that wait or are being answered, with each item of a list counted.
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
    let body = admit(&served, kind, request, Kind::endpoint).await?;
    let asked = checked(&served, kind, asked::read(kind, &body)?, Kind::endpoint)?;
    let place = served.queue.place()?;
    let replies = answer(&served, vec![(place, asked)], "the passage is long").await;
    let mut replies = replies.map_err(|(_, refusal)| refusal)?;
    replies.pop().map(Json).ok_or_else(Refusal::defect)
}

/// Answers a list of requests, all in order or none.
pub async fn ask_all(
    served: Arc<Served>,
    kind: Kind,
    request: Request,
) -> Result<Json<Vec<Reply>>, Refusal> {
    let body = admit(&served, kind, request, Kind::list_endpoint).await?;
    let posted = asked::read_list(kind, &body, served.limits.items())?;
    let items = posted.into_iter().enumerate();
    let asked = items.map(|(item, posted)| {
        let checked = checked(&served, kind, posted, Kind::list_endpoint);
        checked.map_err(|refusal| refusal.of_item(item))
    });
    let asked: Vec<(usize, Asked)> = asked.collect::<Result<_, _>>()?;
    let places = served.queue.places(asked.len())?;
    let asked = places.into_iter().zip(asked).collect();
    let replies = answer(&served, asked, "the list is long").await;
    let named = |(item, refusal): (Option<usize>, Refusal)| match item {
        Some(item) => refusal.of_item(item),
        None => refusal,
    };
    replies.map(Json).map_err(named)
}

/// Returns the body of a request, if the model has a task of this kind; `endpoint` gives the
/// endpoints of this form, for messages.
async fn admit(
    served: &Served,
    kind: Kind,
    request: Request,
    endpoint: fn(Kind) -> &'static str,
) -> Result<Bytes, Refusal> {
    asked_for(&served.offers, kind, None, endpoint)?;
    expect_json(request.headers())?;
    expect_plain(request.headers())?;
    receive(request, &served.limits).await
}

/// Returns which of the models is asked, and what.
fn checked(
    served: &Served,
    kind: Kind,
    posted: Posted,
    endpoint: fn(Kind) -> &'static str,
) -> Result<(usize, Asked), Refusal> {
    let Posted { task, texts } = posted;
    let (head, offer) = asked_for(&served.offers, kind, task.as_deref(), endpoint)?;
    Ok((head, asked::check(texts, offer)?))
}

/// Returns the replies to inputs that came together, each with its queue place, in order; `slow`
/// says what may be to blame if they take too long.
///
/// # Errors
/// With the index of the item to blame, unless the error concerns all of them.
async fn answer(
    served: &Arc<Served>,
    asked: Vec<(Place, (usize, Asked))>,
    slow: &str,
) -> Result<Vec<Reply>, (Option<usize>, Refusal)> {
    let limit = served.limits.answer;
    let heads: Vec<usize> = asked.iter().map(|(_, (head, _))| *head).collect();
    let of_one = |(item, refusal)| (Some(item), refusal);
    let answered = timeout(limit, async {
        let reading = served.clone();
        // What cannot be cut into rows is the client's mistake.
        let featurize = move |(head, asked): (usize, Asked)| {
            let featurized = reading.models[head].featurize(&asked);
            let featurized = featurized.map_err(|error| Refusal::bad(error.to_string()))?;
            Ok((head, featurized))
        };
        let computed = served.queue.compute_all(asked, featurize).await;
        let computed = computed.map_err(of_one)?;
        let choosing = served.clone();
        let chosen = spawn_blocking(move || {
            let items = heads.into_iter().zip(computed).enumerate();
            let replies = items.map(|(item, (head, computed))| {
                let Computed {
                    asked,
                    outputs,
                    place,
                } = computed;
                let chosen = choosing.models[head].reply(&asked, outputs);
                // Frees the place in the queue.
                drop(place);
                chosen.map_err(|error| (item, failed(&error)))
            });
            replies.collect::<Result<Vec<Reply>, _>>()
        });
        let chosen = chosen.await.map_err(|_| (None, Refusal::defect()))?;
        chosen.map_err(of_one)
    });
    answered.await.map_err(|_| {
        let seconds = limit.as_secs();
        let message = format!("no answer within {seconds} s: the server is busy or {slow}");
        (None, Refusal::new(StatusCode::GATEWAY_TIMEOUT, message))
    })?
}

/// Reads the whole body, within the limits.
async fn receive(request: Request, limits: &Limits) -> Result<Bytes, Refusal> {
    let too_large = || {
        let message = format!("expected at most {} bytes", limits.body_bytes);
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    // A declared length can be rejected without waiting for the body.
    if request.body().size_hint().lower() > limits.body_bytes as u64 {
        return Err(too_large());
    }
    timeout(limits.receive, Bytes::from_request(request, &()))
        .await
        .map_err(|_| {
            let seconds = limits.receive.as_secs();
            let message = format!("the request did not arrive completely within {seconds} s");
            Refusal::new(StatusCode::REQUEST_TIMEOUT, message)
        })?
        .map_err(|error| match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => too_large(),
            status => Refusal::new(status, error.body_text()),
        })
}

/// Requires a JSON content type: a browser sends JSON to another site only if that site allows it,
/// which this one never does.
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

/// Refuses a compressed body, which would be read as if it were the JSON itself.
fn expect_plain(headers: &HeaderMap) -> Result<(), Refusal> {
    for value in headers.get_all(header::CONTENT_ENCODING) {
        // More than ASCII is no encoding that is known.
        let given = String::from_utf8_lossy(value.as_bytes());
        let mut encodings = given.split(',').map(str::trim);
        if encodings.any(|one| !one.is_empty() && !one.eq_ignore_ascii_case("identity")) {
            let message = format!(
                "Content-Encoding: expected none, found {given}; compressed bodies are not read, send the \
                 JSON itself"
            );
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
        }
    }
    Ok(())
}

/// Returns the server's statistics, for Prometheus.
pub async fn metrics(State(served): State<Arc<Served>>) -> impl IntoResponse {
    let text = served.metrics.text(served.queue.taken());
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text)
}
