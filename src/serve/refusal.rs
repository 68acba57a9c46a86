//! A request that gets no answer: its status, and why in words, as `{"error": {"message": …}}`, with
//! the number of the `item` where one of a list is to blame.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

/// Seconds after which a client may try a busy server again.
const RETRY_AFTER: &str = "1";

/// Why a request gets no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: StatusCode,
    pub message: String,
    /// Which one of a list is to blame, from 0.
    pub item: Option<usize>,
}

impl Refusal {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Refusal {
            status,
            message: message.into(),
            item: None,
        }
    }

    /// A request that says what no request may say.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// The same where one of a list is to blame.
    pub fn of_item(self, item: usize) -> Self {
        Refusal {
            message: format!("item {item}: {}", self.message),
            item: Some(item),
            ..self
        }
    }

    /// A defect of the server's own, of which its standard error tells more.
    pub fn defect() -> Self {
        let message = "the server failed at this request; its log says more";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut error = json!({"message": self.message});
        if let Some(item) = self.item {
            error["item"] = item.into();
        }
        let body = Json(json!({"error": error}));
        let mut response = (self.status, body).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = header::HeaderValue::from_static(RETRY_AFTER);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}
