//! An example: one question on one passage, with its answer or the absence of one.
//!
//! Passages are stored once and shared by their questions, so that each is split into words and
//! tokenised only once. All positions in the source files count code points, not bytes.

/// A passage and its words (maximal runs without space, `\t`, `\r`, `\n`, U+202F).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// The text as in the source file.
    pub text: String,
    /// The words of `text`, in order (the reference's `doc_tokens`).
    pub words: Vec<String>,
}

/// Returns whether `c` separates words. No other Unicode space does: a no-break space is part of
/// its word.
fn parts_words(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{202F}')
}

impl Passage {
    /// Splits `text` into words.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let words = text
            .split(parts_words)
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
        Passage { text, words }
    }

    /// Returns the code point of the text at which each word starts.
    pub fn word_starts(&self) -> Vec<usize> {
        let mut apart = true;
        let mut starts = Vec::with_capacity(self.words.len());
        for (place, c) in self.text.chars().enumerate() {
            let parting = parts_words(c);
            if apart && !parting {
                starts.push(place);
            }
            apart = parting;
        }
        starts
    }

    /// Returns, for each code point of the text, how many words have begun up to and including it.
    ///
    /// A separator belongs to the preceding word, so an entry is the index of the code point's word
    /// plus one, and 0 before the first word.
    pub(crate) fn words_begun(&self) -> Vec<usize> {
        let mut begun = 0;
        let mut apart = true;
        self.text
            .chars()
            .map(|c| {
                let parting = parts_words(c);
                if apart && !parting {
                    begun += 1;
                }
                apart = parting;
                begun
            })
            .collect()
    }
}

/// The answer on which a training example is trained: its text and its first and last word.
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
    /// Training questions whose answer could not be located, which the reference skips too.
    pub skipped: Vec<Skipped>,
}

impl Examples {
    /// Wraps one question on one passage, for prediction.
    pub fn of_one(question: &str, passage: &str) -> Self {
        Examples {
            passages: vec![Passage::new(passage)],
            examples: vec![Example {
                eid: 0,
                qas_id: "question".to_owned(),
                passage: 0,
                question: question.to_owned(),
                answer: None,
                is_impossible: false,
            }],
            skipped: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_part_at_five_characters_only() {
        let passage = Passage::new("a b\tc\rd\ne\u{202F}f\u{A0}g\u{2009}h\u{3000}i\u{B}j");
        assert_eq!(
            passage.words,
            ["a", "b", "c", "d", "e", "f\u{A0}g\u{2009}h\u{3000}i\u{B}j"]
        );
    }

    #[test]
    fn runs_of_separators_make_no_words() {
        assert_eq!(Passage::new(" \n\nan  oak\u{202F} ").words, ["an", "oak"]);
        assert!(Passage::new("").words.is_empty());
        assert!(Passage::new(" \t\r\n").words.is_empty());
    }

    #[test]
    fn words_are_counted_by_code_points() {
        // 𝒜 and 😀 take four bytes (two UTF-16 units) each, but one code point.
        assert_eq!(
            Passage::new(" 𝒜b  😀 é").words_begun(),
            [0, 1, 1, 1, 1, 2, 2, 3]
        );
    }

    #[test]
    fn words_start_where_the_text_has_them() {
        let passage = Passage::new(" 𝒜b  😀\t\u{202F}é");
        assert_eq!(passage.word_starts(), [1, 5, 8]);
        assert_eq!(passage.word_starts().len(), passage.words.len());
        // A no-break space stays inside its word.
        assert_eq!(Passage::new("the\u{A0}oak").words.len(), 1);
    }
}
