//! Predictions and no-answer scores → the metrics of the official SQuAD 2.0 scorer.
//!
//! Reproduces `evaluate-v2.0.py` and ELECTRA's copy of it: the answers as given, a threshold on the
//! no-answer scores, the best thresholds, and the precision–recall curves. Only questions with a
//! prediction count. If some have none, the script fails at the parts by answerability, which are
//! computed here over the same questions as the whole.

use super::{
    gold::GoldQuestion,
    marked::{Marked, mark_all, rank},
    report::{Report, unknown_ids},
};
use crate::{
    eval::figures::{Figure, Scores},
    tasks::qa::{
        answers::question_map::QuestionMap,
        error::Error,
        no_answer::{
            precision_recall::{PrCurve, PrCurves, pr_curve},
            threshold_effect::ThresholdEffect,
        },
    },
};

/// The official script's default threshold.
pub const DEFAULT_THRESHOLD: f64 = 1.0;

/// What says that a question has no answer.
#[derive(Debug, Clone, Copy)]
pub struct NoAnswer<'a> {
    /// A score for every predicted question, higher if no answer is more likely; finite.
    pub odds: &'a QuestionMap<f64>,
    /// Predictions whose score exceeds this count as no answer.
    pub threshold: f64,
    /// Whether to compute the precision–recall curves.
    pub curves: bool,
}

/// Scores predictions as the official SQuAD 2.0 scorer does.
///
/// # Errors
/// If there is no question, none has a prediction, or a predicted one has no no-answer score.
pub fn score(
    gold: &[GoldQuestion],
    predictions: &QuestionMap<String>,
    no_answer: Option<NoAnswer<'_>>,
) -> Result<Report, Error> {
    let (marked, missing) = mark_all(gold, predictions, no_answer.map(|n| n.odds))?;
    let threshold = no_answer.map_or(DEFAULT_THRESHOLD, |no_answer| no_answer.threshold);
    let all = || marked.iter().map(|(_, question)| question);
    let mut scores = means(all(), threshold);
    for (prefix, has_answer) in [("HasAns", true), ("NoAns", false)] {
        let part = || all().filter(move |question| question.has_answer == has_answer);
        if part().next().is_some() {
            scores.merge(prefix, means(part(), threshold));
        }
    }

    let (mut under, mut curves) = (None, None);
    if let Some(no_answer) = no_answer {
        let ranked = rank(no_answer.odds, &marked);
        let mut best_by_f1 = None;
        for (name, worth) in [
            (
                "exact",
                (|question| question.mark.exact) as fn(&Marked) -> f64,
            ),
            ("f1", |question| question.mark.f1),
        ] {
            let (best, best_threshold) = best_threshold(&ranked, worth);
            scores.push(format!("best_{name}"), Figure::Value(best));
            // The script's value for answering nothing.
            let shown = best_threshold.unwrap_or(0.0);
            scores.push(format!("best_{name}_thresh"), Figure::Value(shown));
            best_by_f1 = best_threshold;
        }
        let effect = ThresholdEffect::new(&ranked, threshold, best_by_f1);
        scores.set_remark(effect.remark());
        under = Some(effect);
        curves = if no_answer.curves {
            follow(&ranked)
        } else {
            None
        };
    }
    if let Some(curves) = &curves {
        for (key, curve) in [
            ("pr_exact_ap", &curves.exact),
            ("pr_f1_ap", &curves.f1),
            ("pr_oracle_ap", &curves.oracle),
        ] {
            scores.push(key, Figure::Value(curve.average_precision));
        }
    }
    let empty = all().filter(|question| !question.predicts_text).count();
    Ok(Report {
        scores,
        threshold: under,
        missing,
        unknown: unknown_ids(gold, predictions),
        empty,
        curves,
    })
}

