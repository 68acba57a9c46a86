//! The scores of every trial, with mean and standard deviation if there are several.

use maud::{Markup, html};

use super::{Report, Sections};
use crate::{
    counted::counted,
    eval::{
        figures::{Scores, with_minus},
        results::TrialResults,
        taken::Taken,
    },
};

/// Most trials with a column of their own; with more, mean and standard deviation are more useful.
const COLUMNS: usize = 10;

pub(super) fn section(report: &Report) -> Markup {
    html! {
        section #scores {
            h2 { "Scores" }
            @for task in &report.tasks {
                @if report.tasks.len() > 1 { h3 { (task.name()) } }
                (task.cards())
            }
            @for dispute in &report.disputed { p.note { b { (dispute) } } }
            @for task in tasks(&report.trials) { (table(task, report)) }
        }
    }
}

/// Returns the tasks of all trials, each once, in order.
fn tasks(trials: &[TrialResults]) -> Vec<&str> {
    let mut tasks: Vec<&str> = Vec::new();
    for (task, _) in trials.iter().flat_map(|trial| &trial.tasks) {
        if !tasks.contains(&task.as_str()) {
            tasks.push(task);
        }
    }
    tasks
}

fn table(task: &str, report: &Report) -> Markup {
    let sections = report.task(task);
    let trials = report.trials.iter().enumerate();
    let (numbers, scores): (Vec<usize>, Vec<&Scores>) = trials
        .flat_map(|(place, trial)| {
            let number = report.numbers.get(place).copied().unwrap_or(place + 1);
            let scores = trial.tasks.iter().filter(|(name, _)| name == task);
            scores.map(move |(_, scores)| (number, scores))
        })
        .unzip();
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
        @if let Some(note) = sections.and_then(Sections::note) { p.note { (note) } }
        @if let Some(taken) = scores.iter().find_map(|scores| Taken::of(scores)) {
            p.note { "Of the first " (taken) " examples only (max_eval_examples)." }
        }
        div.scroll { table.fit {
            thead { tr {
                th { "figure" }
                @if several { th.n { "mean ± sd" } th.n { "least" } th.n { "greatest" } }
                @for trial in numbers.iter().take(own.len()) {
                    th.n { @if several { "trial " (trial) } @else { "value" } }
                }
            } }
            tbody {
                @for key in keys { (row(key, &scores, own, sections)) }
            }
        } }
        @if scores.len() > COLUMNS {
            p.note { (counted(scores.len(), "trial")) "." }
        }
    }
}

fn row(key: &str, scores: &[&Scores], own: &[&Scores], sections: Option<&dyn Sections>) -> Markup {
    let values: Vec<f64> = scores.iter().filter_map(|scores| scores.get(key)).collect();
    let found = |scores: &Scores, value: f64| match sections
        .and_then(|sections| sections.word(scores, key))
    {
        Some(word) => word.to_owned(),
        None => shown(key, value),
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
    with_minus(&if key.ends_with("total") || key.starts_with("examples") {
        format!("{value:.0}")
    } else if key.ends_with("thresh") {
        format!("{value:.4}")
    } else {
        format!("{value:.2}")
    })
}

/// Returns mean and sample standard deviation (over n − 1; 0 for a single value).
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
