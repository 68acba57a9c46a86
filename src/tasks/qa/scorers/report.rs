//! A scorer's report on the predictions of a file.

use std::collections::HashSet;

use super::gold::GoldQuestion;
use crate::{
    eval::figures::Scores,
    tasks::qa::{
        answers::question_map::QuestionMap,
        no_answer::{precision_recall::PrCurves, threshold_effect::ThresholdEffect},
    },
};

/// A scorer's report.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The metrics under the official keys.
    pub scores: Scores,
    /// The no-answer threshold of the metrics and its effect; `None` without such scores.
    pub threshold: Option<ThresholdEffect>,
    /// Questions without a prediction, in the order of the data.
    pub missing: Vec<String>,
    /// Predictions for questions that are not in the data, in the order of the predictions.
    pub unknown: Vec<String>,
    /// Number of empty predictions, which stand for no answer.
    pub empty: usize,
    /// The precision–recall curves, if requested and any question has an answer.
    pub curves: Option<PrCurves>,
}

/// Returns the ids of predictions that belong to none of the questions.
pub(super) fn unknown_ids(gold: &[GoldQuestion], predictions: &QuestionMap<String>) -> Vec<String> {
    let known: HashSet<&str> = gold.iter().map(|question| question.id.as_str()).collect();
    let ids = predictions.iter().map(|(id, _)| id);
    ids.filter(|id| !known.contains(id))
        .map(str::to_owned)
        .collect()
}
