//! A feature: a text or a pair of texts, tokenised and truncated, ready for a batch.
//!
//! Follows the reference's `featurize` in `finetune/classification/classification_tasks.py`, except
//! for padding (batches pad).

use rayon::prelude::*;

use super::{
    example::{Example, Examples},
    labels::Gold,
};
use crate::{
    batch::{AsRow, Row},
    data::error::Error,
    tasks::label::Label,
    text::tokenizer::Tokenizer,
};

/// Fewest tokens that a pair can be truncated to: its special tokens.
const SPECIAL_TOKENS: usize = 3;

/// One tokenised example: `[CLS] a [SEP]` or `[CLS] a [SEP] b [SEP]`, without padding.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    pub eid: u64,
    /// Token ids, `[length]`.
    pub input_ids: Vec<u32>,
    /// Number of tokens in segment 0: `[CLS]`, the first text and its `[SEP]`.
    pub first_segment: usize,
    pub gold: Gold,
    /// Whether tokens were cut off.
    pub cut: bool,
}

impl AsRow for Feature {
    fn as_row(&self) -> Row<'_> {
        Row {
            input_ids: &self.input_ids,
            first_segment: self.first_segment,
            label: match self.gold {
                Gold::Class(class) => Label::Class(class),
                Gold::Value(value) => Label::Value(value),
            },
        }
    }
}

/// Returns the features of all examples, one for each, in order.
///
/// # Errors
/// If `max_seq_length` leaves no room for the special tokens.
///
/// # Examples
///
/// ```
/// use electra::{
///     tasks::classification::{example::Examples, feature::featurize, labels::Gold},
///     text::{tokenizer::Tokenizer, vocab::Vocab},
/// };
///
/// let vocab = Vocab::parse("[PAD]\n[UNK]\n[CLS]\n[SEP]\nan\noak\ntree\n", "vocab.txt")?;
/// let tokenizer = Tokenizer::new(vocab, true);
/// let examples = Examples::of_one("An oak", Some("A tree"), Gold::Class(0));
/// let features = featurize(&examples, &tokenizer, 128)?;
/// // [CLS] an oak [SEP] [UNK] tree [SEP]
/// assert_eq!(features[0].input_ids, [2, 4, 5, 3, 1, 6, 3]);
/// assert_eq!(features[0].first_segment, 4);
/// # Ok::<(), electra::data::Error>(())
/// ```
pub fn featurize(
    examples: &Examples,
    tokenizer: &Tokenizer,
    max_seq_length: usize,
) -> Result<Vec<Feature>, Error> {
    if max_seq_length < SPECIAL_TOKENS {
        return Err(Error::Option {
            name: "max_seq_length",
            expected: "at least 3, for the special tokens of a pair of texts",
            found: max_seq_length.to_string(),
        });
    }
    let examples = examples.examples.par_iter();
    Ok(examples
        .map(|example| feature(example, tokenizer, max_seq_length))
        .collect())
}

fn feature(example: &Example, tokenizer: &Tokenizer, max_seq_length: usize) -> Feature {
    let mut a = tokenizer.tokenize(&example.text_a);
    let text_b = example.text_b.as_deref().unwrap_or_default();
    let mut b = tokenizer.tokenize(text_b);
    let whole = a.len() + b.len();
    // A second text without tokens does not make a pair.
    match b.is_empty() {
        true => a.truncate(max_seq_length - 2),
        false => cut_pair(&mut a, &mut b, max_seq_length - SPECIAL_TOKENS),
    }
    let vocab = tokenizer.vocab();
    let cut = a.len() + b.len() < whole;
    let first_segment = a.len() + 2;
    let mut input_ids = Vec::with_capacity(first_segment + b.len() + 1);
    input_ids.push(vocab.cls_id());
    input_ids.append(&mut a);
    input_ids.push(vocab.sep_id());
    // Nor does one of which nothing is left.
    if !b.is_empty() {
        input_ids.append(&mut b);
        input_ids.push(vocab.sep_id());
    }
    Feature {
        eid: example.eid,
        input_ids,
        first_segment,
        gold: example.gold,
        cut,
    }
}

/// Drops the last token of the longer text, or of the second if both are equally long, until at
/// most `limit` are left.
fn cut_pair(a: &mut Vec<u32>, b: &mut Vec<u32>, limit: usize) {
    while a.len() + b.len() > limit {
        match a.len() > b.len() {
            true => a.pop(),
            false => b.pop(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::vocab::Vocab;

    fn of(text_a: &str, text_b: Option<&str>, max_seq_length: usize) -> Feature {
        let vocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\nc\nd\ne\n";
        let tokenizer = Tokenizer::new(Vocab::parse(vocab, "v").unwrap(), true);
        let mut examples = Examples::of_one(text_a, text_b, Gold::Value(0.5));
        examples.examples[0].eid = 7;
        let mut features = featurize(&examples, &tokenizer, max_seq_length).unwrap();
        features.remove(0)
    }

    #[test]
    fn the_longer_text_of_a_pair_is_cut_and_the_second_of_equals() {
        for (a, b, max_seq_length, expected, first) in [
            ("a b", "c d", 7, vec![2, 4, 5, 3, 6, 7, 3], 4),
            ("a b", "c d", 6, vec![2, 4, 5, 3, 6, 3], 4),
            ("a b c d", "e", 6, vec![2, 4, 5, 3, 8, 3], 4),
            ("a", "b c d", 5, vec![2, 4, 3, 5, 3], 3),
            // Nothing is left of the second.
            ("a", "b", 4, vec![2, 4, 3], 3),
            ("", "b", 4, vec![2, 3, 5, 3], 2),
            ("a", "b", 3, vec![2, 3], 2),
        ] {
            let feature = of(a, Some(b), max_seq_length);
            assert_eq!(feature.input_ids, expected, "{a}, {b} in {max_seq_length}");
            assert_eq!(feature.first_segment, first, "{a}, {b} in {max_seq_length}");
            assert_eq!(
                feature.cut,
                max_seq_length
                    < 3 + a.split(' ').filter(|w| !w.is_empty()).count() + b.split(' ').count()
            );
        }
    }

    #[test]
    fn a_second_text_without_tokens_makes_no_pair() {
        for b in [None, Some(""), Some(" \u{200B}")] {
            let feature = of("a b c d e", b, 6);
            assert_eq!(feature.input_ids, [2, 4, 5, 6, 7, 3]);
            assert_eq!((feature.first_segment, feature.cut), (6, true));
        }
        assert_eq!(of("", None, 3).input_ids, [2, 3]);
        assert_eq!((of("a", None, 3).eid, of("a", None, 3).cut), (7, false));
    }

    #[test]
    fn no_room_for_the_special_tokens_is_refused() {
        let tokenizer = Tokenizer::new(
            Vocab::parse("[PAD]\n[UNK]\n[CLS]\n[SEP]\na", "v").unwrap(),
            true,
        );
        let message = featurize(&Examples::default(), &tokenizer, 2).unwrap_err();
        assert!(message.to_string().contains("max_seq_length"), "{message}");
    }
}
