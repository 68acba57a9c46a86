//! Asks a fine-tuned model questions: one on a passage, or those of a file.

use super::{
    answers::nbest::{self, QuestionPrediction},
    beam::WindowOutput,
    error::Error,
    evaluate::nbest_options,
    example::Examples,
    feature::{Feature, FeatureOptions, featurize},
    no_answer::null_odds::{gives_null_odds, needs_null_odds},
    reply::QuestionReply,
    token_counts::TokenCounts,
};
use crate::{config::Config, data::split::Split, text::tokenizer::Tokenizer};

/// A question answering task, ready to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionAsking {
    pub task: String,
}

/// Questions whose passages are cut into the windows that the model reads.
#[derive(Debug, Clone)]
pub struct FeaturizedQuestions {
    pub examples: Examples,
    /// Those of the examples, in order.
    pub features: Vec<Feature>,
    /// No-answer score above which there is no answer; overrides the model's threshold.
    pub threshold: Option<f64>,
}

impl FeaturizedQuestions {
    /// Counts how much of the text is known to the vocabulary with this `[UNK]`.
    pub fn token_counts(&self, unk_id: u32) -> TokenCounts {
        TokenCounts::of(&self.features, unk_id)
    }
}

impl QuestionAsking {
    pub fn new(task: &str) -> Self {
        Self {
            task: task.to_owned(),
        }
    }

    /// Cuts the passages of examples into windows and tokenises them.
    ///
    /// # Errors
    /// As for [`featurize`].
    pub fn featurize(
        &self,
        examples: Examples,
        tokenizer: &Tokenizer,
        config: &Config,
    ) -> Result<FeaturizedQuestions, Error> {
        let options = FeatureOptions {
            max_seq_length: config.max_seq_length,
            doc_stride: config.doc_stride,
            max_query_length: config.max_query_length,
            split: Split::Dev,
        };
        Ok(FeaturizedQuestions {
            features: featurize(&examples, tokenizer, &options)?,
            examples,
            threshold: None,
        })
    }

    /// Does the same for one question on one passage.
    ///
    /// # Errors
    /// As for [`featurize`], and if a threshold is given but the model has no scores to compare
    /// with it.
    pub fn of_one(
        &self,
        question: &str,
        passage: &str,
        threshold: Option<f64>,
        tokenizer: &Tokenizer,
        config: &Config,
    ) -> Result<FeaturizedQuestions, Error> {
        if threshold.is_some() && !gives_null_odds(&self.task) {
            let refused = needs_null_odds("threshold:", "this model", &self.task);
            return Err(Error::NeedsNullOdds(refused));
        }
        let examples = Examples::of_one(question, passage);
        Ok(FeaturizedQuestions {
            threshold,
            ..self.featurize(examples, tokenizer, config)?
        })
    }

    /// Chooses the answers from the model's outputs for all windows, in the order of the examples.
    ///
    /// # Errors
    /// As for [`nbest::predict`].
    pub fn choose(
        &self,
        asked: &FeaturizedQuestions,
        windows: &[WindowOutput],
        tokenizer: &Tokenizer,
        config: &Config,
    ) -> Result<Vec<QuestionPrediction>, Error> {
        let options = nbest_options(&self.task, config);
        nbest::predict(
            &asked.examples,
            &asked.features,
            windows,
            tokenizer,
            &options,
        )
    }

    /// Builds the reply to the first question.
    ///
    /// # Errors
    /// As for [`nbest::predict`], and if there is no question.
    pub fn reply(
        &self,
        asked: &FeaturizedQuestions,
        windows: &[WindowOutput],
        tokenizer: &Tokenizer,
        config: &Config,
    ) -> Result<QuestionReply, Error> {
        let chosen = self.choose(asked, windows, tokenizer, config)?;
        let first = chosen.into_iter().next().ok_or(Error::NoQuestions)?;
        let threshold = asked.threshold.unwrap_or(config.qa_na_threshold);
        Ok(QuestionReply::new(first, config, threshold))
    }
}
