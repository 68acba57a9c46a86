//! The dev curve: the model's scores during a run, which weights did best, and early stopping.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use burn::module::Module;

use super::{
    best_by::{BestBy, is_score},
    best_weights::{self, BestWeights},
    log::{self, RunLog, dev_jsonl::DevLog},
    run_folder::EVAL_LOG,
};
use crate::{
    eval::{dev_record::DevRecord, results::TrialResults, taken::Taken},
    progress::Progress,
    tasks::{self, model::Model},
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Log(#[from] log::Error),
    #[error(transparent)]
    Task(#[from] tasks::Error),
    #[error(transparent)]
    Weights(#[from] best_weights::Error),
    #[error("keep_best={key}: the evaluation has no such figure; give one of {known}")]
    NoFigure { key: String, known: String },
    #[error(
        "keep_best={key}: a threshold, which does not measure how good weights are; give one of {known}"
    )]
    Threshold { key: String, known: String },
}

/// Scores a model on the dev files; `None` if the user interrupts it.
pub type Score<'a> = &'a dyn Fn(&Model) -> Result<Option<TrialResults>, tasks::Error>;

/// When a run evaluates, and what follows from the results.
pub struct DevPlan<'a> {
    /// Steps between evaluations.
    pub every: u64,
    /// The metric that selects the weights that become the model, as the user gives it.
    pub keep_best: Option<&'a str>,
    /// Number of evaluations without improvement after which training ends.
    pub patience: Option<usize>,
    pub score: Score<'a>,
    /// How many examples were scored for a task, if not all.
    pub taken: BTreeMap<String, Taken>,
}

/// The outcome of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The run continues.
    GoOn,
    /// No improvement is expected; training ends.
    Enough,
    /// The user interrupted the evaluation, which will be repeated.
    Broken,
}

/// The evaluations of one run.
pub struct DevCurve<'a> {
    plan: &'a DevPlan<'a>,
    tasks: &'a [String],
    /// Total steps of the run.
    steps: u64,
    best_by: Option<BestBy>,
    log: DevLog,
    weights: BestWeights,
    /// The step of the best weights when the last checkpoint was saved: a killed run resumes with
    /// those weights.
    saved: Option<u64>,
    progress: &'a Progress,
}

impl<'a> DevCurve<'a> {
    /// Opens the curve of a run in `model_dir` that resumes after `step` of `steps` steps.
    ///
    /// # Errors
    /// If `eval_log.jsonl` or the best weights cannot be read or written.
    pub fn resume(
        plan: &'a DevPlan<'a>,
        model_dir: &Path,
        tasks: &'a [String],
        step: u64,
        steps: u64,
        progress: &'a Progress,
    ) -> Result<Self, Error> {
        let path = model_dir.join(EVAL_LOG);
        let mut note = |line: String| progress.note(&line);
        let log = DevLog::resume(&path, tasks, step, &mut note)?;
        let best_by = plan.keep_best.map(|key| BestBy::new(key, tasks));
        let best = best_by.as_ref().and_then(|by| by.best(log.records()));
        let saved = best.map(|best| best.step);
        let sum = best.and_then(|best| best.weights);
        Ok(Self {
            plan,
            tasks,
            steps,
            best_by,
            weights: BestWeights::resume(model_dir, sum, &mut note)?,
            log,
            saved,
            progress,
        })
    }

    /// Returns whether the model is evaluated after `step` steps: before the first, after the last,
    /// and at the given interval.
    pub fn is_due(&self, step: u64) -> bool {
        step.is_multiple_of(self.plan.every) || step == self.steps
    }

    /// Returns the evaluation with the best metric.
    fn best(&self) -> Option<&DevRecord> {
        self.best_by.as_ref()?.best(self.log.records())
    }

    /// Returns whether enough evaluations since the best have brought no improvement to end
    /// training.
    fn is_enough(&self) -> bool {
        let (Some(patience), Some(best)) = (self.plan.patience, self.best()) else {
            return false;
        };
        let since = self.log.records().iter();
        since.filter(|record| record.step > best.step).count() >= patience
    }

