//! Precision, recall and F1 over spans, as in `EntityLevelF1Scorer` of
//! `finetune/tagging/tagging_metrics.py`, along with our own metrics, by type and by word.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use serde::Serialize;

use super::{error::Error, labels::Labels, rules::Rules};
use crate::eval::figures::{Figure, Scores};

/// The labels and predictions for one sentence's kept words.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The sentence as errors name it.
    pub eid: usize,
    /// Label ids, `[kept]`.
    pub labels: &'a [u32],
    /// Predicted label ids, `[kept]`.
    pub predictions: &'a [u32],
    /// Cross-entropy, summed over the words.
    pub loss: f32,
}

/// Counts of spans.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SpanCounts {
    /// Predicted with the correct words and the correct type.
    pub correct: usize,
    pub predicted: usize,
    pub gold: usize,
}

impl SpanCounts {
    /// In percent; 0 if nothing is correct.
    pub fn precision(&self) -> f64 {
        self.share(self.predicted)
    }

    /// In percent; 0 if nothing is correct.
    pub fn recall(&self) -> f64 {
        self.share(self.gold)
    }

    /// In percent; 0 if nothing is correct.
    pub fn f1(&self) -> f64 {
        if self.correct == 0 {
            return 0.0;
        }
        let (precision, recall) = (self.precision(), self.recall());
        2.0 * precision * recall / (precision + recall)
    }

    fn share(&self, of: usize) -> f64 {
        if self.correct == 0 {
            return 0.0;
        }
        100.0 * self.correct as f64 / of as f64
    }
}

/// The metrics of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct TagFigures {
    /// The reference's, in its order: `precision`, `recall`, `f1`, `loss`.
    pub scores: Scores,
    pub spans: SpanCounts,
    /// Our own: spans by type, for every type among the gold and predicted spans.
    pub kinds: BTreeMap<Arc<str>, SpanCounts>,
    /// Number of words scored.
    pub words: usize,
    /// Our own: number of words with the correct tag.
    pub right_words: usize,
}

impl TagFigures {
    /// Returns the words with the correct tag, in percent; 0 if there are no words.
    pub fn token_accuracy(&self) -> f64 {
        100.0 * self.right_words as f64 / self.words.max(1) as f64
    }
}

/// Returns what a sentence adds to the summed loss.
pub fn scored_loss(loss: f32, rules: Rules) -> f64 {
    match rules {
        // Its scorer adds the loss both in its own `update` and in the inherited one.
        Rules::Reference => 2.0 * f64::from(loss),
        Rules::Usual => f64::from(loss),
    }
}

