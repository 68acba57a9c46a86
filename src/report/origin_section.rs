//! The origin of the page's scores: model, data, settings, program, machine, command.

use maud::{Markup, html};
use serde_json::Value;

use super::Report;
use crate::eval::{file_digest::FileDigest, origin::Origin};

pub(super) fn section(report: &Report) -> Markup {
    let origin = report.origin();
    let several = report.tasks.len() > 1;
    html! {
        section #origin {
            h2 { "Where this comes from" }
            @if origin.is_none() && !report.tasks.is_empty() {
                p.note {
                    "The predictions have no record beside them that says which model made them."
                }
            }
            table.origin { tbody {
                @if let Some(origin) = origin { (of_run(origin)) }
                @for task in &report.tasks {
                    @for (what, file) in task.files() {
                        @if several { (row(&format!("{what}, {}", task.name()), file)) }
                        @else { (row(what, file)) }
                    }
                }
                @if let Some(made) = &report.made {
                    (row("page made", html! { (made.date) " by electra " (env!("CARGO_PKG_VERSION")) }))
                    @if origin.is_none_or(|origin| origin.command != made.command) {
                        (row("page's command", html! { code { (made.command) } }))
                    }
                }
            } }
        }
    }
}

fn of_run(origin: &Origin) -> Markup {
    html! {
        (row("checkpoint", html! { code { (origin.checkpoint.display()) } }))
        (row("answered", html! { (origin.date) " by electra " (origin.version) }))
        @if !origin.device.is_empty() {
            (row("device", html! { (origin.device) ", " (origin.precision) }))
        }
        @if let Some(seed) = origin.seed { (row("seed", html! { (seed) })) }
        (row("settings", settings(origin)))
        (row("command", html! { code { (origin.command) } }))
    }
}

/// Lists the settings that differ from their defaults.
pub(crate) fn settings(origin: &Origin) -> Markup {
    html! {
        @if origin.settings.is_empty() { "all defaults" }
        @for (place, (key, value)) in origin.settings.iter().enumerate() {
            @if place > 0 { " · " }
            code { (key) " = " (shown(value)) }
        }
    }
}

pub(crate) fn row(name: &str, value: Markup) -> Markup {
    html! { tr { th { (name) } td { (value) } } }
}

pub(crate) fn file(digest: &FileDigest) -> Markup {
    html! {
        code { (digest.file.display()) }
        @if let Some(sum) = &digest.sha256 { " sha256 " code { (sum) } }
    }
}

/// Formats a setting as `--set` takes it.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
