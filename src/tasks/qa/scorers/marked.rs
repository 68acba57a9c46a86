//! Predictions scored one by one, before any threshold, and ranked by their no-answer scores.

use super::{
    gold::{GoldQuestion, distinct},
    mark::{Mark, mark_or_no_answer},
};
use crate::{
    counted::counted,
    tasks::qa::{answers::question_map::QuestionMap, error::Error},
};

/// A question with a prediction, and its score before any threshold.
pub(crate) struct Marked {
    pub(crate) has_answer: bool,
    pub(crate) predicts_text: bool,
    /// 0 without no-answer scores.
    pub(crate) odds: f64,
    pub(crate) mark: Mark,
}

/// Scores every question that has a prediction; also returns those that have none.
///
/// # Errors
/// If there is no question, none has a prediction, or a predicted one has no no-answer score.
pub(crate) fn mark_all(
    gold: &[GoldQuestion],
    predictions: &QuestionMap<String>,
    odds: Option<&QuestionMap<f64>>,
) -> Result<(QuestionMap<Marked>, Vec<String>), Error> {
    let gold = distinct(gold);
    let mut missing = Vec::new();
    let mut marked = QuestionMap::new();
    for (id, answers) in gold.iter() {
        let Some(prediction) = predictions.get(id) else {
            missing.push(id.to_owned());
            continue;
        };
        let odds = match odds {
            Some(odds) => *odds.get(id).ok_or_else(|| Error::NoNullOdds {
                question: id.to_owned(),
            })?,
            None => 0.0,
        };
        let question = Marked {
            // By the answers as they are, even if none has a word left.
            has_answer: !answers.is_empty(),
            predicts_text: !prediction.is_empty(),
            odds,
            mark: mark_or_no_answer(answers, prediction),
        };
        marked.insert(id.to_owned(), question);
    }
    if marked.is_empty() {
        return Err(nothing_marked(gold.len(), predictions));
    }
    Ok((marked, missing))
}

/// Creates the error for predictions none of which belongs to a question.
pub(crate) fn nothing_marked(questions: usize, predictions: &QuestionMap<String>) -> Error {
    if questions == 0 {
        return Error::NoQuestions;
    }
    let found = match predictions.iter().next() {
        Some((id, _)) => format!(
            "{}, the first of them {id:?}",
            counted(predictions.len(), "other")
        ),
        None => "an empty file".to_owned(),
    };
    Error::NothingPredicted { questions, found }
}

/// Returns the scored questions by ascending no-answer score. Ties keep the order of the score
/// file.
pub(crate) fn rank<'a>(
    odds: &QuestionMap<f64>,
    marked: &'a QuestionMap<Marked>,
) -> Vec<&'a Marked> {
    let mut ranked: Vec<&Marked> = odds.iter().filter_map(|(id, _)| marked.get(id)).collect();
    // Adding 0 makes -0 equal to 0 in a total order.
    ranked.sort_by(|a, b| (a.odds + 0.0).total_cmp(&(b.odds + 0.0)));
    ranked
}
