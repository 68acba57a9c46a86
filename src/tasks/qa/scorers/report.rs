//! What a scorer says of the predictions of a file.

use std::collections::HashSet;

use super::gold::GoldQuestion;
use crate::{
    eval::figures::Scores,
    tasks::qa::{
        answers::question_map::QuestionMap,
        no_answer::{precision_recall::PrCurves, threshold_effect::ThresholdEffect},
    },
};

/// What a scorer has to say.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The figures under the official keys.
    pub scores: Scores,
    /// The threshold on the no-answer scores that the figures stand under, and what it does; none
    /// without such scores.
    pub threshold: Option<ThresholdEffect>,
    /// Questions without a prediction, in the order of the data.
    pub missing: Vec<String>,
    /// Predictions of questions that the data do not have, in the order of the predictions.
    pub unknown: Vec<String>,
    /// Predictions that are empty, which stands for no answer.
    pub empty: usize,
    /// The curves of precision and recall, where they were asked for and any question has an
    /// answer.
    pub curves: Option<PrCurves>,
}

/// The ids of predictions that belong to none of the questions.
pub(super) fn unknown_ids(gold: &[GoldQuestion], predictions: &QuestionMap<String>) -> Vec<String> {
    let known: HashSet<&str> = gold.iter().map(|question| question.id.as_str()).collect();
    let ids = predictions.iter().map(|(id, _)| id);
    ids.filter(|id| !known.contains(id))
        .map(str::to_owned)
        .collect()
}
