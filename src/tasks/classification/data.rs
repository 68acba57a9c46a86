//! One file of a task: its examples, their features, and a model's predictions for them.

use std::path::{Path, PathBuf};

use super::{
    error::Error,
    example::Examples,
    feature::{Feature, featurize},
    labels::Gold,
    prediction::Prediction,
    read_options::ReadOptions,
    task::{ClassificationTask, TaskSplit},
};
use crate::{
    counted::{counted, grouped},
    eval::taken::Taken,
    tasks::{prediction_record::TextSum, qa::token_counts::TokenCounts},
    text::tokenizer::Tokenizer,
};

/// A featurised file.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassificationData {
    pub task: ClassificationTask,
    pub split: TaskSplit,
    pub file: PathBuf,
    pub examples: Examples,
    /// One for each example, in order.
    pub features: Vec<Feature>,
    /// Token counts of the features, without special tokens.
    pub tokens: TokenCounts,
}

impl ClassificationData {
    /// Reads and featurises a file as a split of the task.
    ///
    /// # Errors
    /// As for [`ClassificationTask::read`] and [`featurize`].
    pub fn read(
        task: &ClassificationTask,
        split: TaskSplit,
        file: &Path,
        options: ReadOptions,
        tokenizer: &Tokenizer,
        max_seq_length: usize,
    ) -> Result<Self, Error> {
        let examples = task.read(file, split, options)?;
        Self::of(task, split, file, examples, tokenizer, max_seq_length)
    }

    /// Featurises the examples of a file.
    ///
    /// # Errors
    /// As for [`featurize`].
    pub fn of(
        task: &ClassificationTask,
        split: TaskSplit,
        file: &Path,
        examples: Examples,
        tokenizer: &Tokenizer,
        max_seq_length: usize,
    ) -> Result<Self, Error> {
        let features = featurize(&examples, tokenizer, max_seq_length)?;
        let tokens = tokens(&features, tokenizer);
        if let Some(warning) = tokens.warning() {
            log::warn!("{}: {warning}", file.display());
        }
        Ok(Self {
            task: task.clone(),
            split,
            file: file.to_owned(),
            examples,
            features,
            tokens,
        })
    }

    /// Returns at most the first `most` examples of a file that was not doubled.
    pub fn first(&self, most: usize, tokenizer: &Tokenizer) -> Self {
        let all = &self.examples;
        let features: Vec<Feature> = self.features.iter().take(most).cloned().collect();
        Self {
            task: self.task.clone(),
            split: self.split,
            file: self.file.clone(),
            examples: Examples {
                examples: all.examples.iter().take(most).cloned().collect(),
                taken: Taken::again(all.taken, most, all.examples.len()),
                ..all.clone()
            },
            tokens: tokens(&features, tokenizer),
            features,
        }
    }

    /// Describes the file: its examples, the share of truncated ones, the share of unknown tokens,
    /// and the rows left out.
    pub fn line(&self) -> String {
        format!("{} {}: {}", self.task.name, self.split.name, self.content())
    }

    /// Same as [`line`](Self::line), without the name of the split.
    pub fn content(&self) -> String {
        let count = self.features.len();
        let cut = self.features.iter().filter(|feature| feature.cut).count();
        format!(
            "{}{}, {:.1} % cut, {:.2} % [UNK]{}",
            self.taken(),
            grouped(count, "example"),
            100.0 * cut as f64 / count.max(1) as f64,
            100.0 * self.tokens.unknown_share(),
            self.left_out(),
        )
    }

    fn taken(&self) -> String {
        let taken = self.examples.taken;
        taken.map_or_else(String::new, |taken| format!("{taken} rows, "))
    }

    fn left_out(&self) -> String {
        match self.examples.skipped.len() {
            0 => String::new(),
            skipped => format!(", {} left out: too few columns", counted(skipped, "row")),
        }
    }

    /// Rejects a file without examples.
    ///
    /// # Errors
    /// If it has none.
    pub fn check_not_empty(&self) -> Result<(), Error> {
        if !self.features.is_empty() {
            return Ok(());
        }
        Err(Error::NoExample {
            path: self.file.clone(),
            left_out: self.left_out(),
        })
    }

    /// Rejects a file without labels.
    ///
    /// # Errors
    /// If it cannot be scored.
    pub fn check_markable(&self) -> Result<(), Error> {
        self.check_not_empty()?;
        if self.examples.labelled {
            return Ok(());
        }
        Err(Error::NotLabelled {
            path: self.file.clone(),
        })
    }

    /// Returns the number and checksum of the labels with their examples' numbers.
    pub fn gold_digest(&self) -> String {
        let mut sum = 0;
        for example in &self.examples.examples {
            let gold = match example.gold {
                Gold::Class(class) => class,
                Gold::Value(value) => value.to_bits(),
            };
            sum = crc32c::crc32c_append(sum, &example.eid.to_le_bytes());
            sum = crc32c::crc32c_append(sum, &gold.to_le_bytes());
        }
        format!("{} labels, crc32c {sum:08x}", self.examples.examples.len())
    }

