//! Question answering as a run asks for it.

use std::{
    io::{self, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use checkpoints_convert::HeadShape;
use indicatif::HumanCount;

use super::{
    answers::{
        answer_files::AnswerFiles, answer_map::test_outputs, nbest::QuestionPrediction,
        provenance::Provenance,
    },
    error::Error as QaError,
    evaluate::{self, TaskData},
    feature::{Feature, MAX_WINDOWS},
    feature_file::write_lines,
    no_answer::{
        calibration::Calibration,
        threshold::signed,
        threshold_effect::{THRESHOLD, ThresholdEffect},
    },
    report::TaskReport,
    scorers::{gold::gold, metric::Metric, shown},
    span_head::SpanHeadConfig,
    token_counts::TokenCounts,
};
use crate::{
    batch::{AsRow, Row},
    config::{Config, Paths, of_trial},
    data::split::Split,
    eval::{
        self,
        figures::{Figure, Scores},
        file_digest::FileDigest,
        json_file::write_json,
        origin::Origin,
        taken::Taken,
        trial_copies::trial_copies,
    },
    report::Sections,
    tasks::{
        error::Error,
        head::HeadConfig,
        task::{Answerer, Answers, ResultFile, Task, TaskFile},
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

impl TaskFile for TaskData {
    fn task(&self) -> &str {
        &self.task
    }

    fn path(&self) -> &Path {
        &self.file
    }

    fn feature_count(&self) -> usize {
        self.features.len()
    }

    fn rows_are(&self) -> &'static str {
        "windows"
    }

    fn feature_ids(&self) -> Vec<u64> {
        let features = self.features.iter();
        features.map(|feature| feature.feature_id).collect()
    }

    fn rows(&self) -> Box<dyn Iterator<Item = Row<'_>> + '_> {
        Box::new(self.features.iter().map(AsRow::as_row))
    }

    /// Its questions, their windows, the share of questions whose passage takes more than one, that
    /// of tokens that the vocabulary does not know, and what is left out.
    fn line(&self, split: Split) -> String {
        let questions = self.examples.examples.len();
        let told = match self.taken {
            None => HumanCount(questions as u64).to_string(),
            Some(taken) => taken.to_string(),
        };
        let window = |feature: &Feature| feature.feature_id % MAX_WINDOWS as u64;
        let second = self.features.iter().filter(|feature| window(feature) == 1);
        let lost = match self.answers_in_no_window() {
            0 => String::new(),
            lost => format!(", {lost} answers in no window"),
        };
        format!(
            "{} {}: {told} questions, {} windows, {:.1} % cut, {:.2} % [UNK]{lost}{}",
            self.task,
            split.name(),
            HumanCount(self.features.len() as u64),
            100.0 * second.count() as f64 / questions.max(1) as f64,
            100.0 * self.tokens.unknown_share(),
            left_out(self),
        )
    }

    fn taken(&self) -> Option<Taken> {
        self.taken
    }

    fn first(&self, most: usize, tokenizer: &Tokenizer) -> Box<dyn TaskFile> {
        Box::new(TaskData::first(self, most, tokenizer))
    }

    fn check_not_empty(&self) -> Result<(), Error> {
        if !self.features.is_empty() {
            return Ok(());
        }
        let (path, left_out) = (self.file.clone(), left_out(self));
        Err(QaError::NoQuestion { path, left_out }.into())
    }

    fn examples(&self, count: usize, tokenizer: &Tokenizer) -> Vec<String> {
        let shown = self.features.iter().take(count).enumerate();
        shown
            .map(|(index, feature)| {
                format!(
                    "{} example {}: {}, {} tokens: {}; {}",
                    self.task,
                    index + 1,
                    feature.qas_id,
                    feature.input_ids.len(),
                    tokenizer.tokens(&feature.input_ids).join(" "),
                    answer(feature, tokenizer),
                )
            })
            .collect()
    }

    fn tokens(&self) -> TokenCounts {
        self.tokens
    }

    fn left_out(&self) -> Vec<String> {
        let skipped = self.examples.skipped.iter();
        skipped
            .map(|skipped| format!("{}: left out: {}", skipped.qas_id, skipped.reason))
            .collect()
    }

    fn write_features(&self, mut out: &mut (dyn Write + Send)) -> io::Result<()> {
        let split = match self.questions {
            None => Split::Train,
            Some(_) => Split::Dev,
        };
        write_lines(&mut out, &self.features, split)
    }

    fn check_markable(&self) -> Result<(), Error> {
        Ok(TaskData::check_markable(self)?)
    }

    fn gold_digest(&self) -> String {
        let gold = self.questions.as_deref().map(gold).unwrap_or_default();
        let mut sum = 0;
        for question in &gold {
            let answers = question.answers.iter().map(String::as_str);
            for text in [question.id.as_str()].into_iter().chain(answers) {
                sum = crc32c::crc32c_append(sum, text.as_bytes());
                sum = crc32c::crc32c_append(sum, &[0]);
            }
        }
        format!("{} questions, crc32c {sum:08x}", gold.len())
    }

    fn answer<'a>(
        &'a self,
        by: &Answerer<'a>,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Box<dyn Answers + 'a>, Error> {
        let targets = self.targets.as_deref().filter(|_| by.losses);
        let (predictions, loss) = evaluate::answer_with_loss(
            (by.model, by.head, by.device),
            self,
            targets.unwrap_or_default(),
            by.tokenizer,
            by.config,
            progress,
        )?;
        Ok(Box::new(QuestionAnswers {
            data: self,
            predictions,
            loss,
            config: by.config,
        }))
    }

    fn sections(
        &self,
        paths: Paths<'_>,
        trial: Option<usize>,
    ) -> Result<Vec<Box<dyn Sections + '_>>, Error> {
        let report = TaskReport::of_run(self, paths, trial)?;
        Ok(report
            .into_iter()
            .map(|report| Box::new(report) as Box<dyn Sections>)
            .collect())
    }

    fn calibrate(&self, folder: &Path, scores: &Scores) -> Option<Result<String, Error>> {
        let effect = ThresholdEffect::of(scores)?;
        let store = || -> Result<Option<Calibration>, QaError> {
            let chosen = Calibration::new(&effect, FileDigest::of(&self.file)?)?;
            if let Some(chosen) = chosen.as_ref().filter(|chosen| chosen.changes()) {
                chosen.store(folder)?;
            }
            Ok(chosen)
        };
        Some(match store() {
            Ok(Some(chosen)) => Ok(chosen.line()),
            Ok(None) => Ok(
                "no threshold does better than to answer nothing; the model keeps its own"
                    .to_owned(),
            ),
            Err(error) => Err(error.into()),
        })
    }
}

/// Where the answers of a trial to the test file go.
fn test_predictions(paths: Paths<'_>, task: &str, trial: usize) -> PathBuf {
    paths.test_predictions(task, Split::Test.name(), trial)
}

/// What reading has left out, as a line goes on with it.
fn left_out(data: &TaskData) -> String {
    match data.examples.skipped.len() {
        0 => String::new(),
        skipped => format!(", {skipped} questions left out: answer not found"),
    }
}

fn answer(feature: &Feature, tokenizer: &Tokenizer) -> String {
    let (start, end) = (feature.start, feature.end);
    match feature.input_ids.get(start..=end) {
        // [CLS] stands for an answer outside the window.
        Some(ids) if start > 0 && !feature.is_impossible => {
            let words = tokenizer.tokens(ids).join(" ");
            format!("answer: tokens {start} to {end}, {words}")
        }
        _ if feature.is_impossible => "no answer".to_owned(),
        _ => "the answer lies in another window".to_owned(),
    }
}

/// What a model answers to the questions of a file.
struct QuestionAnswers<'a> {
    data: &'a TaskData,
    predictions: Vec<QuestionPrediction>,
    /// Of a window, if it was asked for.
    loss: Option<f64>,
    config: &'a Config,
}

impl QuestionAnswers<'_> {
    /// Writes the answers, n-best lists and, if the task has unanswerable questions, null odds, and
    /// where they come from: under the names of the trial, if there are several, and as the last.
    fn write(&self, trial: usize, origin: &Origin) -> Result<(), eval::Error> {
        let last = AnswerFiles::of_task(self.config.paths(), &self.data.task);
        let metric = Some(Metric::of_task(&self.data.task));
        let threshold = self.config.qa_na_threshold;
        let copies = trial_copies(last, self.config.num_trials, |last| last.of_trial(trial));
        copies.iter().try_for_each(|files| {
            files.write(
                &self.predictions,
                &self.data.file,
                metric,
                threshold,
                origin,
            )
        })
    }

    /// Writes the figures of the SQuAD 2.0 scorer as it writes them itself.
    fn write_scores(&self, trial: usize, scores: &Scores) -> Result<(), eval::Error> {
        let task = &self.data.task;
        if Metric::of_task(task) != Metric::Squad2 {
            return Ok(());
        }
        let last = self.config.paths().qa_eval(task);
        let copies = trial_copies(last, self.config.num_trials, |last| of_trial(last, trial));
        copies.iter().try_for_each(|path| write_json(path, scores))
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
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        eval::{result_file::write_results, results::TrialResults},
        tasks::{
            kind::remarks,
            qa::{answers::nbest::NbestEntry, example::Examples, token_counts::TokenCounts},
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
        }
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
        let config = config(
            folder.path(),
            json!({"task_names": ["squad"], "qa_na_threshold": -2.75}),
        );
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
