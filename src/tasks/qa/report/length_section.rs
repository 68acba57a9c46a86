//! Report section on lengths of answers, questions and passages: extremes, and histograms by part,
//! type and correctness.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde_json::json;

use super::{TaskReport, type_section::part_key};
use crate::{
    report::chart::{Charts, Stacks},
    tasks::qa::analysis::{
        Analysis,
        distinct_questions::DistinctQuestions,
        judgement::Judgement,
        lengths::{Bins, Extremes, Measure},
        part::Part,
        question_type::QuestionType,
    },
};

/// Most bins of a histogram.
const BINS: usize = 100;

pub(super) fn section(task: &TaskReport, analysis: &Analysis, charts: &mut Charts) -> Markup {
    let lengths = &analysis.lengths;
    let rows = [
        ("gold answers", lengths.gold_answers),
        ("predicted answers", lengths.predictions),
        ("questions", lengths.questions),
        ("passages", lengths.contexts),
    ];
    let types: Vec<QuestionType> = analysis
        .parts
        .first()
        .map(|part| part.types.keys().copied().collect())
        .unwrap_or_default();
    html! {
        div.scroll { table {
            thead { tr {
                th { "" } th.n { "count" } th.n { "shortest" } th.n { "median" } th.n { "mean" } th.n { "longest" }
            } }
            tbody { @for (name, extremes) in rows { (row(name, extremes)) } }
        } }
        div.lengths {
            p.controls {
                label { "Questions " select data-select="part" {
                    @for counts in &analysis.parts {
                        option value=(part_key(counts.part)) { (counts.part.name()) }
                    }
                } }
                " "
                label { "Type " select data-select="type" {
                    option value="all" { "all" }
                    @for name in types { option value=(name) { (name) } }
                } }
            }
            div.charts {
                @for measure in Measure::ALL {
                    (charts.figure(
                        &format!("Length of the {}", measure.name()),
                        "The last bar holds all that is longer.",
                        histogram(analysis, &task.questions, measure),
                    ))
                }
            }
        }
    }
}

fn row(name: &str, extremes: Extremes) -> Markup {
    html! { tr {
        td { (name) }
        td.n { (extremes.count) }
        td.n { (extremes.min) }
        td.n { (extremes.median) }
        td.n { (format!("{:.1}", extremes.mean)) }
        td.n { (extremes.max) }
    } }
}

/// Counts of correct and of wrong predictions.
type Counts = [Vec<usize>; 2];

fn histogram(analysis: &Analysis, questions: &DistinctQuestions, measure: Measure) -> Stacks {
    let judgements = &analysis.judgements;
    let length = |judgement: &Judgement| measure.of(judgement, questions);
    let bins = Bins::for_lengths(judgements.iter().filter_map(length), BINS);
    let mut choices: BTreeMap<String, Counts> = BTreeMap::new();
    for judgement in judgements {
        let Some(length) = length(judgement) else {
            continue;
        };
        for part in analysis.parts.iter().map(|counts| counts.part) {
            if !part.holds(judgement) {
                continue;
            }
            for name in ["all", judgement.question_type.name()] {
                let counts = choices
                    .entry(choice(part, name))
                    .or_insert_with(|| [vec![0; bins.count], vec![0; bins.count]]);
                counts[usize::from(!judgement.right)][bins.place(length)] += 1;
            }
        }
    }
    Stacks {
        x: "characters".into(),
        width: bins.width,
        choices: choices
            .into_iter()
            .map(|(choice, counts)| (choice, json!(counts)))
            .collect(),
    }
}

fn choice(part: Part, name: &str) -> String {
    format!("{} {name}", part_key(part))
}
