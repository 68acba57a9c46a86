//! Evaluates a model on one task's file: windows → outputs → answers → metrics.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use burn::tensor::Device;

use super::{
    answers::{
        answer_map::{answers, null_odds},
        candidate::NbestOptions,
        nbest::{self, QuestionPrediction},
    },
    beam::{self, WindowOutput},
    dev_target::{self, DevTarget},
    predict,
    scorers::{
        gold::{check_markable, gold},
        metric::Metric,
        squad1, squad2,
    },
};
use crate::{
    batch::{Batch, FeatureSet},
    config::Config,
    data::{existing_file::existing, split::Split},
    eval::{figures::Scores, taken::Taken},
    model::ModelInput,
    tasks::{
        self,
        error::Error,
        loss::mean_loss,
        model::Model,
        qa::{
            error::Error as QaError,
            example::Examples,
            feature::{Feature, FeatureOptions, featurize},
            raw::question_set::QuestionSet,
            reader::{ReadOptions, family_of},
            token_counts::TokenCounts,
        },
    },
    text::tokenizer::Tokenizer,
};

/// A featurised file of one task.
#[derive(Debug, Clone)]
pub struct TaskData {
    pub task: String,
    /// The file that was read, which may be an archive.
    pub file: PathBuf,
    /// The file as it was read, with its gold answers; `None` for a training file, which is never
    /// scored.
    pub questions: Option<Arc<QuestionSet>>,
    /// How many of the file's questions these are, if not all.
    pub taken: Option<Taken>,
    pub examples: Examples,
    pub features: Vec<Feature>,
    /// Target of each feature, for a dev file that is scored between steps.
    pub targets: Option<Vec<Option<DevTarget>>>,
    /// How much of the text the vocabulary knows.
    pub tokens: TokenCounts,
}

impl TaskData {
    /// Reads and featurises `file` as the `split` of `task`; warns if the vocabulary does not suit
    /// the text.
    pub fn read(
        task: &str,
        file: &Path,
        split: Split,
        tokenizer: &Tokenizer,
        config: &Config,
    ) -> Result<Self, QaError> {
        let mut questions = QuestionSet::read(file, Some(family_of(task)?))?;
        let taken = questions.keep_first(config.most_examples(split));
        let mut examples = questions.examples(ReadOptions { task, split })?;
        let is_between = config.do_train && config.eval_every.is_some() && split == Split::Dev;
        let kept = is_between.then(|| dev_target::teach(&questions, task, &mut examples));
        let options = FeatureOptions {
            max_seq_length: config.max_seq_length,
            doc_stride: config.doc_stride,
            max_query_length: config.max_query_length,
            split: if is_between { Split::Train } else { split },
        };
        let mut features = featurize(&examples, tokenizer, &options)?;
        let targets = kept.map(|kept| dev_target::take(&mut features, &mut examples, &kept));
        let tokens = TokenCounts::of(&features, tokenizer.vocab().unk_id());
        log::info!("{}: {tokens}", file.display());
        if let Some(warning) = tokens.warning() {
            log::warn!("{}: {warning}", file.display());
        }
        Ok(Self {
            task: task.into(),
            file: existing(file),
            questions: (split != Split::Train).then(|| Arc::new(questions)),
            taken,
            examples,
            features,
            targets,
            tokens,
        })
    }

    /// Returns at most the first `most` questions of a dev file.
    pub fn first(&self, most: usize, tokenizer: &Tokenizer) -> Self {
        let all = &self.examples.examples;
        let mut questions = self.questions.as_deref().cloned();
        if let Some(questions) = &mut questions {
            questions.keep_first(Some(most));
        }
        let features = self.features.iter();
        let features: Vec<Feature> = features
            .take_while(|feature| feature.eid < most)
            .cloned()
            .collect();
        Self {
            task: self.task.clone(),
            file: self.file.clone(),
            questions: questions.map(Arc::new),
            taken: Taken::again(self.taken, most, all.len()),
            examples: Examples {
                passages: self.examples.passages.clone(),
                examples: all.iter().take(most).cloned().collect(),
                skipped: Vec::new(),
            },
            tokens: TokenCounts::of(&features, tokenizer.vocab().unk_id()),
            targets: self
                .targets
                .as_ref()
                .map(|targets| targets[..features.len()].to_vec()),
            features,
        }
    }

    /// Returns the number of questions with an answer to learn that no window contains whole.
    pub fn answers_in_no_window(&self) -> usize {
        let answered = self.features.chunk_by(|a, b| a.eid == b.eid);
        let answered = answered.filter(|windows| {
            let example = windows.first().map(|window| window.eid);
            let example = example.and_then(|eid| self.examples.examples.get(eid));
            example.is_some_and(|example| example.answer.is_some())
        });
        answered
            .filter(|windows| windows.iter().all(|window| window.start == 0))
            .count()
    }

    /// Checks that the task's metric can score every question, before a run computes anything.
    ///
    /// # Errors
    /// As for [`check_markable`].
    pub fn check_markable(&self) -> Result<(), QaError> {
        match &self.questions {
            Some(questions) => check_markable(questions, Metric::of_task(&self.task)),
            None => Err(QaError::NoQuestions),
        }
    }
}

