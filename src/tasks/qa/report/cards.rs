//! The headline metrics, and the metric and threshold behind them.

use maud::{Markup, html};

use super::TaskReport;
use crate::{
    counted::counted_with,
    tasks::qa::{
        no_answer::{threshold::signed, threshold_effect::BestThreshold},
        scorers::metric::Metric,
    },
};

/// The headline metrics and their names.
const MAIN: [(&str, &str); 6] = [
    ("exact", "exact match"),
    ("exact_match", "exact match"),
    ("f1", "F1"),
    ("HasAns_f1", "F1, answerable"),
    ("NoAns_exact", "exact, unanswerable"),
    ("total", "questions"),
];

pub(super) fn cards(task: &TaskReport) -> Markup {
    let analysis = &task.analysis;
    let main = |key: &str| Some((key_name(key)?, analysis.scores.get(key)?));
    html! {
        div.cards {
            @for (key, _) in MAIN {
                @if let Some((name, value)) = main(key) {
                    div.card {
                        b { @if key == "total" { (value) } @else { (format!("{value:.2}")) } }
                        span { (name) }
                    }
                }
            }
            @if let Some(best) = &analysis.best { (best_card(best)) }
        }
        @if let Some(advice) = &analysis.threshold_advice { p.advice { (advice) } }
        p.note {
            (task.data) ", marked as " (scorer(analysis.metric)) " does: " (task.basis) "."
            @if analysis.missing > 0 {
                " " (counted_with(analysis.missing, "question", ["has", "have"])) " no prediction"
                @if analysis.metric == Metric::Squad1 { ", counted as wrong in the scores above" }
                "; not included in the counts below."
            }
            @if analysis.unknown > 0 {
                " " (counted_with(analysis.unknown, "prediction", ["belongs", "belong"])) " to no question of the data."
            }
        }
    }
}

/// The F1 at the best threshold on this file, which the run itself may not claim as a result.
fn best_card(best: &BestThreshold) -> Markup {
    html! {
        div.card.best {
            b { (format!("{:.2}", best.f1)) }
            span {
                @match best.threshold {
                    Some(threshold) => { "F1 at " (signed(threshold)) ", chosen on this file" }
                    None => { "F1, best: answer nothing" }
                }
            }
        }
    }
}

fn key_name(key: &str) -> Option<&'static str> {
    MAIN.iter()
        .find(|(known, _)| *known == key)
        .map(|(_, name)| *name)
}

fn scorer(metric: Metric) -> &'static str {
    match metric {
        Metric::Squad2 => "the SQuAD 2.0 script",
        Metric::Squad1 => "the SQuAD 1.1 script",
        Metric::Mrqa => "the MRQA script",
    }
}
