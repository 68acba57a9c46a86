//! Classification and regression, as a run uses them.

use std::{
    io::{self, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use checkpoints_convert::HeadShape;
use serde_json::{Map, json};

use super::{
    data::ClassificationData,
    error::Error as ClassificationError,
    feature_file::write_lines,
    glue,
    labels::Labels,
    prediction::Prediction,
    prediction_file::{write_predictions, write_test_outputs},
    read_options::ReadOptions,
    report::TextReport,
    scorers::score::own_scores,
    submission::write_submission,
    table::EXTENSIONS,
    task::{ClassificationTask, TaskSplit},
};
use crate::{
    batch::{AsRow, FeatureSet, Row},
    config::{Config, Paths, of_trial},
    counted::counted,
    data::{existing_file::existing, split::Split},
    eval::{
        figures::{Remark, Scores},
        origin::Origin,
        taken::Taken,
        trial_name::trial_name,
    },
    report::Sections,
    tasks::{
        description::Description,
        error::Error,
        head::{Head, HeadConfig, dense},
        loss::mean_loss,
        predict::predict,
        prediction_record::PredictionRecord,
        qa::token_counts::TokenCounts,
        task::{Answerer, Answers, ResultFile, Task, TaskFile},
    },
    text::tokenizer::Tokenizer,
};

/// A task of texts or pairs of texts.
pub struct TextTask<'a> {
    name: &'a str,
    /// Folder of its data, with the description if it is user-defined.
    folder: PathBuf,
}

impl<'a> TextTask<'a> {
    pub fn new(name: &'a str, config: &Config) -> Self {
        Self {
            name,
            folder: config.paths().task_folder(name),
        }
    }

    /// Opens the task, with these labels if they are known.
    fn open(&self, known: Option<Labels>) -> Result<ClassificationTask, ClassificationError> {
        ClassificationTask::open(self.name, &self.folder, known)
    }

    /// Returns its splits without reading its labels.
    fn splits(&self, split: Split) -> Vec<&'static str> {
        match glue::find(self.name) {
            None => vec![split.name()],
            Some(task) => {
                let splits = task.splits.iter();
                let splits = splits.filter(|found| found.split == split);
                splits.map(|found| found.name).collect()
            }
        }
    }
}

