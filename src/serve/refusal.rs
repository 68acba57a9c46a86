//! A request that is refused: its status, and the reason as `{"error": {"message": …}}`, with the
//! index of the `item` if one of a list is to blame.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

/// Seconds after which a client may retry a busy server.
const RETRY_AFTER: &str = "1";

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: StatusCode,
    pub message: String,
    /// Index of the list item to blame, from 0.
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

    /// Refuses an invalid request.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// Blames one item of a list.
    pub fn of_item(self, item: usize) -> Self {
        Refusal {
            message: format!("item {item}: {}", self.message),
            item: Some(item),
            ..self
        }
    }

    /// Reports a defect of the server itself; its standard error has the details.
    pub fn defect() -> Self {
        let message = "the server failed on this request; its log says more";
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
