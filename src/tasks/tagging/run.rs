//! Tagging, as a run uses it.

use std::{
    io::{self, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use checkpoints_convert::HeadShape;

use super::{
    error::Error as TaggingError,
    feature::SEGMENT,
    feature_file::write_lines,
    labels::Labels,
    options::{EXTENSIONS, ReadOptions},
    prediction::{Prediction, write_predictions},
    reader::has_tags,
    report::TagReport,
    rules::Rules,
    task_data::TaskData,
};
use crate::{
    batch::{FeatureSet, Row},
    config::{Config, Paths, of_trial},
    counted::counted,
    data::{existing_file::existing, source::Source, split::Split},
    eval::{
        figures::{Remark, Scores},
        origin::Origin,
        taken::Taken,
        trial_name::trial_name,
    },
    report::Sections,
    tasks::{
        classification::example_loss::cross_entropy,
        description::{self, Description},
        error::Error,
        head::{Head, HeadConfig, dense},
        loss::mean_loss,
        predict::predict,
        prediction_record::PredictionRecord,
        qa::token_counts::TokenCounts,
        registry,
        task::{Answerer, Answers, ResultFile, Task, TaskFile},
    },
    text::tokenizer::Tokenizer,
};

/// A tagging task.
pub struct WordTask<'a> {
    name: &'a str,
    /// Folder of its data, with the description if it is user-defined.
    folder: PathBuf,
}

impl<'a> WordTask<'a> {
    pub fn new(name: &'a str, config: &Config) -> Self {
        Self {
            name,
            folder: config.paths().task_folder(name),
        }
    }

    fn is_of_reference(&self) -> bool {
        registry::find(self.name).is_some()
    }

    fn rules(&self) -> Rules {
        match self.is_of_reference() {
            true => Rules::Reference,
            false => Rules::Usual,
        }
    }

    /// Returns how its files are read.
    fn options(&self, config: &Config) -> Result<ReadOptions, Error> {
        if self.is_of_reference() {
            return Ok(ReadOptions::chunk(config.debug));
        }
        let description = Description::read(&self.folder)?;
        Ok(ReadOptions::of_description(&description))
    }

    /// Returns the columns that a user-defined task's description names, if any.
    fn columns(&self) -> Option<description::Columns> {
        match self.is_of_reference() {
            true => None,
            false => Description::read(&self.folder).ok()?.columns(),
        }
    }

    /// Returns the file of a split; for a user-defined task, one that exists.
    fn file(&self, config: &Config, split: Split) -> Result<PathBuf, description::Error> {
        if self.is_of_reference() {
            return Ok(config.paths().task_data(self.name, split.name()));
        }
        Description::read(&self.folder)?.file(&self.folder, split, EXTENSIONS)
    }

    /// Returns the files from which labels are taken: train, and those of dev and test that exist
    /// and, for a user-defined task, are tagged.
    fn labelled_files(
        &self,
        config: &Config,
        options: &ReadOptions,
    ) -> Result<Vec<PathBuf>, Error> {
        let mut files = vec![self.file(config, Split::Train)?];
        for split in [Split::Dev, Split::Test] {
            match self.file(config, split) {
                Ok(file) => {
                    let may_lack = split == Split::Test && !self.is_of_reference();
                    if !may_lack || has_tags(&file, options)? {
                        files.push(file);
                    }
                }
                Err(description::Error::NoFile { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if !files.iter().any(|file| existing(file).exists()) {
            // Reports why not.
            Source::open(&files[0])?;
        }
        Ok(files)
    }
}

impl Task for WordTask<'_> {
    fn result_files(&self, paths: Paths<'_>) -> Vec<ResultFile> {
        ResultFile::with_record(paths.predictions(self.name, Split::Dev.name())).into()
    }

    fn data_files(&self, config: &Config, split: Split) -> Vec<PathBuf> {
        let file = self.file(config, split);
        vec![file.unwrap_or_else(|_| self.folder.join(format!("{}.txt", split.name())))]
    }

    /// None, as in the reference.
    fn test_outputs(&self, _: Paths<'_>, _: usize) -> Vec<PathBuf> {
        Vec::new()
    }

    fn head(&self, config: &Config, stored: Option<&HeadShape>) -> Result<HeadConfig, Error> {
        let stored = dense(self.name, stored)?;
        let segment = stored.and_then(|dense| dense.segment);
        let columns = self
            .columns()
            .or_else(|| stored.and_then(|dense| dense.columns.clone()));
        if let Some(names) = stored.and_then(|dense| dense.labels.as_deref()) {
            return Ok(HeadConfig::Tags {
                tags: names.into(),
                segment,
                columns,
            });
        }
        let options = self.options(config)?;
        let files = self.labelled_files(config, &options)?;
        let labels = Labels::read(files.iter().map(PathBuf::as_path), &options)?;
        if let Some(dense) = stored.filter(|dense| dense.outputs != labels.len()) {
            return Err(Error::OtherHead {
                task: self.name.to_owned(),
                expected: "as many outputs as the files have tags",
                found: format!(
                    "{} for {}",
                    counted(dense.outputs, "output"),
                    counted(labels.len(), "tag")
                ),
            });
        }
        Ok(HeadConfig::Tags {
            tags: labels.names().collect(),
            segment,
            columns,
        })
    }

    fn read(
        &self,
        split: Split,
        _: Option<&str>,
        head: &HeadConfig,
        tokenizer: &Tokenizer,
        config: &Config,
    ) -> Result<Box<dyn TaskFile>, Error> {
        let HeadConfig::Tags { tags, segment, .. } = head else {
            panic!("{} is a task of tags", self.name)
        };
        let labels = Labels::of_names(tags.iter().map(String::as_str), self.rules())?;
        let data = TaskData::read_first(
            self.name,
            &self.file(config, split)?,
            Arc::new(labels),
            tokenizer,
            &self.options(config)?,
            config.max_seq_length,
            config.most_examples(split),
        )?;
        Ok(Box::new(Words {
            data,
            segment: segment.unwrap_or(SEGMENT),
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

/// A file of words.
struct Words {
    data: TaskData,
    /// Segment of every token.
    segment: u8,
}

impl TaskFile for Words {
    fn task(&self) -> &str {
        &self.data.task
    }

    fn path(&self) -> &Path {
        &self.data.file
    }

    fn feature_count(&self) -> usize {
        self.data.features.len()
    }

    fn rows_are(&self) -> &'static str {
        "sentences"
    }

    fn feature_ids(&self) -> Vec<u64> {
        let features = self.data.features.iter();
        features.map(|feature| feature.eid as u64).collect()
    }

    fn rows(&self) -> Box<dyn Iterator<Item = Row<'_>> + '_> {
        let features = self.data.features.iter();
        Box::new(features.map(|feature| feature.row(self.segment)))
    }

    fn line(&self, split: Split) -> String {
        self.data.line(split)
    }

    fn taken(&self) -> Option<Taken> {
        self.data.sentences.taken
    }

    fn first(&self, most: usize, tokenizer: &Tokenizer) -> Box<dyn TaskFile> {
        Box::new(Words {
            data: self.data.first(most, tokenizer),
            segment: self.segment,
        })
    }

    fn check_not_empty(&self) -> Result<(), Error> {
        Ok(self.data.check_not_empty()?)
    }

    fn examples(&self, count: usize, tokenizer: &Tokenizer) -> Vec<String> {
        self.data.examples(count, tokenizer)
    }

    fn tokens(&self) -> TokenCounts {
        self.data.tokens
    }

    fn left_out(&self) -> Vec<String> {
        Vec::new()
    }

    fn write_features(&self, out: &mut (dyn Write + Send)) -> io::Result<()> {
        write_lines(out, &self.data.features)
    }

    fn check_markable(&self) -> Result<(), Error> {
        Ok(self.data.check_markable()?)
    }

    fn gold_digest(&self) -> String {
        self.data.gold_digest()
    }

    fn answer<'a>(
        &'a self,
        by: &Answerer<'a>,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Box<dyn Answers + 'a>, Error> {
        let Head::Word(head) = &by.model.heads[by.head] else {
            panic!("head {} is not for words", by.head)
        };
        let rows: Vec<Row> = self.rows().collect();
        let logits = predict(
            &FeatureSet::of_rows([rows]),
            by.at_once,
            by.model.electra.most_tokens(by.device),
            by.device,
            |input, batch| head.predict(&by.model.encode(input), &batch.labels),
            progress,
        )?;
        let (data, labels) = (&self.data, &self.data.labels);
        let predictions = data.features.iter().zip(logits).map(|(feature, logits)| {
            let of_words = logits.chunks(labels.len()).zip(feature.kept_labels());
            let loss: f64 = of_words.map(|(word, &tag)| cross_entropy(word, tag)).sum();
            Prediction::new(feature, logits, loss as f32, labels)
        });
        Ok(Box::new(TagAnswers {
            data,
            predictions: predictions.collect::<Result<_, TaggingError>>()?,
            config: by.config,
        }))
    }

    fn sections(
        &self,
        paths: Paths<'_>,
        trial: Option<usize>,
    ) -> Result<Vec<Box<dyn Sections + '_>>, Error> {
        if !self.data.sentences.labelled {
            return Ok(Vec::new());
        }
        let last = paths.predictions(&self.data.task, Split::Dev.name());
        let path = trial.map_or_else(|| last.clone(), |trial| of_trial(&last, trial));
        Ok(vec![Box::new(TagReport::read(&self.data, &path)?)])
    }
}

/// A model's predictions for the words of a file.
struct TagAnswers<'a> {
    data: &'a TaskData,
    predictions: Vec<Prediction>,
    config: &'a Config,
}

impl Answers for TagAnswers<'_> {
    fn scores(&self) -> Result<Scores, Error> {
        let figures = self.data.mark(&self.predictions)?;
        let mut scores = figures.scores.clone();
        let accuracy = figures.token_accuracy();
        scores.set_remark(Remark {
            key: "beyond_the_reference".to_owned(),
            text: Some(format!(
                "ours, beyond the reference: {accuracy:.2} % of {} correct",
                counted(figures.words, "word")
            )),
            details: [("token_accuracy".to_owned(), accuracy.into())]
                .into_iter()
                .collect(),
        });
        Ok(scores)
    }

    fn loss(&self) -> Option<f64> {
        let losses = self.predictions.iter();
        let smoothing = self.config.label_smoothing;
        mean_loss(losses.map(|prediction| Some(prediction.trained_loss(smoothing))))
    }

    fn mark(&self, trial: usize, origin: &Origin) -> Result<Scores, Error> {
        let paths = self.config.paths();
        let last = paths.predictions(&self.data.task, Split::Dev.name());
        let path = trial_name(last, self.config.num_trials, |last| of_trial(last, trial));
        write_predictions(&path, &self.predictions)?;
        PredictionRecord::write(&path, &self.data.file, self.data.texts_digest(), origin)?;
        self.scores()
    }

    fn write_test_outputs(&self, _: usize) -> Result<(), Error> {
        Ok(())
    }
}