/// Scores predictions.
///
/// # Errors
/// If the number of predictions of a sentence differs from that of its labels, or a label id is not
/// in `labels`.
pub fn score<'a>(
    answers: impl IntoIterator<Item = Answer<'a>>,
    labels: &Labels,
) -> Result<TagFigures, Error> {
    let mut spans = SpanCounts::default();
    let mut kinds: BTreeMap<Arc<str>, SpanCounts> = BTreeMap::new();
    let (mut words, mut right_words, mut loss) = (0, 0, 0.0);
    for answer in answers {
        if answer.predictions.len() != answer.labels.len() {
            return Err(Error::Shape {
                eid: answer.eid,
                array: "predictions",
                expected: answer.labels.len(),
                found: answer.predictions.len(),
            });
        }
        words += answer.labels.len();
        let pairs = answer.labels.iter().zip(answer.predictions);
        right_words += pairs
            .filter(|(label, prediction)| label == prediction)
            .count();
        loss += scored_loss(answer.loss, labels.rules());
        let gold = labels.spans(answer.labels, answer.eid)?;
        let predicted = labels.spans(answer.predictions, answer.eid)?;
        let right: HashSet<_> = gold.iter().collect();
        for span in &gold {
            spans.gold += 1;
            kinds.entry(span.kind.clone()).or_default().gold += 1;
        }
        for span in &predicted {
            let counts = kinds.entry(span.kind.clone()).or_default();
            let correct = usize::from(right.contains(span));
            counts.predicted += 1;
            counts.correct += correct;
            spans.predicted += 1;
            spans.correct += correct;
        }
    }
    let mut scores = Scores::default();
    for (key, value) in [
        ("precision", spans.precision()),
        ("recall", spans.recall()),
        ("f1", spans.f1()),
        ("loss", loss / words.max(1) as f64),
    ] {
        scores.push(key, Figure::Value(value));
    }
    Ok(TagFigures {
        scores,
        spans,
        kinds,
        words,
        right_words,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(rules: Rules) -> Labels {
        Labels::of_names(["B-A", "B-B", "I-A", "I-B", "O"], rules).unwrap()
    }

    fn answer<'a>(labels: &'a [u32], predictions: &'a [u32]) -> Answer<'a> {
        Answer {
            eid: 3,
            labels,
            predictions,
            loss: 1.5,
        }
    }

    fn keys_and_values(figures: &TagFigures) -> Vec<(String, f64)> {
        let scores = figures.scores.iter();
        scores
            .map(|(key, figure)| (key.to_owned(), figure.value()))
            .collect()
    }

    #[test]
    fn spans_count_with_their_words_and_type() {
        let answers = [
            // A of two words, B of one; the second B has another end.
            answer(&[0, 2, 4, 1], &[0, 2, 4, 1]),
            answer(&[1, 3, 4, 4], &[1, 4, 4, 0]),
        ];
        let figures = score(answers, &labels(Rules::Usual)).unwrap();
        assert_eq!(
            figures.spans,
            SpanCounts {
                correct: 2,
                predicted: 4,
                gold: 3
            }
        );
        assert_eq!(
            figures.kinds["A"],
            SpanCounts {
                correct: 1,
                predicted: 2,
                gold: 1
            }
        );
        assert_eq!(
            figures.kinds["B"],
            SpanCounts {
                correct: 1,
                predicted: 2,
                gold: 2
            }
        );
        assert_eq!((figures.words, figures.right_words), (8, 6));
        assert_eq!(figures.token_accuracy(), 75.0);
        let (precision, recall) = (50.0, 200.0 / 3.0);
        let expected = [
            ("precision", precision),
            ("recall", recall),
            ("f1", 2.0 * precision * recall / (precision + recall)),
            ("loss", 3.0 / 8.0),
        ];
        let expected = expected.map(|(key, value)| (key.to_owned(), value));
        assert_eq!(keys_and_values(&figures), expected);
    }

    #[test]
    fn the_reference_adds_every_loss_twice() {
        let answers = [answer(&[0, 2, 4, 1], &[4, 4, 4, 4])];
        let figures = score(answers, &labels(Rules::Reference)).unwrap();
        assert_eq!(figures.scores.get("loss"), Some(2.0 * 1.5 / 4.0));
        for key in ["precision", "recall", "f1"] {
            assert_eq!(figures.scores.get(key), Some(0.0));
        }
    }

    #[test]
    fn rules_decide_what_a_span_is() {
        // B-A I-B: one span of B, or one of A and one of B.
        let mixed = [answer(&[0, 3], &[0, 3])];
        let reference = score(mixed, &labels(Rules::Reference)).unwrap();
        assert_eq!((reference.spans.gold, reference.kinds.len()), (1, 1));
        let usual = score(mixed, &labels(Rules::Usual)).unwrap();
        assert_eq!((usual.spans.gold, usual.kinds.len()), (2, 2));
    }

    #[test]
    fn nothing_is_0_and_what_does_not_fit_is_refused() {
        let figures = score([], &labels(Rules::Usual)).unwrap();
        assert!(
            keys_and_values(&figures)
                .iter()
                .all(|(_, value)| *value == 0.0)
        );
        assert_eq!(figures.token_accuracy(), 0.0);
        for (labels_, predictions, found) in [
            (&[0, 1][..], &[0][..], "expected 2 predictions, found 1"),
            (&[0], &[5], "below 5, found 5"),
        ] {
            let message = score([answer(labels_, predictions)], &labels(Rules::Usual));
            let message = message.unwrap_err().to_string();
            assert!(
                message.contains("sentence 3") && message.contains(found),
                "{message}"
            );
        }
    }
}
