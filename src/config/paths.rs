//! The files and folders of a run, in the same places as in the reference.
//!
//! Reproduces the paths of `configure_finetuning.py` and the data file names of `qa_tasks.py`.
//! Hyper-parameters such as `model_dir` override them. A `{}` or `{:}` in such a path is replaced
//! by the task (in `test_predictions`: task, split, trial); a path without one is used unchanged.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::table::Config;
use crate::tasks::registry;

/// The files of the run that a configuration describes.
#[derive(Debug, Clone, Copy)]
pub struct Paths<'a> {
    pub(super) config: &'a Config,
}

impl Config {
    /// Returns the files of this run.
    pub fn paths(&self) -> Paths<'_> {
        Paths { config: self }
    }

    /// Returns the names of the tasks, joined by commas, as used in names of folders and files.
    pub fn task_label(&self) -> String {
        self.task_names.join(",")
    }

    /// Puts the results into `folder`, with the reference's names; `given` paths are kept.
    pub fn put_results_into(&mut self, folder: &Path, given: &Map<String, Value>) {
        let tasks = self.task_label();
        let answers = folder.join(format!("{tasks}_qa"));
        let tests = folder.join("test_predictions");
        for (key, path, value) in [
            (
                "results_txt",
                &mut self.results_txt,
                folder.join(format!("{tasks}_results.txt")),
            ),
            (
                "qa_eval_file",
                &mut self.qa_eval_file,
                answers.join("{:}_eval.json"),
            ),
            (
                "qa_preds_file",
                &mut self.qa_preds_file,
                answers.join("{:}_preds.json"),
            ),
            (
                "qa_na_file",
                &mut self.qa_na_file,
                answers.join("{:}_null_odds.json"),
            ),
            (
                "test_predictions",
                &mut self.test_predictions,
                tests.join("{:}_{:}_{:}_predictions.json"),
            ),
        ] {
            if !given.contains_key(key) {
                *path = value;
            }
        }
    }

    /// Returns the seed of `trial`, which counts from 1.
    pub fn trial_seed(&self, trial: usize) -> u64 {
        self.seed.wrapping_add(trial.saturating_sub(1) as u64)
    }
}

impl Paths<'_> {
    /// Returns the folder of the pre-trained model: `D/models/M`.
    pub fn pretrained_model(&self) -> PathBuf {
        self.config
            .data_dir
            .join("models")
            .join(&self.config.model_name)
    }

    /// Returns the vocabulary: `D/models/M/vocab.txt`, or `D/vocab.txt` if that does not exist.
    pub fn vocab_file(&self) -> &Path {
        &self.config.vocab_file
    }

    /// Returns the folder of a task's data: `D/finetuning_data/<task>`.
    pub fn task_folder(&self, task: &str) -> PathBuf {
        fill(&self.config.raw_data_dir, &[task])
    }

    /// Returns a task's data file: `D/finetuning_data/<task>/<split>.json`, with the extension of
    /// the task's kind, and `<split>-debug` in debug mode.
    pub fn task_data(&self, task: &str, split: &str) -> PathBuf {
        let debug = if self.config.debug { "-debug" } else { "" };
        let extension = registry::find(task).map_or("json", |task| task.kind.extension());
        self.task_folder(task)
            .join(format!("{split}{debug}.{extension}"))
    }

    /// Returns the folder of the model that `trial` (from 1) produces:
    /// `…/finetuning_models/T_model_<trial>`.
    pub fn model_dir(&self, trial: usize) -> PathBuf {
        let mut name = self.config.model_dir.clone().into_os_string();
        name.push(format!("_{trial}"));
        name.into()
    }

    /// Returns `results/T_results.txt`, which has one line per trial and task.
    pub fn results_txt(&self) -> &Path {
        &self.config.results_txt
    }

    /// Returns `results/T_results.json`, beside the text.
    pub fn results_json(&self) -> PathBuf {
        self.config.results_txt.with_extension("json")
    }

    /// Returns `results/T_report.html`, beside the results.
    pub fn report(&self) -> PathBuf {
        let name = format!("{}_report.html", self.config.task_label());
        self.config.results_txt.with_file_name(name)
    }

    /// Returns `results/T_summary.json`, beside the results: mean and standard deviation over
    /// trials.
    pub fn summary(&self) -> PathBuf {
        let name = format!("{}_summary.json", self.config.task_label());
        self.config.results_txt.with_file_name(name)
    }

    /// Returns `results/T_summary.txt`: the same, with one line per task.
    pub fn summary_txt(&self) -> PathBuf {
        self.summary().with_extension("txt")
    }

    /// Returns `<model_dir>_trials.json`, beside the model folders: which trials are finished.
    pub fn trials(&self) -> PathBuf {
        let mut name = self.config.model_dir.clone().into_os_string();
        name.push("_trials.json");
        name.into()
    }

    /// Returns `results/T_predictions/<task>_<split>.jsonl`, beside the results: the prediction for
    /// each example, in order.
    pub fn predictions(&self, task: &str, split: &str) -> PathBuf {
        let folder = format!("{}_predictions", self.config.task_label());
        let folder = self.config.results_txt.with_file_name(folder);
        folder.join(format!("{task}_{split}.jsonl"))
    }

    /// Returns `test_predictions/<task>_<split>_<trial>_predictions.json`; trials count from 1.
    pub fn test_predictions(&self, task: &str, split: &str, trial: usize) -> PathBuf {
        let trial = trial.to_string();
        fill(&self.config.test_predictions, &[task, split, &trial])
    }
}

