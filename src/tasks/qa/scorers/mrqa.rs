//! Predictions → the metrics of the official MRQA scorer: `exact_match` and `f1`.
//!
//! Reproduces `mrqa_official_eval.py` as ELECTRA calls it, with `skip_no_answer`: questions without
//! a prediction are not counted, and each id counts once.

use super::{
    gold::{GoldQuestion, distinct},
    marked::nothing_marked,
    report::{Report, unknown_ids},
    squad1::Means,
};
use crate::tasks::qa::{answers::question_map::QuestionMap, error::Error};

/// Scores predictions as the official MRQA scorer does.
///
/// # Errors
/// If there is no question, none has a prediction, or a predicted one has no gold answer.
pub fn score(gold: &[GoldQuestion], predictions: &QuestionMap<String>) -> Result<Report, Error> {
    let unknown = unknown_ids(gold, predictions);
    let gold = distinct(gold);
    let mut means = Means::default();
    let mut missing = Vec::new();
    for (id, answers) in gold.iter() {
        match predictions.get(id) {
            Some(prediction) => means.mark(id, answers, prediction, "mrqa")?,
            None => missing.push(id.to_owned()),
        }
    }
    Ok(Report {
        scores: means
            .scores()
            .ok_or_else(|| nothing_marked(gold.len(), predictions))?,
        threshold: None,
        missing,
        unknown,
        empty: means.empty,
        curves: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_without_prediction_are_left_out() {
        let gold: Vec<GoldQuestion> = [("a", "oak"), ("b", "elm"), ("a", "ash")]
            .map(|(id, answer)| GoldQuestion {
                id: id.to_owned(),
                answers: vec![answer.to_owned()],
            })
            .into();
        let predictions: QuestionMap<String> = [("a".to_owned(), "an ash".to_owned())]
            .into_iter()
            .collect();
        let report = score(&gold, &predictions).unwrap();
        // The later answers of a repeated id are the ones that count.
        assert_eq!(
            serde_json::to_string(&report.scores).unwrap(),
            r#"{"exact_match":100.0,"f1":100.0}"#
        );
        assert_eq!(report.missing, ["b"]);
        let message = score(&gold, &QuestionMap::new()).unwrap_err().to_string();
        assert!(message.contains("2 questions"), "{message}");
    }
}
