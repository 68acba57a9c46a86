//! Wrong predictions to browse: a limited number of each class of errors, spread over the data.

use maud::{Markup, html};

use super::{TaskReport, highlight};
use crate::{
    report::example_list::short,
    tasks::qa::analysis::{Analysis, error_class::ErrorClass, judgement::Judgement},
};

pub(super) fn section(task: &TaskReport, analysis: &Analysis, most: usize) -> Markup {
    let shown: Vec<(ErrorClass, usize, Vec<&Judgement>)> = ErrorClass::ALL
        .into_iter()
        .map(|class| {
            let held: Vec<&Judgement> = analysis
                .judgements
                .iter()
                .filter(|j| j.class == Some(class))
                .collect();
            (class, held.len(), spread(&held, most))
        })
        .filter(|(_, count, _)| *count > 0)
        .collect();
    let types = analysis
        .parts
        .first()
        .into_iter()
        .flat_map(|part| part.types.keys());
    html! {
        @if !shown.is_empty() {
            div.examples {
                p.note {
                    "Marked in the passages: " mark.gold { "gold answers" } " "
                    mark.predicted { "the prediction" } " " mark.both { "both" } "."
                }
                div.controls {
                    div.choices data-choices="class" {
                        @for (class, count, _) in &shown {
                            button type="button" value=(class.letter()) title=(class.meaning()) {
                                b { (class.letter()) } " " (class.name()) " " span.count { (count) }
                            }
                        }
                    }
                    label { "Type " select data-filter="type" {
                        option value="" { "all" }
                        @for name in types { option value=(name) { (name) } }
                    } }
                    " "
                    label { "Search " input type="search" data-filter="text" placeholder="words in the examples of every class"; }
                    span data-total="" role="status" {}
                }
                @for (class, count, examples) in &shown {
                    div data-class=(class.letter()) {
                        h4 { (class.letter()) ": the prediction " (class.meaning()) }
                        p.note {
                            (examples.len()) " of " (count) " are here"
                            @if examples.len() < *count {
                                ", spread evenly over the data; " (count - examples.len())
                                @if count - examples.len() == 1 { " is left out" } @else { " are left out" }
                            }
                            "." span data-found="" {}
                        }
                        @for judgement in examples { (example(task, judgement)) }
                    }
                }
            }
        }
    }
}

/// Returns at most `most` of the judgements, evenly spread.
fn spread<'a>(held: &[&'a Judgement], most: usize) -> Vec<&'a Judgement> {
    let count = held.len().min(most);
    (0..count)
        .filter_map(|place| held.get(place * held.len() / count).copied())
        .collect()
}

fn example(task: &TaskReport, judgement: &Judgement) -> Markup {
    let question = judgement.of(&task.questions);
    let paragraph = judgement.paragraph(&task.questions);
    let answers = question.placed_answers(paragraph.family);
    let mut gold: Vec<&str> = answers.iter().map(|answer| answer.text.as_str()).collect();
    gold.sort_unstable();
    gold.dedup();
    html! {
        article data-type=(judgement.question_type) {
            h5 { (short(&question.text)) }
            dl {
                dt { "predicted" }
                dd {
                    @if let Some(text) = &judgement.held_back {
                        "no answer; held back: " q { (short(text)) }
                    } @else if judgement.prediction.is_empty() {
                        "no answer"
                    } @else {
                        q { (short(&judgement.prediction)) }
                    }
                }
                dt { "gold" }
                dd {
                    @if gold.is_empty() { "no answer" }
                    @for text in gold { q { (short(text)) } " " }
                }
            }
            (passage(task, judgement))
            p.meta {
                code { (short(&question.id)) } " · " (judgement.question_type)
                " · F1 " (format!("{:.2}", judgement.f1))
                @if let Some(odds) = judgement.odds { " · no-answer score " (format!("{odds:.2}")) }
                @if let Some(flag) = &question.followup { " · follow-up " (short(flag)) }
                @if let Some(flag) = &question.yesno { " · yes/no " (short(flag)) }
            }
        }
    }
}

/// Renders the passage with the gold answers and the model's marked.
pub(super) fn passage(task: &TaskReport, judgement: &Judgement) -> Markup {
    let paragraph = judgement.paragraph(&task.questions);
    let question = judgement.of(&task.questions);
    let answers = question.placed_answers(paragraph.family);
    let predicted = judgement
        .held_back
        .as_ref()
        .unwrap_or(&judgement.prediction);
    html! {
        p.passage tabindex="0" { (highlight::passage(&paragraph.context, &answers, predicted)) }
    }
}
