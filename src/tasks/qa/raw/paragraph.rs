//! A passage and its questions, independent of the data file's form.

use std::fmt;

/// What QuAC says if the passage has no answer. It is the last word of every passage.
pub const QUAC_NO_ANSWER: &str = "CANNOTANSWER";

/// The family of a file's questions, which is revealed by the key of their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Squad,
    Mrqa,
}

impl Family {
    /// Returns the key of a question's id.
    pub fn id_key(self) -> &'static str {
        match self {
            Family::Squad => "id",
            Family::Mrqa => "qid",
        }
    }
}

/// A passage and questions on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paragraph {
    pub family: Family,
    pub context: String,
    pub questions: Vec<Question>,
    pub place: Place,
}

/// The position of a paragraph in its file; everything counts from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In SQuAD's JSON.
    Article { article: usize, paragraph: usize },
    /// In a list of passages or of rows.
    Row(usize),
    /// In JSON Lines or csv.
    Line(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Article { article, paragraph } => {
                write!(f, "article {article}, paragraph {paragraph}")
            }
            Place::Row(row) => write!(f, "row {row}"),
            Place::Line(line) => write!(f, "line {line}"),
        }
    }
}

/// A question with everything that its file says about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// MRQA's `qid`, SQuAD's `id`, or a row's number from 0 if it has none.
    pub id: String,
    pub text: String,
    /// Every gold answer; MRQA's have no position of their own.
    pub answers: Vec<Answer>,
    /// Whether the file mentions answers at all; a test file does not.
    pub labelled: bool,
    pub is_impossible: bool,
    /// Whether the file says so either way, by the key `is_impossible`.
    pub flagged: bool,
    /// MRQA: the answers that were found in the passage.
    pub detected: Vec<DetectedAnswer>,
    /// QuAC: the answer with which the dialogue continued.
    pub original: Option<Answer>,
    /// QuAC: whether the teacher wants the student to go on asking, `y`, `m` (maybe) or `n`.
    pub followup: Option<String>,
    /// QuAC: whether the answer says yes, `y`, no, `n`, or neither, `x`.
    pub yesno: Option<String>,
}

/// A gold answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    pub text: String,
    /// Code points before it in the passage; `None` if the file gives no position or a negative
    /// one.
    pub start: Option<usize>,
}

/// An answer located in the passage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DetectedAnswer {
    pub text: String,
    /// `[first, last]` code points, inclusive.
    pub char_spans: Vec<[usize; 2]>,
}

impl Question {
    /// Returns the gold answers with their positions, which MRQA gives separately, if it found
    /// them.
    pub fn placed_answers(&self, family: Family) -> Vec<Answer> {
        let mut answers = self.answers.clone();
        if family == Family::Mrqa {
            for answer in &mut answers {
                let mut detected = self.detected.iter();
                let found = detected.find(|detected| detected.text == answer.text);
                let span = found.and_then(|found| found.char_spans.first());
                answer.start = span.map(|[first, _]| *first);
            }
        }
        answers
    }

    /// Returns whether it comes from QuAC's own file, which marks unanswerable questions by a word;
    /// a file with the flag was converted.
    pub fn is_quac(&self) -> bool {
        self.original.is_some() && !self.flagged
    }

    /// Returns whether QuAC's word for no answer is its only answer. Rows derived from QuAC drop
    /// the keys that [`Question::is_quac`] checks, and the word would be learnt as a span.
    pub fn has_quac_mark(&self, context: &str) -> bool {
        !self.is_impossible
            && !self.answers.is_empty()
            && self.answers.iter().all(|a| a.text == QUAC_NO_ANSWER)
            && ends_as_quac(context)
    }
}

/// Returns whether a passage ends in the word that QuAC appends to all of its own.
pub fn ends_as_quac(context: &str) -> bool {
    context.trim_end().ends_with(QUAC_NO_ANSWER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_for_no_answer_counts_where_it_is_all_and_ends_the_passage() {
        let question = |texts: &[&str], is_impossible| Question {
            answers: texts
                .iter()
                .map(|text| Answer {
                    text: (*text).to_owned(),
                    start: Some(13),
                })
                .collect(),
            is_impossible,
            ..Question::default()
        };
        let (passage, word) = ("It was sold. CANNOTANSWER", QUAC_NO_ANSWER);
        assert!(question(&[word], false).has_quac_mark(passage));
        assert!(question(&[word, word], false).has_quac_mark(&format!("{passage}\n")));
        for other in [
            question(&[], false),
            question(&["sold", word], false),
            question(&[word], true),
        ] {
            assert!(!other.has_quac_mark(passage), "{other:?}");
        }
        assert!(!question(&[word], false).has_quac_mark("CANNOTANSWER was sold."));
    }
}
