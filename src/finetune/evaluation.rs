//! Answers of a trained model, their figures, and what is handed in for a test set.

use std::{ops::ControlFlow, path::Path, time::Instant};

use super::{Error, Finetune, one_line};
use crate::{
    data::split::Split,
    eval::{
        self,
        json_file::write_json,
        results::{ResultFiles, TrialResults, test_outputs},
    },
    tasks::{
        model::Model,
        qa::{
            answers::{
                nbest::QuestionPrediction,
                provenance::{FileDigest, Origin},
            },
            evaluate::{self, TaskData},
            no_answer::{calibration::Calibration, threshold_advice::WithAdvice},
            predict,
            scorers::score::Metric,
        },
    },
};

/// Tells what the metric cannot mark before the model is trained.
pub(super) fn rehearse(data: &TaskData) -> Result<(), Error> {
    data.check_markable().map_err(|source| Error::CannotMark {
        file: data.file.clone(),
        source,
    })
}

/// An error of a file; its name comes first, whether or not the error has it.
pub(super) fn of_file(file: &Path, error: &eval::Error) -> String {
    let (file, told) = (file.display().to_string(), error.to_string());
    match told.starts_with(&file) {
        true => told,
        false => format!("{file}: {told}"),
    }
}

impl Finetune<'_> {
    /// Answers and marks the dev files, and writes what was answered; `None` if there are none.
    pub(super) fn evaluate(
        &self,
        model: &Model,
        trial: usize,
        dev: &[TaskData],
        results: &ResultFiles,
        origin: &Origin,
    ) -> Result<Option<TrialResults>, Error> {
        let began = Instant::now();
        let mut tasks = Vec::new();
        for (head, data) in dev.iter().enumerate() {
            let predictions = self.answer(model, trial, head, data)?;
            results.write_predictions(&data.task, trial, &predictions, &data.file, origin)?;
            let scores = evaluate::mark(data, &predictions, self.config)?;
            if Metric::of_task(&data.task) == Metric::Squad2 {
                results.write_eval(&data.task, trial, &scores)?;
            }
            self.progress
                .scores(trial, &data.task, &WithAdvice(&scores));
            tasks.push((data.task.clone(), scores));
        }
        if !tasks.is_empty() {
            self.progress.time("evaluation", began.elapsed());
        }
        Ok((!tasks.is_empty()).then_some(TrialResults { tasks }))
    }

    /// Where the figures of a trial come from; `checkpoint` is the folder of its model.
    pub(super) fn origin(&self, checkpoint: &Path, trial: usize) -> Origin {
        let config = self.config;
        Origin {
            device: self.device_name.clone(),
            precision: self.arithmetic.layers.word().to_owned(),
            seed: config.do_train.then(|| config.trial_seed(trial)),
            settings: config.non_defaults(),
            ..Origin::of_command(checkpoint)
        }
    }

    /// Stores with the model in `folder` the threshold that is best on the dev file, if the run is
    /// to. The figures of the run stay those of its own threshold, and are on the disk: what cannot
    /// be stored is said, and no reason to end the run.
    pub(super) fn calibrate(&self, folder: &Path, dev: &[TaskData], scores: &TrialResults) {
        if !self.config.calibrate {
            return;
        }
        for (data, (task, scores)) in dev.iter().zip(&scores.tasks) {
            let Some(effect) = scores.threshold() else {
                continue;
            };
            let store = || -> Result<Option<Calibration>, eval::Error> {
                let chosen = Calibration::new(effect, FileDigest::of(&data.file)?)?;
                if let Some(chosen) = chosen.as_ref().filter(|chosen| chosen.changes()) {
                    chosen.store(folder)?;
                }
                Ok(chosen)
            };
            match store() {
                Ok(Some(chosen)) => self.progress.note(&format!("{task}: {}", chosen.line())),
                Ok(None) => self.progress.note(&format!(
                    "{task}: no threshold does better than to answer nothing; the model keeps its own"
                )),
                Err(error) => log::warn!(
                    "{task}: the model keeps its threshold: {}",
                    one_line(&error)
                ),
            }
        }
    }

    fn answer(
        &self,
        model: &Model,
        trial: usize,
        head: usize,
        data: &TaskData,
    ) -> Result<Vec<QuestionPrediction>, Error> {
        let bar = self.progress.windows(data.features.len());
        let predictions = evaluate::answer(
            model,
            head,
            data,
            self.tokenizer,
            self.config,
            self.device,
            &mut |done| {
                bar.set_position(done as u64);
                match self.stop.is_asked() {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            },
        );
        bar.finish_and_clear();
        match predictions {
            Err(evaluate::Error::Predict(predict::Error::Ended { done, windows })) => {
                let file = data.file.display();
                let place = format!("after {done} of {windows} windows of {file}");
                Err(self.stopped(trial, &place, "answers them again"))
            }
            predictions => Ok(predictions?),
        }
    }

    /// Predictions for the test file of the task `squad`, as the leaderboard takes them.
    pub(super) fn write_test_outputs(
        &self,
        model: &Model,
        trial: usize,
        test: &[(usize, TaskData)],
    ) -> Result<(), Error> {
        if trial > self.config.n_writes_test {
            return Ok(());
        }
        for (head, data) in test {
            let predictions = self.answer(model, trial, *head, data)?;
            let outputs = test_outputs(&predictions, self.config.qa_na_threshold);
            let paths = self.config.paths();
            write_json(
                &paths.test_predictions(&data.task, Split::Test, trial),
                &outputs,
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_marked_is_named_once() {
        let file = Path::new("data/dev.json");
        let mute = eval::Error::NoAnswers {
            file: "data/dev.json".to_owned(),
        };
        for source in [mute, eval::Error::NoQuestions] {
            let file = file.to_owned();
            let told = Error::CannotMark { file, source }.to_string();
            assert_eq!(told.matches("data/dev.json").count(), 1, "{told}");
            assert!(told.starts_with("data/dev.json: "), "{told}");
            assert!(told.ends_with("or set do_eval=false"), "{told}");
        }
    }
}