/// Answers every question of `data`, in the order of its examples.
///
/// `head` is the task's index in the model's list; `progress` receives the number of finished
/// windows and returns whether to continue.
pub fn answer(
    model: &Model,
    head: usize,
    data: &TaskData,
    tokenizer: &Tokenizer,
    config: &Config,
    device: &Device,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Vec<QuestionPrediction>, Error> {
    let by = (model, head, device, config.predict_batch_size);
    Ok(answer_with_loss(by, data, &[], tokenizer, config, progress)?.0)
}

/// Same as [`answer`], and also returns the mean loss of the windows that have a target; `targets`
/// has one entry per window, or is empty.
///
/// # Errors
/// As for [`answer`].
pub(super) fn answer_with_loss(
    (model, head, device, batch_size): (&Model, usize, &Device, usize),
    data: &TaskData,
    targets: &[Option<DevTarget>],
    tokenizer: &Tokenizer,
    config: &Config,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<(Vec<QuestionPrediction>, Option<f64>), Error> {
    let set = FeatureSet::from(data.features.as_slice());
    let beam = config.beam_size;
    let (outputs, losses): (Vec<WindowOutput>, Vec<Option<f64>>) = match targets {
        [] => {
            let outputs = predict::predict(model, head, &set, batch_size, beam, device, progress)?;
            (outputs, Vec::new())
        }
        _ => {
            let compute = |input: &ModelInput, batch: &Batch| {
                let (features, of) = (&batch.features, |&place: &usize| targets[place]);
                let targets: Vec<_> = features.iter().map(of).collect();
                beam::predict_with_losses(model, head, input, features, beam, &targets)
            };
            let most = model.electra.most_tokens(device);
            let computed =
                tasks::predict::predict(&set, batch_size, most, device, compute, progress)?;
            computed.into_iter().unzip()
        }
    };
    let options = nbest_options(&data.task, config);
    let (examples, features) = (&data.examples, &data.features);
    let predictions = nbest::predict(examples, features, &outputs, tokenizer, &options)?;
    Ok((predictions, mean_loss(losses)))
}

/// Returns how a task's answers are chosen.
pub fn nbest_options(task: &str, config: &Config) -> NbestOptions {
    NbestOptions {
        n_best_size: config.n_best_size,
        max_answer_length: config.max_answer_length,
        joint_prediction: config.joint_prediction,
        answerable_classifier: config.answerable_classifier,
        v2: Metric::of_task(task) == Metric::Squad2,
    }
}

/// Scores answers with the task's official scorer.
pub fn mark(
    data: &TaskData,
    predictions: &[QuestionPrediction],
    config: &Config,
) -> Result<Scores, Error> {
    let texts = answers(predictions);
    let gold = data.questions.as_deref().map(gold).unwrap_or_default();
    let report = match Metric::of_task(&data.task) {
        Metric::Squad2 => {
            let odds = null_odds(predictions);
            let no_answer = squad2::NoAnswer {
                odds: &odds,
                threshold: config.qa_na_threshold,
                curves: false,
            };
            squad2::score(&gold, &texts, Some(no_answer))?
        }
        Metric::Squad1 => squad1::score(&gold, &texts)?,
        Metric::Mrqa => super::scorers::mrqa::score(&gold, &texts)?,
    };
    Ok(report.scores)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::vocab::Vocab;

    #[test]
    fn answers_that_windows_cut_are_counted() {
        let vocab = Vocab::parse("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\nc", "v").unwrap();
        let tokenizer = Tokenizer::new(vocab, true);
        let row = |id: &str, answer: &str, start: usize| {
            format!(
                r#"{{"id": "{id}", "context": "a b c a b c", "question": "a", "answers": {{"text": ["{answer}"], "answer_start": [{start}]}}}}"#
            )
        };
        let rows = [
            row("held", "c a", 4),
            row("cut", "a b c a b", 0),
            row("last", "c", 10),
        ];
        let file = QuestionSet::parse(rows.join("\n"), "train.json", None).unwrap();
        let split = Split::Train;
        let examples = file
            .examples(ReadOptions {
                task: "squad",
                split,
            })
            .unwrap();
        // Four tokens per window.
        let options = FeatureOptions {
            max_seq_length: 8,
            doc_stride: 2,
            max_query_length: 4,
            split,
        };
        let features = featurize(&examples, &tokenizer, &options).unwrap();
        let data = TaskData {
            task: "squad".to_owned(),
            file: "train.json".into(),
            questions: None,
            taken: None,
            targets: None,
            tokens: TokenCounts::of(&features, tokenizer.vocab().unk_id()),
            examples,
            features,
        };
        assert_eq!(data.answers_in_no_window(), 1);
        assert_eq!((data.tokens.tokens, data.tokens.unknown), (3 * 7, 0));
        // Only what is scored keeps its answers.
        assert!(data.check_markable().is_err());
    }
}
