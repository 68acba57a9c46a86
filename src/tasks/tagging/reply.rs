//! A model's reply about the words of a user's text.

use serde::Serialize;

/// The words of a text with their tags, and the spans that the tags mark. Positions count the
/// text's code points, or its bytes, from 0; an end is one past the last.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TagReply {
    pub spans: Vec<TaggedSpan>,
    pub words: Vec<TaggedWord>,
    /// Tokens that the model did not read because a single word is longer than `max_seq_length`.
    pub cut_tokens: usize,
    /// Number of parts in which the text was read; words in different parts did not see each other.
    pub parts: usize,
}

/// A span.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaggedSpan {
    #[serde(rename = "type")]
    pub kind: String,
    pub text: String,
    pub start: usize,
    pub end: usize,
    pub start_byte: usize,
    pub end_byte: usize,
    /// The lowest among its words.
    pub probability: f64,
}

/// A word.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaggedWord {
    pub text: String,
    /// In BIOES: `B-NP`, or `O`.
    pub tag: String,
    pub start: usize,
    pub end: usize,
    pub start_byte: usize,
    pub end_byte: usize,
    /// Probability of its tag.
    pub probability: f64,
}
