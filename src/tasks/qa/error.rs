//! What can be wrong with questions, predictions, gold answers, or a model's output for a window.
//!
//! Every message names the file or the question, what was expected, what was found and what to do;
//! the underlying cause, if there is one, is the error's source.

use std::path::PathBuf;

use crate::{data, eval, shell::quoted, tasks::registry::UnknownTask};

/// Why questions could not be read or featurised, or answers not chosen, scored or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A data file that cannot be read; the message comes from its reader.
    #[error(transparent)]
    Data(#[from] data::Error),

    /// A file that cannot be read or written.
    #[error(transparent)]
    File(#[from] eval::Error),

    /// The `config.json` of a model.
    #[error(transparent)]
    ModelConfig(#[from] checkpoints_convert::ConfigError),

    #[error(transparent)]
    UnknownTask(#[from] UnknownTask),

    /// A threshold although the model has no scores to compare with it.
    #[error("{0}")]
    NeedsNullOdds(String),

    #[error(
        "{task}: its files hold no questions; expected a task of question answering, such as squad"
    )]
    NoQuestionTask { task: String },

    #[error(
        "{file}: expected SQuAD or QuAC JSON, rows as JSON lines or csv, MRQA JSON lines or NewsQA's \
         tokenised csv, plain or gzip, found {found}"
    )]
    Unrecognised { file: String, found: String },

    /// A file that has to be converted first.
    #[error(
        "{file}: {found}; convert it first: electra data {command} {} OUT.json",
        quoted(file)
    )]
    OtherDataSet {
        file: String,
        found: String,
        command: &'static str,
    },

    /// `near` names the last question id before this position, if there is one.
    #[error("{file}: line {line}, column {column}{near}: {problem}; {advice}")]
    Json {
        file: String,
        line: usize,
        column: usize,
        near: String,
        problem: String,
        advice: &'static str,
    },

    /// The file is well-formed, but one question lacks what its task needs.
    #[error("{file}: question {question}: expected {expected}, found {found}; {advice}")]
    Question {
        file: String,
        question: String,
        expected: &'static str,
        found: &'static str,
        advice: &'static str,
    },

    #[error(
        "question {question}: its {question_tokens} tokens and the 3 special tokens leave no room for \
         the passage in max_seq_length {max_seq_length}; raise max_seq_length or lower max_query_length"
    )]
    NoRoom {
        question: String,
        question_tokens: usize,
        max_seq_length: usize,
    },

    #[error(
        "question {question}: its passage of {tokens} tokens needs {windows} windows, but feature ids \
         count at most {limit} for one question; raise doc_stride (now {doc_stride}) or max_seq_length"
    )]
    TooManyWindows {
        question: String,
        tokens: usize,
        windows: usize,
        limit: usize,
        doc_stride: usize,
    },

    /// An [`Example`](super::example::Example) that no reader would produce.
    #[error(
        "question {question}: expected {expected}, found {found}; build examples with a reader"
    )]
    Example {
        question: String,
        expected: String,
        found: String,
    },

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
        "the {metric} metric does not use {option}; leave it out, or score with --metric squad2 if the data \
         are SQuAD 2.0"
    )]
    OptionOfSquad2 {
        metric: &'static str,
        option: &'static str,
    },

    #[error(
        "{option} needs no-answer scores; give the file of null odds too (--null-odds), or leave it out"
    )]
    OptionNeedsNullOdds { option: &'static str },

    /// A mismatch between the predictions and the gold data.
    #[error("{} against {}", predictions.display(), data.display())]
    Scoring {
        data: PathBuf,
        predictions: PathBuf,
        source: Box<Error>,
    },

    #[error(
        "{file}: expected questions with their gold answers (\"answers\"), found none with any; a test file \
         cannot be scored: give the file with the answers"
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
        "{}; expected their ids as keys, found {found}: were these predictions made for another file?",
        match questions {
            1 => "the only question has no prediction".to_owned(),
            _ => format!("none of the {questions} questions has a prediction"),
        }
    )]
    NothingPredicted { questions: usize, found: String },

    #[error(
        "question {question}: expected a no-answer score, found none; give the null odds of the same run as \
         the predictions"
    )]
    NoNullOdds { question: String },

    #[error(
        "question {question}: expected at least one gold answer, found none; the {metric} metric cannot \
         score unanswerable questions: use squad2"
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
        "the outputs refer to feature {index}, but there are {count} features: they belong to another list"
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
