//! Scores answers to questions one by one.

use super::TaskReport;
use crate::{
    eval::judged::{Judged, Told},
    tasks::qa::{
        analysis::{Analysis, judgement::Judgement},
        scorers::metric::Metric,
    },
};

/// How a question without an answer is shown.
const NO_ANSWER: &str = "no answer";

/// Computes exact match and F1 under the threshold of the analysis, over all questions and, if
/// there are both, over those with and without an answer.
pub(super) fn judged(analysis: &Analysis) -> Judged {
    let mut judged = Judged::new("question", "right only", 6);
    for judgement in &analysis.judgements {
        let [exact, has] =
            [judgement.right, judgement.answerable].map(|is| f64::from(u8::from(is)));
        let f1 = judgement.f1;
        judged.push(&[1.0, exact, f1, has, has * exact, has * f1], exact);
    }
    let share = |right: f64, of: f64| 100.0 * right / of;
    let exact = match analysis.metric {
        Metric::Squad2 => "exact",
        Metric::Squad1 | Metric::Mrqa => "exact_match",
    };
    let judged = judged
        .figure(exact, move |sums| share(sums[1], sums[0]))
        .figure("f1", move |sums| share(sums[2], sums[0]));
    let some = |answerable| {
        analysis
            .judgements
            .iter()
            .any(|j| j.answerable == answerable)
    };
    if analysis.metric != Metric::Squad2 || !some(true) || !some(false) {
        return judged;
    }
    judged
        .figure("HasAns_exact", move |sums| share(sums[4], sums[3]))
        .figure("HasAns_f1", move |sums| share(sums[5], sums[3]))
        .figure("NoAns_exact", move |sums| {
            share(sums[1] - sums[4], sums[0] - sums[3])
        })
        .figure("NoAns_f1", move |sums| {
            share(sums[2] - sums[5], sums[0] - sums[3])
        })
}

/// Shows a question with its gold answers and the model's.
pub(super) fn told(task: &TaskReport, judgement: &Judgement) -> Told {
    let question = judgement.of(&task.questions);
    let paragraph = judgement.paragraph(&task.questions);
    let answers = question.placed_answers(paragraph.family);
    let mut gold: Vec<&str> = answers.iter().map(|answer| answer.text.as_str()).collect();
    gold.sort_unstable();
    gold.dedup();
    let or_none = |text: &str| match text {
        "" => NO_ANSWER.to_owned(),
        text => text.to_owned(),
    };
    let answer = match &judgement.held_back {
        Some(text) => format!("{NO_ANSWER}; held back: {text}"),
        None => or_none(&judgement.prediction),
    };
    Told {
        id: question.id.clone(),
        text: question.text.clone(),
        gold: or_none(&gold.join(" | ")),
        answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        report::Sections,
        tasks::qa::report::task::{TaskFiles, TaskReport},
    };

    fn golden(name: &str) -> std::path::PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden")
            .join(name)
    }

    #[test]
    fn the_figures_of_all_questions_are_the_scorer_s() {
        for (data, predictions, null_odds, metric, keys) in [
            (
                "data/squad2-tiny.dev.json",
                "eval/squad2-tiny.bert.preds.json",
                Some("eval/squad2-tiny.bert.null_odds.json"),
                Metric::Squad2,
                6,
            ),
            (
                "eval/made-up.squad1.json",
                "eval/made-up.preds.json",
                None,
                Metric::Squad1,
                2,
            ),
            (
                "eval/made-up.mrqa.jsonl",
                "eval/made-up.preds.json",
                None,
                Metric::Mrqa,
                2,
            ),
        ] {
            let files = TaskFiles {
                data: golden(data),
                predictions: golden(predictions),
                null_odds: null_odds.map(golden),
                threshold: None,
            };
            let report = TaskReport::read("t", &files, Some(metric)).unwrap();
            let judged = report.judged();
            assert_eq!(judged.keys().count(), keys, "{metric}");
            for (key, own) in judged.keys().zip(judged.figures_of_all()) {
                let scorer_s = report.scores().get(key).unwrap();
                assert!(
                    (own - scorer_s).abs() < 1e-9,
                    "{metric} {key}: {own} {scorer_s}"
                );
            }
            assert_eq!(judged.len(), report.analysis.judgements.len());
        }
    }
}
