//! An example: one question on one passage, with its answer or the absence of one.
//!
//! Passages are held once and shared by their questions, so that each is split into words and
//! tokenised a single time. All positions in the source files count code points, not bytes.

/// A passage and its words (maximal runs without space, `\t`, `\r`, `\n`, U+202F).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// The text as it stands in the source file.
    pub text: String,
    /// The words of `text`, in order (the reference's `doc_tokens`).
    pub words: Vec<String>,
}

/// The answer that a training example is taught: its text and its first and last word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub text: String,
    /// Index of the first word in [`Passage::words`].
    pub start_word: usize,
    /// Index of the last word, inclusive.
    pub end_word: usize,
}

/// A question on a passage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Number of the example among those kept, from 0.
    pub eid: usize,
    /// The question's id in the source file.
    pub qas_id: String,
    /// Index into [`Examples::passages`].
    pub passage: usize,
    pub question: String,
    /// `Some` only for answerable training examples.
    pub answer: Option<Answer>,
    pub is_impossible: bool,
}

/// A question that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    pub qas_id: String,
    pub reason: String,
}

/// All examples of one data file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Examples {
    pub passages: Vec<Passage>,
    pub examples: Vec<Example>,
    /// Training questions whose answer could not be located, as the reference skips them.
    pub skipped: Vec<Skipped>,
}
