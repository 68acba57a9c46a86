//! Answers and figures → the result files of a run.
//!
//! The files and their layout are the reference's (`T_results.txt`, `T_qa/<task>_preds.json`, …,
//! where T names the run's tasks), with the n-best lists and a JSON form of the results beside
//! them. If there are several trials, those names hold the last one's, and every trial has its own
//! beside them: `T_qa/<task>_preds_<trial>.json`, ….

use std::path::{Path, PathBuf};

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{
    error::Error,
    figures::Scores,
    json_file::{write_json, write_text},
    summary::Summary,
};
use crate::{
    config::{Config, Paths, of_trial},
    tasks::qa::{
        answers::{
            answer_files::AnswerFiles,
            nbest::{NbestEntry, QuestionPrediction},
            provenance::Origin,
            question_map::QuestionMap,
        },
        no_answer::threshold_advice::WithAdvice,
        scorers::score::Metric,
    },
};

/// The figures of one trial: each task in turn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrialResults {
    pub tasks: Vec<(String, Scores)>,
}

impl Serialize for TrialResults {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.tasks.len()))?;
        for (task, scores) in &self.tasks {
            map.serialize_entry(task, &WithAdvice(scores))?;
        }
        map.end()
    }
}

/// The text of `T_results.txt`: a line for each trial and task, trials one after the other.
pub fn results_text(trials: &[TrialResults]) -> String {
    trials
        .iter()
        .flat_map(|trial| &trial.tasks)
        .map(|(task, scores)| format!("{task}: {}\n", scores.line()))
        .collect()
}

/// The predictions as files hold them: question id → answer.
pub fn answers(predictions: &[QuestionPrediction]) -> QuestionMap<String> {
    predictions
        .iter()
        .map(|prediction| (prediction.qas_id.clone(), prediction.text.clone()))
        .collect()
}

/// The null odds as files hold them: question id → score; empty unless the task has unanswerable
/// questions.
pub fn null_odds(predictions: &[QuestionPrediction]) -> QuestionMap<f64> {
    predictions
        .iter()
        .filter_map(|prediction| Some((prediction.qas_id.clone(), prediction.null_odds?)))
        .collect()
}

/// The n-best lists as files hold them: question id → entries, best first.
pub fn nbest(predictions: &[QuestionPrediction]) -> QuestionMap<&[NbestEntry]> {
    predictions
        .iter()
        .map(|prediction| (prediction.qas_id.clone(), prediction.nbest.as_slice()))
        .collect()
}

/// What is handed in for a test set: the answers, empty where the null odds exceed `threshold`.
pub fn test_outputs(predictions: &[QuestionPrediction], threshold: f64) -> QuestionMap<String> {
    predictions
        .iter()
        .map(|prediction| {
            let unanswered = prediction.null_odds.is_some_and(|odds| odds > threshold);
            let text = if unanswered { "" } else { &prediction.text };
            (prediction.qas_id.clone(), text.to_owned())
        })
        .collect()
}

/// The result files of a run, where its configuration has them.
#[derive(Debug, Clone, Copy)]
pub struct ResultFiles<'a> {
    config: &'a Config,
    paths: Paths<'a>,
    /// Whether each trial has files of its own.
    several: bool,
}

impl<'a> ResultFiles<'a> {
    pub fn new(config: &'a Config) -> Self {
        ResultFiles {
            config,
            paths: config.paths(),
            several: config.num_trials > 1,
        }
    }

    /// What an evaluation writes of these tasks under the reference's names.
    pub fn of_last(&self, tasks: &[String]) -> Vec<PathBuf> {
        let files = tasks.iter().flat_map(|task| {
            let squad2 = Metric::of_task(task) == Metric::Squad2;
            let v2 = squad2.then(|| [self.paths.qa_null_odds(task), self.paths.qa_eval(task)]);
            [self.paths.qa_preds(task), self.paths.qa_nbest(task)]
                .into_iter()
                .chain(v2.into_iter().flatten())
        });
        files.collect()
    }

    /// What the evaluation of one of several trials writes of these tasks for that trial alone.
    pub fn of_trial(&self, tasks: &[String], trial: usize) -> Vec<PathBuf> {
        let files = self.of_last(tasks).into_iter().filter(|_| self.several);
        files.map(|path| of_trial(&path, trial)).collect()
    }

