//! A user's text → its words, and the spans that a model finds in it.

use std::sync::Arc;

use super::{error::Error, labels::Labels};
use crate::text::normalizer::{is_blank, is_ideograph, is_punctuation};

/// How a text is split into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Splitting {
    /// Only at blanks, for text that is pre-tokenised like the data.
    Blanks,
    /// Also around each leading and trailing punctuation mark between blanks, as in corpora
    /// (`(U.S.),` is `(`, `U.S`, `.`, `)`, `,`), and around ideographs.
    Punctuation,
}

/// A word of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<'a> {
    pub text: &'a str,
    /// Byte offset of its start in the text.
    pub start: usize,
}

impl Word<'_> {
    /// Returns the byte offset of its end in the text.
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// Splits a text into words.
pub fn words(text: &str, splitting: Splitting) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut start = 0;
    for piece in text.split(is_blank) {
        if !piece.is_empty() {
            match splitting {
                Splitting::Blanks => words.push(Word { text: piece, start }),
                Splitting::Punctuation => parts(piece, start, &mut words),
            }
        }
        let blank = text[start + piece.len()..].chars().next();
        start += piece.len() + blank.map_or(0, char::len_utf8);
    }
    words
}

/// Splits a piece between blanks.
fn parts<'a>(piece: &'a str, start: usize, words: &mut Vec<Word<'a>>) {
    let body = piece.trim_start_matches(is_punctuation);
    let before = piece.len() - body.len();
    let body = body.trim_end_matches(is_punctuation);
    let after = before + body.len();
    let mut open = before;
    for (at, c) in piece.char_indices() {
        let inside = (before..after).contains(&at);
        if inside && !is_ideograph(c) {
            continue;
        }
        let end = at + c.len_utf8();
        if inside && open < at {
            words.push(Word {
                text: &piece[open..at],
                start: start + open,
            });
        }
        if !inside && at >= after && open < after {
            words.push(Word {
                text: &piece[open..after],
                start: start + open,
            });
        }
        words.push(Word {
            text: &piece[at..end],
            start: start + at,
        });
        open = end;
    }
    if open < after {
        words.push(Word {
            text: &piece[open..after],
            start: start + open,
        });
    }
}

/// Returns the code point range of each word, with an exclusive end.
pub fn places(text: &str, words: &[Word<'_>]) -> Vec<(usize, usize)> {
    let (mut byte, mut place) = (0, 0);
    let mut places = Vec::with_capacity(words.len());
    for word in words {
        place += text[byte..word.start].chars().count();
        let start = place;
        place += word.text.chars().count();
        byte = word.end();
        places.push((start, place));
    }
    places
}

/// A span that a model finds in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Byte offset of its start in the text.
    pub start: usize,
    /// Byte offset of its end.
    pub end: usize,
    pub kind: Arc<str>,
    /// Its first word.
    pub first_word: usize,
    /// Its last word, inclusive.
    pub last_word: usize,
}

/// Returns the spans of a text, given the predicted label ids of its words, `[words]`.
///
/// # Errors
/// If the number of ids differs from that of words, or one is not in `labels`.
pub fn found(
    words: &[Word<'_>],
    predictions: &[u32],
    labels: &Labels,
) -> Result<Vec<Found>, Error> {
    if predictions.len() != words.len() {
        return Err(Error::Shape {
            eid: 0,
            array: "predictions",
            expected: words.len(),
            found: predictions.len(),
        });
    }
    let spans = labels.spans(predictions, 0)?.into_iter();
    let found = spans.map(|span| Found {
        start: words[span.start].start,
        end: words[span.end].end(),
        kind: span.kind,
        first_word: span.start,
        last_word: span.end,
    });
    Ok(found.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::tagging::rules::Rules;

    fn split(text: &str, splitting: Splitting) -> Vec<&str> {
        let words = words(text, splitting);
        for word in &words {
            assert_eq!(&text[word.start..word.end()], word.text);
        }
        words.into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn texts_are_split_at_blanks() {
        assert_eq!(
            split(" Ada\u{3000}wrote,\tit. \n", Splitting::Blanks),
            ["Ada", "wrote,", "it."]
        );
        assert_eq!(split("", Splitting::Blanks), [""; 0]);
        assert_eq!(split(" \u{A0}", Splitting::Punctuation), [""; 0]);
    }

    #[test]
    fn punctuation_at_the_ends_stands_alone() {
        for (text, expected) in [
            (
                "(U.S.), don't x-ray",
                &["(", "U.S", ".", ")", ",", "don't", "x-ray"][..],
            ),
            ("Ada: «été»!?", &["Ada", ":", "«", "été", "»", "!", "?"]),
            ("... —", &[".", ".", ".", "—"]),
            ("在東京b大、x", &["在", "東", "京", "b", "大", "、x"]),
            ("a東", &["a", "東"]),
            ("東.", &["東", "."]),
            ("a", &["a"]),
        ] {
            assert_eq!(split(text, Splitting::Punctuation), expected, "{text}");
        }
    }

    #[test]
    fn spans_are_found_by_their_bytes() {
        let labels = Labels::of_names(["B-PER", "E-PER", "O", "S-LOC"], Rules::Usual).unwrap();
        let text = "Zoé Ähn (Köln).";
        let words = words(text, Splitting::Punctuation);
        let spans = found(&words, &[0, 1, 2, 3, 2, 2], &labels).unwrap();
        let shown: Vec<(&str, &str)> = spans
            .iter()
            .map(|span| (&text[span.start..span.end], span.kind.as_ref()))
            .collect();
        assert_eq!(shown, [("Zoé Ähn", "PER"), ("Köln", "LOC")]);
        assert_eq!((spans[0].first_word, spans[0].last_word), (0, 1));
        assert!(found(&words, &[0], &labels).is_err());
        assert!(found(&words, &[9; 6], &labels).is_err());
    }
}
