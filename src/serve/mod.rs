//! `electra serve`: a web page and an API for whatever a model was fine-tuned for.
//!
//! [`Bound`] takes the address, and [`Bound::serve`] answers until it is told to stop. Requests
//! ([`api`], [`page`]) for what the model [`offer`]s put what is [`asked`] into a line ([`queue`])
//! as a [`job`]. One thread with the model ([`worker`]) takes rows of all waiting jobs, in
//! [`turns`] and as many at once as its [`pace`] allows. [`limits`] bounds the load; [`host`],
//! [`origin`] and [`listener`] keep out what a server on one's own machine should not hear, and
//! [`intake`] and [`unread`] make sure that whoever is refused can read why. [`access`] counts
//! requests, for [`metrics`].

pub mod access;
pub mod api;
pub mod asked;
pub mod host;
pub mod intake;
pub mod items;
pub mod job;
pub mod limits;
pub mod listener;
pub mod metrics;
pub mod offer;
pub mod openapi;
pub mod origin;
pub mod pace;
pub mod page;
pub mod queue;
pub mod refusal;
pub mod turns;
pub mod unread;
pub mod worker;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{from_fn, from_fn_with_state, map_response},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    sync::oneshot,
    time::{sleep, timeout},
};
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    fine_tuned::{self, FineTuned},
    tasks::asked::Form,
};
use intake::Intake;
use limits::Limits;
use listener::Connections;
use metrics::Metrics;
use offer::{Kind, Offer};
use origin::Origin;
use pace::Pace;
use queue::{Queue, Waiting};
use refusal::Refusal;

/// Interval between checks for a stop request.
const LOOK: Duration = Duration::from_millis(50);

/// How long the last responses may take to reach their clients.
const LAST_WRITES: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen on {host}:{port}: {source}; {advice}")]
    Bind {
        host: String,
        port: u16,
        source: io::Error,
        advice: &'static str,
    },
    #[error("the server cannot run: {0}")]
    Io(#[from] io::Error),
    #[error("the server stops: {source}")]
    Model { source: fine_tuned::Error },
    #[error("the server stopped because of a bug in it; start it again")]
    Defect,
}

/// State shared by all requests.
pub struct Served {
    /// What users call the model.
    name: String,
    /// The model once for each of its tasks, in order.
    models: Vec<FineTuned>,
    /// What each offers.
    offers: Vec<Offer>,
    device: String,
    limits: Limits,
    queue: Queue,
    metrics: Metrics,
}

