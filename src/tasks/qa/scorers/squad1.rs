//! Predictions → the metrics of the official SQuAD 1.1 scorer: `exact_match` and `f1`.
//!
//! Reproduces `evaluate-v1.1.py`: every question counts, and one without a prediction counts as
//! wrong; only if none has a prediction are there no metrics.

use super::{
    gold::GoldQuestion,
    mark::mark_answerable,
    marked::nothing_marked,
    report::{Report, unknown_ids},
};
use crate::{
    eval::figures::{Figure, Scores},
    tasks::qa::{answers::question_map::QuestionMap, error::Error},
};

/// Scores predictions as the official SQuAD 1.1 scorer does.
///
/// # Errors
/// If there is no question, none has a prediction, or a predicted one has no gold answer.
pub fn score(gold: &[GoldQuestion], predictions: &QuestionMap<String>) -> Result<Report, Error> {
    let mut means = Means::default();
    let mut missing = Vec::new();
    for question in gold {
        match predictions.get(&question.id) {
            Some(prediction) => {
                means.mark(&question.id, &question.answers, prediction, "squad1")?
            }
            None => {
                means.total += 1;
                missing.push(question.id.clone());
            }
        }
    }
    // The script gives 0 then, but most likely the files do not belong together.
    if missing.len() == gold.len() {
        return Err(nothing_marked(gold.len(), predictions));
    }
    Ok(Report {
        scores: means.scores().ok_or(Error::NoQuestions)?,
        threshold: None,
        missing,
        unknown: unknown_ids(gold, predictions),
        empty: means.empty,
        curves: None,
    })
}

/// Running sums of the best scores over the gold answers, shared with MRQA.
#[derive(Default)]
pub(super) struct Means {
    exact: f64,
    f1: f64,
    pub(super) total: usize,
    /// Predictions without text.
    pub(super) empty: usize,
}

impl Means {
    /// Adds a predicted question.
    pub(super) fn mark(
        &mut self,
        id: &str,
        answers: &[String],
        prediction: &str,
        metric: &'static str,
    ) -> Result<(), Error> {
        if answers.is_empty() {
            return Err(Error::NoGoldAnswer {
                question: id.to_owned(),
                metric,
            });
        }
        let mark = mark_answerable(answers, prediction);
        self.total += 1;
        self.empty += usize::from(prediction.is_empty());
        self.exact += mark.exact;
        self.f1 += mark.f1;
        Ok(())
    }

    /// Returns the metrics in per cent; `None` if no question was counted.
    pub(super) fn scores(&self) -> Option<Scores> {
        if self.total == 0 {
            return None;
        }
        let total = self.total as f64;
        let mut scores = Scores::default();
        scores.push("exact_match", Figure::Value(100.0 * self.exact / total));
        scores.push("f1", Figure::Value(100.0 * self.f1 / total));
        Some(scores)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gold(id: &str, answers: &[&str]) -> GoldQuestion {
        GoldQuestion {
            id: id.to_owned(),
            answers: answers.iter().map(|&answer| answer.to_owned()).collect(),
        }
    }

    fn texts(entries: &[(&str, &str)]) -> QuestionMap<String> {
        entries
            .iter()
            .map(|&(id, text)| (id.to_owned(), text.to_owned()))
            .collect()
    }

    #[test]
    fn questions_without_prediction_are_wrong() {
        let questions = [
            gold("a", &["old oak", "Oak!"]),
            gold("b", &["red elm"]),
            gold("c", &["x"]),
            gold("d", &["y"]),
        ];
        let predictions = texts(&[("a", "the oak"), ("b", "elm tree"), ("c", "y"), ("z", "y")]);
        let report = score(&questions, &predictions).unwrap();
        assert_eq!(
            serde_json::to_string(&report.scores).unwrap(),
            r#"{"exact_match":25.0,"f1":37.5}"#
        );
        assert_eq!(report.missing, ["d"]);
        assert_eq!(report.unknown, ["z"]);
    }

    #[test]
    fn repeated_questions_count_each_time() {
        let questions = [gold("a", &["x"]), gold("a", &["y"])];
        let report = score(&questions, &texts(&[("a", "x")])).unwrap();
        assert_eq!(report.scores.get("exact_match"), Some(50.0));
    }

    #[test]
    fn answers_without_words_match_exactly_but_share_nothing() {
        let report = score(&[gold("a", &["the"])], &texts(&[("a", "")])).unwrap();
        assert_eq!(report.scores.get("exact_match"), Some(100.0));
        assert_eq!(report.scores.get("f1"), Some(0.0));
    }

    #[test]
    fn predictions_of_another_file_are_refused() {
        let questions = [gold("a", &["x"]), gold("b", &["y"])];
        for predictions in [texts(&[("z", "x")]), texts(&[])] {
            let message = score(&questions, &predictions).unwrap_err().to_string();
            assert!(message.contains("none of the 2 questions"), "{message}");
        }
    }

    #[test]
    fn unanswerable_questions_are_named() {
        let message = score(&[gold("a", &[])], &texts(&[("a", "")]))
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("question a") && message.contains("squad2"),
            "{message}"
        );
        assert!(
            score(&[], &texts(&[]))
                .unwrap_err()
                .to_string()
                .contains("no question")
        );
    }
}
