//! The files that hold the predictions for one data file, and the record of where they come from.

use std::path::{Path, PathBuf};

use super::{
    answer_map::{answers, nbest, null_odds},
    nbest::QuestionPrediction,
    provenance::Provenance,
};
use crate::{
    config::{Paths, of_trial},
    eval::{
        error::Error, file_digest::FileDigest, json_file::write_json, origin::Origin, output_place,
    },
    tasks::qa::scorers::metric::Metric,
};

/// Paths to which the answers to a file's questions are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerFiles {
    pub predictions: PathBuf,
    pub nbest: PathBuf,
    /// Written only if the model gives no-answer scores.
    pub null_odds: PathBuf,
}

impl AnswerFiles {
    /// Returns the files of `electra predict` in a folder.
    pub fn in_folder(folder: &Path) -> Self {
        AnswerFiles {
            predictions: folder.join("preds.json"),
            nbest: folder.join("nbest.json"),
            null_odds: folder.join("null_odds.json"),
        }
    }

    /// Returns the files of a task in a run, under the reference's names.
    pub fn of_task(paths: Paths<'_>, task: &str) -> Self {
        AnswerFiles {
            predictions: paths.qa_preds(task),
            nbest: paths.qa_nbest(task),
            null_odds: paths.qa_null_odds(task),
        }
    }

    /// Returns those of a single trial, which are kept beside those of the last.
    pub fn of_trial(&self, trial: usize) -> Self {
        AnswerFiles {
            predictions: of_trial(&self.predictions, trial),
            nbest: of_trial(&self.nbest, trial),
            null_odds: of_trial(&self.null_odds, trial),
        }
    }

    /// Returns all of them, and the record.
    pub fn paths(&self) -> [PathBuf; 4] {
        [
            self.predictions.clone(),
            self.nbest.clone(),
            self.null_odds.clone(),
            Provenance::path(&self.predictions),
        ]
    }

    /// Tests whether the files can be written.
    ///
    /// # Errors
    /// If one of them cannot.
    pub fn check(&self) -> Result<(), Error> {
        self.paths()
            .iter()
            .try_for_each(|path| output_place::check(path))
    }

    /// Writes the predictions for `data`. `metric` is that of its task, if it has one; scorers hold
    /// back answers whose null odds exceed `threshold`.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(
        &self,
        predictions: &[QuestionPrediction],
        data: &Path,
        metric: Option<Metric>,
        threshold: f64,
        origin: &Origin,
    ) -> Result<(), Error> {
        write_json(&self.predictions, &answers(predictions))?;
        write_json(&self.nbest, &nbest(predictions))?;
        let has_odds = predictions
            .iter()
            .any(|prediction| prediction.null_odds.is_some());
        if has_odds {
            write_json(&self.null_odds, &null_odds(predictions))?;
        }
        Provenance::of(
            FileDigest::of(data)?,
            &self.predictions,
            has_odds.then_some(&*self.null_odds),
            metric.or(has_odds.then_some(Metric::Squad2)),
            threshold,
            origin.clone(),
        )?
        .write(&self.predictions)
    }
}