/// Returns `exact`, `f1` and `total` of some questions, at least one, under a threshold.
fn means<'a>(questions: impl Iterator<Item = &'a Marked>, threshold: f64) -> Scores {
    let (mut exact, mut f1, mut total) = (0.0, 0.0, 0);
    for question in questions {
        total += 1;
        if question.odds > threshold {
            let right = f64::from(u8::from(!question.has_answer));
            exact += right;
            f1 += right;
        } else {
            exact += question.mark.exact;
            f1 += question.mark.f1;
        }
    }
    let mut scores = Scores::default();
    scores.push("exact", Figure::Value(100.0 * exact / total as f64));
    scores.push("f1", Figure::Value(100.0 * f1 / total as f64));
    scores.push("total", Figure::Count(total));
    scores
}

/// Returns the best mean over all thresholds, in per cent, and the first threshold to reach it; no
/// threshold if answering nothing is best.
fn best_threshold(ranked: &[&Marked], worth: fn(&Marked) -> f64) -> (f64, Option<f64>) {
    let unanswerable = ranked.iter().filter(|question| !question.has_answer);
    let mut sum = unanswerable.count() as f64;
    let (mut best, mut best_threshold) = (sum, None);
    for question in ranked {
        sum += if question.has_answer {
            worth(question)
        } else if question.predicts_text {
            -1.0
        } else {
            0.0
        };
        // Checked after every question, even amid ties, as the script does.
        if sum > best {
            best = sum;
            best_threshold = Some(question.odds);
        }
    }
    (100.0 * best / ranked.len() as f64, best_threshold)
}

