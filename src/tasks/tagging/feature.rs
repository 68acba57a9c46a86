//! A feature: one tokenised sentence, with the position of each word's first token.
//!
//! Follows the reference's `featurize` in `finetune/tagging/tagging_tasks.py`, except for padding
//! (batches pad).

mod kept;
mod options;

use rayon::prelude::*;

pub(super) use self::kept::{kept, kept_of_reference};
pub use self::options::FeatureOptions;
use self::options::first_token;
use super::{error::Error, labels::Labels, rules::Rules, sentence::Sentences};
use crate::{
    batch::Row,
    tasks::label::Label,
    text::tokenizer::{Tokenizer, WordTokens},
};

/// One tokenised sentence, `[CLS] words [SEP]`, without padding.
///
/// The reference puts all of its tokens in segment 1: a batch has no token of segment 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// The sentence's index in its file, from 0.
    pub eid: usize,
    /// Token ids, `[length]`.
    pub input_ids: Vec<u32>,
    /// Position of each kept word's first token, `[kept]`. Under the reference's rules a word
    /// without tokens points at the next word's.
    pub labeled_positions: Vec<u32>,
    /// Label ids by word, including cut words, `[min(words, max_seq_length)]`.
    pub labels: Vec<u32>,
    /// Number of words in the sentence, including cut ones.
    pub words: usize,
}

impl Feature {
    /// Returns the number of words that the model sees and is scored on.
    pub fn kept(&self) -> usize {
        self.labeled_positions.len()
    }

    /// Returns the label ids of the kept words, `[kept]`.
    pub fn kept_labels(&self) -> &[u32] {
        &self.labels[..self.kept().min(self.labels.len())]
    }

    /// Returns the row of a batch, with all tokens in this segment.
    pub fn row(&self, segment: u8) -> Row<'_> {
        Row {
            input_ids: &self.input_ids,
            first_segment: match segment {
                0 => self.input_ids.len(),
                _ => 0,
            },
            label: Label::Tags {
                positions: self.labeled_positions.as_slice().into(),
                tags: self.kept_labels().into(),
            },
        }
    }
}

/// Segment of every token in the reference.
pub const SEGMENT: u8 = 1;

/// Returns the features of a file, one per sentence, in order.
///
/// # Errors
/// If `max_seq_length` is below 3, or a tag has no label; under the reference's rules also if no
/// word of a sentence is kept or one does not fit, on which the reference fails.
pub fn featurize(
    file: &Sentences,
    labels: &Labels,
    tokenizer: &Tokenizer,
    options: &FeatureOptions,
) -> Result<Vec<Feature>, Error> {
    Ok(featurize_and_count(file, labels, tokenizer, options)?.0)
}

/// The same, and how many words the tokenizer leaves nothing of.
///
/// # Errors
/// As [`featurize`].
pub(super) fn featurize_and_count(
    file: &Sentences,
    labels: &Labels,
    tokenizer: &Tokenizer,
    options: &FeatureOptions,
) -> Result<(Vec<Feature>, usize), Error> {
    options.check()?;
    let built: Vec<Result<(Feature, usize), Error>> = file
        .sentences
        .par_iter()
        .enumerate()
        .map(|(eid, sentence)| {
            let mut ids = labels.ids_of(sentence, file)?;
            ids.truncate(options.max_seq_length);
            let (tokens, empty) = options.tokens_and_empty(&sentence.words, tokenizer);
            let kept = match options.rules {
                Rules::Reference => kept_of_reference(sentence, &tokens, file, options)?,
                Rules::Usual => kept(&tokens, 0, options.max_seq_length),
            };
            let words = sentence.words.len();
            let feature = Feature {
                labels: ids,
                ..feature(eid, words, &tokens, 0..kept, tokenizer, options)
            };
            Ok((feature, empty.len()))
        })
        .collect();
    // In order, so that the first sentence in error is the one reported.
    let built: Vec<(Feature, usize)> = built.into_iter().collect::<Result<_, _>>()?;
    let empty = built.iter().map(|(_, empty)| empty).sum();
    Ok((
        built.into_iter().map(|(feature, _)| feature).collect(),
        empty,
    ))
}

