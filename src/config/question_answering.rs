//! The question-answering part of a configuration: the ranges of its keys, the parts of the head
//! that a checkpoint has, and the files of answers.

use std::path::PathBuf;

use checkpoints_convert::HeadShape;
use serde_json::{Map, Value};

use super::{
    checkpoint_facts::CheckpointFacts,
    error::Error,
    paths::{Paths, fill},
    table::Config,
};
use crate::tasks::registry::{self, Kind};

/// Returns the keys that must be at least 1.
pub(super) fn at_least_1(config: &Config) -> [(&'static str, u64); 5] {
    [
        ("max_query_length", config.max_query_length as u64),
        ("doc_stride", config.doc_stride as u64),
        ("n_best_size", config.n_best_size as u64),
        ("max_answer_length", config.max_answer_length as u64),
        ("beam_size", config.beam_size as u64),
    ]
}

/// Warns about windows that a question may fill completely.
pub(super) fn no_room(config: &Config) -> Option<String> {
    let mut tasks = config
        .task_names
        .iter()
        .filter_map(|task| registry::find(task));
    let asks = tasks.any(|task| matches!(task.kind, Kind::Questions(_)));
    let (length, question) = (config.max_seq_length, config.max_query_length);
    (asks && length < question.saturating_add(4)).then(|| {
        format!(
            "max_seq_length = {length} leaves no room for a passage beside a question of \
             max_query_length = {question} tokens"
        )
    })
}

impl CheckpointFacts {
    /// Applies the parts of the head that the checkpoint has for the task, whether it is trained
    /// further or only evaluated: another form would not fit its tensors, or would silently drop
    /// some.
    pub(super) fn apply_head(
        &self,
        config: &mut Config,
        given: &Map<String, Value>,
    ) -> Result<(), Error> {
        let heads = &self.record.heads;
        let head = config
            .task_names
            .iter()
            .find_map(|task| match heads.get(task)? {
                HeadShape::Span(head) => Some((task.clone(), head)),
                HeadShape::Dense(_) => None,
            });
        let Some((task, head)) = head else {
            return Ok(());
        };
        for (key, told, own) in [
            (
                "joint_prediction",
                head.joint_prediction,
                &mut config.joint_prediction,
            ),
            (
                "answerable_classifier",
                head.answerable_classifier,
                &mut config.answerable_classifier,
            ),
            (
                "answerable_uses_start_logits",
                head.answerable_uses_start_logits,
                &mut config.answerable_uses_start_logits,
            ),
        ] {
            if !given.contains_key(key) {
                *own = told;
            } else if *own != told
                // An option of the classifier has no effect without a classifier.
                && (key != "answerable_uses_start_logits" || head.answerable_classifier)
            {
                return Err(self.contradiction(
                    key,
                    *own,
                    &format!("heads.{task}.{key}"),
                    &told.into(),
                ));
            }
        }
        Ok(())
    }
}

impl Paths<'_> {
    /// Returns `results/T_qa/<task>_preds.json`.
    pub fn qa_preds(&self, task: &str) -> PathBuf {
        fill(&self.config.qa_preds_file, &[task])
    }

    /// Returns `results/T_qa/<task>_null_odds.json`.
    pub fn qa_null_odds(&self, task: &str) -> PathBuf {
        fill(&self.config.qa_na_file, &[task])
    }

    /// Returns `results/T_qa/<task>_eval.json`.
    pub fn qa_eval(&self, task: &str) -> PathBuf {
        fill(&self.config.qa_eval_file, &[task])
    }

    /// Returns `results/T_qa/<task>_nbest.json`, beside the answers.
    pub fn qa_nbest(&self, task: &str) -> PathBuf {
        self.qa_preds(task)
            .with_file_name(format!("{task}_nbest.json"))
    }
}
