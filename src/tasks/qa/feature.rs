//! A feature: one window of a passage, tokenised, with its question, ready for a batch.
//!
//! Features come out in the order of the examples, then of their windows. A passage is tokenised
//! once for all its questions; all cores work on passages and examples. Reproduces the reference's
//! `featurize`, except for padding (batches pad).

use std::num::NonZeroUsize;
use std::sync::Arc;

use rayon::prelude::*;

use super::{
    error::Error,
    example::{Answer, Example, Examples},
    window::{max_context, window_count, windows},
};
use crate::{
    batch::{AsRow, Row},
    counted::counted,
    data::{self, split::Split},
    tasks::label::Label,
    text::tokenizer::{Tokenizer, WordTokens},
};

/// The windows of an example are numbered below this in feature ids.
pub(crate) const MAX_WINDOWS: usize = 1000;

/// One tokenised window: `[CLS] question [SEP] window [SEP]`, without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// `1000 · eid + window number`.
    pub feature_id: u64,
    pub qas_id: Arc<str>,
    pub eid: usize,
    /// Token ids, `[length]`.
    pub input_ids: Vec<u32>,
    /// Number of tokens in segment 0: `[CLS]`, the question and the first `[SEP]`.
    pub question_length: usize,
    /// Position of the answer's first token; 0 if the window does not contain the answer.
    pub start: usize,
    /// Position of the answer's last token, inclusive; 0 likewise.
    pub end: usize,
    /// The example's flag, not the window's.
    pub is_impossible: bool,
    /// Word of the passage for each window token; entry `i` belongs to the token at position
    /// `question_length + i`.
    pub token_to_orig: Vec<u32>,
    /// Whether this window sees the token with the most context; indexed like `token_to_orig`.
    pub max_context: Vec<bool>,
}

impl AsRow for Feature {
    fn as_row(&self) -> Row<'_> {
        Row {
            input_ids: &self.input_ids,
            first_segment: self.question_length,
            label: Label::Span {
                start: self.start as u32,
                end: self.end as u32,
                impossible: self.is_impossible,
            },
        }
    }
}

/// How examples become features.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeatureOptions {
    /// Most tokens in a feature.
    pub max_seq_length: usize,
    /// Tokens from the start of a window to the start of the next.
    pub doc_stride: usize,
    /// Question tokens beyond this are cut off.
    pub max_query_length: usize,
    /// Only `Train` marks answers.
    pub split: Split,
}

/// Returns the features of all examples, in the order of the examples, then of their windows.
///
/// # Errors
/// If `doc_stride` is 0, a question leaves no room for its passage or needs too many windows, or an
/// example points outside its passages or words.
///
/// # Examples
///
/// ```
/// use electra::{
///     data::split::Split,
///     tasks::qa::{
///         example::Examples,
///         feature::{FeatureOptions, featurize},
///     },
///     text::{tokenizer::Tokenizer, vocab::Vocab},
/// };
///
/// let vocab = Vocab::parse("[PAD]\n[UNK]\n[CLS]\n[SEP]\nwho\nada\nwrote\nit\n", "vocab.txt")?;
/// let tokenizer = Tokenizer::new(vocab, true);
/// let examples = Examples::of_one("Who wrote it", "Ada wrote it");
/// let options = FeatureOptions {
///     max_seq_length: 384,
///     doc_stride: 128,
///     max_query_length: 64,
///     split: Split::Dev,
/// };
/// let features = featurize(&examples, &tokenizer, &options)?;
/// // [CLS] who wrote it [SEP] ada wrote it [SEP]
/// assert_eq!(features[0].input_ids, [2, 4, 6, 7, 3, 5, 6, 7, 3]);
/// # Ok::<(), electra::tasks::qa::error::Error>(())
/// ```
pub fn featurize(
    examples: &Examples,
    tokenizer: &Tokenizer,
    options: &FeatureOptions,
) -> Result<Vec<Feature>, Error> {
    let stride = NonZeroUsize::new(options.doc_stride).ok_or(data::Error::Option {
        name: "doc_stride",
        expected: "at least 1",
        found: "0".to_owned(),
    })?;
    let passages: Vec<WordTokens> = examples
        .passages
        .par_iter()
        .map(|passage| tokenizer.tokenize_words(&passage.words))
        .collect();
    let features: Vec<Result<Vec<Feature>, Error>> = examples
        .examples
        .par_iter()
        .map(|example| {
            let passage = passages
                .get(example.passage)
                .ok_or_else(|| Error::Example {
                    question: example.qas_id.clone(),
                    expected: format!("a passage below {}", passages.len()),
                    found: format!("passage {}", example.passage),
                })?;
            example_features(example, passage, tokenizer, options, stride)
        })
        .collect();
    // Collected in order, so that the first question in error is the one reported.
    let features: Vec<Vec<Feature>> = features.into_iter().collect::<Result<_, _>>()?;
    Ok(features.into_iter().flatten().collect())
}