/// Returns the three curves; `None` if no question has an answer.
fn follow(ranked: &[&Marked]) -> Option<PrCurves> {
    let answerable = ranked.iter().filter(|question| question.has_answer).count();
    if answerable == 0 {
        return None;
    }
    let curve = |worth: fn(&Marked) -> f64| -> PrCurve {
        let points: Vec<(f64, f64)> = ranked
            .iter()
            .map(|question| {
                let worth = if question.has_answer {
                    worth(question)
                } else {
                    0.0
                };
                (question.odds, worth)
            })
            .collect();
        pr_curve(&points, answerable)
    };
    Some(PrCurves {
        exact: curve(|question| question.mark.exact),
        f1: curve(|question| question.mark.f1),
        oracle: curve(|_| 1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gold(questions: &[(&str, &[&str])]) -> Vec<GoldQuestion> {
        questions
            .iter()
            .map(|(id, answers)| GoldQuestion {
                id: (*id).to_owned(),
                answers: answers.iter().map(|&answer| answer.to_owned()).collect(),
            })
            .collect()
    }

    fn map<T: Clone>(entries: &[(&str, T)]) -> QuestionMap<T> {
        entries
            .iter()
            .map(|(id, value)| ((*id).to_owned(), value.clone()))
            .collect()
    }

    fn texts(entries: &[(&str, &str)]) -> QuestionMap<String> {
        entries
            .iter()
            .map(|&(id, text)| (id.to_owned(), text.to_owned()))
            .collect()
    }

    /// Two answerable questions, one answered fully and one by half; two unanswerable ones, one of
    /// them answered nevertheless.
    fn four() -> (Vec<GoldQuestion>, QuestionMap<String>) {
        (
            gold(&[
                ("a", &["the old oak", "an oak"]),
                ("b", &["red elm"]),
                ("c", &[]),
                ("d", &[]),
            ]),
            texts(&[("a", "Old oak!"), ("b", "elm tree"), ("c", "x"), ("d", "")]),
        )
    }

    fn json(report: &Report) -> String {
        serde_json::to_string(&report.scores).unwrap()
    }

    #[test]
    fn figures_by_hand() {
        let (gold, predictions) = four();
        let report = score(&gold, &predictions, None).unwrap();
        assert_eq!(
            json(&report),
            r#"{"exact":50.0,"f1":62.5,"total":4,"HasAns_exact":50.0,"HasAns_f1":75.0,"HasAns_total":2,"NoAns_exact":50.0,"NoAns_f1":50.0,"NoAns_total":2}"#
        );
        assert!(report.missing.is_empty());
        assert!(report.curves.is_none());
    }

    #[test]
    fn thresholds_and_curves_by_hand() {
        let (gold, predictions) = four();
        // Ranked a, c, b, d. Answering only a gets a, c and d right; b adds its half at the price
        // of c, which ranks before it.
        let odds = map(&[("d", 9.0), ("b", 3.0), ("c", 2.0), ("a", -1.5)]);
        let no_answer = NoAnswer {
            odds: &odds,
            threshold: -1.5,
            curves: true,
        };
        let report = score(&gold, &predictions, Some(no_answer)).unwrap();
        // b, c and d exceed the threshold; a is equal to it and does not. Exact and F1 curves: a
        // adds precision 1 × recall 1/2, b 1.5/3 × 1/4 to F1 only; the oracle's adds 2/3 × 1/2
        // there.
        let oracle: f64 = 100.0 * (0.5 + 2.0 / 3.0 * 0.5);
        assert_eq!(
            json(&report),
            format!(
                r#"{{"exact":75.0,"f1":75.0,"total":4,"HasAns_exact":50.0,"HasAns_f1":50.0,"HasAns_total":2,"NoAns_exact":100.0,"NoAns_f1":100.0,"NoAns_total":2,"best_exact":75.0,"best_exact_thresh":-1.5,"best_f1":75.0,"best_f1_thresh":-1.5,"pr_exact_ap":50.0,"pr_f1_ap":62.5,"pr_oracle_ap":{oracle:?}}}"#
            )
        );
        assert_eq!(report.curves.unwrap().f1.points.len(), 5);
    }

    #[test]
    fn answering_nothing_may_be_best() {
        let gold = gold(&[("a", &["oak"]), ("b", &[]), ("c", &[])]);
        let predictions = texts(&[("a", "elm"), ("b", "x"), ("c", "y")]);
        let odds = map(&[("a", 3.0), ("b", 1.0), ("c", 2.0)]);
        let no_answer = NoAnswer {
            odds: &odds,
            threshold: 0.0,
            curves: false,
        };
        let report = score(&gold, &predictions, Some(no_answer)).unwrap();
        assert_eq!(report.scores.get("best_exact"), Some(200.0 / 3.0));
        assert_eq!(report.scores.get("best_exact_thresh"), Some(0.0));
        assert!(report.curves.is_none());
    }

    #[test]
    fn gold_answers_without_words_want_no_answer() {
        // "the" has no word left: the empty prediction is correct, although the question counts as
        // answerable.
        let gold = gold(&[("a", &["the"])]);
        let report = score(&gold, &texts(&[("a", "")]), None).unwrap();
        assert_eq!(report.scores.get("HasAns_exact"), Some(100.0));
        assert_eq!(report.scores.get("HasAns_f1"), Some(100.0));
        assert_eq!(report.scores.get("NoAns_total"), None);
    }

    #[test]
    fn questions_without_prediction_do_not_count() {
        let (gold, _) = four();
        let predictions = texts(&[("a", "oak"), ("d", ""), ("z", "other")]);
        let report = score(&gold, &predictions, None).unwrap();
        assert_eq!(report.missing, ["b", "c"]);
        assert_eq!(report.scores.get("exact"), Some(100.0));
        assert_eq!(report.scores.get("total"), Some(2.0));
        assert_eq!(report.scores.get("HasAns_total"), Some(1.0));
    }

    #[test]
    fn mismatched_files_are_named() {
        let (gold, predictions) = four();
        let message = |result: Result<Report, Error>| result.unwrap_err().to_string();
        let strange = message(score(&gold, &texts(&[("z", "x")]), None));
        assert!(
            strange.contains("4 questions") && strange.contains("\"z\""),
            "{strange}"
        );
        let empty = message(score(&gold, &texts(&[]), None));
        assert!(empty.contains("an empty file"), "{empty}");
        assert!(message(score(&[], &predictions, None)).contains("no question"));
        let odds = map(&[("a", 1.0)]);
        let no_answer = NoAnswer {
            odds: &odds,
            threshold: 0.0,
            curves: false,
        };
        let lacking = message(score(&gold, &predictions, Some(no_answer)));
        assert!(lacking.contains("question b"), "{lacking}");
    }
}