    /// Evaluates the model, which has autodiff, if that is due after `step` steps and has not been
    /// done, and keeps its weights if they are the best so far.
    ///
    /// # Errors
    /// If the model fails, a file cannot be written, or the metric does not exist.
    pub fn look(&mut self, step: u64, model: &Model, log: &mut RunLog) -> Result<Seen, Error> {
        let done = self
            .log
            .records()
            .last()
            .is_some_and(|last| last.step == step);
        if self.is_due(step) && !done {
            let began = Instant::now();
            let model = model.valid();
            let Some(results) = (self.plan.score)(&model)? else {
                return Ok(Seen::Broken);
            };
            let mut record = DevRecord::new(step, &results, began.elapsed().as_secs_f64());
            record.taken = self.plan.taken.clone();
            log.evaluation(step, &results);
            for (task, scores) in &results.tasks {
                let line = scores.line();
                let taken = record.taken.get(task);
                let taken = taken.map_or_else(String::new, |taken| format!(", {taken} examples"));
                self.progress
                    .note(&format!("step {step}: {task}{taken}: {line}"));
            }
            self.keep(record, &model)?;
        }
        Ok(match self.is_enough() {
            true => Seen::Enough,
            false => Seen::GoOn,
        })
    }

    /// Logs an evaluation, after saving its weights if these are the best.
    fn keep(&mut self, mut record: DevRecord, model: &Model) -> Result<(), Error> {
        if let Some(best_by) = &self.best_by {
            let is_in = best_by.is_in(&record);
            if !is_in || !best_by.is_score() {
                let key = self.plan.keep_best.unwrap_or_default().to_owned();
                let known = scores(&record);
                return Err(match is_in {
                    true => Error::Threshold { key, known },
                    false => Error::NoFigure { key, known },
                });
            }
            let best = self.best();
            if best_by.is_better(&record, best) {
                let checkpointed = best.map(|best| best.step) == self.saved;
                let sum = self.weights.put(model, self.tasks, checkpointed)?;
                record.weights = Some(sum);
            }
        }
        Ok(self.log.add(record)?)
    }

    /// Notes that a checkpoint was saved.
    ///
    /// # Errors
    /// If obsolete weights cannot be removed.
    pub fn checkpoint_saved(&mut self) -> Result<(), Error> {
        self.saved = self.best().map(|best| best.step);
        Ok(self.weights.checkpoint_saved()?)
    }

    /// Reports the cost of evaluating, and writes the best weights to `file` if they are not the
    /// last, those after `step` steps; returns whether it wrote them.
    ///
    /// # Errors
    /// If the best weights have changed on disk, or cannot be written.
    pub fn finish(&self, step: u64, file: &Path) -> Result<bool, Error> {
        let records = self.log.records();
        let seconds: f64 = records.iter().map(|record| record.seconds).sum();
        if let Ok(took) = Duration::try_from_secs_f64(seconds) {
            self.progress.time("evaluations between steps", took);
        }
        let Some(best) = self.best() else {
            return Ok(false);
        };
        let key = self.plan.keep_best.unwrap_or_default();
        self.progress.note(&match step < self.steps {
            true => format!(
                "no better {key} since step {}: training ends after {step} of {} steps",
                best.step, self.steps
            ),
            false => format!("best {key} after step {} of {step}", best.step),
        });
        if best.step == step {
            return Ok(false);
        }
        self.weights.copy_to(file, best.weights)?;
        Ok(true)
    }
}

/// Lists the figures of an evaluation that can decide which weights are best.
fn scores(record: &DevRecord) -> String {
    let keys = record.tasks.values().flat_map(|figures| figures.keys());
    let mut keys: Vec<&str> = keys.map(String::as_str).collect();
    keys.retain(|key| is_score(key));
    keys.sort_unstable();
    keys.dedup();
    keys.join(", ")
}
