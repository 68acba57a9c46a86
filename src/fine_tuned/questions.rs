//! Answers questions on passages with a fine-tuned model, a whole file at once.

use std::path::Path;

use super::{Described, FineTuned, error::Error};
use crate::{
    batch::{AsRow, FeatureSet},
    tasks::{
        asked::Form,
        asking::Asking,
        output::Output,
        qa::{
            answers::nbest::QuestionPrediction,
            ask::QuestionAsking,
            example::Examples,
            no_answer::{null_odds::gives_null_odds, threshold},
        },
    },
};

impl FineTuned {
    /// Answers every question, in the order of the examples; `progress` receives how many windows
    /// are done and how many there are.
    ///
    /// # Errors
    /// If the answering task is not for questions, or if the device fails.
    pub fn answer(
        &self,
        examples: Examples,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<QuestionPrediction>, Error> {
        let asking = self.questions()?;
        let asked = asking.featurize(examples, &self.tokenizer, &self.config)?;
        let tokens = asked.token_counts(self.tokenizer.vocab().unk_id());
        log::info!("{tokens}");
        if let Some(warning) = tokens.warning() {
            log::warn!("{warning}");
        }
        let rows = asked.features.iter().map(AsRow::as_row);
        let outputs = self.compute(&FeatureSet::of_rows([rows]), progress)?;
        let windows = outputs.into_iter().filter_map(|output| match output {
            Output::Span(window) => Some(window),
            Output::Logits(_) => None,
        });
        let windows: Vec<_> = windows.collect();
        Ok(asking.choose(&asked, &windows, &self.tokenizer, &self.config)?)
    }

    /// Rejects a threshold on no-answer scores if the model has none, since it could not decide
    /// anything; `option` is the flag that was given.
    ///
    /// # Errors
    /// If the model has no such scores.
    pub fn expect_null_odds(&self, option: &'static str) -> Result<(), Error> {
        expect_null_odds(self.task(), option, &self.folder)
    }

    /// Holds back answers above `threshold`, replacing the model's own.
    ///
    /// # Errors
    /// As for [`FineTuned::expect_null_odds`].
    pub fn set_threshold(&mut self, threshold: f64) -> Result<(), Error> {
        self.expect_null_odds(threshold::OPTION)?;
        self.config.qa_na_threshold = threshold;
        Ok(())
    }

    fn questions(&self) -> Result<&QuestionAsking, Error> {
        match &self.asking {
            Asking::Questions(asking) => Ok(asking),
            other => Err(Error::OtherForm {
                path: self.folder.clone(),
                takes: vec![other.takes()],
                form: Form::Question,
            }),
        }
    }
}

impl Described {
    /// Same as [`FineTuned::expect_null_odds`].
    ///
    /// # Errors
    /// If the model has no such scores.
    pub fn expect_null_odds(&self, option: &'static str) -> Result<(), Error> {
        expect_null_odds(self.task(), option, &self.folder)
    }
}

fn expect_null_odds(task: &str, option: &'static str, path: &Path) -> Result<(), Error> {
    if gives_null_odds(task) {
        return Ok(());
    }
    Err(Error::NoNullOdds {
        option,
        path: path.into(),
        task: task.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_without_no_answer_scores_is_refused() {
        let option = "threshold (--threshold)";
        assert!(expect_null_odds("squad", option, Path::new("m")).is_ok());
        for task in ["squadv1", "newsqa"] {
            let refused = expect_null_odds(task, option, Path::new("m")).unwrap_err();
            assert_eq!(
                refused.to_string(),
                format!(
                    "threshold (--threshold) needs no-answer scores, which m does not give: expected \
                     a model that was trained on squad, found one of {task}; leave it out"
                )
            );
        }
    }
}