fn example_features(
    example: &Example,
    passage: &WordTokens,
    tokenizer: &Tokenizer,
    options: &FeatureOptions,
    stride: NonZeroUsize,
) -> Result<Vec<Feature>, Error> {
    let tokens = passage.ids.len();
    if tokens == 0 {
        return Ok(Vec::new());
    }
    let question = tokenizer.tokenize_question(&example.question, options.max_query_length);
    // [CLS] and two [SEP].
    let room = options.max_seq_length.checked_sub(question.len() + 3);
    let Some(size) = room.and_then(NonZeroUsize::new) else {
        return Err(Error::NoRoom {
            question: example.qas_id.clone(),
            question_tokens: question.len(),
            max_seq_length: options.max_seq_length,
        });
    };
    let count = window_count(tokens, size, stride);
    if count > MAX_WINDOWS {
        return Err(Error::TooManyWindows {
            question: example.qas_id.clone(),
            tokens,
            windows: count,
            limit: MAX_WINDOWS,
            doc_stride: options.doc_stride,
        });
    }
    let answer = match &example.answer {
        Some(answer) if options.split == Split::Train && !example.is_impossible => {
            Some(answer_tokens(&example.qas_id, answer, passage, tokenizer)?)
        }
        _ => None,
    };

    let vocab = tokenizer.vocab();
    let mut segment_0 = Vec::with_capacity(question.len() + 2);
    segment_0.push(vocab.cls_id());
    segment_0.extend(question);
    segment_0.push(vocab.sep_id());
    let qas_id: Arc<str> = Arc::from(example.qas_id.as_str());

    let windows = windows(tokens, size, stride);
    let best = max_context(&windows);
    let features = windows.into_iter().zip(best).zip(0u64..);
    Ok(features
        .map(|((window, max_context), number)| {
            let range = window.start..window.end();
            let mut input_ids = Vec::with_capacity(segment_0.len() + window.length + 1);
            input_ids.extend_from_slice(&segment_0);
            input_ids.extend_from_slice(&passage.ids[range.clone()]);
            input_ids.push(vocab.sep_id());
            let (start, end) = match answer {
                Some((first, past)) if first >= window.start && past <= window.end() => (
                    first - window.start + segment_0.len(),
                    // `past` may equal `first` for an answer without tokens; as in the reference,
                    // the end is then one before the start.
                    past + segment_0.len() - window.start - 1,
                ),
                _ => (0, 0),
            };
            Feature {
                feature_id: MAX_WINDOWS as u64 * example.eid as u64 + number,
                qas_id: Arc::clone(&qas_id),
                eid: example.eid,
                input_ids,
                question_length: segment_0.len(),
                start,
                end,
                is_impossible: example.is_impossible,
                token_to_orig: passage.words[range].to_vec(),
                max_context,
            }
        })
        .collect())
}

