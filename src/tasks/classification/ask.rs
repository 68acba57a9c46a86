//! Asks a fine-tuned model about a text or a pair of texts.

use super::{
    error::Error,
    example::Examples,
    feature::{Feature, featurize},
    glue,
    labels::{Gold, Labels},
    prediction::Prediction,
    reply::{ClassReply, ValueReply},
};
use crate::{
    config::Config,
    tasks::{
        asked::Form,
        description::{Columns, Kind},
        qa::token_counts::TokenCounts,
        reply::Reply,
    },
    text::tokenizer::Tokenizer,
};

/// A classification or regression task, ready to be asked.
#[derive(Debug, Clone, PartialEq)]
pub struct TextAsking {
    pub task: String,
    /// A value whose range is unknown stays on the model's scale, from 0 to 1.
    pub labels: Labels,
    /// Range of a regression, if known.
    pub range: Option<[f64; 2]>,
    /// Whether the model predicts a regression's labels directly, which may be any numbers.
    pub own_scale: bool,
    /// Number of texts per example, if known.
    pub texts: Option<u8>,
    /// Columns of the training tables, if they are not the usual ones.
    pub columns: Option<Columns>,
}

/// A tokenised text or pair of texts.
#[derive(Debug, Clone)]
pub struct FeaturizedText {
    pub examples: Examples,
    pub feature: Feature,
    /// Number of tokens that were cut off.
    pub cut_tokens: usize,
    max_seq_length: usize,
}

impl FeaturizedText {
    /// Counts the tokens that the model reads, without special tokens.
    pub fn token_counts(&self, unk_id: u32) -> TokenCounts {
        let ids = &self.feature.input_ids;
        let special = 2 + usize::from(self.feature.first_segment < ids.len());
        let mut counts = TokenCounts::of_ids(ids, unk_id);
        counts.tokens -= special;
        counts
    }

    /// Returns warnings about the text, to be shown before it is answered.
    pub fn warnings(&self, unk_id: u32) -> Vec<String> {
        let counts = self.token_counts(unk_id);
        let cut = (self.cut_tokens > 0).then(|| {
            format!(
                "{} of {} tokens {} cut off at max_seq_length {}, so that the model does not read {}",
                self.cut_tokens,
                self.cut_tokens + counts.tokens,
                if self.cut_tokens == 1 { "is" } else { "are" },
                self.max_seq_length,
                if self.cut_tokens == 1 { "it" } else { "them" }
            )
        });
        let empty = (counts.tokens == 0)
            .then(|| "the text has no token: the model reads nothing of it".to_owned());
        [counts.warning(), cut, empty]
            .into_iter()
            .flatten()
            .collect()
    }
}

impl TextAsking {
    /// Creates a task with these classes.
    pub fn of_classes(task: &str, labels: &[String], texts: Option<u8>) -> Self {
        Self {
            task: task.to_owned(),
            labels: Labels::Classes(labels.to_vec()),
            range: None,
            own_scale: false,
            texts: texts_of(task, texts),
            columns: None,
        }
    }

    /// Creates a task of values in this range.
    pub fn of_value(task: &str, range: Option<[f64; 2]>, texts: Option<u8>) -> Self {
        let of_glue = glue::find(task).and_then(|task| match task.labels() {
            Labels::Range { min, max } => Some([min, max]),
            Labels::Classes(_) => None,
        });
        let range = of_glue.or(range);
        let [min, max] = range.unwrap_or([0.0, 1.0]);
        Self {
            task: task.to_owned(),
            labels: Labels::Range { min, max },
            range,
            own_scale: false,
            texts: texts_of(task, texts),
            columns: None,
        }
    }

    /// Marks a model of `transformers`: if 0 stands for 0 and 1 for 1, the range is unknown.
    pub fn with_its_own_scale(mut self) -> Self {
        self.own_scale = self.range == Some([0.0, 1.0]);
        if self.own_scale {
            self.range = None;
        }
        self
    }

    /// Returns the kind of task, as in a description.
    pub fn kind(&self) -> Kind {
        match self.labels {
            Labels::Classes(_) => Kind::Classification,
            Labels::Range { .. } => Kind::Regression,
        }
    }

    /// Returns the form of input that it takes.
    pub fn form(&self) -> Form {
        match self.texts {
            Some(1) => Form::Text,
            Some(_) => Form::Pair,
            None => Form::TextOrPair,
        }
    }

    /// Tokenises a text or a pair of texts and truncates it, as training did.
    ///
    /// # Errors
    /// If `max_seq_length` leaves no room.
    pub fn featurize(
        &self,
        a: &str,
        b: Option<&str>,
        tokenizer: &Tokenizer,
        config: &Config,
    ) -> Result<FeaturizedText, Error> {
        let examples = Examples::of_one(a, b, self.labels.dummy());
        let max_seq_length = config.max_seq_length;
        let mut features = featurize(&examples, tokenizer, max_seq_length)?;
        // One example yields one feature.
        let feature = features.remove(0);
        let mut asked = FeaturizedText {
            examples,
            feature,
            cut_tokens: 0,
            max_seq_length,
        };
        if asked.feature.cut {
            let texts = [Some(a), b].into_iter().flatten();
            let whole: usize = texts.map(|text| tokenizer.tokenize(text).len()).sum();
            asked.cut_tokens = whole - asked.token_counts(tokenizer.vocab().unk_id()).tokens;
        }
        Ok(asked)
    }

    /// Builds the reply to a text from its logits.
    ///
    /// # Errors
    /// As for [`Prediction::new`].
    pub fn reply(&self, asked: &FeaturizedText, logits: Vec<f32>) -> Result<Reply, Error> {
        let example = &asked.examples.examples[0];
        let prediction = Prediction::new(&self.task, &self.labels, example, false, logits)?;
        Ok(match (prediction.predicted, &self.labels) {
            (Gold::Value(value), _) => Reply::Value(ValueReply {
                own_scale: self.own_scale,
                ..ValueReply::new(value, self.range, asked.cut_tokens)
            }),
            (Gold::Class(_), Labels::Classes(names)) => {
                Reply::Class(ClassReply::new(prediction, names, asked.cut_tokens))
            }
            (Gold::Class(_), Labels::Range { .. }) => {
                Reply::Class(ClassReply::new(prediction, &[], asked.cut_tokens))
            }
        })
    }
}

/// Returns the number of texts of a task: known for GLUE's, told by the model for others.
fn texts_of(task: &str, told: Option<u8>) -> Option<u8> {
    glue::find(task)
        .map(|task| 1 + u8::from(task.is_pair()))
        .or(told)
}
