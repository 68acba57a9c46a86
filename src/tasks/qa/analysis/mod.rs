//! Analyses the errors of predictions: by kind of question, by kind of error, by length.
//!
//! [`distinct_questions`] are a file's questions, each id once; [`judgement`] judges each
//! prediction under a threshold; and [`Analysis`] counts: correct and wrong by [`question_type`],
//! the [`error_class`] of wrong predictions, [`lengths`], and the [`flags`] that QuAC's questions
//! have.

use std::collections::BTreeMap;

use serde::Serialize;

pub mod distinct_questions;
pub mod error_class;
pub mod flags;
pub mod judgement;
pub mod lengths;
pub mod part;
pub mod question_type;
pub mod tally;

use distinct_questions::DistinctQuestions;
use error_class::ErrorClass;
use flags::FlagCounts;
use judgement::{Judged, Judgement};
use lengths::LengthSummary;
use part::Part;
use question_type::{HowType, QuestionType, question_words};
use tally::Tally;

use super::{
    answers::question_map::QuestionMap,
    error::Error,
    no_answer::threshold_effect::{BestThreshold, ThresholdEffect},
    scorers::metric::Metric,
};
use crate::eval::figures::Scores;

/// Counts over one part of the questions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartCounts {
    pub part: Part,
    pub all: Tally,
    pub types: BTreeMap<QuestionType, Tally>,
}

/// Counts over one class of errors.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassCounts {
    pub class: ErrorClass,
    pub letter: char,
    pub count: usize,
    pub types: BTreeMap<QuestionType, usize>,
}

/// Question words that occur together in a question.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Combination {
    pub words: Vec<&'static str>,
    #[serde(flatten)]
    pub tally: Tally,
}

/// What the predictions of a data file get right and wrong.
#[derive(Debug, Clone, Serialize)]
pub struct Analysis {
    pub metric: Metric,
    /// The official scorer's metrics, under `threshold` if there is one.
    pub scores: Scores,
    /// The no-answer threshold under which the predictions were judged.
    pub threshold: Option<f64>,
    /// The threshold with the best F1, and its metrics.
    pub best: Option<BestThreshold>,
    /// The effect of that threshold.
    #[serde(skip)]
    pub effect: Option<ThresholdEffect>,
    /// Advice about a threshold that separates next to nothing; filled in by callers, who know its
    /// name.
    pub threshold_advice: Option<String>,
    /// Questions without a prediction, which nothing below counts.
    pub missing: usize,
    /// Predictions for questions that are not in the data.
    pub unknown: usize,
    /// Predictions that are empty, whatever the threshold.
    pub empty: usize,
    /// All questions; also the answerable and the unanswerable ones if there are both.
    pub parts: Vec<PartCounts>,
    /// "How" questions by what they ask.
    pub how: BTreeMap<HowType, Tally>,
    /// Question words that occur together, most frequent first.
    pub combinations: Vec<Combination>,
    pub classes: Vec<ClassCounts>,
    pub lengths: LengthSummary,
    /// QuAC's follow-up and yes/no flags, if the data have them.
    pub flags: Vec<FlagCounts>,
    #[serde(skip)]
    pub judgements: Vec<Judgement>,
}

impl Analysis {
    /// Judges and counts.
    ///
    /// # Errors
    /// If the predictions belong to other data, or a predicted question has no no-answer score.
    pub fn new(
        questions: &DistinctQuestions,
        metric: Metric,
        predictions: &QuestionMap<String>,
        odds: Option<&QuestionMap<f64>>,
        threshold: f64,
    ) -> Result<Self, Error> {
        let Judged {
            scores,
            threshold,
            effect,
            missing,
            unknown,
            empty,
            judgements,
        } = judgement::judge(questions, metric, predictions, odds, threshold)?;
        let mixed = Part::ALL
            .into_iter()
            .all(|part| judgements.iter().any(|judgement| part.holds(judgement)));
        let parts = Part::ALL
            .into_iter()
            .filter(|part| mixed || *part == Part::Whole)
            .map(|part| PartCounts::new(part, &judgements))
            .collect();
        let best = effect.as_ref().map(|effect| effect.best);
        let how = judgements.iter().filter_map(|j| Some((j.how?, j)));
        Ok(Self {
            metric,
            scores,
            threshold,
            best,
            effect,
            threshold_advice: None,
            missing,
            unknown,
            empty,
            parts,
            how: tally::by_key(how),
            combinations: combinations(questions, &judgements),
            classes: ErrorClass::ALL
                .into_iter()
                .map(|class| ClassCounts::new(class, &judgements))
                .collect(),
            lengths: LengthSummary::new(questions, &judgements),
            flags: flags::count(questions, &judgements),
            judgements,
        })
    }
}

impl PartCounts {
    fn new(part: Part, judgements: &[Judgement]) -> Self {
        let held = || judgements.iter().filter(move |j| part.holds(j));
        Self {
            part,
            all: held().collect(),
            types: tally::by_key(held().map(|j| (j.question_type, j))),
        }
    }
}

impl ClassCounts {
    fn new(class: ErrorClass, judgements: &[Judgement]) -> Self {
        let mut types = BTreeMap::new();
        let held = judgements.iter().filter(|j| j.class == Some(class));
        for judgement in held {
            *types.entry(judgement.question_type).or_default() += 1;
        }
        Self {
            class,
            letter: class.letter(),
            count: types.values().sum(),
            types,
        }
    }
}

/// Returns the combinations of two or more question words.
fn combinations(questions: &DistinctQuestions, judgements: &[Judgement]) -> Vec<Combination> {
    let found = judgements.iter().filter_map(|judgement| {
        let words = question_words(&judgement.of(questions).text);
        (words.len() > 1).then_some((words, judgement))
    });
    let mut combinations: Vec<Combination> = tally::by_key(found)
        .into_iter()
        .map(|(words, tally)| Combination { words, tally })
        .collect();
    combinations.sort_by_key(|combination| std::cmp::Reverse(combination.tally.total));
    combinations
}
