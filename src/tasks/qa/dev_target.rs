//! The targets that the windows of a dev file would have in training, and the training loss of a
//! model's logits, as a metric.
//!
//! The loss is computed in f64 from outputs in f32. A question that training would leave out has no
//! target and does not enter a mean.

use super::{
    example::Examples,
    feature::Feature,
    raw::question_set::QuestionSet,
    reader::{self, ReadOptions},
};
use crate::{data::split::Split, tasks::classification::example_loss::cross_entropy};

/// The target of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DevTarget {
    /// Position of the answer's first token; 0 if it is outside the window.
    pub start: u32,
    /// Position of its last token; 0 likewise.
    pub end: u32,
    /// Whether the question has no answer.
    pub impossible: bool,
}

/// Gives the examples of a dev file, which are all of its questions, the answers that training
/// would use, and returns which of them training would keep.
pub(super) fn teach(questions: &QuestionSet, task: &str, examples: &mut Examples) -> Vec<bool> {
    let options = ReadOptions {
        task,
        split: Split::Train,
    };
    let paragraphs = questions.paragraphs.iter();
    let asked = paragraphs.flat_map(|paragraph| {
        let of_paragraph = paragraph.questions.iter();
        of_paragraph.map(|question| (question, paragraph.family))
    });
    let mut begun: Option<(usize, Vec<usize>)> = None;
    let mut kept = Vec::with_capacity(examples.examples.len());
    for (example, (question, family)) in examples.examples.iter_mut().zip(asked) {
        let passage = &examples.passages[example.passage];
        let taught = reader::taught(question, &questions.file, options, family);
        kept.push(match taught {
            Ok(None) => {
                example.is_impossible = true;
                true
            }
            Ok(Some((text, offset))) => {
                if begun.as_ref().is_none_or(|(of, _)| *of != example.passage) {
                    begun = Some((example.passage, passage.words_begun()));
                }
                let begun = begun.as_ref().map_or(&[][..], |(_, begun)| begun);
                example.answer = reader::locate(passage, begun, text.to_owned(), offset).ok();
                example.answer.is_some()
            }
            Err(_) => false,
        });
    }
    kept
}

/// Removes the answers again from the features of a dev file and from its examples; `kept` says
/// which examples training would keep.
pub(super) fn take(
    features: &mut [Feature],
    examples: &mut Examples,
    kept: &[bool],
) -> Vec<Option<DevTarget>> {
    for example in &mut examples.examples {
        example.answer = None;
        example.is_impossible = false;
    }
    let targets = features.iter_mut().map(|feature| {
        let target = DevTarget {
            start: std::mem::take(&mut feature.start) as u32,
            end: std::mem::take(&mut feature.end) as u32,
            impossible: std::mem::take(&mut feature.is_impossible),
        };
        kept.get(feature.eid)
            .is_some_and(|&kept| kept)
            .then_some(target)
    });
    targets.collect()
}

impl DevTarget {
    /// Returns the loss of a window, as in [`feature_losses`](super::loss::feature_losses):
    /// `starts` and `ends` are the logits of its tokens, the latter given the correct start;
    /// `answerable` is the classifier's logit and the weight of its loss, if there is one.
    ///
    /// # Panics
    /// If the target is not in the window.
    pub fn loss(&self, starts: &[f32], ends: &[f32], answerable: Option<(f32, f64)>) -> f64 {
        let span = (cross_entropy(starts, self.start) + cross_entropy(ends, self.end)) / 2.0;
        let classified = answerable.map(|(logit, weight)| {
            // (0, x) are the logits of two classes, of which the second is "no answer".
            weight * cross_entropy(&[0.0, logit], self.impossible.into())
        });
        span + classified.unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        tasks::qa::feature::{FeatureOptions, featurize},
        text::{tokenizer::Tokenizer, vocab::Vocab},
    };

    const OPTIONS: FeatureOptions = FeatureOptions {
        max_seq_length: 8,
        doc_stride: 2,
        max_query_length: 4,
        split: Split::Train,
    };

    fn file(rows: &[(&str, &str)]) -> QuestionSet {
        let rows: Vec<String> = rows
            .iter()
            .map(|(id, more)| {
                format!(r#"{{"id": "{id}", "context": "a b c a b c", "question": "a", {more}}}"#)
            })
            .collect();
        QuestionSet::parse(rows.join("\n"), "dev.json", None).unwrap()
    }

    const HELD: &str = r#""answers": {"text": ["c a", "b"], "answer_start": [4, 2]}"#;
    const NONE: &str = r#""is_impossible": true, "answers": {"text": [], "answer_start": []}"#;
    const ELSEWHERE: &str = r#""answers": {"text": ["c a"], "answer_start": [0]}"#;

    #[test]
    fn targets_are_those_of_training_features_and_leave_none_behind() {
        let vocab = Vocab::parse("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\nc", "v").unwrap();
        let tokenizer = Tokenizer::new(vocab, true);
        let of = |split| ReadOptions {
            task: "squad",
            split,
        };
        let questions = file(&[("left out", ELSEWHERE), ("held", HELD), ("none", NONE)]);
        let mut examples = questions.examples(of(Split::Dev)).unwrap();
        let plain = featurize(
            &examples,
            &tokenizer,
            &FeatureOptions {
                split: Split::Dev,
                ..OPTIONS
            },
        );
        let before = examples.clone();
        let kept = teach(&questions, "squad", &mut examples);
        assert_eq!(kept, [false, true, true]);
        let mut features = featurize(&examples, &tokenizer, &OPTIONS).unwrap();
        let targets = take(&mut features, &mut examples, &kept);
        assert_eq!((features, &examples), (plain.unwrap(), &before));

        let trained = questions.examples(of(Split::Train)).unwrap();
        assert_eq!(trained.skipped.len(), 1);
        let trained = featurize(&trained, &tokenizer, &OPTIONS).unwrap();
        let theirs: Vec<_> = trained
            .iter()
            .map(|feature| DevTarget {
                start: feature.start as u32,
                end: feature.end as u32,
                impossible: feature.is_impossible,
            })
            .collect();
        assert!(theirs.iter().any(|target| target.start > 0));
        assert!(theirs.iter().any(|target| target.impossible));
        let windows = targets.len() / 3;
        assert!(targets[..windows].iter().all(Option::is_none));
        let ours: Vec<_> = targets[windows..]
            .iter()
            .copied()
            .map(Option::unwrap)
            .collect();
        assert_eq!(ours, theirs);
        // A task in which all questions have an answer would leave this one out.
        assert_eq!(
            teach(&questions, "squadv1", &mut before.clone()),
            [false, true, false]
        );
    }

    #[test]
    fn losses_by_hand() {
        let target = |impossible| DevTarget {
            start: 1,
            end: 0,
            impossible,
        };
        let (starts, ends) = ([0.0, 2.0], [0.0, 1.0]);
        let span = ((1.0 + (-2.0_f64).exp()).ln() + (1.0 + 1.0_f64.exp()).ln()) / 2.0;
        let close =
            |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found}");
        close(target(true).loss(&starts, &ends, None), span);
        // −log σ(3) if there is none, −log σ(−3) if there is one.
        let classified = (1.0 + (-3.0_f64).exp()).ln();
        let loss = |impossible| target(impossible).loss(&starts, &ends, Some((3.0, 0.5)));
        close(loss(true), span + 0.5 * classified);
        close(loss(false), span + 0.5 * (classified + 3.0));
    }
}
