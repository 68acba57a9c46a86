//! Asks a fine-tuned model for the spans in a text.

use super::{
    error::Error,
    feature::{Feature, FeatureOptions, SEGMENT, featurize_words},
    labels::Labels,
    prediction::Prediction,
    reply::{TagReply, TaggedSpan, TaggedWord},
    rules::Rules,
    text::{Found, Splitting, found, places, words},
};
use crate::{
    config::Config,
    counted::counted_with,
    tasks::{
        classification::example_loss::softmax, description::Columns, qa::token_counts::TokenCounts,
        registry,
    },
    text::tokenizer::Tokenizer,
};

/// A tagging task, ready to be asked.
#[derive(Debug, Clone, PartialEq)]
pub struct WordAsking {
    pub task: String,
    pub labels: Labels,
    /// Segment of every token.
    pub segment: u8,
    /// Columns of the training files, if they are not the usual ones.
    pub columns: Option<Columns>,
}

/// A text as rows that together keep all words: each row begins with the word that did not fit into
/// the previous one.
#[derive(Debug, Clone)]
pub struct FeaturizedWords {
    pub text: String,
    pub features: Vec<Feature>,
    pub segment: u8,
    /// Number of tokens cut off from words that are longer than a row by themselves.
    pub cut_tokens: usize,
    max_seq_length: usize,
}

impl FeaturizedWords {
    /// Counts the tokens that the model reads, without special tokens.
    pub fn token_counts(&self, unk_id: u32) -> TokenCounts {
        let mut counts = TokenCounts::default();
        for feature in &self.features {
            let ids = &feature.input_ids;
            counts += TokenCounts::of_ids(&ids[1..ids.len() - 1], unk_id);
        }
        counts
    }

    /// Returns warnings about the text, to be shown before it is answered.
    pub fn warnings(&self, unk_id: u32) -> Vec<String> {
        let cut = (self.cut_tokens > 0).then(|| {
            format!(
                "{} cut off from words that are longer than max_seq_length {}, so that the model does not \
                 read all of them",
                counted_with(self.cut_tokens, "token", ["is", "are"]),
                self.max_seq_length
            )
        });
        let several = (self.features.len() > 1).then(|| {
            format!(
                "the text is read in {} parts of at most max_seq_length {} tokens; no word of one part is \
                 seen with those of another",
                self.features.len(),
                self.max_seq_length
            )
        });
        [self.token_counts(unk_id).warning(), cut, several]
            .into_iter()
            .flatten()
            .collect()
    }
}

impl WordAsking {
    /// Creates a task with these tags; every token has the given segment, or else the reference's.
    ///
    /// # Errors
    /// If a tag is invalid.
    pub fn new(task: &str, tags: &[String], segment: Option<u8>) -> Result<Self, Error> {
        let rules = match registry::find(task) {
            Some(_) => Rules::Reference,
            None => Rules::Usual,
        };
        Ok(Self {
            task: task.to_owned(),
            labels: Labels::of_names(tags.iter().map(String::as_str), rules)?,
            segment: segment.unwrap_or(SEGMENT),
            columns: None,
        })
    }

    /// Splits a text into words and tokenises them. Unlike in training, every word is kept: a long
    /// text becomes several rows.
    ///
    /// # Errors
    /// If `max_seq_length` leaves no room.
    pub fn featurize(
        &self,
        text: &str,
        tokenizer: &Tokenizer,
        config: &Config,
    ) -> Result<FeaturizedWords, Error> {
        let options = FeatureOptions {
            max_seq_length: config.max_seq_length,
            rules: self.labels.rules(),
        };
        let words = words(text, Splitting::Punctuation);
        let words: Vec<String> = words.iter().map(|word| word.text.to_owned()).collect();
        let features = featurize_words(&words, tokenizer, &options)?;
        let read: usize = features.iter().map(|row| row.input_ids.len() - 2).sum();
        let tokens = options.tokens(&words, tokenizer);
        Ok(FeaturizedWords {
            text: text.to_owned(),
            features,
            segment: self.segment,
            cut_tokens: tokens.ids.len() - read,
            max_seq_length: config.max_seq_length,
        })
    }

    /// Builds the reply to a text; `logits` are those of each row's words, `[rows][words · tags]`.
    ///
    /// # Errors
    /// If their number does not match, or if one is not finite.
    pub fn reply(&self, asked: &FeaturizedWords, logits: &[Vec<f32>]) -> Result<TagReply, Error> {
        let text = asked.text.as_str();
        let words = words(text, Splitting::Punctuation);
        let (mut ids, mut sure) = (Vec::new(), Vec::new());
        for (feature, logits) in asked.features.iter().zip(logits) {
            let prediction = Prediction::new(feature, logits.clone(), 0.0, &self.labels)?;
            let of_words = logits.chunks(self.labels.len());
            for (&tag, logits) in prediction.predictions.iter().zip(of_words) {
                sure.push(softmax(logits)[tag as usize]);
                ids.push(tag);
            }
        }
        let spans = found(&words, &ids, &self.labels)?;
        let places = places(text, &words);
        let span = |span: Found| TaggedSpan {
            kind: span.kind.to_string(),
            text: text[span.start..span.end].to_owned(),
            start: places[span.first_word].0,
            end: places[span.last_word].1,
            start_byte: span.start,
            end_byte: span.end,
            probability: sure[span.first_word..=span.last_word]
                .iter()
                .copied()
                .fold(1.0, f64::min),
        };
        let tag = |id: u32| {
            self.labels
                .tag(id)
                .map_or(String::new(), ToString::to_string)
        };
        let all = words.iter().zip(&places).zip(ids.iter().zip(&sure));
        Ok(TagReply {
            spans: spans.into_iter().map(span).collect(),
            words: all
                .map(|((word, &(start, end)), (&id, &probability))| TaggedWord {
                    text: word.text.to_owned(),
                    tag: tag(id),
                    start,
                    end,
                    start_byte: word.start,
                    end_byte: word.end(),
                    probability,
                })
                .collect(),
            cut_tokens: asked.cut_tokens,
            parts: asked.features.len(),
        })
    }
}