impl Task for TextTask<'_> {
    fn result_files(&self, paths: Paths<'_>) -> Vec<ResultFile> {
        let splits = self.splits(Split::Dev).into_iter();
        let predictions = splits.map(|split| paths.predictions(self.name, split));
        predictions.flat_map(ResultFile::with_record).collect()
    }

    fn part<'n>(&self, name: &'n str) -> Option<(Split, &'n str)> {
        let Some(task) = glue::find(self.name) else {
            return Some((name.parse().ok()?, name));
        };
        let mut splits = task.splits.iter();
        let found = splits.find(|split| split.name == name || split.file == name);
        found.map(|found| (found.split, found.name))
    }

    fn data_files(&self, config: &Config, split: Split) -> Vec<PathBuf> {
        let debug = if config.debug { "-debug" } else { "" };
        let Some(task) = glue::find(self.name) else {
            let file = Description::read(&self.folder)
                .and_then(|description| description.file(&self.folder, split, EXTENSIONS));
            return vec![
                file.unwrap_or_else(|_| self.folder.join(format!("{}.tsv", split.name()))),
            ];
        };
        let splits = task.splits.iter().filter(|found| found.split == split);
        let files = splits.map(|found| self.folder.join(format!("{}{debug}.tsv", found.file)));
        let mut files: Vec<PathBuf> = files.collect();
        // The reference only uses the first dev file; the others are answered if they exist.
        if split == Split::Dev && files.len() > 1 {
            let others = files.split_off(1);
            files.extend(others.into_iter().filter(|file| existing(file).is_file()));
        }
        files
    }

    fn test_outputs(&self, paths: Paths<'_>, trial: usize) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for split in self.splits(Split::Test) {
            files.push(paths.test_predictions(self.name, split, trial));
            let glue = glue::find(self.name)
                .into_iter()
                .flat_map(|task| task.splits);
            let submission = glue
                .filter(|found| found.name == split)
                .find_map(|found| found.submission);
            files.extend(submission.map(|name| paths.submission("glue", trial, name)));
        }
        files
    }

    fn head(&self, _: &Config, stored: Option<&HeadShape>) -> Result<HeadConfig, Error> {
        let stored = dense(self.name, stored)?;
        let known = match glue::find(self.name) {
            Some(_) => None,
            None => stored.and_then(Labels::stored),
        };
        let task = self.open(known)?;
        let texts = match stored.and_then(|dense| dense.texts) {
            Some(texts) => Some(texts),
            None => task.texts(&self.folder),
        };
        let hidden_layer = stored.is_some_and(|dense| dense.hidden_layer);
        let columns = task
            .columns()
            .or_else(|| stored.and_then(|dense| dense.columns.clone()));
        let labels = task.labels;
        if let Some(dense) = stored.filter(|dense| dense.outputs != labels.outputs()) {
            return Err(Error::OtherHead {
                task: self.name.to_owned(),
                expected: "as many outputs as the task has labels",
                found: format!(
                    "{} for {}",
                    counted(dense.outputs, "output"),
                    counted(labels.outputs(), "label")
                ),
            });
        }
        if let (Labels::Classes(names), Some(found)) =
            (&labels, stored.and_then(|dense| dense.labels.as_ref()))
            && names != found
        {
            return Err(Error::OtherHead {
                task: self.name.to_owned(),
                expected: "the labels of the task in their order",
                found: format!("{} for {}", found.join(", "), names.join(", ")),
            });
        }
        Ok(match labels {
            Labels::Classes(names) => HeadConfig::Classes {
                labels: names.into(),
                texts,
                columns,
                hidden_layer,
            },
            Labels::Range { min, max } => HeadConfig::Value {
                range: Some([min, max]),
                texts,
                columns,
                hidden_layer,
            },
        })
    }

    fn read(
        &self,
        split: Split,
        part: Option<&str>,
        head: &HeadConfig,
        tokenizer: &Tokenizer,
        config: &Config,
    ) -> Result<Box<dyn TaskFile>, Error> {
        let task = self.open(Labels::of_head(head))?;
        let options = ReadOptions {
            debug: config.debug,
            most: config.most_examples(split),
            double_unordered: config.double_unordered,
        };
        let splits: Vec<TaskSplit> = task.splits_of(split);
        let files = match task.is_glue() {
            true => self.data_files(config, split),
            // Reports what is missing, or which of several files to choose.
            false => splits
                .iter()
                .map(|&split| task.file(&self.folder, split))
                .collect::<Result<_, _>>()?,
        };
        let files = splits.into_iter().zip(files);
        let files = files.filter(|(split, _)| part.is_none_or(|part| split.name == part));
        let parts = files.map(|(split, file)| {
            ClassificationData::read(
                &task,
                split,
                &file,
                options,
                tokenizer,
                config.max_seq_length,
            )
        });
        Ok(Box::new(Texts {
            task: self.name.to_owned(),
            parts: parts.collect::<Result<_, _>>()?,
        }))
    }

    /// Describes in our own metrics what the task's metrics leave out.
    fn remarks(&self, scores: &Scores, _: &Config) -> Vec<String> {
        let remark = scores.remark().and_then(|remark| remark.text.clone());
        remark
            .map(|text| format!("{}: {text}", self.name))
            .into_iter()
            .collect()
    }
}

/// The files of a split: one, or several of which the first provides the metrics.
struct Texts {
    task: String,
    parts: Vec<ClassificationData>,
}

impl TaskFile for Texts {
    fn task(&self) -> &str {
        &self.task
    }

    fn path(&self) -> &Path {
        self.parts.first().map_or(Path::new(""), |part| &part.file)
    }