/// An address reserved for this server.
pub struct Bound {
    runtime: Runtime,
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// Binds the address; port 0 picks any free port.
    pub fn new(host: &str, port: u16) -> Result<Self, Error> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            // For tokenising: more threads than cores would only take turns.
            .max_blocking_threads(thread::available_parallelism().map_or(1, Into::into))
            .thread_name("electra-http")
            .enable_all()
            .build()?;
        let listener = runtime
            .block_on(TcpListener::bind((host, port)))
            .map_err(|source| Error::Bind {
                host: host.to_owned(),
                port,
                advice: match source.kind() {
                    io::ErrorKind::AddrInUse => "give another --port, or 0 for any free one",
                    io::ErrorKind::PermissionDenied => "give a --port of 1024 or more",
                    _ => "give --host an address of this machine",
                },
                source,
            })?;
        let address = listener.local_addr()?;
        Ok(Bound {
            runtime,
            listener,
            address,
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` is set, then takes no new connections and answers the requests in
    /// progress.
    ///
    /// `models` is the model once for each of its tasks; `device` describes to users where it
    /// computes; pages of `origins` may send requests.
    ///
    /// # Errors
    /// If the device is lost, after those who wait have been told.
    pub fn serve(
        self,
        models: Vec<FineTuned>,
        device: &str,
        limits: Limits,
        origins: &[Origin],
        stop: &AtomicBool,
    ) -> Result<(), Error> {
        let are_questions = models
            .iter()
            .map(|model| model.asking.form() == Form::Question);
        let (queue, jobs) = Queue::new(limits, Waiting::of(are_questions));
        let (least, most) = models.first().map_or((1, 1), FineTuned::tokens_at_once);
        let name = models.first().map(|model| model.config.model_name.clone());
        let offers = models.iter();
        let served = Arc::new(Served {
            name: name.unwrap_or_default(),
            offers: offers
                .map(|model| Offer::of(&model.asking, &model.config, &limits))
                .collect(),
            models,
            device: device.to_owned(),
            limits,
            queue,
            metrics: Metrics::default(),
        });
        let answering = Arc::downgrade(&served);
        let worker = thread::Builder::new()
            .name("electra-model".to_owned())
            .spawn(move || {
                worker::work(&jobs, Pace::new(least, most), |head, rows| {
                    match answering.upgrade() {
                        Some(served) => {
                            let mut seen = 0;
                            served.models[head].compute(rows, &mut |done, _| {
                                // A batch that does not fit the device is halved, with nothing done
                                // yet.
                                if done > seen {
                                    served.metrics.batch(done - seen);
                                    seen = done;
                                }
                            })
                        }
                        // Nobody is left to receive the replies.
                        None => Ok(Vec::new()),
                    }
                })
            })?;
        let router = router(served, self.address.ip().is_loopback(), origins);
        let service = router.into_make_service_with_connect_info::<Intake>();
        let listener = Connections::new(self.listener, limits.connections, limits.silence());
        self.runtime.block_on(async {
            let (end, ended) = oneshot::channel::<()>();
            let server = axum::serve(listener, service).with_graceful_shutdown(async {
                // Told to stop, or the sender is gone: the server ends either way.
                let _told = ended.await;
            });
            let server = tokio::spawn(server.into_future());
            while !stop.load(Ordering::Relaxed) && !worker.is_finished() && !server.is_finished() {
                sleep(LOOK).await;
            }
            drop(end);
            let patience = if worker.is_finished() {
                LAST_WRITES
            } else {
                limits.receive + limits.answer + LAST_WRITES
            };
            match timeout(patience, server).await {
                Ok(served) => Ok(served.map_err(|_| Error::Defect)??),
                // Clients too slow to wait for.
                Err(_) => Ok::<(), Error>(()),
            }
        })?;
        self.runtime.shutdown_background();
        ended(worker)
    }
}

/// Returns the result of the model's thread. It ends by itself once no request can reach it, unless
/// it still works for clients that have disconnected, which is not waited for.
fn ended(worker: JoinHandle<Result<(), fine_tuned::Error>>) -> Result<(), Error> {
    let began = Instant::now();
    while !worker.is_finished() {
        if began.elapsed() > LAST_WRITES {
            return Ok(());
        }
        thread::sleep(LOOK);
    }
    match worker.join() {
        Ok(Ok(())) => Ok(()),
        Ok(Err(source)) => Err(Error::Model { source }),
        Err(_) => Err(Error::Defect),
    }
}

/// Builds the routes and their middleware.
fn router(served: Arc<Served>, loopback: bool, origins: &[Origin]) -> Router {
    let document = openapi::document(&served.offers, &served.limits);
    let body_bytes = served.limits.body_bytes;
    let mut router = Router::new()
        .route("/", get(page::page))
        .route("/page.css", get(page::style));
    for (path, script) in page::SCRIPTS {
        router = router.route(path, get(move || page::script(script)));
    }
    for kind in Kind::ALL {
        let ask = move |State(served): State<Arc<Served>>, request: Request| {
            api::ask(served, kind, request)
        };
        let ask_all = move |State(served): State<Arc<Served>>, request: Request| {
            api::ask_all(served, kind, request)
        };
        router = router
            .route(kind.endpoint(), post(ask))
            .route(kind.list_endpoint(), post(ask_all));
    }
    let router = router
        .route("/health", get(api::health))
        .route("/metrics", get(api::metrics))
        .route("/openapi.json", get(async move || Json(document)))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(body_bytes))
        .layer(CatchPanicLayer::custom(|_| {
            Refusal::defect().into_response()
        }));
    let router = match origin::layer(origins) {
        Some(layer) => router.layer(layer),
        None => router,
    };
    let router = if loopback {
        router.layer(from_fn(host::only_this_machine))
    } else {
        router
    };
    router
        .layer(map_response(with_headers))
        .layer(from_fn(intake::follow))
        .layer(from_fn_with_state(served.clone(), access::follow))
        .with_state(served)
}

async fn unknown_path(request: Request) -> Refusal {
    let message = format!(
        "there is nothing at {}; /openapi.json lists the routes",
        request.uri().path()
    );
    Refusal::new(StatusCode::NOT_FOUND, message)
}

async fn wrong_method(request: Request) -> Refusal {
    let message = format!("{} is not for {}", request.method(), request.uri().path());
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, message)
}

/// Adds the headers of every response: no content sniffing, no caching.
async fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}
