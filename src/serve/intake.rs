//! How far a connection's requests have come in.
//!
//! A request may be answered before all of it has arrived: its body is too long, its path is
//! unknown, its Host is another. What the client still sends must then be read, or the closed
//! socket resets the connection and the client loses the answer. So each body is followed to its
//! end, and the connection ([`listener`](super::listener)) is told where its requests end.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{ConnectInfo, Request},
    http::{HeaderValue, header},
    middleware::Next,
    response::Response,
};
use http_body::{Frame, SizeHint};

/// How far the requests of one connection have come in; its socket and its requests share it.
#[derive(Debug, Clone, Default)]
pub struct Intake(Arc<State>);

#[derive(Debug, Default)]
struct State {
    address: Option<SocketAddr>,
    midway: AtomicBool,
    whole: AtomicU64,
}

impl Intake {
    /// Of a connection from `address`.
    pub fn of(address: SocketAddr) -> Self {
        Intake(Arc::new(State {
            address: Some(address),
            ..State::default()
        }))
    }

    /// Where the connection comes from.
    pub fn address(&self) -> Option<SocketAddr> {
        self.0.address
    }

    /// Bytes have come; returns whether they are the first of a request.
    pub fn receive(&self) -> bool {
        !self.0.midway.swap(true, Relaxed)
    }

    /// A request has been read to its end.
    fn complete(&self) {
        self.0.midway.store(false, Relaxed);
        self.0.whole.fetch_add(1, Relaxed);
    }

    /// Whether bytes have come since the last request that was read to its end.
    pub fn is_midway(&self) -> bool {
        self.0.midway.load(Relaxed)
    }

    /// How many requests have been read to their ends.
    pub fn whole(&self) -> u64 {
        self.0.whole.load(Relaxed)
    }
}

/// Follows a request's body; an answer that comes before its end is the connection's last.
pub async fn follow(
    ConnectInfo(intake): ConnectInfo<Intake>,
    request: Request,
    next: Next,
) -> Response {
    let ended = Arc::new(AtomicBool::new(false));
    let request = request.map(|body| {
        let followed = Followed {
            intake,
            ended: ended.clone(),
            body,
        };
        // Nobody polls a body that is not there.
        if followed.is_end_stream() {
            followed.end();
        }
        Body::new(followed)
    });
    let mut response = next.run(request).await;
    if !ended.load(Relaxed) {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

/// A body that tells when it has been read to its end.
struct Followed {
    body: Body,
    ended: Arc<AtomicBool>,
    intake: Intake,
}

impl Followed {
    fn end(&self) {
        if !self.ended.swap(true, Relaxed) {
            self.intake.complete();
        }
    }
}

impl HttpBody for Followed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.end();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