/// Returns the range of passage tokens of an answer.
///
/// These are the tokens of its whole words, narrowed to the first stretch that equals the answer's
/// own tokens if there is one: "1895" in "(1895-1943).".
pub(crate) fn answer_tokens(
    qas_id: &str,
    answer: &Answer,
    passage: &WordTokens,
    tokenizer: &Tokenizer,
) -> Result<(usize, usize), Error> {
    let words = passage.first_tokens.len();
    let first = passage.first_tokens.get(answer.start_word);
    let ordered = answer.start_word <= answer.end_word && answer.end_word < words;
    let (Some(&first), true) = (first, ordered) else {
        return Err(Error::Example {
            question: qas_id.to_owned(),
            expected: format!("an answer within the passage's {}", counted(words, "word")),
            found: format!("words {} to {}", answer.start_word, answer.end_word),
        });
    };
    let past = passage
        .first_tokens
        .get(answer.end_word + 1)
        .map_or(passage.ids.len(), |&token| token);
    let wanted = tokenizer.tokenize(&answer.text);
    let span = passage.ids.get(first..past).unwrap_or_default();
    // Only sub-spans as long as the answer can equal it; the first match is taken.
    if !wanted.is_empty()
        && let Some(at) = span.windows(wanted.len()).position(|found| found == wanted)
    {
        return Ok((first + at, first + at + wanted.len()));
    }
    Ok((first, past))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tasks::qa::raw::question_set::QuestionSet;
    use crate::tasks::qa::reader::ReadOptions;
    use crate::text::vocab::Vocab;

    const TRAIN: FeatureOptions = FeatureOptions {
        max_seq_length: 10,
        doc_stride: 3,
        max_query_length: 2,
        split: Split::Train,
    };

    fn tokenizer() -> Tokenizer {
        // Ids 4…: ( ) - . 1895 1943 what when he was ##s a b c
        let vocab =
            "[PAD]\n[UNK]\n[CLS]\n[SEP]\n(\n)\n-\n.\n1895\n1943\nwhat\nwhen\nhe\nwas\n##s\na\nb\nc";
        Tokenizer::new(Vocab::parse(vocab, "v").unwrap(), true)
    }

    fn example(context: &str, question: &str, answer: &str, start: usize) -> Examples {
        let file = serde_json::json!({"data": [{"paragraphs": [{"context": context, "qas": [
            {"id": "q", "question": question, "answers": [{"text": answer, "answer_start": start}]},
        ]}]}]});
        let options = ReadOptions {
            task: "squadv1",
            split: Split::Train,
        };
        let file = QuestionSet::parse(file.to_string(), "f", None).unwrap();
        file.examples(options).unwrap()
    }

    fn spans(examples: &Examples) -> Vec<(u64, usize, usize)> {
        featurize(examples, &tokenizer(), &TRAIN)
            .unwrap()
            .iter()
            .map(|feature| (feature.feature_id, feature.start, feature.end))
            .collect()
    }

    #[test]
    fn layout_of_a_feature() {
        let examples = example("He was (1895-1943).", "What when he", "1895", 8);
        let features = featurize(&examples, &tokenizer(), &TRAIN).unwrap();
        assert_eq!(features.len(), 2);
        let first = &features[0];
        // The question is cut to 2 tokens, which leaves 5 of 10 for the passage.
        assert_eq!(first.input_ids, [2, 10, 11, 3, 12, 13, 4, 8, 6, 3]);
        assert_eq!(first.question_length, 4);
        assert_eq!(first.token_to_orig, [0, 1, 2, 2, 2]);
        assert_eq!(features[1].input_ids, [2, 10, 11, 3, 8, 6, 9, 5, 7, 3]);
        assert_eq!(&*first.qas_id, "q");
    }

    #[test]
    fn the_answer_is_narrowed_to_its_own_tokens() {
        let examples = example("He was (1895-1943).", "What", "1895", 8);
        // 6 tokens per window, starts 0 and 3: the second one begins with the answer.
        assert_eq!(spans(&examples), [(0, 6, 6), (1, 3, 3)]);
        // Not among the pieces of its word, so the whole word is taken.
        let examples = example("He was (1895-1943).", "What", "895", 9);
        assert_eq!(spans(&examples), [(0, 0, 0), (1, 0, 0)]);
        // The first of two equal stretches.
        assert_eq!(spans(&example("a-a-a", "What", "a", 2)), [(0, 3, 3)]);
    }

    #[test]
    fn a_window_must_hold_the_whole_answer() {
        let examples = example("a b c a b c a c b", "What", "c b", 14);
        assert_eq!(spans(&examples), [(0, 0, 0), (1, 7, 8)]);
        let examples = example("a b c a b c a c b", "What", "c a", 10);
        assert_eq!(spans(&examples), [(0, 0, 0), (1, 5, 6)]);
    }

    #[test]
    fn answers_without_tokens_end_before_they_start() {
        assert_eq!(
            spans(&example("a \u{200B} b", "What", "\u{200B}", 2)),
            [(0, 4, 3)]
        );
        assert_eq!(
            spans(&example("\u{200B} b", "What", "\u{200B}", 0)),
            [(0, 3, 2)]
        );
        assert_eq!(
            spans(&example("b \u{200B}", "What", "\u{200B}", 2)),
            [(0, 4, 3)]
        );
    }

    #[test]
    fn other_splits_and_impossible_questions_have_no_answer() {
        let mut examples = example("a b c", "What", "b", 2);
        let dev = FeatureOptions {
            split: Split::Dev,
            ..TRAIN
        };
        let features = featurize(&examples, &tokenizer(), &dev).unwrap();
        assert_eq!((features[0].start, features[0].end), (0, 0));
        examples.examples[0].is_impossible = true;
        let features = featurize(&examples, &tokenizer(), &TRAIN).unwrap();
        assert_eq!((features[0].start, features[0].is_impossible), (0, true));
    }

    #[test]
    fn an_empty_passage_has_no_window_and_an_empty_question_no_token() {
        let dev = FeatureOptions {
            split: Split::Dev,
            ..TRAIN
        };
        assert_eq!(
            featurize(&Examples::of_one("What", " \u{200B}\n"), &tokenizer(), &dev).unwrap(),
            []
        );
        let features = featurize(&Examples::of_one("", "a b"), &tokenizer(), &dev).unwrap();
        assert_eq!(features[0].input_ids, [2, 3, 15, 16, 3]);
        assert_eq!(features[0].question_length, 2);
    }

    #[test]
    fn options_that_leave_no_room_are_refused() {
        let examples = example("a b c", "What when", "b", 2);
        let error = |options: FeatureOptions| {
            featurize(&examples, &tokenizer(), &options)
                .unwrap_err()
                .to_string()
        };
        for max_seq_length in [0, 3, 5] {
            let message = error(FeatureOptions {
                max_seq_length,
                ..TRAIN
            });
            assert!(
                message.contains("question q") && message.contains("max_seq_length"),
                "{message}"
            );
        }
        assert_eq!(
            featurize(
                &examples,
                &tokenizer(),
                &FeatureOptions {
                    max_seq_length: 6,
                    ..TRAIN
                }
            )
            .unwrap()
            .len(),
            3
        );
        let message = error(FeatureOptions {
            doc_stride: 0,
            ..TRAIN
        });
        assert!(message.contains("doc_stride"), "{message}");

        let long = Examples::of_one("What", &"a ".repeat(2000));
        let options = FeatureOptions {
            doc_stride: 1,
            ..TRAIN
        };
        let message = featurize(&long, &tokenizer(), &options)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("1995 windows") && message.contains("doc_stride"),
            "{message}"
        );
    }

    #[test]
    fn examples_that_no_reader_makes_are_refused() {
        let mut examples = example("a b c", "What", "b", 2);
        examples.examples[0].answer.as_mut().unwrap().end_word = 3;
        let message = featurize(&examples, &tokenizer(), &TRAIN)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("question q") && message.contains("3 words"),
            "{message}"
        );
        examples.examples[0].passage = 1;
        let message = featurize(&examples, &tokenizer(), &TRAIN)
            .unwrap_err()
            .to_string();
        assert!(message.contains("passage 1"), "{message}");
    }

    proptest! {
        #[test]
        fn features_cover_the_passage(
            passage in "([abc(). 第é\u{200B}\u{A0}]{0,6}[ \n]){0,40}", question in "\\PC{0,12}",
            max_seq_length in 20usize..60, doc_stride in 1usize..40,
        ) {
            let options = FeatureOptions { max_seq_length, doc_stride, max_query_length: 16, split: Split::Dev };
            let examples = Examples::of_one(&question, &passage);
            let tokenizer = tokenizer();
            let features = featurize(&examples, &tokenizer, &options).unwrap();
            let words = examples.passages[0].words.len();
            let tokens: usize = tokenizer.tokenize_words(&examples.passages[0].words).ids.len();
            let mut best = 0;
            for (number, feature) in features.iter().enumerate() {
                prop_assert_eq!(feature.feature_id, number as u64);
                prop_assert!(feature.input_ids.len() <= max_seq_length);
                prop_assert_eq!(feature.input_ids.len(), feature.question_length + feature.token_to_orig.len() + 1);
                prop_assert_eq!(feature.max_context.len(), feature.token_to_orig.len());
                prop_assert!(feature.token_to_orig.is_sorted());
                prop_assert!(feature.token_to_orig.iter().all(|&word| (word as usize) < words));
                best += feature.max_context.iter().filter(|&&best| best).count();
            }
            prop_assert_eq!(best, tokens);
        }
    }
}
