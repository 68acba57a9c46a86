//! `electra serve`: a web page and an API for a fine-tuned model.

use std::{
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use checkpoints_convert::printable;
use clap::{Args, value_parser};
use serde_json::json;

use super::{GlobalArgs, compute::ComputeArgs, next_steps::example, session::Session, stop};
use crate::{
    fine_tuned::{FineTuned, TaskChoice},
    serve::{Bound, limits::Limits, origin::Origin},
    tasks::qa::no_answer::{null_odds::gives_null_odds, threshold},
};

/// Serve a fine-tuned model in the browser and over HTTP
///
/// People use the page at /, programs the JSON API: /api/answer, /api/classify, /api/regress and /api/tag,
/// or /v1/answers and so on for lists, as described in /openapi.json. /metrics has metrics for Prometheus.
/// With -v, each request is logged. Ctrl-C stops the server once the requests in progress are answered.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra serve --checkpoint my_model")]
pub struct ServeArgs {
    /// Folder of the fine-tuned model
    #[arg(long, value_name = "DIR")]
    pub checkpoint: PathBuf,
    /// Address to listen on; 0.0.0.0 means all addresses of this machine
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    pub host: String,
    /// Port to listen on; 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    pub port: u16,
    /// Time limit of a request
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 30,
        value_parser = value_parser!(u64).range(1..=3600)
    )]
    pub timeout: u64,
    /// Maximum number of waiting requests; further ones are rejected
    #[arg(
        long,
        value_name = "N",
        default_value_t = 512,
        value_parser = value_parser!(u16).range(1..)
    )]
    pub queue: u16,
    /// No-answer score (null odds) above which a question has no answer, unless the request gives its own
    /// [default: the model's]
    #[arg(
        long,
        value_name = "X",
        allow_negative_numbers = true,
        value_parser = threshold::parse
    )]
    pub threshold: Option<f64>,
    /// Origin whose web pages may send requests, such as https://example.org, or * for all; may be repeated
    #[arg(long, value_name = "ORIGIN")]
    pub allow_origin: Vec<Origin>,
    #[command(flatten)]
    pub compute: ComputeArgs,
}

/// Opens the model, prints its address, and serves it until a signal arrives.
pub(super) fn run(
    args: &ServeArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let stop = stop::listen();
    // Before the model is opened: an occupied port is reported at once.
    let bound = Bound::new(&args.host, args.port)?;
    let session = Session::open(&args.compute, global)?;
    let mut model = session.model(&args.checkpoint, TaskChoice::First)?;
    if model.folder != args.checkpoint {
        model.config.model_name = name_of(&args.checkpoint);
    }
    let name = model.config.model_name.clone();
    let mut models = model.for_each_task()?;
    if let Some(given) = args.threshold {
        set_threshold(&mut models, given)?;
    }
    // Compiles the shaders, and detects a device that cannot compute, before the first request.
    for model in &models {
        model.ask(&example(model.asking.form()))?;
    }

    let address = bound.address();
    let tasks: Vec<&str> = models.iter().map(FineTuned::task).collect();
    let device = session.chosen.short();
    let told = if global.json {
        let url = format!("http://{address}");
        json!({"url": url, "model": name, "device": device, "tasks": tasks}).to_string()
    } else {
        let several = match tasks.len() {
            0 | 1 => String::new(),
            _ => format!("\ntasks: {}", printable(&tasks.join(", "))),
        };
        format!(
            "{} answers at http://{address} (Ctrl-C ends it){several}",
            printable(&name)
        )
    };
    // A server may outlive the process that started it, so nobody may be reading this.
    if writeln!(out, "{told}").and_then(|()| out.flush()).is_err() {
        session.progress.note(&told);
    }
    if !address.ip().is_loopback() {
        log::warn!(
            "anyone who reaches {address} can send requests, which are not encrypted: put a TLS proxy in \
             front of it"
        );
    }
    let limits = Limits {
        queue: args.queue.into(),
        answer: Duration::from_secs(args.timeout),
        ..Limits::default()
    };
    let _held = stop.hold();
    bound.serve(models, &device, limits, &args.allow_origin, stop.asked())?;
    session.progress.note("stopped");
    session.progress.done();
    Ok(())
}

/// Suppresses answers above `threshold` in the tasks that give no-answer scores.
///
/// # Errors
/// If no task does.
fn set_threshold(models: &mut [FineTuned], threshold: f64) -> anyhow::Result<()> {
    let gives: Vec<bool> = models
        .iter()
        .map(|model| gives_null_odds(model.task()))
        .collect();
    let any = gives.contains(&true);
    for (model, gives) in models.iter_mut().zip(gives) {
        if gives || !any {
            model.set_threshold(threshold)?;
        }
    }
    Ok(())
}

/// The user's name for the checkpoint at `path`, whose record is elsewhere: its folder, zip or prefix.
fn name_of(path: &Path) -> String {
    let is_zip = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("zip"));
    let name = match is_zip {
        true => path.file_stem(),
        false => path.file_name(),
    };
    name.unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}
