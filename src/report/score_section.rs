//! The figures of every trial, with mean and standard deviation where there are several.

use maud::{Markup, html};

use super::{Report, TaskReport};
use crate::{
    eval::{figures::Scores, results::TrialResults},
    tasks::qa::{
        no_answer::{threshold::signed, threshold_effect::BestThreshold},
        scorers::{score::Metric, shown::is_best_without_answers},
    },
};

/// Trials that have columns of their own, at most; beyond, their mean and spread say more.
const COLUMNS: usize = 10;

/// The figures that stand out, and what they are called.
const MAIN: [(&str, &str); 6] = [
    ("exact", "exact match"),
    ("exact_match", "exact match"),
    ("f1", "F1"),
    ("HasAns_f1", "F1, answerable"),
    ("NoAns_exact", "exact, unanswerable"),
    ("total", "questions"),
];

pub(super) fn section(report: &Report) -> Markup {
    html! {
        section #scores {
            h2 { "Scores" }
            @for task in &report.tasks { (cards(task, report.tasks.len() > 1)) }
            @for task in tasks(&report.trials) { (table(task, &report.trials)) }
        }
    }
}

fn cards(task: &TaskReport, named: bool) -> Markup {
    let analysis = &task.analysis;
    let main = |key: &str| Some((key_name(key)?, analysis.scores.get(key)?));
    html! {
        @if named { h3 { (task.name) } }
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
                " " (analysis.missing) " questions have no prediction"
                @if analysis.metric == Metric::Squad1 { " and count as wrong in the scores above" }
                "; the counts below leave them out."
            }
            @if analysis.unknown > 0 {
                " " (analysis.unknown) " predictions belong to no question of the data."
            }
        }
    }
}

/// The F1 at the threshold that does best on the file, which no figure of the run may claim.
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

/// The tasks of all trials, each once, in order.
fn tasks(trials: &[TrialResults]) -> Vec<&str> {
    let mut tasks: Vec<&str> = Vec::new();
    for (task, _) in trials.iter().flat_map(|trial| &trial.tasks) {
        if !tasks.contains(&task.as_str()) {
            tasks.push(task);
        }
    }
    tasks
}

fn table(task: &str, trials: &[TrialResults]) -> Markup {
    let scores: Vec<&Scores> = trials
        .iter()
        .flat_map(|trial| &trial.tasks)
        .filter(|(name, _)| name == task)
        .map(|(_, scores)| scores)
        .collect();
    let several = scores.len() > 1;
    let own = if scores.len() > COLUMNS {
        &[]
    } else {
        &scores[..]
    };
    let keys = scores
        .first()
        .map(|first| first.iter().map(|(key, _)| key))
        .into_iter()
        .flatten();
    html! {
        h3 { (task) ", as evaluated" }
        p.note { "Under the threshold that the run was given, qa_na_threshold, where the task has unanswerable questions." }
        div.scroll { table.fit {
            thead { tr {
                th { "figure" }
                @if several { th.n { "mean ± sd" } th.n { "least" } th.n { "greatest" } }
                @for trial in 1..=own.len() {
                    th.n { @if several { "trial " (trial) } @else { "value" } }
                }
            } }
            tbody {
                @for key in keys { (row(key, &scores, own)) }
            }
        } }
        @if scores.len() > COLUMNS {
            p.note { (scores.len()) " trials." }
        }
    }
}

fn row(key: &str, scores: &[&Scores], own: &[&Scores]) -> Markup {
    let values: Vec<f64> = scores.iter().filter_map(|scores| scores.get(key)).collect();
    let searched = key.strip_prefix("best_");
    let searched = searched.and_then(|figure| figure.strip_suffix("_thresh"));
    let found = |scores: &Scores, value: f64| match searched {
        Some(figure) if is_best_without_answers(scores, figure) => "answer nothing".to_owned(),
        _ => shown(key, value),
    };
    html! { tr {
        td { code { (key) } }
        @if let (true, Some((mean, deviation))) = (scores.len() > 1, mean_and_deviation(&values)) {
            td.n { b { (shown(key, mean)) } " ± " (format!("{deviation:.2}")) }
            td.n { (shown(key, values.iter().copied().fold(f64::INFINITY, f64::min))) }
            td.n { (shown(key, values.iter().copied().fold(f64::NEG_INFINITY, f64::max))) }
        }
        @for scores in own {
            td.n { @if let Some(value) = scores.get(key) { (found(scores, value)) } @else { "–" } }
        }
    } }
}

fn shown(key: &str, value: f64) -> String {
    if key.ends_with("total") {
        format!("{value:.0}")
    } else if key.ends_with("thresh") {
        format!("{value:.4}")
    } else {
        format!("{value:.2}")
    }
}

/// Mean and standard deviation (of a sample: over n − 1; 0 of one value).
fn mean_and_deviation(values: &[f64]) -> Option<(f64, f64)> {
    let count = values.len() as f64;
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((mean, (squares / (count - 1.0).max(1.0)).sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviation_is_that_of_a_sample() {
        assert_eq!(
            mean_and_deviation(&[1.0, 2.0, 6.0]),
            Some((3.0, 7.0_f64.sqrt()))
        );
        assert_eq!(mean_and_deviation(&[5.0]), Some((5.0, 0.0)));
        assert_eq!(mean_and_deviation(&[]), None);
    }
}