impl Paths<'_> {
    /// Returns `test_predictions/<site>_<trial>/<file>`: a trial's answers in a leaderboard's
    /// format.
    pub fn submission(&self, site: &str, trial: usize, file: &str) -> PathBuf {
        let folder = self
            .config
            .test_predictions
            .with_file_name(format!("{site}_{trial}"));
        folder.join(file)
    }
}

/// Returns a result file of a single trial, beside that of the last: `…/<task>_preds_<trial>.json`.
pub fn of_trial(path: &Path, trial: usize) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("_{trial}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// Puts `values` into the last placeholders of `path`, so that a brace in the name of the data
/// folder, which comes before them, is left alone.
pub(super) fn fill(path: &Path, values: &[&str]) -> PathBuf {
    let mut values = values.iter().rev();
    let mut parts: Vec<_> = path
        .components()
        .map(|part| part.as_os_str().to_owned())
        .collect();
    for part in parts.iter_mut().rev() {
        if values.len() == 0 {
            break;
        }
        // A component that is not Unicode cannot come from JSON and holds no placeholder.
        let Some(text) = part.to_str() else { continue };
        let mut text = text.replace("{:}", "{}");
        while let Some(at) = text.rfind("{}") {
            let Some(value) = values.next() else { break };
            text.replace_range(at..at + 2, value);
        }
        *part = text.into();
    }
    parts.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn config(data_dir: &str, given: Value) -> Config {
        let given = given.as_object().unwrap();
        Config::resolve(Path::new(data_dir), "m", given).unwrap().0
    }

    #[test]
    fn files_lie_where_the_reference_has_them() {
        let config = config("d", json!({"task_names": ["squad", "newsqa"]}));
        let paths = config.paths();
        for (found, expected) in [
            (paths.pretrained_model(), "d/models/m"),
            (paths.vocab_file().into(), "d/vocab.txt"),
            (
                paths.task_data("squad", "train"),
                "d/finetuning_data/squad/train.json",
            ),
            (
                paths.task_data("squadv1", "dev"),
                "d/finetuning_data/squadv1/dev.json",
            ),
            (
                paths.task_data("newsqa", "test"),
                "d/finetuning_data/newsqa/test.jsonl",
            ),
            (
                paths.model_dir(3),
                "d/models/m/finetuning_models/squad,newsqa_model_3",
            ),
            (
                paths.results_txt().into(),
                "d/models/m/results/squad,newsqa_results.txt",
            ),
            (
                paths.results_json(),
                "d/models/m/results/squad,newsqa_results.json",
            ),
            (
                paths.report(),
                "d/models/m/results/squad,newsqa_report.html",
            ),
            (
                paths.qa_preds("squad"),
                "d/models/m/results/squad,newsqa_qa/squad_preds.json",
            ),
            (
                paths.qa_null_odds("squad"),
                "d/models/m/results/squad,newsqa_qa/squad_null_odds.json",
            ),
            (
                paths.qa_eval("squad"),
                "d/models/m/results/squad,newsqa_qa/squad_eval.json",
            ),
            (
                paths.qa_nbest("newsqa"),
                "d/models/m/results/squad,newsqa_qa/newsqa_nbest.json",
            ),
            (
                of_trial(&paths.qa_preds("squad"), 2),
                "d/models/m/results/squad,newsqa_qa/squad_preds_2.json",
            ),
            (
                paths.summary(),
                "d/models/m/results/squad,newsqa_summary.json",
            ),
            (
                paths.trials(),
                "d/models/m/finetuning_models/squad,newsqa_model_trials.json",
            ),
            (
                paths.test_predictions("squad", "dev", 2),
                "d/models/m/test_predictions/squad_dev_2_predictions.json",
            ),
        ] {
            assert_eq!(found, Path::new(expected));
        }
    }

    #[test]
    fn the_model_s_own_vocabulary_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().to_str().unwrap();
        let given = json!({"task_names": ["squad"]});
        let shared = folder.path().join("vocab.txt");
        assert_eq!(config(data_dir, given.clone()).paths().vocab_file(), shared);
        let own = folder.path().join("models").join("m").join("vocab.txt");
        std::fs::create_dir_all(own.parent().unwrap()).unwrap();
        std::fs::write(&own, "[PAD]\n").unwrap();
        assert_eq!(config(data_dir, given).paths().vocab_file(), own);
    }

    #[test]
    fn debug_mode_reads_small_files() {
        let config = config(
            "d",
            json!({"task_names": ["squad", "newsqa"], "debug": true}),
        );
        assert_eq!(
            config.paths().task_data("squad", "dev"),
            Path::new("d/finetuning_data/squad/dev-debug.json")
        );
        assert_eq!(
            config.paths().task_data("newsqa", "train"),
            Path::new("d/finetuning_data/newsqa/train-debug.jsonl")
        );
    }

    #[test]
    fn given_paths_win() {
        let config = config(
            "d",
            json!({
                "task_names": ["squad"], "model_dir": "out/run", "results_txt": "out/r.txt",
                "qa_preds_file": "out/{:}/p.json", "qa_na_file": "out/na.json",
                "raw_data_dir": "raw/{}", "vocab_file": "v.txt",
                "test_predictions": "{}/{:}/{}.json",
            }),
        );
        let paths = config.paths();
        for (found, expected) in [
            (paths.model_dir(1), "out/run_1"),
            (paths.results_json(), "out/r.json"),
            (paths.report(), "out/squad_report.html"),
            (paths.qa_preds("squad"), "out/squad/p.json"),
            (paths.qa_nbest("squad"), "out/squad/squad_nbest.json"),
            (paths.qa_null_odds("squad"), "out/na.json"),
            (paths.task_data("squad", "train"), "raw/squad/train.json"),
            (paths.vocab_file().into(), "v.txt"),
            (
                paths.test_predictions("squad", "test", 4),
                "squad/test/4.json",
            ),
        ] {
            assert_eq!(found, Path::new(expected));
        }
    }

    #[test]
    fn braces_in_the_data_folder_mean_nothing() {
        let config = config("a{}{:}b", json!({"task_names": ["squad"]}));
        assert_eq!(
            config.paths().task_data("squad", "dev"),
            Path::new("a{}{:}b/finetuning_data/squad/dev.json")
        );
    }

    #[test]
    fn trials_count_from_the_seed() {
        let config = config("d", json!({"task_names": ["squad"], "seed": 7}));
        assert_eq!((config.trial_seed(1), config.trial_seed(3)), (7, 9));
    }
}
