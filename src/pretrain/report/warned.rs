//! What went wrong in a run: each kind of warning once, with when and how often it was told.

use maud::{Markup, html};

use crate::pretrain::step_log::StepRecord;

/// A kind of warning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Warned<'a> {
    /// Steps after which it was told, the first and the last.
    pub first: u64,
    pub last: u64,
    pub times: usize,
    /// As it was told last.
    pub text: &'a str,
}

/// What a warning is about stands before its colon.
fn kind(text: &str) -> &str {
    text.split(':').next().unwrap_or(text)
}

impl<'a> Warned<'a> {
    /// The kinds, in the order in which they were first told.
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
