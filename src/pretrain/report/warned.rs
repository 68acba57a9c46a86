//! The warnings of a run: each kind once, with its steps and how often it occurred.

use maud::{Markup, html};

use crate::pretrain::step_log::StepRecord;

/// A kind of warning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Warned<'a> {
    /// The first and the last step after which it occurred.
    pub first: u64,
    pub last: u64,
    pub times: usize,
    /// The text of its last occurrence.
    pub text: &'a str,
}

/// The subject of a warning is the part before its colon.
fn kind(text: &str) -> &str {
    text.split(':').next().unwrap_or(text)
}

impl<'a> Warned<'a> {
    /// The kinds, in order of first occurrence.
    pub fn all(steps: &'a [StepRecord]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for step in steps {
            for text in &step.warnings {
                match all.iter_mut().find(|told| kind(told.text) == kind(text)) {
                    Some(told) => {
                        told.last = step.step;
                        told.text = text;
                        told.times += 1;
                    }
                    None => all.push(Self {
                        first: step.step,
                        last: step.step,
                        times: 1,
                        text,
                    }),
                }
            }
        }
        all
    }
}

pub fn table(warnings: &[Warned]) -> Markup {
    html! {
        div.scroll { table.fit {
            thead { tr { th { "steps" } th.n { "times" } th { "what, as it was told last" } } }
            tbody { @for told in warnings { tr {
                td { (told.first) @if told.last > told.first { " to " (told.last) } }
                td.n { (told.times) }
                td.told { (told.text) }
            } } }
        } }
    }
}
