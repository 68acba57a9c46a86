//! What a model answers to the questions of a file, as a run marks and writes it.

use std::path::PathBuf;

use super::{
    answers::{answer_files::AnswerFiles, answer_map::test_outputs, nbest::QuestionPrediction},
    evaluate::{self, TaskData},
    scorers::metric::Metric,
};
use crate::{
    config::{Config, Paths, of_trial},
    data::split::Split,
    eval::{self, figures::Scores, json_file::write_json, origin::Origin, trial_name::trial_name},
    tasks::{error::Error, task::Answers},
};

/// Where the answers of a trial to the test file go.
pub(super) fn test_predictions(paths: Paths<'_>, task: &str, trial: usize) -> PathBuf {
    paths.test_predictions(task, Split::Test.name(), trial)
}

/// What a model answers to the questions of a file.
pub(super) struct QuestionAnswers<'a> {
    pub data: &'a TaskData,
    pub predictions: Vec<QuestionPrediction>,
    /// Of a window, if it was asked for.
    pub loss: Option<f64>,
    pub config: &'a Config,
}

impl QuestionAnswers<'_> {
    /// Writes the answers, n-best lists and, if the task has unanswerable questions, null odds, and
    /// where they come from: under the names of the trial, if there are several.
    fn write(&self, trial: usize, origin: &Origin) -> Result<(), eval::Error> {
        let last = AnswerFiles::of_task(self.config.paths(), &self.data.task);
        let metric = Some(Metric::of_task(&self.data.task));
        let threshold = self.config.qa_na_threshold;
        trial_name(last, self.config.num_trials, |last| last.of_trial(trial)).write(
            &self.predictions,
            &self.data.file,
            metric,
            threshold,
            origin,
        )
    }

    /// Writes the figures of the SQuAD 2.0 scorer as it writes them itself.
    fn write_scores(&self, trial: usize, scores: &Scores) -> Result<(), eval::Error> {
        let task = &self.data.task;
        if Metric::of_task(task) != Metric::Squad2 {
            return Ok(());
        }
        let last = self.config.paths().qa_eval(task);
        let path = trial_name(last, self.config.num_trials, |last| of_trial(last, trial));
        write_json(&path, scores)
    }
}

impl Answers for QuestionAnswers<'_> {
    fn scores(&self) -> Result<Scores, Error> {
        evaluate::mark(self.data, &self.predictions, self.config)
    }

    fn loss(&self) -> Option<f64> {
        self.loss
    }

    fn mark(&self, trial: usize, origin: &Origin) -> Result<Scores, Error> {
        self.write(trial, origin)?;
        let scores = self.scores()?;
        self.write_scores(trial, &scores)?;
        Ok(scores)
    }

    /// The answers, empty if held back, as SQuAD's leaderboard takes them.
    fn write_test_outputs(&self, trial: usize) -> Result<(), Error> {
        let path = test_predictions(self.config.paths(), &self.data.task, trial);
        let outputs = test_outputs(&self.predictions, self.config.qa_na_threshold);
        Ok(write_json(&path, &outputs)?)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::*;
    use crate::{
        eval::{figures::Figure, result_file::write_results, results::TrialResults},
        tasks::{
            last_trial::keep_as_last,
            qa::{
                answers::{nbest::NbestEntry, provenance::Provenance},
                example::Examples,
                task::QuestionAnswering,
                token_counts::TokenCounts,
            },
            task::Task,
        },
    };

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

    fn data(folder: &Path, task: &str) -> TaskData {
        let file = folder.join("dev.json");
        std::fs::write(&file, "{}").unwrap();
        TaskData {
            task: task.to_owned(),
            file,
            questions: None,
            taken: None,
            examples: Examples::default(),
            features: Vec::new(),
            targets: None,
            tokens: TokenCounts::of(&[], 0),
        }
    }

    fn config(folder: &Path, given: Value) -> Config {
        Config::resolve(folder, "m", given.as_object().unwrap())
            .unwrap()
            .0
    }

    fn scores() -> Scores {
        let mut scores = Scores::default();
        scores.push("exact", Figure::Value(50.0));
        scores.push("total", Figure::Count(3));
        scores.push("HasAns_f1", Figure::Value(25.0));
        scores
    }

    fn read(path: &Path) -> Value {
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    #[test]
    fn files_hold_what_was_predicted() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), json!({"task_names": ["squad", "newsqa"]}));
        let origin = Origin::of_command(Path::new("model"));
        let v2 = [
            prediction("b", "oak", Some(0.5)),
            prediction("a", "", Some(1e6)),
        ];
        let newsqa = [prediction("n", "elm", None)];
        for (task, predictions) in [("squad", v2.to_vec()), ("newsqa", newsqa.to_vec())] {
            let data = &data(folder.path(), task);
            let answers = QuestionAnswers {
                data,
                predictions,
                loss: None,
                config: &config,
            };
            answers.write(1, &origin).unwrap();
            answers.write_scores(1, &scores()).unwrap();
        }
        let trial = TrialResults {
            tasks: ["squad", "newsqa"]
                .map(|task| (task.to_owned(), scores()))
                .into(),
        };
        write_results(config.paths(), &[trial], |_, scores| scores.sorted_line()).unwrap();

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
        let config = config(folder.path(), given);
        let origin = Origin::of_command(Path::new("model"));
        let data = &data(folder.path(), "squad");
        for (trial_number, text) in [(1, "oak"), (2, "elm")] {
            let answers = QuestionAnswers {
                data,
                predictions: vec![prediction("a", text, Some(0.5))],
                loss: None,
                config: &config,
            };
            answers.write(trial_number, &origin).unwrap();
            answers.write_scores(trial_number, &scores()).unwrap();
            keep_as_last(&config, trial_number, true).unwrap();
            let files = QuestionAnswering::new("squad").result_files(config.paths());
            let results = files.iter().filter(|file| !file.is_record);
            let own: Vec<PathBuf> = results
                .map(|file| of_trial(&file.path, trial_number))
                .collect();
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
            let own = format!("squad_{name}.json");
            assert_eq!(record["predictions"]["file"], own.as_str());
            let found = Provenance::beside(&qa.join(own)).unwrap();
            assert_eq!(found.unwrap().threshold, Some(-2.75));
        }
        // The first again, in the place of the last; what stands there already is not written anew.
        keep_as_last(&config, 1, false).unwrap();
        assert_eq!(read(&qa.join("squad_preds.json"))["a"], "oak");
        let written = |name: &str| qa.join(name).metadata().unwrap().modified().unwrap();
        let names = ["squad_preds.json", "squad_preds.provenance.json"];
        let before = names.map(written);
        keep_as_last(&config, 1, true).unwrap();
        assert_eq!(names.map(written), before);
        let trials = [50.0, 51.0].map(|exact| {
            let mut scores = Scores::default();
            scores.push("exact", Figure::Value(exact));
            TrialResults {
                tasks: vec![("squad".to_owned(), scores)],
            }
        });
        write_results(config.paths(), &trials, |_, scores| scores.sorted_line()).unwrap();
        let text = folder.path().join("models/m/results/squad_summary.txt");
        let text = std::fs::read_to_string(text).unwrap();
        assert!(text.contains("exact: 50.50 ± 0.71"), "{text}");
        let summary = read(&folder.path().join("models/m/results/squad_summary.json"));
        assert_eq!(summary["squad"]["exact"]["mean"], 50.5);
    }
}
