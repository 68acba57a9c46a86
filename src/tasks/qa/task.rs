//! Question answering as a run asks for it.

use std::path::PathBuf;

use checkpoints_convert::HeadShape;

use super::{
    answers::provenance::Provenance,
    evaluate::TaskData,
    no_answer::{
        threshold::signed,
        threshold_effect::{THRESHOLD, ThresholdEffect},
    },
    question_answers::test_predictions,
    scorers::{metric::Metric, shown},
    span_head::SpanHeadConfig,
};
use crate::{
    config::{Config, Paths},
    data::split::Split,
    eval::figures::{Figure, Scores},
    tasks::{
        error::Error,
        head::HeadConfig,
        task::{ResultFile, Task, TaskFile},
    },
    text::tokenizer::Tokenizer,
};

/// A task of questions on passages.
pub struct QuestionAnswering<'a> {
    name: &'a str,
    metric: Metric,
}

impl<'a> QuestionAnswering<'a> {
    pub fn new(name: &'a str) -> Self {
        Self {
            name,
            metric: Metric::of_task(name),
        }
    }
}

impl Task for QuestionAnswering<'_> {
    fn result_files(&self, paths: Paths<'_>) -> Vec<ResultFile> {
        let result = |name, path| ResultFile {
            name,
            path,
            is_record: false,
        };
        let predictions = paths.qa_preds(self.name);
        let record = ResultFile {
            name: "the provenance record",
            path: Provenance::path(&predictions),
            is_record: true,
        };
        let mut files = vec![
            result("qa_preds_file", predictions),
            result("the n-best lists", paths.qa_nbest(self.name)),
        ];
        if self.metric == Metric::Squad2 {
            files.push(result("qa_na_file", paths.qa_null_odds(self.name)));
            files.push(result("qa_eval_file", paths.qa_eval(self.name)));
        }
        files.push(record);
        files
    }

    fn data_files(&self, config: &Config, split: Split) -> Vec<PathBuf> {
        vec![config.paths().task_data(self.name, split.name())]
    }

    /// As in the reference: of its question answering tasks, SQuAD 2.0 has a leaderboard.
    fn test_outputs(&self, paths: Paths<'_>, trial: usize) -> Vec<PathBuf> {
        match self.metric {
            Metric::Squad2 => vec![test_predictions(paths, self.name, trial)],
            Metric::Squad1 | Metric::Mrqa => Vec::new(),
        }
    }

    fn head(&self, config: &Config, _: Option<&HeadShape>) -> Result<HeadConfig, Error> {
        Ok(HeadConfig::Span(SpanHeadConfig::of(config)))
    }

    fn read(
        &self,
        split: Split,
        _: Option<&str>,
        _: &HeadConfig,
        tokenizer: &Tokenizer,
        config: &Config,
    ) -> Result<Box<dyn TaskFile>, Error> {
        let file = config.paths().task_data(self.name, split.name());
        Ok(Box::new(TaskData::read(
            self.name, &file, split, tokenizer, config,
        )?))
    }

    fn results_line(&self, scores: &Scores) -> String {
        scores.sorted_line()
    }

    fn shown(&self, scores: &Scores, key: &str, figure: Figure) -> String {
        shown::shown(scores, key, figure)
    }

    /// By which metric and threshold the task was marked, and what its threshold keeps from being
    /// seen.
    fn remarks(&self, scores: &Scores, config: &Config) -> Vec<String> {
        let (task, metric) = (self.name, self.metric);
        let effect = ThresholdEffect::of(scores);
        let mut lines = vec![match metric {
            Metric::Squad2 => format!(
                "{task}: metric {metric}, {THRESHOLD} {}",
                signed(
                    effect
                        .as_ref()
                        .map_or(config.qa_na_threshold, |effect| effect.threshold)
                )
            ),
            Metric::Squad1 | Metric::Mrqa => format!("{task}: metric {metric}"),
        }];
        lines.extend(effect.and_then(|effect| effect.advice(THRESHOLD)));
        lines
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{eval::results::TrialResults, tasks::kind::remarks};

    #[test]
    fn every_task_is_told_once_with_its_metric_and_threshold() {
        let mut scores = Scores::default();
        scores.push("f1", Figure::Value(50.0));
        let trial = TrialResults {
            tasks: ["squad", "newsqa"]
                .map(|task| (task.to_owned(), scores.clone()))
                .into(),
        };
        let folder = tempfile::tempdir().unwrap();
        let given = json!({"task_names": ["squad"], "qa_na_threshold": -2.75});
        let config = Config::resolve(folder.path(), "m", given.as_object().unwrap());
        let config = config.unwrap().0;
        assert_eq!(
            remarks(&[trial.clone(), trial], &config),
            [
                "squad: metric squad2, qa_na_threshold −2.75",
                "newsqa: metric mrqa",
            ]
        );
        let json = serde_json::to_string(&scores.with_remark()).unwrap();
        assert_eq!(json, r#"{"f1":50.0}"#);
    }
}
