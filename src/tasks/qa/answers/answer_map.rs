//! Predictions → maps from question ids, as files and scorers take them.

use super::{
    nbest::{NbestEntry, QuestionPrediction},
    question_map::QuestionMap,
};

/// Returns the predictions as in files: question id → answer.
pub fn answers(predictions: &[QuestionPrediction]) -> QuestionMap<String> {
    predictions
        .iter()
        .map(|prediction| (prediction.qas_id.clone(), prediction.text.clone()))
        .collect()
}

/// Returns the null odds as in files: question id → score; empty unless the task has unanswerable
/// questions.
pub fn null_odds(predictions: &[QuestionPrediction]) -> QuestionMap<f64> {
    predictions
        .iter()
        .filter_map(|prediction| Some((prediction.qas_id.clone(), prediction.null_odds?)))
        .collect()
}

/// Returns the n-best lists as in files: question id → entries, best first.
pub fn nbest(predictions: &[QuestionPrediction]) -> QuestionMap<&[NbestEntry]> {
    predictions
        .iter()
        .map(|prediction| (prediction.qas_id.clone(), prediction.nbest.as_slice()))
        .collect()
}

/// Returns the submission for a test set: the answers, empty if the null odds exceed `threshold`.
pub fn test_outputs(predictions: &[QuestionPrediction], threshold: f64) -> QuestionMap<String> {
    predictions
        .iter()
        .map(|prediction| {
            let unanswered = prediction.null_odds.is_some_and(|odds| odds > threshold);
            let text = if unanswered { "" } else { &prediction.text };
            (prediction.qas_id.clone(), text.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prediction(id: &str, text: &str, null_odds: Option<f64>) -> QuestionPrediction {
        QuestionPrediction {
            qas_id: id.to_owned(),
            nbest: Vec::new(),
            text: text.to_owned(),
            place: None,
            null_odds,
        }
    }

    #[test]
    fn test_outputs_keep_what_does_not_exceed_the_threshold() {
        let predictions = [
            prediction("a", "oak", Some(-2.75)),
            prediction("b", "elm", Some(-2.74)),
            prediction("c", "ash", None),
        ];
        let outputs = test_outputs(&predictions, -2.75);
        let outputs: Vec<_> = outputs
            .iter()
            .map(|(id, text)| (id, text.as_str()))
            .collect();
        assert_eq!(outputs, [("a", "oak"), ("b", ""), ("c", "ash")]);
    }
}