    /// Writes a file of a trial: under the trial's own name, then as the last.
    fn write(&self, path: &Path, trial: usize, value: &impl Serialize) -> Result<(), Error> {
        if self.several {
            write_json(&of_trial(path, trial), value)?;
        }
        write_json(path, value)
    }

    /// Writes what was predicted for a task's `data`: answers, n-best lists, where the task has
    /// unanswerable questions null odds, and where they come from.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_predictions(
        &self,
        task: &str,
        trial: usize,
        predictions: &[QuestionPrediction],
        data: &Path,
        origin: &Origin,
    ) -> Result<(), Error> {
        let last = AnswerFiles {
            predictions: self.paths.qa_preds(task),
            nbest: self.paths.qa_nbest(task),
            null_odds: self.paths.qa_null_odds(task),
        };
        let own = self.several.then(|| last.of_trial(trial));
        for files in own.into_iter().chain([last]) {
            let metric = Some(Metric::of_task(task));
            let threshold = self.config.qa_na_threshold;
            files.write(predictions, data, metric, threshold, origin)?;
        }
        Ok(())
    }

    /// Writes the figures of the SQuAD 2.0 scorer as it writes them itself.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_eval(&self, task: &str, trial: usize, scores: &Scores) -> Result<(), Error> {
        self.write(&self.paths.qa_eval(task), trial, scores)
    }

    /// Writes the figures of all trials so far, and of several their mean and standard deviation.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_results(&self, trials: &[TrialResults]) -> Result<(), Error> {
        write_text(self.paths.results_txt(), &results_text(trials))?;
        write_json(&self.paths.results_json(), &trials)?;
        match Summary::of(trials) {
            Some(summary) => {
                write_text(&self.paths.summary_txt(), &summary.text())?;
                write_json(&self.paths.summary(), &summary)
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::eval::figures::Figure;

    fn prediction(id: &str, text: &str, null_odds: Option<f64>) -> QuestionPrediction {
        QuestionPrediction {
            qas_id: id.to_owned(),
            nbest: vec![NbestEntry {
                text: text.to_owned(),
                probability: 1.0,
                start_logit: -0.5,
                end_logit: -0.25,
                place: None,
            }],
            text: text.to_owned(),
            place: None,
            null_odds,
        }
    }

    fn trial(exact: f64) -> TrialResults {
        let mut scores = Scores::default();
        scores.push("exact", Figure::Value(exact));
        scores.push("total", Figure::Count(3));
        scores.push("HasAns_f1", Figure::Value(exact / 2.0));
        TrialResults {
            tasks: vec![
                ("squad".to_owned(), scores.clone()),
                ("newsqa".to_owned(), scores),
            ],
        }
    }

    #[test]
    fn results_have_a_line_for_each_trial_and_task() {
        assert_eq!(
            results_text(&[trial(50.0), trial(200.0 / 3.0)]),
            "squad: HasAns_f1: 25.00 - exact: 50.00 - total: 3.00\n\
             newsqa: HasAns_f1: 25.00 - exact: 50.00 - total: 3.00\n\
             squad: HasAns_f1: 33.33 - exact: 66.67 - total: 3.00\n\
             newsqa: HasAns_f1: 33.33 - exact: 66.67 - total: 3.00\n"
        );
    }

    #[test]
    fn test_outputs_keep_what_does_not_exceed_the_threshold() {
        let predictions = [
            prediction("a", "oak", Some(-2.75)),
            prediction("b", "elm", Some(-2.74)),
            prediction("c", "ash", None),
        ];
        let outputs = test_outputs(&predictions, -2.75);
        let outputs: Vec<_> = outputs
            .iter()
            .map(|(id, text)| (id, text.as_str()))
            .collect();
        assert_eq!(outputs, [("a", "oak"), ("b", ""), ("c", "ash")]);
    }

    fn predicted(folder: &Path) -> (PathBuf, Origin) {
        let data = folder.join("dev.json");
        std::fs::write(&data, "{}").unwrap();
        (data, Origin::of_command(Path::new("model")))
    }

    fn read(path: &Path) -> Value {
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    #[test]
    fn files_hold_what_was_predicted() {
        let folder = tempfile::tempdir().unwrap();
        let given = json!({"task_names": ["squad", "newsqa"]});
        let config = Config::resolve(folder.path(), "m", given.as_object().unwrap());
        let config = config.unwrap().0;
        let files = ResultFiles::new(&config);
        let (data, origin) = predicted(folder.path());
        let v2 = [
            prediction("b", "oak", Some(0.5)),
            prediction("a", "", Some(1e6)),
        ];
        files
            .write_predictions("squad", 1, &v2, &data, &origin)
            .unwrap();
        files
            .write_predictions("newsqa", 1, &[prediction("n", "elm", None)], &data, &origin)
            .unwrap();
        let scores = &trial(50.0).tasks[0].1;
        files.write_eval("squad", 1, scores).unwrap();
        files.write_results(&[trial(50.0)]).unwrap();

        let results = folder.path().join("models/m/results");
        let qa = results.join("squad,newsqa_qa");
        // As text: the order of the questions counts.
        for (path, expected) in [
            (qa.join("squad_preds.json"), r#"{"b": "oak", "a": ""}"#),
            (
                qa.join("squad_null_odds.json"),
                r#"{"b": 0.5, "a": 1000000.0}"#,
            ),
            (qa.join("newsqa_preds.json"), r#"{"n": "elm"}"#),
            (
                qa.join("newsqa_nbest.json"),
                r#"{"n": [{"text": "elm", "probability": 1.0, "start_logit": -0.5, "end_logit": -0.25}]}"#,
            ),
            (
                qa.join("squad_eval.json"),
                r#"{"exact": 50.0, "total": 3, "HasAns_f1": 25.0}"#,
            ),
        ] {
            assert_eq!(
                std::fs::read_to_string(&path).unwrap(),
                expected,
                "{}",
                path.display()
            );
        }
        assert!(!qa.join("newsqa_null_odds.json").exists());
        let record = read(&qa.join("squad_preds.provenance.json"));
        assert_eq!(record["metric"], "squad2");
        assert_eq!(record["threshold"], -2.75);
        assert_eq!(record["null_odds"]["file"], "squad_null_odds.json");
        assert_eq!(record["checkpoint"], "model");
        let record = read(&qa.join("newsqa_preds.provenance.json"));
        assert_eq!(record["metric"], "mrqa");
        assert_eq!(record["threshold"], Value::Null);
        assert!(!qa.join("squad_preds_1.json").exists());
        assert!(!results.join("squad,newsqa_summary.json").exists());
        let text = std::fs::read_to_string(results.join("squad,newsqa_results.txt")).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert_eq!(
            read(&results.join("squad,newsqa_results.json"))[0]["newsqa"]["exact"],
            json!(50.0)
        );
    }

    #[test]
    fn every_trial_keeps_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let given = json!({"task_names": ["squad"], "num_trials": 2});
        let config = Config::resolve(folder.path(), "m", given.as_object().unwrap());
        let config = config.unwrap().0;
        let files = ResultFiles::new(&config);
        let (data, origin) = predicted(folder.path());
        for (trial_number, text) in [(1, "oak"), (2, "elm")] {
            let answers = [prediction("a", text, Some(0.5))];
            files
                .write_predictions("squad", trial_number, &answers, &data, &origin)
                .unwrap();
            let scores = &trial(50.0).tasks[0].1;
            files.write_eval("squad", trial_number, scores).unwrap();
            let own = files.of_trial(&config.task_names, trial_number);
            assert_eq!(own.len(), 4);
            assert!(own.iter().all(|file| file.is_file()), "{own:?}");
        }
        let qa = folder.path().join("models/m/results/squad_qa");
        for (name, text) in [("preds_1", "oak"), ("preds_2", "elm"), ("preds", "elm")] {
            let answers = read(&qa.join(format!("squad_{name}.json")));
            assert_eq!(answers["a"], text, "{name}");
            let record = read(&qa.join(format!("squad_{name}.provenance.json")));
            let odds = format!("squad_{name}.json").replace("preds", "null_odds");
            assert_eq!(record["null_odds"]["file"], odds.as_str());
        }
        files.write_results(&[trial(50.0), trial(51.0)]).unwrap();
        let text = folder.path().join("models/m/results/squad_summary.txt");
        let text = std::fs::read_to_string(text).unwrap();
        assert!(text.contains("exact: 50.50 ± 0.71"), "{text}");
        let summary = read(&folder.path().join("models/m/results/squad_summary.json"));
        assert_eq!(summary["squad"]["exact"]["mean"], 50.5);
    }
}
