//! No-answer scores → the metrics at each threshold.
//!
//! The official SQuAD 2.0 script only names the best threshold; the curve shows how much depends on
//! it.

use crate::tasks::qa::{
    answers::question_map::QuestionMap,
    error::Error,
    scorers::{
        gold::GoldQuestion,
        marked::{Marked, mark_all, rank},
    },
};

/// The metrics at one threshold, in per cent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThresholdPoint {
    /// Questions whose no-answer score exceeds this count as unanswered.
    pub threshold: f64,
    pub exact: f64,
    pub f1: f64,
    /// F1 of the answerable questions; NaN if there are none.
    pub has_answer_f1: f64,
    /// Exact match of the unanswerable questions; NaN if there are none.
    pub no_answer_exact: f64,
}

/// Returns the metrics at every threshold that makes a difference, lowest first.
///
/// Questions whose scores tie are answered together, as a threshold implies; the script's search
/// for the best one also looks between them, so with ties its best value may not be on the curve.
///
/// # Errors
/// As for [`squad2::score`](crate::tasks::qa::scorers::squad2::score).
pub fn threshold_curve(
    gold: &[GoldQuestion],
    predictions: &QuestionMap<String>,
    odds: &QuestionMap<f64>,
) -> Result<Vec<ThresholdPoint>, Error> {
    let (marked, _) = mark_all(gold, predictions, Some(odds))?;
    Ok(points(&rank(odds, &marked)))
}

/// Returns the curve of questions sorted by ascending no-answer score.
pub(crate) fn points(ranked: &[&Marked]) -> Vec<ThresholdPoint> {
    let (answerable, unanswerable): (Vec<&&Marked>, Vec<_>) =
        ranked.iter().partition(|question| question.has_answer);
    let total = ranked.len() as f64;
    let (answerable, unanswerable) = (answerable.len() as f64, unanswerable.len() as f64);
    // With everything unanswered, only the unanswerable questions are correct.
    let (mut exact, mut has_answer_f1, mut no_answer_exact) = (0.0, 0.0, unanswerable);
    let mut points = Vec::new();
    for (i, question) in ranked.iter().enumerate() {
        if question.has_answer {
            exact += question.mark.exact;
            has_answer_f1 += question.mark.f1;
        } else {
            no_answer_exact += question.mark.exact - 1.0;
        }
        if ranked
            .get(i + 1)
            .is_some_and(|next| next.odds == question.odds)
        {
            continue;
        }
        points.push(ThresholdPoint {
            threshold: question.odds,
            exact: 100.0 * (exact + no_answer_exact) / total,
            f1: 100.0 * (has_answer_f1 + no_answer_exact) / total,
            has_answer_f1: 100.0 * has_answer_f1 / answerable,
            no_answer_exact: 100.0 * no_answer_exact / unanswerable,
        });
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map<T: Clone>(entries: &[(&str, T)]) -> QuestionMap<T> {
        entries
            .iter()
            .map(|(id, value)| ((*id).to_owned(), value.clone()))
            .collect()
    }

    #[test]
    fn figures_by_hand() {
        let gold =
            [("a", vec!["oak"]), ("b", vec!["red elm"]), ("c", vec![])].map(|(id, answers)| {
                GoldQuestion {
                    id: id.to_owned(),
                    answers: answers.into_iter().map(str::to_owned).collect(),
                }
            });
        let predictions = map(&[
            ("a", "oak".to_owned()),
            ("b", "elm".to_owned()),
            ("c", "x".to_owned()),
        ]);
        let odds = map(&[("c", 2.0), ("b", 2.0), ("a", -1.0)]);
        let points = threshold_curve(&gold, &predictions, &odds).unwrap();
        // b and c tie: they are answered together, b two thirds correctly and c wrongly.
        let expected = [
            (-1.0, 200.0 / 3.0, 200.0 / 3.0, 50.0, 100.0),
            (2.0, 100.0 / 3.0, 500.0 / 9.0, 250.0 / 3.0, 0.0),
        ];
        assert_eq!(points.len(), expected.len());
        for (point, (threshold, exact, f1, has_answer_f1, no_answer_exact)) in
            points.iter().zip(expected)
        {
            assert_eq!(point.threshold, threshold);
            for (found, expected) in [
                (point.exact, exact),
                (point.f1, f1),
                (point.has_answer_f1, has_answer_f1),
                (point.no_answer_exact, no_answer_exact),
            ] {
                assert!((found - expected).abs() < 1e-12, "{found} {expected}");
            }
        }
    }
}
