//! The page around the parts: title, menu, style, script.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    Report, TaskReport, chart::Charts, error_section, example_list, flag_section, length_section,
    origin_section, score_section, training_section, type_section,
};
use crate::tasks::qa::{analysis::Analysis, no_answer::threshold::signed};

const STYLE: &str = include_str!("../../assets/report/page.css");
const SCRIPT: &str = include_str!("../../assets/report/page.js");
const PLOT_STYLE: &str = include_str!("../../assets/report/uPlot.min.css");
const PLOT_SCRIPT: &str = include_str!("../../assets/report/uPlot.iife.min.js");

/// Nothing may be loaded from anywhere, whatever stands in the data.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

pub(super) fn page(report: &Report) -> Markup {
    let mut charts = Charts::default();
    let named = report.tasks.len() > 1;
    let has_no_answer = report.tasks.iter().any(|task| task.no_answer.is_some());
    let scores = (!report.tasks.is_empty() || !report.trials.is_empty())
        .then(|| score_section::section(report));
    let training = (!report.training.is_empty())
        .then(|| training_section::section(&report.training, &mut charts));
    let parts = [
        ("scores", "Scores", scores.is_some()),
        ("training", "Training", training.is_some()),
        ("no-answer", "No answer", has_no_answer),
        ("errors", "Errors", !report.tasks.is_empty()),
        ("lengths", "Lengths", !report.tasks.is_empty()),
        ("examples", "Examples", !report.tasks.is_empty()),
        ("origin", "Origin", true),
    ];
    let no_answer = |charts: &mut Charts| {
        html! {
            @if has_no_answer {
                section #no-answer {
                    h2 { "No answer" }
                    @for task in &report.tasks {
                        @if let Some(curves) = &task.no_answer {
                            (heading(task, named))
                            (curves.section(charts))
                        }
                    }
                }
            }
        }
    };
    let no_answer = no_answer(&mut charts);
    let errors = each(report, "errors", "Errors", |_, analysis| {
        html! {
            (type_section::section(analysis))
            (error_section::section(analysis))
            @for flags in &analysis.flags { (flag_section::section(flags)) }
        }
    });
    let lengths = each(
        report,
        "lengths",
        "Lengths in characters",
        |task, analysis| length_section::section(task, analysis, &mut charts),
    );
    let examples = each(report, "examples", "Examples", |task, analysis| {
        example_list::section(task, analysis, report.examples)
    });
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="generator" content=(concat!("electra ", env!("CARGO_PKG_VERSION")));
                title { (report.title) }
                style { (PreEscaped(PLOT_STYLE)) (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (report.title) }
                    nav {
                        @for (id, name, there) in parts { @if there { a href={ "#" (id) } { (name) } } }
                        button #theme type="button" title="Light or dark" aria-label="Light or dark colours" hidden { "◐" }
                    }
                }
                main {
                    noscript { p.note { "The curves and the selectors need JavaScript; all tables and examples are here." } }
                    @if let Some(scores) = scores { (scores) }
                    @if let Some(training) = training { (training) }
                    (no_answer)
                    (switch(report))
                    (errors)
                    (lengths)
                    (examples)
                    (origin_section::section(report))
                }
                footer { "electra " (env!("CARGO_PKG_VERSION")) }
                script #charts type="application/json" { (PreEscaped(charts.json())) }
                script { (PreEscaped(PLOT_SCRIPT)) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

/// Lets the parts below show the analysis under the best threshold; nothing where there is none.
fn switch(report: &Report) -> Markup {
    let first = report
        .tasks
        .iter()
        .find_map(|task| Some((task, task.best.as_ref()?)));
    html! {
        @if let Some((task, best)) = first {
            div.choices.switch data-switch="" hidden {
                span { "Errors, lengths and examples " }
                button type="button" value="run" aria-pressed="true" { (at(&task.analysis)) ", as scored" }
                button type="button" value="best" aria-pressed="false" { (at(best)) ", best on this file" }
            }
        }
    }
}

/// The threshold of an analysis, in words.
fn at(analysis: &Analysis) -> String {
    match analysis.threshold {
        Some(threshold) if threshold.is_finite() => format!("at {}", signed(threshold)),
        Some(_) => "with nothing answered".to_owned(),
        None => String::new(),
    }
}

/// A part of the page that every task has. That under the best threshold waits in a template.
fn each(
    report: &Report,
    id: &str,
    title: &str,
    mut part: impl FnMut(&TaskReport, &Analysis) -> Markup,
) -> Markup {
    html! {
        @if !report.tasks.is_empty() {
            section id=(id) {
                h2 { (title) }
                @for task in &report.tasks {
                    div.task {
                        (heading(task, report.tasks.len() > 1))
                        div.analysis { (judged(task, &task.analysis)) (part(task, &task.analysis)) }
                        @if let Some(best) = &task.best {
                            template { div.analysis { (judged(task, best)) (part(task, best)) } }
                        }
                    }
                }
            }
        }
    }
}

/// The threshold that a part stands under, where it might be another.
fn judged(task: &TaskReport, analysis: &Analysis) -> Markup {
    html! { @if task.best.is_some() { p.note.judged { "Judged " (at(analysis)) "." } } }
}

fn heading(task: &TaskReport, named: bool) -> Markup {
    html! { @if named { h3.name { (task.name) } } }
}