    fn feature_count(&self) -> usize {
        self.parts.iter().map(|part| part.features.len()).sum()
    }

    fn rows_are(&self) -> &'static str {
        "texts"
    }

    fn feature_ids(&self) -> Vec<u64> {
        let features = self.parts.iter().flat_map(|part| &part.features);
        features.map(|feature| feature.eid).collect()
    }

    fn rows(&self) -> Box<dyn Iterator<Item = Row<'_>> + '_> {
        let features = self.parts.iter().flat_map(|part| &part.features);
        Box::new(features.map(AsRow::as_row))
    }

    fn line(&self, _: Split) -> String {
        let lines = self.parts.iter().map(ClassificationData::line);
        lines.collect::<Vec<_>>().join("\n")
    }

    fn taken(&self) -> Option<Taken> {
        self.parts.first()?.examples.taken
    }

    fn first(&self, most: usize, tokenizer: &Tokenizer) -> Box<dyn TaskFile> {
        let parts = self.parts.iter();
        Box::new(Texts {
            task: self.task.clone(),
            parts: parts.map(|part| part.first(most, tokenizer)).collect(),
        })
    }

    fn check_not_empty(&self) -> Result<(), Error> {
        Ok(self
            .parts
            .iter()
            .try_for_each(ClassificationData::check_not_empty)?)
    }

    fn examples(&self, count: usize, tokenizer: &Tokenizer) -> Vec<String> {
        let first = self.parts.first();
        first.map_or_else(Vec::new, |part| part.shown(count, tokenizer))
    }

    fn tokens(&self) -> TokenCounts {
        let mut tokens = TokenCounts::default();
        for part in &self.parts {
            tokens += part.tokens;
        }
        tokens
    }

    fn left_out(&self) -> Vec<String> {
        let parts = self.parts.iter();
        parts
            .flat_map(|part| {
                let skipped = part.examples.skipped.iter();
                skipped.map(|row| {
                    let (file, line) = (part.file.display(), row.line);
                    let columns = counted(row.columns, "column");
                    format!("{file}: line {line}: left out: {columns}")
                })
            })
            .collect()
    }

    fn write_features(&self, out: &mut (dyn Write + Send)) -> io::Result<()> {
        self.parts
            .iter()
            .try_for_each(|part| write_lines(out, &part.features))
    }

    fn check_markable(&self) -> Result<(), Error> {
        Ok(self
            .parts
            .iter()
            .try_for_each(ClassificationData::check_markable)?)
    }

    fn gold_digest(&self) -> String {
        let digests = self.parts.iter().map(ClassificationData::gold_digest);
        digests.collect::<Vec<_>>().join("; ")
    }

    fn answer<'a>(
        &'a self,
        by: &Answerer<'a>,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Box<dyn Answers + 'a>, Error> {
        let Head::Sequence(head) = &by.model.heads[by.head] else {
            panic!("head {} is not for texts", by.head)
        };
        let rows: Vec<Row> = self.rows().collect();
        let logits = predict(
            &FeatureSet::of_rows([rows]),
            by.at_once,
            by.model.electra.most_tokens(by.device),
            by.device,
            |input, _| head.predict(&by.model.encode(input)),
            progress,
        )?;
        let mut logits = logits.into_iter();
        let parts = self.parts.iter().map(|part| {
            let own = logits.by_ref().take(part.features.len()).collect();
            part.predictions(own)
        });
        Ok(Box::new(TextAnswers {
            file: self,
            predictions: parts.collect::<Result<_, _>>()?,
            config: by.config,
        }))
    }

    /// The first file is shown under the task's name, as are the metrics of a run.
    fn sections(
        &self,
        paths: Paths<'_>,
        trial: Option<usize>,
    ) -> Result<Vec<Box<dyn Sections + '_>>, Error> {
        let labelled = self.parts.iter().enumerate();
        let labelled = labelled.filter(|(_, part)| part.examples.labelled);
        let sections = labelled.map(|(number, part)| {
            let split = part.split.name;
            let name = match number {
                0 => self.task.clone(),
                _ => format!("{} {split}", self.task),
            };
            let last = paths.predictions(&self.task, split);
            let path = trial.map_or_else(|| last.clone(), |trial| of_trial(&last, trial));
            Ok(Box::new(TextReport::read(name, part, &path)?) as Box<dyn Sections>)
        });
        sections.collect()
    }
}