    /// Returns the number and checksum of the texts and of the tokens left of them at this sequence
    /// length.
    pub fn texts_digest(&self) -> String {
        let mut sum = TextSum::default();
        for example in &self.examples.examples {
            sum.add(Some(&example.text_a));
            sum.add(example.text_b.as_deref());
        }
        let told = sum.told(self.examples.examples.len());
        format!("{told}, {}", counted(self.tokens.tokens, "token"))
    }

    /// Formats the first features: what the model reads, and its target.
    pub fn shown(&self, count: usize, tokenizer: &Tokenizer) -> Vec<String> {
        let features = self.features.iter().take(count).enumerate();
        features
            .map(|(index, feature)| {
                let label = match self.examples.labelled {
                    true => format!("label {}", self.task.labels.shown(feature.gold)),
                    false => "no label".to_owned(),
                };
                format!(
                    "{} example {}: number {}, {}: {}; {label}",
                    self.task.name,
                    index + 1,
                    feature.eid,
                    counted(feature.input_ids.len(), "token"),
                    tokenizer.tokens(&feature.input_ids).join(" "),
                )
            })
            .collect()
    }

    /// Converts the model's logits for each feature, in order, `[features][outputs]`, to
    /// predictions.
    ///
    /// # Errors
    /// If there are not as many logits as features, and as for [`Prediction::new`].
    pub fn predictions(&self, logits: Vec<Vec<f32>>) -> Result<Vec<Prediction>, Error> {
        if logits.len() != self.features.len() {
            return Err(Error::Outputs {
                expected: "a list of numbers".to_owned(),
                features: self.features.len(),
                found: counted(logits.len(), "list"),
            });
        }
        let (task, labelled) = (&self.task, self.examples.labelled);
        let examples = self.examples.examples.iter().zip(logits);
        examples
            .map(|(example, logits)| {
                Prediction::new(&task.name, &task.labels, example, labelled, logits)
            })
            .collect()
    }
}

/// Counts the tokens of features, without special tokens.
fn tokens(features: &[Feature], tokenizer: &Tokenizer) -> TokenCounts {
    let mut tokens = TokenCounts::default();
    for feature in features {
        let special = 2 + usize::from(feature.first_segment < feature.input_ids.len());
        let mut counts = TokenCounts::of_ids(&feature.input_ids, tokenizer.vocab().unk_id());
        counts.tokens -= special;
        tokens += counts;
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::vocab::Vocab;

    fn data(task: &str, split: &str, text: &str) -> ClassificationData {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.tsv");
        std::fs::write(&path, text).unwrap();
        let vocab = Vocab::parse("[PAD]\n[UNK]\n[CLS]\n[SEP]\nold\noak\n", "v").unwrap();
        let tokenizer = Tokenizer::new(vocab, true);
        let task = ClassificationTask::glue(task).unwrap();
        let split = task.split(split).unwrap();
        let options = ReadOptions::default();
        ClassificationData::read(&task, split, &path, options, &tokenizer, 6).unwrap()
    }

    #[test]
    fn a_file_tells_what_it_holds() {
        let data = data(
            "rte",
            "dev",
            "h\n0\told oak\told elm\tnot_entailment\nx\n1\toak\toak\tentailment\n",
        );
        assert_eq!(
            data.line(),
            "rte dev: 2 examples, 50.0 % cut, 0.00 % [UNK], 1 row left out: too few columns"
        );
        data.check_markable().unwrap();
        let vocab = Vocab::parse("[PAD]\n[UNK]\n[CLS]\n[SEP]\nold\noak\n", "v").unwrap();
        assert_eq!(
            data.shown(1, &Tokenizer::new(vocab, true)),
            [
                "rte example 1: number 0, 6 tokens: [CLS] old oak [SEP] old [SEP]; label not_entailment"
            ]
        );
        assert!(data.gold_digest().starts_with("2 labels, crc32c "));
        let predictions = data.predictions(vec![vec![0.0, 1.0]; 2]).unwrap();
        let marked: Vec<_> = predictions.iter().filter_map(Prediction::marked).collect();
        let scores = data.task.metric().scores(&marked);
        assert_eq!(scores.get("accuracy"), Some(50.0));
        let message = data.predictions(vec![]).unwrap_err().to_string();
        assert!(message.contains("each of 2 features"), "{message}");
    }

    #[test]
    fn files_without_examples_or_labels_are_refused() {
        let none = data("rte", "dev", "h\nx\n");
        let message = none.check_not_empty().unwrap_err().to_string();
        assert!(
            message.contains("f.tsv") && message.contains("1 row left out"),
            "{message}"
        );
        let test = data("rte", "test", "h\n0\told\toak\n");
        let message = test.check_markable().unwrap_err().to_string();
        assert!(message.contains("labels of a test file"), "{message}");
        test.check_not_empty().unwrap();
    }
}
