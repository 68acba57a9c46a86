//! A text or a pair of texts as a fine-tuned model is asked what it is.

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

/// A task of classification or regression, as it is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct TextAsking {
    pub task: String,
    /// A value whose range nothing tells is as the model gives it, from 0 to 1.
    pub labels: Labels,
    /// That of a regression, if it is known.
    pub range: Option<[f64; 2]>,
    /// Whether the model gives a regression's labels themselves, which may be any numbers.
    pub own_scale: bool,
    /// How many texts an example has, if that is known.
    pub texts: Option<u8>,
    /// Those of the tables that it was learnt from, if they are not the usual ones.
    pub columns: Option<Columns>,
}

/// A text or a pair of texts, tokenised.
#[derive(Debug, Clone)]
pub struct FeaturizedText {
    pub examples: Examples,
    pub feature: Feature,
    /// Tokens that were cut off.
    pub cut_tokens: usize,
    max_seq_length: usize,
}

impl FeaturizedText {
    /// Tokens that the model reads, special tokens apart.
    pub fn token_counts(&self, unk_id: u32) -> TokenCounts {
        let ids = &self.feature.input_ids;
        let special = 2 + usize::from(self.feature.first_segment < ids.len());
        let mut counts = TokenCounts::of_ids(ids, unk_id);
        counts.tokens -= special;
        counts
    }

    /// What is to be said of the text before it is answered.
    pub fn warnings(&self, unk_id: u32) -> Vec<String> {
        let counts = self.token_counts(unk_id);
        let cut = (self.cut_tokens > 0).then(|| {
            format!(
                "{} of {} tokens are cut off at max_seq_length {}, so that the model does not read them",
                self.cut_tokens,
                self.cut_tokens + counts.tokens,
                self.max_seq_length
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
    /// A task with these classes.
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

    /// A task of values in this range.
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

    /// The same of a model of `transformers`: where 0 stands for 0 and 1 for 1, no range is known.
    pub fn with_its_own_scale(mut self) -> Self {
        self.own_scale = self.range == Some([0.0, 1.0]);
        if self.own_scale {
            self.range = None;
        }
        self
    }

    /// The kind of task, as a description has it.
    pub fn kind(&self) -> Kind {
        match self.labels {
            Labels::Classes(_) => Kind::Classification,
            Labels::Range { .. } => Kind::Regression,
        }
    }

    /// What it takes.
    pub fn form(&self) -> Form {
        match self.texts {
            Some(1) => Form::Text,
            Some(_) => Form::Pair,
            None => Form::TextOrPair,
        }
    }

    /// Tokenises a text or a pair of texts and cuts it, as training did.
    ///
    /// # Errors
    /// When `max_seq_length` leaves no room.
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
        // One example makes one feature.
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

    /// The reply to a text, whose logits these are.
    ///
    /// # Errors
    /// As [`Prediction::new`].
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

/// GLUE's tasks are known; of others the model tells.
fn texts_of(task: &str, told: Option<u8>) -> Option<u8> {
    glue::find(task)
        .map(|task| 1 + u8::from(task.is_pair()))
        .or(told)
}
