//! The files of a run's results, as listed at its end.

use std::path::PathBuf;

use super::figures::Figures;
use crate::{
    config::{Config, of_trial},
    tasks::kind::task,
};

/// The model, results and test answers of a run, as far as they exist. Files of trials that it found finished
/// count as its own; files of another run beside them, such as a summary of more trials or an outdated page,
/// do not.
pub(super) fn left_files(figures: &Figures) -> Vec<PathBuf> {
    let (config, paths) = (figures.config, figures.config.paths());
    let mut files = Vec::new();
    if config.do_train {
        files.extend((1..=config.num_trials).map(|trial| paths.model_dir(trial).join("model.bpk")));
    }
    if config.do_eval {
        files.extend([paths.results_txt().to_owned(), paths.results_json()]);
        if figures.trials.len() > 1 {
            files.extend([paths.summary_txt(), paths.summary()]);
        }
        files.extend(figures.has_report.then(|| paths.report()));
        files.extend(of_last(config));
    }
    files.extend((1..=config.num_trials).flat_map(|trial| test_answers(config, trial)));
    files.retain(|file| file.exists());
    files
}

/// The files that every trial's evaluation overwrites: in the end they are the last trial's.
pub(super) fn of_last(config: &Config) -> Vec<PathBuf> {
    let tasks = config.task_names.iter();
    let files = tasks.flat_map(|name| task(name, config).result_files(config.paths()));
    let results = files.filter(|file| !file.is_record);
    results.map(|file| file.path).collect()
}

/// The files that an evaluation writes for one of several trials.
pub(super) fn of_one(config: &Config, trial: usize) -> Vec<PathBuf> {
    match config.num_trials {
        1 => Vec::new(),
        _ => of_last(config)
            .iter()
            .map(|path| of_trial(path, trial))
            .collect(),
    }
}

/// Paths of a trial's answers to the test files, for tasks with a leaderboard.
pub(super) fn test_answers(config: &Config, trial: usize) -> Vec<PathBuf> {
    if !config.write_test_outputs || trial > config.n_writes_test {
        return Vec::new();
    }
    let tasks = config.task_names.iter();
    tasks
        .flat_map(|name| task(name, config).test_outputs(config.paths(), trial))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use serde_json::json;

    use super::*;
    use crate::{eval::results::TrialResults, finetune::report::RunReport};

    /// The names that a run with `trials` trials lists if every file that any run writes exists.
    fn listed(folder: &Path, trials: usize, has_report: bool) -> Vec<String> {
        let given = json!({
            "task_names": ["squad", "newsqa"], "num_trials": trials, "write_test_outputs": true,
            "n_writes_test": 1,
        });
        let config = Config::resolve(folder, "m", given.as_object().unwrap());
        let config = config.unwrap().0;
        let figures = Figures {
            config: &config,
            dev: &[],
            report: RunReport::default(),
            has_report,
            is_written: false,
            trials: (1..=trials)
                .map(|trial| (trial, TrialResults::default()))
                .collect(),
        };
        let names = left_files(&figures).into_iter();
        names
            .map(|file| file.file_name().unwrap().to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn what_another_run_has_left_is_not_listed() {
        let folder = tempfile::tempdir().unwrap();
        let models = folder.path().join("models/m");
        for file in [
            "finetuning_models/squad,newsqa_model_1/model.bpk",
            "finetuning_models/squad,newsqa_model_2/model.bpk",
            "results/squad,newsqa_results.json",
            "results/squad,newsqa_summary.txt",
            "results/squad,newsqa_summary.json",
            "results/squad,newsqa_report.html",
            "results/squad,newsqa_qa/squad_preds.json",
            "results/squad,newsqa_qa/squad_eval.json",
            "results/squad,newsqa_qa/newsqa_eval.json",
            "test_predictions/squad_test_1_predictions.json",
            "test_predictions/squad_test_2_predictions.json",
        ] {
            let file = models.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        assert_eq!(
            listed(folder.path(), 1, false),
            [
                "model.bpk",
                "squad,newsqa_results.json",
                "squad_preds.json",
                "squad_eval.json",
                "squad_test_1_predictions.json",
            ]
        );
        assert_eq!(
            listed(folder.path(), 2, true),
            [
                "model.bpk",
                "model.bpk",
                "squad,newsqa_results.json",
                "squad,newsqa_summary.txt",
                "squad,newsqa_summary.json",
                "squad,newsqa_report.html",
                "squad_preds.json",
                "squad_eval.json",
                "squad_test_1_predictions.json",
            ]
        );
    }
}
