//! Tracks how much of a connection's requests has been received.
//!
//! A request may be answered before all of it has arrived, because its body is too long, its path
//! is unknown or its Host is wrong. What the client still sends must then be read; otherwise
//! closing the socket resets the connection and the client loses the response. So each body is
//! followed to its end, and the connection ([`listener`](super::listener)) learns where its
//! requests end.

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

/// How much of one connection's requests has been received; shared by its socket and its requests.
#[derive(Debug, Clone, Default)]
pub struct Intake(Arc<State>);

#[derive(Debug, Default)]
struct State {
    address: Option<SocketAddr>,
    midway: AtomicBool,
    whole: AtomicU64,
}

impl Intake {
    /// Creates it for a connection from `address`.
    pub fn of(address: SocketAddr) -> Self {
        Intake(Arc::new(State {
            address: Some(address),
            ..State::default()
        }))
    }

    /// Returns the address of the client.
    pub fn address(&self) -> Option<SocketAddr> {
        self.0.address
    }

    /// Notes that bytes have arrived; returns whether they are the first of a request.
    pub fn receive(&self) -> bool {
        !self.0.midway.swap(true, Relaxed)
    }

    /// Notes that a request has been read completely.
    fn complete(&self) {
        self.0.midway.store(false, Relaxed);
        self.0.whole.fetch_add(1, Relaxed);
    }

    /// Returns whether bytes have arrived since the last request that was read completely.
    pub fn is_midway(&self) -> bool {
        self.0.midway.load(Relaxed)
    }

    /// Returns how many requests have been read completely.
    pub fn whole(&self) -> u64 {
        self.0.whole.load(Relaxed)
    }
}

/// Follows a request's body; a response sent before its end is the connection's last.
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
        // Nobody polls an absent body.
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

/// A body that reports when it has been read completely.
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
