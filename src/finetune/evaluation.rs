//! Answers of a trained model, their scores, and the files to submit for a test set.

use std::{ops::ControlFlow, path::Path, time::Instant};

use super::{Error, Finetune, one_line};
use crate::{
    eval::{figures::Figure, origin::Origin, results::TrialResults},
    tasks::{
        self,
        model::Model,
        predict,
        task::{Answerer, Answers, TaskFile},
    },
};

/// Reports what the metric cannot score before the model is trained.
pub(super) fn rehearse(file: &dyn TaskFile) -> Result<(), Error> {
    file.check_markable().map_err(|source| Error::CannotMark {
        file: file.path().to_owned(),
        source,
    })
}

/// An error with the file's name in front, whether or not the error contains it.
pub(super) fn of_file(file: &Path, error: &tasks::Error) -> String {
    let (file, told) = (file.display().to_string(), error.to_string());
    match told.starts_with(&file) {
        true => told,
        false => format!("{file}: {told}"),
    }
}

impl Finetune<'_> {
    /// Answers and scores the dev files, and writes the answers; `None` if there are none.
    pub(super) fn evaluate(
        &self,
        model: &Model,
        trial: usize,
        dev: &[Box<dyn TaskFile>],
        origin: &Origin,
    ) -> Result<Option<TrialResults>, Error> {
        let began = Instant::now();
        let mut tasks = Vec::new();
        for (head, file) in dev.iter().enumerate() {
            let mut scores = self
                .answer(model, trial, head, file.as_ref())?
                .mark(trial, origin)?;
            if let Some(taken) = file.taken() {
                taken.push(&mut scores);
            }
            let task = file.task();
            self.progress.scores(trial, task, &scores.with_remark());
            tasks.push((task.to_owned(), scores));
        }
        if !tasks.is_empty() {
            self.progress.time("evaluation", began.elapsed());
        }
        Ok((!tasks.is_empty()).then_some(TrialResults { tasks }))
    }

    /// The scores of a model during training, its loss included; `None` if the user stops the run.
    pub(super) fn score(
        &self,
        model: &Model,
        dev: &[Box<dyn TaskFile>],
    ) -> Result<Option<TrialResults>, tasks::Error> {
        let mut results = TrialResults::default();
        for (head, file) in dev.iter().enumerate() {
            match self.answers(model, head, file.as_ref(), true) {
                Ok(answers) => {
                    let mut scores = answers.scores()?;
                    // A scorer's loss may be averaged over words where the training loss is averaged over
                    // sentences.
                    if let Some(loss) = answers.loss() {
                        scores.put("loss", Figure::Value(loss));
                    }
                    results.tasks.push((file.task().to_owned(), scores));
                }
                Err(tasks::Error::Predict(predict::Error::Ended { .. })) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(results))
    }

    /// The provenance of a trial's scores; `checkpoint` is its model's folder.
    pub(super) fn origin(&self, checkpoint: &Path, trial: usize) -> Origin {
        let config = self.config;
        Origin {
            device: self.device_name.clone(),
            precision: self.arithmetic.word().to_owned(),
            seed: config.do_train.then(|| config.trial_seed(trial)),
            settings: config.non_defaults(),
            ..Origin::of_command(checkpoint)
        }
    }

    /// Stores the threshold that is best on the dev file with the model in `folder`, if the run is to. The
    /// run's scores remain those of its own settings. A failure is reported but does not end the run.
    pub(super) fn calibrate(
        &self,
        folder: &Path,
        dev: &[Box<dyn TaskFile>],
        scores: &TrialResults,
    ) {
        if !self.config.calibrate {
            return;
        }
        for (file, (task, scores)) in dev.iter().zip(&scores.tasks) {
            match file.calibrate(folder, scores) {
                None => {}
                Some(Ok(line)) => self.progress.note(&format!("{task}: {line}")),
                Some(Err(error)) => log::warn!(
                    "{task}: the model keeps its threshold: {}",
                    one_line(&error)
                ),
            }
        }
    }

    fn answers<'a>(
        &'a self,
        model: &'a Model,
        head: usize,
        file: &'a dyn TaskFile,
        losses: bool,
    ) -> Result<Box<dyn Answers + 'a>, tasks::Error> {
        let bar = self.progress.windows(file.feature_count(), file.rows_are());
        let by = Answerer {
            model,
            head,
            tokenizer: self.tokenizer,
            config: self.config,
            device: self.device,
            at_once: self.answered_at_once(),
            losses,
        };
        let answers = file.answer(&by, &mut |done| {
            bar.set_position(done as u64);
            match self.stop.is_asked() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        bar.finish_and_clear();
        answers
    }

    fn answer<'a>(
        &'a self,
        model: &'a Model,
        trial: usize,
        head: usize,
        file: &'a dyn TaskFile,
    ) -> Result<Box<dyn Answers + 'a>, Error> {
        match self.answers(model, head, file, false) {
            Err(tasks::Error::Predict(predict::Error::Ended { done, windows })) => {
                let rows = file.rows_are();
                let file = file.path().display();
                let place = format!("after {done} of {windows} {rows} of {file}");
                Err(self.stopped(trial, &place, "answers them again"))
            }
            answers => Ok(answers?),
        }
    }

    /// Answers to the test files, in the format that leaderboards accept.
    pub(super) fn write_test_outputs(
        &self,
        model: &Model,
        trial: usize,
        test: &[(usize, Box<dyn TaskFile>)],
    ) -> Result<(), Error> {
        if trial > self.config.n_writes_test {
            return Ok(());
        }
        for (head, file) in test {
            let answers = self.answer(model, trial, *head, file.as_ref())?;
            answers.write_test_outputs(trial)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::qa;

    #[test]
    fn a_file_that_cannot_be_marked_is_named_once() {
        let file = Path::new("data/dev.json");
        let mute = qa::error::Error::NoAnswers {
            file: "data/dev.json".to_owned(),
        };
        for source in [mute, qa::error::Error::NoQuestions] {
            let (file, source) = (file.to_owned(), source.into());
            let told = Error::CannotMark { file, source }.to_string();
            assert_eq!(told.matches("data/dev.json").count(), 1, "{told}");
            assert!(told.starts_with("data/dev.json: "), "{told}");
            assert!(told.ends_with("or set do_eval=false"), "{told}");
        }
    }
}