/// Returns the features of a text without tags, as many as its words fill: each begins with the
/// word that did not fit into the previous one. Their `eid`s count from 0; together they keep every
/// word.
///
/// # Errors
/// If `max_seq_length` is below 3.
pub fn featurize_words(
    words: &[String],
    tokenizer: &Tokenizer,
    options: &FeatureOptions,
) -> Result<Vec<Feature>, Error> {
    options.check()?;
    let tokens = options.tokens(words, tokenizer);
    let mut features = Vec::new();
    let mut from = 0;
    while from < words.len() {
        let kept = kept(&tokens, from, options.max_seq_length);
        let eid = features.len();
        let range = from..from + kept;
        features.push(Feature {
            labels: vec![0; kept],
            ..feature(eid, kept, &tokens, range, tokenizer, options)
        });
        from += kept;
    }
    Ok(features)
}

/// Returns the feature that keeps these words, without labels. If tokens do not fit, which only
/// happens to a single word, the first ones are kept.
fn feature(
    eid: usize,
    words: usize,
    tokens: &WordTokens,
    kept: std::ops::Range<usize>,
    tokenizer: &Tokenizer,
    options: &FeatureOptions,
) -> Feature {
    let begin = first_token(tokens, kept.start);
    let room = options.max_seq_length - 2;
    let end = first_token(tokens, kept.end).min(begin + room);
    let vocab = tokenizer.vocab();
    let mut input_ids = Vec::with_capacity(end - begin + 2);
    input_ids.push(vocab.cls_id());
    input_ids.extend_from_slice(&tokens.ids[begin..end]);
    input_ids.push(vocab.sep_id());
    let positions = tokens.first_tokens[kept].iter();
    Feature {
        eid,
        input_ids,
        // [CLS] precedes them.
        labeled_positions: positions.map(|&first| (first - begin + 1) as u32).collect(),
        labels: Vec::new(),
        words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        tasks::tagging::{options::ReadOptions, reader::read_bytes},
        text::vocab::Vocab,
    };

    const VOCAB: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##b\n-\nA\n東\n##京\n京\n[\n]\nsep";

    fn tokenizer(do_lower_case: bool) -> Tokenizer {
        Tokenizer::new(Vocab::parse(VOCAB, "v").unwrap(), do_lower_case)
    }

    fn features(
        words: &[&str],
        max_seq_length: usize,
        rules: Rules,
        do_lower_case: bool,
    ) -> Result<Feature, String> {
        let lines: Vec<String> = words.iter().map(|word| format!("{word} S-X\n")).collect();
        let text = format!("\n{}\n", lines.concat());
        let options = ReadOptions {
            rules,
            ..ReadOptions::default()
        };
        let file = read_bytes(text.into_bytes(), "a.txt", &options).unwrap();
        let labels = Labels::of_files([&file], rules).unwrap();
        let options = FeatureOptions {
            max_seq_length,
            rules,
        };
        let features = featurize(&file, &labels, &tokenizer(do_lower_case), &options);
        let features = features.map_err(|error| error.to_string())?;
        assert_eq!(features.len(), 1);
        Ok(features[0].clone())
    }

    #[test]
    fn words_point_at_their_first_tokens() {
        // The second word has no token.
        let feature = features(&["ab-a", "\u{200B}", "a"], 20, Rules::Reference, true).unwrap();
        assert_eq!(feature.input_ids, [2, 4, 5, 6, 4, 4, 3]);
        assert_eq!(feature.labeled_positions, [1, 5, 5]);
        assert_eq!((feature.labels.len(), feature.words), (3, 3));
        // The last word has no token and points at [SEP].
        let feature = features(&["a", "\u{200B}"], 20, Rules::Reference, true).unwrap();
        assert_eq!(feature.input_ids, [2, 4, 3]);
        assert_eq!(feature.labeled_positions, [1, 2]);
    }

    #[test]
    fn the_reference_cuts_by_the_words_of_the_sentence() {
        let feature = features(&["a"; 42], 48, Rules::Reference, true).unwrap();
        assert_eq!((feature.kept(), feature.input_ids.len()), (3, 5));
        assert_eq!((feature.labels.len(), feature.words), (42, 42));
        assert_eq!(feature.kept_labels().len(), 3);
        // Labels of cut words are kept up to max_seq_length.
        let usual = features(&["a"; 60], 48, Rules::Usual, true).unwrap();
        assert_eq!((usual.kept(), usual.input_ids.len()), (46, 48));
        assert_eq!((usual.labels.len(), usual.words), (48, 60));
        let all = features(&["a"; 46], 48, Rules::Usual, true).unwrap();
        assert_eq!((all.kept(), all.input_ids.len()), (46, 48));
    }

    #[test]
    fn where_the_reference_fails_the_sentence_is_named() {
        let message = features(&["a"; 45], 48, Rules::Reference, true).unwrap_err();
        for part in ["a.txt: line 2", "45 words", "max_seq_length to 49"] {
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(
            features(&["a"; 44], 48, Rules::Reference, true)
                .unwrap()
                .kept(),
            1
        );
        // As long as possible: 10 tokens, [CLS] and [SEP].
        let words = ["a", &"ab-".repeat(3)];
        assert_eq!(
            features(&words, 12, Rules::Reference, true)
                .unwrap()
                .input_ids
                .len(),
            12
        );
        let message = features(&words, 11, Rules::Reference, true).unwrap_err();
        for part in ["a.txt: line 2", "\"ab-ab-ab-\"", "9 tokens", "has 12"] {
            assert!(message.contains(part), "{message}");
        }
        assert!(
            features(&["a"], 2, Rules::Usual, true)
                .unwrap_err()
                .contains("at least 3")
        );
    }

    #[test]
    fn by_the_usual_rules_a_long_word_is_cut() {
        let words = [&"ab".repeat(3) as &str, "a"];
        let feature = features(&words, 5, Rules::Usual, true).unwrap();
        // The vocabulary has no piece for "##a", so the word is a single [UNK].
        assert_eq!(
            (feature.input_ids.as_slice(), feature.kept()),
            (&[2, 1, 4, 3][..], 2)
        );
        let words = [&"a-".repeat(9) as &str, "a"];
        let feature = features(&words, 5, Rules::Usual, true).unwrap();
        assert_eq!(feature.input_ids, [2, 4, 6, 4, 3]);
        assert_eq!(feature.labeled_positions, [1]);
    }

    #[test]
    fn by_the_usual_rules_no_word_takes_another_s_token() {
        let feature = features(&["ab", "\u{200B}", "a"], 20, Rules::Usual, true).unwrap();
        assert_eq!(feature.input_ids, [2, 4, 5, 1, 4, 3]);
        assert_eq!(feature.labeled_positions, [1, 3, 4]);
        // Nor that of [SEP].
        let feature = features(&["a", "\u{AD}"], 20, Rules::Usual, true).unwrap();
        assert_eq!(feature.input_ids, [2, 4, 1, 3]);
        assert_eq!(feature.labeled_positions, [1, 2]);
        let feature = features(&["\u{200B}"; 9], 5, Rules::Usual, true).unwrap();
        assert_eq!(feature.input_ids, [2, 1, 1, 1, 3]);
        assert_eq!(feature.kept(), 3);
        // An inference text is read the same way.
        let options = FeatureOptions {
            max_seq_length: 20,
            rules: Rules::Usual,
        };
        let words = ["\u{200B}", "a"].map(str::to_owned);
        let asked = featurize_words(&words, &tokenizer(true), &options).unwrap();
        assert_eq!(asked[0].input_ids, [2, 1, 4, 3]);
        assert_eq!(asked[0].labeled_positions, [1, 2]);
    }

    #[test]
    fn chunk_words_are_lower_cased_whatever_the_model_has() {
        // Accents are stripped, and ideographs stay together.
        let words = ["Ä", "東京", "[SEP]"];
        let feature = features(&words, 20, Rules::Reference, false).unwrap();
        assert_eq!(feature.input_ids, [2, 4, 8, 9, 11, 13, 12, 3]);
        let feature = features(&words[..2], 20, Rules::Usual, false).unwrap();
        assert_eq!(feature.input_ids, [2, 1, 8, 10, 3]);
        let feature = features(&["A"], 20, Rules::Usual, false).unwrap();
        assert_eq!(feature.input_ids, [2, 7, 3]);
    }

    #[test]
    fn a_long_text_becomes_several_features() {
        let words = ["a", "ab", "ab", "a", &"a-".repeat(9), "a"].map(str::to_owned);
        let options = FeatureOptions {
            max_seq_length: 5,
            rules: Rules::Reference,
        };
        let features = featurize_words(&words, &tokenizer(true), &options).unwrap();
        let found: Vec<(&[u32], &[u32])> = features
            .iter()
            .map(|f| (f.input_ids.as_slice(), f.labeled_positions.as_slice()))
            .collect();
        assert_eq!(
            found,
            [
                (&[2, 4, 4, 5, 3][..], &[1, 2][..]),
                (&[2, 4, 5, 4, 3], &[1, 3]),
                (&[2, 4, 6, 4, 3], &[1]),
                (&[2, 4, 3], &[1]),
            ]
        );
        assert_eq!(
            features.iter().map(Feature::kept).sum::<usize>(),
            words.len()
        );
        assert!(
            featurize_words(&[], &tokenizer(true), &options)
                .unwrap()
                .is_empty()
        );
    }
}
