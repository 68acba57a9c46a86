//! Report on answers to questions: headline metrics, no-answer curves, errors, lengths, examples.

mod cards;
mod error_section;
pub mod example_list;
mod flag_section;
pub mod highlight;
mod judged;
mod length_section;
pub mod no_answer;
pub mod task;
mod type_section;

use maud::{Markup, html};

pub use task::TaskReport;

use super::{
    analysis::Analysis,
    no_answer::threshold::signed,
    scorers::{metric::Metric, shown::is_best_without_answers},
};
use crate::{
    eval::{
        figures::Scores,
        file_digest::FileDigest,
        judged::{Judged, Told},
        origin::Origin,
    },
    report::{Heading, Limits, Part, Sections, chart::Charts, origin_section::file},
};

const NO_ANSWER: Heading = Heading::new("no-answer", "No answer", "No answer");
const LENGTHS: Heading = Heading::new("lengths", "Lengths", "Lengths in characters");

impl Sections for TaskReport {
    fn name(&self) -> &str {
        &self.name
    }

    fn scores(&self) -> &Scores {
        &self.analysis.scores
    }

    fn cards(&self) -> Markup {
        cards::cards(self)
    }

    fn note(&self) -> Option<&'static str> {
        (self.analysis.metric == Metric::Squad2).then_some(
            "Under the threshold that the run was given, qa_na_threshold, where the task has \
             unanswerable questions.",
        )
    }

    fn word(&self, scores: &Scores, key: &str) -> Option<&'static str> {
        let figure = key.strip_prefix("best_")?.strip_suffix("_thresh")?;
        is_best_without_answers(scores, figure).then_some("answer nothing")
    }

    fn parts(&self, limits: Limits, charts: &mut Charts) -> Vec<Part> {
        let mut parts = Vec::new();
        if let Some(curves) = &self.no_answer {
            parts.push(NO_ANSWER.over(curves.section(charts)));
        }
        if let Some(best) = &self.best {
            parts.push(Part {
                heading: None,
                body: switch(&self.analysis, best),
            });
        }
        let errors = |analysis: &Analysis| {
            html! {
                (type_section::section(analysis))
                (error_section::section(analysis))
                @for flags in &analysis.flags { (flag_section::section(flags)) }
            }
        };
        let lengths = |analysis: &Analysis| length_section::section(self, analysis, charts);
        let shown = |analysis: &Analysis| example_list::section(self, analysis, limits.examples);
        parts.push(Heading::ERRORS.over(each(self, errors)));
        parts.push(LENGTHS.over(each(self, lengths)));
        parts.push(Heading::EXAMPLES.over(each(self, shown)));
        parts
    }

    fn origin(&self) -> Option<&Origin> {
        Some(&self.provenance.as_ref()?.origin)
    }

    fn files(&self) -> Vec<(&'static str, Markup)> {
        let mut files = vec![("data", file(&self.data_digest))];
        if let Some(record) = &self.provenance {
            if !record.data.is_content_of(&self.data_digest) {
                files.push(("predicted", file(&record.data)));
            }
            files.push(("predictions", file(&record.predictions)));
        }
        files
    }

    fn data(&self) -> &FileDigest {
        &self.data_digest
    }

    fn judged(&self) -> Judged {
        judged::judged(&self.analysis)
    }

    fn told(&self, example: usize) -> Told {
        judged::told(self, &self.analysis.judgements[example])
    }

    fn context(&self, example: usize) -> Option<Markup> {
        let judgement = &self.analysis.judgements[example];
        Some(example_list::passage(self, judgement))
    }
}

/// Renders the switch to the analysis under the best threshold for the parts below.
fn switch(analysis: &Analysis, best: &Analysis) -> Markup {
    html! {
        div.choices.switch data-switch="" hidden {
            span { "Errors, lengths and examples " }
            button type="button" value="run" aria-pressed="true" { (at(analysis)) ", as scored" }
            button type="button" value="best" aria-pressed="false" { (at(best)) ", best on this file" }
        }
    }
}

/// Describes the threshold of an analysis.
fn at(analysis: &Analysis) -> String {
    match analysis.threshold {
        Some(threshold) if threshold.is_finite() => format!("at {}", signed(threshold)),
        Some(_) => "with nothing answered".to_owned(),
        None => String::new(),
    }
}

/// Renders a part of the page for each threshold. That for the best one waits in a template.
fn each(task: &TaskReport, mut part: impl FnMut(&Analysis) -> Markup) -> Markup {
    html! {
        div.analysis { (judged(task, &task.analysis)) (part(&task.analysis)) }
        @if let Some(best) = &task.best {
            template { div.analysis { (judged(task, best)) (part(best)) } }
        }
    }
}

/// States the threshold of a part, if there is another.
fn judged(task: &TaskReport, analysis: &Analysis) -> Markup {
    html! { @if task.best.is_some() { p.note.judged { "Judged " (at(analysis)) "." } } }
}
