//! One task of a report: its data, its predictions, and their analysis.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::no_answer::NoAnswerCurves;
use crate::{
    config::Paths,
    eval::file_digest::FileDigest,
    tasks::qa::{
        analysis::{Analysis, distinct_questions::DistinctQuestions},
        answers::{
            answer_files::AnswerFiles,
            prediction_file::{read_null_odds, read_predictions},
            provenance::Provenance,
        },
        error::Error,
        evaluate::TaskData,
        no_answer::threshold::ThresholdChoice,
        raw::question_set::QuestionSet,
        scorers::{basis::Basis, gold::read_data, metric::Metric, squad2::DEFAULT_THRESHOLD},
    },
};

/// The files of a task.
#[derive(Debug, Clone, Default)]
pub struct TaskFiles {
    /// SQuAD JSON or MRQA JSON Lines.
    pub data: PathBuf,
    /// Question id → answer text.
    pub predictions: PathBuf,
    /// Question id → no-answer score; only used by the SQuAD 2.0 metric. By default those in the
    /// predictions' record.
    pub null_odds: Option<PathBuf>,
    /// The threshold to judge under; by default that in the predictions' record, or else the
    /// official script's.
    pub threshold: Option<ThresholdChoice>,
}

impl TaskFiles {
    fn basis(&self, metric: Option<Metric>) -> Result<Basis, Error> {
        Basis::of(
            &self.data,
            &self.predictions,
            self.null_odds.as_deref(),
            self.threshold,
            metric,
        )
    }
}

/// A task's questions and predictions, analysed.
#[derive(Debug)]
pub struct TaskReport {
    pub name: String,
    /// The name of the data file.
    pub data: String,
    pub data_digest: FileDigest,
    pub questions: DistinctQuestions,
    pub analysis: Analysis,
    /// The analysis under the threshold with the best F1, if that holds back other answers.
    pub best: Option<Analysis>,
    /// Present if there are no-answer scores.
    pub no_answer: Option<NoAnswerCurves>,
    /// The metric and threshold of the analysis, on one line.
    pub basis: String,
    /// The predictions' record.
    pub provenance: Option<Provenance>,
}

impl TaskReport {
    /// Reads and analyses; the metric is guessed from the data if neither it nor a record is given.
    ///
    /// # Errors
    /// If a file cannot be read or is malformed, or the predictions belong to other data.
    pub fn read(name: &str, files: &TaskFiles, metric: Option<Metric>) -> Result<Self, Error> {
        let basis = files.basis(metric)?;
        let (metric, questions) = read_data(&files.data, basis.metric)?;
        Self::analyse(name, files, basis, metric, Arc::new(questions))
    }

    /// Analyses a run's answers to one of its files, as left by the last trial or the given one;
    /// `None` for a file that is not scored.
    ///
    /// # Errors
    /// As for [`TaskReport::read`].
    pub fn of_run(
        file: &TaskData,
        paths: Paths<'_>,
        trial: Option<usize>,
    ) -> Result<Option<Self>, Error> {
        let Some(questions) = &file.questions else {
            return Ok(None);
        };
        let (task, metric) = (&file.task, Metric::of_task(&file.task));
        let mut answers = AnswerFiles::of_task(paths, task);
        if let Some(trial) = trial {
            answers = answers.of_trial(trial);
        }
        let null_odds = answers.null_odds;
        let files = TaskFiles {
            data: file.file.clone(),
            predictions: answers.predictions,
            null_odds: (metric == Metric::Squad2 && null_odds.is_file()).then_some(null_odds),
            // That of the record.
            threshold: None,
        };
        Self::of(task, &files, metric, questions).map(Some)
    }

    /// Same as [`TaskReport::read`], for questions that were already read from the data file.
    ///
    /// # Errors
    /// As for [`TaskReport::read`].
    pub fn of(
        name: &str,
        files: &TaskFiles,
        metric: Metric,
        questions: &Arc<QuestionSet>,
    ) -> Result<Self, Error> {
        let basis = files.basis(Some(metric))?;
        Self::analyse(name, files, basis, metric, Arc::clone(questions))
    }

    fn analyse(
        name: &str,
        files: &TaskFiles,
        basis: Basis,
        metric: Metric,
        questions: Arc<QuestionSet>,
    ) -> Result<Self, Error> {
        let questions = DistinctQuestions::new(questions);
        let predictions = read_predictions(&files.predictions)?;
        let odds = match &basis.null_odds {
            Some(path) if metric == Metric::Squad2 => Some(read_null_odds(path)?),
            _ => None,
        };
        let scoring = |source| Error::Scoring {
            data: files.data.clone(),
            predictions: files.predictions.clone(),
            source: Box::new(source),
        };
        let analyse = |threshold: f64| {
            Analysis::new(&questions, metric, &predictions, odds.as_ref(), threshold)
                .map_err(scoring)
        };
        // The threshold that answers nothing is below every score.
        let best_of = |analysis: &Analysis| {
            let best = analysis.best?;
            Some(best.threshold.unwrap_or(f64::NEG_INFINITY))
        };
        let mut analysis = analyse(match basis.threshold {
            ThresholdChoice::At(threshold) => threshold,
            ThresholdChoice::Best => DEFAULT_THRESHOLD,
        })?;
        let best = best_of(&analysis).map(analyse).transpose()?;
        let mut best = best.filter(|best| !holds_back_alike(best, &analysis));
        if basis.threshold == ThresholdChoice::Best
            && let Some(best) = best.take()
        {
            analysis = best;
        }
        let effect = analysis.effect.as_ref();
        let advice = effect.and_then(|effect| effect.advice(basis.threshold_name()));
        analysis.threshold_advice = advice;
        let no_answer = match (&odds, analysis.threshold, analysis.best) {
            (Some(odds), Some(threshold), Some(best)) => Some(
                NoAnswerCurves::new(&questions.gold(), &predictions, odds, threshold, best)
                    .map_err(scoring)?,
            ),
            _ => None,
        };
        Ok(Self {
            name: name.to_owned(),
            data: file_name(&files.data),
            data_digest: FileDigest::of(&files.data)?,
            basis: basis.line(metric, analysis.threshold),
            questions,
            analysis,
            best,
            no_answer,
            provenance: basis.provenance,
        })
    }
}

fn holds_back_alike(a: &Analysis, b: &Analysis) -> bool {
    let held_back = |analysis: &Analysis| -> Vec<bool> {
        let judgements = analysis.judgements.iter();
        judgements
            .map(|judgement| judgement.held_back.is_some())
            .collect()
    };
    held_back(a) == held_back(b)
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}
