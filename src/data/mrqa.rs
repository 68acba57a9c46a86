//! MRQA JSON lines: the raw entries, and the examples in them.

use serde::Deserialize;

/// One line of an MRQA file. The first line of a file may be a header instead.
#[derive(Debug, Clone, Deserialize)]
pub struct Entry {
    pub context: String,
    pub qas: Vec<Question>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Question {
    pub qid: String,
    pub question: String,
    /// All gold answer texts (the scorer's ground truths).
    #[serde(default)]
    pub answers: Vec<String>,
    #[serde(default)]
    pub detected_answers: Vec<DetectedAnswer>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct DetectedAnswer {
    pub text: String,
    /// `[first, last]` code points, inclusive.
    pub char_spans: Vec<[usize; 2]>,
}
