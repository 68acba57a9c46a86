//! What can be wrong with predictions, gold answers, or what a model says of a window.
//!
//! Every message names the file or the question, what was expected, what was found and what to
//! do; the underlying cause, if there is one, is the error's source.

use std::path::PathBuf;

use crate::{data, eval};

/// Why answers could not be chosen, scored or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Gold data that cannot be read; the message is the reader's.
    #[error(transparent)]
    Data(#[from] data::Error),

    /// A file that cannot be read or written.
    #[error(transparent)]
    File(#[from] eval::Error),

    #[error(
        "{}: key {key:?}: expected {expected}, found {found}; the file maps each question id to {expected}",
        path.display()
    )]
    Value {
        path: PathBuf,
        key: String,
        expected: &'static str,
        found: String,
    },

    #[error("{metric:?} is not a metric; expected squad2, squad1 or mrqa")]
    UnknownMetric { metric: String },

    #[error(
        "the {metric} metric has no use for {option}; leave it out, or score with --metric squad2 if the data are \
         SQuAD 2.0"
    )]
    OptionOfSquad2 {
        metric: &'static str,
        option: &'static str,
    },

    #[error(
        "{option} needs no-answer scores; give the file of null odds too (--null-odds), or leave it out"
    )]
    OptionNeedsNullOdds { option: &'static str },

    /// A fault of the predictions as measured against the gold data.
    #[error("{} against {}", predictions.display(), data.display())]
    Scoring {
        data: PathBuf,
        predictions: PathBuf,
        source: Box<Error>,
    },

    #[error(
        "{file}: expected questions with their gold answers (\"answers\"), found none that tells any; a test \
         file cannot be marked: give the file with the answers"
    )]
    NoAnswers { file: String },

    #[error(
        "{}: a threshold decides between questions with and without an answer; expected both, found \
         {answerable} with and {unanswerable} without: give a development set of SQuAD 2.0's kind",
        data.display()
    )]
    OneKindOfQuestions {
        data: PathBuf,
        answerable: usize,
        unanswerable: usize,
    },

    #[error(
        "{}: expected questions with passages to learn from or to answer, found none{left_out}; give \
         another file, or correct where its answers begin",
        path.display()
    )]
    NoQuestion { path: PathBuf, left_out: String },

    #[error("the data hold no question; check that this is the file that was predicted")]
    NoQuestions,

    #[error(
        "none of the {questions} questions has a prediction; expected their ids as keys, found {found}: were \
         these predictions made for another file?"
    )]
    NothingPredicted { questions: usize, found: String },

    #[error(
        "question {question}: expected a no-answer score, found none; give the null odds of the same run as \
         the predictions"
    )]
    NoNullOdds { question: String },

    #[error(
        "question {question}: expected at least one gold answer, found none; the {metric} metric cannot mark \
         unanswerable questions: use squad2"
    )]
    NoGoldAnswer {
        question: String,
        metric: &'static str,
    },

    #[error(
        "question {question}, window {feature_id}: expected {array} of length {expected}, found {found}; \
         predict with the options that the answers are chosen with"
    )]
    Shape {
        question: String,
        feature_id: u64,
        array: &'static str,
        expected: String,
        found: usize,
    },

    #[error(
        "question {question}, window {feature_id}: expected finite scores, found {array} of {value}; the \
         model's weights or its arithmetic have overflowed: use an earlier checkpoint, a lower learning \
         rate or precision f32"
    )]
    NotFinite {
        question: String,
        feature_id: u64,
        array: &'static str,
        value: f32,
    },

    #[error(
        "question {question}, window {feature_id}: expected one model output, found {found}; predict each \
         feature once"
    )]
    Outputs {
        question: String,
        feature_id: u64,
        found: usize,
    },

    #[error(
        "the outputs speak of feature {index}, but there are {count} features: they belong to another list"
    )]
    NoSuchFeature { index: usize, count: usize },

    #[error(
        "question {question}, window {feature_id}: expected {expected}, found {found}; the features were \
         made from other examples"
    )]
    Feature {
        question: String,
        feature_id: u64,
        expected: String,
        found: String,
    },
}
