//! What a report shows of answers to questions: figures that stand out, no-answer curves, errors,
//! lengths, examples.

mod cards;
mod error_section;
pub mod example_list;
mod flag_section;
pub mod highlight;
mod length_section;
pub mod no_answer;
pub mod task;
mod type_section;

use maud::{Markup, html};

pub use task::TaskReport;

use super::{
    analysis::Analysis, no_answer::threshold::signed, scorers::shown::is_best_without_answers,
};
use crate::{
    eval::{figures::Scores, origin::Origin},
    report::{
        Part, Sections,
        chart::Charts,
        origin_section::{file, row},
    },
};

impl Sections for Vec<TaskReport> {
    fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    fn cards(&self) -> Markup {
        html! { @for task in self { (cards::cards(task, self.len() > 1)) } }
    }

    fn note(&self) -> Option<&'static str> {
        Some(
            "Under the threshold that the run was given, qa_na_threshold, where the task has \
             unanswerable questions.",
        )
    }

    fn word(&self, scores: &Scores, key: &str) -> Option<&'static str> {
        let figure = key.strip_prefix("best_")?.strip_suffix("_thresh")?;
        is_best_without_answers(scores, figure).then_some("answer nothing")
    }

    fn parts(&self, examples: usize, charts: &mut Charts) -> Vec<Part> {
        if self.as_slice().is_empty() {
            return Vec::new();
        }
        let mut parts = Vec::new();
        if self.iter().any(|task| task.no_answer.is_some()) {
            parts.push(Part {
                heading: Some(("no-answer", "No answer")),
                body: no_answer_section(self, charts),
            });
        }
        parts.push(Part {
            heading: None,
            body: switch(self),
        });
        let errors = |_: &TaskReport, analysis: &Analysis| {
            html! {
                (type_section::section(analysis))
                (error_section::section(analysis))
                @for flags in &analysis.flags { (flag_section::section(flags)) }
            }
        };
        let lengths = |task: &TaskReport, analysis: &Analysis| {
            length_section::section(task, analysis, charts)
        };
        let shown = |task: &TaskReport, analysis: &Analysis| {
            example_list::section(task, analysis, examples)
        };
        let title = "Lengths in characters";
        parts.push(each(self, "errors", "Errors", "Errors", errors));
        parts.push(each(self, "lengths", "Lengths", title, lengths));
        parts.push(each(self, "examples", "Examples", "Examples", shown));
        parts
    }

    fn origin(&self) -> Option<&Origin> {
        self.iter()
            .find_map(|task| Some(&task.provenance.as_ref()?.origin))
    }

    fn files(&self) -> Markup {
        html! { @for task in self { (of_task(task, self.len() > 1)) } }
    }
}

fn no_answer_section(tasks: &[TaskReport], charts: &mut Charts) -> Markup {
    html! {
        section #no-answer {
            h2 { "No answer" }
            @for task in tasks {
                @if let Some(curves) = &task.no_answer {
                    (heading(task, tasks.len() > 1))
                    (curves.section(charts))
                }
            }
        }
    }
}

fn of_task(task: &TaskReport, named: bool) -> Markup {
    let name = |what: &str| {
        if named {
            format!("{what}, {}", task.name)
        } else {
            what.to_owned()
        }
    };
    html! {
        (row(&name("data"), file(&task.data_digest)))
        @if let Some(record) = &task.provenance {
            @if !record.data.is_content_of(&task.data_digest) {
                (row(&name("predicted"), file(&record.data)))
            }
            (row(&name("predictions"), file(&record.predictions)))
        }
    }
}

/// Lets the parts below show the analysis under the best threshold; nothing where there is none.
fn switch(tasks: &[TaskReport]) -> Markup {
    let first = tasks
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
    tasks: &[TaskReport],
    id: &'static str,
    name: &'static str,
    title: &str,
    mut part: impl FnMut(&TaskReport, &Analysis) -> Markup,
) -> Part {
    let body = html! {
        section id=(id) {
            h2 { (title) }
            @for task in tasks {
                div.task {
                    (heading(task, tasks.len() > 1))
                    div.analysis { (judged(task, &task.analysis)) (part(task, &task.analysis)) }
                    @if let Some(best) = &task.best {
                        template { div.analysis { (judged(task, best)) (part(task, best)) } }
                    }
                }
            }
        }
    };
    Part {
        heading: Some((id, name)),
        body,
    }
}

/// The threshold that a part stands under, where it might be another.
fn judged(task: &TaskReport, analysis: &Analysis) -> Markup {
    html! { @if task.best.is_some() { p.note.judged { "Judged " (at(analysis)) "." } } }
}

fn heading(task: &TaskReport, named: bool) -> Markup {
    html! { @if named { h3.name { (task.name) } } }
}
