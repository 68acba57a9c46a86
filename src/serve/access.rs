//! Records the end of every request: counts it for [`Metrics`](super::metrics::Metrics) and, with
//! `-v`, logs a line to standard error.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{ConnectInfo, Request, State},
    middleware::Next,
    response::Response,
};

use super::{Served, intake::Intake, offer::Kind, page};

/// Status of a request whose client disconnected, as in nginx; no response carries it.
const GONE: u16 = 499;

/// Most characters of a path in a log line, since clients may send any length.
const SHOWN: usize = 100;

/// Follows a request to its end.
pub async fn follow(
    State(served): State<Arc<Served>>,
    ConnectInfo(intake): ConnectInfo<Intake>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let mut under_way = UnderWay {
        route: route(path),
        line: log::log_enabled!(log::Level::Info).then(|| {
            let client = intake
                .address()
                .map_or_else(|| "-".to_owned(), |address| address.to_string());
            let method = cut(request.method().as_str());
            // Without the query string, and without any content of the request.
            format!("{client} {method} {}", cut(path))
        }),
        served,
        began: Instant::now(),
        status: GONE,
    };
    let response = next.run(request).await;
    under_way.status = response.status().as_u16();
    response
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Returns the name of a path's route; all unknown paths share one name.
fn route(path: &str) -> &'static str {
    let others = ["/", "/page.css", "/health", "/metrics", "/openapi.json"];
    let of_kinds = Kind::ALL.iter();
    let of_kinds = of_kinds.flat_map(|kind| [kind.endpoint(), kind.list_endpoint()]);
    let scripts = page::SCRIPTS.iter().map(|(path, _)| *path);
    let mut all = others.into_iter().chain(of_kinds).chain(scripts);
    all.find(|known| *known == path).unwrap_or("other")
}

/// A request whose end is recorded when this is dropped: after its response, or because its client
/// disconnected.
struct UnderWay {
    served: Arc<Served>,
    route: &'static str,
    /// The beginning of its log line.
    line: Option<String>,
    began: Instant,
    status: u16,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        let metrics = &self.served.metrics;
        metrics.request(self.route, self.status, took);
        if let Some(line) = &self.line {
            log::info!("{line} {} {:.3} s", self.status, took.as_secs_f64());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_those_of_the_server() {
        for path in ["/", "/api/answer", "/v1/answers", "/metrics", "/page.js"] {
            assert_eq!(route(path), path);
        }
        for path in ["", "/api/answer/", "/v1", "/../etc", "/api/ANSWER"] {
            assert_eq!(route(path), "other", "{path}");
        }
    }

    #[test]
    fn a_path_takes_no_more_than_its_part_of_a_line() {
        assert_eq!(cut("/é"), "/é");
        let cut = cut(&"é".repeat(5000));
        assert_eq!(cut.chars().count(), SHOWN + 1);
    }
}