/// A model's predictions for the texts of some files, `[files]`.
struct TextAnswers<'a> {
    file: &'a Texts,
    predictions: Vec<Vec<Prediction>>,
    config: &'a Config,
}

impl TextAnswers<'_> {
    fn parts(&self) -> impl Iterator<Item = (&ClassificationData, &Vec<Prediction>)> {
        self.file.parts.iter().zip(&self.predictions)
    }

    fn scores_of(&self, part: &ClassificationData, predictions: &[Prediction]) -> Scores {
        let marked: Vec<_> = predictions.iter().filter_map(Prediction::marked).collect();
        part.task.metric().scores(&marked)
    }

    /// Returns metrics beyond the reference's: F1 if GLUE or a user-defined task calls for it, and
    /// those of the other dev files.
    fn beyond(&self) -> Option<Remark> {
        let (mut details, mut lines) = (Map::new(), Vec::new());
        let mut add = |name: String, scores: &Scores| {
            let shown: Vec<String> = scores
                .iter()
                .map(|(key, figure)| format!("{key} {}", figure.shown()))
                .collect();
            lines.push(format!("{name}{}", shown.join(", ")));
            for (key, figure) in scores.iter() {
                let key = format!("{}{key}", name.replace(": ", "_"));
                details.insert(key, json!(figure));
            }
        };
        for (number, (part, predictions)) in self.parts().enumerate() {
            if number > 0 {
                let scores = self.scores_of(part, predictions);
                add(format!("{}: ", part.split.name), &scores);
            } else if part.task.shows_own_scores() {
                let marked: Vec<_> = predictions.iter().filter_map(Prediction::marked).collect();
                let own = own_scores(&part.task.labels, &marked);
                if own.iter().next().is_some() {
                    add(String::new(), &own);
                }
            }
        }
        (!lines.is_empty()).then(|| Remark {
            key: "beyond_the_reference".to_owned(),
            text: Some(format!("ours, beyond the reference: {}", lines.join("; "))),
            details,
        })
    }
}

impl Answers for TextAnswers<'_> {
    fn scores(&self) -> Result<Scores, Error> {
        let mut scores = match self.parts().next() {
            Some((part, predictions)) => self.scores_of(part, predictions),
            None => Scores::default(),
        };
        if let Some(remark) = self.beyond() {
            scores.set_remark(remark);
        }
        Ok(scores)
    }

    /// Of the file that provides the metrics.
    fn loss(&self) -> Option<f64> {
        let losses = self.predictions.first()?.iter();
        let smoothing = self.config.label_smoothing;
        mean_loss(losses.map(|prediction| prediction.trained_loss(smoothing)))
    }

    fn mark(&self, trial: usize, origin: &Origin) -> Result<Scores, Error> {
        for (part, predictions) in self.parts() {
            let last = self
                .config
                .paths()
                .predictions(&self.file.task, part.split.name);
            let path = trial_name(last, self.config.num_trials, |last| of_trial(last, trial));
            write_predictions(&path, predictions)?;
            PredictionRecord::write(&path, &part.file, part.texts_digest(), origin)?;
        }
        self.scores()
    }

    fn write_test_outputs(&self, trial: usize) -> Result<(), Error> {
        let paths = self.config.paths();
        for (part, predictions) in self.parts() {
            let path = paths.test_predictions(&self.file.task, part.split.name, trial);
            write_test_outputs(&path, predictions)?;
            if let Some(name) = part.task.submission(part.split) {
                let path = paths.submission("glue", trial, name);
                write_submission(&path, &part.task.labels, predictions)?;
            }
        }
        Ok(())
    }
}
