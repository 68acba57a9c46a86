//! One task of a report: its data, its predictions, and what became of them.

use std::path::{Path, PathBuf};

use super::no_answer::NoAnswerCurves;
use crate::{
    analysis::{Analysis, question_set::QuestionSet},
    eval::{
        self,
        prediction_file::{read_null_odds, read_predictions},
        score::Metric,
    },
};

/// The files of a task.
#[derive(Debug, Clone, Default)]
pub struct TaskFiles {
    /// SQuAD JSON or MRQA JSON lines.
    pub data: PathBuf,
    /// Question id → answer text.
    pub predictions: PathBuf,
    /// Question id → no-answer score; looked at by the SQuAD 2.0 metric only.
    pub null_odds: Option<PathBuf>,
}

/// A task's questions and predictions, analysed.
#[derive(Debug)]
pub struct TaskReport {
    pub name: String,
    /// The name of the data file.
    pub data: String,
    pub questions: QuestionSet,
    pub analysis: Analysis,
    /// Where there are no-answer scores.
    pub no_answer: Option<NoAnswerCurves>,
}

impl TaskReport {
    /// Reads and analyses; the metric is guessed from the data where none is named.
    ///
    /// # Errors
    /// When a file cannot be read or is malformed, or the predictions belong to other data.
    pub fn read(
        name: &str,
        files: &TaskFiles,
        metric: Option<Metric>,
    ) -> Result<Self, eval::Error> {
        let (metric, questions) = QuestionSet::read(&files.data, metric)?;
        let predictions = read_predictions(&files.predictions)?;
        let odds = match &files.null_odds {
            Some(path) if metric == Metric::Squad2 => Some(read_null_odds(path)?),
            _ => None,
        };
        let scoring = |source| eval::Error::Scoring {
            data: files.data.clone(),
            predictions: files.predictions.clone(),
            source: Box::new(source),
        };
        let analysis =
            Analysis::new(&questions, metric, &predictions, odds.as_ref()).map_err(scoring)?;
        let no_answer = match (&odds, analysis.threshold) {
            (Some(odds), Some(best)) => Some(
                NoAnswerCurves::new(&questions.gold(), &predictions, odds, best)
                    .map_err(scoring)?,
            ),
            _ => None,
        };
        Ok(Self {
            name: name.to_owned(),
            data: file_name(&files.data),
            questions,
            analysis,
            no_answer,
        })
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}
